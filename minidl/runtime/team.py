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
from collections.abc import Callable, Iterator, Sequence
from queue import SimpleQueue
from typing import Any

import numpy as np

from minidl.runtime.shared import SharedMemory, size_of
from minidl.types import Array, Shape

# Libraries for matrix products read these when they are loaded: each process uses one core.
BLAS_VARIABLES = ("OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "OMP_NUM_THREADS", "VECLIB_MAXIMUM_THREADS")


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
        self.arrays = [self.memory.array(shape, dtype) for shape, dtype in shapes]
        self.processes: list[subprocess.Popen[bytes]] = []
        self.batch: SharedMemory | None = None                  # of the latest command's arrays

    def start(self, module: str, workers: int, *things: Any) -> None:
        """Start the workers of ranks 1 to `workers` - 1, which run ``module.work()``, where `join` returns `things`."""
        for rank in range(1, workers):                          # Ctrl-C in the terminal goes to this process alone
            self.processes.append(subprocess.Popen(
                [sys.executable, "-m", "minidl.runtime.worker", module], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                env=worker_environment(), start_new_session=True,
                creationflags=getattr(subprocess, "CREATE_NEW_PROCESS_GROUP", 0)))
        for rank in range(1, workers):
            self._send(rank, self.memory.path, self.memory, (rank, *things))

    def _send(self, rank: int, path: str | None, memory: SharedMemory, things: Any) -> None:
        pipe = self.processes[rank - 1].stdin
        assert pipe is not None
        try:
            pickle.dump(path, pipe)
            memory.dump(things, pipe)
        except OSError:
            self.check()
            raise

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
        for shared, array in zip(placed, arrays):
            shared[...] = array
        for rank in range(1, len(self.processes) + 1):
            self._send(rank, self.batch.path if fresh else None, self.batch, (placed, *others))
        return placed

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


def join() -> Any:
    """Return, in a worker, its rank and what `Team.start` handed over, with the arrays that all share."""
    return SharedMemory(path=pickle.load(sys.stdin.buffer)).load(sys.stdin.buffer)


def commands() -> Iterator[tuple[Any, ...]]:
    """Yield, in a worker, each command's arrays and others, until the leading process ends this one."""
    found: SimpleQueue[Any] = SimpleQueue()
    threading.Thread(target=_listen, args=(found.put,), daemon=True).start()
    while True:
        yield found.get()


def worker_environment() -> dict[str, str]:
    """Return the environment of a program that finds the same modules, and has its matrix products in one thread."""
    return os.environ | {"PYTHONPATH": os.pathsep.join(sys.path), **dict.fromkeys(BLAS_VARIABLES, "1")}


def why_not_sent(things: Any) -> str:
    """Return why these things cannot be handed to a worker, which is another program; "" if they can."""
    class Pickler(pickle.Pickler):
        def persistent_id(self, thing: Any) -> None | int:
            if getattr(thing, "__module__", None) == "__main__":
                raise pickle.PicklingError(f"{getattr(thing, '__name__', type(thing).__name__)} is defined in the "
                                           "program itself, not in a module that other processes could import")
            return 0 if isinstance(thing, np.ndarray) else None       # arrays would take long, and never fail

    try:
        Pickler(io.BytesIO()).dump(things)
    except (AttributeError, TypeError, pickle.PicklingError) as error:
        return str(error)
    return ""


def _listen(put: Callable[[Any], None]) -> None:
    """Hand on the commands; when the leading process has ended, end this one as well, in the middle of anything."""
    memory: SharedMemory | None = None
    try:
        while True:
            path = pickle.load(sys.stdin.buffer)
            memory = SharedMemory(path=path) if path is not None else memory
            assert memory is not None
            put(memory.load(sys.stdin.buffer))
    except (EOFError, OSError, pickle.UnpicklingError):
        os._exit(0)
