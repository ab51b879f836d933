"""Right answers to the exercises of lesson 7."""
import numpy as np

from minidl.tasks.detection.boxes import iou_matrix


def non_maximum_suppression(boxes, scores, threshold):
    overlaps = iou_matrix(boxes, boxes)
    kept: list[int] = []
    for n in np.argsort(-scores, kind="stable"):
        if all(overlaps[n, other] <= threshold for other in kept):
            kept.append(int(n))
    return kept


def average_precision(right, scores, truths):
    right = right[np.argsort(-scores)]
    precision = np.cumsum(right) / np.arange(1, len(right) + 1)
    area = 0.0
    for k in range(len(right)):
        if right[k]:
            area += precision[k:].max() / truths
    return area
