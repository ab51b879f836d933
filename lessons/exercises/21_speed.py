"""Exercises of lesson 21: batch norm's mean and variance, when the batch lies in two parts.

Write each function in place of its `raise NotImplementedError`, then run `python -m lessons.exercises 21`.
"""
import numpy as np


def joint_moments(x1, x2):
    """Mean and variance of a batch, from sums over its two parts.

    Lesson 21, section 10. Each core has its part of the batch and finds, per channel, three numbers: m, how many values
    there are, their mean μ, and q, the sum of squared differences from that mean. For the whole batch,

        mean = (m₁ μ₁ + m₂ μ₂) / (m₁ + m₂)
        variance = (q₁ + q₂ + m₁ (μ₁ − mean)² + m₂ (μ₂ − mean)²) / (m₁ + m₂)

    The parts need not have the same number of images. Do not put them together: only the three numbers may leave their
    core. And do not take the mean of the squares minus the squared mean, which loses its digits where the mean is
    large.

    Parameters
    ----------
    x1 : array (N1, C, H, W)
    x2 : array (N2, C, H, W)

    Returns
    -------
    mean (C,), variance (C,)
        Those of the whole batch over images, rows and columns; the variance is divided by m₁ + m₂.

    Example
    -------
    One channel with the values 1, 3 in one part, and 5 in the other:

    >>> joint_moments(np.array([[[[1.0]]], [[[3.0]]]]), np.array([[[[5.0]]]]))
    (array([3.0]), array([8/3]))
    """
    raise NotImplementedError
