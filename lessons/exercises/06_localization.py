"""Exercise of lesson 6: how much two boxes overlap.

Write the function in place of its `raise NotImplementedError`, then run `python -m lessons.exercises 06`.
"""
import numpy as np


def box_iou(a, b):
    """The intersection over union of two boxes.

    Lesson 6, section 2: the area that the two boxes share, divided by the area that they cover together. 1 if they are
    equal, 0 if they do not meet or only touch. A box is four numbers, its left, upper, right and lower edge. Edges lie
    between pixels: the width is x1 − x0.

    Parameters
    ----------
    a, b : arrays (4,): x0, y0, x1, y1 with x0 < x1 and y0 < y1

    Returns
    -------
    float from 0 to 1

    Example
    -------
    >>> box_iou(np.array([0.0, 0.0, 3.0, 2.0]), np.array([1.0, 0.0, 4.0, 2.0]))
    0.5
    """
    raise NotImplementedError
