"""Scores with a tolerance: against a plain loop, and without tolerance against the confusion matrix."""
import numpy as np
import pytest
from hypothesis import given, strategies as st

from minidl import metrics
from minidl.tasks.segmentation.tolerance import near, tolerant_counts, tolerant_scores
from tests.strategies import FEW, seeds


@st.composite
def maps(draw):
    rng = np.random.default_rng(draw(seeds))
    shape = (draw(st.integers(1, 2)), draw(st.integers(1, 7)), draw(st.integers(1, 7)))
    share = draw(st.sampled_from([0.1, 0.5]))
    return [np.where(rng.random(shape) < share, 2, rng.integers(0, 2, shape)) for _ in range(2)]


def counts_by_loop(labels, predictions, k, t):
    def matched(a, b):
        total = right = 0
        for n, i, j in np.ndindex(a.shape):
            if a[n, i, j] == k:
                total += 1
                right += any(b[n, y, x] == k for y in range(a.shape[1]) for x in range(a.shape[2])
                             if max(abs(y - i), abs(x - j)) <= t)
        return [total, right]
    return matched(predictions, labels) + matched(labels, predictions)


@FEW
@given(maps(), st.integers(0, 8))
def test_counts_are_those_of_a_loop_over_pixels(case, tolerance):
    labels, predictions = case
    counts = tolerant_counts(labels, predictions.astype(np.uint8), 2, tolerance)
    assert counts.tolist() == counts_by_loop(labels, predictions, 2, tolerance) and counts.dtype == np.int64


@FEW
@given(maps())
def test_without_tolerance_they_are_those_of_the_confusion_matrix(case):
    labels, predictions = case
    matrix = metrics.confusion_matrix(labels, predictions, 3)
    scores = tolerant_scores(tolerant_counts(labels, predictions, 2, 0))
    right, predicted, true = matrix[2, 2], matrix[:, 2].sum(), matrix[2].sum()
    expected = [right / predicted if predicted else np.nan, right / true if true else np.nan, metrics.dice(matrix)[2]]
    np.testing.assert_allclose([scores["precision"], scores["recall"], scores["f1"]], expected, rtol=1e-12)


@FEW
@given(maps(), st.integers(0, 5))
def test_more_tolerance_never_lowers_a_score(case, tolerance):
    less, more = (tolerant_scores(tolerant_counts(case[0], case[1], 2, t)) for t in (tolerance, tolerance + 1))
    assert all(more[name] >= less[name] or np.isnan(less[name]) for name in less)


def test_scores_by_hand():
    scores = tolerant_scores(np.array([4, 3, 8, 4]) + np.array([4, 3, 0, 0]))          # of two batches
    assert scores == {"precision": 0.75, "recall": 0.5, "f1": pytest.approx(0.6)}


@pytest.mark.parametrize("counts, f1", [
    ([0, 0, 0, 0], np.nan), ([3, 0, 0, 0], 0), ([0, 0, 3, 0], 0), ([2, 0, 3, 0], 0)])
def test_a_class_that_is_missed_or_invented_scores_zero(counts, f1):
    scores = tolerant_scores(np.array(counts))
    np.testing.assert_equal(list(scores.values()), [0 if n else np.nan for n in counts[::2]] + [f1])


def test_a_pixel_is_near_its_eight_neighbors():
    mask = np.zeros((5, 7), bool)
    mask[1, 0] = mask[4, 6] = True
    expected = np.zeros((5, 7), bool)
    expected[:3, :2] = expected[3:, 5:] = True
    before = mask.copy()
    assert np.array_equal(near(mask, 1), expected) and np.array_equal(mask, before)
    assert near(mask, 0) is not mask and near(mask, 99).all()


@pytest.mark.parametrize("labels, predictions, tolerance, message", [
    (np.zeros((2, 3), int), np.zeros((2, 3), int), 1, r"one shape \(N, H, W\), got int64 \(2, 3\)"),
    (np.zeros((1, 2, 3), int), np.zeros((1, 3, 2), int), 1, r"one shape"),
    (np.zeros((1, 2, 3)), np.zeros((1, 2, 3), int), 1, r"integers .* got float64"),
    (np.zeros((1, 2, 3), int), np.zeros((1, 2, 3), int), -1, "tolerance of 0 or more whole pixels, got -1"),
    (np.zeros((1, 2, 3), int), np.zeros((1, 2, 3), int), 0.5, "got 0.5"),
])
def test_counts_refuse(labels, predictions, tolerance, message):
    with pytest.raises(ValueError, match=message):
        tolerant_counts(labels, predictions, 2, tolerance)
