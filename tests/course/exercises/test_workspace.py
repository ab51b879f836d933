"""The reader's folder: nothing in it is lost."""
from pathlib import Path

import pytest

from minidl.course.exercises.catalog import find_exercises
from minidl.course.exercises.workspace import FAILED, OPEN, PASSED, PROGRESS, Workspace

STUBS = '''"""Stubs."""
import numpy as np


def first(x):
    """The first one.

    More about it.
    """
    raise NotImplementedError


def _helper(x):
    return x


def second(x):
    """The second one."""
    raise NotImplementedError
'''


@pytest.fixture
def stubs(tmp_path: Path) -> Path:
    folder = tmp_path / "stubs"
    folder.mkdir()
    (folder / "04_some.py").write_text(STUBS, encoding="utf-8")
    (folder / "07_other.py").write_text(STUBS.replace("first", "third").replace("second", "fourth"), encoding="utf-8")
    (folder / "__main__.py").write_text("", encoding="utf-8")
    return folder


@pytest.fixture
def work(stubs: Path, tmp_path: Path) -> Workspace:
    return Workspace(tmp_path / "my", find_exercises(stubs))


def test_exercises_are_the_functions_in_their_order(stubs: Path) -> None:
    found = find_exercises(stubs)
    assert list(found) == [4, 7]
    assert [(one.number, one.name, one.title) for one in found[4]] == [
        ("04.1", "first", "The first one"), ("04.2", "second", "The second one")]
    assert found[4][1].source.startswith("def second(x):") and found[4][1].source.endswith("NotImplementedError")


def test_stubs_are_copied_once(work: Workspace) -> None:
    assert work.prepare() == ["new: 04_some.py", "new: 07_other.py"]
    work.path(4).write_text("def first(x):\n    return 1\n\n\ndef second(x):\n    return 2\n", encoding="utf-8")
    before = work.path(4).read_text(encoding="utf-8")
    assert work.prepare() == []
    assert work.path(4).read_text(encoding="utf-8") == before


def test_new_exercise_is_added_below_what_is_there(work: Workspace) -> None:
    work.prepare()
    work.path(4).write_text("def first(x):\n    return 1\n", encoding="utf-8")
    assert work.prepare() == ["added to 04_some.py: second"]
    text = work.path(4).read_text(encoding="utf-8")
    assert text.startswith("def first(x):\n    return 1\n\n\ndef second(x):") and text.count("def second") == 1
    assert work.prepare() == []


def test_nothing_is_added_to_a_file_that_is_not_python_now(work: Workspace) -> None:
    work.prepare()
    work.path(4).write_text("def first(x)\n    return 1\n", encoding="utf-8")
    assert work.prepare() == []
    assert work.path(4).read_text(encoding="utf-8") == "def first(x)\n    return 1\n"


def test_reset_keeps_every_old_file(work: Workspace) -> None:
    assert work.reset(4) is None
    for count in (1, 2):
        work.path(4).write_text(f"# attempt {count}", encoding="utf-8")
        kept = work.reset(4)
        assert kept is not None and kept.name == f"04_some.old-{count}.py"
        assert work.path(4).read_text(encoding="utf-8") == STUBS
    assert (work.folder / "04_some.old-1.py").read_text(encoding="utf-8") == "# attempt 1"


def test_stub_is_not_changed_and_an_edited_file_is(work: Workspace) -> None:
    work.prepare()
    assert not work.changed(4)
    work.path(4).write_text("x = 1", encoding="utf-8")
    assert work.changed(4)
    work.save(4, {"04.1": FAILED}, work.digest(4))
    assert not work.changed(4)
    work.reset(4)
    assert work.changed(4), "the record is of another text"


def test_record_survives_and_says_what_is_next(work: Workspace) -> None:
    work.prepare()
    assert work.next() == work.exercises[4][0]
    work.save(4, {"04.1": PASSED, "04.2": PASSED}, work.digest(4))
    again = Workspace(work.folder, work.exercises)
    assert [again.state(one) for one in again.exercises[4]] == [PASSED, PASSED]
    assert again.state(again.exercises[7][0]) == OPEN
    assert again.next() == again.exercises[7][0]
    again.save(7, {"07.1": PASSED, "07.2": PASSED}, again.digest(7))
    assert again.next() is None


def test_hints_come_one_after_the_other(work: Workspace) -> None:
    work.prepare()
    exercise = work.exercises[4][0]
    assert [work.hint(exercise, 2) for _ in range(3)] == [0, 1, 1]


@pytest.mark.parametrize("text", ["", "{", "[]", '{"states": 3, "files": {}, "hints": {}}'])
def test_broken_record_begins_again(work: Workspace, text: str) -> None:
    work.prepare()
    (work.folder / PROGRESS).write_text(text, encoding="utf-8")
    again = Workspace(work.folder, work.exercises)
    assert again.next() == again.exercises[4][0]
