"""Processes that work together: one leads and starts the others, all share memory, commands come through pipes.

A worker is started as ``python -m minidl.runtime.worker``, so it needs no fork and nothing of the program that leads:
that may be a script without `if __name__ == "__main__"` or a notebook. It ends when its standard input does, so none is
left behind when the leading process ends, however that happens.
"""
import io
import os
import pickle
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from queue import SimpleQueue
from typing import Any

import numpy as np

from minidl.runtime.shared import SharedMemory, size_of
from minidl.types import Array, Shape

# Libraries for matrix products read these when they are loaded: each process uses one core.
BLAS_VARIABLES = ("OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "OMP_NUM_THREADS", "VECLIB_MAXIMUM_THREADS")

Place = tuple[int, Shape, str]      # of an array in shared memory: offset, shape, dtype


class Team:
    """The leading process's side of a team.

    Parameters
    ----------
    shapes : sequence of (shape, dtype)
        Of the arrays that all share.

    Attributes
    ----------
    arrays : list of arrays, zeros at first
    """

    def __init__(self, shapes: Sequence[tuple[Shape, Any]]) -> None:
        self.memory = SharedMemory(sum(size_of(shape, dtype) for shape, dtype in shapes))
        self.arrays: list[Array] = []
        self.places: dict[int, Place] = {}                      # by the array's id
        for shape, dtype in shapes:
            array, offset = self.memory.array(shape, dtype)
            self.arrays.append(array)
            self.places[id(array)] = (offset, shape, array.dtype.str)
        self.processes: list[subprocess.Popen[bytes]] = []
        self.batch: SharedMemory | None = None                  # of the latest command's arrays

    def place_parts(self, whole: Array, parts: Sequence[Array]) -> None:
        """Note that arrays lie one after the other in a shared one, as views."""
        offset, _, dtype = self.places[id(whole)]
        for part in parts:
            self.places[id(part)] = (offset, part.shape, dtype)
            offset += part.nbytes

    def start(self, module: str, workers: int, things: Any, own: Sequence[Any]) -> None:
        """Start the workers of ranks 1 to `workers` - 1, which run ``module.work()``, and hand them `things`.

        Shared arrays in `things` arrive as shared ones; objects of `own` arrive as None, for each to have its own.
        """
        nowhere = {id(thing) for thing in own}
        places = [self.places[id(array)] for array in self.arrays]
        for rank in range(1, workers):                             # Ctrl-C in the terminal goes to this process alone
            self.processes.append(subprocess.Popen(
                [sys.executable, "-m", "minidl.runtime.worker", module], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                env=worker_environment(), start_new_session=True,
                creationflags=getattr(subprocess, "CREATE_NEW_PROCESS_GROUP", 0)))
        for rank, process in enumerate(self.processes, 1):
            assert process.stdin is not None
            pickle.dump((rank, self.memory.path, places), process.stdin)
            pickler = pickle.Pickler(process.stdin)
            pickler.persistent_id = lambda thing: (                   # type: ignore[method-assign]
                () if id(thing) in nowhere else self.places.get(id(thing)))
            pickler.dump(things)
            process.stdin.flush()

    def command(self, arrays: Sequence[Array], *others: Any) -> list[Array]:
        """Put arrays into shared memory, and let all workers begin with them; return them as they lie there."""
        needed = sum(size_of(array.shape, array.dtype) for array in arrays)
        fresh = self.batch is None or self.batch.memory.size() < needed
        if fresh:
            self.release_batch()
            self.batch = SharedMemory(needed)
        assert self.batch is not None
        self.batch.used = 0
        placed = [self.batch.array(array.shape, array.dtype) for array in arrays]
        for (shared, _), array in zip(placed, arrays):
            shared[...] = array
        message = (self.batch.path if fresh else None,
                   [(offset, array.shape, array.dtype.str) for array, offset in placed], others)
        for process in self.processes:
            assert process.stdin is not None
            try:
                pickle.dump(message, process.stdin)
                process.stdin.flush()
            except OSError:
                self.check()
                raise
        return [array for array, _ in placed]

    def release_batch(self) -> None:
        """Remove the name of the memory of the latest command's arrays, when all have opened it."""
        if self.batch is not None:
            self.batch.unlink()

    def check(self) -> None:
        """Raise a RuntimeError if a worker has ended, with its traceback if it left one."""
        for rank, process in enumerate(self.processes, 1):
            if process.poll() is not None:
                assert process.stdout is not None
                told = process.stdout.read().decode("utf-8", "replace").strip()
                raise RuntimeError(f"worker {rank} " + (f"failed:\n{told}" if told else
                                                        f"ended unexpectedly, with exit status {process.returncode}"))

    def close(self) -> None:
        """End the workers, whatever they are doing, and leave nothing behind."""
        for process in self.processes:
            process.kill()
            process.communicate()
        self.memory.unlink()
        self.release_batch()


class Membership:
    """A worker's side of a team.

    Attributes
    ----------
    rank : int
    arrays : list of arrays
        Those that all share.
    things : what `Team.start` handed over
    """

    def __init__(self) -> None:
        self.rank, path, places = pickle.load(sys.stdin.buffer)
        memory = SharedMemory(path=path)
        self.arrays = [memory.view(*place) for place in places]
        unpickler = pickle.Unpickler(sys.stdin.buffer)
        unpickler.persistent_load = lambda place: memory.view(*place) if place else None  # type: ignore[method-assign]
        self.things = unpickler.load()

    def commands(self) -> Iterator[tuple[list[Array], tuple[Any, ...]]]:
        """Yield (arrays, others) of each command, until the leading process ends this one."""
        found: SimpleQueue[Any] = SimpleQueue()
        threading.Thread(target=_listen, args=(found.put,), daemon=True).start()
        while True:
            path, places, others = found.get()
            if path is not None:
                batch = SharedMemory(path=path)
            yield [batch.view(*place) for place in places], others


def worker_environment() -> dict[str, str]:
    """Return the environment of a program that finds the same modules, and has its matrix products in one thread."""
    return os.environ | {"PYTHONPATH": os.pathsep.join(sys.path), **dict.fromkeys(BLAS_VARIABLES, "1")}


def why_not_sent(things: Any) -> str:
    """Return why these things cannot be handed to a worker, which is another program; "" if they can."""
    def refuse(thing: Any) -> None | int:
        if getattr(thing, "__module__", None) == "__main__":
            raise pickle.PicklingError(f"{getattr(thing, '__name__', type(thing).__name__)} is defined in the program "
                                       "itself, not in a module that other processes could import")
        return 0 if isinstance(thing, np.ndarray) else None           # arrays would take long, and never fail
    pickler = pickle.Pickler(io.BytesIO())
    pickler.persistent_id = refuse                                    # type: ignore[method-assign]
    try:
        pickler.dump(things)
    except (AttributeError, TypeError, pickle.PicklingError) as error:
        return str(error)
    return ""


def _listen(put: Any) -> None:
    """Hand on the commands; when the leading process has ended, end this one as well, in the middle of anything."""
    try:
        while True:
            put(pickle.load(sys.stdin.buffer))
    except (EOFError, OSError, pickle.UnpicklingError):
        os._exit(0)
