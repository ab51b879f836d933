"""The reader's own folder: copies of the stubs, which are never overwritten, and the record of what has passed."""
import hashlib
import json
import shutil
from pathlib import Path
from typing import Any

from minidl.course.exercises.catalog import Exercise, functions_of
from minidl.runtime.files import make_folder, replacing

PROGRESS = "progress.json"
PASSED, FAILED, OPEN = "passed", "failed", "open"      # open: the stub, as it came


class Workspace:
    """The folder ``my/`` with the reader's answers.

    Parameters
    ----------
    folder : Path
        Made when it is first needed.
    exercises : dict of list of Exercise
        By lesson, as `find_exercises` returns them.
    """

    def __init__(self, folder: Path, exercises: dict[int, list[Exercise]]) -> None:
        self.folder, self.exercises = folder, exercises
        self.record = read_record(folder)

    def path(self, lesson: int) -> Path:
        """Return the reader's file of a lesson."""
        return self.folder / self.exercises[lesson][0].path.name

    def prepare(self) -> list[str]:
        """Copy the stubs that are missing, whole files or single functions; return a line about each change.

        What the reader wrote stays: a function that came to the stubs later is appended to the reader's file.
        """
        make_folder(self.folder)
        changes = []
        for lesson, exercises in self.exercises.items():
            path = self.path(lesson)
            if not path.exists():
                shutil.copyfile(exercises[0].path, path)
                changes.append(f"new: {path.name}")
                continue
            missing = [one for one in exercises if one.name not in self._names(path)]
            if missing:
                text = path.read_text(encoding="utf-8").rstrip("\n")
                with replacing(path) as temporary:
                    temporary.write_text("\n\n\n".join([text, *(one.source for one in missing)]) + "\n",
                                         encoding="utf-8")
                changes.append(f"added to {path.name}: {', '.join(one.name for one in missing)}")
        return changes

    def _names(self, path: Path) -> list[str]:
        """Return the functions in a file; of one that is not Python at the moment, those that could be missing."""
        try:
            return [node.name for node, _ in functions_of(path.read_text(encoding="utf-8"))]
        except (SyntaxError, ValueError):
            return [one.name for exercises in self.exercises.values() for one in exercises]

    def reset(self, lesson: int) -> Path | None:
        """Put the stubs in place of the reader's file; return the new name of that, None if there was no file."""
        path, count = self.path(lesson), 1
        make_folder(self.folder)
        while (kept := path.with_name(f"{path.stem}.old-{count}.py")).exists():
            count += 1
        there = path.exists()
        if there:
            path.replace(kept)
        shutil.copyfile(self.exercises[lesson][0].path, path)
        return kept if there else None

    # The record.

    def changed(self, lesson: int) -> bool:
        """Return whether the reader's file is another than the one that was checked last."""
        path, stub = self.path(lesson), self.exercises[lesson][0].path
        digest = _digest(path)
        return digest != self.record["files"].get(path.name, _digest(stub))

    def save(self, lesson: int, states: dict[str, str], digest: str) -> None:
        """Note the states of a lesson's exercises, by number, and which text of the file they are of."""
        self.record["states"] |= states
        self.record["files"][self.path(lesson).name] = digest
        self._write()

    def digest(self, lesson: int) -> str:
        """Return what tells one text of the reader's file from another."""
        return _digest(self.path(lesson))

    def state(self, exercise: Exercise) -> str:
        """Return PASSED, FAILED or OPEN, as it was when the exercise was last checked."""
        return str(self.record["states"].get(exercise.number, OPEN))

    def next(self) -> Exercise | None:
        """Return the first exercise that has not passed."""
        return next((one for exercises in self.exercises.values() for one in exercises
                     if self.state(one) != PASSED), None)

    def hint(self, exercise: Exercise, count: int) -> int:
        """Return which of so many hints is next, from 0 on (after the last, the last again), and note that."""
        given = int(self.record["hints"].get(exercise.number, 0))
        self.record["hints"][exercise.number] = min(given + 1, count)
        self._write()
        return min(given, count - 1)

    def _write(self) -> None:
        with replacing(self.folder / PROGRESS) as temporary:
            temporary.write_text(json.dumps(self.record, indent=1) + "\n", encoding="utf-8")


def read_record(folder: Path) -> dict[str, dict[str, Any]]:
    """Return the record in a folder; an empty one if there is none, or none that can be read."""
    record: dict[str, dict[str, Any]] = {"states": {}, "files": {}, "hints": {}}
    try:
        found = json.loads((folder / PROGRESS).read_text(encoding="utf-8"))
        return {key: dict(found[key]) for key in record}
    except (OSError, ValueError, KeyError, TypeError):
        return record


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()[:16]
