"""One number of the README beside what was measured, and what is to be said about the two."""
import re
from collections.abc import Sequence
from dataclasses import dataclass

from tests.readme_numbers.markdown import Page

SAME, DIFFERS, UNKNOWN, TIME, MISSING = "", "DIFFERS", "UNKNOWN", "time differs", "not measured"
WRONG = (DIFFERS, UNKNOWN)
NUMBER = re.compile(r"[−-]?\d[\d,]*(?:\.\d+)?")
Measured = int | float | str | None


@dataclass(frozen=True)
class Check:
    """A number, or a cell with several, that the README states.

    Attributes
    ----------
    what : str
        In words.
    said : str
        As the README writes it.
    measured : float, str or None
        None: nobody has measured it. A text is one that a program has rounded.
    at : int
        Place in the page's text.
    tolerance : float, optional
        By how much a time may differ: 0.5 allows from 1 / 1.5 to 1.5 times. None: the number is exact, at the
        precision with which the README writes it.
    note : str
        Why it was not measured; of a number that should have been, and is not among the results, nothing.
    """

    what: str
    said: str
    measured: Measured
    at: int
    tolerance: float | None = None
    note: str = ""

    @property
    def verdict(self) -> str:
        if self.measured is None:
            return MISSING if self.note else UNKNOWN
        if self.tolerance is None:
            return SAME if agrees(self.said, self.measured) else DIFFERS
        return SAME if near(self.said, self.measured, self.tolerance) else TIME


def value(text: str) -> float:
    """Return the number that a text such as "1,234.5" or "−3" stands for."""
    return float(text.replace(",", "").replace("−", "-"))


def decimals(text: str) -> int:
    return len(text.partition(".")[2])


def agrees(said: str, measured: float | str) -> bool:
    """Return whether a number is what was measured, rounded as the README rounds it; of texts, each of their numbers.

    >>> agrees("0.96", 0.9649), agrees("0.96", 0.9651), agrees("1,234", 1234)
    (True, False, True)
    >>> agrees("0.53 ± 0.01", "0.527 ± 0.006"), agrees("0.53 ± 0.02", "0.527 ± 0.006"), agrees("–", "–")
    (True, False, True)
    """
    if not isinstance(measured, str):
        return f"{measured:.{decimals(said)}f}" == f"{value(said):.{decimals(said)}f}"
    ours, theirs = NUMBER.findall(said), NUMBER.findall(measured)
    return len(ours) == len(theirs) and (bool(ours) or said.strip() == measured.strip()) and all(
        map(_rounds_to, ours, theirs))


def _rounds_to(said: str, measured: str) -> bool:
    """Return whether both can be roundings of one number; with as many decimals each, whether they are equal."""
    if decimals(said) >= decimals(measured):
        return value(said) == value(measured)
    half = (10.0**-decimals(said) + 10.0**-decimals(measured)) / 2
    return abs(value(said) - value(measured)) <= half * (1 + 1e-9)


def near(said: str, measured: float | str, tolerance: float) -> bool:
    """Return whether the larger of two times is at most 1 + tolerance times the smaller, but for the README's rounding.

    >>> near("10", 14.9, 0.5), near("10", 15.9, 0.5), near("10", 6.3, 0.5), near("1", 1.9, 0.5)
    (True, False, False, True)
    """
    a, b, half = value(said), value(measured) if isinstance(measured, str) else measured, 0.5 * 10.0**-decimals(said)
    return (a - half) / (1 + tolerance) <= b <= (a + half) * (1 + tolerance)


def as_text(check: Check) -> str:
    """Return what was measured with two digits more than the README writes; of what agrees, with as many."""
    if check.measured is None:
        return check.note
    if isinstance(check.measured, str):
        return check.measured
    more = 0 if check.verdict == SAME or float(check.measured).is_integer() else 2
    return f"{check.measured:,.{decimals(check.said) + more}f}"


def report(page: Page, checks: Sequence[Check], only_differing: bool = False) -> str:
    """Return a table of the checks and a line that counts them."""
    shown = [check for check in checks if not only_differing or check.verdict not in (SAME, MISSING)]
    rows = [("line", "what", page.path.name, "measured", "")]
    rows += [(str(page.line(check.at)), check.what, check.said, as_text(check), check.verdict) for check in shown]
    widths = [max(map(len, column)) for column in zip(*rows)]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths)).rstrip() for row in rows]
    lines.insert(1, "-" * max(map(len, lines)))
    return "\n".join([*([*lines, ""] if shown else []), f"{page.path.name}: {counted(checks)}"])


def counted(checks: Sequence[Check]) -> str:
    """Return how many checks came out in which way."""
    def count(verdict: str) -> int:
        return sum(check.verdict == verdict for check in checks)

    return (f"{len(checks)} numbers: {count(SAME)} as measured, {count(DIFFERS)} differ, {count(UNKNOWN)} unknown, "
            f"{count(TIME)} times outside their tolerance, {count(MISSING)} not measured")
