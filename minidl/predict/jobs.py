"""Which files are images, and where the results of each go."""
import glob
import itertools
import os
import re
import unicodedata
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from minidl.datasets.pets.index import SUFFIXES
from minidl.runtime.files import unreadable

MASK, OVERLAY = ".mask.png", ".overlay.png"      # are added to an image's name
RESULT = re.compile(r"\.(mask|overlay|prob\d+)\.png$", re.IGNORECASE)
TABLE = "table.csv"
NAME_BYTES = 255         # no file system allows longer names


@dataclass(frozen=True)
class Job:
    """An image, the files for its results, and the problem, if there is nothing to read."""

    image: Path
    mask: Path
    overlay: Path
    problem: str = ""

    def probability(self, value: int) -> Path:
        """Return the file for the probability of the class that has this value in the mask."""
        return self.mask.with_name(f"{self.mask.name.removesuffix(MASK)}.prob{value}.png")


def find_jobs(arguments: Sequence[str | os.PathLike[str]], out: Path) -> tuple[list[Job], Counter[str]]:
    """Find the images that are meant, and choose the files for their results below `out`.

    A file is taken whatever its name is. A folder stands for all the files in it and in the folders below whose names
    end like an image's, except hidden ones and results of earlier runs; what else is there is not read, and counted
    by its suffix, as are links to folders. What cannot be read becomes a job with a problem. A pattern such as
    ``*.jpg`` is expanded where the shell has not done so (on Windows). An image that is meant twice is done once.

    The results of ``cat.jpg`` are ``cat.jpg.mask.png`` and ``cat.jpg.overlay.png``: with its suffix, because there may
    be a ``cat.png``. Those of a folder are in a folder of its name. If two would have the same name, the second gets a
    number. A ValueError is raised if a result would overwrite one of the images.
    """
    found: dict[str, tuple[Path, Path, str]] = {}                # by real path: image, its name below out, problem
    others: Counter[str] = Counter()
    for argument in arguments:
        for image, name, problem in find(Path(argument), others):
            found.setdefault(os.path.realpath(image), (image, name, problem))
    taken: set[str] = set()
    jobs = []
    for image, name, problem in found.values():
        base = str(out / free_name(name, taken))
        jobs.append(Job(image, Path(base + MASK), Path(base + OVERLAY), problem))
    images = {identity(job.image) for job in jobs if not job.problem}
    for result in (path for job in jobs for path in (job.mask, job.overlay)):
        if os.path.exists(result) and identity(result) in images:
            raise ValueError(f"{result}: this result would overwrite one of the images; choose another folder")
    return jobs, others


def find(path: Path, others: Counter[str]) -> Iterator[tuple[Path, Path, str]]:
    """Yield (image, name for its results, problem) for all that one argument stands for; count other files."""
    name = Path(path.name)
    if os.path.isdir(path):
        name = Path(os.path.basename(os.path.realpath(path)))    # of "." or "..", too
        found = [(image, name / image.relative_to(path), problem) for image, problem in walk(path, others)]
        problem = f"no images in this folder (names that end in {', '.join(sorted(SUFFIXES))})"
    elif os.path.lexists(path):
        found, problem = [(path, name, unreadable(path))], ""
    else:
        found = [one for match in sorted(glob.glob(str(path))) for one in find(Path(match), others)]
        problem = "nothing matches" if glob.has_magic(str(path)) else "no such file"
    yield from found or [(path, name, problem)]


def walk(folder: Path, others: Counter[str]) -> Iterator[tuple[Path, str]]:
    """Yield (image, problem) for the images in a folder and below, in the order of their names; count other files."""
    errors: list[OSError] = []
    for place, folders, files in os.walk(folder, onerror=errors.append):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        others["link to a folder"] += sum(os.path.islink(os.path.join(place, name)) for name in folders)
        for name in sorted(files):
            if name.startswith(".") or name == TABLE or RESULT.search(name):
                continue
            if name.lower().endswith(tuple(SUFFIXES)):
                yield Path(place, name), unreadable(Path(place, name))
            else:
                others[Path(name).suffix.lower() or "no suffix"] += 1
    for error in errors:
        yield Path(error.filename), f"cannot be read ({error.strerror})"


def identity(path: Path) -> tuple[int, int]:
    """Return what two names of the same file have in common."""
    status = os.stat(path)
    return status.st_dev, status.st_ino


def free_name(name: Path, taken: set[str]) -> Path:
    """Return the name; shorter if those of its results would be too long, and with a number in it if it is taken.

    Names that differ only in upper and lower case, or in the spelling of accents, are the same file on some systems.
    """
    for number in itertools.count(1):
        stem, end = name.stem, name.suffix if number == 1 else f"-{number}{name.suffix}"
        while stem and len(os.fsencode(stem + end + OVERLAY)) > NAME_BYTES:
            stem = stem[:-1]
        free = name.with_name(stem + end)
        key = unicodedata.normalize("NFC", free.as_posix()).casefold()
        if key not in taken:
            break
    taken.add(key)
    return free
