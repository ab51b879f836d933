"""Rows of an array that come one after the other: collected in memory, or in a file that memory need not hold."""
from pathlib import Path
from types import TracebackType

import numpy as np
from numpy.lib import format as npy

from minidl.slabs import Array


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
