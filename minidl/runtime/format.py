"""How keys, numbers and tables are written for people: in figures, on the page, on the terminal."""
import math
from collections.abc import Mapping, Sequence
from numbers import Integral, Real
from typing import Any


def words(key: str) -> str:
    """Turn a key into words, the name of a score last.

    >>> words("test_mean_iou"), words("iou_border"), words("parameters")
    ('test mean IoU', 'border IoU', 'parameters')
    """
    parts = str(key).split("_")
    if parts[0] == "iou" and len(parts) > 1:
        parts = [*parts[1:], "iou"]
    return " ".join("IoU" if part == "iou" else part for part in parts)


def number(value: Any) -> str:
    """Write a number with about three digits; integers and texts whole, a dash for what is missing or not finite.

    >>> [number(value) for value in (0.0712, 3.14159, 64.25, 1535.2, 1e-7, 0.0, float("nan"))]
    ['0.071', '3.14', '64.2', '1,535', '1e-07', '0.000', '–']
    >>> [number(value) for value in (12, 1234567, True, None, "cat")]
    ['12', '1,234,567', 'yes', '–', 'cat']
    """
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, Integral):
        return f"{value:,}"
    if not isinstance(value, Real):
        return "–" if value is None else str(value)
    x = float(value)
    if not math.isfinite(x):
        return "–"
    if 0 < abs(x) < 0.001:
        return f"{x:.2g}"
    return f"{x:,.{3 if abs(x) < 1 else 2 if abs(x) < 10 else 1 if abs(x) < 100 else 0}f}"


def percent(share: float, decimals: int = 0) -> str:
    """Write a share in percent; one that is only nearly 0 or 1 is not rounded to it.

    >>> percent(0.834), percent(0.256, 1), percent(0.9999), percent(0.0001, 1), percent(1)
    ('83 %', '25.6 %', '> 99 %', '< 0.1 %', '100 %')
    """
    step = 10.0**-decimals
    rounded = round(100 * float(share), decimals)
    if 0 < share < 1 and not 0 < rounded < 100:
        return f"> {100 - step:.{decimals}f} %" if rounded else f"< {step:.{decimals}f} %"
    return f"{rounded:.{decimals}f} %"


def flat(numbers: Mapping[str, Any], before: str = "") -> list[tuple[str, str]]:
    """Return (name, value) of all numbers as texts, those in dicts under both names; long lists are left out.

    >>> flat({"test": {"mean_iou": 0.51234}, "parameters": 1234, "gain": [0.5, 1.0], "loss": float("nan")})
    [('test: mean IoU', '0.512'), ('parameters', '1,234'), ('gain', '0.500, 1.00'), ('loss', '–')]
    """
    rows = []
    for key, value in numbers.items():
        name = before + words(key)
        if isinstance(value, dict):
            rows += flat(value, f"{name}: ")
        elif not isinstance(value, list):
            rows.append((name, number(value)))
        elif len(value) <= 12 and not any(isinstance(one, (list, dict)) for one in value):
            rows.append((name, ", ".join(map(number, value))))
    return rows


def aligned(rows: Sequence[Sequence[str]], sides: str) -> str:
    """Return rows as lines of aligned columns ("<" left, ">" right), a rule below the first row and above the last."""
    widths = [max(map(len, column)) for column in zip(*rows)]
    lines = ["  ".join(f"{cell:{side}{width}}" for cell, side, width in zip(row, sides, widths)).rstrip()
             for row in rows]
    rule = "-" * (sum(widths) + 2 * len(widths) - 2)
    return "\n".join([lines[0], rule, *lines[1:-1], rule, lines[-1]])


def summary(rows: Sequence[tuple[str, tuple[int, ...], int]], total: int) -> str:
    """Return the table of a model's layers: (name, output shape, number of parameters) of each, and the total."""
    cells = [(name, str(shape) if shape else "", f"{count:,}" if count else "") for name, shape, count in rows]
    return aligned([("layer", "output shape", "parameters"), *cells, ("total", "", f"{total:,}")], "<<>")


def table(head: Sequence[str], rows: Sequence[Sequence[Any]]) -> str:
    """Return a Markdown table with aligned columns, of text to the left, of numbers (and what begins with one) right.

    >>> print(table(["layer", "ms"], [["ReLU", 1.234], ["Conv2d", 1234.5], ["none", None]]))
    | layer  |    ms |
    |:-------|------:|
    | ReLU   |  1.23 |
    | Conv2d | 1,234 |
    | none   |     – |
    """
    cells = [list(head), *([number(value) for value in row] for row in rows)]
    if any(len(row) != len(head) for row in cells):
        raise ValueError(f"table: expected rows of {len(head)} cells, got {sorted({len(row) for row in cells})}")
    widths = [max(map(len, column)) for column in zip(*cells)]
    left = [any(isinstance(row[i], str) and not row[i][:1].isdecimal() for row in rows) for i in range(len(head))]

    def line(row: list[str]) -> str:
        return "| " + " | ".join(c.ljust(w) if text else c.rjust(w) for c, w, text in zip(row, widths, left)) + " |"

    rule = "|" + "|".join(":" + "-" * (w + 1) if text else "-" * (w + 1) + ":" for w, text in zip(widths, left)) + "|"
    return "\n".join([line(cells[0]), rule, *map(line, cells[1:])])
