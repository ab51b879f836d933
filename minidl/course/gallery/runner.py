"""Run lessons, several at a time: how far all of it is, a log of each, and the page."""
import codecs
import json
import os
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import suppress
from pathlib import Path
from typing import TextIO

from minidl.course.gallery.results import LOG_HEAD, decisive, done_with, latest_options, note_failure, read_results
from minidl.course.gallery.scripts import Script
from minidl.runtime.files import shorten
from minidl.runtime.interrupt import stop_on_ctrl_c
from minidl.runtime.progress import LIVE, duration, last_written

GUESS = {False: 45.0, True: 3.0}     # seconds of a lesson of which nothing is known; True: with --quick
USAGE = 2                            # the exit status of a program that does not know its options
INTERRUPTED = 130                    # ours after Ctrl-C, as a shell has it
AT_ONCE_MOST = 4                     # lessons; each takes some hundred MiB
GLANCE = 0.5                         # seconds after which Ctrl-C is noticed at the latest (where waiting hides it)


def run_lessons(scripts: Sequence[Script], options: list[str], out: Path, search: Path,
                write_page: Callable[[], object], resume: bool = False, cores: int = 1) -> int:
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
    cores : int
        As many lessons run at a time (at most `AT_ONCE_MOST`), and share the cores. That keeps all of them busy, with
        steps of any size, and while figures are drawn.

    Returns
    -------
    int
        Exit status: 0; 1 if a lesson failed, or its log could not be written (the others are run all the same), 2 if
        it did not know its options (no other is begun), 130 after Ctrl-C.
    """
    path = os.pathsep.join(filter(None, [str(search), os.environ.get("PYTHONPATH")]))
    to_run = [script for script in scripts if not (resume and done_with(read_results(out / script.name), options))]
    at_once = min(cores, len(to_run), AT_ONCE_MOST) or 1
    line = RunLine(to_run, [_expected(out / script.name, options) for script in to_run], GUESS["--quick" in options],
                   at_once)
    for script in scripts:
        if script not in to_run:
            print(f"{script.title}: done already with these options", flush=True)
    own_data = any(option.partition("=")[0] == "--data" for option in options)
    if at_once > 1 and not own_data and any(script.uses_pets for script in to_run):
        from minidl.course.lesson import rendered_pets   # which imports matplotlib
        with suppress(OSError):                          # each lesson says what is wrong
            rendered_pets("--quick" in options)          # before two lessons do it at the same time
    environment = {**os.environ, "PYTHONPATH": path} | ({LIVE: "1"} if line.live else {})

    def begin(script: Script) -> Heard:
        again = _clear_the_way(out / script.name, options)
        log = _open_log(out / script.name / "log.txt", options, add=resume and again)
        command = [str(script.path), *options, *["--resume"] * (resume and again), "--out", str(out)]
        if at_once > 1 and not script.measures_time:
            command += ["--threads", str(cores // at_once)]
        return line.begin(script, log, command)

    def run(heard: Heard) -> int:
        """Run a lesson, in a thread of its own."""
        with heard.log:
            status = run_python(heard.command, environment, heard.listen)
            line.end(heard)
        if status and not stop.is_set():
            note(heard.script, heard.latest or f"exit status {status}")
        return status

    def note(script: Script, why: str) -> None:
        with suppress(OSError):                          # where nothing can be written, no results are either
            note_failure(out / script.name, options, why)

    interrupted: list[int] = []
    waiting, running = list(to_run), dict[Future[int], Script]()
    statuses: dict[int, int] = {}                        # exit statuses, by the lessons' numbers
    without_log: list[Script] = []
    with stop_on_ctrl_c(again=False) as stop, ThreadPoolExecutor(at_once) as pool:
        while waiting or running:
            while (one := _next(waiting, list(running.values()), at_once)) is not None:
                waiting.remove(one)
                try:
                    running[pool.submit(run, begin(one))] = one
                except OSError as error:
                    line.leave_out(one, f"not run, as its log cannot be written: {error}")
                    note(one, f"its log could not be written: {error}")
                    statuses[one.number] = 1
                    without_log.append(one)
                    write_page()
            done = wait(running, GLANCE, FIRST_COMPLETED).done
            if stop.is_set():
                interrupted = interrupted or [script.number for script in running.values()]
            for future in done:
                statuses[running.pop(future).number] = future.result()
                write_page()
            if stop.is_set() or USAGE in statuses.values():
                waiting.clear()                          # those that run come to their end
    if not statuses:
        write_page()
    if stop.is_set():
        print(f"stopped at lesson {', '.join(map(str, interrupted))}; --resume goes on from there", file=sys.stderr)
        return INTERRUPTED
    if len(scripts) > 1:
        ran = len(statuses) - len(without_log)
        print(f"\n{ran} of {len(scripts)} lessons run in {duration(time.perf_counter() - line.started)}"
              + (f", {len(scripts) - len(to_run)} done already" if len(to_run) < len(scripts) else ""))
    failed = [script for script in to_run if statuses.get(script.number)]
    if failed:
        names = ", ".join(str(script.number) for script in failed)
        logs = ", ".join(shorten(out / script.name / "log.txt") for script in failed if script not in without_log)
        print(f"failed: lesson {names}" + (f"; see {logs}" if logs else ""), file=sys.stderr)
    return USAGE if USAGE in statuses.values() else 1 if failed else 0


def _next(waiting: Sequence[Script], running: Sequence[Script], at_once: int) -> Script | None:
    """Return which lesson to begin now, the first that may; None if none may.

    One that measures time has the machine to itself. One that compares its result with those before it waits for them;
    where several run at a time, these come first, so that at the end not one long row of them is left for one core.
    """
    if len(running) >= at_once or any(script.measures_time for script in running):
        return None
    row = [] if any(script.compares for script in running) else [script for script in waiting if script.compares][:1]
    others = [script for script in waiting if not script.compares and not (script.measures_time and running)]
    may = [*row, *others]
    return next((script for script in (may if at_once > 1 else waiting) if script in may), None)


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


def _open_log(path: Path, options: list[str], add: bool) -> TextIO:
    """Begin a lesson's log, or go on with it, with a line of its options; an OSError names what cannot be written."""
    log = open(path, "a" if add else "w", encoding="utf-8")
    try:
        log.write(f"{LOG_HEAD}{json.dumps(options)}\n")
        log.flush()
    except OSError as error:                             # a full disk, whose error names no file
        with suppress(OSError):
            log.close()
        raise OSError(error.errno, error.strerror, str(path)) from error
    return log


def _expected(folder: Path, options: list[str]) -> float | None:
    """Return how many seconds a lesson took when it was last run with these options; None if that is not known."""
    results = read_results(folder)
    return results.seconds if decisive(results.arguments or []) == decisive(options) else None


class RunLine:
    """How far a run of lessons is, and what they print: a heading for each lesson, its lines, and on a terminal one
    line below all others that is rewritten, with the time and what a lesson's own progress line says.

    `expected` are the seconds that each will take, None where nobody knows; for these, `first_guess` counts at first.
    """

    def __init__(self, scripts: Sequence[Script], expected: Sequence[float | None], first_guess: float,
                 at_once: int = 1) -> None:
        self.expected = dict(zip((script.number for script in scripts), expected))
        self.first_guess, self.at_once = first_guess, at_once
        self.waiting, self.count = list(scripts), len(scripts)
        self.running: list[Heard] = []
        self.live = sys.stdout.isatty()
        self.started = time.perf_counter()
        self.width = 0                     # of the line that is rewritten
        self.took: list[float] = []        # seconds of each lesson of this run
        self.lock = threading.Lock()       # lessons are listened to in several threads

    def begin(self, script: Script, log: TextIO, command: Sequence[str] = ()) -> "Heard":
        """Print the heading of the next lesson; what it prints goes to the log, too."""
        with self.lock:
            heard = Heard(self, script, log, command)
            self.waiting.remove(script)
            self.running.append(heard)
            if self.count > 1:
                self.clear()
                print(f"\n=== {script.title} === {self.where()} ===", flush=True)
        return heard

    def leave_out(self, script: Script, why: str) -> None:
        """Say why a lesson is not begun."""
        with self.lock:
            self.waiting.remove(script)
            self.clear()
            print(f"{script.title}: {why}", file=sys.stderr, flush=True)

    def show(self, heard: "Heard", lines: Sequence[str]) -> None:
        """Print lines of a lesson, after its number if others run beside it."""
        with self.lock:
            self.clear()
            for line in lines:
                print(f"{heard.script.number:02d} | {line}" if self.at_once > 1 else line)
            if self.live:
                status = f"[{self.where()}] {last_written(heard.rest)}"[:shutil.get_terminal_size().columns - 1]
                print(status, end="")
                self.width = len(status)
            sys.stdout.flush()

    def clear(self) -> None:
        """Take away the line that is rewritten."""
        if self.live:
            print("\r" + " " * self.width + "\r", end="", flush=True)
            self.width = 0

    def end(self, heard: "Heard") -> None:
        """Finish a lesson."""
        if heard.rest:
            heard.listen("\n")
        with self.lock:
            self.clear()
            self.running.remove(heard)
            self.took.append(time.perf_counter() - heard.began)

    def where(self) -> str:
        """Return which lessons run, how many are done, the time so far, and about how long the rest will take."""
        now = time.perf_counter()
        left = sum(max(0.0, self.guess(heard.script) - (now - heard.began)) for heard in self.running)
        left += sum(self.guess(script) for script in self.waiting)
        numbers = " and ".join(str(heard.script.number) for heard in self.running)
        place = f", {self.count - len(self.waiting)} of {self.count}" if self.count > 1 else ""
        return (f"lesson{'s' * (len(self.running) > 1)} {numbers}{place}, {duration(now - self.started)} so far, "
                f"about {duration(left / self.at_once)} left")

    def guess(self, script: Script) -> float:
        """Return how many seconds a lesson will take: as many as last time, or as the others took in this run."""
        known = self.expected[script.number]
        return known if known is not None else sum(self.took) / len(self.took) if self.took else self.first_guess


class Heard:
    """A lesson that runs, and what it has printed so far."""

    def __init__(self, run: RunLine, script: Script, log: TextIO, command: Sequence[str]) -> None:
        self.run, self.script, self.log, self.command = run, script, log, command
        self.rest = self.latest = ""       # the line that is not complete yet, and the last one that was
        self.began = time.perf_counter()

    def listen(self, text: str) -> None:
        """Take what the lesson has printed."""
        *lines, self.rest = (self.rest + text).split("\n")
        lines = [last_written(line) for line in lines]
        self.log.writelines(line + "\n" for line in lines)
        self.latest = next((line for line in reversed(lines) if line), self.latest)
        self.run.show(self, lines)


def run_python(arguments: Sequence[str], environment: Mapping[str, str], listen: Callable[[str], None]) -> int:
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
