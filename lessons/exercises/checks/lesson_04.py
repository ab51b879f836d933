"""The checks of lesson 4's exercises."""
from collections.abc import Iterator
from typing import Any

import numpy as np

from minidl.course.exercises.check import Arguments, Check, differences
from minidl.layers.conv import Conv2d
from minidl.layers.im2col import col2im as library_col2im, im2col as library_im2col
from minidl.layers.normalization import BatchNorm2d
from minidl.layers.pooling import MaxPool2d
from minidl.layers.window import Window
from minidl.types import Array, Shape

# N, C, O, H, W, k, stride, padding: from the smallest to the awkward
GEOMETRIES = ((1, 1, 1, 1, 1, 1, 1, 0), (1, 1, 1, 2, 2, 1, 1, 0), (1, 1, 1, 2, 3, 2, 1, 0), (1, 1, 1, 3, 3, 2, 1, 0),
              (1, 2, 1, 3, 3, 2, 1, 0), (1, 1, 2, 3, 3, 2, 1, 0), (2, 1, 1, 3, 3, 2, 1, 0), (1, 1, 1, 2, 2, 3, 1, 1),
              (1, 1, 1, 4, 4, 2, 2, 0), (1, 1, 1, 4, 5, 2, 2, 0), (2, 2, 3, 5, 4, 3, 2, 1), (2, 3, 2, 4, 5, 3, 1, 1))


def window(k: int, stride: int, padding: int) -> Window:
    return Window((k, k), (stride, stride), (padding, padding), (padding, padding))


def im2col(x: Array, k: int, stride: int = 1, padding: int = 0) -> Array:
    return library_im2col(x, window(k, stride, padding))


def col2im(columns: Array, shape: Shape, k: int, stride: int = 1, padding: int = 0) -> Array:
    return library_col2im(columns, shape, window(k, stride, padding))


def convolution(x: Array, weight: Array, bias: Array, stride: int = 1, padding: int = 0) -> Array:
    O, C, k, _ = weight.shape
    Ho, Wo = window(k, stride, padding).output_size(*x.shape[2:])
    y = weight.reshape(O, -1) @ im2col(x, k, stride, padding) + bias[:, None]
    return y.reshape(O, len(x), Ho, Wo).transpose(1, 0, 2, 3)


def cases(rng: np.random.Generator) -> Iterator[Arguments]:
    for N, C, O, H, W, k, stride, padding in GEOMETRIES:
        yield {"x": rng.normal(size=(N, C, H, W)), "weight": rng.normal(size=(O, C, k, k)), "bias": rng.normal(size=O),
               "stride": stride, "padding": padding}


def backward_cases(rng: np.random.Generator) -> Iterator[Arguments]:
    for case in cases(rng):
        dy = rng.normal(size=convolution(**case).shape)
        del case["bias"]
        yield {"dy": dy, **case}


def column_cases(rng: np.random.Generator) -> Iterator[Arguments]:
    for N, C, _, H, W, k, stride, padding in GEOMETRIES:
        # Whole numbers that count the pixels: one can see where each of them went.
        yield {"x": np.arange(1.0, N * C * H * W + 1).reshape(N, C, H, W), "k": k, "stride": stride, "padding": padding}


def pixel_cases(rng: np.random.Generator) -> Iterator[Arguments]:
    for case in column_cases(rng):
        x = case.pop("x")
        columns = im2col(x, **case)
        yield {"columns": rng.integers(1, 10, size=columns.shape).astype(float), "shape": x.shape, **case}


def flipped(x: Array, weight: Array, bias: Array, **geometry: int) -> Array:
    return convolution(x, weight[:, :, ::-1, ::-1], bias, **geometry)


def turned(x: Array, weight: Array, bias: Array, **geometry: int) -> Array:
    return convolution(x, weight.swapaxes(2, 3), bias, **geometry)


def unordered(x: Array, weight: Array, bias: Array, **geometry: int) -> Array:
    y = convolution(x, weight, bias, **geometry)
    return y.transpose(1, 0, 2, 3).reshape(y.shape)


def shifted(x: Array, weight: Array, bias: Array, stride: int, padding: int) -> Array:
    """All of the padding above and to the left."""
    x = np.pad(x, ((0, 0), (0, 0), (2 * padding, 0), (2 * padding, 0)))
    return convolution(x, weight, bias, stride)


def first_channel(x: Array, weight: Array, bias: Array, **geometry: int) -> Array:
    return convolution(x[:, :1], weight[:, :1], bias, **geometry)


CONVOLUTION_MISTAKES = {
    "the kernel is flipped: W[i, j] meets x[p + i, q + j], not x[p − i, q − j]": flipped,
    "rows and columns of the kernel are exchanged: W[i, j], i counts rows": turned,
    "the bias is missing": lambda x, weight, bias, **geometry: convolution(x, weight, 0 * bias, **geometry),
    "the bias is added once for each channel of x": lambda x, weight, bias, **geometry:
        convolution(x, weight, x.shape[1] * bias, **geometry),
    "the bias is added once for each pixel of the window": lambda x, weight, bias, **geometry:
        convolution(x, weight, weight[0].size * bias, **geometry),
    "only the first channel of x is used: the sum goes over all of them": first_channel,
    "the padding lies above and to the left only: half of it belongs below and to the right": shifted,
    "the result of the product is (O, N*Ho*Wo): reshape it to (O, N, Ho, Wo), then exchange the first two axes":
        unordered,
    "the stride is ignored": lambda x, weight, bias, stride, padding: convolution(x, weight, bias, 1, padding),
    "the padding is ignored": lambda x, weight, bias, stride, padding: convolution(x, weight, bias, stride, 0),
}


def window_major(x: Array, k: int, **geometry: int) -> Array:
    columns = im2col(x, k, **geometry)
    return columns.reshape(x.shape[1], k * k, -1).swapaxes(0, 1).reshape(columns.shape)


def image_last(x: Array, k: int, **geometry: int) -> Array:
    columns = im2col(x, k, **geometry)
    return columns.reshape(len(columns), len(x), -1).swapaxes(1, 2).reshape(columns.shape)


def column_of_rows(x: Array, k: int, **geometry: int) -> Array:
    columns = im2col(x, k, **geometry)
    return columns.reshape(-1, k, k, columns.shape[1]).swapaxes(1, 2).reshape(columns.shape)


COLUMN_MISTAKES = {
    "the rows are in the order (row, column, channel): the channel comes first": window_major,
    "the columns are in the order (row, column, image): the image comes first": image_last,
    "rows and columns of the window are exchanged": column_of_rows,
    "windows are rows here: write them as columns": lambda x, **geometry: im2col(x, **geometry).T,
    "the stride is ignored": lambda x, k, stride, padding: im2col(x, k, 1, padding),
    "the padding is ignored": lambda x, k, stride, padding: im2col(x, k, stride, 0),
}


def overwritten(columns: Array, shape: Shape, k: int, stride: int, padding: int) -> Array:
    N, C, H, W = shape
    Ho, Wo = window(k, stride, padding).output_size(H, W)
    x = np.zeros((N, C, H + 2 * padding, W + 2 * padding))
    grid = columns.reshape(C, k, k, N, Ho, Wo)
    for i, j in np.ndindex(k, k):
        x[:, :, i:i + stride * Ho:stride, j:j + stride * Wo:stride] = grid[:, i, j].swapaxes(0, 1)
    return x[:, :, padding:padding + H, padding:padding + W]


def averaged(columns: Array, shape: Shape, k: int, stride: int, padding: int) -> Array:
    count = col2im(np.ones_like(columns), shape, k, stride, padding)
    return col2im(columns, shape, k, stride, padding) / np.maximum(count, 1)


def corner(columns: Array, shape: Shape, k: int, stride: int, padding: int) -> Array:
    N, C, H, W = shape
    return col2im(columns, (N, C, H + 2 * padding, W + 2 * padding), k, stride, 0)[:, :, :H, :W]


def gradients(dy: Array, x: Array, weight: Array, stride: int = 1, padding: int = 0) -> Any:
    return differences(convolution, "x", "weight", "bias")(dy=dy, x=x, weight=weight, bias=np.zeros(len(weight)),
                                                           stride=stride, padding=padding)


def wrong_gradient(**changed: Any) -> Any:
    """Return a backward pass in which some of the three formulas are others: of the flat dy, columns, flat W, ..."""
    def mistake(dy: Array, x: Array, weight: Array, stride: int, padding: int) -> Any:
        k = weight.shape[2]
        columns, flat = im2col(x, k, stride, padding), dy.swapaxes(0, 1).reshape(len(weight), -1)
        dx = col2im(weight.reshape(len(weight), -1).T @ flat, x.shape, k, stride, padding)
        results = {"dx": dx, "dweight": (flat @ columns.T).reshape(weight.shape), "dbias": flat.sum(axis=1)}
        results |= {name: formula(dy, x, weight, stride, padding, results[name]) for name, formula in changed.items()}
        return tuple(results.values())
    return mistake


def overwritten_dx(dy: Array, x: Array, weight: Array, stride: int, padding: int, dx: Array) -> Array:
    flat = dy.swapaxes(0, 1).reshape(len(weight), -1)
    return overwritten(weight.reshape(len(weight), -1).T @ flat, x.shape, weight.shape[2], stride, padding)


def unordered_dweight(dy: Array, x: Array, weight: Array, stride: int, padding: int, dw: Array) -> Array:
    return (dy.reshape(len(weight), -1) @ im2col(x, weight.shape[2], stride, padding).T).reshape(weight.shape)


def unordered_dx(dy: Array, x: Array, weight: Array, stride: int, padding: int, dx: Array) -> Array:
    matrix = weight.reshape(len(weight), -1)
    return col2im(matrix.T @ dy.reshape(len(weight), -1), x.shape, weight.shape[2], stride, padding)


def flipped_dx(dy: Array, x: Array, weight: Array, stride: int, padding: int, dx: Array) -> Array:
    return wrong_gradient()(dy, x, weight[:, :, ::-1, ::-1], stride, padding)[0]


GRADIENT_MISTAKES = {
    "dx is overwritten where windows overlap: forks add": wrong_gradient(dx=overwritten_dx),
    "dy was reshaped before its first two axes were exchanged: (N, O, ...) to (O, N, ...), then (O, N*Ho*Wo)":
        wrong_gradient(dweight=unordered_dweight, dx=unordered_dx),
    "the kernel is flipped in dx: use Wᵀ dy and col2im": wrong_gradient(dx=flipped_dx),
    "db is the mean over the positions, where every position's part has to be added":
        wrong_gradient(dbias=lambda dy, *others: dy.mean(axis=(0, 2, 3))),
    "db is summed over the images only: a bias acts on all positions as well":
        wrong_gradient(dbias=lambda dy, *others: dy.sum(axis=0)),
    "dW is divided by the number of images; the mean is the loss's part":
        wrong_gradient(dweight=lambda dy, x, w, s, p, dw: dw / len(x)),
    "dW is the mean over the positions, where every position's part has to be added":
        wrong_gradient(dweight=lambda dy, x, w, s, p, dw: dw / (dy.size / dy.shape[1])),
}


def squares(x: Array) -> Array:
    """Return x (N, C, H, W) cut into squares, (N, C, H/2, W/2, 4)."""
    N, C, H, W = x.shape
    return x.reshape(N, C, H // 2, 2, W // 2, 2).swapaxes(3, 4).reshape(N, C, H // 2, W // 2, 4)


def enlarged(y: Array) -> Array:
    return y.repeat(2, axis=2).repeat(2, axis=3)


def pooled(x: Array) -> Array:
    return squares(x).max(axis=4)


def pool_cases(rng: np.random.Generator) -> Iterator[Arguments]:
    for shape in ((1, 1, 2, 2), (1, 1, 2, 4), (1, 1, 4, 2), (1, 2, 2, 2), (2, 1, 2, 2), (2, 3, 4, 6)):
        # Negative numbers as well: a maximum that begins at 0 is not one.
        yield {"x": rng.normal(-1, 1, size=shape).round(2)}


def pool_backward_cases(rng: np.random.Generator) -> Iterator[Arguments]:
    for case in (*pool_cases(rng), {"x": np.zeros((1, 1, 2, 2))}, {"x": rng.integers(0, 2, (2, 2, 4, 4)) * 1.0}):
        yield {"dy": rng.normal(size=pooled(case["x"]).shape).round(2), **case}


def pool_gradient(dy: Array, x: Array) -> Array:
    pool = MaxPool2d(2)
    pool(x)
    return pool.backward(dy)


def shared(dy: Array, x: Array) -> Array:
    mask = x == enlarged(pooled(x))
    return enlarged(dy / squares(mask).sum(axis=4)) * mask


def last_of_a_tie(dy: Array, x: Array) -> Array:
    return pool_gradient(dy[..., ::-1, ::-1], x[..., ::-1, ::-1])[..., ::-1, ::-1]


def norm(x: Array, gamma: Array, beta: Array, eps: float = 1e-5, axes: tuple[int, ...] = (0, 2, 3), ddof: int = 0,
         inside: bool = True) -> Array:
    mean, variance = x.mean(axis=axes, keepdims=True), x.var(axis=axes, keepdims=True, ddof=ddof)
    std = np.sqrt(variance + eps) if inside else np.sqrt(variance) + eps
    return gamma[:, None, None] * (x - mean) / std + beta[:, None, None]


def norm_cases(rng: np.random.Generator) -> Iterator[Arguments]:
    for shape, eps in (((2, 1, 1, 1), 1e-5), ((1, 1, 1, 3), 1e-5), ((1, 2, 2, 2), 0.1), ((3, 2, 2, 2), 1e-5),
                       ((2, 3, 3, 4), 0.5)):
        yield {"x": rng.normal(3, 2, size=shape), "gamma": rng.normal(1, 0.5, size=shape[1]),
               "beta": rng.normal(size=shape[1]), "eps": eps}


def norm_backward_cases(rng: np.random.Generator) -> Iterator[Arguments]:
    for case in norm_cases(rng):
        del case["beta"]
        yield {"dy": rng.normal(size=case["x"].shape), **case}


def norm_gradients(dy: Array, x: Array, gamma: Array, eps: float = 1e-5) -> Any:
    return differences(norm, "x", "gamma", "beta")(dy=dy, x=x, gamma=gamma, beta=np.zeros(len(gamma)), eps=eps)


def wrong_paths(direct: int = 1, mean: int = 1, variance: int = 1, of_sum: bool = False, gamma_twice: bool = False,
                dgamma: Any = None, dbeta: Any = None) -> Any:
    """Return a backward pass with some of the three paths left out, or with other sums."""
    def mistake(dy: Array, x: Array, gamma: Array, eps: float) -> Any:
        axes = (0, 2, 3)
        std = np.sqrt(x.var(axis=axes, keepdims=True) + eps)
        xhat = (x - x.mean(axis=axes, keepdims=True)) / std
        g = dy if gamma_twice else gamma[:, None, None] * dy
        average = np.sum if of_sum else np.mean
        dx = (direct * g - mean * average(g, axis=axes, keepdims=True)
              - variance * xhat * average(g * xhat, axis=axes, keepdims=True)) / std
        return (dx, (dy * xhat).sum(axis=axes) if dgamma is None else dgamma(dy, x, xhat, gamma),
                dy.sum(axis=axes) if dbeta is None else dbeta(dy))
    return mistake


ONE_PRODUCT, BACKWARD = "From seven loops to one matrix product", "Backward: from columns back to pixels"
POOLING = "Max pooling: what is there, not exactly where"
NORM = "Batch norm, and the three paths of its gradient"

CHECKS = {
    "convolve": Check(convolution, cases, CONVOLUTION_MISTAKES, "One kernel for all positions", Conv2d.forward, (
        "Make the padding first: zeros of shape (N, C, H + 2 padding, W + 2 padding), with x in the middle. Then loop "
        "over n, o, p, q.",
        "window = padded[n, :, stride * p:stride * p + k, stride * q:stride * q + k] is (C, k, k), as is weight[o]: "
        "y[n, o, p, q] = np.sum(window * weight[o]) + bias[o]."), returns=("y",)),
    "im2col": Check(im2col, column_cases, COLUMN_MISTAKES, ONE_PRODUCT, library_im2col, (
        "For one pixel (i, j) of the window, what it meets at all positions is a shifted image: "
        "padded[:, :, i:i + stride * Ho:stride, j:j + stride * Wo:stride], of shape (N, C, Ho, Wo).",
        "Fill an array (C, k, k, N, Ho, Wo): columns[:, i, j] = that shifted image with its first two axes exchanged. "
        "Then reshape."), returns=("the columns",)),
    "col2im": Check(col2im, pixel_cases, {
        "values are overwritten where windows overlap: add them, +=": overwritten,
        "values are averaged where windows overlap: they add up": averaged,
        "the padding is cut off below and to the right only: cut `padding` rows and columns on every side": corner,
        "the padding is still there: return only the middle, of shape (N, C, H, W)":
            lambda columns, shape, k, stride, padding: col2im(
                columns, (*shape[:2], shape[2] + 2 * padding, shape[3] + 2 * padding), k, stride, 0),
    }, BACKWARD, library_col2im, (
        "Take your im2col and exchange the sides of the assignment. What begins as zeros now?",
        "columns.reshape(C, k, k, N, Ho, Wo); for each (i, j): padded[:, :, i:i + stride * Ho:stride, ...] += "
        "columns[:, i, j] with its first two axes exchanged. Return the middle of padded."), returns=("x",)),
    "conv_forward": Check(convolution, cases, CONVOLUTION_MISTAKES, ONE_PRODUCT, Conv2d.forward, (
        "weight.reshape(O, -1) @ im2col(x, k, stride, padding) has the shape (O, N*Ho*Wo).",
        "Add bias[:, None], reshape to (O, N, Ho, Wo), then transpose(1, 0, 2, 3)."), returns=("y",)),
    "conv_backward": Check(gradients, backward_cases, GRADIENT_MISTAKES, BACKWARD, Conv2d.backward, (
        "First bring dy into the order of the product: dy.transpose(1, 0, 2, 3).reshape(O, -1). Then it is `Linear`.",
        "dweight = (flat @ columns.T).reshape(weight.shape), dbias = flat.sum(axis=1), dx = "
        "col2im(weight.reshape(O, -1).T @ flat, x.shape, k, stride, padding)."), returns=("dx", "dweight", "dbias")),
    "max_pool_forward": Check(pooled, pool_cases, {
        "the maximum begins at 0: then negative numbers are lost; begin with -np.inf or with the first of the four":
            lambda x: np.maximum(pooled(x), 0),
        "this is the mean of each square, not its maximum": lambda x: squares(x).mean(axis=4),
        "this is the minimum of each square": lambda x: squares(x).min(axis=4),
        "the windows overlap: move by 2, not by 1": lambda x: np.lib.stride_tricks.sliding_window_view(
            x, (2, 2), axis=(2, 3)).max(axis=(4, 5)),
        "this is the largest absolute value": lambda x: np.abs(squares(x)).max(axis=4),
        "only the upper row of each square is looked at": lambda x: squares(x)[..., :2].max(axis=4),
    }, POOLING, MaxPool2d.forward, (
        "Four arrays hold the four pixels of all squares: x[:, :, 0::2, 0::2] is the upper left one.",
        "The largest of the four, number by number: np.maximum.reduce([...]), or reshape x to "
        "(N, C, H/2, 2, W/2, 2) and take max over the axes 3 and 5."), returns=("y",)),
    "max_pool_backward": Check(pool_gradient, pool_backward_cases, {
        "in a tie, all of the largest get dy: only the first does":
            lambda dy, x: enlarged(dy) * (x == enlarged(pooled(x))),
        "in a tie, the largest share dy: the first of them gets all of it": shared,
        "in a tie, the last of the largest gets dy: the first does": last_of_a_tie,
        "every pixel of a square gets dy: only the largest acted on y": lambda dy, x: enlarged(dy),
        "every pixel of a square gets a quarter of dy, as for the mean: only the largest acted on y":
            lambda dy, x: enlarged(dy) / 4,
        "this is 1 where dy belongs: multiply by dy": lambda dy, x: pool_gradient(np.ones_like(dy), x),
    }, POOLING, MaxPool2d.backward, (
        "Loop over n, c, p, q: find the place of the largest of four numbers, and write dy[n, c, p, q] there.",
        "square = x[n, c, 2*p:2*p + 2, 2*q:2*q + 2]; i, j = divmod(square.argmax(), 2): argmax returns the first of "
        "the largest."), returns=("dx",)),
    "batch_norm_forward": Check(norm, norm_cases, {
        "the variance is divided by m − 1 (ddof=1), as for a sample: here it is the mean, over m":
            lambda x, gamma, beta, eps: norm(x, gamma, beta, eps, ddof=1),
        "mean and variance are those of each image by itself: take them over the batch as well, axes (0, 2, 3)":
            lambda x, gamma, beta, eps: norm(x, gamma, beta, eps, axes=(2, 3)),
        "mean and variance are those of each pixel: take them over rows and columns as well, axes (0, 2, 3)":
            lambda x, gamma, beta, eps: norm(x, gamma, beta, eps, axes=(0,)),
        "mean and variance are those of all channels together: each channel has its own, axes (0, 2, 3)":
            lambda x, gamma, beta, eps: norm(x, gamma, beta, eps, axes=(0, 1, 2, 3)),
        "ε belongs inside the root: √(variance + ε)":
            lambda x, gamma, beta, eps: norm(x, gamma, beta, eps, inside=False),
        "ε is missing": lambda x, gamma, beta, eps: norm(x, gamma, beta, 0.0),
        "divided by the variance, not by its root": lambda x, gamma, beta, eps:
            gamma[:, None, None] * (x - x.mean(axis=(0, 2, 3), keepdims=True))
            / (x.var(axis=(0, 2, 3), keepdims=True) + eps) + beta[:, None, None],
        "γ and β are not used: y = γ x̂ + β": lambda x, gamma, beta, eps: norm(x, 1 + 0 * gamma, 0 * beta, eps),
    }, NORM, BatchNorm2d.forward, (
        "x.mean(axis=(0, 2, 3), keepdims=True) has the shape (1, C, 1, 1), which fits x. What shape must gamma get?",
        "np.var divides by m, as wanted here. gamma[:, None, None] is (C, 1, 1)."), returns=("y",)),
    "batch_norm_backward": Check(norm_gradients, norm_backward_cases, {
        "the paths through mean and variance are missing: x acts on all y of its channel":
            wrong_paths(mean=0, variance=0),
        "the path through the variance is missing": wrong_paths(variance=0),
        "the path through the mean is missing": wrong_paths(mean=0),
        "sums in place of means: dx = (g − mean(g) − x̂ mean(g x̂)) / std": wrong_paths(of_sum=True),
        "γ is missing: g = γ dy": wrong_paths(gamma_twice=True),
        "dγ is the sum of dy x: it has to be the sum of dy x̂":
            wrong_paths(dgamma=lambda dy, x, xhat, gamma: (dy * x).sum(axis=(0, 2, 3))),
        "dγ is a mean: every position's part has to be added":
            wrong_paths(dgamma=lambda dy, x, xhat, gamma: (dy * xhat).mean(axis=(0, 2, 3))),
        "dβ is a mean: every position's part has to be added": wrong_paths(dbeta=lambda dy: dy.mean(axis=(0, 2, 3))),
        "dβ is summed over the images only": wrong_paths(dbeta=lambda dy: dy.sum(axis=0)),
    }, NORM, BatchNorm2d.backward, (
        "Calculate std and x̂ as in forward, then write down the formula; all means go over the axes (0, 2, 3).",
        "dgamma = (dy * xhat).sum(axis=(0, 2, 3)), dbeta = dy.sum(axis=(0, 2, 3))."),
        returns=("dx", "dgamma", "dbeta")),
}
