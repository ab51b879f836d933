"""Lines of the library's files and folders; how many lessons, exercises and rendered images there are."""
import inspect
import re
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from minidl.course.exercises.catalog import find_exercises
from minidl.datasets import synthetic_pets
from tests.readme_numbers.check import Check, NUMBER, decimals, value
from tests.readme_numbers.markdown import LINK, Page

FILE = re.compile(r"\]\((minidl/[\w/]+(?:\.py)?)\)\s+\(([\d,]+)\)")    # [loss](minidl/loss.py) (316)


def lines(*paths: Path) -> int:
    """Return the lines of Python in files and, with all that is below them, folders."""
    files = [file for path in paths for file in ([path] if path.is_file() else path.rglob("*.py"))]
    return sum(len(file.read_text(encoding="utf-8").splitlines()) for file in files)


def lines_of_core(root: Path) -> int:
    """Return the lines of the files at the root of minidl/ and of those in layers/."""
    return lines(*(root / "minidl").glob("*.py"), root / "minidl" / "layers")


def lessons(root: Path) -> int:
    return len(list((root / "lessons").glob("[0-9][0-9]_*.py")))


def exercises(root: Path) -> int:
    return sum(map(len, find_exercises(root / "lessons" / "exercises").values()))


def rendered(root: Path) -> int:
    """Return how many images a lesson renders, if they are not there."""
    defaults = inspect.signature(synthetic_pets.ensure).parameters
    return int(defaults["train"].default) + int(defaults["test"].default)


N = r"(?<![\d,.])(\d[\d,]*)"
CORE = rf"\bcore\b[^|#]{{0,80}}?{N} lines|{N} lines[^|#.]{{0,30}}\bcore\b"
# What to count, and the sentences that state it; the group that matches is the number.
COUNTS: dict[str, tuple[Callable[[Path], int], str]] = {
    "lessons": (lessons, rf"{N} lessons\b"),
    "exercises": (exercises, rf"\bof {N} done\b|{N} (?:\w+ )?(?:functions|exercises)\b"),
    "rendered images": (rendered, rf"\brenders {N} (?:images|pets|cats)"),
}


def line_checks(page: Page, root: Path) -> list[Check]:
    """Return a check for each count of lines: of files in sentences and tables, of folders in tables, of the core."""
    found = [Check(f"lines of {match[1]}", match[2], lines(root / match[1]), match.start(2))
             for match in FILE.finditer(page.text)]
    found += stated("lines of the core", CORE, lines_of_core(root), page)
    return found + list(_lines_in_tables(page, root))


def _lines_in_tables(page: Page, root: Path) -> Iterator[Check]:
    for table in page.tables:
        column = table.column("lines")
        if column is None:
            continue
        for row in table.rows:
            link = LINK.search(" ".join(cell.text for cell in row))
            if link and link[1].startswith("minidl/") and NUMBER.fullmatch(row[column].text):
                yield Check(f"lines of {link[1]}", row[column].text, lines(root / link[1]), row[column].at)


def count_checks(page: Page, root: Path) -> list[Check]:
    """Return a check for each sentence that says how many lessons, exercises or rendered images there are."""
    return [check for what, (count, pattern) in COUNTS.items()
            for check in stated(f"number of {what}", pattern, count(root), page)]


def stated(what: str, pattern: str, measured: int, page: Page) -> list[Check]:
    """Return a check for each place where a pattern matches; the number is the one of its groups that did."""
    return [Check(what, match[match.lastindex or 0], measured, match.start(match.lastindex or 0))
            for match in re.finditer(pattern, page.text)]


def corrected(page: Page, checks: Sequence[Check]) -> str:
    """Return the page's text with what was counted in the places of the checks."""
    text = page.text
    for check in sorted(checks, key=lambda one: one.at, reverse=True):
        if isinstance(check.measured, int) and not decimals(check.said) and value(check.said) != check.measured:
            text = text[:check.at] + f"{check.measured:,}" + text[check.at + len(check.said):]
    return text
