"""Exercises of lesson 8: the two steps of K-means.

Write each function in place of its `raise NotImplementedError`, then run `python -m lessons.exercises 08`. A function
may call those above it.

Letters: N points with D coordinates each (a color has D = 3), k centers.
"""
import numpy as np


def nearest_center(points, centers):
    """The label of each point: its nearest center.

    Lesson 8, section 2, the first step: the number of the center with the smallest sum of squared differences,
    Σ over d of (point[d] − center[d])². Of equally near centers, the first.

    Parameters
    ----------
    points : array (N, D)
    centers : array (k, D)

    Returns
    -------
    array (N,) of int, from 0 to k − 1

    Example
    -------
    >>> nearest_center(np.array([[1.0, 0.0], [8.0, 1.0], [3.0, 0.0]]), np.array([[9.0, 1.0], [2.0, 0.0]]))
    array([1, 0, 1])
    """
    raise NotImplementedError


def move_centers(points, labels, k):
    """The new place of each center: the mean of its points.

    Lesson 8, section 2, the second step. A center without points goes, as in the library, to the point that is farthest
    from its own center (from the new one; of equally far points, the first). In the checks, at most one center has no
    points.

    Parameters
    ----------
    points : array (N, D)
    labels : array (N,) of int, for each point the number of its center
    k : int, how many centers there are

    Returns
    -------
    array (k, D)

    Example
    -------
    >>> move_centers(np.array([[1.0, 0.0], [3.0, 1.0], [8.0, 8.0]]), np.array([0, 0, 1]), 2)
    array([[2.0, 0.5], [8.0, 8.0]])

    Center 1 has no points. The mean of all is 4, and 9 is the farthest from it.

    >>> move_centers(np.array([[1.0], [2.0], [9.0]]), np.array([0, 0, 0]), 2)
    array([[4.0], [9.0]])
    """
    raise NotImplementedError
