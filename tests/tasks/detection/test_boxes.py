"""Boxes: IoU against counted pixels, non-maximum suppression against a plain loop, encode and decode as inverses."""
from typing import Any

import numpy as np
import pytest
from hypothesis import given, strategies as st

from minidl.tasks.detection import boxes as bx
from tests.samples import random_boxes
from tests.strategies import FEW, seeds

NONE = np.zeros((0, 4))


@st.composite
def two_sets(draw, whole=False):
    rng = np.random.default_rng(draw(seeds))
    return [random_boxes(rng, draw(st.integers(0, 5)), whole=whole) for _ in range(2)]


# Intersection over union

@FEW
@given(two_sets(whole=True))
def test_iou_counts_pixels(sets):
    masks = []
    for some in sets:
        maps = np.zeros((len(some), 14, 14), bool)
        for mask, (x0, y0, x1, y1) in zip(maps, some.astype(int)):
            mask[y0:y1, x0:x1] = True
        masks.append(maps)
    expected = np.zeros((len(sets[0]), len(sets[1])))
    for i, j in np.ndindex(expected.shape):
        expected[i, j] = (masks[0][i] & masks[1][j]).sum() / (masks[0][i] | masks[1][j]).sum()
    np.testing.assert_allclose(bx.iou_matrix(*sets), expected, rtol=1e-12)
    assert bx.area(sets[0]).tolist() == masks[0].sum(axis=(1, 2)).tolist()


@FEW
@given(two_sets(), st.floats(-50, 50), st.floats(0.1, 10))
def test_iou_is_symmetric_and_depends_neither_on_place_nor_on_scale(sets, shift, scale):
    a, b = sets
    overlaps = bx.iou_matrix(a, b)
    assert overlaps.shape == (len(a), len(b)) and ((overlaps >= 0) & (overlaps <= 1)).all()
    np.testing.assert_allclose(bx.iou_matrix(b, a), overlaps.T, rtol=1e-12)
    np.testing.assert_allclose(bx.iou_matrix(a * scale + shift, b * scale + shift), overlaps, atol=1e-9)
    np.testing.assert_allclose(bx.iou_pairs(a, a), np.ones(len(a)))
    pairs = min(len(a), len(b))
    np.testing.assert_allclose(bx.iou_pairs(a[:pairs], b[:pairs]), np.diag(overlaps))


def test_iou_by_hand():
    box = [[0, 0, 4, 2]]
    others = {(0, 0, 4, 2): 1, (0, 0, 2, 2): 1 / 2, (2, 1, 6, 3): 2 / 14, (4, 0, 8, 2): 0, (1, 0.5, 3, 1.5): 2 / 8}
    np.testing.assert_allclose(bx.iou_matrix(box, list(others)), [list(others.values())])


def test_boxes_without_area_overlap_with_nothing():
    point, line, box = [3, 3, 3, 3], [0, 2, 9, 2], [0, 0, 9, 9]
    assert bx.iou_matrix([point, line], [point, line, box]).tolist() == [[0, 0, 0], [0, 0, 0]]
    assert bx.iou_pairs([point], [point]).tolist() == [0] and bx.area([point, line]).tolist() == [0, 0]


def test_no_boxes():
    empty: list[Any] = [NONE, [], np.zeros((0, 4), np.float32)]
    for none in empty:
        assert bx.area(none).shape == (0,) and bx.clip(none, 5, 5).shape == (0, 4)
        assert bx.iou_pairs(none, none).shape == (0,) and bx.iou_matrix(none, [[0, 0, 1, 1]]).shape == (0, 1)
        assert bx.nms(none, []).tolist() == [] and bx.nms(none, []).dtype == np.int64
        assert bx.encode(none, none).shape == (0, 4) and bx.decode(np.zeros((0, 4)), none).shape == (0, 4)


def test_clip():
    outside = bx.clip([[20, -5, 30, 5], [-9, -9, -1, -1]], width=10, height=8)
    assert outside.tolist() == [[10, 0, 10, 5], [0, 0, 0, 0]] and bx.area(outside).tolist() == [0, 0]


def test_float32_stays_float32():
    boxes = np.array([[0, 0, 2, 2]], np.float32)
    results = (bx.area(boxes), bx.iou_matrix(boxes, boxes), bx.clip(boxes, 5, 5), bx.encode(boxes, boxes),
               bx.decode(np.zeros((1, 4), np.float32), boxes))
    assert all(result.dtype == np.float32 for result in results)


# Non-maximum suppression

def slow_nms(boxes, scores, threshold):
    """Go through the boxes from the best to the worst; keep one if no kept one overlaps too much with it."""
    kept: list[int] = []
    for i in sorted(range(len(boxes)), key=lambda i: (-scores[i], i)):
        if all(bx.iou_pairs(boxes[i:i + 1], boxes[j:j + 1])[0] <= threshold for j in kept):
            kept.append(i)
    return kept


@FEW
@given(st.integers(0, 12), seeds, st.sampled_from([0.0, 0.2, 0.5, 1.0]))
def test_nms_against_a_plain_loop(n, seed, threshold):
    rng = np.random.default_rng(seed)
    boxes, scores = random_boxes(rng, n, size=6), rng.integers(0, 6, n) / 6          # with ties
    kept = bx.nms(boxes, scores, threshold)
    assert kept.tolist() == slow_nms(boxes, scores, threshold)
    assert (np.diff(scores[kept]) <= 0).all()


def test_nms_by_hand():
    a, b, c = [0, 0, 10, 10], [0, 0, 10, 5], [0, 0, 10, 4.9]                         # IoU with a: 1, 0.5, 0.49
    assert bx.nms([a, b, c], [0.9, 0.8, 0.7], 0.5).tolist() == [0, 1]                # 0.5 is not more; c is on b
    assert bx.nms([a, a, a], [0.5, 0.5, 0.5]).tolist() == [0]                        # of equal ones the first
    assert bx.nms([a, a], [0.1, 0.2], 1.0).tolist() == [1, 0]                        # nothing is more than 1
    point = [1, 1, 1, 1]
    assert bx.nms([point, point], [0.1, 0.2]).tolist() == [1, 0]                     # without area: no overlap


# Encode, decode

@FEW
@given(st.integers(0, 6), seeds)
def test_decode_undoes_encode(n, seed):
    rng = np.random.default_rng(seed)
    boxes, anchors, scale = random_boxes(rng, n), random_boxes(rng, n), rng.uniform(0.1, 2, 4)
    np.testing.assert_allclose(bx.decode(bx.encode(boxes, anchors, scale), anchors, scale), boxes, atol=1e-9)
    np.testing.assert_allclose(bx.encode(boxes, boxes, scale), np.zeros((n, 4)), atol=1e-12)
    one = random_boxes(rng, 1)
    np.testing.assert_allclose(bx.decode(bx.encode(boxes, one), one), boxes, atol=1e-9)


@FEW
@given(seeds, st.floats(-50, 50), st.floats(0.1, 10))
def test_offsets_depend_neither_on_place_nor_on_scale(seed, shift, scale):
    rng = np.random.default_rng(seed)
    boxes, anchors = random_boxes(rng, 4), random_boxes(rng, 4)
    moved = bx.encode(boxes * scale + shift, anchors * scale + shift)
    np.testing.assert_allclose(moved, bx.encode(boxes, anchors), atol=1e-7)


def test_wild_offsets_stay_finite():
    boxes = bx.decode([[0, 0, 1e6, -1e6]], [[0, 0, 10, 10]])
    np.testing.assert_allclose(boxes[0, 2:] - boxes[0, :2], [10_000, 0.01])


# What is refused

@pytest.mark.parametrize("boxes, message", [
    ([[0, 0, 5]], r"expected boxes \(n, 4\) as x0, y0, x1, y1, got int64 \(1, 3\)"),
    ([0, 0, 5, 5], r"got int64 \(4,\)"),
    (np.zeros((0, 3)), r"\(0, 3\)"),
    ([[0, 0, 1, 1], [5, 0, 4, 1]], r"x0 <= x1 and y0 <= y1, got \[5.0, 0.0, 4.0, 1.0\] as box 1"),
    ([[0, 5, 1, 4]], "as box 0"), ([[0, 0, np.nan, 1]], "finite"), ([[0, 0, np.inf, 1]], "finite"),
    ([["a", "b", "c", "d"]], "expected boxes"),
])
def test_what_is_no_box_is_refused(boxes, message):
    if isinstance(boxes, list) and message.startswith("expected boxes (n"):
        boxes = np.array(boxes, np.int64)
    good = [[0, 0, 1, 1]]
    for function in (bx.area, lambda b: bx.iou_matrix(good, b), lambda b: bx.encode(b, good),
                     lambda b: bx.nms(b, [1.0] * len(boxes)), lambda b: bx.decode([[0, 0, 0, 0]], b)):
        with pytest.raises(ValueError, match=message.replace("int64", "int(32|64)")):
            function(boxes)


@pytest.mark.parametrize("call, message", [
    (lambda: bx.iou_pairs([[0, 0, 1, 1]], NONE), "as many boxes as boxes, got 1 and 0"),
    (lambda: bx.encode([[1, 1, 1, 2]], [[0, 0, 1, 1]]), "expected boxes that all have an area"),
    (lambda: bx.encode([[0, 0, 1, 1]], [[1, 1, 1, 2]]), "expected anchors that all have an area"),
    (lambda: bx.encode([[0, 0, 1, 1]], [[0, 0, 1, 1]], (1, 1, 0, 1)), "four numbers above 0"),
    (lambda: bx.decode([[0, 0, np.nan, 0]], [[0, 0, 1, 1]]), "finite offsets"),
    (lambda: bx.decode([0, 0, 0, 0], [[0, 0, 1, 1]]), r"offsets \(n, 4\)"),
    (lambda: bx.nms([[0, 0, 1, 1]], [0.5, 0.6]), "expected 1 scores"),
    (lambda: bx.nms([[0, 0, 1, 1]], [np.nan]), "no NaN"),
    (lambda: bx.nms([[0, 0, 1, 1]], [0.5], 1.5), "threshold from 0 to 1"),
])
def test_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call()
