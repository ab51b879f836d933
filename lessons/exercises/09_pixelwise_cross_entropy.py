"""Exercises of lesson 9: cross entropy at every pixel, and its gradient.

Write each function in place of its `raise NotImplementedError`, then run `python -m lessons.exercises 09`. A function
may call those above it.

Letters: N images of H × W pixels, C classes.
"""
import numpy as np


def pixel_cross_entropy(scores, labels):
    """Cross entropy, the mean over all pixels of all images.

    Lesson 9, sections 4 and 5. At one pixel with the scores z and the right class y the loss is log Σ exp(z_k) − z_y,
    where the sum goes over the classes. Write it in the fused form, with the largest score m taken away from all scores
    of the pixel: scores of 1000 must not overflow.

    Parameters
    ----------
    scores : array (N, C, H, W)
    labels : array (N, H, W) of int, from 0 to C − 1

    Returns
    -------
    float

    Example
    -------
    One pixel with three classes, whose probabilities are 0.1, 0.6 and 0.3: −ln 0.6 is 0.511.

    >>> scores = np.log([0.1, 0.6, 0.3]).reshape(1, 3, 1, 1)
    >>> round(pixel_cross_entropy(scores, np.array([[[1]]])), 3)
    0.511
    """
    raise NotImplementedError


def pixel_cross_entropy_gradient(scores, labels):
    """The gradient of that loss with respect to the scores.

    Lesson 9, section 6: (p − one-hot) / (N·H·W) at each pixel. p is the softmax over the classes. One-hot is 1 for the
    right class, 0 for the others.

    Parameters
    ----------
    scores : array (N, C, H, W)
    labels : array (N, H, W) of int, from 0 to C − 1

    Returns
    -------
    array (N, C, H, W)

    Example
    -------
    >>> scores = np.log([0.1, 0.6, 0.3]).reshape(1, 3, 1, 1)
    >>> pixel_cross_entropy_gradient(scores, np.array([[[1]]]))
    array([[[[0.1]], [[-0.4]], [[0.3]]]])
    """
    raise NotImplementedError
