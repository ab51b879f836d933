"""Exercises of lesson 13: an image made of maps.

Write each function in place of its `raise NotImplementedError`, then run `python -m lessons.exercises 13`.

Letters: N images, C channels of the result, H × W positions of the maps, r the factor of enlargement.
"""
import numpy as np


def pixel_shuffle(x, r):
    """Pixel shuffle: a square of r × r pixels from each position.

    Lesson 13, section 2: y[n, c, r h + i, r w + j] = x[n, c r² + i r + j, h, w]. The r² maps that belong to one channel
    of the result are neighbors. `x.reshape(N, C, r * H, r * W)` has the same shape, but it only cuts the numbers, in
    the order in which they are, into other rows: neighbors are torn apart. Here what is at the top left of the maps is
    at the top left of the result.

    Parameters
    ----------
    x : array (N, C*r*r, H, W)
    r : int

    Returns
    -------
    array (N, C, r*H, r*W)

    Example
    -------
    Four maps of 1 × 2 become one image of 2 × 4:

    >>> pixel_shuffle(np.array([[[[1.0, 2.0]], [[3.0, 4.0]], [[5.0, 6.0]], [[7.0, 8.0]]]]), 2)
    array([[[[1.0, 3.0, 2.0, 4.0], [5.0, 7.0, 6.0, 8.0]]]])
    """
    raise NotImplementedError
