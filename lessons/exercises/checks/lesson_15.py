"""The checks of lesson 15's exercises."""
from collections.abc import Iterator
from typing import Any

import numpy as np

from minidl.course.exercises.check import Arguments, Check
from minidl.layers.upsampling import Upsample, _each_image, interpolation_matrix
from minidl.types import Array


def enlarged(x: Array, scale: int, mode: str = "nearest", align_corners: bool = False) -> Array:
    return Upsample(scale, mode, align_corners)(x)


def bilinear(x: Array, scale: int) -> Array:
    return enlarged(x, scale, "bilinear")


def back(dy: Array, scale: int, mode: str = "nearest") -> Array:
    layer = Upsample(scale, mode)
    N, C, H, W = dy.shape
    layer(np.zeros((N, C, H // scale, W // scale)))
    return layer.backward(dy)


def bilinear_back(dy: Array, scale: int) -> Array:
    return back(dy, scale, "bilinear")


SIZES = (((1, 1, 1, 1), 1), ((1, 1, 1, 1), 2), ((1, 1, 1, 2), 2), ((1, 1, 2, 1), 2), ((1, 2, 1, 1), 2),
         ((2, 1, 1, 2), 2), ((1, 1, 2, 3), 3), ((2, 3, 3, 2), 4), ((2, 2, 4, 3), 2))


def image_cases(rng: np.random.Generator) -> Iterator[Arguments]:
    for shape, scale in SIZES:
        yield {"x": rng.normal(0, 5, size=shape).round(1), "scale": scale}


def gradient_cases(rng: np.random.Generator) -> Iterator[Arguments]:
    for (N, C, H, W), scale in SIZES:
        yield {"dy": rng.normal(0, 5, size=(N, C, scale * H, scale * W)).round(1), "scale": scale}


def size_cases(rng: np.random.Generator) -> Iterator[Arguments]:
    for size, scale in ((1, 1), (1, 2), (2, 1), (2, 2), (3, 2), (2, 3), (4, 4), (5, 3)):
        yield {"size": size, "scale": scale}


def blocks(dy: Array, scale: int) -> Array:
    """Return dy (N, C, scale H, scale W) cut into squares, (N, C, H, W, scale * scale)."""
    N, C, H, W = dy.shape
    dy = dy.reshape(N, C, H // scale, scale, W // scale, scale).swapaxes(3, 4)
    return dy.reshape(N, C, H // scale, W // scale, -1)


def nails(x: Array, scale: int) -> Array:
    N, C, H, W = x.shape
    y = np.zeros((N, C, scale * H, scale * W))
    y[:, :, ::scale, ::scale] = x
    return y


def positions(size: int, scale: int) -> Array:
    return (np.arange(size * scale) + 0.5) / scale - 0.5


def mixed(at: Array, size: int, exchanged: bool = False, assigned: bool = False, dropped: bool = False) -> Array:
    """Return the matrix that interpolates at these positions, with up to three mistakes."""
    A = np.zeros((len(at), size))
    for i, place in enumerate(at):
        left = int(np.floor(place))
        t = place - left
        for j, share in ((left, t if exchanged else 1 - t), (left + 1, 1 - t if exchanged else t)):
            if dropped and not 0 <= j < size:
                continue
            j = min(max(j, 0), size - 1)
            A[i, j] = share if assigned else A[i, j] + share
    return A


def extrapolated(size: int, scale: int) -> Array:
    """The lines through the outermost two centers go on beyond them."""
    if size == 1:
        return np.ones((scale, 1))
    A, at = np.zeros((size * scale, size)), positions(size, scale)
    left = np.clip(np.floor(at).astype(int), 0, size - 2)
    i = np.arange(size * scale)
    A[i, left], A[i, left + 1] = 1 - (at - left), at - left
    return A


def clipped(size: int, scale: int) -> Array:
    return positions(size, scale).clip(0, size - 1)


def product(left: Any, right: Any) -> Any:
    """Return a mistake: left(A, x) and right(., B) instead of A x Bᵀ; one that does not fit gives up."""
    def mistake(x: Array, scale: int) -> Array:
        A, B = (interpolation_matrix(size, scale) for size in x.shape[2:])
        return right(left(A, x), B)
    return mistake


def back_product(change: Any) -> Any:
    """Return a mistake: matrices for the way back that are made of A and B in another way than by transposing."""
    def mistake(dy: Array, scale: int) -> Array:
        A, B = (interpolation_matrix(size // scale, scale) for size in dy.shape[2:])
        return change(A) @ dy @ change(B).T
    return mistake


ROW, MATRIX = "A row of pixels", "As a matrix, and back by its transpose"

CHECKS = {
    "nearest_forward": Check(enlarged, image_cases, {
        "the image is repeated as a whole, as by np.tile: each pixel has to be repeated":
            lambda x, scale: np.tile(x, (1, 1, scale, scale)),
        "only the rows are enlarged": lambda x, scale: x.repeat(scale, axis=2),
        "only the columns are enlarged": lambda x, scale: x.repeat(scale, axis=3),
        "the new pixels between the old ones are 0: each is a copy of the nearest": nails,
        "this is bilinear: nearest copies, and does not mix": bilinear,
        "the axes 0 and 1 are repeated, images and channels: rows and columns are the axes 2 and 3":
            lambda x, scale: x.repeat(scale, axis=0).repeat(scale, axis=1),
        "without an axis, repeat makes one long row of the array: repeat along axis 2, then along axis 3":
            lambda x, scale: x.repeat(scale * scale).reshape(*x.shape[:2], scale * x.shape[2], scale * x.shape[3]),
    }, ROW, Upsample._copy_pixels, (
        "Pixel (i, j) of the result is pixel (i // scale, j // scale) of x.",
        "x.repeat(scale, axis=2) repeats each row; then the same for the columns."), returns=("y",)),
    "nearest_backward": Check(back, gradient_cases, {
        "this is the mean of each square: forks add, so what the copies get is summed":
            lambda dy, scale: blocks(dy, scale).mean(axis=4),
        "only the first copy of each pixel is counted: all of them act on the loss":
            lambda dy, scale: dy[:, :, ::scale, ::scale],
        "only the last copy of each pixel is counted (= instead of +=): all of them act on the loss":
            lambda dy, scale: dy[:, :, scale - 1::scale, scale - 1::scale],
        "this is the largest of each square, as in max pooling: sum them":
            lambda dy, scale: blocks(dy, scale).max(axis=4),
        "only copies below each other are summed: those beside each other, too":
            lambda dy, scale: dy.reshape(*dy.shape[:2], -1, scale, dy.shape[3]).sum(axis=3),
        "what is summed are not squares: rows belong together that are neighbors, dy[:, :, i::scale, j::scale]":
            lambda dy, scale: dy.reshape(*dy.shape[:2], scale, dy.shape[2] // scale, scale, -1).sum(axis=(2, 4)),
        "dx is enlarged: it has to be smaller than dy": lambda dy, scale: enlarged(dy, scale),
    }, MATRIX, Upsample._add_copies, (
        "One pixel was copied to scale × scale places. Forks add: what is its dx?",
        "dy[:, :, i::scale, j::scale] are the copies (i, j) of all pixels, and have the shape of dx. Add them up over "
        "i and j."), returns=("dx",)),
    "bilinear_matrix": Check(interpolation_matrix, size_cases, {
        "beyond the outermost centers the line goes on: clip the position to 0 … size − 1, so that the outermost value "
        "continues": extrapolated,
        "beyond the outermost centers a share is lost, and the rows there do not sum to 1: clip the position to 0 … "
        "size − 1": lambda size, scale: mixed(positions(size, scale), size, dropped=True),
        "where left and right are the same pixel, its two shares add up: +=, not =":
            lambda size, scale: mixed(clipped(size, scale), size, assigned=True),
        "the two shares are exchanged: the nearer pixel gets the larger one, left gets 1 − t":
            lambda size, scale: mixed(clipped(size, scale), size, exchanged=True),
        "the half pixels are missing: new pixel i lies at (i + 1/2)/scale − 1/2, not at i/scale":
            lambda size, scale: mixed((np.arange(size * scale) / scale).clip(0, size - 1), size),
        "− 1/2 is missing: new pixel i lies at (i + 1/2)/scale − 1/2":
            lambda size, scale: mixed((positions(size, scale) + 0.5).clip(0, size - 1), size),
        "this keeps the outermost centers in place (align_corners): new pixel i lies at (i + 1/2)/scale − 1/2":
            lambda size, scale: interpolation_matrix(size, scale, align_corners=True),
        "this copies the nearest pixel: mix the two around the position":
            lambda size, scale: interpolation_matrix(size, scale, "nearest"),
    }, MATRIX, interpolation_matrix, (
        "Row i has the shares of new pixel i. Calculate its position `at`, clip it to 0 … size − 1, and find the old "
        "pixel to the left of it.",
        "left = int(at), right = min(left + 1, size − 1), t = at − left. A[i, left] += 1 − t, A[i, right] += t: with "
        "+= it is right even where left and right are the same."), returns=("A",)),
    "bilinear_forward": Check(bilinear, image_cases, {
        "only the rows become more: Bᵀ on the right enlarges along the other side":
            product(lambda A, x: A @ x, lambda y, B: y),
        "only the columns become more: A on the left enlarges along the other side":
            product(lambda A, x: x, lambda y, B: y @ B.T),
        "this copies the nearest pixels: mix them with the bilinear matrices": enlarged,
        "this keeps the outermost centers in place (align_corners): the edges stay in place":
            lambda x, scale: enlarged(x, scale, "bilinear", True),
        "rows and columns of the result are exchanged":
            lambda x, scale: bilinear(x, scale).swapaxes(2, 3),
        "divided by scale²: each row of A sums to 1 already": lambda x, scale: bilinear(x, scale) / scale ** 2,
    }, MATRIX, _each_image, (
        "A enlarges the columns: A @ x. It has as many columns as x has rows, H. What must the other matrix have?",
        "A, B = bilinear_matrix(H, scale), bilinear_matrix(W, scale); A @ x @ B.T. @ works on the last two axes, for "
        "all images and channels."), returns=("y",)),
    "bilinear_backward": Check(bilinear_back, gradient_cases, {
        "this undoes the enlargement (inverse): backward is the transpose, dx = Aᵀ dy B": back_product(np.linalg.pinv),
        "divided by scale²: that is an average; dx = Aᵀ dy B": lambda dy, scale: bilinear_back(dy, scale) / scale ** 2,
        "this sums each square, which is nearest's backward: the shares are those of A, dx = Aᵀ dy B": back,
        "this takes every scale-th number of dy: all of them get a share of x, dx = Aᵀ dy B":
            lambda dy, scale: dy[:, :, ::scale, ::scale],
        "only the rows become fewer: B on the right works along the other side": lambda dy, scale:
            interpolation_matrix(dy.shape[2] // scale, scale).T @ dy,
        "this enlarges dy again: dx = Aᵀ dy B is smaller than dy": lambda dy, scale: bilinear(dy, scale),
    }, MATRIX, Upsample.backward, (
        "y = A x Bᵀ. Backward hands each dy back with the shares with which x went into y: the transposes of A and B.",
        "dy has scale times as many rows as x: A = bilinear_matrix(H // scale, scale). dx = A.T @ dy @ B."),
        returns=("dx",)),
}
