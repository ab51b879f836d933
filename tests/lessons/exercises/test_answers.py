"""Every exercise: a right answer passes, the stub does not, and planted mistakes are named."""
import ast
import importlib
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lessons.exercises.__main__ import HERE, check_for
from minidl.course.exercises.board import find_section
from minidl.course.exercises.catalog import find_exercises, functions_of
from minidl.course.exercises.check import fault
from tests.lessons.exercises.planted import Planted

ANSWERS = Path(__file__).resolve().parent / "answers"
EXERCISES = {f"{one.number} {one.name}": one for some in find_exercises(HERE).values() for one in some}
PLANTED = {lesson: importlib.import_module(f"tests.lessons.exercises.mistakes.lesson_{lesson:02d}").PLANTED
           for lesson in find_exercises(HERE)}
MISTAKES = {f"{lesson:02d} {place} {one.exercise}": (lesson, one) for lesson, some in PLANTED.items()
            for place, one in enumerate(some)}


def answers(lesson: int, planted: Planted | None = None) -> dict[str, Any]:
    """Return the names of a lesson's answers, with a mistake planted in one of them."""
    path, = ANSWERS.glob(f"{lesson:02d}_*.py")
    text = path.read_text(encoding="utf-8")
    if planted is not None:
        source, = (source for node, source in functions_of(text) if node.name == planted.exercise)
        assert source.count(planted.old) == 1, "the place to change must be one place"
        text = text.replace(source, source.replace(planted.old, planted.new))
    names: dict[str, Any] = {}
    exec(compile(ast.parse(text), path.name, "exec"), names)
    return names


@pytest.mark.parametrize("name", EXERCISES)
def test_right_answer_passes(name: str) -> None:
    exercise = EXERCISES[name]
    assert fault(answers(exercise.lesson)[exercise.name], check_for(exercise), exercise.docstring) is None


@pytest.mark.parametrize("name", EXERCISES)
def test_stub_is_open(name: str) -> None:
    exercise = EXERCISES[name]
    names: dict[str, Any] = {"np": np}
    exec(exercise.source, names)
    with pytest.raises(NotImplementedError):
        fault(names[exercise.name], check_for(exercise), exercise.docstring)


@pytest.mark.parametrize("name", MISTAKES)
def test_planted_mistake_is_named(name: str) -> None:
    lesson, planted = MISTAKES[name]
    exercise, = (one for one in find_exercises(HERE)[lesson] if one.name == planted.exercise)
    text = fault(answers(lesson, planted)[planted.exercise], check_for(exercise), exercise.docstring)
    assert text is not None and planted.named in text, text


@pytest.mark.parametrize("name", EXERCISES)
def test_three_mistakes_are_planted_in_each(name: str) -> None:
    exercise = EXERCISES[name]
    only_shown = ("First difference", "Expected", "expected", "got")            # by their numbers, without a name
    assert sum(one.exercise == exercise.name and not one.named.startswith(only_shown)
               for one in PLANTED[exercise.lesson]) >= 3


@pytest.mark.parametrize("name", EXERCISES)
def test_exercise_says_where_its_lesson_is(name: str) -> None:
    exercise = EXERCISES[name]
    lesson = HERE.parent / exercise.path.name
    assert find_section(lesson, check_for(exercise).section)
    assert f"Lesson {exercise.lesson}, section" in exercise.docstring and ">>> " in exercise.docstring


@pytest.mark.parametrize("lesson", find_exercises(HERE))
def test_lesson_names_its_exercises(lesson: int) -> None:
    exercises = find_exercises(HERE)[lesson]
    text = (HERE.parent / exercises[0].path.name).read_text(encoding="utf-8")
    text = " ".join(text.partition("# **Write it yourself:** ")[2].partition("\n\n")[0].replace("\n#", "").split())
    assert f"`python -m lessons.exercises {lesson:02d}`" in text
    assert re.findall(r"`(\w+)`", text) == [one.name for one in exercises]
