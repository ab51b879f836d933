"""Boxes: how they are written down, how much two of them overlap, and which of many show the same thing twice.

A box is four numbers x0, y0, x1, y1: its left, upper, right and lower *edge*, in pixels from the image's upper left
corner, as in `Pets.boxes`. Edges lie between pixels (pixel i extends from i to i + 1), so the width is x1 - x0, without
a "+ 1". Several boxes are an array (n, 4), and n may be 0.

A box without area (x0 = x1 or y0 = y1) is allowed: it overlaps with nothing, not even with itself. A box with x0 > x1
or y0 > y1, NaN and infinity are refused. Integers are computed with in float64, float16 in float32.
"""
import math
from typing import Any

import numpy as np

from minidl.types import Array

MOST = math.log(1000.0)  # decode enlarges or shrinks at most 1000 times: exp of an untrained network may overflow


def as_boxes(boxes: Any, caller: str) -> Array:
    """Return boxes as an array (n, 4) of float32 or more, after checking that they are boxes; float32 stays float32."""
    array = np.asarray(boxes)
    if array.size == 0 and array.ndim < 2:
        array = np.zeros((0, 4), array.dtype)                              # [] means no boxes
    if array.ndim != 2 or array.shape[1] != 4 or array.dtype.kind not in "fiu":
        raise ValueError(f"{caller}: expected boxes (n, 4) as x0, y0, x1, y1, got {array.dtype} {array.shape}")
    array = _floats(array)
    with np.errstate(over="ignore", invalid="ignore"):
        size = array[:, 2:] - array[:, :2]                                 # (n, 2), NaN or infinite if a corner is
    wrong = ~((size >= 0) & (size < np.inf)).all(axis=1)
    if wrong.any():
        n = int(wrong.argmax())
        raise ValueError(f"{caller}: expected finite boxes with x0 <= x1 and y0 <= y1, got {array[n].tolist()} "
                         f"as box {n}")
    return array


def _floats(array: Array) -> Array:
    """Return an array of numbers with at least the precision and range of float32."""
    return array.astype(np.result_type(array, np.float32) if array.dtype.kind == "f" else np.float64, copy=False)


def clip(boxes: Any, width: float, height: float) -> Array:
    """Return the parts of boxes within an image; a box wholly outside is left without area.

    >>> clip([[-3, 2, 5, 99]], width=10, height=8)
    array([[0., 2., 5., 8.]])
    """
    boxes = as_boxes(boxes, "clip")
    return boxes.clip(0, np.array([width, height, width, height], boxes.dtype))


def iou_pairs(a: Any, b: Any) -> Array:
    """Return the intersection over union (n,) of each box of a (n, 4) with the box of b (n, 4) in the same row.

    IoU = area of what both cover / area of what at least one covers; between 0 and 1, and 0 for boxes without area.

    >>> iou_pairs([[0, 0, 2, 2]], [[1, 0, 3, 2]])      # 2 of 6 square pixels
    array([0.33333333])
    """
    a, b = as_boxes(a, "iou_pairs"), as_boxes(b, "iou_pairs")
    if len(a) != len(b):
        raise ValueError(f"iou_pairs: expected a and b of one length, got {len(a)} and {len(b)}")
    return _iou(a, b)


def iou_matrix(a: Any, b: Any) -> Array:
    """Return the intersection over union (n, m) of each box of a (n, 4) with each box of b (m, 4).

    >>> iou_matrix([[0, 0, 2, 2]], [[0, 0, 2, 2], [1, 0, 3, 2], [2, 0, 4, 2]]).round(2)
    array([[1.  , 0.33, 0.  ]])
    """
    a, b = as_boxes(a, "iou_matrix"), as_boxes(b, "iou_matrix")
    return _iou(a[:, None], b[None])


def _iou(a: Array, b: Array) -> Array:
    """Return the IoU of boxes (..., 4), broadcast against each other.

    Areas are measured in units of the larger width and the larger height of the two, so that they neither overflow nor
    vanish.
    """
    sides = np.minimum(a[..., 2:], b[..., 2:]) - np.maximum(a[..., :2], b[..., :2])    # (..., 2) width, height
    sizes = a[..., 2:] - a[..., :2], b[..., 2:] - b[..., :2]
    units = np.maximum(*sizes)
    units[units == 0] = 1
    both = np.prod(sides.clip(0) / units, axis=-1)
    areas = [np.prod(size / units, axis=-1) for size in sizes]
    union = areas[0] + areas[1] - both
    return np.divide(both, union, out=np.zeros_like(both), where=union > 0)


def nms(boxes: Any, scores: Any, threshold: float = 0.5) -> Array:
    """Non-maximum suppression: of boxes that overlap much, keep the one with the highest score.

    The box with the highest score is kept, and all that overlap with it by more than `threshold` are dropped. Then the
    same is done with the best of the remaining boxes, until none remains.

    Parameters
    ----------
    boxes : (n, 4)
    scores : (n,)
        Of equal scores, the first counts as the higher.
    threshold : float
        IoU from 0 to 1. A box is dropped if its IoU with a kept one is *greater*.

    Returns
    -------
    (k,) int64
        The indices of the boxes kept, the best first.

    Examples
    --------
    >>> nms([[0, 0, 10, 10], [1, 0, 11, 10], [20, 0, 30, 10]], [0.8, 0.9, 0.3])
    array([1, 2])
    """
    boxes, scores = as_boxes(boxes, "nms"), np.asarray(scores, dtype=np.float64)
    if scores.shape != (len(boxes),) or np.isnan(scores).any():
        raise ValueError(f"nms: expected {len(boxes)} scores, one per box and no NaN, got {scores.tolist()}")
    if not 0 <= threshold <= 1:
        raise ValueError(f"nms: expected a threshold from 0 to 1, got {threshold}")
    left = np.argsort(-scores, kind="stable")                              # indices of boxes, the best first
    kept = []
    while len(left):
        best, left = left[0], left[1:]
        kept.append(best)
        left = left[_iou(boxes[best], boxes[left]) <= threshold]
    return np.array(kept, np.int64)


def encode(boxes: Any, anchors: Any, scale: Any = (1, 1, 1, 1)) -> Array:
    """Return the offsets of boxes from anchors: the four numbers that a network learns to predict.

    With the box's center (x, y), width w and height h, and the anchor's (xa, ya), wa, ha:

        tx = (x - xa) / wa    ty = (y - ya) / ha    tw = log(w / wa)    th = log(h / ha),    each divided by its `scale`

    A shift is measured in anchor sizes, so the same numbers mean the same for a small box and a large one; with the
    logarithm, half and double are equally far from 0, and no prediction can mean a negative width. An anchor is a
    guess made beforehand: all four numbers are 0 where it is right.

    Parameters
    ----------
    boxes : (n, 4)
        All with an area: a width of 0 has no logarithm.
    anchors : (n, 4) or (1, 4)
        All with an area, too.
    scale : 4 numbers > 0
        The usual size of the four numbers; divided by it, they are all of the order of 1.

    Returns
    -------
    (n, 4) tx, ty, tw, th

    References
    ----------
    Girshick et al., "Rich feature hierarchies for accurate object detection", CVPR 2014, appendix C.

    Examples
    --------
    >>> encode([[20, 0, 40, 10]], [[0, 0, 20, 20]]).round(3)   # 1 to the right, 1/4 up, as wide, half as high
    array([[ 1.   , -0.25 ,  0.   , -0.693]])
    """
    boxes, anchors = as_boxes(boxes, "encode"), as_boxes(anchors, "encode")
    size, anchor_size = boxes[:, 2:] - boxes[:, :2], anchors[:, 2:] - anchors[:, :2]   # (n, 2) width, height
    if not (size.all() and anchor_size.all()):
        raise ValueError("encode: expected boxes and anchors that all have an area, got one without")
    middles = (boxes[:, :2] + boxes[:, 2:] - anchors[:, :2] - anchors[:, 2:]) / 2      # (n, 2)
    offsets = np.concatenate([middles / anchor_size, np.log(size / anchor_size)], axis=1)
    return offsets / np.asarray(scale, offsets.dtype)


def decode(offsets: Any, anchors: Any, scale: Any = (1, 1, 1, 1)) -> Array:
    """Return the boxes (n, 4) whose offsets (n, 4) these are: the inverse of `encode`.

    Sizes are limited to between a thousandth of the anchor's and 1000 times it, whatever the network predicts.

    >>> decode([[1, -0.25, 0, np.log(0.5)]], [[0, 0, 20, 20]])
    array([[20.,  0., 40., 10.]])
    """
    offsets, anchors = np.asarray(offsets), as_boxes(anchors, "decode")
    if offsets.ndim != 2 or offsets.shape[1] != 4 or not np.isfinite(offsets).all():
        raise ValueError(f"decode: expected finite offsets (n, 4), got {offsets.dtype} {offsets.shape}")
    offsets = _floats(offsets)
    offsets = offsets * np.asarray(scale, offsets.dtype)
    anchor_size = anchors[:, 2:] - anchors[:, :2]                                      # (n, 2)
    middles = (anchors[:, :2] + anchors[:, 2:]) / 2 + offsets[:, :2] * anchor_size
    half = np.exp(offsets[:, 2:].clip(-MOST, MOST)) * anchor_size / 2
    return np.concatenate([middles - half, middles + half], axis=1)
