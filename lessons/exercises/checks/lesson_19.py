"""The checks of lesson 19's exercises."""
from collections.abc import Iterator
from typing import Any

import numpy as np

from minidl.course.exercises.check import Arguments, Check
from minidl.tasks.super_resolution import image_metrics
from minidl.types import Array


def decibels(image: Array, truth: Array) -> float:
    return float(image_metrics.psnr(image[None], truth[None])[0])


def cases(rng: np.random.Generator) -> Iterator[Arguments]:
    yield {"image": np.array([[[0.5]]]), "truth": np.array([[[0.75]]])}
    yield {"image": np.array([[[1.0]]]), "truth": np.array([[[0.0]]])}          # as wrong as can be: 0 dB
    for C, H, W in ((1, 1, 2), (2, 1, 1), (3, 2, 3)):
        yield {"image": rng.random((C, H, W)).round(3), "truth": rng.random((C, H, W)).round(3)}
    dark = rng.random((3, 4, 5)) / 4
    yield {"image": dark, "truth": dark + rng.normal(0, 0.01, size=dark.shape).clip(0)}
    yield {"image": np.full((3, 2, 2), 0.25), "truth": np.full((3, 2, 2), 0.25)}                 # equal: infinite


def other(score: Any) -> Any:
    """Return a mistake: another score of the mean squared error."""
    return lambda image, truth: score(np.mean((image - truth) ** 2))


CHECKS = {
    "psnr": Check(decibels, cases, {
        "the sign is wrong: 10 log10(1 / MSE) = −10 log10(MSE), the larger the better": other(
            lambda mse: 10 * np.log10(mse)),
        "20 in place of 10: the MSE is squared already; 20 belongs to its root": other(lambda mse: -20 * np.log10(mse)),
        "10 in place of 20: for the root of the MSE it is −20 log10": other(
            lambda mse: -10 * np.log10(np.sqrt(mse))),
        "the 10 is missing: a decibel is a tenth of a bel": other(lambda mse: -np.log10(mse)),
        "this is the natural logarithm: take np.log10": other(lambda mse: -10 * np.log(mse)),
        "this is the logarithm to base 2: take np.log10": other(lambda mse: -10 * np.log2(mse)),
        "the peak is 1 here, not 255: values go from 0 to 1": other(lambda mse: 10 * np.log10(255 ** 2 / mse)),
        "a small number is added to the MSE: then equal images have a finite PSNR; theirs is infinite":
            other(lambda mse: -10 * np.log10(mse + 1e-8)),
        "this is the sum of the squared differences: take their mean": lambda image, truth:
            -10 * np.log10(np.sum((image - truth) ** 2)),
        "these are absolute differences: square them": lambda image, truth:
            -10 * np.log10(np.mean(np.abs(image - truth))),
        "these are absolute differences: take the root of their mean *square*": lambda image, truth:
            -20 * np.log10(np.mean(np.abs(image - truth))),
        "the mean of the differences is squared: square each difference first": lambda image, truth:
            -10 * np.log10(np.mean(image - truth) ** 2),
        "this is the mean of the channels' PSNRs: one MSE over all channels and pixels": lambda image, truth:
            float(np.mean(-10 * np.log10(np.mean((image - truth) ** 2, axis=(1, 2))))),
        "this is one PSNR for each channel: one MSE over all channels and pixels": lambda image, truth:
            -10 * np.log10(np.mean((image - truth) ** 2, axis=(1, 2))),
        "the largest value of this image is taken as the peak: it is what a pixel can have at most, 1":
            lambda image, truth: 10 * np.log10(truth.max() ** 2 / np.mean((image - truth) ** 2)),
        "this is the MSE: PSNR = 10 log10(1 / MSE)": other(lambda mse: mse),
    }, "PSNR", image_metrics.psnr, (
        "First the MSE, one number: the mean of (image - truth) ** 2 over everything.",
        "10 * np.log10(1 / mse). NumPy makes inf of 1 / 0, as wanted (np.mean returns a NumPy number)."),
        returns=("the PSNR",)),
}
