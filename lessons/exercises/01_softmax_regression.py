"""Exercises of lesson 1: softmax, cross entropy and its gradient.

Write each function in place of its `raise NotImplementedError`, then run `python -m lessons.exercises 01`. A function
may call those above it.

Letters: N samples, K classes.
"""
import numpy as np


def softmax(scores):
    """Softmax: probabilities from scores.

    Lesson 1, section 2: ŷᵢ = exp(zᵢ) / Σ exp(zⱼ), where the sum goes over the classes of one sample. exp(1000) is
    infinity. But softmax stays the same if we subtract a number from all scores of a sample. Choose it so that nothing
    overflows.

    Parameters
    ----------
    scores : array (N, K), any finite numbers, 1000 and −1000 too

    Returns
    -------
    array (N, K), each row sums to 1

    Example
    -------
    >>> softmax(np.array([[0.0, 0.0], [1000.0, 0.0]]))
    array([[0.5, 0.5], [1.0, 0.0]])
    """
    raise NotImplementedError


def cross_entropy(scores, labels):
    """The cross entropy of scores, as a mean over the samples.

    Lesson 1, section 3: the loss of one sample is log Σ exp(zⱼ) − z of the right class. The first part is calculated as
    m + log Σ exp(zⱼ − m), where m is the largest score of the sample. A logarithm of `softmax` would fail: a
    probability may be rounded to 0.

    Parameters
    ----------
    scores : array (N, K), any finite numbers
    labels : array (N,) of int, the right classes, from 0 to K − 1

    Returns
    -------
    float, the mean of the N losses

    Example
    -------
    >>> cross_entropy(np.array([[1000.0, 0.0, 0.0]]), np.array([1]))
    1000.0
    >>> cross_entropy(np.array([[5.0, 5.0], [0.0, 0.0]]), np.array([1, 0]))       # ln 2
    0.69314718
    """
    raise NotImplementedError


def cross_entropy_gradient(scores, labels):
    """The gradient of the mean cross entropy with respect to the scores.

    Lesson 1, section 4: dz = (ŷ − y) / N, softmax minus one-hot, divided by the number of samples.

    Parameters
    ----------
    scores : array (N, K), any finite numbers
    labels : array (N,) of int, the right classes, from 0 to K − 1

    Returns
    -------
    array (N, K)

    Example
    -------
    >>> cross_entropy_gradient(np.array([[0.0, 0.0], [3.0, 3.0]]), np.array([1, 0]))
    array([[0.25, -0.25], [-0.25, 0.25]])
    """
    raise NotImplementedError
