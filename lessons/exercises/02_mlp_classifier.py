"""Exercises of lesson 2: ReLU, where the weights start, momentum and Adam.

Write each function in place of its `raise NotImplementedError`, then run `python -m lessons.exercises 02`.
"""
import numpy as np


def relu_forward(x):
    """ReLU: what is above 0 passes, the rest becomes 0.

    Lesson 2, section 3: y = max(x, 0), number by number.

    Parameters
    ----------
    x : array of any shape

    Returns
    -------
    array of x's shape, a new one

    Example
    -------
    >>> relu_forward(np.array([[2.0, -1.0], [0.0, 0.5]]))
    array([[2.0, 0.0], [0.0, 0.5]])
    """
    raise NotImplementedError


def relu_backward(dy, x):
    """ReLU, backward.

    Lesson 2, section 3: the gradient passes where x was above 0, and stops elsewhere. At x = 0, dx is 0.

    Parameters
    ----------
    dy : array of x's shape, the derivative of the loss with respect to y
    x : array of any shape, what forward got

    Returns
    -------
    array of x's shape
        dx, the derivative of the loss with respect to x.

    Example
    -------
    >>> relu_backward(np.array([[3.0, 5.0], [7.0, -4.0]]), np.array([[2.0, -1.0], [0.0, 0.5]]))
    array([[3.0, 0.0], [0.0, -4.0]])
    """
    raise NotImplementedError


def he_std(fan_in):
    """He's scale: the standard deviation of the first weights.

    Lesson 2, section 5: a unit sums over n inputs. With weights of standard deviation s, a layer and its ReLU multiply
    the mean square by n s² / 2. Which s leaves it as it is?

    Parameters
    ----------
    fan_in : int, at least 1
        n, the number of inputs that a unit sums over.

    Returns
    -------
    float

    Example
    -------
    >>> he_std(8)
    0.5
    """
    raise NotImplementedError


def momentum_step(weight, grad, velocity, lr, momentum):
    """One step of gradient descent with momentum.

    Lesson 2, section 8: the velocity keeps `momentum` of itself and gains the gradient. Then the weight moves by −lr
    times the new velocity:

        v ← momentum · v + g        w ← w − lr · v

    Parameters
    ----------
    weight, grad, velocity : arrays of one shape; they stay as they are
    lr, momentum : float

    Returns
    -------
    weight, velocity : new arrays of that shape

    Example
    -------
    >>> momentum_step(np.array([1.0, 2.0]), np.array([0.5, -1.0]), np.array([1.0, 0.0]), 0.1, 0.9)
    (array([0.86, 2.1]), array([1.4, -1.0]))
    """
    raise NotImplementedError


def adam_step(weight, grad, m, v, t, lr, beta1=0.9, beta2=0.999, eps=1e-8):
    """One step of Adam.

    Lesson 2, section 8: a running mean of the gradients, and one of their squares, number by number. Both start at 0
    and are too small at first; for the step they are divided by 1 − βᵗ:

        m ← β₁ m + (1 − β₁) g        v ← β₂ v + (1 − β₂) g²

        w ← w − lr · m̂ / (√v̂ + ε)        with m̂ = m / (1 − β₁ᵗ) and v̂ = v / (1 − β₂ᵗ)

    Parameters
    ----------
    weight, grad, m, v : arrays of one shape; they stay as they are
    t : int
        The number of this step: 1 for the first, when m and v are 0.
    lr, beta1, beta2, eps : float

    Returns
    -------
    weight, m, v : new arrays of that shape
        m and v are those of the first line, without hats: the next step goes on from them.

    Example
    -------
    >>> adam_step(np.array([1.0, 1.0]), np.array([4.0, -0.1]), np.zeros(2), np.zeros(2), t=1, lr=0.5)
    (array([0.5, 1.5]), array([0.4, -0.01]), array([0.016, 0.00001]))
    """
    raise NotImplementedError
