"""The checks of lesson 14's exercises."""
from collections.abc import Iterator
from typing import Any

import numpy as np

from minidl import models
from minidl.course.exercises.check import Arguments, Check
from minidl.layers.conv import ConvTranspose2d
from minidl.types import Array


def painted(x: Array, weight: Array, stride: int) -> Array:
    C, O, k, _ = weight.shape
    layer = ConvTranspose2d(C, O, k, stride=stride, bias=False).astype(np.float64)
    layer.weight.data[...] = weight
    return layer(x)


def cases(rng: np.random.Generator) -> Iterator[Arguments]:
    for N, C, O, H, W, k, stride in ((1, 1, 1, 1, 1, 1, 1), (1, 1, 1, 1, 1, 2, 2), (1, 1, 1, 1, 2, 2, 2),
                                     (1, 1, 1, 1, 2, 2, 1), (1, 1, 1, 1, 2, 2, 3), (1, 2, 1, 1, 1, 2, 1),
                                     (1, 1, 2, 1, 1, 2, 1), (2, 1, 1, 1, 2, 2, 1), (1, 2, 2, 2, 3, 3, 2),
                                     (2, 3, 2, 3, 2, 4, 2)):
        yield {"x": rng.integers(1, 10, size=(N, C, H, W)) * 1.0,
               "weight": rng.normal(size=(C, O, k, k)).round(1), "stride": stride}


def overwritten(x: Array, weight: Array, stride: int) -> Array:
    """Each pixel's kernels, summed over the channels, take the place of what was there."""
    y = np.zeros_like(painted(x, weight, stride))
    k = weight.shape[2]
    for i, j in np.ndindex(*x.shape[2:]):
        y[:, :, i * stride:i * stride + k, j * stride:j * stride + k] = np.tensordot(x[:, :, i, j], weight, 1)
    return y


def last_channel(x: Array, weight: Array, stride: int) -> Array:
    """The same in a loop over the channels: the last one stays."""
    return overwritten(x[:, -1:], weight[-1:], stride)


def averaged(x: Array, weight: Array, stride: int) -> Array:
    count = painted(np.ones_like(x[:1, :1]), np.ones_like(weight[:1, :1]), stride)
    return painted(x, weight, stride) / np.maximum(count, 1)


def next_to_each_other(x: Array, weight: Array, stride: int) -> Array:
    """The stride is taken for the kernel's side."""
    return painted(x, weight, weight.shape[2])


def cut(x: Array, weight: Array, stride: int) -> Array:
    return painted(x, weight, stride)[:, :, :x.shape[2] * stride, :x.shape[3] * stride]


def tents(scale: int) -> Array:
    # The kernel of two dimensions is a tent down times a tent across: on its diagonal are a tent's squares.
    return np.sqrt(np.diag(models.enlarge(1, scale).weight.data[0, 0]).astype(float))


def scale_cases(rng: np.random.Generator) -> Iterator[Arguments]:
    for scale in (1, 2, 3, 4, 8, 32):
        yield {"scale": scale}


def around(middle: Any, length: Any = None, slope: Any = None) -> Any:
    """Return a mistake: a tent with another middle, length or slope, functions of the scale."""
    def mistake(scale: int) -> Array:
        i = np.arange(2 * scale if length is None else length(scale))
        return 1 - np.abs(i - middle(scale)) / (scale if slope is None else slope(scale))
    return mistake


def right_middle(scale: int) -> float:
    return scale - 0.5


CHECKS = {
    "transposed_convolution": Check(painted, cases, {
        "what was painted is overwritten where kernels overlap: add, +=": overwritten,
        "what was painted before is overwritten, also by the next channel: add, +=": last_channel,
        "only the first channel of x is painted: each channel adds its kernel":
            lambda x, weight, stride: painted(x[:, :1], weight[:1], stride),
        "values are averaged where kernels overlap: they add up": averaged,
        "the kernel is flipped: W[c, o, i, j] lands i rows below and j columns to the right of its corner":
            lambda x, weight, stride: painted(x, weight[:, :, ::-1, ::-1], stride),
        "rows and columns of the kernel are exchanged: W[c, o, i, j], i counts rows":
            lambda x, weight, stride: painted(x, weight.swapaxes(2, 3), stride),
        "the stride is ignored: neighboring pixels paint `stride` rows or columns apart":
            lambda x, weight, stride: painted(x, weight, 1),
        "the kernels are painted side by side: the distance from one to the next is the stride, not k":
            next_to_each_other,
        "the result is cut to H·stride rows and W·stride columns: it has (H − 1) stride + k and (W − 1) stride + k":
            cut,
        "every pixel paints the same: multiply the kernel by the pixel's value":
            lambda x, weight, stride: painted(np.ones_like(x), weight, stride),
        "divided by the number of channels: they add up": lambda x, weight, stride:
            painted(x, weight, stride) / x.shape[1],
    }, "The transposed convolution", ConvTranspose2d.forward, (
        "Begin with zeros of the result's shape. Loop over n, c, i, j: where is the upper left corner of what pixel "
        "(i, j) paints?",
        "y[n, :, i*stride:i*stride + k, j*stride:j*stride + k] += x[n, c, i, j] * weight[c], both (O, k, k)."),
        returns=("y",)),
    "tent": Check(tents, scale_cases, {
        "the middle is at scale: it lies between the two middle numbers, at scale − 1/2": around(lambda scale: scale),
        "the middle is at scale − 1: it lies between the two middle numbers, at scale − 1/2":
            around(lambda scale: scale - 1),
        "this tent has 2·scale − 1 numbers: the kernel of an even enlargement has 2·scale, with the middle between two "
        "of them": around(lambda scale: scale - 1, lambda scale: 2 * scale - 1),
        "this tent falls over twice the length: its slope is 1/scale":
            around(right_middle, slope=lambda scale: 2 * scale),
        "the tent is divided by its sum: its sum is scale, so that the tents of neighbors add up to 1":
            lambda scale: tents(scale) / scale,
        "the tent is divided by its largest number: it only comes near 1":
            lambda scale: tents(scale) / tents(scale).max(),
        "the tent begins and ends with 0 (np.linspace with both ends): its numbers stand at the middles of the pixels":
            lambda scale: np.concatenate([np.linspace(0, 1, scale), np.linspace(1, 0, scale)]),
        "this tent hangs upside down: 1 − distance / scale": lambda scale: 1 - tents(scale),
        "the distance needs its absolute value": lambda scale: 1 - (np.arange(2 * scale) - right_middle(scale)) / scale,
        "this is a box, which copies the nearest pixel: a tent falls from its middle in straight lines":
            lambda scale: np.ones(2 * scale),
        "this is the kernel in two dimensions: return its row": lambda scale: np.outer(tents(scale), tents(scale)),
    }, "Tents", models.enlarge, (
        "The middle of the numbers 0, 1, ..., 2·scale − 1 is scale − 1/2. How far from it is number i?",
        "1 - np.abs(np.arange(2 * scale) - (scale - 0.5)) / scale"), returns=("the tent",)),
}
