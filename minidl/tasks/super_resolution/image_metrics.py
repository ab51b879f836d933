"""Scores of an image against the true one: PSNR and SSIM.

Both compare pixels at the same position. They prefer a blurred edge to a sharp one that is a pixel off; people do not
(see lesson 19).
"""
from typing import Any

import numpy as np

from minidl.types import Array

WINDOW, SIGMA = 11, 1.5      # of SSIM's Gaussian
K1, K2 = 0.01, 0.03


def psnr(prediction: Any, truth: Any, peak: float | None = None) -> Array:
    """Return the peak signal-to-noise ratio of each image, in decibels (dB).

    PSNR = 10 log10(peak^2 / MSE), with MSE the mean squared difference over all channels and pixels of an image, and
    the peak the largest value a pixel can have. Three dB more are half the squared error.

    Parameters
    ----------
    prediction, truth : (N, C, H, W)
        Of one type: uint8 (peak 255), or floating-point (peak 1).
    peak : float, optional
        If it is another one, as for floating-point images from 0 to 255, which are refused without it.

    Returns
    -------
    (N,) float64
        Infinite for equal images.

    Examples
    --------
    >>> float(psnr(np.full((1, 3, 8, 8), 0.5), np.full((1, 3, 8, 8), 0.6)).round(6)[0])     # MSE 0.01
    20.0
    """
    a, b, peak = _pair("psnr", prediction, truth, peak)
    mse = ((a - b) ** 2).mean(axis=(1, 2, 3))                                      # (N,)
    with np.errstate(divide="ignore"):
        return 10 * np.log10(peak**2 / mse)


def ssim(prediction: Any, truth: Any, peak: float | None = None) -> Array:
    """Return the structural similarity of each image: 1 if equal, about 0 if nothing agrees.

    Under a Gaussian window of 11 x 11 pixels (sigma 1.5) the means m, variances v and the covariance c of the two
    images are compared at each position where the window fits, per channel:

        SSIM = (2 m_a m_b + C1) (2 c + C2) / ((m_a^2 + m_b^2 + C1) (v_a + v_b + C2))

    with C1 = (0.01 peak)^2 and C2 = (0.03 peak)^2; the result is the mean over positions and channels.

    Parameters
    ----------
    prediction, truth : (N, C, H, W)
        As for `psnr`, of at least 11 x 11 pixels.
    peak : float, optional
        As for `psnr`.

    Returns
    -------
    (N,) float64

    References
    ----------
    Wang, Bovik, Sheikh, Simoncelli, "Image Quality Assessment: From Error Visibility to Structural Similarity", IEEE
    Transactions on Image Processing 13, 2004. (There images are gray; here all channels have equal weight.)

    Examples
    --------
    >>> dark, light = np.full((1, 1, 11, 11), 0.2), np.full((1, 1, 11, 11), 0.4)
    >>> float(ssim(dark, light).round(6)[0]), round((2 * 0.2 * 0.4 + 1e-4) / (0.2**2 + 0.4**2 + 1e-4), 6)
    (0.8001, 0.8001)
    """
    a, b, peak = _pair("ssim", prediction, truth, peak)
    if min(a.shape[2:]) < WINDOW:
        raise ValueError(f"ssim: expected images of at least {WINDOW} x {WINDOW} pixels, got shape {a.shape}")
    c1, c2 = (K1 * peak) ** 2, (K2 * peak) ** 2
    mean_a, mean_b = _gaussian_mean(a), _gaussian_mean(b)                          # (N, C, H - 10, W - 10)
    # E[x^2] - E[x]^2 loses digits, but float64 has enough of them for images: variances are wrong by 1e-15 peak^2.
    variances = _gaussian_mean(a * a) - mean_a**2 + _gaussian_mean(b * b) - mean_b**2
    covariance = _gaussian_mean(a * b) - mean_a * mean_b
    means = (2 * mean_a * mean_b + c1) / (mean_a**2 + mean_b**2 + c1)
    return (means * (2 * covariance + c2) / (variances + c2)).mean(axis=(1, 2, 3))


def _gaussian_mean(x: Array) -> Array:
    """Return the mean of x (N, C, H, W) under the window, wherever it fits: first along rows, then along columns."""
    at = np.arange(WINDOW) - WINDOW // 2
    weights = np.exp(-at**2 / (2 * SIGMA**2))
    weights /= weights.sum()
    H, W = x.shape[2] - WINDOW + 1, x.shape[3] - WINDOW + 1
    across = sum(weight * x[:, :, :, j:j + W] for j, weight in enumerate(weights))
    return np.asarray(sum(weight * across[:, :, i:i + H] for i, weight in enumerate(weights)))


def _pair(caller: str, prediction: Any, truth: Any, peak: float | None) -> tuple[Array, Array, float]:
    """Return both arrays as float64, and the peak (their type's, if none is given), after checking that they fit."""
    a, b = np.asarray(prediction), np.asarray(truth)
    if a.ndim != 4 or a.shape != b.shape or a.size == 0:
        raise ValueError(f"{caller}: expected two arrays of one shape (N, C, H, W), got {a.shape} and {b.shape}")
    bytes_ = a.dtype == b.dtype == np.uint8
    if not bytes_ and not a.dtype.kind == b.dtype.kind == "f":
        raise ValueError(f"{caller}: expected images that are both uint8 or both floating-point, "
                         f"got {a.dtype} and {b.dtype}")
    if peak is None and not bytes_:
        for name, image, beyond in (("prediction", a, 1.0), ("truth", b, 1e-3)):   # a network may well overshoot
            if (image < -beyond).any() or (image > 1 + beyond).any():
                raise ValueError(f"{caller}: expected floating-point images in [0, 1], got {name} from {image.min():g} "
                                 f"to {image.max():g}. Divide images from 0 to 255 by 255, or pass peak=255")
    elif peak is not None and not 0 < peak < np.inf:
        raise ValueError(f"{caller}: expected a finite peak above 0, got {peak!r}")
    return a.astype(np.float64), b.astype(np.float64), float(peak or (255 if bytes_ else 1))
