"""Exercises: `python -m lessons.exercises` shows the board, with a lesson's number it checks them; see --help."""
import argparse
import importlib
import inspect
import os
import sys
from pathlib import Path

from minidl.course.exercises.answers import FOLDER, check_and_note
from minidl.course.exercises.board import board, find_section, report
from minidl.course.exercises.catalog import Exercise, find_exercises
from minidl.course.exercises.check import Check
from minidl.course.exercises.run import checks_of
from minidl.course.exercises.workspace import PASSED, Workspace
from minidl.course.gallery.page import write_page
from minidl.course.gallery.scripts import find_scripts
from minidl.runtime.console import prepare
from minidl.runtime.files import project_root, shorten

HERE = Path(__file__).resolve().parent
LESSONS, ROOT = HERE.parent, HERE.parent.parent


def main(arguments: list[str], folder: Path | None = None) -> int:
    """Do what the command line says and return the exit status: 0 if all that was checked has passed."""
    prepare()
    parser = argparse.ArgumentParser(
        prog="python -m lessons.exercises", allow_abbrev=False, description="Functions for you to write, checked by "
        f"the computer. Without a number: the board. The first time, the stubs come into {FOLDER}/, where you write.")
    parser.add_argument("number", nargs="?", help="a lesson, such as 04, or one exercise, such as 04.2")
    parser.add_argument("--hint", action="store_true", help="give a hint; the second time, one that says more")
    parser.add_argument("--solution", action="store_true", help="print how the library does it")
    parser.add_argument("--reset", action="store_true", help="begin a lesson's file again; yours gets a new name")
    options = parser.parse_args(arguments)
    exercises = find_exercises(HERE)
    chosen = choose(parser, exercises, options.number)
    if options.number is None and (options.hint or options.solution or options.reset):
        parser.error("expected a number beside --hint, --solution or --reset, such as 04.2")
    work = Workspace(folder or project_root() / FOLDER, exercises)
    try:
        if options.reset:
            kept = work.reset(chosen[0].lesson)
            print(f"{shorten(work.path(chosen[0].lesson))} begins again"
                  + (f"; what you wrote is in {shorten(kept)}" if kept else ""))
        changes = work.prepare()
        if len(changes) > 3:
            changes = [f"made {shorten(work.folder)}{os.sep} with stubs to fill in, a file per lesson"]
        for change in changes:
            print(change)
    except OSError as error:
        parser.error(f"{error.filename}: {error.strerror}")
    if options.solution:
        print(solution(chosen[0]))
        return 0
    if options.hint:
        print(hint(work, next((one for one in chosen if work.state(one) != PASSED), chosen[0])))
        return 0
    before = dict(work.record["states"])
    status = 0
    if options.number is None or options.reset:
        for lesson in exercises:
            if work.changed(lesson):
                print(f"checking {lesson:02d} ...", flush=True)
                check_and_note(work, lesson, ROOT)
        print(board(work, titles()))
    else:
        status = check_and_report(work, chosen)
    page = project_root() / "out" / "index.html"
    if work.record["states"] != before and page.is_file() and folder is None:
        write_page(list(find_scripts(LESSONS).values()), page.parent)         # its ticks
    return status


def choose(parser: argparse.ArgumentParser, exercises: dict[int, list[Exercise]], number: str | None) -> list[Exercise]:
    """Return the exercises that a number means: those of a lesson, or one; without a number all."""
    if number is None:
        return [one for some in exercises.values() for one in some]
    lesson, _, place = number.partition(".")
    found = exercises.get(int(lesson), []) if lesson.isdigit() else []
    if place:
        found = [one for one in found if str(one.place) == place]
    if not found:
        parser.error(f"no exercise {number}; there are: "
                     + ", ".join(f"{lesson:02d}.1–{len(some)}" for lesson, some in exercises.items()))
    return found


def check_for(exercise: Exercise) -> Check:
    """Return the check of one exercise."""
    return importlib.import_module(checks_of(exercise.lesson)).CHECKS[exercise.name]


def check_and_report(work: Workspace, chosen: list[Exercise]) -> int:
    """Check the exercises of a lesson, print what came of it and what comes next."""
    lesson = chosen[0].lesson
    script = find_scripts(LESSONS)[lesson].path
    results = check_and_note(work, lesson, ROOT)     # all of them: the record is of the file as it stands
    shown = [result for result in results if result.exercise in chosen]
    print(report(shown, {one.name: find_section(script, check_for(one).section) for one in chosen}))
    if any(result.state != PASSED for result in shown):
        return 1
    following = work.next()
    print("\nAll right." + (f" Next: {following.number} {following.name}: {following.title}" if following else
                            " And these were the last. Your own U-Net: python lessons/17_unet.py --mine"))
    return 0


def hint(work: Workspace, exercise: Exercise) -> str:
    """Return the next hint for an exercise."""
    hints = check_for(exercise).hints
    given = work.hint(exercise, len(hints))
    return f"{exercise.number} {exercise.name}, hint {given + 1} of {len(hints)}: {hints[given]}"


def solution(exercise: Exercise) -> str:
    """Return how the library does what an exercise asks for: file, line and code."""
    found = check_for(exercise).solution
    lines, start = inspect.getsourcelines(found)
    return f"{shorten(Path(inspect.getsourcefile(found) or ''))}, line {start}\n\n{''.join(lines).rstrip()}"


def titles() -> dict[int, str]:
    """Return the lessons' titles without their numbers."""
    return {number: script.title.partition(" · ")[2] or script.title
            for number, script in find_scripts(LESSONS).items()}


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
