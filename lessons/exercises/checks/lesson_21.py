"""The checks of lesson 21's exercises."""
from collections.abc import Iterator
from typing import Any

import numpy as np

from minidl.course.exercises.check import Arguments, Check
from minidl.parallel import SyncBatchNorm2d
from minidl.types import Array

AXES = (0, 2, 3)


def moments(x1: Array, x2: Array, ddof: int = 0) -> tuple[Array, Array]:
    x = np.concatenate([x1, x2])
    return x.mean(axis=AXES), x.var(axis=AXES, ddof=ddof)


def cases(rng: np.random.Generator) -> Iterator[Arguments]:
    for N1, N2, C, H, W in ((1, 1, 1, 1, 1), (1, 1, 1, 1, 2), (2, 1, 1, 1, 1), (1, 2, 2, 1, 2), (3, 1, 2, 2, 3),
                            (2, 4, 3, 3, 2)):
        # The halves differ: one is brighter than the other.
        yield {"x1": rng.normal(1, 2, size=(N1, C, H, W)).round(1), "x2": rng.normal(4, 1, size=(N2, C, H, W)).round(1)}
    # Numbers far from 0, which differ by little.
    yield {"x1": 1e6 + rng.normal(size=(2, 2, 2, 3)), "x2": 1e6 + rng.normal(1, 1, size=(3, 2, 2, 3))}


def from_parts(mean: Any = None, variance: Any = None) -> Any:
    """Return a mistake: of m, mean and q of each half, another mean or variance is made.

    `mean` takes m (2, 1), means (2, C); `variance` also q (2, C) and the joint mean (C,).
    """
    def mistake(x1: Array, x2: Array) -> tuple[Array, Array]:
        m = np.array([[x[:, 0].size] for x in (x1, x2)], float)
        mu = np.stack([x.mean(axis=AXES) for x in (x1, x2)])
        q = np.stack([x.var(axis=AXES) * x[:, 0].size for x in (x1, x2)])
        joint = (m * mu).sum(axis=0) / m.sum() if mean is None else mean(m, mu)
        if variance is None:
            return joint, (q + m * (mu - joint) ** 2).sum(axis=0) / m.sum()
        return joint, variance(m, mu, q, joint)
    return mistake


def by_squares(x1: Array, x2: Array) -> tuple[Array, Array]:
    """E[x²] − E[x]², which loses digits."""
    m = x1[:, 0].size + x2[:, 0].size
    mean = (x1.sum(axis=AXES) + x2.sum(axis=AXES)) / m
    return mean, ((x1 ** 2).sum(axis=AXES) + (x2 ** 2).sum(axis=AXES)) / m - mean ** 2


CHECKS = {
    "joint_moments": Check(moments, cases, {
        "this is the mean of the two means: the larger half counts more, (m₁ μ₁ + m₂ μ₂) / (m₁ + m₂)":
            from_parts(mean=lambda m, mu: mu.mean(axis=0)),
        "the two means are added": from_parts(mean=lambda m, mu: mu.sum(axis=0)),
        "q₁ + q₂ is not enough: each counts from its own mean; what is missing is how far these means lie from the "
        "common one, m₁ (μ₁ − μ)² + m₂ (μ₂ − μ)²": from_parts(variance=lambda m, mu, q, mean: q.sum(axis=0) / m.sum()),
        "this is the mean of the two variances: they count from other means, and the halves differ in size":
            from_parts(variance=lambda m, mu, q, mean: (q / m).mean(axis=0)),
        "m₁ and m₂ are missing: all m₁ values of a half count from a mean that is off by (μ₁ − μ), so m₁ (μ₁ − μ)²":
            from_parts(variance=lambda m, mu, q, mean: (q + (mu - mean) ** 2).sum(axis=0) / m.sum()),
        "(μ₁ − μ) is not squared: m₁ (μ₁ − μ)² + m₂ (μ₂ − μ)²":
            from_parts(variance=lambda m, mu, q, mean: (q + m * np.abs(mu - mean)).sum(axis=0) / m.sum()),
        "this is the variance of the two means alone: q₁ + q₂ belong to it":
            from_parts(variance=lambda m, mu, q, mean: (m * (mu - mean) ** 2).sum(axis=0) / m.sum()),
        "the variance is divided by m − 1: here it is the mean, over m": lambda x1, x2: (
            moments(x1, x2)[0], moments(x1, x2, ddof=min(1, x1[:, 0].size + x2[:, 0].size - 1))[1]),
        "this is the sum of the squared differences: divide by m₁ + m₂": lambda x1, x2: (
            moments(x1, x2)[0], moments(x1, x2)[1] * (x1[:, 0].size + x2[:, 0].size)),
        "this is the standard deviation: return its square, the variance": lambda x1, x2: (
            moments(x1, x2)[0], np.sqrt(moments(x1, x2)[1])),
        "the mean of the squares minus the squared mean loses its digits where the mean is large: add up squared "
        "differences from the mean": by_squares,
        "the first half alone is not the batch": lambda x1, x2: (x1.mean(axis=AXES), x1.var(axis=AXES)),
        "the second half alone is not the batch": lambda x1, x2: (x2.mean(axis=AXES), x2.var(axis=AXES)),
        "the two moments are exchanged: first the mean, then the variance": lambda x1, x2: moments(x1, x2)[::-1],
    }, "All cores", SyncBatchNorm2d.moments, (
        "Each half has m values per channel (N·H·W), a mean μ, and q, the sum of squared differences from that mean, "
        "over the axes (0, 2, 3). First find the common mean μ.",
        "variance = (q₁ + q₂ + m₁ (μ₁ − μ)² + m₂ (μ₂ − μ)²) / (m₁ + m₂). x1[:, 0].size is m₁."),
        returns=("mean", "variance")),
}
