"""Right answers to the exercises of lesson 9, plain rather than fast."""
import numpy as np


def pixel_cross_entropy(scores, labels):
    N, C, H, W = scores.shape
    total = 0.0
    for n, i, j in np.ndindex(N, H, W):
        z = scores[n, :, i, j]
        z = z - z.max()
        total += np.log(np.exp(z).sum()) - z[labels[n, i, j]]
    return total / (N * H * W)


def pixel_cross_entropy_gradient(scores, labels):
    N, C, H, W = scores.shape
    exp = np.exp(scores - scores.max(axis=1, keepdims=True))
    p = exp / exp.sum(axis=1, keepdims=True)
    one_hot = np.eye(C)[labels].transpose(0, 3, 1, 2)
    return (p - one_hot) / (N * H * W)
