"""Exercises of lesson 17: the skip connection and its backward, and a loss for rare classes.

Write each function in place of its `raise NotImplementedError`, then run `python -m lessons.exercises 17`.

Letters: N images of H × W pixels, C channels or classes.
"""
import numpy as np


def skip_forward(inside, x):
    """A skip connection: the deeper layers' maps, and beside them the map that went in.

    Lesson 17, section 1: y = [f(x), x], concatenated along the channels. `inside` is f(x), what the deeper layers made
    of x.

    Parameters
    ----------
    inside : array (N, C', H, W)
    x : array (N, C, H, W)

    Returns
    -------
    array (N, C' + C, H, W)

    Example
    -------
    >>> skip_forward(np.array([[[[1.0, 2.0]]]]), np.array([[[[3.0, 4.0]], [[5.0, 6.0]]]]))
    array([[[[1.0, 2.0]], [[3.0, 4.0]], [[5.0, 6.0]]]])
    """
    raise NotImplementedError


def skip_backward(dy, channels):
    """A skip connection, backward.

    Lesson 17, section 1: concatenations split. The first channels of y were f(x), the others were x. (Here dx is only
    what comes past f. As x forks, the layer adds what comes back through f to it.)

    Parameters
    ----------
    dy : array (N, C' + C, H, W)
    channels : int, C', how many channels f(x) has

    Returns
    -------
    dinside (N, C', H, W), dx (N, C, H, W)

    Example
    -------
    >>> skip_backward(np.array([[[[1.0, 2.0]], [[3.0, 4.0]], [[5.0, 6.0]]]]), 1)
    (array([[[[1.0, 2.0]]]]), array([[[[3.0, 4.0]], [[5.0, 6.0]]]]))
    """
    raise NotImplementedError


def dice_loss(scores, labels):
    """The Dice loss: overlap of prediction and truth, per class.

    Lesson 17, section 10. With p the softmax of the scores over the classes and g the one-hot labels, for class k of
    one image D_k = (2 Σ p_k g_k + 1) / (Σ p_k² + Σ g_k² + 1), with sums over the image's pixels. The loss is 1 minus
    the mean of D_k over classes and images.

    Parameters
    ----------
    scores : array (N, C, H, W)
    labels : array (N, H, W) of int, from 0 to C − 1

    Returns
    -------
    float

    Example
    -------
    One pixel of class 0, both classes equally probable: D is (2 · 0.5 + 1) / (0.25 + 1 + 1) for class 0, and
    1 / (0.25 + 1) for class 1.

    >>> round(dice_loss(np.zeros((1, 2, 1, 1)), np.array([[[0]]])), 4)
    0.1556
    """
    raise NotImplementedError
