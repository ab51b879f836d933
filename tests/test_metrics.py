"""Scores on matrices small enough to count by hand, and against a plain loop over pixels."""
import json
import math

import numpy as np
import pytest
from hypothesis import given, strategies as st

from minidl import metrics

# true class 0: 3 pixels right, 1 called 1; class 1: 2 called 0, 4 right, 1 called 2; class 2: 5 right
MATRIX = np.array([[3, 1, 0], [2, 4, 1], [0, 0, 5]])


@given(st.integers(1, 4), st.integers(0, 3), st.integers(0, 5), st.integers(0, 99))
def test_confusion_matrix_has_true_classes_in_rows(classes, rows, columns, seed):
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, classes, size=(2, rows, columns)).astype(np.uint8)
    predictions = rng.integers(0, classes, size=(2, rows, columns))
    expected = np.zeros((classes, classes), int)
    for label, prediction in zip(labels.flat, predictions.flat):
        expected[label, prediction] += 1
    matrix = metrics.confusion_matrix(labels, predictions, classes)
    assert np.array_equal(matrix, expected) and matrix.dtype == np.int64


def test_confusion_matrix_of_small_integer_types_does_not_overflow():
    labels = np.full(3, 20, np.uint8)                       # 20*21 + 20 = 440 > 255
    matrix = metrics.confusion_matrix(labels, labels, 21)
    assert matrix[20, 20] == 3 and matrix.sum() == 3


def test_confusion_matrix_ignores_a_label_but_not_a_prediction():
    labels, predictions = np.array([0, 9, 1, 9]), np.array([0, 1, 1, 77])
    matrix = metrics.confusion_matrix(labels, predictions, 2, ignore_index=9)
    assert matrix.tolist() == [[1, 0], [0, 1]]              # what was predicted there does not matter
    assert metrics.confusion_matrix(labels, predictions, 78, ignore_index=1).sum() == 3
    with pytest.raises(ValueError, match=r"predictions in 0\.\.1, got 9"):
        metrics.confusion_matrix(np.array([0, 1]), np.array([0, 9]), 2, ignore_index=9)


@pytest.mark.parametrize("labels, predictions, classes, message", [
    ([0, 3, 5], [0, 0, 0], 3, r"labels in 0\.\.2, got 3 \(2 such values"),
    ([0, -1], [0, 0], 3, r"labels in 0\.\.2, got -1 \(1 such"),
    ([0, 1], [0, 2], 2, r"predictions in 0\.\.1, got 2 \(1 such"),
    ([0.0, 1.0], [0, 1], 2, "labels as integers, got float64"),
    ([0, 1], [0.9, 0.1], 2, r"predictions as integers, got float64.*argmax"),
    ([True, False], [0, 1], 2, "labels as integers, got bool"),
    ([0, 1], [[0, 1]], 2, r"same shape, got 2 classes and shapes \(2,\) and \(1, 2\)"),
    ([0], [0], 0, "got 0 classes"),
])
def test_confusion_matrix_refuses(labels, predictions, classes, message):
    with pytest.raises(ValueError, match=message):
        metrics.confusion_matrix(np.array(labels), np.array(predictions), classes)


def test_scores_by_hand():
    # rows 4, 7, 5; columns 5, 5, 6; diagonal 3, 4, 5; 16 pixels
    assert metrics.pixel_accuracy(MATRIX) == 12 / 16
    np.testing.assert_allclose(metrics.iou(MATRIX), [3 / 6, 4 / 8, 5 / 6], rtol=1e-15)
    assert metrics.mean_iou(MATRIX) == pytest.approx((3 / 6 + 4 / 8 + 5 / 6) / 3, rel=1e-15)
    np.testing.assert_allclose(metrics.dice(MATRIX), [6 / 9, 8 / 12, 10 / 11], rtol=1e-15)
    assert metrics.mean_dice(MATRIX) == pytest.approx((6 / 9 + 8 / 12 + 10 / 11) / 3, rel=1e-15)


def test_an_absent_class_has_no_score_and_does_not_count():
    matrix = np.array([[3, 0, 1], [0, 0, 0], [0, 0, 2]])    # class 1 neither occurs nor is predicted
    np.testing.assert_allclose(metrics.iou(matrix), [3 / 4, np.nan, 2 / 3], rtol=1e-15)
    np.testing.assert_allclose(metrics.dice(matrix), [6 / 7, np.nan, 4 / 5], rtol=1e-15)
    assert metrics.mean_iou(matrix) == pytest.approx((3 / 4 + 2 / 3) / 2, rel=1e-15)
    assert metrics.mean_dice(matrix) == pytest.approx((6 / 7 + 4 / 5) / 2, rel=1e-15)


@pytest.mark.parametrize("matrix", [
    [[2, 0, 0], [0, 3, 0], [1, 0, 0]],                      # class 2 occurs and is never predicted
    [[2, 0, 1], [0, 3, 0], [0, 0, 0]],                      # class 2 is predicted and never occurs
])
def test_a_class_that_is_missed_or_invented_scores_zero_and_counts(matrix):
    assert metrics.iou(matrix).tolist() == [2 / 3, 1, 0]
    assert metrics.dice(matrix).tolist() == [4 / 5, 1, 0]
    assert metrics.mean_iou(matrix) == pytest.approx((2 / 3 + 1 + 0) / 3, rel=1e-15)


@given(st.integers(1, 4), st.integers(0, 99))
def test_iou_counts_intersections_and_unions_of_pixel_sets(classes, seed):
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, classes, size=(3, 2))
    predictions = rng.integers(0, classes, size=(3, 2))
    matrix = metrics.confusion_matrix(labels, predictions, classes)
    for k in range(classes):
        true, called = labels == k, predictions == k
        union = np.count_nonzero(true | called)
        intersection = np.count_nonzero(true & called)
        np.testing.assert_allclose(metrics.iou(matrix)[k], intersection / union if union else np.nan)
        total = np.count_nonzero(true) + np.count_nonzero(called)
        np.testing.assert_allclose(metrics.dice(matrix)[k], 2 * intersection / total if total else np.nan)


SCORES = [metrics.pixel_accuracy, metrics.iou, metrics.mean_iou, metrics.dice, metrics.mean_dice]


@pytest.mark.parametrize("score", SCORES)
def test_scores_refuse_bad_matrices(score):
    with pytest.raises(ValueError, match=r"at least one pixel, got int64 of shape \(3, 3\)"):
        score(np.zeros((3, 3), int))
    with pytest.raises(ValueError, match=r"shape \(K, K\) .*of shape \(2, 3\)"):
        score(np.ones((2, 3), int))
    with pytest.raises(ValueError, match=r"got float64"):
        score(np.ones((2, 2)))
    with pytest.raises(ValueError, match=r"got int64 of shape \(2, 2\): \[\[1, -1\]"):
        score(np.array([[1, -1], [0, 0]], np.int64))


def test_scores_is_plain_json_without_absent_classes():
    names = ("object", "background", "border")
    result = metrics.scores(MATRIX, names)
    assert list(result) == ["pixel_accuracy", "mean_iou", "iou_object", "iou_background", "iou_border"]
    assert all(type(value) is float for value in result.values())
    assert result["iou_border"] == pytest.approx(5 / 6)
    assert json.loads(json.dumps(result, allow_nan=False)) == result

    absent = metrics.scores(np.array([[3, 1, 0], [0, 4, 0], [0, 0, 0]]), names)
    assert list(absent) == ["pixel_accuracy", "mean_iou", "iou_object", "iou_background"]
    assert not any(math.isnan(value) for value in absent.values())


@pytest.mark.parametrize("names", [("object", "background"), ("a", "b", "a")])
def test_scores_refuses_names_that_do_not_fit(names):
    with pytest.raises(ValueError, match="expected 3 different class names"):
        metrics.scores(MATRIX, names)
