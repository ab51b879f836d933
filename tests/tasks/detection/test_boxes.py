"""Boxes: IoU against counted pixels, non-maximum suppression against a plain loop, encode and decode as inverses."""
import numpy as np
import pytest
from hypothesis import given, strategies as st

from minidl.tasks.detection import boxes as bx
from tests.samples import random_boxes
from tests.strategies import FEW, seeds

NONE = np.zeros((0, 4))
BOX = [[0, 0, 1, 1]]


@st.composite
def two_sets(draw, whole=False):
    rng = np.random.default_rng(draw(seeds))
    return [random_boxes(rng, draw(st.integers(0, 5)), whole=whole) for _ in range(2)]


# Intersection over union

@FEW
@given(two_sets(whole=True))
def test_iou_counts_pixels(sets):
    masks = [np.zeros((len(some), 14, 14), bool) for some in sets]
    for some, maps in zip(sets, masks):
        for mask, (x0, y0, x1, y1) in zip(maps, some.astype(int)):
            mask[y0:y1, x0:x1] = True
    a, b = masks[0][:, None], masks[1][None]                               # (n, 1, 14, 14), (1, m, 14, 14)
    expected = (a & b).sum(axis=(2, 3)) / (a | b).sum(axis=(2, 3))
    np.testing.assert_allclose(bx.iou_matrix(*sets), expected, rtol=1e-12)


@FEW
@given(two_sets(), st.integers(-500, 500))
def test_iou_does_not_depend_on_the_unit_even_where_areas_would_overflow_or_vanish(sets, exponent):
    a, b = sets
    unit = 2.0 ** exponent
    assert np.array_equal(bx.iou_matrix(unit * a, unit * b), bx.iou_matrix(a, b))
    unit = np.float32(2.0 ** (exponent // 5))                              # up to 1e30 and down to 1e-30
    a, b = a.astype(np.float32), b.astype(np.float32)
    assert np.array_equal(bx.iou_matrix(unit * a, unit * b), bx.iou_matrix(a, b))


def test_boxes_of_small_types_are_computed_with_in_larger_ones():
    large = np.array([[0, 0, 400, 400], [200, 0, 600, 400]])               # areas beyond float16, int16 and uint8
    for dtype in (np.float16, np.float32, np.int16, np.uint16):
        boxes = large.astype(dtype)
        assert bx.iou_pairs(boxes[:1], boxes[1:]) == pytest.approx(1 / 3)
        assert bx.iou_matrix(boxes, boxes).dtype == (np.float32 if boxes.dtype.kind == "f" else np.float64)
        assert bx.nms(boxes, np.array([1, 2], np.float16), 0.3).tolist() == [1]
        offsets = bx.encode(boxes[:1], boxes[1:])
        np.testing.assert_allclose(offsets, [[-0.5, 0, 0, 0]])
        np.testing.assert_allclose(bx.decode(offsets.astype(np.float16), boxes[1:]), large[:1])
    assert bx.clip(np.array([[-5, 0, 100, 90]], np.int8), 20, 200).tolist() == [[0, 0, 20, 90]]


@pytest.mark.parametrize("box", [
    [0, 0, np.nan, 1], [-np.inf, 0, 1, 1], [0, 0, 1, np.inf], [np.inf, 0, np.inf, 1], [-np.inf, 0, np.inf, 1],
    [-1.7e308, 0, 1.7e308, 1]])
def test_boxes_without_a_finite_size_are_refused(box):
    with pytest.raises(ValueError, match="expected finite boxes .* as box 1"):
        bx.iou_matrix([BOX[0], box], BOX)


@FEW
@given(two_sets(), st.floats(-50, 50), st.floats(0.1, 10))
def test_iou_is_symmetric_and_does_not_depend_on_position_and_scale(sets, shift, scale):
    a, b = sets
    overlaps = bx.iou_matrix(a, b)
    assert overlaps.shape == (len(a), len(b)) and ((overlaps >= 0) & (overlaps <= 1)).all()
    np.testing.assert_allclose(bx.iou_matrix(b, a), overlaps.T, rtol=1e-12)
    np.testing.assert_allclose(bx.iou_matrix(a * scale + shift, b * scale + shift), overlaps, atol=1e-9)
    np.testing.assert_allclose(bx.iou_pairs(a, a), np.ones(len(a)))
    pairs = min(len(a), len(b))
    np.testing.assert_allclose(bx.iou_pairs(a[:pairs], b[:pairs]), np.diag(overlaps))


def test_iou_by_hand():
    others = {(0, 0, 4, 2): 1, (0, 0, 2, 2): 1 / 2, (2, 1, 6, 3): 2 / 14, (4, 0, 8, 2): 0, (1, 0.5, 3, 1.5): 2 / 8}
    np.testing.assert_allclose(bx.iou_matrix([[0, 0, 4, 2]], list(others)), [list(others.values())])
    point, line, box = [3, 3, 3, 3], [0, 2, 9, 2], [0, 0, 9, 9]                       # without area: no overlap
    assert bx.iou_matrix([point, line], [point, line, box]).tolist() == [[0, 0, 0], [0, 0, 0]]
    assert bx.nms([point, point], [0.1, 0.2]).tolist() == [1, 0]


@pytest.mark.parametrize("none", [NONE, [], NONE.astype(np.float32)])
def test_no_boxes(none):
    assert bx.clip(none, 5, 5).shape == bx.encode(none, none).shape == bx.decode(NONE, none).shape == (0, 4)
    assert bx.iou_pairs(none, none).shape == (0,) and bx.iou_matrix(none, BOX).shape == (0, 1)
    assert bx.nms(none, []).tolist() == [] and bx.nms(none, []).dtype == np.int64


def test_clip_and_types():
    outside = bx.clip([[20, -5, 30, 5], [-9, -9, -1, -1]], width=10, height=8)
    assert outside.tolist() == [[10, 0, 10, 5], [0, 0, 0, 0]]
    boxes = np.array([[0, 0, 2, 2]], np.float32)
    results = (bx.iou_matrix(boxes, boxes), bx.clip(boxes, 5, 5), bx.encode(boxes, boxes),
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
    assert bx.nms(boxes, scores, threshold).tolist() == slow_nms(boxes, scores, threshold)


def test_nms_by_hand():
    a, b, c = [0, 0, 10, 10], [0, 0, 10, 5], [0, 0, 10, 4.9]                         # IoU with a: 1, 0.5, 0.49
    assert bx.nms([a, b, c], [0.9, 0.8, 0.7], 0.5).tolist() == [0, 1]                # 0.5 is not more; c is on b
    assert bx.nms([a, a, a], [0.5, 0.5, 0.5]).tolist() == [0]                        # of equal ones the first
    assert bx.nms([a, a], [0.1, 0.2], 1.0).tolist() == [1, 0]                        # nothing is more than 1


# Offsets from anchors

@FEW
@given(st.integers(0, 5), seeds, st.floats(-50, 50), st.floats(0.1, 10))
def test_decode_is_the_inverse_of_encode(n, seed, shift, scale):
    rng = np.random.default_rng(seed)
    boxes, anchors, one = random_boxes(rng, n), random_boxes(rng, n), random_boxes(rng, 1)
    usual = rng.uniform(0.1, 2, 4)
    offsets = bx.encode(boxes, anchors, usual)
    np.testing.assert_allclose(bx.decode(offsets, anchors, usual), boxes, atol=1e-9)
    np.testing.assert_allclose(bx.encode(boxes, boxes, usual), np.zeros((n, 4)), atol=1e-12)
    np.testing.assert_allclose(bx.decode(bx.encode(boxes, one), one), boxes, atol=1e-9)
    moved = bx.encode(boxes * scale + shift, anchors * scale + shift, usual)
    np.testing.assert_allclose(moved, offsets, atol=1e-6)                            # neither position nor scale matter
    boxes = bx.decode([[0, 0, 1e6, -1e6]], [[0, 0, 10, 10]])
    np.testing.assert_allclose(boxes[0, 2:] - boxes[0, :2], [10_000, 0.01])          # wild offsets stay finite


# What is refused

@pytest.mark.parametrize("boxes, message", [
    (np.array([[0, 0, 5]], np.int16), r"expected boxes \(n, 4\) as x0, y0, x1, y1, got int16 \(1, 3\)"),
    (np.array([0, 0, 5, 5], np.int16), r"got int16 \(4,\)"), (np.zeros((0, 3)), r"\(0, 3\)"),
    ([[0, 0, 1, 1], [5, 0, 4, 1]], r"x0 <= x1 and y0 <= y1, got \[5.0, 0.0, 4.0, 1.0\] as box 1"),
    ([[0, 5, 1, 4]], "as box 0"), ([[0, 0, np.nan, 1]], "finite"), ([[0, 0, np.inf, 1]], "finite"),
    ([["a", "b", "c", "d"]], "expected boxes"),
])
def test_arrays_that_are_not_boxes_are_refused(boxes, message):
    for function in (lambda b: bx.clip(b, 5, 5), lambda b: bx.iou_matrix(BOX, b), lambda b: bx.encode(b, BOX),
                     lambda b: bx.nms(b, [1.0] * len(boxes)), lambda b: bx.decode(np.zeros((1, 4)), b)):
        with pytest.raises(ValueError, match=message):
            function(boxes)


@pytest.mark.parametrize("call, message", [
    (lambda: bx.iou_pairs(BOX, NONE), "a and b of one length, got 1 and 0"),
    (lambda: bx.encode([[1, 1, 1, 2]], BOX), "boxes and anchors that all have an area"),
    (lambda: bx.encode(BOX, [[1, 1, 2, 1]]), "boxes and anchors that all have an area"),
    (lambda: bx.decode([[0, 0, np.nan, 0]], BOX), "finite offsets"),
    (lambda: bx.decode([0, 0, 0, 0], BOX), r"offsets \(n, 4\)"),
    (lambda: bx.nms(BOX, [0.5, 0.6]), "expected 1 scores"), (lambda: bx.nms(BOX, [np.nan]), "no NaN"),
    (lambda: bx.nms(BOX, [0.5], 1.5), "threshold from 0 to 1"),
])
def test_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call()
