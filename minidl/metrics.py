"""Scores of a segmentation (or a classification), all computed from one confusion matrix.

The matrix counts pixels: entry (k, m) is the number of pixels of true class k that were predicted as class m.
Matrices of several batches add up, so a whole test set is scored without keeping its predictions:

>>> matrix = sum(confusion_matrix(labels, predictions, 3) for labels, predictions in [
...     (np.array([[0, 0, 1]]), np.array([[0, 1, 1]])),
...     (np.array([[1, 1, 1]]), np.array([[1, 1, 1]]))])
>>> matrix
array([[1, 1, 0],
       [0, 4, 0],
       [0, 0, 0]])
>>> round(pixel_accuracy(matrix), 3)
0.833
>>> iou(matrix)     # object 1/2, background 4/5; the border occurs nowhere
array([0.5, 0.8, nan])
>>> mean_iou(matrix)
0.65

Absent classes. A class that neither occurs nor is predicted has no score: its IoU and Dice are nan, and the
means leave it out. A class that occurs but is never predicted (or the reverse) has score 0 and does count.
Sum the matrices before scoring: a mean of per-image scores depends on which classes each image has.
"""
from collections.abc import Sequence
from typing import Any

import numpy as np

from minidl.types import Array


def confusion_matrix(labels: Any, predictions: Any, classes: int, ignore_index: int | None = None) -> Array:
    """Count how often each class was predicted as each class.

    Parameters
    ----------
    labels : integer array of any shape
        True classes, 0 to classes - 1 (or `ignore_index`).
    predictions : integer array of the same shape
        Predicted classes, 0 to classes - 1.
    classes : int
        Number of classes K.
    ignore_index : int, optional
        Places with this label are left out, whatever was predicted there.

    Returns
    -------
    (K, K) int64
        Rows are true classes, columns predicted ones.

    Examples
    --------
    >>> confusion_matrix([0, 0, 1, 255], [0, 1, 1, 0], classes=2, ignore_index=255)
    array([[1, 1],
           [0, 1]])
    """
    labels, predictions = np.asarray(labels), np.asarray(predictions)
    if classes < 1 or labels.shape != predictions.shape:
        raise ValueError("confusion_matrix: expected classes >= 1 and labels and predictions of the same shape, "
                         f"got {classes} classes and shapes {labels.shape} and {predictions.shape}")
    if ignore_index is not None:
        kept = labels != ignore_index
        labels, predictions = labels[kept], predictions[kept]  # (pixels kept,)
    for name, values in (("labels", labels), ("predictions", predictions)):
        if not np.issubdtype(values.dtype, np.integer):
            raise ValueError(f"confusion_matrix: expected {name} as integers, got {values.dtype}. "
                             "Logits or probabilities become classes by .argmax(axis=1).")
        wrong = (values < 0) | (values >= classes)
        if wrong.any():
            raise ValueError(f"confusion_matrix: expected {name} in 0..{classes - 1}, "
                             f"got {values[wrong][0]} ({np.count_nonzero(wrong)} such values in all)")
    # Each pair (k, m) gets one number k*K + m, so that counting numbers counts pairs.
    pairs = labels.ravel().astype(np.int64) * classes + predictions.ravel().astype(np.int64)
    return np.bincount(pairs, minlength=classes * classes).reshape(classes, classes).astype(np.int64)


def pixel_accuracy(matrix: Any) -> float:
    """Return the share of pixels that got their true class: the diagonal's sum over the matrix's sum.

    An image that is mostly background scores high if everything is called background; see `mean_iou`.
    """
    matrix = checked(matrix, "pixel_accuracy")
    return float(np.trace(matrix) / matrix.sum())


def iou(matrix: Any) -> Array:
    """Return the intersection over union of each class.

    IoU_k = n_kk / (row_k + column_k - n_kk): of the pixels that are class k or are called so, the share that
    is both. n_kk is the diagonal entry, row_k the pixels of true class k, column_k those predicted as k.

    Parameters
    ----------
    matrix : (K, K) integer array
        A confusion matrix, or a sum of several.

    Returns
    -------
    (K,) float64
        Between 0 and 1; nan for a class that neither occurs nor is predicted.

    References
    ----------
    P. Jaccard, "The distribution of the flora in the alpine zone", New Phytologist 11, 1912.
    M. Everingham, L. Van Gool, C. K. I. Williams, J. Winn, A. Zisserman, "The PASCAL Visual Object Classes
    (VOC) Challenge", International Journal of Computer Vision 88, 2010: segmentation accuracy.
    """
    matrix = checked(matrix, "iou")
    both, rows, columns = np.diag(matrix), matrix.sum(axis=1), matrix.sum(axis=0)  # (K,) each
    return ratio(both, rows + columns - both)


def mean_iou(matrix: Any) -> float:
    """Return the mean of `iou` over the classes that occur or are predicted."""
    return float(np.nanmean(iou(matrix)))


def dice(matrix: Any) -> Array:
    """Return the Dice coefficient (F1 score) of each class.

    Dice_k = 2 n_kk / (row_k + column_k) = 2 IoU_k / (1 + IoU_k): it ranks results of one class as IoU does,
    and is never smaller. Parameters, result and errors are those of `iou`.

    References
    ----------
    L. R. Dice, "Measures of the amount of ecologic association between species", Ecology 26, 1945.
    """
    matrix = checked(matrix, "dice")
    both, rows, columns = np.diag(matrix), matrix.sum(axis=1), matrix.sum(axis=0)  # (K,) each
    return ratio(2 * both, rows + columns)


def mean_dice(matrix: Any) -> float:
    """Return the mean of `dice` over the classes that occur or are predicted."""
    return float(np.nanmean(dice(matrix)))


def scores(matrix: Any, names: Sequence[str]) -> dict[str, float]:
    """Return pixel accuracy, mean IoU and the IoU of each class by name, as plain floats ready for JSON.

    JSON has no nan: a class that neither occurs nor is predicted has no entry.

    Examples
    --------
    >>> scores([[1, 1, 0], [0, 4, 0], [0, 0, 0]], ("object", "background", "border"))
    {'pixel_accuracy': 0.8333333333333334, 'mean_iou': 0.65, 'iou_object': 0.5, 'iou_background': 0.8}
    """
    each = iou(matrix)
    if len(names) != len(each) or len(set(names)) != len(names):
        raise ValueError(f"scores: expected {len(each)} different class names, got {tuple(names)}")
    result = {"pixel_accuracy": pixel_accuracy(matrix), "mean_iou": mean_iou(matrix)}
    for name, value in zip(names, each):
        if not np.isnan(value):
            result[f"iou_{name}"] = float(value)
    return result


def checked(matrix: Any, caller: str) -> Array:
    """Return the matrix as an array, after checking that it can be one of counts and is not empty."""
    matrix = np.asarray(matrix)
    counts = np.issubdtype(matrix.dtype, np.integer) and (matrix >= 0).all() and matrix.any()
    if not counts or matrix.ndim != 2 or matrix.shape[0] != matrix.shape[1]:
        raise ValueError(f"{caller}: expected a confusion matrix of shape (K, K) that counts at least one pixel, "
                         f"got {matrix.dtype} of shape {matrix.shape}: {matrix.tolist()}")
    return matrix.astype(np.int64)


def ratio(numerator: Array, denominator: Array) -> Array:
    """Divide, with nan (and no warning) where the denominator is 0."""
    result = np.full(numerator.shape, np.nan)
    np.divide(numerator, denominator, out=result, where=denominator > 0)
    return result
