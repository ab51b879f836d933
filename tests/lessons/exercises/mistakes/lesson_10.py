"""Planted mistakes in the answers of lesson 10."""
from tests.lessons.exercises.planted import Planted

PLANTED = [
    Planted("confusion_matrix", "matrix[k, m]", "matrix[m, k]", "rows and columns are exchanged"),
    Planted("confusion_matrix", "    for k", "    matrix[truth, predicted] += 1\n    return matrix\n    for k",
            "each pair is counted once"),
    Planted("confusion_matrix", "matrix[k, m] += 1", "matrix[k, k] += k == m", "only the right pixels"),
    Planted("confusion_matrix", "matrix[k, m] += 1", "matrix[k, m] = 1", "each pair is counted once"),
    Planted("confusion_matrix", "    matrix = np", "    classes = truth.max(initial=0) + 1\n    matrix = np",
            "as large as the largest label needs"),
    Planted("confusion_matrix", "return matrix", "return matrix / max(1, truth.size)", "shares of all pixels"),
    Planted("confusion_matrix", "return matrix", "return matrix[matrix.any(axis=1)]", "Expected shape"),
    Planted("confusion_matrix", "return matrix", "matrix", "returned None"),
    Planted("iou_from_confusion", " - both", "", "counted twice"),
    Planted("iou_from_confusion", "matrix[k].sum() + matrix[:, k].sum() - both", "matrix[k].sum()", "the recall"),
    Planted("iou_from_confusion", "matrix[k].sum() + matrix[:, k].sum() - both", "matrix[:, k].sum()",
            "the precision"),
    Planted("iou_from_confusion", "np.full(len(matrix), np.nan)", "np.zeros(len(matrix))", "has the IoU 0 here"),
    Planted("iou_from_confusion", "both / either", "both // either", "integer division"),
    Planted("iou_from_confusion", "return iou", "return np.nanmean(iou)", "the mean over the classes"),
    Planted("iou_from_confusion", "both / either", "2 * both / (either + both)", "the Dice coefficient"),
    Planted("iou_from_confusion", "        either =", "        matrix[k, k] = 0\n        either =",
            "changed its argument matrix"),
]
