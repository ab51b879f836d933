"""Who imports whom, read from the source texts."""
import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

TESTS = Path(__file__).resolve().parent
ROOT = TESTS.parent
IN_A_TEXT = re.compile(r"\b(?:from|import) ([\w.]+)")           # of a program that a test starts


def imported(source: str) -> Iterator[str]:
    """Yield all modules that a source text imports, those of programs within its strings included.

    Of `from a import b` comes a.b, too: b may be a module.
    """
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            module = "." * node.level + (node.module or "")
            yield from (module, *(f"{module}.{alias.name}" for alias in node.names))
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield from IN_A_TEXT.findall(node.value)


def others_in(source: str) -> list[str]:
    """Return the test modules that a source text imports."""
    return [name for name in imported(source) if re.search(r"(^|\.)test_\w+$", name)]


@pytest.mark.parametrize("path", sorted(TESTS.rglob("*.py")), ids=lambda path: path.relative_to(TESTS).as_posix())
def test_no_test_imports_another(path):
    assert not others_in(path.read_text(encoding="utf-8")), "what tests share belongs into a module of its own"


@pytest.mark.parametrize("source", [
    "from tests.{} import x", "from tests import {}", "import tests.{} as t", "from .{} import x",
    "from . import {}", "def f():\n    import {}", "code = f'from tests.{} import x; x({{1}})'",
])
def test_imports_of_test_modules_are_seen(source):
    assert others_in(source.format("test_made_up"))
    assert not others_in(source.format("samples"))


@pytest.mark.parametrize("path", sorted([*ROOT.glob("lessons/*.py"), *ROOT.glob("minidl/*.py")]),
                         ids=lambda path: path.name)
def test_lessons_read_pets_through_the_lesson_which_names_what_it_leaves_out(path):
    assert path.name == "report.py" or "load_pets" not in path.read_text(encoding="utf-8"), "use Lesson.pets"
