"""Plain-text tables with aligned columns, which are Markdown tables too."""
from collections.abc import Sequence
from typing import Any


def table(head: Sequence[str], rows: Sequence[Sequence[Any]]) -> str:
    """Return a table: columns of text to the left, columns of numbers (and what begins with one) to the right.

    >>> print(table(["layer", "ms"], [["ReLU", 1.234], ["Conv2d", 1234.5], ["none", None]]))
    | layer  |   ms |
    |:-------|-----:|
    | ReLU   | 1.23 |
    | Conv2d | 1234 |
    | none   |    - |
    """
    cells = [list(head), *([cell(value) for value in row] for row in rows)]
    if any(len(row) != len(head) for row in cells):
        raise ValueError(f"table: expected rows of {len(head)} cells, got {sorted({len(row) for row in cells})}")
    widths = [max(len(row[i]) for row in cells) for i in range(len(head))]
    text = [any(isinstance(row[i], str) and not row[i][:1].isdecimal() for row in rows) for i in range(len(head))]

    def line(row: list[str]) -> str:
        return "| " + " | ".join(c.ljust(w) if left else c.rjust(w) for c, w, left in zip(row, widths, text)) + " |"

    rule = "|" + "|".join(":" + "-" * (w + 1) if left else "-" * (w + 1) + ":" for w, left in zip(widths, text)) + "|"
    return "\n".join([line(cells[0]), rule, *map(line, cells[1:])])


def cell(value: Any) -> str:
    """Return a value as it stands in a table: floats with about three digits, None as a dash.

    >>> [cell(value) for value in (0.0712, 3.14159, 64.25, 1535.2, 8, True, None, "ReLU")]
    ['0.07', '3.14', '64.2', '1535', '8', 'yes', '-', 'ReLU']
    """
    if value is None:
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:.0f}" if abs(value) >= 100 else f"{value:.1f}" if abs(value) >= 10 else f"{value:.2f}"
    return str(value)


def percent(share: float) -> str:
    """Return a share of 1 in percent.

    >>> percent(0.256)
    '25.6 %'
    """
    return f"{100 * share:.1f} %"


def ratio(ours: float, others: Sequence[float]) -> float | None:
    """Return ours divided by the best of the others; None if there are no others."""
    return ours / min(others) if others else None
