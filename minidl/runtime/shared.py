"""Memory that several processes share, and how they wait for each other in it.

The memory is a file in the temporary folder, mapped into each process: that works where the usual place for shared
memory is too small (64 MiB in many containers). The file's name is removed as soon as all have it open, so that nothing
is left behind, however the processes end. Windows removes no name of an open file; there, the memory is one with a name
but without a file, which ends with the last process that has it open.
"""
import math
import mmap
import os
import pickle
import sys
import tempfile
import threading
import time
import uuid
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import DTypeLike

from minidl.types import Array, Shape

ALIGNMENT = 64          # bytes of a cache line: counters of two processes never lie in one
LOOKS = 2_000           # at a counter before the first pause, about a tenth of a millisecond
PAUSE = 5e-4            # seconds of sleep between two looks, when it takes long
SLOTS = 2               # sums are gathered into two places in turn: nobody overwrites what another still reads
ROUND = 2**20           # more than anybody gathers between two barriers

_fence = threading.Lock()


class SharedMemory:
    """A block of bytes that processes share.

    Parameters
    ----------
    size : int
        In bytes, of a new block.
    path : path, optional
        Of the block that another process made.
    """

    def __init__(self, size: int = 0, path: str | None = None) -> None:
        self.used = 0
        if sys.platform == "win32":
            size = size if path is None else int(path.rpartition("-")[2])
            self.path = path or f"minidl-{uuid.uuid4()}-{size}"
            self.memory = mmap.mmap(-1, size, tagname=self.path)
            return
        self.path = path or _new_file(size)
        with open(self.path, "r+b") as file:
            self.memory = mmap.mmap(file.fileno(), 0)

    def array(self, shape: Shape, dtype: DTypeLike) -> Array:
        """Return a new array of zeros in the block."""
        array = self._view(self.used, shape, dtype)
        self.used += size_of(shape, dtype)
        return array

    def _view(self, offset: int, shape: Shape, dtype: DTypeLike) -> Array:
        return np.frombuffer(self.memory, dtype, math.prod(shape), offset).reshape(shape)

    def dump(self, things: Any, file: IO[bytes]) -> None:
        """Write things for another process, as pickle does; arrays in this block only as where they lie."""
        begin, size = _address(np.frombuffer(self.memory, np.uint8)), self.memory.size()

        class Pickler(pickle.Pickler):
            def persistent_id(self, thing: Any) -> Any:
                if isinstance(thing, np.ndarray) and 0 <= _address(thing) - begin < size:
                    return _address(thing) - begin, thing.shape, thing.dtype.str
                return None

        Pickler(file).dump(things)
        file.flush()

    def load(self, file: IO[bytes]) -> Any:
        """Read what another process has written with `dump`; arrays in this block are the shared ones."""
        view = self._view

        class Unpickler(pickle.Unpickler):
            def persistent_load(self, place: Any) -> Array:
                return view(*place)

        return Unpickler(file).load()

    def unlink(self) -> None:
        """Remove the file's name."""
        Path(self.path).unlink(missing_ok=True)


def _new_file(size: int) -> str:
    """Write a file of zeros into the temporary folder (written, and not only made long: a full disk is noticed)."""
    handle, path = tempfile.mkstemp(prefix="minidl-", suffix=".shared")
    try:
        with os.fdopen(handle, "wb") as file:
            for start in range(0, size, 2**24):
                file.write(bytes(min(2**24, size - start)))
    except OSError as error:
        Path(path).unlink(missing_ok=True)
        raise OSError(error.errno, f"{error.strerror}: expected room in {tempfile.gettempdir()} for {size:,} bytes "
                      "that several processes share; set TMPDIR to another folder, or use one thread, which shares none"
                      ) from error
    return path


def _address(array: Array) -> int:
    return int(array.__array_interface__["data"][0])


def size_of(shape: Shape, dtype: DTypeLike) -> int:
    """Return the bytes that an array takes in a block."""
    return -(-math.prod(shape) * np.dtype(dtype).itemsize // ALIGNMENT) * ALIGNMENT


class Meeting:
    """Processes that wait for each other: each has a counter, which the others watch.

    Parameters
    ----------
    counters : int64 array (workers, 8), shared
    slots : float64 array (SLOTS, workers, values), shared
    rank : int
        This process's number.
    check : function
        Called now and then while waiting; raises an error if waiting makes no sense any more.
    """

    def __init__(self, counters: Array, slots: Array, rank: int, check: Callable[[], None]) -> None:
        self.counters, self.slots, self.rank, self.check = counters, slots, rank, check
        self.active: Sequence[int] = range(len(counters))      # those who gather
        self.count = 0

    def gather(self, values: Array) -> Array:
        """Return the values (n,) of all who are active, (active, n), in the order of their ranks."""
        slot = self.slots[self.count % SLOTS]
        slot[self.rank, :len(values)] = values
        self.wait(self.count + 1, self.active)
        return slot[self.active, :len(values)]

    def barrier(self) -> None:
        """Wait until all are here, whether they gathered before or not."""
        self.wait((self.count // ROUND + 1) * ROUND, range(len(self.counters)))

    def wait(self, count: int, ranks: Sequence[int]) -> None:
        """Set the own counter, and wait until those of others have come as far."""
        _order_memory()
        self.count = self.counters[self.rank, 0] = count
        for rank in ranks:
            looks = 0
            while self.counters[rank, 0] < count:
                looks += 1
                if looks > LOOKS:
                    time.sleep(0 if looks < 2 * LOOKS else PAUSE)
                    if looks % 50 == 0:
                        self.check()
        _order_memory()


def _order_memory() -> None:
    """Let other processors see what was written before, before what is written after.

    Some (ARM) may exchange the two; taking and giving back a lock twice keeps them in order.
    """
    with _fence:
        pass
    with _fence:
        pass
