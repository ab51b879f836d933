"""Keep the resized arrays of a set in files, and use them again only for the very same set.

A cache is a folder of .npy files and meta.json: the pictures' names, what was wrong with those left out, and a
checksum of each array. The folder's name holds a digest of the pictures' files, so that a changed set finds no cache.
"""
import hashlib
import json
import re
import shutil
import time
import uuid
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np
from numpy.lib import format as npy

from minidl.datasets.pets.index import Source
from minidl.types import Array

CACHE_VERSION = 1        # to be raised whenever the same files would be read into other arrays
CACHED = ("images", "trimaps", "species", "breeds", "boxes", "head_boxes")
MAPPED = ("images", "trimaps")
STALE = 3600.0           # seconds without a new picture after which a draft is given up


def digest(sources: list[Source]) -> str:
    """Return a short name for exactly this list of files, in this state."""
    def state(path: Path | None) -> list[Any]:
        try:
            return [path.name, path.stat().st_size, path.stat().st_mtime_ns] if path else []
        except OSError:
            return []

    facts = [[source.entry.name, source.entry.species, source.entry.breed, source.missing,
              state(source.picture), state(source.trimap), state(source.xml)] for source in sources]
    return hashlib.sha256(json.dumps([CACHE_VERSION, facts]).encode()).hexdigest()[:16]


@contextmanager
def drafting(place: Path) -> Iterator[Path]:
    """Make a folder beside `place` to write a cache to, and remove it in the end, unless it was `put` in place."""
    _remove_stale(place.parent)
    draft = place.with_name(f"{place.name}.{uuid.uuid4().hex[:8]}.tmp")
    try:
        draft.mkdir()
        yield draft
    finally:
        shutil.rmtree(draft, ignore_errors=True)


def _remove_stale(cache: Path) -> None:
    """Remove the drafts that killed processes left; a younger one may belong to a living one."""
    for path in cache.iterdir():
        if re.search(r"-[0-9a-f]{16}\.[0-9a-f]{8}\.(tmp|old)$", path.name):
            try:
                times = [file.stat().st_mtime for file in (path, *path.iterdir())]
            except OSError:                                        # finished just now
                continue
            if time.time() - max(times) > STALE:
                shutil.rmtree(path, ignore_errors=True)


def complete(draft: Path, names: list[str], problems: list[str], facts: dict[str, Array]) -> None:
    """Add to a draft, where images.npy and trimaps.npy are already, the other arrays and meta.json."""
    for key, array in facts.items():
        np.save(draft / f"{key}.npy", array, allow_pickle=False)
    meta = {"names": names, "problems": problems, "crc32": {key: _crc32(draft / f"{key}.npy") for key in CACHED}}
    (draft / "meta.json").write_text(json.dumps(meta, indent=1), encoding="utf-8")


def put(draft: Path, place: Path) -> None:
    """Give a complete draft its name; nothing in it may be open."""
    if place.exists():
        # Damaged, or it would have been used. On Windows renaming fails while somebody has it open: then
        # it stays.
        old = draft.with_suffix(".old")
        place.rename(old)
        shutil.rmtree(old, ignore_errors=True)
    draft.rename(place)


def load_arrays(place: Path, mapped: tuple[str, ...] = MAPPED) -> dict[str, Array]:
    """Return a cache's arrays, read-only; those of `mapped` as memory-mapped files."""
    arrays: dict[str, Array] = {}
    for key in CACHED:
        path = place / f"{key}.npy"
        if key in mapped:
            arrays[key] = npy.open_memmap(path, mode="r")
        else:
            with path.open("rb") as file:
                arrays[key] = npy.read_array(file, allow_pickle=False)
    for array in arrays.values():
        array.flags.writeable = False
    return arrays


def open_cache(place: Path, names: list[str], size: int) -> tuple[list[str], dict[str, Array]] | None:
    """Return the names and the arrays in a cache, or None unless everything about them is as it should be.

    Parameters
    ----------
    place : path
        The cache's folder.
    names : list of str
        All pictures asked for. Those that could not be read when the cache was made are missing in it.
    size : int
        The side of the pictures.

    Returns
    -------
    names : list of str
    arrays : dict
        Read-only, the large ones memory-mapped; for their shapes see :class:`minidl.datasets.pets.reader.Pets`.
    """
    try:
        meta = json.loads((place / "meta.json").read_text(encoding="utf-8"))
        known, sums = set(meta["names"]), meta["crc32"]
        if any(_crc32(place / f"{key}.npy") != sums[key] for key in CACHED):
            return None
        arrays = load_arrays(place)
    except Exception:        # whatever is wrong with it, including memory for what its headers promise
        return None
    there = [name for name in names if name in known]
    N = len(there)
    expected = {"images": (np.uint8, (N, 3, size, size)), "trimaps": (np.uint8, (N, size, size)),
                "species": (np.int64, (N,)), "breeds": (np.int64, (N,)),
                "boxes": (np.float32, (N, 4)), "head_boxes": (np.float32, (N, 4))}
    if there != meta["names"] or any((array.dtype, array.shape) != expected[key] for key, array in arrays.items()):
        return None
    return there, arrays


def _crc32(path: Path) -> int:
    value = 0
    with path.open("rb") as file:
        while block := file.read(2**20):
            value = zlib.crc32(block, value)
    return value


class MemoryRows:
    """Up to `count` uint8 rows of a shape, in memory. `array` has those that were appended."""

    def __init__(self, count: int, shape: tuple[int, ...]) -> None:
        self._room = np.empty((count, *shape), np.uint8)
        self._used = 0

    def append(self, row: Array) -> None:
        self._room[self._used] = row
        self._used += 1

    @property
    def array(self) -> Array:
        return self._room[:self._used]


class FileRows:
    """Up to `count` uint8 rows of a shape, in a .npy file, which is whole once the context is left.

    The rows are written as they come. (A memory-mapped array would do, but what is written to it stays in the process's
    memory for as long as the system likes.) How many they were is only known then, and the header corrected; it takes
    128 bytes in any case, as NumPy fills it up to a multiple of 64.
    """

    def __init__(self, path: Path, count: int, shape: tuple[int, ...]) -> None:
        self.shape, self._used = shape, 0
        self._file = path.open("wb")
        self._start = self._write_header(count)

    def append(self, row: Array) -> None:
        self._file.write(np.ascontiguousarray(row, np.uint8).data)
        self._used += 1

    def _write_header(self, count: int) -> int:
        self._file.seek(0)
        npy.write_array_header_1_0(self._file, {"descr": "|u1", "fortran_order": False, "shape": (count, *self.shape)})
        return self._file.tell()

    def __enter__(self) -> "FileRows":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None,
                 trace: TracebackType | None) -> None:
        with self._file:
            if kind is None and self._write_header(self._used) != self._start:
                raise RuntimeError(f"{self._file.name}: its header changed its length")
