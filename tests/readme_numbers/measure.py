"""The commands that measure the README's numbers, and the files in which their results are."""
import os
import subprocess
import sys
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from minidl.course.gallery.runner import AT_ONCE_MOST
from minidl.runtime.threads import get_num_threads
from tests.readme_numbers import ladder, speed, weights

ROOT = Path(__file__).resolve().parents[2]
PATIENCE = 60        # seconds for a command to come to its end after Ctrl-C
SECTIONS = ("lines", "lessons", "ladder", "speed", "weights")


@dataclass(frozen=True)
class Job:
    """A command; what it prints goes to `log` (None: to the terminal). It is left out if `done` is there."""

    command: tuple[str, ...]
    log: Path | None = None
    done: Path | None = None

    def __str__(self) -> str:
        return "python " + " ".join(self.command) + (f" > {self.log}" if self.log else "")


def jobs(section: str, out: Path, photographs: Path | None) -> list[list[Job]]:
    """Return the jobs of a section: lists that run one after the other, the jobs of a list at the same time.

    Lessons and ladders train on one core each, as for the README: on several, gradients add up in another order, and
    the last digits differ. Each command leaves out what is in the folder already.
    """
    sets: dict[Path, list[str]] = {out: []}
    if photographs:
        sets[out / ladder.PHOTOGRAPHS] = ["--data", str(photographs)]
    if section == "lessons":
        return [[lessons_job(out)]]
    if section == "ladder":      # the first row is K-means as lesson 8 has it
        return [*([lessons_job(folder, "8", *data)] for folder, data in sets.items()),
                [Job(("lessons/18_skip_connections.py", "--ladder", "--seeds", "3", "--threads", "1", *data, "--out",
                      str(folder)), folder / "ladder.log") for folder, data in sets.items()]]
    if section == "speed":
        file = out / speed.FILE
        return [[Job(("-m", "minidl.benchmark", "--only", speed.SECTIONS, "--json", str(file)), done=file)]]
    if section == "weights" and photographs:
        file = out / weights.FILE
        return [[Job(("-m", "minidl.predict", "--score", str(photographs), "--out", str(file.parent)), file, file)]]
    return []


def lessons_job(out: Path, *arguments: str) -> Job:
    """Return the job that runs lessons, several at a time, with one core for each."""
    return Job(("-m", "lessons", *arguments, "--resume", "--threads", str(min(get_num_threads(), AT_ONCE_MOST)),
                "--out", str(out)))


def run(stages: list[list[Job]]) -> list[Job]:
    """Run the jobs, and return those that failed."""
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))}
    failed = []
    for stage in stages:
        running = []
        for job in stage:
            if job.done and job.done.exists():
                print(f"{job.done}: there already", flush=True)
                continue
            print(f"running: {job}", flush=True)
            if job.log:
                job.log.parent.mkdir(parents=True, exist_ok=True)
            # The log gets its name at the end: one of a job that was stopped must not pass for its result.
            stream = open(partial(job.log), "w", encoding="utf-8") if job.log else None
            running.append((job, stream, subprocess.Popen([sys.executable, *job.command], cwd=ROOT, env=environment,
                                                          stdout=stream)))
        try:
            failed += [job for job, _, process in running if process.wait()]
        finally:
            for job, stream, process in running:
                with suppress(subprocess.TimeoutExpired):        # Ctrl-C reaches them, too; they save what they have
                    process.wait(PATIENCE)
                process.terminate()
                process.wait()
                if stream and job.log:
                    stream.close()
                    if process.returncode == 0:
                        partial(job.log).replace(job.log)
    return failed


def partial(log: Path) -> Path:
    return log.with_name(log.name + ".partial")


def older_than_code(folder: Path) -> list[Path]:
    """Return the results that were made before a file of the library or of the lessons was last changed."""
    code = [path for top in ("minidl", "lessons") for path in (ROOT / top).rglob("*.py")]
    changed = max(path.stat().st_mtime for path in code)
    results = [*folder.glob("[0-9][0-9]_*/metrics.json"), folder / ladder.FILE,
               folder / ladder.PHOTOGRAPHS / ladder.FILE, folder / speed.FILE, folder / weights.FILE]
    return [path for path in results if path.is_file() and path.stat().st_mtime < changed]
