"""The exercises of a lesson on the page: which there are, and a tick at each that has passed."""
import html
from pathlib import Path

from minidl.course.exercises.catalog import Exercise, find_exercises
from minidl.course.exercises.workspace import PASSED, Workspace
from minidl.course.gallery.markdown import inline
from minidl.course.gallery.scripts import Script

SAID = {True: "passed", False: "to do"}


def exercises_of(script: Script, my: Path) -> str:
    """Return the list of a lesson's exercises as HTML, "" if it has none; `my` is the reader's folder."""
    found = find_exercises(script.path.parent / "exercises")
    mine = found.get(script.number, [])
    if not mine:
        return ""
    work = Workspace(my, found)
    rows = "".join(_row(one, work.state(one) == PASSED) for one in mine)
    return (f'<section class="exercises"><h3>Write it yourself</h3><ul>{rows}</ul>'
            f"<p><code>python -m lessons.exercises {script.number:02d}</code> checks what you wrote.</p></section>")


def exercises_done(scripts: list[Script], my: Path) -> str:
    """Return how many exercises have passed as a line of HTML, "" if there are none."""
    found = find_exercises(scripts[0].path.parent / "exercises") if scripts else {}
    everything = [one for some in found.values() for one in some]
    if not everything:
        return ""
    work = Workspace(my, found)
    done = sum(work.state(one) == PASSED for one in everything)
    return (f"<p>{done} of {len(everything)} exercises are done. <code>python -m lessons.exercises</code> shows which "
            "is next.</p>")


def _row(exercise: Exercise, passed: bool) -> str:
    mark = "✓" if passed else "○"
    return (f'<li class="{"passed" if passed else "open"}"><span role="img" aria-label="{SAID[passed]}">{mark}</span> '
            f"{exercise.number} <code>{html.escape(exercise.name)}</code> {inline(exercise.title)}</li>")
