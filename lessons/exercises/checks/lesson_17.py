"""The checks of lesson 17's exercises."""
from collections.abc import Iterator
from typing import Any

import numpy as np

from minidl.course.exercises.check import Arguments, Check
from minidl.layers.activation import softmax
from minidl.layers.containers import Skip
from minidl.tasks.segmentation.losses import DiceLoss
from minidl.types import Array

# N, channels of f(x), channels of x, H, W
SHAPES = ((1, 1, 1, 1, 1), (1, 2, 1, 1, 1), (1, 1, 2, 1, 1), (2, 1, 1, 1, 2), (1, 2, 2, 2, 1), (3, 2, 4, 2, 3))


def concatenated(inside: Array, x: Array) -> Array:
    N, C, H, W = inside.shape
    y = np.empty((N, C + x.shape[1], H, W))
    y[:, :C], y[:, C:] = inside, x
    return y


def map_cases(rng: np.random.Generator) -> Iterator[Arguments]:
    for N, C, channels, H, W in SHAPES:
        yield {"inside": rng.normal(size=(N, C, H, W)).round(2), "x": rng.normal(size=(N, channels, H, W)).round(2)}


def split(dy: Array, channels: int) -> tuple[Array, Array]:
    return dy[:, :channels], dy[:, channels:]


def gradient_cases(rng: np.random.Generator) -> Iterator[Arguments]:
    for N, C, channels, H, W in SHAPES:
        yield {"dy": rng.normal(size=(N, C + channels, H, W)).round(2), "channels": C}


def label_cases(rng: np.random.Generator) -> Iterator[Arguments]:
    for N, C, H, W in ((1, 2, 1, 1), (1, 2, 1, 2), (2, 2, 1, 1), (1, 3, 2, 2), (2, 3, 3, 4)):
        yield {"scores": rng.normal(0, 2, size=(N, C, H, W)).round(2), "labels": rng.integers(0, C, size=(N, H, W))}
    # Classes that are neither there nor predicted, and scores that overflow.
    yield {"scores": np.array([900.0, 0.0, -900.0]).reshape(1, 3, 1, 1), "labels": np.array([[[0]]])}
    yield {"scores": rng.normal(0, 300, size=(2, 3, 4, 3)).round(), "labels": rng.integers(0, 3, size=(2, 4, 3))}


def dice_loss(scores: Array, labels: Array) -> float:
    return DiceLoss()(scores, labels)


def dice(twice: float = 2, above: float = 1, below: float = 1, axes: tuple[int, ...] = (2, 3), squared: bool = True,
         union: bool = False, chances: Any = softmax, of_classes: Any = np.mean, first: int = 0) -> Any:
    """Return a mistake: the Dice loss with some of its parts changed."""
    def mistake(scores: Array, labels: Array) -> float:
        p, g = chances(scores), (labels[:, None] == np.arange(scores.shape[1])[:, None, None]) * 1.0
        p, g = p[:, first:], g[:, first:]
        both = (p * g).sum(axis=axes)
        sizes = ((p ** 2 if squared else p) + g).sum(axis=axes) - both * union
        return float(1 - of_classes((twice * both + above) / (sizes + below)))
    return mistake


def overflowing(scores: Array) -> Array:
    exp = np.exp(scores)
    return exp / exp.sum(axis=1, keepdims=True)


def called(scores: Array) -> Array:
    """Return 1 for the class with the largest score, 0 for the others."""
    return (scores.argmax(axis=1)[:, None] == np.arange(scores.shape[1])[:, None, None]) * 1.0


CONCATENATE, LOSSES = "Concatenate, and what that does to the gradient", "Losses for a class that few pixels belong to"

CHECKS = {
    "skip_forward": Check(concatenated, map_cases, {
        "the order is the other one: first inside, then x": lambda inside, x: concatenated(x, inside),
        "the two are added: their channels are stacked, axis 1": lambda inside, x: inside + x,
        "they are concatenated along the batch: the channels are axis 1":
            lambda inside, x: np.concatenate([inside, x], axis=0),
        "they are concatenated along the rows: the channels are axis 1":
            lambda inside, x: np.concatenate([inside, x], axis=2),
        "they are concatenated along the columns: the channels are axis 1":
            lambda inside, x: np.concatenate([inside, x], axis=3),
        "x is missing": lambda inside, x: inside,
    }, CONCATENATE, Skip.forward_checked, (
        "np.concatenate takes a list of arrays and an axis. Which axis are the channels?",
        "np.concatenate([inside, x], axis=1); or make an empty array with C' + C channels, and fill its two parts."),
        returns=("y",)),
    "skip_backward": Check(split, gradient_cases, {
        "the two are exchanged: the first channels of dy were inside's": lambda dy, channels: split(dy, channels)[::-1],
        "the cut is one channel too early": lambda dy, channels: split(dy, channels - 1),
        "the cut is one channel too late": lambda dy, channels: split(dy, channels + 1),
        "the last `channels` channels are cut off here: the first ones are inside's":
            lambda dy, channels: split(dy, dy.shape[1] - channels),
        "dy is cut in the middle: the first `channels` channels are inside's":
            lambda dy, channels: split(dy, dy.shape[1] // 2),
        "both get all of dy, as at a sum: a concatenation splits": lambda dy, channels: (dy, dy),
        "the batch is cut: the channels are axis 1, dy[:, :channels]":
            lambda dy, channels: (dy[:channels], dy[channels:]),
        "the rows are cut: the channels are axis 1":
            lambda dy, channels: (dy[:, :, :channels], dy[:, :, channels:]),
    }, CONCATENATE, Skip.backward, (
        "y's first channels were inside, the others were x. What acted on a part of y gets that part of dy.",
        "dy[:, :channels] and dy[:, channels:]"), returns=("dinside", "dx")),
    "dice_loss": Check(dice_loss, label_cases, {
        "this is D, the larger the better: the loss is 1 − its mean": lambda scores, labels:
            1 - dice_loss(scores, labels),
        "the 1 above and below is missing: a class that is neither there nor predicted has 0/0": dice(above=0, below=0),
        "the 1 is missing above: (2 Σ p g + 1)": dice(above=0),
        "the 1 is missing below: (Σ p² + Σ g² + 1)": dice(below=0),
        "the 2 is missing above: (2 Σ p g + 1)": dice(twice=1),
        "p is not squared below: Σ p² + Σ g²": dice(squared=False),
        "this is the IoU, with the union below: D has 2 Σ p g above and Σ p² + Σ g² below": dice(twice=1, union=True),
        "the sums go over the whole batch: each image has its own D_k": dice(axes=(0, 2, 3)),
        "the sums go over the classes as well: each class has its own D_k": dice(axes=(1, 2, 3)),
        "the sums go over the classes: they go over the pixels, axes (2, 3)": dice(axes=(1,)),
        "exp overflows for large scores: take the largest score of each pixel away first": dice(chances=overflowing),
        "the softmax is missing: p is a probability, not a score": dice(chances=lambda scores: scores),
        "p is 1 for the predicted class, 0 for the others: take the probabilities, which have a gradient":
            dice(chances=called),
        "the D_k are added: the loss is 1 − their mean over classes and images": dice(of_classes=np.sum),
        "1 − D is added up over classes and images: take the mean": lambda scores, labels:
            dice_loss(scores, labels) * len(scores) * scores.shape[1],
        "class 0 is left out: the mean goes over all classes": dice(first=1),
    }, LOSSES, DiceLoss.forward, (
        "First p, the softmax over axis 1, and g, one-hot, both (N, C, H, W). The sums go over the axes (2, 3), so "
        "that D is (N, C).",
        "D = (2 * (p * g).sum(axis=(2, 3)) + 1) / ((p ** 2 + g).sum(axis=(2, 3)) + 1), as g² = g. The loss is 1 − "
        "D.mean()."), returns=("the loss",)),
}
