"""Exercises of lesson 4: convolution, pooling and batch norm, forward and backward.

Write each function in place of its `raise NotImplementedError`, then run `python -m lessons.exercises 04`. A function
may call those above it. Loops are fine: first right, then fast.

Letters: N images, C channels, H × W pixels; O output channels, kernels of k × k; Ho × Wo positions, with
Ho = (H + 2 padding − k) // stride + 1.
"""
import numpy as np


def convolve(x, weight, bias, stride=1, padding=0):
    """A convolution, in loops.

    Lesson 4, sections 2 and 3: y[n, o, p, q] = b[o] + Σ over c, i, j of W[o, c, i, j] x[n, c, s p + i, s q + j], where
    x has `padding` rows and columns of zeros around it, and s is the stride. The kernel is not flipped.

    Parameters
    ----------
    x : array (N, C, H, W)
    weight : array (O, C, k, k)
    bias : array (O,)
    stride, padding : int

    Returns
    -------
    array (N, O, Ho, Wo)

    Example
    -------
    >>> x = np.array([[[[1.0, 2.0, 3.0], [4.0, 5.0, 6.0], [7.0, 8.0, 9.0]]]])
    >>> convolve(x, np.array([[[[1.0, 0.0], [0.0, -1.0]]]]), np.array([0.5]))
    array([[[[-3.5, -3.5], [-3.5, -3.5]]]])
    """
    raise NotImplementedError


def im2col(x, k, stride=1, padding=0):
    """The pixels under each window, written into one column.

    Lesson 4, section 4. A row of the result belongs to one pixel of the window, in the order (channel, row, column); a
    column belongs to one window, in the order (image, row, column).

    Parameters
    ----------
    x : array (N, C, H, W)
    k, stride, padding : int

    Returns
    -------
    array (C*k*k, N*Ho*Wo)

    Example
    -------
    >>> im2col(np.array([[[[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]]]]), 2)
    array([[1.0, 2.0], [2.0, 3.0], [4.0, 5.0], [5.0, 6.0]])
    """
    raise NotImplementedError


def col2im(columns, shape, k, stride=1, padding=0):
    """Each column, added to the pixels that it came from.

    Lesson 4, section 5: `im2col` with source and target exchanged. Where windows overlap, the values add up. What falls
    on the padding is dropped.

    Parameters
    ----------
    columns : array (C*k*k, N*Ho*Wo)
    shape : tuple (N, C, H, W), that of the result
    k, stride, padding : int

    Returns
    -------
    array (N, C, H, W)

    Example
    -------
    >>> col2im(np.array([[1.0, 2.0], [2.0, 3.0], [4.0, 5.0], [5.0, 6.0]]), (1, 1, 2, 3), 2)
    array([[[[1.0, 4.0, 3.0], [4.0, 10.0, 6.0]]]])
    """
    raise NotImplementedError


def conv_forward(x, weight, bias, stride=1, padding=0):
    """A convolution, as one matrix product.

    Lesson 4, section 4: the weights as a matrix (O, C*k*k), times `im2col(x)`. The result of that product is
    (O, N*Ho*Wo); its axes still have to come into the order of y.

    Parameters and result are those of `convolve`.

    Example
    -------
    >>> x = np.array([[[[1.0, 2.0, 3.0], [4.0, 5.0, 6.0], [7.0, 8.0, 9.0]]]])
    >>> conv_forward(x, np.array([[[[1.0, 0.0], [0.0, -1.0]]]]), np.array([0.5]))
    array([[[[-3.5, -3.5], [-3.5, -3.5]]]])
    """
    raise NotImplementedError


def conv_backward(dy, x, weight, stride=1, padding=0):
    """The three gradients of a convolution.

    Lesson 4, section 5: dW = dy columnsᵀ and dcolumns = Wᵀ dy, with dy as a matrix (O, N*Ho*Wo); `col2im` takes
    dcolumns back to pixels. A bias acts on all positions of all images.

    Parameters
    ----------
    dy : array (N, O, Ho, Wo)
    x : array (N, C, H, W), what forward got
    weight : array (O, C, k, k)
    stride, padding : int

    Returns
    -------
    dx (N, C, H, W), dweight (O, C, k, k), dbias (O,)

    Example
    -------
    >>> x, weight = np.array([[[[1.0, 2.0], [3.0, 4.0]]]]), np.array([[[[1.0, 0.0], [0.0, -1.0]]]])
    >>> conv_backward(np.array([[[[2.0]]]]), x, weight)
    (array([[[[2.0, 0.0], [0.0, -2.0]]]]), array([[[[2.0, 4.0], [6.0, 8.0]]]]), array([2.0]))
    """
    raise NotImplementedError


def max_pool_forward(x):
    """2 × 2 max pooling: the largest value of each square.

    Lesson 4, section 6.

    Parameters
    ----------
    x : array (N, C, H, W), H and W even

    Returns
    -------
    array (N, C, H/2, W/2)

    Example
    -------
    >>> max_pool_forward(np.array([[[[1.0, 7.0, 5.0, 5.0], [3.0, 2.0, 5.0, 5.0]]]]))
    array([[[[7.0, 5.0]]]])
    """
    raise NotImplementedError


def max_pool_backward(dy, x):
    """2 × 2 max pooling, backward.

    Lesson 4, section 6: the largest value of each square gets its dy, the other three get 0. In a tie, the first of
    them gets it, in the order upper left, upper right, lower left, lower right.

    Parameters
    ----------
    dy : array (N, C, H/2, W/2)
    x : array (N, C, H, W), what forward got

    Returns
    -------
    array (N, C, H, W)

    Example
    -------
    >>> max_pool_backward(np.array([[[[10.0, 20.0]]]]), np.array([[[[1.0, 7.0, 5.0, 5.0], [3.0, 2.0, 5.0, 5.0]]]]))
    array([[[[0.0, 10.0, 20.0, 0.0], [0.0, 0.0, 0.0, 0.0]]]])
    """
    raise NotImplementedError


def batch_norm_forward(x, gamma, beta, eps=1e-5):
    """Batch norm, in training.

    Lesson 4, section 7: over all N·H·W values of a channel, x̂ = (x − mean) / √(variance + ε), and y = γ x̂ + β. The
    variance is the mean of (x − mean)².

    Parameters
    ----------
    x : array (N, C, H, W)
    gamma, beta : array (C,)
    eps : float

    Returns
    -------
    array (N, C, H, W)

    Example
    -------
    >>> x = np.array([[[[1.0, 2.0], [3.0, 2.0]]]])
    >>> batch_norm_forward(x, np.array([2.0]), np.array([5.0]), eps=0.0).round(4)
    array([[[[2.1716, 5.0], [7.8284, 5.0]]]])
    """
    raise NotImplementedError


def batch_norm_backward(dy, x, gamma, eps=1e-5):
    """The three gradients of batch norm, in training.

    Lesson 4, section 7: with g = γ dy, dx = (g − mean(g) − x̂ mean(g x̂)) / std: three paths lead from x to the loss.

    Parameters
    ----------
    dy, x : array (N, C, H, W)
    gamma : array (C,)
    eps : float

    Returns
    -------
    dx (N, C, H, W), dgamma (C,), dbeta (C,)

    Example
    -------
    >>> x, dy = np.array([[[[-1.0, 1.0], [-1.0, 1.0]]]]), np.array([[[[1.0, 0.0], [0.0, 0.0]]]])
    >>> batch_norm_backward(dy, x, np.array([2.0]), eps=0.0)
    (array([[[[1.0, 0.0], [-1.0, 0.0]]]]), array([-1.0]), array([1.0]))
    """
    raise NotImplementedError
