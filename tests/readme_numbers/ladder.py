"""The ladder's tables, beside what `lessons/18_skip_connections.py --ladder` wrote to ladder_seeds.md."""
import re
from collections.abc import Iterator
from pathlib import Path

from tests.readme_numbers.check import Check
from tests.readme_numbers.markdown import Page, Table

SECONDS = 0.5                        # tolerance
SCORES = ("mean IoU", "object", "border")
OTHERS = ("parameters", "receptive field", "effective", "learning rate")
TRAINING = "training (s)"
LONGER = re.compile(r"\b4 ×")
FILE = Path("18_skip_connections", "ladder_seeds.md")
PHOTOGRAPHS = "photographs"          # the folder of the second ladder, in that of the results


def ladder_checks(page: Page, folder: Path) -> list[Check]:
    """Return the checks of each cell that a run of the ladder measures.

    A ladder is a table of models with mean IoU and border. The first is that of the rendered pets; a second one, or one
    whose text above it or whose column's head speaks of photographs, is that of the photographs.
    """
    tables = [table for table in page.tables
              if table.column("model") == 0 and None not in (table.column("mean IoU"), table.column("border"))
              and any(row[0].name == "U-Net" for row in table.rows)]
    return [check for k, table in enumerate(tables)
            for check in _cells(table, folder, k > 0 or ("photo" in table.before and "render" not in table.before))]


def _cells(table: Table, folder: Path, photographs: bool) -> Iterator[Check]:
    ladders = {there: read_ladder((folder / PHOTOGRAPHS if there else folder) / FILE) for there in (False, True)}
    for row in table.rows:
        for head, cell in zip(table.heads, row):
            there = photographs or "photo" in head
            if names := columns(head):
                measured = joined([ladders[there].get(row[0].name, {}).get(name) for name in names])
                yield Check(f"ladder{' on photographs' * there}: {row[0].name}, {head}", cell.text, measured, cell.at,
                            SECONDS if names == [TRAINING] else None, "" if ladders[there] else "no results")


def columns(head: str) -> list[str]:
    """Return which columns of ladder_seeds.md belong to a column of the README; none to one with other contents.

    >>> columns("border"), columns("4 × budget: mean IoU, border"), columns("s"), columns("lesson")
    (['border'], ['mean IoU, 4 × budget', 'border, 4 × budget'], ['training (s)'], [])
    """
    scores = [name for name in SCORES if name in head]
    if LONGER.search(head):
        return [f"{name}, 4 × budget" for name in scores]
    if head in ("s", "seconds", TRAINING):
        return [TRAINING]
    return scores or [name for name in OTHERS if name in head]


def joined(texts: list[str | None]) -> str | None:
    """Return cells as one; None if one of them is missing, a dash if all are dashes."""
    known = [text for text in texts if text is not None]
    if len(known) < len(texts):
        return None
    return known[0] if len(set(known)) == 1 else ", ".join(known)


def read_ladder(path: Path) -> dict[str, dict[str, str]]:
    """Return {model: {column: cell}}; {} if there is no such file."""
    if not path.is_file():
        return {}
    table, = Page.read(path).tables
    return {row[0].name: {head: cell.text for head, cell in zip(table.heads, row)} for row in table.rows}
