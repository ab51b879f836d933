"""The check of lesson 6's exercise."""
from collections.abc import Iterator
from typing import Any

import numpy as np

from minidl.course.exercises.check import Arguments, Check
from minidl.tasks.detection import boxes
from minidl.types import Array


def library_iou(a: Array, b: Array) -> float:
    return float(boxes.iou_pairs(a[None], b[None])[0])


def cases(rng: np.random.Generator) -> Iterator[Arguments]:
    pairs = (([0, 0, 2, 1], [0, 0, 2, 1]),           # equal
             ([0, 0, 2, 2], [1, 0, 3, 2]),           # one moved to the right
             ([0, 0, 4, 3], [1, 1, 3, 2]),           # one inside the other
             ([1, 1, 3, 2], [0, 0, 4, 3]),
             ([0, 0, 3, 4], [2, 3, 8, 5]),           # a corner
             ([0, 0, 2, 2], [2, 0, 4, 2]),           # they touch
             ([0, 0, 2, 2], [2, 2, 3, 5]),
             ([0, 0, 2, 2], [5, 0, 7, 2]),           # side by side
             ([0, 0, 2, 2], [1, 4, 3, 6]),           # one above the other
             ([0, 0, 2, 2], [3, 4, 6, 8]),           # apart in both directions
             ([6, 4, 9, 8], [0, 0, 2, 2]),
             ([-3, -2, 5, 4], [1, -6, 2, 7]))        # a cross, over the edge of the image
    for a, b in pairs:
        yield {"a": np.array(a, float), "b": np.array(b, float)}
    for _ in range(6):
        corners = rng.uniform(0, 10, size=(2, 2, 2)).round(1)
        low, high = corners.min(axis=1), corners.max(axis=1) + 0.5
        yield {"a": np.array([*low[0], *high[0]]), "b": np.array([*low[1], *high[1]])}


def iou(a: Array, b: Array, plus: float = 0.0, least: Any = 0.0, union: Any = lambda a, b, both: a + b - both,
        clamp: Any = None, longer: float = 0.0) -> float:
    """Return the intersection over union; the settings are mistakes."""
    def area(box: Array) -> float:
        return float((box[2] - box[0] + plus) * (box[3] - box[1] + plus))
    sides = [min(a[i + 2], b[i + 2]) - max(a[i], b[i]) + plus + longer for i in (0, 1)]
    both = clamp(sides) if clamp else max(least, sides[0]) * max(least, sides[1])
    return both / union(area(a), area(b), both)


def enclosing(a: Array, b: Array) -> float:
    low, high = np.minimum(a[:2], b[:2]), np.maximum(a[2:], b[2:])
    return iou(a, b, union=lambda area_a, area_b, both: float(np.prod(high - low)))


def as_sizes(a: Array, b: Array) -> float:
    """The boxes read as x0, y0, width, height."""
    first, second = (np.array([x0, y0, x0 + width, y0 + height]) for x0, y0, width, height in (a, b))
    return iou(first, second)


def as_spans(a: Array, b: Array) -> float:
    """The boxes read as x0, x1, y0, y1."""
    return iou(a[[0, 2, 1, 3]], b[[0, 2, 1, 3]])


CHECKS = {
    "box_iou": Check(
        library_iou, cases, {
            "the sides are one pixel too long (+ 1): edges lie between pixels, the width is x1 − x0":
                lambda a, b: iou(a, b, plus=1.0),
            "the sides of the shared rectangle are one pixel too long (+ 1): edges lie between pixels":
                lambda a, b: iou(a, b, longer=1.0),
            "one negative side is enough for the boxes not to meet: width <= 0 or height <= 0, not `and`": lambda a, b:
                iou(a, b, clamp=lambda sides: 0.0 if max(sides) < 0 else float(np.prod(sides))),
            "min and max are exchanged: this is the rectangle around both boxes": lambda a, b: iou(
                a, b, clamp=lambda sides: float(np.prod(np.maximum(a[2:], b[2:]) - np.minimum(a[:2], b[:2])))),
            "the fraction is upside down: divide what both share by what they cover": lambda a, b: 1 / iou(a, b),
            "this is 2 · both / (area a + area b), the Dice score: divide by the union": lambda a, b: 2 * iou(
                a, b, union=lambda area_a, area_b, both: area_a + area_b),
            "where the boxes do not meet, sides are negative, and two of them make a positive area: take at least 0 "
            "for each side": lambda a, b: iou(a, b, clamp=np.prod),
            "two negative sides make a positive area: take at least 0 for each side, not for their product":
                lambda a, b: iou(a, b, clamp=lambda sides: max(0.0, float(np.prod(sides)))),
            "where the boxes do not meet, a distance counts as a side (abs): take at least 0 for each side":
                lambda a, b: iou(a, b, clamp=lambda sides: float(np.prod(np.abs(sides)))),
            "what both cover is in the sum of the areas twice: subtract it once":
                lambda a, b: iou(a, b, union=lambda area_a, area_b, both: area_a + area_b),
            "what both cover is subtracted twice: subtract it once":
                lambda a, b: iou(a, b, union=lambda area_a, area_b, both: area_a + area_b - 2 * both),
            "this is divided by the smaller box: divide by what both together cover":
                lambda a, b: iou(a, b, union=lambda area_a, area_b, both: min(area_a, area_b)),
            "this is divided by the larger box: divide by what both together cover":
                lambda a, b: iou(a, b, union=lambda area_a, area_b, both: max(area_a, area_b)),
            "this is divided by the area of a: divide by what both together cover":
                lambda a, b: iou(a, b, union=lambda area_a, area_b, both: area_a),
            "this is divided by the area of b: divide by what both together cover":
                lambda a, b: iou(a, b, union=lambda area_a, area_b, both: area_b),
            "this is divided by the rectangle around both: divide by what they cover, area a + area b − both":
                enclosing,
            "the boxes are read as x0, y0, width, height: the last two numbers are the edges x1, y1": as_sizes,
            "the boxes are read as x0, x1, y0, y1: the order is x0, y0, x1, y1": as_spans,
            "// drops what comes after the decimal point: divide by /": lambda a, b: iou(a, b) // 1,
            "this is the area that both share: divide it by what both together cover":
                lambda a, b: iou(a, b, union=lambda area_a, area_b, both: 1.0),
        }, "When is a box right? Intersection over union", boxes._iou, (
            "The shared rectangle begins at the larger of the two left edges, and ends at the smaller of the two right "
            "ones. What if it ends before it begins?",
            "width = max(0, min(a[2], b[2]) − max(a[0], b[0])), the height likewise. The union is area a + area b "
            "− what both share."), returns=("the IoU",)),
}
