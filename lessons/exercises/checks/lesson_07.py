"""The checks of lesson 7's exercises."""
from collections.abc import Iterator
from typing import Any

import numpy as np

from minidl.course.exercises.check import Arguments, Check
from minidl.tasks.detection.average_precision import PrecisionRecall, precision_recall
from minidl.tasks.detection.boxes import iou_matrix, nms
from minidl.types import Array


def suppress(boxes: Array, scores: Array, threshold: float) -> list[int]:
    return [int(n) for n in nms(boxes, scores, threshold)]


def box_cases(rng: np.random.Generator) -> Iterator[Arguments]:
    def case(rows: list[int], scores: list[float], threshold: float) -> Arguments:
        """Boxes of 10 × 10 pixels, each so many pixels further to the right."""
        boxes = [[x, 0, x + 10, 10] for x in rows]
        return {"boxes": np.array(boxes, float), "scores": np.array(scores), "threshold": threshold}
    yield case([0], [0.9], 0.5)
    yield case([0, 20], [0.3, 0.9], 0.5)                       # both stay, the second is the best
    yield case([0, 1], [0.3, 0.9], 0.5)                        # one pet, found twice
    yield case([0, 1], [0.9, 0.3], 0.9)                        # not more than the threshold
    yield case([0, 1], [0.5, 0.5], 0.5)                        # equal scores
    yield {"boxes": np.array([[0.0, 0.0, 4.0, 2.0], [0.0, 0.0, 4.0, 4.0]]), "scores": np.array([0.6, 0.7]),
           "threshold": 0.5}                                   # exactly the threshold
    yield case([0, 1, 2], [0.9, 0.8, 0.7], 0.5)                # the first suppresses both others
    yield case([0, 3, 6], [0.9, 0.8, 0.7], 0.5)                # the second would suppress the third, but is dropped
    yield case([0, 20, 21], [0.9, 0.8, 0.7], 0.5)              # suppressed by the second
    yield case([0, 20, 1], [0.9, 0.8, 0.7], 0.5)               # suppressed by the first, after the second
    yield {"boxes": np.zeros((0, 4)), "scores": np.zeros(0), "threshold": 0.5}
    for count in (6, 25):
        corner = rng.uniform(0, 20, size=(count, 2)).round(1)
        yield {"boxes": np.hstack([corner, corner + rng.uniform(8, 15, size=(count, 2)).round(1)]),
               "scores": rng.permutation(count) / count, "threshold": 0.3}


def other_nms(order: Any = lambda scores: np.argsort(-scores, kind="stable"), rivals: Any = lambda kept, better: kept,
              drops: Any = lambda overlap, threshold: overlap > threshold) -> Any:
    """Return a suppression with another order, other boxes that suppress, or another comparison."""
    def mistake(boxes: Array, scores: Array, threshold: float) -> list[int]:
        overlaps, ranked, kept = iou_matrix(boxes, boxes), [int(n) for n in order(scores)], []
        for place, n in enumerate(ranked):
            if not any(drops(overlaps[n, other], threshold) for other in rivals(kept, ranked[:place])):
                kept.append(n)
        return kept
    return mistake


def by_all_better(in_order: bool) -> Any:
    """Return a suppression in which dropped boxes suppress others; the indices are sorted by score or not."""
    def mistake(boxes: Array, scores: Array, threshold: float) -> list[int]:
        overlaps = iou_matrix(boxes, boxes)
        order = np.argsort(-scores, kind="stable") if in_order else range(len(scores))
        return [int(n) for n in order if not (overlaps[n, scores > scores[n]] > threshold).any()]
    return mistake


def skipping(boxes: Array, scores: Array, threshold: float) -> list[int]:
    """A list from which elements are removed while a loop goes over it."""
    left, kept = np.argsort(-scores, kind="stable").tolist(), []
    while left:
        best = left.pop(0)
        kept.append(best)
        for other in left:
            if iou_matrix(boxes[[best]], boxes[[other]])[0, 0] > threshold:
                left.remove(other)
    return kept


def places(boxes: Array, scores: Array, threshold: float) -> list[int]:
    """The places in the sorted order."""
    order = np.argsort(-scores, kind="stable")
    return suppress(boxes[order], scores[order], threshold)


NMS_MISTAKES = {
    "the boxes are taken as they come: begin with the highest score":
        other_nms(order=lambda scores: range(len(scores))),
    "the lowest score comes first: begin with the highest": other_nms(
        order=lambda scores: np.argsort(scores, kind="stable")),
    "of equal scores the last comes first: np.argsort(-scores, kind=\"stable\") keeps the order of equal ones":
        other_nms(order=lambda scores: np.argsort(scores, kind="stable")[::-1]),
    "the indices are those of the sorted boxes: return indices into `boxes`": places,
    "the right boxes are kept, but in their old order: the best first": lambda boxes, scores, threshold: sorted(
        suppress(boxes, scores, threshold)),
    "boxes that were dropped suppress others: only those that are kept may do that":
        other_nms(rivals=lambda kept, better: better),
    "boxes that were dropped suppress others, and equal scores suppress nothing: only kept boxes suppress":
        by_all_better(in_order=True),
    "boxes that were dropped suppress others, and the indices are not sorted by score: only kept boxes suppress":
        by_all_better(in_order=False),
    "a list loses elements while a loop goes over it, and the loop skips those after them: make a new list":
        skipping,
    "boxes with a score up to the threshold are dropped: the threshold is for the IoU":
        lambda boxes, scores, threshold: [n for n in suppress(boxes, scores, threshold) if scores[n] > threshold],
    "an IoU equal to the threshold is enough here: drop a box if its IoU is more than the threshold":
        other_nms(drops=lambda overlap, threshold: overlap >= threshold),
    "boxes are dropped that overlap little: drop those with an IoU of more than the threshold":
        other_nms(drops=lambda overlap, threshold: overlap < threshold),
    "only the best box of all suppresses: go on with the best of what is left":
        other_nms(rivals=lambda kept, better: better[:1]),
    "each box is compared only with the last one that was kept: compare it with all of them":
        other_nms(rivals=lambda kept, better: kept[-1:]),
    "each box is compared only with the next better one: compare it with all that were kept":
        other_nms(rivals=lambda kept, better: better[-1:]),
    "nothing is dropped: these are all boxes": other_nms(rivals=lambda kept, better: ()),
    "only the best box is kept: go on with the best of what is left": lambda boxes, scores, threshold: suppress(
        boxes, scores, threshold)[:1],
    "the boxes are returned: return their indices": lambda boxes, scores, threshold: boxes[
        suppress(boxes, scores, threshold)],
    "the kept boxes themselves are returned: return their indices": lambda boxes, scores, threshold: [
        boxes[n] for n in suppress(boxes, scores, threshold)],
    "the scores of the kept boxes are returned: return their indices": lambda boxes, scores, threshold: scores[
        suppress(boxes, scores, threshold)],
    "these are booleans: return the indices of the kept boxes": lambda boxes, scores, threshold: np.isin(
        np.arange(len(boxes)), suppress(boxes, scores, threshold)),
}


def library_ap(right: Array, scores: Array, truths: int) -> float:
    """Let the library score boxes that are right and wrong as said."""
    def box(n: int) -> list[int]:
        return [10 * n, 0, 10 * n + 5, 5]
    found = [box(n if is_right else -1) for n, is_right in enumerate(right)]
    missed = range(len(right), len(right) + truths - int(np.sum(right)))
    true = [box(n) for n in (*np.flatnonzero(right).tolist(), *missed)]
    return precision_recall([found], [scores], [true]).average_precision


def precision_cases(rng: np.random.Generator) -> Iterator[Arguments]:
    def case(right: list[int], scores: list[float], truths: int) -> Arguments:
        return {"right": np.array(right, bool), "scores": np.array(scores), "truths": truths}
    yield case([1], [0.9], 1)
    yield case([0], [0.9], 1)
    yield case([1], [0.9], 2)                                  # one is missed
    yield case([0, 1], [0.9, 0.8], 1)
    yield case([0, 1], [0.2, 0.9], 1)                          # the best is the second
    yield case([0, 1, 1], [0.9, 0.8, 0.7], 2)                  # precision rises
    yield case([1, 0, 1], [0.9, 0.8, 0.7], 2)
    yield case([1, 0, 0], [0.9, 0.8, 0.7], 1)                  # what comes after the last right one costs nothing
    yield case([], [], 3)
    yield {"right": rng.random(5) < 0.6, "scores": rng.permutation(5) / 5, "truths": 6}
    yield {"right": rng.random(20) < 0.6, "scores": rng.permutation(20) / 20, "truths": 17}


def best_at_or_after(precision: Array, recall: Array) -> Array:
    return np.maximum.accumulate(precision[::-1])[::-1]


def as_it_is(precision: Array, recall: Array) -> Array:
    return precision


def other_ap(order: Any = lambda scores: np.argsort(-scores), heights: Any = best_at_or_after, first: int = 1,
             of: Any = lambda right, truths: truths, only_right: bool = True) -> Any:
    """Return an average precision with another order, other heights of the steps, or other denominators."""
    def mistake(right: Array, scores: Array, truths: int) -> float:
        ranked = right[order(scores)]
        precision = np.cumsum(ranked) / np.arange(first, first + len(ranked))
        recall = np.cumsum(ranked) / of(ranked, truths)
        areas = np.diff(recall, prepend=0.0) * heights(precision, recall)      # 0 for a wrong box, or 0 times infinity
        return float(areas[ranked].sum() if only_right else areas.sum())
    return mistake


def mean_precision(right: Array, scores: Array, truths: int) -> float:
    ranked = right[np.argsort(-scores)]
    return float(np.mean(np.cumsum(ranked) / np.arange(1, len(ranked) + 1)))


def trapezoids(precision: Array, recall: Array) -> Array:
    return (precision + np.concatenate([[1.0], precision[:-1]])) / 2


def without_start(heights: Any) -> Any:
    """Return an area that begins at the first box, not at a recall of 0."""
    def mistake(right: Array, scores: Array, truths: int) -> float:
        ranked = right[np.argsort(-scores)]
        precision, recall = np.cumsum(ranked) / np.arange(1, len(ranked) + 1), np.cumsum(ranked) / truths
        return float(np.sum(np.diff(recall) * heights(precision, recall)[1:]))
    return mistake


def eleven_points(right: Array, scores: Array, truths: int) -> float:
    ranked = right[np.argsort(-scores)]
    precision, recall = np.cumsum(ranked) / np.arange(1, len(ranked) + 1), np.cumsum(ranked) / truths
    return float(np.mean([precision[recall >= least].max(initial=0) for least in np.linspace(0, 1, 11)]))


AP_MISTAKES = {
    "the boxes are not sorted: take them from the highest score to the lowest": other_ap(
        order=lambda scores: np.arange(len(scores))),
    "the lowest score comes first: take the boxes from the highest score to the lowest": other_ap(order=np.argsort),
    "the precision after each box counts as it is: take the best precision at this recall or a higher one":
        other_ap(heights=as_it_is),
    "the best precision at this recall or a lower one counts: at this recall or a higher one":
        other_ap(heights=lambda precision, recall: np.maximum.accumulate(precision)),
    "recall is the share of the boxes that were found right: divide by `truths`, so that missed ones cost":
        other_ap(of=lambda ranked, truths: ranked.sum()),
    "recall is the share of the boxes that were found right: divide by `truths`, because missed ones cost":
        other_ap(of=lambda ranked, truths: ranked.sum(), only_right=False),
    "recall is divided by the number of found boxes: divide by `truths`": other_ap(
        of=lambda ranked, truths: len(ranked)),
    "precision is off by one: after the first box, divide by 1, not by 0": other_ap(first=0),
    "precision is off by one: the first box is divided by 1, not by 0": other_ap(first=0, only_right=False),
    "precision is off by one: after the first box, divide by 1, not by 2": other_ap(first=2),
    "this is the mean of the precision after each box: only steps of the recall count": mean_precision,
    "the area is made of trapezoids: each step of the recall counts times one precision, the best at it or after":
        other_ap(heights=trapezoids),
    "the area begins at the first box: the first step of the recall, from 0, is missing": without_start(as_it_is),
    "the area begins at the first box: the step of the recall from 0 is missing": without_start(best_at_or_after),
    "the area is made of trapezoids, and begins at the first box: each step of the recall, from 0 on, counts times one "
    "precision, the best at it or after": without_start(trapezoids),
    "this is the mean at eleven recalls (0, 0.1, ... 1), as in VOC until 2009: here every step of the recall counts":
        eleven_points,
    "this is the precision of all boxes together: average precision is an area over all thresholds":
        lambda right, scores, truths: right.sum() / max(1, len(right)),
    "this is the recall of all boxes together: average precision is an area over all thresholds":
        lambda right, scores, truths: right.sum() / truths,
}

CHECKS = {
    "non_maximum_suppression": Check(
        suppress, box_cases, NMS_MISTAKES, "Found twice: non-maximum suppression", nms, (
            "Sort the indices by score: np.argsort(-scores, kind=\"stable\"). Take one after the other; keep a list "
            "of those that stay.",
            "A box stays if its IoU with every box kept so far is at most the threshold. iou_matrix(boxes, boxes) has "
            "all these numbers."), returns=("the indices",)),
    "average_precision": Check(
        library_ap, precision_cases, AP_MISTAKES, "How good is it? Precision, recall, average precision",
        PrecisionRecall, (
            "right = right[np.argsort(-scores)]; after k boxes, np.cumsum(right) counts the right ones. Recall rises "
            "by 1 / truths at each right box.",
            "precision = np.cumsum(right) / np.arange(1, n + 1). The area is the sum of precision[k:].max() / truths "
            "over all k where right[k] is true."), returns=("the average precision",)),
}
