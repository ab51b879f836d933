"""Planted mistakes in the answers of lesson 7."""
from tests.lessons.exercises.planted import Planted

PLANTED = [
    Planted("non_maximum_suppression", "np.argsort(-scores, kind=\"stable\")", "range(len(scores))", "as they come"),
    Planted("non_maximum_suppression", "np.argsort(-scores, kind=\"stable\")", "np.argsort(scores, kind=\"stable\")",
            "the lowest score comes first"),
    Planted("non_maximum_suppression", "np.argsort(-scores, kind=\"stable\")",
            "np.argsort(scores, kind=\"stable\")[::-1]", "of equal scores the last comes first"),
    Planted("non_maximum_suppression", "<= threshold", "< threshold", "an IoU equal to the threshold"),
    Planted("non_maximum_suppression", "<= threshold", ">= threshold", "overlap little"),
    Planted("non_maximum_suppression", "in kept)", "in kept[-1:])", "only with the last one that was kept"),
    Planted("non_maximum_suppression", "    for n in np.argsort(-scores, kind=\"stable\"):\n"
            "        if all(overlaps[n, other] <= threshold for other in kept)",
            "    order = np.argsort(-scores, kind=\"stable\")\n    for place, n in enumerate(order):\n"
            "        if all(overlaps[n, other] <= threshold for other in order[:place])", "dropped suppress others"),
    Planted("non_maximum_suppression", "in kept)", "in kept[:1])", "only the best box of all"),
    Planted("non_maximum_suppression", "return kept", "return sorted(kept)", "the best first"),
    Planted("non_maximum_suppression", "return kept", "return boxes[kept]", "the boxes are returned"),
    Planted("non_maximum_suppression", "return kept", "return [boxes[n] for n in kept]", "the kept boxes themselves"),
    Planted("non_maximum_suppression", "        if all(", "        if scores[n] > threshold and all(", "for the IoU"),
    Planted("non_maximum_suppression", "    overlaps = iou_matrix(boxes, boxes)",
            "    order = np.argsort(-scores, kind=\"stable\")\n    boxes, scores = boxes[order], scores[order]\n"
            "    overlaps = iou_matrix(boxes, boxes)", "those of the sorted boxes"),
    Planted("non_maximum_suppression", "    overlaps = iou_matrix(boxes, boxes)\n",
            "    scores *= 1.5\n    overlaps = iou_matrix(boxes, boxes)\n", "changed its argument scores"),
    Planted("average_precision", "    right = right[np.argsort(-scores)]\n", "", "not sorted"),
    Planted("average_precision", "    area = 0.0",
            "    recall = np.cumsum(right) / truths\n    best = np.maximum.accumulate(precision[::-1])[::-1]\n"
            "    return np.sum(np.diff(recall) * best[1:])\n    area = 0.0", "the step of the recall from 0"),
    Planted("average_precision", "-scores", "scores", "the lowest score comes first"),
    Planted("average_precision", "precision[k:].max()", "precision[k]", "as it is"),
    Planted("average_precision", "precision[k:].max()", "precision[:k + 1].max()", "or a lower one counts"),
    Planted("average_precision", "/ truths", "/ right.sum()", "so that missed ones cost"),
    Planted("average_precision", "/ truths", "/ len(right)", "number of found boxes"),
    Planted("average_precision", "np.arange(1, len(right) + 1)", "np.arange(len(right))", "not by 0"),
    Planted("average_precision", "    area = 0.0", "    return precision.mean()\n    area = 0.0",
            "the mean of the precision"),
    Planted("average_precision", "    return area", "    area * 1", "returned None"),
]
