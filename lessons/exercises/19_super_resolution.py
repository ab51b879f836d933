"""Exercises of lesson 19: how near is an image to the true one?

Write each function in place of its `raise NotImplementedError`, then run `python -m lessons.exercises 19`.
"""
import numpy as np


def psnr(image, truth):
    """The peak signal-to-noise ratio, in decibels.

    Lesson 19, section 3: PSNR = 10 log10(1 / MSE), with MSE the mean squared difference over all channels and pixels.
    The 1 is the squared peak. Equal images have an infinite PSNR, np.inf.

    Parameters
    ----------
    image, truth : arrays (C, H, W), values from 0 to 1

    Returns
    -------
    float, in dB

    Example
    -------
    Every value is off by 0.1, so the MSE is 0.01:

    >>> round(psnr(np.full((3, 2, 2), 0.5), np.full((3, 2, 2), 0.6)), 6)
    20.0
    """
    raise NotImplementedError
