"""Which files are pictures, and where the results of each go."""
import glob
import os
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from minidl.datasets.pets.index import SUFFIXES

MASK, OVERLAY = ".mask.png", ".overlay.png"      # are added to a picture's name


@dataclass(frozen=True)
class Job:
    """One picture.

    Attributes
    ----------
    picture : Path
    mask, overlay : Path
        Where its results go.
    problem : str
        Why there is nothing to read, if so.
    """

    picture: Path
    mask: Path
    overlay: Path
    problem: str = ""


def find_jobs(arguments: Sequence[str | os.PathLike[str]], out: Path) -> list[Job]:
    """Find the pictures that are meant, and give each its places below `out`.

    A file is taken whatever it is called. A folder stands for all the files in it and in the folders below whose names
    end like a picture's; hidden ones are passed over, and so are results of earlier runs. A pattern such as ``*.jpg``
    is expanded where the shell has not done so (on Windows). A picture that is meant twice is done once.

    The results of ``cat.jpg`` are ``cat.jpg.mask.png`` and ``cat.jpg.overlay.png``: with its suffix, because there may
    be a ``cat.png``. Those of a folder are in a folder of its name. If two would be called the same, the second gets a
    number.

    Raises
    ------
    ValueError
        If a result would take the place of one of the pictures.
    """
    found: list[tuple[Path, Path, str]] = []                     # picture, its name below out, problem
    seen: set[str] = set()
    for argument in arguments:
        for picture, name, problem in find(Path(argument)):
            here = os.path.realpath(picture)
            if here not in seen:
                seen.add(here)
                found.append((picture, name, problem))
    taken: set[str] = set()
    jobs = []
    for picture, name, problem in found:
        base = out / free_name(name, taken)
        jobs.append(Job(picture, base.with_name(base.name + MASK), base.with_name(base.name + OVERLAY), problem))
    pictures = {identity(job.picture) for job in jobs if not job.problem}
    for job in jobs:
        for result in (job.mask, job.overlay):
            if os.path.exists(result) and identity(result) in pictures:
                raise ValueError(f"{result}: is one of the pictures, and would be overwritten; choose another folder "
                                 "for the results")
    return jobs


def find(path: Path) -> Iterator[tuple[Path, Path, str]]:
    """Yield (picture, name for its results, problem) for all that one argument stands for."""
    if os.path.isdir(path):
        top = Path(os.path.basename(os.path.realpath(path)))  # of "." or "..", too
        count = 0
        for picture, problem in walk(path):
            yield picture, top / picture.relative_to(path), problem
            count += 1
        if not count:
            yield path, top, f"no pictures in this folder (names that end in {', '.join(sorted(SUFFIXES))})"
    elif not os.path.exists(path) and glob.has_magic(str(path)):
        matches = sorted(glob.glob(str(path)))
        for match in matches:
            yield from find(Path(match))
        if not matches:
            yield path, Path(path.name), "nothing matches"
    else:
        yield path, Path(path.name), "" if os.path.exists(path) else "no such file"


def walk(folder: Path) -> Iterator[tuple[Path, str]]:
    """Yield (picture, problem) for the pictures in a folder and below, in the order of their names."""
    errors: list[OSError] = []
    for place, folders, files in os.walk(folder, onerror=errors.append):
        here = Path(place)
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(files):
            lower = name.lower()
            if lower.endswith(tuple(SUFFIXES)) and not lower.startswith(".") and not lower.endswith((MASK, OVERLAY)):
                yield here / name, ""
    for error in errors:
        yield Path(error.filename), f"cannot be read ({error.strerror})"


def identity(path: Path) -> tuple[int, int]:
    """Return what tells a file from all others, whatever it is called."""
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
