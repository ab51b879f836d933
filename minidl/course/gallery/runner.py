"""Run lessons one after the other: one line on how far all of it is, a log of each, and the page."""
import codecs
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TextIO

from minidl.course.gallery.results import LOG_HEAD, decisive, done_with, latest_options, note_failure, read_results
from minidl.course.gallery.scripts import Script
from minidl.runtime.files import shorten
from minidl.runtime.interrupt import stop_on_ctrl_c
from minidl.runtime.progress import LIVE, duration

GUESS = {False: 45.0, True: 3.0}     # seconds of a lesson of which nothing is known; True: with --quick
USAGE = 2                            # the exit status of a program that does not know its options
INTERRUPTED = 130                    # ours after Ctrl-C, as a shell has it


def run_lessons(scripts: Sequence[Script], options: list[str], out: Path, search: Path,
                write_page: Callable[[], object], resume: bool = False) -> int:
    """Run the lessons with these options, and write the page after each.

    Parameters
    ----------
    scripts, options
        The lessons in the order to run them, and the options for each of them.
    out : Path
        Folder of the results; what a lesson prints is kept in NN_name/log.txt there.
    search : Path
        The folder that has minidl in it.
    write_page : function without arguments
    resume : bool
        Leave out those that are done with the same options; one that was interrupted goes on from its checkpoint.

    Returns
    -------
    int
        Exit status: 0; 1 if a lesson failed (the others are run all the same), 2 if it did not know its options (the
        others are not), 130 after Ctrl-C.
    """
    path = os.pathsep.join(filter(None, [str(search), os.environ.get("PYTHONPATH")]))
    line = RunLine(scripts, [_expected(out / script.name, options) for script in scripts], GUESS["--quick" in options])
    environment = {**os.environ, "PYTHONPATH": path} | ({LIVE: "1"} if line.live else {})
    failed: list[Script] = []
    status = 0
    with stop_on_ctrl_c(again=False) as stop:
        for script in scripts:
            folder = out / script.name
            if resume and done_with(read_results(folder), options):
                line.skip(script)
                continue
            again = _clear_the_way(folder, options)
            with open(folder / "log.txt", "a" if resume and again else "w", encoding="utf-8") as log:
                log.write(f"{LOG_HEAD}{json.dumps(options)}\n")
                log.flush()
                line.begin(log)
                command = [str(script.path), *options, *["--resume"] * (resume and again), "--out", str(out)]
                status = run_python(command, environment, line.listen)
                line.end()
            if status and not stop.is_set():
                failed.append(script)
                note_failure(folder, options, line.latest or f"exit status {status}")
            write_page()
            if stop.is_set():
                print(f"stopped at lesson {script.number}; --resume goes on from there", file=sys.stderr)
                return INTERRUPTED
            if status == USAGE:
                break
    if not line.run:
        write_page()
    if len(scripts) > 1:
        print(f"\n{line.run} of {len(scripts)} lessons run in {duration(time.perf_counter() - line.started)}"
              + (f", {line.skipped} done already" if line.skipped else ""))
    if failed:
        names = ", ".join(str(script.number) for script in failed)
        logs = ", ".join(shorten(out / script.name / "log.txt") for script in failed)
        print(f"failed: lesson {names}; see {logs}", file=sys.stderr)
    return USAGE if status == USAGE else 1 if failed else 0


def _clear_the_way(folder: Path, options: list[str]) -> bool:
    """Make a lesson's folder ready for a run; return whether one with the same options (or none) has begun there.

    Checkpoints of a training with other options cannot be resumed, and would be overwritten one by one: they go first.
    Only the number of epochs may differ.
    """
    folder.mkdir(parents=True, exist_ok=True)
    latest = latest_options(folder)
    if latest is None or decisive(latest, "--epochs") == decisive(options, "--epochs"):
        return True
    shutil.rmtree(folder / "checkpoints", ignore_errors=True)
    return False


def _expected(folder: Path, options: list[str]) -> float | None:
    """Return how many seconds a lesson took when it was last run with these options; None if that is not known."""
    results = read_results(folder)
    return results.seconds if decisive(results.arguments or []) == decisive(options) else None


class RunLine:
    """How far a run of lessons is, and what they print: a heading for each lesson, its lines, and on a terminal one
    line below all others that is rewritten, with the time and what the lesson's own progress line says.

    `expected` are the seconds that each will take, None where nobody knows; for these, `first_guess` counts at first.
    """

    def __init__(self, scripts: Sequence[Script], expected: Sequence[float | None], first_guess: float) -> None:
        self.expected = dict(zip((script.number for script in scripts), expected))
        self.first_guess, self.todo, self.count = first_guess, list(scripts), len(scripts)
        self.live = sys.stdout.isatty()
        self.started = self.began = time.perf_counter()
        self.run = self.skipped = self.width = 0
        self.rest = self.latest = ""       # the line that is not complete yet, and the last one that was
        self.took: list[float] = []        # seconds of each lesson of this run

    def skip(self, script: Script) -> None:
        """Print that a lesson is done already."""
        self.todo.pop(0)
        self.skipped += 1
        print(f"{script.title}: done already with these options", flush=True)

    def begin(self, log: TextIO) -> None:
        """Print the heading of the next lesson; what it prints goes to the log, too."""
        self.log, self.rest, self.latest, self.began = log, "", "", time.perf_counter()
        if self.count > 1:
            print(f"\n=== {self.todo[0].title} === {self.where()} ===", flush=True)

    def listen(self, text: str) -> None:
        """Take what the lesson has printed."""
        *lines, self.rest = (self.rest + text).split("\n")
        self._clear()
        for line in map(_last_written, lines):
            print(line)
            self.log.write(line + "\n")
            self.latest = line or self.latest
        if self.live:
            status = f"[{self.where()}] {_last_written(self.rest)}"[:shutil.get_terminal_size().columns - 1]
            print(status, end="")
            self.width = len(status)
        sys.stdout.flush()

    def _clear(self) -> None:
        if self.live:
            print("\r" + " " * self.width + "\r", end="", flush=True)

    def end(self) -> None:
        """Finish the lesson under way."""
        if self.rest:
            self.listen("\n")
        self._clear()
        self.width = 0
        self.todo.pop(0)
        self.run += 1
        self.took.append(time.perf_counter() - self.began)

    def where(self) -> str:
        """Return which lesson of how many it is, the time so far, and about how long the rest will take."""
        now = time.perf_counter()
        here = max(0.0, self.guess(self.todo[0]) - (now - self.began))
        left = here + sum(self.guess(script) for script in self.todo[1:])
        place = f", {self.count - len(self.todo) + 1} of {self.count}" if self.count > 1 else ""
        return (f"lesson {self.todo[0].number}{place}, {duration(now - self.started)} so far, "
                f"about {duration(left)} left")

    def guess(self, script: Script) -> float:
        """Return how many seconds a lesson will take: as many as last time, or as the others took in this run."""
        known = self.expected[script.number]
        return known if known is not None else sum(self.took) / len(self.took) if self.took else self.first_guess


def _last_written(line: str) -> str:
    """Return what a terminal shows of a line in which a carriage return goes back to the beginning.

    >>> _last_written("step 1\\rstep 2 \\r")
    'step 2'
    """
    return line.rstrip("\r").rpartition("\r")[2].rstrip()


def run_python(arguments: list[str], environment: Mapping[str, str], listen: Callable[[str], None]) -> int:
    """Run `python arguments...` and return its exit status; what it prints, errors included, goes to `listen`.

    Ctrl-C reaches both programs, and the other one may want to save before it ends: run this within `stop_on_ctrl_c`,
    which lets this program wait for it.
    """
    environment = {**environment, "PYTHONIOENCODING": "utf-8", "PYTHONUNBUFFERED": "1"}
    decoder = codecs.getincrementaldecoder("utf-8")("replace")
    with subprocess.Popen([sys.executable, *arguments], env=environment, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, bufsize=0) as process:
        assert process.stdout is not None
        while chunk := process.stdout.read(65536):
            listen(decoder.decode(chunk))
        listen(decoder.decode(b"", final=True))
        return process.wait()
