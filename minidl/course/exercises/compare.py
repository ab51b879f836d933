"""Two results side by side: are they the same, and if not, where is the first difference?"""
from typing import Any

import numpy as np

TOLERANCE = 1e-6      # of a difference, relative to the largest number expected; rounding makes about 1e-12
MOST_NUMBERS = 64     # of an array that is printed whole


def close(expected: Any, got: Any) -> bool:
    """Return whether a result has the expected shape and, up to rounding, the expected numbers."""
    return difference(expected, got) is None


def difference(expected: Any, got: Any) -> str | None:
    """Return the first difference in words, or None if there is none."""
    if got is None:
        return "The function returned None. Is a `return` missing?"
    if isinstance(expected, str):
        return None if expected == got else f"Expected {expected!r}, got {got!r}."
    try:
        right, found = np.asarray(expected), np.asarray(got)
    except ValueError:                                        # rows of different lengths
        return f"Expected an array of shape {np.shape(expected)}, got {show(got)}."
    if found.dtype.kind not in "biuf":
        return f"Expected numbers, got {show(got)}."
    if right.shape != found.shape:
        if isinstance(expected, list) and found.ndim == right.ndim == 1:
            return f"Expected {len(right)} of them, got {len(found)}."
        return f"Expected shape {right.shape}, got {found.shape}."
    if not right.size:
        return None
    finite = np.abs(right[np.isfinite(right)])
    allowed = TOLERANCE * (finite.max() if finite.size else 1.0) + 1e-12
    wrong = ~np.isclose(right.astype(float), found.astype(float), rtol=0, atol=allowed, equal_nan=True)
    if not wrong.any():
        return None
    place = tuple(int(i) for i in np.argwhere(wrong)[0])
    if not place:
        return f"First difference: expected {right[()]:.6g}, got {found[()]:.6g}."
    return (f"First difference at [{', '.join(map(str, place))}]: expected {right[place]:.6g}, got {found[place]:.6g} "
            f"({wrong.sum()} of {wrong.size} numbers differ).")


def show(value: Any) -> str:
    """Return a value as text: a small array with its numbers, a large one with its shape.

    >>> print(show(np.arange(6.0).reshape(2, 3)))
    shape (2, 3):
    [[0. 1. 2.]
     [3. 4. 5.]]
    >>> show(np.zeros((100, 2))), show(3), show([0, 2])
    ('an array of shape (100, 2)', '3', '[0, 2]')
    """
    if isinstance(value, np.ndarray) and value.ndim:
        if value.size > MOST_NUMBERS:
            return f"an array of shape {value.shape}"
        return f"shape {value.shape}:\n" + np.array2string(value, precision=4, suppress_small=True, max_line_width=96)
    if isinstance(value, (float, np.floating)):
        return f"{value:.6g}"
    if callable(value):
        return str(getattr(value, "__doc__", None) or getattr(value, "__name__", "a function"))
    return str(value) if len(str(value)) < 400 else str(value)[:400] + " ..."
