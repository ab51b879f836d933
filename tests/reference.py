"""Plain-loop references: the slow, transparent oracle for the layers, losses and optimizers of minidl.

Each function spells out one formula of PyTorch's documentation, element by element, in float64. Nothing here
is imported from minidl and nothing is made fast, so that a mistake in the library cannot hide in its oracle.

Letters: N images, C channels, H rows, W columns; O output channels; Ho, Wo output rows and columns;
kh, kw kernel; n, c, o, i, j, r, s the matching loop indices. Strides, paddings, dilations and kernels are
pairs (rows, columns). Inputs are never modified.
"""
import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]
Pair = tuple[int, int]


# Convolutions and matrix products

def conv2d(x: Array, weight: Array, bias: Array | None = None, stride: Pair = (1, 1), padding: Pair = (0, 0),
           dilation: Pair = (1, 1)) -> Array:
    """Cross-correlation (the kernel is not flipped); positions outside the image count as 0.

    y[n, o, i, j] = bias[o] + sum over c, r, s of weight[o, c, r, s] * x[n, c, row, column] with
    row = i*stride - padding + r*dilation and column = j*stride - padding + s*dilation.

    x (N, C, H, W), weight (O, C, kh, kw), bias (O,) or None; y (N, O, Ho, Wo) with
    Ho = floor((H + 2*padding - dilation*(kh - 1) - 1) / stride) + 1, and Wo likewise.
    """
    N, C, H, W = x.shape
    O, _, kh, kw = weight.shape
    Ho = (H + 2 * padding[0] - dilation[0] * (kh - 1) - 1) // stride[0] + 1
    Wo = (W + 2 * padding[1] - dilation[1] * (kw - 1) - 1) // stride[1] + 1
    y = np.zeros((N, O, Ho, Wo))
    for n, o, i, j in np.ndindex(y.shape):
        y[n, o, i, j] = 0.0 if bias is None else bias[o]
        for c, r, s in np.ndindex(C, kh, kw):
            row = i * stride[0] - padding[0] + r * dilation[0]
            column = j * stride[1] - padding[1] + s * dilation[1]
            if 0 <= row < H and 0 <= column < W:
                y[n, o, i, j] += float(weight[o, c, r, s]) * float(x[n, c, row, column])
    return y


def conv_transpose2d(x: Array, weight: Array, bias: Array | None = None, stride: Pair = (1, 1),
                     padding: Pair = (0, 0), output_padding: Pair = (0, 0), dilation: Pair = (1, 1)) -> Array:
    """Transposed convolution: each input value stamps a kernel, times its value, onto the output.

    y[n, o, row, column] += x[n, c, i, j] * weight[c, o, r, s] with
    row = i*stride - padding + r*dilation and column = j*stride - padding + s*dilation;
    what falls outside the output is lost, and bias[o] is added once.

    x (N, C, H, W), weight (C, O, kh, kw), bias (O,) or None; y (N, O, Ho, Wo) with
    Ho = (H - 1)*stride - 2*padding + dilation*(kh - 1) + output_padding + 1, and Wo likewise.
    """
    N, C, H, W = x.shape
    _, O, kh, kw = weight.shape
    Ho = (H - 1) * stride[0] - 2 * padding[0] + dilation[0] * (kh - 1) + output_padding[0] + 1
    Wo = (W - 1) * stride[1] - 2 * padding[1] + dilation[1] * (kw - 1) + output_padding[1] + 1
    y = np.zeros((N, O, Ho, Wo))
    for n, c, i, j in np.ndindex(x.shape):
        for o, r, s in np.ndindex(O, kh, kw):
            row = i * stride[0] - padding[0] + r * dilation[0]
            column = j * stride[1] - padding[1] + s * dilation[1]
            if 0 <= row < Ho and 0 <= column < Wo:
                y[n, o, row, column] += float(x[n, c, i, j]) * float(weight[c, o, r, s])
    for o in range(O):
        y[:, o] += 0.0 if bias is None else float(bias[o])
    return y


def linear(x: Array, weight: Array, bias: Array | None = None) -> Array:
    """y[n, o] = bias[o] + sum over c of weight[o, c] * x[n, c]; x (N, C), weight (O, C), y (N, O)."""
    y = np.zeros((len(x), len(weight)))
    for n, o in np.ndindex(y.shape):
        y[n, o] = 0.0 if bias is None else bias[o]
        for c in range(x.shape[1]):
            y[n, o] += float(weight[o, c]) * float(x[n, c])
    return y


# Normalization

def batch_norm(x: Array, gamma: Array, beta: Array, eps: float) -> tuple[Array, Array, Array, Array]:
    """Normalize each channel by the mean and the biased variance of its N*H*W values.

    y = gamma[c] * (x - mean[c]) / sqrt(biased[c] + eps) + beta[c]

    Returns y (N, C, H, W) and, each of shape (C,), the mean, the biased variance (divided by N*H*W: it
    normalizes) and the unbiased variance (divided by N*H*W - 1: it enters the running variance).
    """
    N, C, H, W = x.shape
    count = N * H * W
    y = np.zeros(x.shape)
    mean, biased, unbiased = np.zeros(C), np.zeros(C), np.zeros(C)
    for c in range(C):
        values = [float(value) for value in x[:, c].flat]
        mean[c] = math.fsum(values) / count
        squares = math.fsum((value - mean[c]) ** 2 for value in values)
        biased[c] = squares / count
        unbiased[c] = squares / (count - 1)
        for n, i, j in np.ndindex(N, H, W):
            normalized = (float(x[n, c, i, j]) - mean[c]) / math.sqrt(biased[c] + eps)
            y[n, c, i, j] = float(gamma[c]) * normalized + float(beta[c])
    return y, mean, biased, unbiased


# Pooling

def max_pool2d(x: Array, kernel: Pair, stride: Pair | None = None,
               padding: Pair = (0, 0)) -> tuple[Array, Array]:
    """Largest value under each window; outside the image counts as -inf.

    Windows that would stick out beyond the padding are left out (floor mode). `stride` None means `kernel`;
    `padding` is at most half the kernel, so that no window lies in the padding alone.

    Returns y (N, C, Ho, Wo) and where (N, C, Ho, Wo, 2): the row and column in x of the maximum, the first in
    row-major order where several are equal. Ho = floor((H + 2*padding - kh) / stride) + 1, and Wo likewise.
    """
    N, C, H, W = x.shape
    kh, kw = kernel
    sh, sw = kernel if stride is None else stride
    Ho = (H + 2 * padding[0] - kh) // sh + 1
    Wo = (W + 2 * padding[1] - kw) // sw + 1
    y = np.full((N, C, Ho, Wo), -math.inf)
    where = np.full((N, C, Ho, Wo, 2), -1)
    for n, c, i, j in np.ndindex(y.shape):
        for r, s in np.ndindex(kh, kw):
            row, column = i * sh - padding[0] + r, j * sw - padding[1] + s
            if 0 <= row < H and 0 <= column < W and x[n, c, row, column] > y[n, c, i, j]:
                y[n, c, i, j] = x[n, c, row, column]
                where[n, c, i, j] = row, column
    return y, where


def avg_pool2d(x: Array, kernel: Pair, stride: Pair | None = None, padding: Pair = (0, 0)) -> Array:
    """Mean of the kh*kw values under each window; padding counts as zeros that are averaged along.

    `stride` None means `kernel`; floor mode; sizes as in `max_pool2d`.
    """
    N, C, H, W = x.shape
    kh, kw = kernel
    sh, sw = kernel if stride is None else stride
    Ho = (H + 2 * padding[0] - kh) // sh + 1
    Wo = (W + 2 * padding[1] - kw) // sw + 1
    y = np.zeros((N, C, Ho, Wo))
    for n, c, i, j in np.ndindex(y.shape):
        for r, s in np.ndindex(kh, kw):
            row, column = i * sh - padding[0] + r, j * sw - padding[1] + s
            if 0 <= row < H and 0 <= column < W:
                y[n, c, i, j] += float(x[n, c, row, column]) / (kh * kw)
    return y


# Upsampling and rearranging

def upsample_nearest(x: Array, scale: Pair) -> Array:
    """y[n, c, i, j] = x[n, c, floor(i / scale), floor(j / scale)]; y (N, C, H*scale, W*scale)."""
    N, C, H, W = x.shape
    y = np.zeros((N, C, H * scale[0], W * scale[1]))
    for n, c, i, j in np.ndindex(y.shape):
        y[n, c, i, j] = x[n, c, i // scale[0], j // scale[1]]
    return y


def source_position(i: int, size: int, scale: int, align_corners: bool) -> tuple[int, int, float]:
    """Find where output position i of size*scale lies among `size` inputs.

    Returns the left neighbor, the right neighbor, and the weight of the right one.

    align_corners=True: the centers of the outermost values coincide, u = i * (size - 1) / (size*scale - 1).
    align_corners=False: the outer edges coincide, u = (i + 0.5) / scale - 0.5, and u below 0 becomes 0.
    """
    if align_corners:
        u = i * (size - 1) / (size * scale - 1) if size * scale > 1 else 0.0
    else:
        u = max((i + 0.5) / scale - 0.5, 0.0)
    left = math.floor(u)
    right = min(left + 1, size - 1)
    return left, right, u - left


def upsample_bilinear(x: Array, scale: Pair, align_corners: bool = False) -> Array:
    """Linear interpolation along rows and columns; y (N, C, H*scale, W*scale)."""
    N, C, H, W = x.shape
    y = np.zeros((N, C, H * scale[0], W * scale[1]))
    for n, c, i, j in np.ndindex(y.shape):
        top, bottom, a = source_position(i, H, scale[0], align_corners)
        left, right, b = source_position(j, W, scale[1], align_corners)
        y[n, c, i, j] = ((1 - a) * (1 - b) * x[n, c, top, left] + (1 - a) * b * x[n, c, top, right]
                         + a * (1 - b) * x[n, c, bottom, left] + a * b * x[n, c, bottom, right])
    return y


def pixel_shuffle(x: Array, r: int) -> Array:
    """y[n, c, i*r + a, j*r + b] = x[n, c*r*r + a*r + b, i, j]; x (N, C*r*r, H, W), y (N, C, H*r, W*r)."""
    N, channels, H, W = x.shape
    C = channels // (r * r)
    y = np.zeros((N, C, H * r, W * r))
    for n, c, i, j, a, b in np.ndindex(N, C, H, W, r, r):
        y[n, c, i * r + a, j * r + b] = x[n, c * r * r + a * r + b, i, j]
    return y


# Activations

def each(function: Callable[..., float], *arrays: Array) -> Array:
    """Apply a function of floats to every element of arrays of one shape."""
    y = np.zeros(arrays[0].shape)
    for index in np.ndindex(y.shape):
        y[index] = function(*(float(array[index]) for array in arrays))
    return y


def sigmoid(x: Array) -> Array:
    """1 / (1 + exp(-x)); for x < 0 as exp(x) / (1 + exp(x)), which cannot overflow."""
    return each(lambda z: 1 / (1 + math.exp(-z)) if z >= 0 else math.exp(z) / (1 + math.exp(z)), x)


def tanh(x: Array) -> Array:
    """(exp(x) - exp(-x)) / (exp(x) + exp(-x))."""
    return each(math.tanh, x)


def softmax(x: Array) -> Array:
    """exp(x_k) / sum over m of exp(x_m) along axis 1; the largest is subtracted first, which cancels."""
    x = np.moveaxis(x, 1, -1)
    y = np.zeros(x.shape)
    for index in np.ndindex(x.shape[:-1]):
        values = [float(value) for value in x[index]]
        powers = [math.exp(value - max(values)) for value in values]
        for k, power in enumerate(powers):
            y[index + (k,)] = power / math.fsum(powers)
    return np.moveaxis(y, -1, 1)


# Losses

def cross_entropy(logits: Array, labels: Array, weight: Array | None = None,
                  ignore_index: int | None = None) -> float:
    """Mean of -weight[label] * log(softmax(logits)[label]), divided by the sum of the weights that took part.

    logits (N, K) with labels (N,), or (N, K, H, W) with labels (N, H, W). Positions labeled `ignore_index` take
    no part.
    """
    total, weights = 0.0, 0.0
    for index in np.ndindex(labels.shape):
        label = int(labels[index])
        if label == ignore_index:
            continue
        n, position = index[0], index[1:]
        values = [float(logits[(n, k) + position]) for k in range(logits.shape[1])]
        largest = max(values)
        log_sum = largest + math.log(math.fsum(math.exp(value - largest) for value in values))
        w = 1.0 if weight is None else float(weight[label])
        total += w * (log_sum - values[label])
        weights += w
    return total / weights


def mse(prediction: Array, target: Array) -> float:
    """Mean of (prediction - target)**2 over all elements."""
    return math.fsum(each(lambda p, t: (p - t) ** 2, prediction, target).flat) / prediction.size


def l1(prediction: Array, target: Array) -> float:
    """Mean of |prediction - target| over all elements."""
    return math.fsum(each(lambda p, t: abs(p - t), prediction, target).flat) / prediction.size


def smooth_l1(prediction: Array, target: Array, beta: float = 1.0) -> float:
    """Mean over all elements of e^2 / (2 beta) where e = |prediction - target| is less than beta, else e - beta / 2."""
    def one(p: float, t: float) -> float:
        e = abs(p - t)
        return e * e / (2 * beta) if e < beta else e - beta / 2
    return math.fsum(each(one, prediction, target).flat) / prediction.size


def softplus(z: float) -> float:
    """log(1 + exp(z)), written so that exp cannot overflow; equals -log(sigmoid(-z))."""
    return max(z, 0.0) + math.log1p(math.exp(-abs(z)))


def bce_with_logits(logits: Array, target: Array) -> float:
    """Mean of -t*log(sigmoid(z)) - (1 - t)*log(1 - sigmoid(z)) = t*softplus(-z) + (1 - t)*softplus(z)."""
    losses = each(lambda z, t: t * softplus(-z) + (1 - t) * softplus(z), logits, target)
    return math.fsum(losses.flat) / losses.size


# Optimizers: one step on lists of scalars; the new lists are returned, the old ones are left as they are

def sgd_step(parameters: Sequence[float], gradients: Sequence[float], velocities: Sequence[float], lr: float,
             momentum: float, weight_decay: float) -> tuple[list[float], list[float]]:
    """g += weight_decay * p; v = momentum * v + g; p -= lr * v. Velocities start at 0. Returns (p, v)."""
    new_p, new_v = [], []
    for p, g, v in zip(parameters, gradients, velocities, strict=True):
        g = g + weight_decay * p
        v = momentum * v + g
        new_p.append(p - lr * v)
        new_v.append(v)
    return new_p, new_v


def adam_step(parameters: Sequence[float], gradients: Sequence[float], first: Sequence[float],
              second: Sequence[float], step: int, lr: float, betas: tuple[float, float], eps: float,
              weight_decay: float) -> tuple[list[float], list[float], list[float]]:
    """Adam (Kingma & Ba 2015) with PyTorch's weight decay, which is added to the gradient.

    g += weight_decay * p; m = b1*m + (1 - b1)*g; v = b2*v + (1 - b2)*g**2;
    p -= lr * (m / (1 - b1**t)) / (sqrt(v / (1 - b2**t)) + eps).
    Moments start at 0; `step` t counts from 1. Returns (p, m, v).
    """
    new_p, new_m, new_v = [], [], []
    for p, g, m, v in zip(parameters, gradients, first, second, strict=True):
        g = g + weight_decay * p
        m = betas[0] * m + (1 - betas[0]) * g
        v = betas[1] * v + (1 - betas[1]) * g ** 2
        unbiased_m = m / (1 - betas[0] ** step)
        unbiased_v = v / (1 - betas[1] ** step)
        new_p.append(p - lr * unbiased_m / (math.sqrt(unbiased_v) + eps))
        new_m.append(m)
        new_v.append(v)
    return new_p, new_m, new_v
