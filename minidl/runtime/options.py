"""Numbers on the command line."""
import argparse
import math


def whole(text: str) -> int:
    """Read an integer of at least 1 from the command line."""
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"expected an integer of at least 1, got {text!r}")
    return int(text)


def positive_number(text: str) -> float:
    """Read a finite number above 0 from the command line."""
    value = float(text)
    if not (0 < value < math.inf):
        raise argparse.ArgumentTypeError(f"expected a number above 0, got {text}")
    return value
