"""What constructors are given: positive integers, and pairs (for rows, for columns)."""
import numpy as np


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
