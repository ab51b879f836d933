"""Exercises of lesson 14: the transposed convolution, and the kernel that it begins with.

Write each function in place of its `raise NotImplementedError`, then run `python -m lessons.exercises 14`. Loops are
fine.

Letters: N images, C channels, H × W pixels; O output channels, kernels of k × k.
"""
import numpy as np


def transposed_convolution(x, weight, stride):
    """A transposed convolution, painted.

    Lesson 14, section 2, here with channels and without padding: pixel (i, j) of channel c paints its kernels
    weight[c], one for each output channel, multiplied by its value. Their upper left corner is at row i·stride and
    column j·stride. Where painted kernels overlap, they add up, and so do the channels.

    Parameters
    ----------
    x : array (N, C, H, W)
    weight : array (C, O, k, k)
    stride : int

    Returns
    -------
    array (N, O, (H − 1)·stride + k, (W − 1)·stride + k)

    Example
    -------
    Two pixels, 1 and 10, and a kernel of 2 × 2. With stride 1 they overlap in one column.

    >>> transposed_convolution(np.array([[[[1.0, 10.0]]]]), np.array([[[[1.0, 2.0], [3.0, 4.0]]]]), 1)
    array([[[[1.0, 12.0, 20.0], [3.0, 34.0, 40.0]]]])
    """
    raise NotImplementedError


def tent(scale):
    """A tent: the kernel, in one dimension, that enlarges by a factor.

    Lesson 14, section 3: 2·scale numbers, tent[i] = 1 − |i − (scale − 1/2)| / scale. The middle lies between two of
    them. Painted with this stride, neighboring tents always add up to 1.

    Parameters
    ----------
    scale : int

    Returns
    -------
    array (2*scale,)

    Example
    -------
    >>> tent(2)
    array([0.25, 0.75, 0.75, 0.25])
    """
    raise NotImplementedError
