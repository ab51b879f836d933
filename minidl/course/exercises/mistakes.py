"""The usual mistakes, recognized by what they produce."""
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from minidl.course.exercises.compare import close

Pairs = Sequence[tuple[Any, Any]]     # expected and got, one for each input that was tried


def recognize(pairs: Pairs, made: Mapping[str, Sequence[Any]]) -> str | None:
    """Return the name of the mistake that produces exactly these results, or None.

    Parameters
    ----------
    pairs : list of (expected, got)
    made : dict
        For each mistake that belongs to the exercise, what it produces of the same inputs.
    """
    for name, results in made.items():
        if len(results) == len(pairs) and all(close(result, got) for result, (_, got) in zip(results, pairs)):
            return name
    for name, looks_like in GENERAL.items():
        if looks_like(pairs):
            return name
    return None


def _numbers(pairs: Pairs) -> list[tuple[np.ndarray, np.ndarray]]:
    """Return the pairs as arrays of numbers; empty if one of them has none, or if the shapes differ."""
    try:
        arrays = [(np.asarray(expected, float), np.asarray(got, float)) for expected, got in pairs]
    except (TypeError, ValueError):
        return []
    same = all(expected.shape == got.shape for expected, got in arrays)
    return [pair for pair in arrays if np.isfinite(pair[0]).all() and pair[0].any()] if same else []


def factor(pairs: Pairs) -> float | None:
    """Return c if every result is c times the expected one, the same c for all inputs; else None."""
    arrays = _numbers(pairs)
    if not arrays:
        return None
    expected, got = arrays[0]
    at = np.unravel_index(np.argmax(np.abs(expected)), expected.shape)
    c = float(got[at] / expected[at])
    return c if all(close(c * expected, got) for expected, got in arrays) else None


def _whole(pairs: Pairs) -> bool:
    """Return whether the results are the expected ones without what comes after the decimal point."""
    arrays = _numbers(pairs)
    return bool(arrays) and all(np.array_equal(np.trunc(expected), got) for expected, got in arrays)


def _transposed(pairs: Pairs) -> bool:
    return all(close(np.asarray(expected).T, got) for expected, got in pairs)


def _is(c: float) -> Callable[[Pairs], bool]:
    def check(pairs: Pairs) -> bool:
        found = factor(pairs)
        return found is not None and abs(found - c) < 1e-9
    return check


# What Python says, and what is usually meant.
ERRORS = {
    "truth value of an array": "max, min, if and while look at one number. For all numbers of an array there are "
                               "np.maximum(x, 0), np.where(x > 0, a, b) and x * (x > 0).",
    "could not be broadcast": "Two shapes do not fit. Print both; an axis that is missing comes with x[:, None] or "
                              "keepdims=True.",
    "mismatch in its core dimension": "In a @ b, the last axis of a must be as long as the one before the last of b. "
                                      "Print both shapes.",
    "only integer": "An index must be an integer: a // b and int(x) are, a / b is not.",
    "is read-only": "Work on a copy: x = x.copy().",
}


def hint_for(said: str) -> str | None:
    """Return what usually helps if Python says this of an exception."""
    return next((hint for part, hint in ERRORS.items() if part in said), None)


GENERAL: dict[str, Callable[[Pairs], bool]] = {
    "all numbers are 0: nothing was computed, or it was computed and not stored": _is(0),
    "the sign is wrong: every number is minus the expected one": _is(-1),
    "every number is twice the expected one": _is(2),
    "every number is half the expected one": _is(0.5),
    "the axes are swapped: the transpose of this result is right": _transposed,
    "whole numbers: an array of integers drops what comes after the decimal point (np.zeros(shape) makes floats, "
    "np.zeros_like(x) has the dtype of x)": _whole,
}
