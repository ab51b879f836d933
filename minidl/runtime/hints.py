"""What an error may say of an array that is not as expected."""
from collections.abc import Iterator, Mapping

import numpy as np

from minidl.types import Array, Shape


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


def misfits(own: Mapping[str, Array], given: Mapping[str, Array], optional: tuple[str, ...] = ()) -> list[str]:
    """Return why given arrays cannot be written into one's own of the same names; names that end so may be missing."""
    faults = [f"missing: {name}" for name in own if name not in given and not name.endswith(optional)]
    faults += [f"unknown: {name}" for name in given if name not in own]
    for name in own:
        if name in given and given[name].shape != own[name].shape:
            faults.append(f"{name}: expected shape {own[name].shape}, got {given[name].shape}")
        elif name in given and given[name].dtype.kind not in "fiu":
            faults.append(f"{name}: expected numbers, got dtype {given[name].dtype}")
        elif name in given and own[name].dtype.kind == "i" and not are_integers(given[name]):
            faults.append(f"{name}: expected integers, got {given[name]}")
    return faults


def are_integers(values: Array) -> bool:
    """Return whether int64 can hold the values as they are."""
    with np.errstate(invalid="ignore"):
        return np.array_equal(values.astype(np.int64).astype(values.dtype), values)
