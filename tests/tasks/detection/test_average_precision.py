"""Average precision: cases counted by hand, and a plain implementation that counts anew at each threshold."""
import numpy as np
import pytest
from hypothesis import given, strategies as st

from minidl.tasks.detection.average_precision import precision_recall
from minidl.tasks.detection.boxes import iou_pairs
from tests.samples import random_boxes
from tests.strategies import FEW, seeds

A, B, C = [0, 0, 10, 10], [20, 0, 30, 10], [0, 20, 10, 30]                 # three pets, far from each other
NEAR_A, NOT_A = [0, 0, 10, 9], [0, 0, 10, 4]                               # IoU with A: 0.9 and 0.4
NOWHERE = [50, 50, 60, 60]


def curve(found, scores, truths, **options):
    """The curve of one image."""
    return precision_recall([found], [scores], [truths], **options)


# By hand

@pytest.mark.parametrize("found, scores, truths, expected", [
    ([A], [0.9], [A], 1),
    ([NEAR_A], [0.9], [A], 1),
    ([NOT_A], [0.9], [A], 0),
    ([A, B], [0.9, 0.8], [A, B], 1),
    ([A], [0.9], [A, B], 1 / 2),                                           # one is missed
    ([A, NOWHERE], [0.9, 0.8], [A], 1),                                    # a false positive after all is found
    ([NOWHERE, A], [0.9, 0.8], [A], 1 / 2),                                # before it: half of the accepted are right
    ([A, NEAR_A], [0.9, 0.8], [A], 1),                                     # found twice, the second a false positive
    ([A, NEAR_A, B], [0.9, 0.8, 0.7], [A, B], 1 / 2 + 1 / 2 * 2 / 3),
    ([NEAR_A, A, B], [0.9, 0.8, 0.7], [A, B], 1 / 2 + 1 / 2 * 2 / 3),      # even though the second fits better
    ([NOWHERE, A, B], [0.9, 0.8, 0.7], [A, B], 2 / 3),                     # interpolated: not 1/2 * 1/2 + 1/2 * 2/3
    ([A, NOWHERE, B, NOWHERE, C], [5, 4, 3, 2, 1], [A, B, C], (1 + 2 / 3 + 3 / 5) / 3),
    ([], [], [A], 0),                                                      # nothing found
])
def test_by_hand(found, scores, truths, expected):
    assert curve(found, scores, truths).average_precision == pytest.approx(expected)


def test_without_true_boxes_there_is_no_score():
    result = curve([A], [0.9], [])
    assert result.precision.tolist() == [0] and np.isnan(result.recall).all() and result.truths == 0
    for result in (result, curve([], [], []), precision_recall([], [], [])):
        assert np.isnan(result.average_precision)


def test_images_do_not_mix():
    result = precision_recall([[A], [A], []], [[0.9], [0.8], []], [[A], [B], []])    # A is not what the second holds
    assert result.precision.tolist() == [1, 1 / 2] and result.recall.tolist() == [1 / 2, 1 / 2]
    assert result.average_precision == 1 / 2
    result = precision_recall([[A], [A]], [[0.9], [0.8]], [[A], [A]])                # found in both: not found twice
    assert result.average_precision == 1


@pytest.mark.parametrize("order", [[0, 1, 2], [2, 1, 0], [1, 0, 2]])
def test_equal_scores_are_one_threshold_in_any_order(order):
    found = [[A, NOWHERE, B][i] for i in order]
    result = curve(found, [0.5, 0.5, 0.5], [A, B])
    assert result.thresholds.tolist() == [0.5] and result.precision.tolist() == [2 / 3]
    assert result.average_precision == pytest.approx(2 / 3)


def test_a_box_is_compared_with_the_truth_it_overlaps_most():
    left, right = [0, 0, 10, 10], [4, 0, 14, 10]                           # IoU of the two: 6/14
    between = [1.5, 0, 11.5, 10]                                           # 8.5/11.5 with left, 7.5/12.5 with right
    result = curve([left, between], [0.9, 0.8], [left, right])
    assert result.precision.tolist() == [1, 1 / 2]                         # left again, though right is still free
    assert curve([left, right], [0.9, 0.8], [left, right]).average_precision == 1


@pytest.mark.parametrize("dtype", [int, np.float32])
def test_an_iou_equal_to_the_overlap_is_enough(dtype):
    half = np.array([0, 0, 10, 5], dtype)                                  # IoU with A exactly 0.5
    assert curve([half], [1], [np.array(A, dtype)]).average_precision == 1
    assert curve([half], [1], [A], overlap=0.51).average_precision == 0
    assert curve([NOT_A], [1], [A], overlap=0.4).average_precision == 1


# Against a plain implementation

def slow_average_precision(boxes, scores, truths, overlap):
    """Count anew at each threshold, then integrate in small steps of recall."""
    points = []
    for threshold in sorted({s for image in scores for s in image}, reverse=True):
        right = accepted = 0
        for found, score, true in zip(boxes, scores, truths):
            hit = set()
            for box, s in zip(found, score):
                if s >= threshold:
                    accepted += 1
                    overlaps = [iou_pairs([box], [t])[0] for t in true]
                    if overlaps and max(overlaps) >= overlap:
                        hit.add(overlaps.index(max(overlaps)))
            right += len(hit)
        points.append((right / sum(map(len, truths)), right / accepted))
    total, steps = 0.0, sum(map(len, truths))
    for k in range(steps):                                                 # recall rises by 1/steps for each pet found
        total += max([precision for recall, precision in points if recall > (k + 0.5) / steps], default=0) / steps
    return total


@FEW
@given(seeds, st.integers(1, 4), st.sampled_from([0.1, 0.3, 0.5]))
def test_against_a_plain_implementation(seed, images, overlap):
    rng = np.random.default_rng(seed)
    truths = [random_boxes(rng, n, size=8) for n in rng.integers(0, 4, images)]
    truths[0] = random_boxes(rng, 2, size=8)
    boxes, scores = [], []
    for true in truths:
        near = (true + rng.normal(0, 0.7, true.shape))[rng.random(len(true)) < 0.8]
        near = np.concatenate([np.minimum(near[:, :2], near[:, 2:]), np.maximum(near[:, :2], near[:, 2:])], axis=1)
        boxes.append(np.concatenate([near, near + 0.1, random_boxes(rng, rng.integers(0, 3), size=8)]))
        scores.append(rng.integers(0, 7, len(boxes[-1])) / 7)              # with ties
    result = precision_recall(boxes, scores, truths, overlap)
    assert result.average_precision == pytest.approx(slow_average_precision(boxes, scores, truths, overlap))
    assert (np.diff(result.recall) >= 0).all() and ((0 <= result.precision) & (result.precision <= 1)).all()
    stretched = precision_recall(boxes, [np.exp(3 * score) for score in scores], truths, overlap)
    assert stretched.average_precision == result.average_precision         # only the order of the scores matters


@pytest.mark.parametrize("call, message", [
    (lambda: precision_recall([[A]], [[0.5]], []), "of the same images, got 1, 1 and 0"),
    (lambda: curve([A], [0.5, 0.4], [A]), r"expected 1 scores \(and no NaN\) for image 0"),
    (lambda: curve([A], [np.nan], [A]), "no NaN"),
    (lambda: curve([A], [0.5], [[5, 0, 0, 5]]), "x0 <= x1"),
    (lambda: curve([A], [0.5], [A], overlap=0), "expected an overlap above 0"),
])
def test_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call()
