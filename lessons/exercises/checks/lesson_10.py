"""The checks of lesson 10's exercises."""
from collections.abc import Iterator
from typing import Any

import numpy as np

from minidl import metrics
from minidl.course.exercises.check import Arguments, Check
from minidl.types import Array


def confusion(truth: Array, predicted: Array, classes: int) -> Array:
    return metrics.confusion_matrix(truth, predicted, classes)


def label_cases(rng: np.random.Generator) -> Iterator[Arguments]:
    yield {"truth": np.array([[[0]]]), "predicted": np.array([[[1]]]), "classes": 2}
    yield {"truth": np.array([[[0, 0]]]), "predicted": np.array([[[1, 1]]]), "classes": 2}
    yield {"truth": np.array([[[0, 1, 1]]]), "predicted": np.array([[[0, 1, 0]]]), "classes": 3}
    for shape, classes in (((2, 2, 3), 3), ((1, 4, 4), 1), ((0, 2, 2), 2), ((3, 5, 4), 4)):
        yield {"truth": rng.integers(0, classes, shape), "predicted": rng.integers(0, classes, shape),
               "classes": classes}


def once(truth: Array, predicted: Array, classes: int) -> Array:
    """Count with += at an array of places, where each place counts once."""
    matrix = np.zeros((classes, classes), int)
    matrix[truth.ravel(), predicted.ravel()] += 1
    return matrix


def as_large_as_needed(truth: Array, predicted: Array, classes: int) -> Array:
    return confusion(truth, predicted, max(truth.max(initial=0), predicted.max(initial=0)) + 1)


def matrix_cases(rng: np.random.Generator) -> Iterator[Arguments]:
    yield {"matrix": np.array([[3]])}
    yield {"matrix": np.array([[3, 1], [2, 4]])}
    yield {"matrix": np.array([[0, 5], [0, 7]])}                              # class 0 is never predicted
    yield {"matrix": np.array([[4, 0, 2], [0, 0, 0], [1, 0, 3]])}             # class 1 is in neither
    yield {"matrix": rng.integers(0, 20, (4, 4))}


def shares(numerator: Any, denominator: Any) -> Any:
    """Return a mistake: other counts, of those on the diagonal, the rows' and the columns' sums."""
    def mistake(matrix: Array) -> Array:
        counts = np.diag(matrix), matrix.sum(axis=1), matrix.sum(axis=0)
        return metrics.ratio(numerator(*counts), denominator(*counts))
    return mistake


def with_zeros(value: float) -> Any:
    """Return a mistake: the IoU of a class that is in neither is a number."""
    return lambda matrix: np.nan_to_num(metrics.iou(matrix), nan=value)


CHECKS = {
    "confusion_matrix": Check(confusion, label_cases, {
        "rows and columns are exchanged: the rows are the true classes":
            lambda truth, predicted, classes: confusion(predicted, truth, classes),
        "each pair is counted once, however often it occurs: matrix[truth, predicted] += 1 adds only 1 at each place; "
        "use np.add.at, np.bincount or a loop": once,
        "only the right pixels are counted: entry (k, m) counts those of class k that were called m":
            lambda truth, predicted, classes: np.diag(np.diag(confusion(truth, predicted, classes))),
        "only the wrong pixels are counted: the right ones belong on the diagonal": lambda truth, predicted, classes:
            confusion(truth, predicted, classes) * (1 - np.eye(classes)),
        "the matrix is as large as the largest label needs: its shape is always (classes, classes)":
            as_large_as_needed,
        "these are shares of all pixels: the entries are counts": lambda truth, predicted, classes:
            confusion(truth, predicted, classes) / max(1, truth.size),
        "these are shares of each true class: the entries are counts": lambda truth, predicted, classes:
            confusion(truth, predicted, classes)
            / np.maximum(confusion(truth, predicted, classes).sum(axis=1, keepdims=True), 1),
        "only the first image is counted": lambda truth, predicted, classes:
            confusion(truth[:1], predicted[:1], classes),
        "only the first row of pixels is counted": lambda truth, predicted, classes:
            confusion(truth[:, :1], predicted[:, :1], classes),
    }, "The result", metrics.confusion_matrix, (
        "Begin with np.zeros((classes, classes), int). Go over the pairs zip(truth.ravel(), predicted.ravel()), and "
        "count each.",
        "A pair (k, m) can also be written as one number, k * classes + m. np.bincount with minlength=classes ** 2 "
        "counts all of them. Then reshape."), returns=("the matrix",)),
    "iou_from_confusion": Check(metrics.iou, matrix_cases, {
        "the intersection is counted twice below: row + column − the diagonal's entry":
            shares(lambda both, row, column: both, lambda both, row, column: row + column),
        "this is the Dice coefficient: the IoU has the intersection once above, and row + column − intersection below":
            shares(lambda both, row, column: 2 * both, lambda both, row, column: row + column),
        "this is the recall, of the true pixels only: below belong those called so, too":
            shares(lambda both, row, column: both, lambda both, row, column: row),
        "this is the precision, of the pixels called so only: below belong the true ones, too":
            shares(lambda both, row, column: both, lambda both, row, column: column),
        "the union leaves out the intersection: row + column − the diagonal's entry, once":
            shares(lambda both, row, column: both, lambda both, row, column: row + column - 2 * both),
        "a class that is in neither has the IoU 0 here: 0/0 is np.nan, so that a mean can leave it out":
            with_zeros(0.0),
        "a class that is in neither has the IoU 1 here: 0/0 is np.nan, so that a mean can leave it out":
            with_zeros(1.0),
        "a small number below makes 0 of 0/0: a class that is in neither has the IoU np.nan": lambda matrix:
            np.diag(matrix) / (matrix.sum(axis=0) + matrix.sum(axis=1) - np.diag(matrix) + 1e-9),
        "this is the mean over the classes: return each class's IoU": lambda matrix: np.nanmean(metrics.iou(matrix)),
        "these are shares of all pixels: divide by the union of each class": lambda matrix:
            np.diag(matrix) / matrix.sum(),
        "integer division: / and not //": lambda matrix: np.floor(metrics.iou(matrix)),
    }, "The result", metrics.iou, (
        "matrix[k].sum() counts the pixels of class k, matrix[:, k].sum() those that were called k. Which pixels are "
        "in both of these numbers? (Lesson 8, section 7.)",
        "both = np.diag(matrix); divide it by matrix.sum(axis=1) + matrix.sum(axis=0) - both. Where that is 0, the "
        "result is np.nan."), returns=("the IoUs",)),
}
