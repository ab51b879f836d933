"""A lesson shows the idea, not the drawing of it: at most one line of code in ten draws."""
import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.programs import ROOT

LESSONS = sorted((ROOT / "lessons").glob("[0-9][0-9]_*.py"))
DRAWING = ("minidl.plotting", "matplotlib", "minidl.course.figures")


def drawing_names(tree: ast.Module) -> set[str]:
    """Return the names that a script imports for drawing: all of these packages, and what `figures` modules hold."""
    names = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module:
            names |= {alias.asname or alias.name for alias in node.names
                      if node.module.startswith(DRAWING) or node.module.endswith(".figures")
                      or alias.name == "plotting" or alias.name.endswith(("_figure", "_grid"))}
    return names


def simple_statements(body: list[ast.stmt]) -> Iterator[ast.stmt]:
    """Yield the innermost statements: those in the bodies of loops, branches and functions by themselves."""
    for statement in body:
        inner = [part for name in ("body", "orelse", "finalbody") for part in getattr(statement, name, [])]
        if inner:
            yield from simple_statements(inner)
        else:
            yield statement


def draws(statement: ast.stmt, names: set[str]) -> bool:
    """Return whether a statement calls `lesson.figure`, or one of the names for drawing."""
    return any(isinstance(node, ast.Name) and node.id in names
               or isinstance(node, ast.Attribute) and node.attr == "figure" for node in ast.walk(statement))


def share_that_draws(path: Path) -> tuple[int, int]:
    """Return how many lines of code draw, and how many there are, imports and comments not counted."""
    text = path.read_text(encoding="utf-8")
    tree = ast.parse(text)
    names = drawing_names(tree)
    imports = {line for node in ast.walk(tree) if isinstance(node, (ast.Import, ast.ImportFrom))
               for line in range(node.lineno, (node.end_lineno or node.lineno) + 1)}
    code = {number for number, line in enumerate(text.splitlines(), 1)
            if line.strip() and not line.lstrip().startswith("#")} - imports
    drawn: set[int] = set()
    for statement in simple_statements(tree.body):
        if draws(statement, names):
            targets = statement.targets if isinstance(statement, ast.Assign) else []
            names |= {node.id for target in targets for node in ast.walk(target) if isinstance(node, ast.Name)}
            drawn |= set(range(statement.lineno, (statement.end_lineno or statement.lineno) + 1)) & code
    return len(drawn), len(code)


@pytest.mark.parametrize("lesson", LESSONS, ids=lambda path: path.stem)
def test_at_most_one_line_in_ten_draws(lesson):
    drawn, code = share_that_draws(lesson)
    assert drawn <= code / 10, f"{drawn} of {code} lines of code draw"


def test_share_counts_what_draws(tmp_path):
    script = tmp_path / "lesson.py"
    script.write_text("from minidl import plotting\nx = 1\nfor k in range(3):\n    y = k\n    z = plotting.draw(\n"
                      "        y)\n# a comment\nz.show()\nlesson.figure(x, 'name')\n", encoding="utf-8")
    assert share_that_draws(script) == (4, 7)
