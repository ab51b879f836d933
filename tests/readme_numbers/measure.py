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
    """A command, and the file that it makes.

    The file gets its name when the command has come to its end; until then it is `partial`, and so it stays if the
    command was stopped or failed.

    Attributes
    ----------
    command : tuple of str
        Arguments of Python.
    file : Path, optional
    prints : bool
        Whether the file is what the command prints. If not, the command is told its name.
    again : bool
        Whether to run although the file is there.
    """

    command: tuple[str, ...]
    file: Path | None = None
    prints: bool = False
    again: bool = False

    def __str__(self) -> str:
        return "python " + " ".join(self.command) + (f" > {self.file}" if self.prints else "")


def partial(file: Path) -> Path:
    return file.with_name(file.name + ".partial")


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
                      str(folder)), folder / "ladder.log", prints=True, again=True) for folder, data in sets.items()]]
    if section == "speed":
        file = out / speed.FILE
        return [[Job(("-m", "minidl.benchmark", "--only", speed.SECTIONS, "--json", str(partial(file))), file)]]
    if section == "weights" and photographs:
        file = out / weights.FILE
        command = ("-m", "minidl.predict", "--score", str(photographs), "--out", str(file.parent))
        return [[Job(command, file, prints=True)]]
    return []


def lessons_job(out: Path, *arguments: str) -> Job:
    """Return the job that runs lessons, several at a time, with one core for each."""
    return Job(("-m", "lessons", *arguments, "--resume", "--threads", str(min(get_num_threads(), AT_ONCE_MOST)),
                "--out", str(out)))


def run(stages: list[list[Job]]) -> list[Job]:
    """Run the jobs, and return those that failed."""
    failed = []
    for stage in stages:
        running = [(job, begin(job)) for job in stage if not is_done(job)]
        try:
            statuses = [process.wait() for _, process in running]
        finally:
            for _, process in running:
                with suppress(subprocess.TimeoutExpired):        # Ctrl-C reaches them, too; they save what they have
                    process.wait(PATIENCE)
                process.terminate()
                process.wait()
        for (job, _), status in zip(running, statuses):
            if status:
                failed.append(job)
            elif job.file:
                partial(job.file).replace(job.file)
    return failed


def is_done(job: Job) -> bool:
    """Return whether a job need not be run, and say so."""
    done = job.file is not None and job.file.exists() and not job.again
    if done:
        print(f"{job.file}: there already", flush=True)
    return done


def begin(job: Job) -> "subprocess.Popen[bytes]":
    """Start a job's command in the project's folder, where it finds minidl and the lessons."""
    print(f"running: {job}", flush=True)
    search = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
    command, environment = [sys.executable, *job.command], os.environ | {"PYTHONPATH": search}
    if job.file is None or not job.prints:
        return subprocess.Popen(command, cwd=ROOT, env=environment)
    job.file.parent.mkdir(parents=True, exist_ok=True)
    with open(partial(job.file), "w", encoding="utf-8") as file:
        return subprocess.Popen(command, cwd=ROOT, env=environment, stdout=file)


def older_than_code(folder: Path) -> list[Path]:
    """Return the results that were made before a file of the library or of the lessons was last changed."""
    code = [path for top in ("minidl", "lessons") for path in (ROOT / top).rglob("*.py")]
    changed = max(path.stat().st_mtime for path in code)
    results = [*folder.glob("[0-9][0-9]_*/metrics.json"), folder / ladder.FILE,
               folder / ladder.PHOTOGRAPHS / ladder.FILE, folder / speed.FILE, folder / weights.FILE]
    return [path for path in results if path.is_file() and path.stat().st_mtime < changed]
