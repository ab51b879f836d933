"""Read a small table from a CSV file; an error names the line that is wrong."""
import csv
import math
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar

Row = TypeVar("Row")


def read_table(path: str | os.PathLike[str], columns: Sequence[str], parse: Callable[[list[str]], Row]) -> list[Row]:
    """Return what `parse` makes of each line below the header; empty lines are passed over.

    Parameters
    ----------
    path : path
    columns : strings
        What the file's first line, the header, must say.
    parse : function
        Takes a line's values, as many strings as there are columns; raises ValueError for those that are wrong.

    Raises
    ------
    OSError
        If there is no such file, or it cannot be read.
    ValueError
        If it is not text, its header is different, a line has too few or too many values, `parse` refuses one, or
        nothing follows the header. Names the file and the line.
    """
    path, rows = Path(path), []
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            lines = csv.reader(file, strict=True)
            header = next(lines, [])
            if header != list(columns):
                raise ValueError(f"expected the header {','.join(columns)}, got {','.join(header)[:200]!r}")
            for values in lines:
                if values:
                    if len(values) != len(columns):
                        raise ValueError(f"line {lines.line_num}: expected {len(columns)} values ({', '.join(columns)})"
                                         f", got {len(values)}")
                    rows.append(_parsed(parse, values, lines.line_num))
    except UnicodeDecodeError as error:
        raise ValueError(f"{path}: expected a table as text in UTF-8, got {error}") from error
    except csv.Error as error:
        raise ValueError(f"{path}, line {lines.line_num}: {error}") from error
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from None
    if not rows:
        raise ValueError(f"{path}: expected lines of values below the header, got none")
    return rows


def _parsed(parse: Callable[[list[str]], Row], values: list[str], line: int) -> Row:
    try:
        return parse(values)
    except ValueError as error:
        raise ValueError(f"line {line}: {error}") from None


def number(name: str, text: str, low: float, high: float) -> float:
    """Read a number from `low` to `high`.

    >>> number("petal_length", "1.4", 0, 100)
    1.4
    """
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not low <= value <= high:                         # NaN fails as well
        raise ValueError(f"{name}: expected a number from {low:g} to {high:g}, got {text[:20]!r}")
    return value
