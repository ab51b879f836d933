"""Right answers to the exercises of lesson 15."""
import numpy as np


def nearest_forward(x, scale):
    return x.repeat(scale, axis=2).repeat(scale, axis=3)


def nearest_backward(dy, scale):
    N, C, H, W = dy.shape
    dx = np.zeros((N, C, H // scale, W // scale))
    for i in range(scale):
        for j in range(scale):
            dx += dy[:, :, i::scale, j::scale]
    return dx


def bilinear_matrix(size, scale):
    A = np.zeros((size * scale, size))
    for i in range(size * scale):
        at = (i + 0.5) / scale - 0.5
        at = min(max(at, 0), size - 1)
        left = int(at)
        right = min(left + 1, size - 1)
        t = at - left
        A[i, left] += 1 - t
        A[i, right] += t
    return A


def bilinear_forward(x, scale):
    N, C, H, W = x.shape
    A, B = bilinear_matrix(H, scale), bilinear_matrix(W, scale)
    return A @ x @ B.T


def bilinear_backward(dy, scale):
    N, C, H, W = dy.shape
    A, B = bilinear_matrix(H // scale, scale), bilinear_matrix(W // scale, scale)
    return A.T @ dy @ B
