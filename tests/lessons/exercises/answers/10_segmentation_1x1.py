"""Right answers to the exercises of lesson 10."""
import numpy as np


def confusion_matrix(truth, predicted, classes):
    matrix = np.zeros((classes, classes), int)
    for k, m in zip(truth.ravel(), predicted.ravel()):
        matrix[k, m] += 1
    return matrix


def iou_from_confusion(matrix):
    iou = np.full(len(matrix), np.nan)
    for k in range(len(matrix)):
        both = matrix[k, k]
        either = matrix[k].sum() + matrix[:, k].sum() - both
        if either:
            iou[k] = both / either
    return iou
