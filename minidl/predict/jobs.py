"""Which files are images, and where the results of each go."""
import glob
import os
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from minidl.datasets.pets.index import SUFFIXES

MASK, OVERLAY = ".mask.png", ".overlay.png"      # are added to an image's name


@dataclass(frozen=True)
class Job:
    """An image, the files for its results, and the problem, if there is nothing to read."""

    image: Path
    mask: Path
    overlay: Path
    problem: str = ""


def find_jobs(arguments: Sequence[str | os.PathLike[str]], out: Path) -> list[Job]:
    """Find the images that are meant, and choose the files for their results below `out`.

    A file is taken whatever its name is. A folder stands for all the files in it and in the folders below whose names
    end like an image's, except hidden ones and results of earlier runs. A pattern such as ``*.jpg`` is expanded where
    the shell has not done so (on Windows). An image that is meant twice is done once.

    The results of ``cat.jpg`` are ``cat.jpg.mask.png`` and ``cat.jpg.overlay.png``: with its suffix, because there may
    be a ``cat.png``. Those of a folder are in a folder of its name. If two would have the same name, the second gets a
    number. A ValueError is raised if a result would overwrite one of the images.
    """
    found: dict[str, tuple[Path, Path, str]] = {}                # by real path: image, its name below out, problem
    for argument in arguments:
        for image, name, problem in find(Path(argument)):
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
    return jobs


def find(path: Path) -> Iterator[tuple[Path, Path, str]]:
    """Yield (image, name for its results, problem) for all that one argument stands for."""
    name = Path(path.name)
    if os.path.isdir(path):
        name = Path(os.path.basename(os.path.realpath(path)))    # of "." or "..", too
        found = [(image, name / image.relative_to(path), problem) for image, problem in walk(path)]
        problem = f"no images in this folder (names that end in {', '.join(sorted(SUFFIXES))})"
    elif os.path.exists(path):
        found, problem = [(path, name, "")], ""
    else:
        found = [one for match in sorted(glob.glob(str(path))) for one in find(Path(match))]
        problem = "nothing matches" if glob.has_magic(str(path)) else "no such file"
    yield from found or [(path, name, problem)]


def walk(folder: Path) -> Iterator[tuple[Path, str]]:
    """Yield (image, problem) for the images in a folder and below, in the order of their names."""
    errors: list[OSError] = []
    for place, folders, files in os.walk(folder, onerror=errors.append):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(files):
            if name.lower().endswith(tuple(SUFFIXES)) and not name.lower().endswith((MASK, OVERLAY)) and name[0] != ".":
                yield Path(place, name), ""
    for error in errors:
        yield Path(error.filename), f"cannot be read ({error.strerror})"


def identity(path: Path) -> tuple[int, int]:
    """Return what two names of the same file have in common."""
    status = os.stat(path)
    return status.st_dev, status.st_ino


def free_name(name: Path, taken: set[str]) -> Path:
    """Return the name, or one with a number in it if it is taken.

    Names that differ only in upper and lower case, or in the spelling of accents, are the same file on some systems.
    """
    free, number = name, 2
    while (key := unicodedata.normalize("NFC", free.as_posix()).casefold()) in taken:
        free = name.with_name(f"{name.stem}-{number}{name.suffix}")
        number += 1
    taken.add(key)
    return free
