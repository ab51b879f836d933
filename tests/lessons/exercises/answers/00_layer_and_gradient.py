"""Right answers to the exercises of lesson 0."""
import numpy as np


def linear_forward(x, weight, bias):
    return x @ weight.T + bias


def linear_backward(dy, x, weight, dweight, dbias):
    dweight += dy.T @ x
    dbias += dy.sum(axis=0)
    return dy @ weight


def numeric_gradient(f, x):
    dx, h = np.zeros_like(x), 1e-5
    x = x.copy()
    for place in np.ndindex(x.shape):
        value = x[place]
        x[place] = value + h
        above = f(x)
        x[place] = value - h
        dx[place] = (above - f(x)) / (2 * h)
        x[place] = value
    return dx
