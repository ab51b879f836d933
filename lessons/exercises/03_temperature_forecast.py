"""Exercises of lesson 3: the mean squared error, its gradient, and weight decay.

Write each function in place of its `raise NotImplementedError`, then run `python -m lessons.exercises 03`.
"""
import numpy as np


def mse(predictions, targets):
    """The mean squared error.

    Lesson 3, sections 2 and 3: the mean of (ŷ − y)² over *all* numbers, those of all samples and all outputs.

    Parameters
    ----------
    predictions, targets : arrays of one shape, often (N, outputs)

    Returns
    -------
    float

    Example
    -------
    >>> mse(np.array([[1.0, 2.0], [3.0, 5.0]]), np.array([[0.0, 2.0], [3.0, 3.0]]))
    1.25
    """
    raise NotImplementedError


def mse_gradient(predictions, targets):
    """The gradient of the mean squared error with respect to the predictions.

    Lesson 3, sections 2 and 3: 2 (ŷ − y), divided by the number of numbers.

    Parameters
    ----------
    predictions, targets : arrays of one shape, often (N, outputs)

    Returns
    -------
    array of the predictions' shape

    Example
    -------
    >>> mse_gradient(np.array([[1.0, 2.0], [3.0, 5.0]]), np.array([[0.0, 2.0], [3.0, 3.0]]))
    array([[0.5, 0.0], [0.0, 1.0]])
    """
    raise NotImplementedError


def weight_decay_step(weight, grad, lr, decay):
    """One step of gradient descent with weight decay.

    Lesson 3, section 7: a penalty λ p² / 2 for each parameter p is added to the loss. So the gradient of the penalty,
    λ p, is added to the gradient g of the loss. Then the parameter moves by −lr times the sum.

    Parameters
    ----------
    weight, grad : arrays of one shape; they stay as they are
    lr : float
    decay : float
        λ, the strength of the penalty.

    Returns
    -------
    array of that shape, a new one

    Example
    -------
    >>> weight_decay_step(np.array([2.0, -1.0]), np.array([-0.1, 0.5]), lr=0.1, decay=0.1)
    array([1.99, -1.04])
    """
    raise NotImplementedError
