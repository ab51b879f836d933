"""Right answers to the exercises of lesson 17."""
import numpy as np


def skip_forward(inside, x):
    return np.concatenate([inside, x], axis=1)


def skip_backward(dy, channels):
    return dy[:, :channels], dy[:, channels:]


def dice_loss(scores, labels):
    N, C, H, W = scores.shape
    exp = np.exp(scores - scores.max(axis=1, keepdims=True))
    p = exp / exp.sum(axis=1, keepdims=True)
    g = np.eye(C)[labels].transpose(0, 3, 1, 2)
    axes = (2, 3)
    both = (p * g).sum(axis=axes)
    sizes = (p ** 2).sum(axis=axes) + (g ** 2).sum(axis=axes)
    D = (2 * both + 1) / (sizes + 1)
    return 1 - D.mean()
