"""Starts the process that checks a lesson's exercises, and says how it ended if it did not come to its end."""
import json
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from minidl.course.exercises.catalog import Exercise
from minidl.course.exercises.worker import MEMORY, TOO_MUCH
from minidl.course.exercises.workspace import FAILED

SECONDS = 10.0      # for the check of one exercise; a right answer takes less than 2
GRACE = 20.0        # that the process gets on top, for its start


@dataclass(frozen=True)
class Result:
    """What became of one exercise: its state, what to say about it, what it printed, and the time it took."""

    exercise: Exercise
    state: str
    message: str = ""
    printed: str = ""
    seconds: float = 0.0


def checks_of(lesson: int) -> str:
    """Return the name of the module with the checks of a lesson's exercises."""
    return f"lessons.exercises.checks.lesson_{lesson:02d}"


def check_exercises(exercises: Sequence[Exercise], path: Path, checks: str, root: Path,
                    seconds: float = SECONDS) -> list[Result]:
    """Check the reader's file of one lesson.

    Parameters
    ----------
    exercises : list of Exercise
        Of one stub file.
    path : Path
        The reader's file.
    checks : str
        The module with the dict CHECKS, by the functions' names.
    root : Path
        The project, from which that module is imported.
    seconds : float
        After so many, the check of an exercise is stopped.
    """
    results: dict[str, Result] = {}
    left = list(exercises)
    while left:
        for result in _run(left, path, checks, root, seconds):
            results[result.exercise.name] = result
        left = [one for one in left if one.name not in results]
    return [results[one.name] for one in exercises]


def _run(exercises: Sequence[Exercise], path: Path, checks: str, root: Path, seconds: float) -> list[Result]:
    """Run one process; return the results it came to. If it was stopped, the last is of the exercise in progress."""
    named = {one.name: one for one in exercises}
    with tempfile.TemporaryDirectory() as folder:
        record = Path(folder) / "results.jsonl"
        record.touch()
        command = [sys.executable, "-m", "minidl.course.exercises.worker", checks, str(path), str(exercises[0].path),
                   str(record), str(seconds), *named]
        places = os.pathsep.join(filter(None, [str(root), os.environ.get("PYTHONPATH")]))
        environment = os.environ | {"PYTHONPATH": places, "PYTHONIOENCODING": "utf-8", "PYTHONDONTWRITEBYTECODE": "1"}
        try:
            process = subprocess.run(command, env=environment, capture_output=True, encoding="utf-8", errors="replace",
                                     stdin=subprocess.DEVNULL, timeout=seconds * len(exercises) + GRACE)
            status, said = process.returncode, process.stderr
        except subprocess.TimeoutExpired as error:
            status, said = None, (error.stderr or b"").decode("utf-8", "replace")
        lines = [json.loads(line) for line in record.read_text(encoding="utf-8").splitlines()]
    results = [Result(named[line.pop("name")], **line) for line in lines if "name" in line]
    begun = [named[line["begun"]] for line in lines if "begun" in line]
    if len(begun) > len(results):
        results.append(Result(begun[-1], FAILED, _ended(status, said, path, seconds)))
    elif len(results) < len(exercises):         # not even begun: nothing that the reader wrote is to blame
        raise RuntimeError(f"the process that checks {path.name} ended with status {status}:\n{said.strip()}")
    return results


def _ended(status: int | None, said: str, path: Path, seconds: float) -> str:
    """Return why the process ended in the middle of an exercise."""
    if status == TOO_MUCH or "MemoryError" in said:
        return f"Stopped: it took more than {MEMORY >> 20:,} MiB of memory."
    if status is None or "Timeout" in said:
        lines = [int(number) for file, number in re.findall(r'File "(.+?)", line (\d+)', said)
                 if Path(file).name == path.name]
        at = f" It was at line {lines[0]} of {path.name}." if lines else ""
        return f"Stopped after {seconds:g} seconds: does a loop never end?{at}"
    return f"The process ended with exit status {status}.\n{said.strip()[-1000:]}"
