"""The checks of lesson 9's exercises."""
from collections.abc import Iterator
from typing import Any

import numpy as np

from minidl.course.exercises.check import Arguments, Check, differences
from minidl.loss import CrossEntropyLoss
from minidl.types import Array


def cross_entropy(scores: Array, labels: Array) -> float:
    return CrossEntropyLoss()(scores, labels)


def probabilities(scores: Array, axis: Any = 1, shifted: bool = True) -> Array:
    exp = np.exp(scores - scores.max(axis=axis, keepdims=True) * shifted)
    return exp / exp.sum(axis=axis, keepdims=True)


def over_columns(scores: Array) -> Array:
    exp = np.exp(scores - scores.max(axis=1, keepdims=True))
    return exp / exp.sum(axis=3, keepdims=True)


def one_hot(labels: Array, C: int) -> Array:
    """Return (N, C, H, W)."""
    return (labels[:, None] == np.arange(C)[:, None, None]) * 1.0


def right_ones(values: Array, labels: Array) -> Array:
    """Return each pixel's value of the right class, (N, H, W)."""
    return np.take_along_axis(values, labels[:, None], axis=1)[:, 0]


def moderate_cases(rng: np.random.Generator) -> Iterator[Arguments]:
    for N, C, H, W in ((1, 2, 1, 1), (1, 3, 1, 1), (1, 2, 1, 2), (2, 2, 1, 1), (1, 3, 2, 2), (2, 3, 2, 3)):
        yield {"scores": rng.normal(0, 2, size=(N, C, H, W)).round(2), "labels": rng.integers(0, C, size=(N, H, W))}


def cases(rng: np.random.Generator) -> Iterator[Arguments]:
    yield from moderate_cases(rng)
    yield {"scores": np.array([1000.0, 0.0]).reshape(1, 2, 1, 1), "labels": np.array([[[1]]])}
    yield {"scores": np.array([[1000.0, 0.0], [999.0, 1.0]]).reshape(1, 2, 1, 2), "labels": np.array([[[1, 1]]])}
    yield {"scores": rng.normal(0, 500, size=(2, 3, 2, 3)).round(), "labels": rng.integers(0, 3, size=(2, 2, 3))}


def logarithms(scores: Array, **how: Any) -> Array:
    return -np.log(probabilities(scores, **how))


def of_pixels(losses: Any) -> Any:
    """Return a mistake: the mean of something else than the right class's -log p."""
    return lambda scores, labels: float(np.mean(losses(scores, labels)))


def gradient(scores: Array, labels: Array) -> Array:
    p = probabilities(scores)
    return (p - one_hot(labels, p.shape[1])) / labels.size


def divided(by: Any) -> Any:
    """Return a mistake: the gradient with another denominator than N·H·W, which is a function of the scores."""
    return lambda scores, labels: gradient(scores, labels) * labels.size / by(scores)


ONE_LAYER = "Why softmax and cross entropy are one layer"

CHECKS = {
    "pixel_cross_entropy": Check(cross_entropy, cases, {
        "exp overflows for large scores: take the pixel's largest score away from all its scores first":
            of_pixels(lambda scores, labels: right_ones(logarithms(scores, shifted=False), labels)),
        "exp overflows for large scores, and log(0) is −inf for small ones: use log Σ exp(z) − z of the right class, "
        "with the largest score taken away first": lambda scores, labels: float(np.mean(
            np.log(np.exp(scores).sum(axis=1)) - right_ones(scores, labels))),
        "the largest score is taken away, but not added again: log Σ exp(z) = m + log Σ exp(z − m)":
            lambda scores, labels: float(np.mean(
                np.log(np.exp(scores - scores.max(axis=1, keepdims=True)).sum(axis=1)) - right_ones(scores, labels))),
        "the logarithm of a probability that was rounded to 0 is −inf: never calculate p; log p = z − m − log Σ exp(z "
        "− m)": of_pixels(lambda scores, labels: right_ones(logarithms(scores), labels)),
        "log(p + small number) is wrong where p is small: use log Σ exp(z) − z of the right class":
            of_pixels(lambda scores, labels: -np.log(right_ones(probabilities(scores), labels) + 1e-7)),
        "this is the sum over the pixels: divide by N·H·W": lambda scores, labels:
            cross_entropy(scores, labels) * labels.size,
        "this is divided by N only: the mean goes over all N·H·W pixels": lambda scores, labels:
            cross_entropy(scores, labels) * labels[0].size,
        "this is divided by H·W only: the mean goes over all images as well": lambda scores, labels:
            cross_entropy(scores, labels) * len(labels),
        "this is divided by the number of classes as well: divide by N·H·W": lambda scores, labels:
            cross_entropy(scores, labels) / scores.shape[1],
        "the sum of the softmax goes over the columns: the classes are axis 1":
            of_pixels(lambda scores, labels: -np.log(right_ones(over_columns(scores), labels))),
        "the softmax goes over the columns: the classes are axis 1":
            of_pixels(lambda scores, labels: right_ones(logarithms(scores, axis=3), labels)),
        "the sum of the softmax goes over all pixels: each pixel has its own, over axis 1":
            of_pixels(lambda scores, labels: right_ones(logarithms(scores, axis=(1, 2, 3)), labels)),
        "the softmax is missing: this is minus the score of the right class":
            of_pixels(lambda scores, labels: -right_ones(scores, labels)),
    }, ONE_LAYER, CrossEntropyLoss.forward, (
        "One pixel: z = scores[n, :, i, j] with the largest taken away, then log(sum of exp(z)) − z[its label]. Add up "
        "over n, i, j.",
        "Without loops: shifted = scores - scores.max(axis=1, keepdims=True), then log of the sum of exp(shifted) over "
        "axis 1, minus np.take_along_axis(shifted, labels[:, None], axis=1)[:, 0]. The mean of that."),
        returns=("the loss",)),
    "pixel_cross_entropy_gradient": Check(differences(cross_entropy, "scores"), cases, {
        "1/(N·H·W) is missing: the loss is a mean over all pixels": divided(lambda scores: 1),
        "this is divided by N only: the loss is a mean over N·H·W pixels": divided(len),
        "this is divided by H·W only: the loss is a mean over all images as well":
            divided(lambda scores: scores[0, 0].size),
        "this is divided by the number of scores: divide by that of the pixels, N·H·W": divided(np.size),
        "exp overflows for large scores: take the pixel's largest score away from all its scores first":
            lambda scores, labels: (probabilities(scores, shifted=False) - one_hot(labels, scores.shape[1]))
            / labels.size,
        "exp underflows for small scores: take each pixel's own largest score away, not the largest of all":
            lambda scores, labels: (probabilities(scores - scores.max(), shifted=False)
                                    - one_hot(labels, scores.shape[1])) / labels.size,
        "one-hot is not subtracted: softmax minus one-hot": lambda scores, labels: probabilities(scores) / labels.size,
        "only the right class has a gradient here: the other classes have p": lambda scores, labels:
            gradient(scores, labels) * one_hot(labels, scores.shape[1]),
        "the softmax is missing: these are scores minus one-hot": lambda scores, labels:
            (scores - one_hot(labels, scores.shape[1])) / labels.size,
        "the sum of the softmax goes over the columns: the classes are axis 1": lambda scores, labels:
            (over_columns(scores) - one_hot(labels, scores.shape[1])) / labels.size,
        "the softmax goes over the columns: the classes are axis 1": lambda scores, labels:
            (probabilities(scores, axis=3) - one_hot(labels, scores.shape[1])) / labels.size,
        "the classes are the last axis here: the result has the shape of the scores, (N, C, H, W)":
            lambda scores, labels: gradient(scores, labels).transpose(0, 2, 3, 1),
    }, "The gradient: softmax minus one-hot", CrossEntropyLoss.backward, (
        "The softmax goes over axis 1: exp = np.exp(scores - scores.max(axis=1, keepdims=True)), divided by its sum "
        "over axis 1.",
        "np.eye(C)[labels] is one-hot with the classes last, (N, H, W, C): transpose it to (N, C, H, W). Divide by N * "
        "H * W."), returns=("the gradient",)),
}
