"""Average precision: one number for how good a detector is, whatever threshold its user will choose.

A detector gives each box a score, and a threshold decides which boxes to accept: a high one accepts few boxes, most of
them right (high *precision*), but misses many objects (low *recall*). The precision-recall curve shows all thresholds
at once; average precision is the area under it.
"""
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from minidl.tasks.detection.boxes import as_boxes, iou_matrix
from minidl.types import Array


@dataclass(frozen=True)
class PrecisionRecall:
    """Precision and recall at each threshold that makes a difference, the highest first.

    These are the different scores that occur; at each, all boxes of this score or a higher one are accepted.
    """

    thresholds: Array    # (n,)
    precision: Array     # (n,) the share of the accepted boxes that is right
    recall: Array        # (n,) the share of the true boxes that is found; NaN if there are none
    truths: int          # number of true boxes

    @property
    def average_precision(self) -> float:
        """The area under the interpolated curve: at each recall, the best precision at this recall or a higher one.

        0 if no box was found, NaN if there is no true box.
        """
        if not self.truths:
            return float("nan")
        best = np.maximum.accumulate(self.precision[::-1])[::-1]           # (n,) at this threshold or any lower one
        return float(np.sum(np.diff(self.recall, prepend=0.0) * best))


def precision_recall(boxes: Sequence[Any], scores: Sequence[Any], truths: Sequence[Any],
                     overlap: float = 0.5) -> PrecisionRecall:
    """Compare the boxes found in images with the true ones; all of one class.

    Parameters
    ----------
    boxes : for each image, found boxes (n, 4)
    scores : for each image, their scores (n,)
        The higher, the more certain; comparable between images.
    truths : for each image, true boxes (m, 4)
    overlap : float
        The least IoU with a true box at which a found box counts as right.

    Returns
    -------
    PrecisionRecall
        Its `average_precision` is the number that is usually reported.

    Raises
    ------
    ValueError
        If the lists differ in length, or are not of boxes and scores.

    Notes
    -----
    The definition is that of PASCAL VOC (since 2010). Found boxes are taken from the highest score to the lowest. Each
    is compared with the true box of its image with which it overlaps most. It is right if the IoU is at least `overlap`
    and no box before it was right about the same true box: a second one is a false positive, even if it fits better.
    (VOC leaves "difficult" objects out of the count; here there are none.)

    VOC does not define the order of boxes of equal score. Here the curve has a point only after all of them, so that
    the order in which they are given does not matter.

    References
    ----------
    Everingham et al., "The PASCAL Visual Object Classes Challenge: A Retrospective", International Journal of Computer
    Vision 111, 2015, section 3.

    Examples
    --------
    Two pets; the best box is right, the second finds the same pet again, the third finds the other one:

    >>> curve = precision_recall([[[0, 0, 10, 10], [0, 0, 10, 9], [20, 0, 30, 10]]], [[0.9, 0.8, 0.7]],
    ...                          [[[0, 0, 10, 10], [20, 0, 30, 10]]])
    >>> curve.precision.round(2), curve.recall
    (array([1.  , 0.5 , 0.67]), array([0.5, 0.5, 1. ]))
    >>> round(curve.average_precision, 3)            # 1/2 * 1 + 1/2 * 2/3
    0.833
    """
    if not len(boxes) == len(scores) == len(truths):
        raise ValueError("precision_recall: expected boxes, scores and truths of the same images, "
                         f"got {len(boxes)}, {len(scores)} and {len(truths)}")
    if not 0 < overlap <= 1:
        raise ValueError(f"precision_recall: expected an overlap above 0 and at most 1, got {overlap}")
    all_scores, all_right, m = [np.zeros(0)], [np.zeros(0, bool)], 0
    for image, (found, score, true) in enumerate(zip(boxes, scores, truths)):
        score = np.asarray(score, np.float64)
        found, true = as_boxes(found, "precision_recall"), as_boxes(true, "precision_recall")
        if score.shape != (len(found),) or np.isnan(score).any():
            raise ValueError(f"precision_recall: expected {len(found)} scores (and no NaN) for image {image}, "
                             f"got {score.tolist()}")
        all_scores.append(score)
        all_right.append(_right(found, score, true, overlap))
        m += len(true)
    score, right = np.concatenate(all_scores), np.concatenate(all_right)   # (n,) of all images
    order = np.argsort(-score, kind="stable")
    score, right = score[order], right[order]
    last = np.append(score[1:] != score[:-1], True)[:len(score)]           # (n,) the last of its score
    found_true, accepted = np.cumsum(right)[last], np.arange(1, len(score) + 1)[last]
    return PrecisionRecall(score[last], found_true / accepted, found_true / (m or np.nan), m)


def _right(found: Array, scores: Array, truths: Array, overlap: float) -> Array:
    """Return which found boxes (n,) of one image are right. Only boxes of the same image compete."""
    right = np.zeros(len(found), bool)
    if not len(truths):
        return right
    overlaps = iou_matrix(found.astype(np.float64), truths.astype(np.float64))    # (n, m)
    taken: set[int] = set()
    for n in np.argsort(-scores, kind="stable"):
        m = int(overlaps[n].argmax())
        if overlaps[n, m] >= overlap and m not in taken:
            right[n] = True
            taken.add(m)
    return right
