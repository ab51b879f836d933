"""The grid detector: its targets, the loss and its gradient, and from predictions back to boxes."""
import math

import numpy as np
import pytest
from hypothesis import given, strategies as st

from minidl import SmoothL1Loss, check_loss
from minidl.tasks.detection.boxes import encode, iou_pairs
from minidl.tasks.detection.single_shot import (
    SCALE, DetectionLoss, Detections, Grid, detection_scores, detections, species_curves,
)
from tests import reference as ref
from tests.layers import saboteurs
from tests.samples import random_boxes
from tests.strategies import FEW, seeds

GRID = Grid(size=32, stride=8, anchor=12)


def logit(p):
    return math.log(p / (1 - p))


def perfect(target, K=2, certain=12.0):
    """Return the prediction (1, 5 + K, G, G) of a network that predicts exactly the target."""
    prediction = np.zeros((1, 5 + K, *target.shape[1:]))
    prediction[0, 0] = np.where(target[0] > 0, certain, -certain)
    prediction[0, 1:5] = target[1:5]
    for k in range(K):
        prediction[0, 5 + k] = np.where(target[5] == k, certain, -certain)
    return prediction


# Targets

def test_targets_by_hand():
    target = GRID.targets([[10, 18, 22, 30]], [1])                 # center (16, 24): third column, fourth row
    assert target.shape == (6, 4, 4) and target.dtype == np.float32
    assert np.argwhere(target[0]).tolist() == [[3, 2]]
    # the cell's center is (20, 28), its anchor 12 x 12: -4/12 and -4/12, each divided by 0.1; as large as the anchor
    np.testing.assert_allclose(target[:, 3, 2], [1, -10 / 3, -10 / 3, 0, 0, 1], atol=1e-6)
    target[:, 3, 2] = 0
    assert not target.any()


def test_which_cell_a_box_is_assigned_to():
    assert np.argwhere(GRID.targets([[0, 0, 16, 16]], [0])[0]).tolist() == [[1, 1]]      # a center between two cells
    target = GRID.targets([[0, 0, 10, 10], [1, 1, 9, 9]], [0, 1])                        # two in one cell
    assert target[0].sum() == 1 and target[5].max() == 1                                 # the later one, in front
    assert not GRID.targets(np.zeros((0, 4)), np.zeros(0, int)).any()


@FEW
@given(seeds, st.integers(0, 5))
def test_targets_decode_to_the_true_boxes(seed, n):
    rng = np.random.default_rng(seed)
    boxes, species = random_boxes(rng, n, size=32), rng.integers(0, 3, n)
    target = GRID.targets(boxes, species)
    found, = detections(GRID, perfect(target, K=3), threshold=0.5, overlap=None)
    assert len(found) == target[0].sum() <= n
    for box, kind in zip(found.boxes, found.species):
        overlaps = iou_pairs(boxes, np.repeat(box[None], n, axis=0))
        assert overlaps.max() > 0.999 and species[overlaps.argmax()] == kind


@pytest.mark.parametrize("call, message", [
    (lambda: Grid(30, 8, 12), "multiple of the stride"), (lambda: Grid(32, 8, 0), "anchor above 0"),
    (lambda: GRID.targets([[40, 0, 50, 10]], [0]), "centers in an image of 32 x 32"),
    (lambda: GRID.targets([[0, 0, 5, 5]], [-1]), "integers from 0 on"),
    (lambda: GRID.targets([[0, 0, 5, 5]], [0, 1]), "expected 1 species"),
    (lambda: GRID.targets([[0, 0, 5, 5]], [0.5]), "integers"),
    (lambda: GRID.targets([[0, 0, 0, 5]], [0]), "an area"),
    (lambda: detections(GRID, np.zeros((1, 7, 5, 5))), r"\(N, 5 \+ K, 4, 4\)"),
    (lambda: detections(GRID, np.zeros((1, 5, 4, 4))), "expected a prediction"),
    (lambda: DetectionLoss(-1), "box_weight"),
])
def test_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call()


# The loss

@st.composite
def scenes(draw, most=3):
    """Draw predictions (N, 5 + K, G, G) and targets of up to `most` pets per image, away from SmoothL1's joint."""
    rng = np.random.default_rng(draw(seeds))
    K, N = draw(st.integers(1, 3)), draw(st.integers(1, 2))
    grid = Grid(16, 8, 6)
    counts = [draw(st.integers(0, most)) for _ in range(N)]
    target = np.stack([grid.targets(random_boxes(rng, n, size=16), rng.integers(0, K, n)) for n in counts])
    prediction = rng.normal(0, 2, (N, 5 + K, 2, 2))
    joint = np.abs(np.abs(prediction[:, 1:5] - target[:, 1:5]) - 1) < 1e-3
    prediction[:, 1:5] += 0.1 * joint
    return prediction, target.astype(np.float64)


@FEW
@given(scenes(), st.sampled_from([0.0, 1.0, 2.5]))
def test_gradient_and_value_cell_by_cell(scene, box_weight):
    prediction, target = scene
    loss = DetectionLoss(box_weight)
    check_loss(loss, prediction, target)
    value = loss(prediction, target)
    P = max(1, target[:, 0].sum())
    parts = {"objectness": 0.0, "box": 0.0, "species": 0.0}
    for n, i, j in np.ndindex(target[:, 0].shape):
        cell, true = prediction[n, :, i, j], target[n, :, i, j]
        parts["objectness"] += ref.bce_with_logits(cell[:1], true[:1]) / P
        if true[0]:
            parts["box"] += box_weight * 4 * ref.smooth_l1(cell[1:5], true[1:5]) / P
            parts["species"] += ref.cross_entropy(cell[None, 5:], true[5:].astype(int)) / P
    assert loss.parts == pytest.approx(parts) and value == pytest.approx(sum(parts.values()))


TWO = GRID.targets([[0, 0, 12, 12], [16, 4, 30, 30]], [0, 1])[None]
CELLS = np.random.default_rng(0).normal(size=(1, 7, 4, 4)), TWO.astype(np.float64)
NUMBERS = np.array([0.3, -0.2, 3.0, -4.0]), np.zeros(4)


@pytest.mark.parametrize("loss, wrong, example", [
    (DetectionLoss(2.0), saboteurs.DetectionForgetsTheBoxWeight(2.0), CELLS),
    (DetectionLoss(2.0), saboteurs.DetectionAveragesOverAllCells(2.0), CELLS),
    (DetectionLoss(2.0), saboteurs.DetectionTeachesBoxesEverywhere(2.0), CELLS),
    (SmoothL1Loss(beta=0.5), saboteurs.SmoothL1ForgetsBeta(beta=0.5), NUMBERS),
    (SmoothL1Loss(beta=0.5), saboteurs.SmoothL1NeverClips(beta=0.5), NUMBERS),
])
def test_a_wrong_backward_fails(loss, wrong, example):
    check_loss(loss, *example)
    with pytest.raises(AssertionError, match="wrong"):
        check_loss(wrong, *example)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_perfect_prediction_has_nearly_no_loss(dtype):
    loss = DetectionLoss()
    assert loss(perfect(TWO[0]).astype(dtype), TWO) < 1e-3 and loss.backward().dtype == dtype


def test_cells_without_a_pet_count_by_their_objectness_only():
    rng = np.random.default_rng(0)
    target = GRID.targets([[0, 0, 12, 12]], [1])[None]
    prediction = rng.normal(size=(1, 7, 4, 4))
    loss = DetectionLoss()
    value = loss(prediction, target)
    d = loss.backward()
    assert not d[:, 1:][:, :, target[0, 0] == 0].any() and d[0, 0].all()
    prediction[:, 1:][:, :, target[0, 0] == 0] += 100
    assert loss(prediction, target) == value


@pytest.mark.parametrize("prediction, target, message", [
    (np.zeros((1, 5, 4, 4)), np.zeros((1, 6, 4, 4)), r"expected a prediction \(N, 5 \+ K, G, G\)"),
    (np.zeros((1, 7, 4, 4)), np.zeros((1, 6, 3, 3)), r"got \(1, 7, 4, 4\) and \(1, 6, 3, 3\)"),
    (np.zeros((1, 7, 4, 4)), np.full((1, 6, 4, 4), 0.5), "targets of 0 or 1 for objectness"),
    (np.zeros((1, 7, 4, 4)), np.array([[1, 0, 0, 0, 0, 2.0]] * 16).T.reshape(1, 6, 4, 4), r"labels 0\.\.1, got 2"),
    (np.zeros((1, 7, 4, 4), int), np.zeros((1, 6, 4, 4)), "floating-point"),
])
def test_the_loss_refuses(prediction, target, message):
    with pytest.raises(ValueError, match=message):
        DetectionLoss()(prediction, target)
    with pytest.raises(RuntimeError, match="needs a forward"):
        DetectionLoss().backward()


# Detections

def test_scores_and_suppression_by_hand():
    boxes = np.array([[2, 2, 14, 14], [3, 2, 15, 14], [18, 18, 30, 30]], float)
    prediction = np.full((1, 7, 4, 4), -20.0)
    for (row, column), box, p in zip([(0, 0), (0, 1), (3, 3)], boxes, (0.6, 0.9, 0.3)):
        offsets = encode(box[None], GRID.anchors([row], [column]), SCALE)[0]
        prediction[0, :, row, column] = [logit(p), *offsets, logit(0.75), 0]             # a cat with 0.75
    found, = detections(GRID, prediction, threshold=0.2)
    np.testing.assert_allclose(found.boxes, boxes[1:], atol=1e-9)                        # the first was the second's
    np.testing.assert_allclose(found.scores, [0.9 * 0.75, 0.3 * 0.75])
    assert found.species.tolist() == [0, 0] and len(found.above(0.5)) == 1
    assert len(detections(GRID, prediction, threshold=0.2, overlap=None)[0]) == 3
    assert len(detections(GRID, prediction, threshold=0.7)[0]) == 0


def test_scores_by_hand():
    a, b = [0, 0, 10, 10], [20, 0, 30, 10]
    truths, kinds = [np.array([a, b], float)], [np.array([0, 1])]
    found = [Detections(np.array([a, b], float), np.array([0.9, 0.8]), np.array([0, 0]))]      # b is taken for a cat
    assert detection_scores(found, truths, kinds, ("cat", "dog")) == {"map": 0.5, "ap_cat": 1, "ap_dog": 0, "ap_pet": 1}
    curves = species_curves(found, truths, kinds, ("cat", "dog"))
    assert {name: (curve.truths, curve.recall.tolist()) for name, curve in curves.items()} == {
        "cat": (1, [1, 1]), "dog": (1, []), "pet": (2, [0.5, 1])}
    only_cats = detection_scores(found, [truths[0][:1]], [kinds[0][:1]], ("cat", "dog"))
    assert only_cats == {"map": 1, "ap_cat": 1, "ap_pet": 1}
    for boxes, species in ((np.zeros((0, 4)), np.zeros(0, int)), (truths[0][:1], np.array([2]))):
        with pytest.raises(ValueError, match="at least one true box of cat or dog, got none"):
            detection_scores(found, [boxes], [species], ("cat", "dog"))
