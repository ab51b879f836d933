"""The cache of a split: one file of records, one record per readable image, in the order of the split.

The file has nothing but records, so its length tells whether it is whole. Its name holds a digest of the image files,
so that a changed set finds no cache. It is opened as a memory map: nothing is read before it is used.
"""
import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np

from minidl.datasets.pets.index import Source
from minidl.types import Array

CACHE_VERSION = 3        # to be raised whenever the same files would be read into other records


def record_type(size: int) -> np.dtype[Any]:
    """Return the type of a record: what is read from the files of one pet, resized to size x size."""
    return np.dtype([("source", "<i8"),                  # which of the split's sources it is
                     ("box", "<f4", (4,)), ("head_box", "<f4", (4,)),
                     ("image", "u1", (3, size, size)), ("trimap", "u1", (size, size))])


def cache_path(cache: Path, folder: Path, split: str, size: int, sources: list[Source]) -> Path:
    """Return the file for exactly these sources, in the state in which their files are now."""
    def state(path: Path | None) -> list[Any]:
        try:
            return [path.name, path.stat().st_size, path.stat().st_mtime_ns] if path else []
        except OSError:
            return []

    facts = [[source.entry.name, source.entry.species, source.entry.breed, source.missing,
              state(source.image), state(source.trimap), state(source.xml)] for source in sources]
    digest = hashlib.sha256(json.dumps([CACHE_VERSION, facts]).encode()).hexdigest()[:16]
    return cache / f"{folder.resolve().name[:40] or 'pets'}-{split}-{size}-{digest}.records"       # a name that fits


def open_records(path: Path, size: int, count: int) -> Array | None:
    """Return the records of a file, memory-mapped, or None if they are not those of (some of) `count` sources."""
    try:
        records = np.memmap(path, record_type(size), mode="r")
    except (OSError, ValueError):        # not there, empty, or not a multiple of a record's length
        return None
    source = records["source"]
    if source[0] < 0 or source[-1] >= count or (source[1:] <= source[:-1]).any():
        return None
    return records
