"""The Oxford-IIIT Pet set: where its two archives are, and how they become a folder of pets.

The folder grows as `NAME.partial`, and takes its final name when all of it is there. An interrupted download goes on
from what it finds there; archives that were fetched in another way may be put there, too.

References
----------
O. M. Parkhi, A. Vedaldi, A. Zisserman, C. V. Jawahar, "Cats and Dogs", CVPR 2012; CC BY-SA 4.0,
https://www.robots.ox.ac.uk/~vgg/data/pets/
"""
import json
import os
import shutil
from collections.abc import Sequence
from pathlib import Path

from minidl.datasets.download.fetch import Archive, fetch, size_of
from minidl.datasets.download.unpack import ArchiveError, check_python, extract
from minidl.runtime.files import shorten

# What they take when unpacked is estimated generously, with a block of 4 KiB for each small file.
ARCHIVES = (
    Archive("annotations.tar.gz", 19_173_078, "52425fb6de5c424942b7626b428656fcbd798db970a937df61750c0f1d358e91",
            unpacked=150_000_000),
    Archive("images.tar.gz", 791_918_971, "67195c5e1c01f1ab5f9b6a5d22b8c27a580d896ece458917e61d459337fa318d",
            unpacked=900_000_000),
)
SOURCES = ("https://www.robots.ox.ac.uk/~vgg/data/pets/data/", "https://thor.robots.ox.ac.uk/datasets/pets/")
IMAGES = 7_349               # in trainval.txt and test.txt together
RECORD = "downloaded.json"   # in the finished folder: the archives' checksums


def download(to: str | os.PathLike[str], archives: Sequence[Archive] = ARCHIVES, sources: Sequence[str] = SOURCES,
             cache_bytes: int = 0) -> Path:
    """Make `to` a folder with the contents of the archives, unless it is one already, and return it.

    Parameters
    ----------
    to : path
    archives : sequence of Archive
        Each NAME.tar.gz holds a folder NAME.
    sources : sequence of str
        URLs of folders that have them, the best first.
    cache_bytes : int
        What will be written beside it afterwards: the free space is checked for that, too, before the long work.

    Raises
    ------
    ValueError
        If `to` holds something else, or an archive has something in it that should not be there.
    OSError
        If the archives cannot be downloaded, or there is too little free space.
    ImportError
        If this version of Python cannot unpack archives safely.
    """
    to = Path(to).resolve()
    record = {archive.name: archive.sha256 for archive in archives}
    if _recorded(to) == record:
        print(f"{shorten(to)} is there already")
        return to
    check_python()
    if to.exists() and not (to.is_dir() and not any(to.iterdir())):
        raise ValueError(f"{shorten(to)} exists and is not a complete download; choose another folder or remove it")
    partial = to.with_name(to.name + ".partial")
    partial.mkdir(parents=True, exist_ok=True)
    shutil.rmtree(partial / "unpacking", ignore_errors=True)     # what an interruption left
    needed = cache_bytes + sum(_needed(archive, partial) for archive in archives)
    free = shutil.disk_usage(partial).free
    if free < needed:
        raise OSError(f"{shorten(partial)}: expected {needed / 1e9:.2f} GB of free disk space, got {free / 1e9:.2f} GB")
    for archive in archives:
        if not (partial / _top(archive)).is_dir():
            _unpack(fetch(archive, partial, sources), partial, _top(archive))
        (partial / archive.name).unlink(missing_ok=True)
    (partial / RECORD).write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
    if to.exists():
        to.rmdir()           # it is empty; Windows would not rename over it
    partial.rename(to)
    return to


def _top(archive: Archive) -> str:
    return archive.name.split(".")[0]


def _recorded(folder: Path) -> object:
    """Return the record of a finished folder, None if there is none."""
    try:
        return json.loads((folder / RECORD).read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return None


def _needed(archive: Archive, partial: Path) -> int:
    """Return how many bytes are still to be written for an archive."""
    if (partial / _top(archive)).is_dir():
        return 0
    return max(0, archive.size - size_of(partial / archive.name)) + archive.unpacked


def _unpack(path: Path, partial: Path, top: str) -> None:
    """Unpack an archive's folder `top`, all or nothing."""
    unpacking = partial / "unpacking"
    print(f"unpacking {path.name}", flush=True)
    extract(path, unpacking)
    if not (unpacking / top).is_dir():
        raise ArchiveError(f"{path}: expected a folder {top} in it, got none")
    (unpacking / top).rename(partial / top)
    shutil.rmtree(unpacking, ignore_errors=True)
