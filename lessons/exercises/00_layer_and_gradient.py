"""Exercises of lesson 0: a dense layer, its gradients, and how to check a gradient.

Write each function in place of its `raise NotImplementedError`, then run `python -m lessons.exercises 00`.
"""
import numpy as np


def linear_forward(x, weight, bias):
    """A dense layer: y = x Wᵀ + b.

    Lesson 0, section 4.

    Parameters
    ----------
    x : array (N, in), one sample per row
    weight : array (out, in), one row per output
    bias : array (out,)

    Returns
    -------
    array (N, out)

    Example
    -------
    >>> linear_forward(np.array([[1.0, 2.0], [3.0, -1.0]]), np.array([[1.0, 2.0], [0.0, -1.0]]), np.array([0.0, 1.0]))
    array([[5.0, -1.0], [1.0, 2.0]])
    """
    raise NotImplementedError


def linear_backward(dy, x, weight, dweight, dbias):
    """The three gradients of a dense layer.

    Lesson 0, section 4. Forks add: the gradients of the parameters are *added* to `dweight` and `dbias`, in place
    (``dweight += ...``), because the layer may have been used before. dx is returned.

    Parameters
    ----------
    dy : array (N, out), the derivative of the loss with respect to y
    x : array (N, in), what forward got
    weight : array (out, in)
    dweight : array (out, in), changed in place
    dbias : array (out,), changed in place

    Returns
    -------
    array (N, in)
        dx, the derivative of the loss with respect to x.

    Example
    -------
    >>> dweight, dbias = np.zeros((1, 2)), np.zeros(1)
    >>> linear_backward(np.array([[2.0]]), np.array([[3.0, 4.0]]), np.array([[5.0, 6.0]]), dweight, dbias)
    array([[10.0, 12.0]])
    >>> dweight, dbias
    (array([[6.0, 8.0]]), array([2.0]))
    """
    raise NotImplementedError


def numeric_gradient(f, x):
    """The derivative of f with respect to every number of x, by central differences.

    Lesson 0, section 5: (f(x + h) − f(x − h)) / 2h with h = 1e-5, one number of x at a time. Use it whenever you want
    to know if one of your own gradients is right.

    Parameters
    ----------
    f : function
        Takes an array of x's shape, returns one number.
    x : array of any shape, float64; the same afterwards

    Returns
    -------
    array of x's shape

    Example
    -------
    >>> numeric_gradient(lambda x: np.sum(x ** 2), np.array([[1.0, -2.0, 0.5]])).round(6)
    array([[2.0, -4.0, 1.0]])
    """
    raise NotImplementedError
