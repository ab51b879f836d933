"""Exercises of lesson 15: enlarge images, by copies and by straight lines, and back.

Write each function in place of its `raise NotImplementedError`, then run `python -m lessons.exercises 15`. A function
may call those above it.

Letters: N images, C channels, H × W pixels; scale is a whole number.
"""
import numpy as np


def nearest_forward(x, scale):
    """Nearest neighbor: each pixel becomes a square of copies.

    Lesson 15, sections 1 and 2: y[n, c, i, j] = x[n, c, i // scale, j // scale].

    Parameters
    ----------
    x : array (N, C, H, W)
    scale : int

    Returns
    -------
    array (N, C, scale*H, scale*W)

    Example
    -------
    >>> nearest_forward(np.array([[[[1.0, 5.0]]]]), 2)
    array([[[[1.0, 1.0, 5.0, 5.0], [1.0, 1.0, 5.0, 5.0]]]])
    """
    raise NotImplementedError


def nearest_backward(dy, scale):
    """Nearest neighbor, backward.

    Lesson 15, section 3: what was copied is summed. A pixel's dx is the sum of dy over the square of its copies.

    Parameters
    ----------
    dy : array (N, C, scale*H, scale*W)
    scale : int

    Returns
    -------
    array (N, C, H, W)

    Example
    -------
    >>> nearest_backward(np.array([[[[1.0, 2.0, 0.0, 5.0], [3.0, 4.0, 0.0, 6.0]]]]), 2)
    array([[[[10.0, 11.0]]]])
    """
    raise NotImplementedError


def bilinear_matrix(size, scale):
    """The matrix that enlarges a row by straight lines.

    Lesson 15, sections 1 and 3. New pixel i lies at (i + 1/2)/scale − 1/2, in units of old pixels. Before the first and
    after the last center, take the outermost center itself. At a share t of the way from the old pixel `left` to the
    next one, the shares are 1 − t and t. Row i of the matrix has the shares of new pixel i.

    Parameters
    ----------
    size : int, how many pixels the old row has
    scale : int

    Returns
    -------
    array (size*scale, size)

    Example
    -------
    >>> bilinear_matrix(2, 2)
    array([[1.0, 0.0], [0.75, 0.25], [0.25, 0.75], [0.0, 1.0]])
    """
    raise NotImplementedError


def bilinear_forward(x, scale):
    """Bilinear interpolation: straight lines along both sides.

    Lesson 15, section 3: y = A x Bᵀ for each channel of each image. A enlarges the columns, B the rows. Both are made
    by `bilinear_matrix`.

    Parameters
    ----------
    x : array (N, C, H, W)
    scale : int

    Returns
    -------
    array (N, C, scale*H, scale*W)

    Example
    -------
    >>> bilinear_forward(np.array([[[[1.0, 5.0], [4.0, 8.0]]]]), 2)[0, 0]
    array([[1.0, 2.0, 4.0, 5.0], [1.75, 2.75, 4.75, 5.75], [3.25, 4.25, 6.25, 7.25], [4.0, 5.0, 7.0, 8.0]])
    """
    raise NotImplementedError


def bilinear_backward(dy, scale):
    """Bilinear interpolation, backward.

    Lesson 15, section 3: dx = Aᵀ dy B. What was mixed is handed back in the same shares.

    Parameters
    ----------
    dy : array (N, C, scale*H, scale*W)
    scale : int

    Returns
    -------
    array (N, C, H, W)

    Example
    -------
    >>> bilinear_backward(np.array([[[[0.0, 8.0, 0.0, 0.0], [0.0, 0.0, 0.0, 0.0]]]]), 2)
    array([[[[6.0, 2.0]]]])
    """
    raise NotImplementedError
