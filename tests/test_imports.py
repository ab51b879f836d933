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


@pytest.mark.parametrize("path", sorted([*ROOT.glob("lessons/*.py"), *ROOT.glob("minidl/tasks/**/*.py")]),
                         ids=lambda path: path.relative_to(ROOT).as_posix())
def test_lessons_read_pets_through_the_lesson_which_names_what_it_leaves_out(path):
    text = path.read_text(encoding="utf-8")
    assert "load_pets(" not in text or "for problem in pets.problems:" in text, "use Lesson.pets"


# The house: which rooms a room of minidl may import, beside itself.
CORE = {"types", "layers", "loss", "optim", "gradcheck", "metrics", "models", "batches", "step", "training", "parallel",
        "checkpoint", "runtime"}
MAY_IMPORT: dict[str, set[str]] = {
    "types": set(), "runtime": {"types"}, "layers": {"types", "runtime"},
    **dict.fromkeys(CORE - {"types", "runtime", "layers"}, CORE),
    "datasets": CORE, "plotting": CORE | {"datasets"}, "course": CORE | {"datasets", "plotting"},
    "tasks": CORE | {"datasets", "plotting", "course"}, "predict": CORE | {"datasets"},
    "benchmark": CORE | {"datasets", "plotting"},
}
HOUSE = {".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"): path
         for path in sorted((ROOT / "minidl").rglob("*.py")) if path != ROOT / "minidl" / "__init__.py"}


def modules_in(source: str) -> set[str]:
    """Return the modules of minidl (but minidl itself) that a source text imports."""
    return {name for name in imported(source) if name in HOUSE}


def wrong_imports(module: str, source: str) -> list[str]:
    """Return what a module imports against the house's direction; tasks must not import one another."""
    room, *inside = module.split(".")[1:]
    wrong = []
    for other in modules_in(source):
        other_room, *other_inside = other.split(".")[1:]
        if other_room != room:
            wrong += [] if other_room in MAY_IMPORT[room] else [other]
        elif room == "tasks":
            wrong += [] if other_inside[:1] in ([], inside[:1]) else [other]
    return sorted(wrong)


@pytest.mark.parametrize("module", HOUSE)
def test_imports_point_one_way(module):
    assert not wrong_imports(module, HOUSE[module].read_text(encoding="utf-8"))


@pytest.mark.parametrize("module, source", [
    ("minidl.layers.conv", "import minidl.training"), ("minidl.loss", "from minidl.plotting import save"),
    ("minidl.training", "def f():\n    from minidl.tasks.segmentation import ladder"),
    ("minidl.predict.run", "from minidl import course"), ("minidl.runtime.npz", "from minidl.layers.base import Layer"),
    ("minidl.tasks.detection.boxes", "from minidl.tasks.segmentation.kmeans import kmeans"),
])
def test_imports_the_other_way_are_seen(module, source):
    assert wrong_imports(module, source)


def test_imports_form_no_circle():
    left = {module: {other for other in modules_in(path.read_text(encoding="utf-8")) if not module.startswith(other)}
            for module, path in HOUSE.items()}         # a package's own modules may name the package
    while free := [module for module, others in left.items() if not others & left.keys()]:
        for module in free:
            del left[module]
    assert not left
