"""Exercises of lesson 7: non-maximum suppression and average precision.

Write each function in place of its `raise NotImplementedError`, then run `python -m lessons.exercises 07`.

`iou_matrix(a, b)` is at hand: it takes boxes (n, 4) and (m, 4), and returns the intersection over union of each with
each, (n, m). To use your own `box_iou`, copy it from lesson 6's file.
"""
import numpy as np

from minidl.tasks.detection.boxes import iou_matrix


def non_maximum_suppression(boxes, scores, threshold):
    """Non-maximum suppression: of boxes that overlap much, only the best.

    Lesson 7, section 6: keep the box with the highest score, and drop all that overlap with it by an IoU of *more* than
    the threshold. Go on with the best of what is left, until nothing is left. So only a box that was kept can suppress
    others. Of equal scores, the first counts as the highest.

    Parameters
    ----------
    boxes : array (n, 4): x0, y0, x1, y1; n may be 0
    scores : array (n,), in any order
    threshold : float from 0 to 1

    Returns
    -------
    list of int
        The indices of the boxes that are kept, in `boxes`, the best first.

    Example
    -------
    >>> non_maximum_suppression(np.array([[0, 0, 9, 9], [1, 0, 9, 9], [20, 0, 29, 9]]), np.array([0.8, 0.9, 0.3]), 0.5)
    [1, 2]
    """
    raise NotImplementedError


def average_precision(right, scores, truths):
    """Average precision: the area under precision over recall.

    Lesson 7, section 7: take the found boxes from the highest score to the lowest. After each of them, precision is the
    share of the boxes so far that are right, and recall is the share of the true boxes that are found. Each step of the
    recall counts times the *best* precision that is reached at this recall or a higher one.

    Parameters
    ----------
    right : array (n,) of bool
        Whether each found box is right. They are *not* sorted; n may be 0.
    scores : array (n,), those of the same boxes, no two of them equal
    truths : int, at least 1
        The number of true boxes, whether they are found or not.

    Returns
    -------
    float from 0 to 1; 0 if nothing was found

    Example
    -------
    >>> average_precision(np.array([False, True, True]), np.array([0.8, 0.7, 0.9]), 2)     # 1/2 · 1 + 1/2 · 2/3
    0.83333333
    """
    raise NotImplementedError
