"""Planted mistakes: the right answers, each with one place changed, and the words by which the check must name it."""
from typing import NamedTuple


class Planted(NamedTuple):
    """In the answer to an exercise, `old` becomes `new`; the check's message must contain `named`."""

    exercise: str
    old: str
    new: str
    named: str
