"""What layers are given: positive integers, pairs (for rows, for columns), and arrays of other shapes."""
from collections.abc import Iterator

import numpy as np

from minidl.types import Shape


def positive(name: str, value: int) -> int:
    """Return `value` if it is an integer of at least 1, else raise a ValueError that names it."""
    if not isinstance(value, (int, np.integer)) or isinstance(value, bool) or value < 1:
        raise ValueError(f"{name}: expected an integer of at least 1, got {value!r}")
    return int(value)


Pair = tuple[int, int]


def pair(name: str, value: int | Pair, least: int = 1) -> Pair:
    """Return (value, value) for an integer and the pair itself for a pair; refuse anything else or below `least`."""
    values = (value, value) if isinstance(value, (int, np.integer)) else value
    if (not isinstance(values, (tuple, list)) or len(values) != 2
            or not all(isinstance(v, (int, np.integer)) and not isinstance(v, bool) and v >= least for v in values)):
        raise ValueError(f"{name}: expected an integer of at least {least} or a pair of them, got {value!r}")
    return (int(values[0]), int(values[1]))


def short(value: Pair) -> str:
    """Return a pair as one would type it: as one number where both are the same."""
    return repr(value[0] if value[0] == value[1] else value)


def to_classes(shape: Shape, *expected: Shape) -> str:
    """Return how labels of this shape fit an expected one, which has an axis less; "" if none has."""
    for axis in range(1, len(shape)):
        if shape[:axis] + shape[axis + 1:] in expected:
            change = "squeeze(axis" if shape[axis] == 1 else "argmax(axis"
            return f". They would fit as labels.{change}={axis})" + " if they are one-hot" * (shape[axis] > 1)
    return ""


def changes_of_axes(shape: Shape) -> Iterator[tuple[str, Shape]]:
    """Yield how an x of this shape may be meant to be changed, and the shape that it then has."""
    if len(shape) == 4 and shape[3] in (1, 3, 4):        # gray, RGB, RGB and alpha
        yield "x.transpose(0, 3, 1, 2)", (shape[0], shape[3], *shape[1:3])
    if len(shape) < 4:
        yield "x[None]", (1, *shape)
    if len(shape) == 3:
        yield "x.transpose(2, 0, 1)[None]", (1, shape[2], *shape[:2])
    if len(shape) in (1, 3):
        yield "x[:, None]", (shape[0], 1, *shape[1:])
    if len(shape) == 2:
        yield "x[None, None]", (1, 1, *shape)
