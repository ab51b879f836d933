"""Scores of a thin class that forgive a small shift.

A border two pixels wide, predicted one pixel off, shares only half of its pixels with the truth, though people would
not draw it alike either. With a tolerance of t pixels, a predicted pixel is right if a true one lies within distance t,
and a true one is found if a predicted one does.

Counts of several batches add up, so that a whole test set is scored without keeping its predictions:

>>> true, predicted = np.zeros((1, 3, 4), int), np.zeros((1, 3, 4), int)
>>> true[:, :, 1] = predicted[:, :, 2] = 1                   # two vertical lines, side by side
>>> [tolerant_scores(tolerant_counts(true, predicted, 1, t))["f1"] for t in (0, 1)]
[0.0, 1.0]
"""
from typing import Any

import numpy as np

from minidl.metrics import ratio
from minidl.types import Array


def tolerant_counts(labels: Any, predictions: Any, k: int, tolerance: int = 1) -> Array:
    """Count the pixels of class k that were predicted, and that are there, and how many of each match.

    Parameters
    ----------
    labels, predictions : integer arrays (N, H, W)
        True and predicted classes.
    k : int
        The class.
    tolerance : int
        Chebyshev distance in pixels: with 1, a pixel and its 8 neighbors.

    Returns
    -------
    (4,) int64
        Predicted pixels, those of them near a true one, true pixels, those of them near a predicted one.
    """
    labels, predictions = np.asarray(labels), np.asarray(predictions)
    if labels.ndim != 3 or labels.shape != predictions.shape or {labels.dtype.kind, predictions.dtype.kind} - set("iu"):
        raise ValueError("tolerant_counts: expected labels and predictions as integers of one shape (N, H, W), got "
                         f"{labels.dtype} {labels.shape} and {predictions.dtype} {predictions.shape}")
    if isinstance(tolerance, bool) or not isinstance(tolerance, (int, np.integer)) or tolerance < 0:
        raise ValueError(f"tolerant_counts: expected a tolerance of 0 or more whole pixels, got {tolerance!r}")
    true, predicted = labels == k, predictions == k
    return np.array([np.count_nonzero(mask) for mask in (
        predicted, predicted & near(true, tolerance), true, true & near(predicted, tolerance))], np.int64)


def tolerant_scores(counts: Array) -> dict[str, float]:
    """Return precision, recall and their harmonic mean F1 of `tolerant_counts`, or of a sum of several.

    Precision is the share of the predicted pixels that match, recall the share of the true ones. With tolerance 0 they
    are those of the confusion matrix, and F1 is `minidl.metrics.dice`. A share of nothing is nan; F1 is 0 if only one
    of the two is.

    Notes
    -----
    All pixels of the test set are counted together, as in `minidl.metrics`. Csurka et al. average F1 over images, with
    Euclidean distance; Martin et al. let each pixel match only once. Both score the lines between regions; here the
    border is a class of its own, as wide as it was drawn.

    References
    ----------
    Csurka, Larlus, Perronnin, "What is a good evaluation measure for semantic segmentation?", BMVC 2013.
    Martin, Fowlkes, Malik, "Learning to Detect Natural Image Boundaries Using Local Brightness, Color, and Texture
    Cues", IEEE Transactions on Pattern Analysis and Machine Intelligence 26, 2004.
    """
    counts = np.asarray(counts)
    precision, recall = (float(share) for share in ratio(counts[[1, 3]], counts[[0, 2]]))
    both = np.nan_to_num([precision, recall])
    f1 = 2 * both.prod() / max(both.sum(), 1e-300) if counts[[0, 2]].any() else np.nan
    return {"precision": precision, "recall": recall, "f1": float(f1)}


def near(mask: Array, tolerance: int) -> Array:
    """Return which pixels have a True one of the mask (..., H, W) within the Chebyshev distance: a wider mask.

    A square of 2t + 1 pixels is a row of as many, then a column: each axis is widened by itself.
    """
    for axis in (-2, -1):
        narrow = np.moveaxis(mask, axis, 0)
        wide = narrow.copy()
        for d in range(1, min(tolerance, len(narrow) - 1) + 1):
            wide[d:] |= narrow[:-d]
            wide[:-d] |= narrow[d:]
        mask = np.moveaxis(wide, 0, axis)
    return mask
