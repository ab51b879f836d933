"""The checks of lesson 13's exercises."""
from collections.abc import Iterator
from typing import Any

import numpy as np

from minidl.course.exercises.check import Arguments, Check
from minidl.layers.shape import PixelShuffle
from minidl.types import Array


def shuffled(x: Array, r: int) -> Array:
    return PixelShuffle(r)(x)


def cases(rng: np.random.Generator) -> Iterator[Arguments]:
    for (N, C, H, W), r in (((1, 1, 1, 1), 1), ((1, 1, 1, 1), 2), ((1, 1, 1, 2), 2), ((1, 1, 2, 1), 2),
                            ((1, 2, 1, 1), 2), ((2, 1, 1, 2), 2), ((1, 1, 2, 2), 3), ((2, 3, 2, 3), 2)):
        # Whole numbers that count: one can see where each of them went.
        yield {"x": np.arange(1.0, N * C * r * r * H * W + 1).reshape(N, C * r * r, H, W), "r": r}


def groups(groups_as: str, order: str) -> Any:
    """Return a mistake: the channels cut into groups in another order, or the axes put into another one.

    The letters of an axis: n, c, i (row in the square), j (column in the square), h, w.
    """
    def mistake(x: Array, r: int) -> Array:
        N, channels, H, W = x.shape
        sizes = {"n": N, "c": channels // (r * r), "i": r, "j": r, "h": H, "w": W}
        x = x.reshape([sizes[axis] for axis in groups_as])
        return x.transpose([groups_as.index(axis) for axis in order]).reshape(N, sizes["c"], r * H, r * W)
    return mistake


CHECKS = {
    "pixel_shuffle": Check(shuffled, cases, {
        "this is a plain reshape, which cuts the maps into other rows: each position of the maps has to become a "
        "square of r × r pixels": groups("ncijhw", "ncijhw"),
        "rows and columns of the square are exchanged: channel c r² + i r + j is row i, column j":
            groups("ncjihw", "nchiwj"),
        "the image is made of r × r whole maps, side by side: pixel (i, j) of *each* square comes from map i r + j":
            groups("ncijhw", "ncihjw"),
        "the channels are in the order (i, j, c): the r² maps of one output channel are neighbors, c r² + i r + j":
            groups("nijchw", "nchiwj"),
        "each position has become a row of r² pixels: it has to become a square": groups("ncijhw", "nchwij"),
        "the rows of a square follow each other in the wrong order: i = 0 is the upper one":
            lambda x, r: shuffled(x.reshape(len(x), -1, r, r, *x.shape[2:])[:, :, ::-1].reshape(x.shape), r),
        "the columns of a square follow each other in the wrong order: j = 0 is the left one":
            lambda x, r: shuffled(x.reshape(len(x), -1, r, r, *x.shape[2:])[:, :, :, ::-1].reshape(x.shape), r),
        "all pixels of a square have the value of its first map: pixel (i, j) comes from map i r + j":
            lambda x, r: x[:, ::r * r].repeat(r, axis=2).repeat(r, axis=3),
    }, "Reshape: the same numbers, cut into other rows", PixelShuffle.forward, (
        "y[:, c, i::r, j::r] are the pixels (i, j) of all squares: they have the shape of one map. Which map is it?",
        "Either three loops over c, i, j and y[:, c, i::r, j::r] = x[:, c*r*r + i*r + j]; or reshape x to "
        "(N, C, r, r, H, W), transpose it to (N, C, H, r, W, r), and reshape that to the result's shape."),
        returns=("y",)),
}
