"""Right answers to the exercises of lesson 14."""
import numpy as np


def transposed_convolution(x, weight, stride):
    N, C, H, W = x.shape
    _, O, k, _ = weight.shape
    y = np.zeros((N, O, (H - 1) * stride + k, (W - 1) * stride + k))
    for n, c, i, j in np.ndindex(N, C, H, W):
        top, left = i * stride, j * stride
        y[n, :, top:top + k, left:left + k] += x[n, c, i, j] * weight[c]
    return y


def tent(scale):
    i = np.arange(2 * scale)
    return 1 - np.abs(i - (scale - 0.5)) / scale
