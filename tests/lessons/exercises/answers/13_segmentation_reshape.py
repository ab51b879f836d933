"""Right answers to the exercises of lesson 13."""
import numpy as np


def pixel_shuffle(x, r):
    N, channels, H, W = x.shape
    C = channels // (r * r)
    y = np.zeros((N, C, r * H, r * W), x.dtype)
    for c in range(C):
        for i in range(r):
            for j in range(r):
                y[:, c, i::r, j::r] = x[:, c * r * r + i * r + j]
    return y
