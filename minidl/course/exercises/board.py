"""The board: all exercises on one screen of the terminal, and one of them explained."""
import os
import re
import sys
import textwrap
from pathlib import Path

from minidl.course.exercises.catalog import Exercise, functions_of
from minidl.course.exercises.run import Result
from minidl.course.exercises.workspace import FAILED, OPEN, PASSED, Workspace
from minidl.runtime.files import shorten

MARKS = {PASSED: "✓", FAILED: "✗", OPEN: "·"}
COLORS = {PASSED: "32", FAILED: "31", OPEN: "2"}      # green, red, dim: of a terminal


def colored(text: str, state: str) -> str:
    """Return a text in the color of a state, where the output goes to a terminal (and NO_COLOR is not set)."""
    if not sys.stdout.isatty() or "NO_COLOR" in os.environ:
        return text
    return f"\033[{COLORS[state]}m{text}\033[0m"


def board(work: Workspace, titles: dict[int, str]) -> str:
    """Return the board as text: a line for each lesson with the marks of its exercises, and what comes next."""
    everything = [one for exercises in work.exercises.values() for one in exercises]
    done = sum(work.state(one) == PASSED for one in everything)
    bar = "█" * round(30 * done / len(everything))
    lines = [f"exercises  {bar}{'░' * (30 - len(bar))}  {done} of {len(everything)} done", ""]
    width = max(len(titles.get(lesson, "")) for lesson in work.exercises)
    for lesson, exercises in work.exercises.items():
        marks = " ".join(colored(MARKS[work.state(one)], work.state(one)) for one in exercises)
        lines.append(f"{lesson:02d}  {titles.get(lesson, ''):<{width}}  {marks}")
    following = work.next()
    if following is None:
        return "\n".join([*lines, "", "All done. Your own U-Net: python lessons/17_unet.py --mine"])
    path = work.path(following.lesson)
    return "\n".join([*lines, "", f"next: {following.number} {following.name}: {following.title}",
                      f"      write it in {shorten(path)}{_line(path, following)}, then",
                      f"      python -m lessons.exercises {following.lesson:02d}"])


def _line(path: Path, exercise: Exercise) -> str:
    """Return where in the reader's file a function is, "" if that cannot be said at the moment."""
    try:
        functions = functions_of(path.read_text(encoding="utf-8"))
        found = [node.lineno for node, _ in functions if node.name == exercise.name]
    except (OSError, SyntaxError, ValueError):
        found = []
    return f", line {found[0]}" if found else ""


def report(results: list[Result], pointers: dict[str, str]) -> str:
    """Return what the check of one lesson found: a line for each exercise, and all about the first that failed.

    `pointers` says for each function where the lesson explains it.
    """
    lines = []
    for result in results:
        one, mark = result.exercise, MARKS[result.state]
        lines.append(colored(f"{mark} {one.number} {one.name}: {one.title}", result.state))
    # What has failed is more urgent than what has not been begun.
    first = next((result for state in (FAILED, OPEN) for result in results if result.state == state), None)
    if first is None:
        return "\n".join(lines)
    head = f"{first.exercise.number} {first.exercise.name}"
    lines += ["", head, "─" * len(head)]
    if first.state == OPEN:
        lines += [f"not written yet: {_place(first)}"]
    else:
        lines.append(wrapped(first.message))
    if first.printed.strip():
        lines += ["", "It printed:", first.printed.rstrip()]
    lines += ["", pointers[first.exercise.name],
              f"A hint: python -m lessons.exercises {first.exercise.number} --hint"]
    return "\n".join(lines)


def wrapped(text: str) -> str:
    """Return a text whose sentences are broken to fit a terminal; numbers and code keep their lines.

    >>> print(wrapped("[1. 2.]\\n" + "word " * 30))
    [1. 2.]
    word word word word word word word word word word word word word word word word word word word word word
    word word word word word word word word word
    """
    lines = [textwrap.wrap(line, 105) if len(line) > 105 and line[0].isalpha() else [line] for line in text.split("\n")]
    return "\n".join(line for some in lines for line in some)


def _place(result: Result) -> str:
    return f"its docstring says what it should do ({result.exercise.path.name})"


def find_section(lesson: Path, heading: str) -> str:
    """Return where a lesson has a section: its number, heading and line; ValueError if it has no such heading.

    The heading is given without its number, which may change.
    """
    for number, line in enumerate(lesson.read_text(encoding="utf-8").splitlines(), 1):
        found = re.fullmatch(r"# ##+ (?:(\d+)\. )?(.+)", line)
        if found and found[2] == heading:
            section = f"section {found[1]}, " if found[1] else ""
            return f"Lesson {int(lesson.name[:2])}, {section}“{heading}”: {shorten(lesson)}, line {number}"
    raise ValueError(f"{lesson.name}: expected a section with the heading {heading!r}, found none")
