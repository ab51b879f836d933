"""The reader's answers that pass, as functions to build on."""
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from minidl.course.exercises.catalog import find_exercises
from minidl.course.exercises.run import Result, check_exercises, checks_of
from minidl.course.exercises.worker import load
from minidl.course.exercises.workspace import PASSED, Workspace

FOLDER = "my"      # of the reader, in the project


def passed_answers(root: Path, lessons: Iterable[int], folder: Path | None = None) -> dict[str, Callable[..., Any]]:
    """Check the reader's files of some lessons; return the functions that pass, by name.

    Parameters
    ----------
    root : Path
        The project, with lessons/exercises.
    lessons : iterable of int
    folder : Path, optional
        Of the reader's files (default: my in the project).
    """
    work = Workspace(folder or root / FOLDER, find_exercises(root / "lessons" / "exercises"))
    work.prepare()
    found: dict[str, Callable[..., Any]] = {}
    for lesson in lessons:
        names = [result.exercise.name for result in check_and_note(work, lesson, root) if result.state == PASSED]
        if names:
            module = load(work.path(lesson))
            found |= {name: getattr(module, name) for name in names}
    return found


def check_and_note(work: Workspace, lesson: int, root: Path) -> list[Result]:
    """Check a lesson's exercises as they stand in the reader's file, and note in the record how they did."""
    digest = work.digest(lesson)                     # before: the file may be saved again meanwhile
    results = check_exercises(work.exercises[lesson], work.path(lesson), checks_of(lesson), root)
    work.save(lesson, {result.exercise.number: result.state for result in results}, digest)
    return results
