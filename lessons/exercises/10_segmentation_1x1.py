"""Exercises of lesson 10: count what a segmentation gets right.

Write each function in place of its `raise NotImplementedError`, then run `python -m lessons.exercises 10`. A function
may call those above it.

Letters: N images of H × W pixels, K classes.
"""
import numpy as np


def confusion_matrix(truth, predicted, classes):
    """The confusion matrix: how often each class was called each class.

    Lesson 10, section 7 scores its model with it; lesson 8, section 7 shows how. Entry (k, m) counts the pixels of true
    class k that were called m: the rows are true classes, the columns predicted ones.

    Parameters
    ----------
    truth, predicted : arrays (N, H, W) of int, from 0 to classes − 1
    classes : int

    Returns
    -------
    array (classes, classes) of int

    Example
    -------
    >>> confusion_matrix(np.array([[[0, 0, 1, 0]]]), np.array([[[0, 1, 1, 1]]]), 2)
    array([[1, 2], [0, 1]])
    """
    raise NotImplementedError


def iou_from_confusion(matrix):
    """The IoU of each class, from a confusion matrix.

    Lesson 10, section 7 scores its model with it; lesson 8, section 7 shows how. Of the pixels that are class k or are
    called k, the share that is both: the diagonal's entry over (its row's sum + its column's sum − the diagonal's
    entry). For a class that neither occurs nor is called, this is 0/0: return np.nan there.

    Parameters
    ----------
    matrix : array (K, K) of int, as above

    Returns
    -------
    array (K,), numbers from 0 to 1, or np.nan

    Example
    -------
    >>> iou_from_confusion(np.array([[1, 2, 0], [0, 1, 0], [0, 0, 0]]))
    array([1/3, 1/3, np.nan])
    """
    raise NotImplementedError
