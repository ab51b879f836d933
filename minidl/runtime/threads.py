"""The number of threads: one setting for all that is done by several at once.

Images are trained on and rendered by several processes (see `minidl.parallel`), predicted and read by several threads;
and where one process works alone, NumPy's matrix products are split by the BLAS library behind NumPy. That library
reads its number from the environment (OPENBLAS_NUM_THREADS, say) when NumPy is imported; to change it later its own
function must be called, for which Python's ctypes is enough.

Threads of our own inside the layers, for what lies between the products, were tried and bring nothing: between two
products the library's threads do not sleep, but spin for some 25 ms so as to begin at once, and keep the cores from
anybody else. Cutting each layer's whole work among threads of our own instead is slower, too: small layers are done
sooner than Python has woken a thread. Lesson 21 has the numbers.
"""
import ctypes
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

import numpy as np

# (setter, getter) as they are called in NumPy's own wheels, in builds against a system's OpenBLAS, and in MKL.
_NAMES = (
    ("scipy_openblas_set_num_threads64_", "scipy_openblas_get_num_threads64_"),
    ("scipy_openblas_set_num_threads", "scipy_openblas_get_num_threads"),
    ("openblas_set_num_threads64_", "openblas_get_num_threads64_"),
    ("openblas_set_num_threads", "openblas_get_num_threads"),
    ("MKL_Set_Num_Threads", "MKL_Get_Max_Threads"),
)


_wanted: int | None = None    # what set_num_threads was told


def set_num_threads(n: int) -> None:
    """Use up to n threads (or processes) from now on, in the whole process.

    Raises
    ------
    ValueError
        If n is not an integer of at least 1.

    Notes
    -----
    Trainings of images differ by rounding for another n, as a batch is cut into other parts and summed in another
    order. All else that minidl splits gives the same bits. The BLAS library's products mostly do, but it does not
    promise it. Some libraries (Apple's Accelerate) cannot be told a number and keep their own; see `get_blas_threads`.
    """
    global _wanted
    if isinstance(n, bool) or not isinstance(n, (int, np.integer)) or n < 1:
        raise ValueError(f"set_num_threads: expected an integer of at least 1, got {n!r}")
    _wanted = int(n)
    functions = _blas_functions()
    if functions is not None:
        functions[0](_wanted)


def get_num_threads() -> int:
    """Return the number that was set, or else the number of cores that this process may use."""
    return _wanted or available_cores()


def get_blas_threads() -> int | None:
    """Return the number of threads of NumPy's matrix products; None where the library cannot be asked."""
    functions = _blas_functions()
    return None if functions is None else int(functions[1]())


@contextmanager
def blas_threads(n: int) -> Iterator[None]:
    """Within the `with` block, NumPy's matrix products use n threads, where the library can be told."""
    functions = _blas_functions()
    if functions is None:
        yield
        return
    before = functions[1]()
    functions[0](n)
    try:
        yield
    finally:
        functions[0](before)


def available_cores() -> int:
    """Return how many cores this process may use."""
    if hasattr(os, "sched_getaffinity"):        # Linux; elsewhere a process may use them all
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


@cache
def _blas_functions() -> tuple[Callable[[int], None], Callable[[], int]] | None:
    """Return the loaded BLAS library's setter and getter, or None where none is known."""
    for library in _libraries():
        for setter, getter in _NAMES:
            if hasattr(library, setter) and hasattr(library, getter):
                set_threads, get_threads = getattr(library, setter), getattr(library, getter)
                set_threads.argtypes, set_threads.restype = [ctypes.c_int], None
                get_threads.argtypes, get_threads.restype = [], ctypes.c_int
                return set_threads, get_threads
    return None


def _libraries() -> list[ctypes.CDLL]:
    """Return the libraries in which to look: NumPy's compiled core, through which a Unix also finds what it was
    linked with, and the libraries that NumPy's wheels bring along."""
    core = sys.modules.get("numpy._core._multiarray_umath") or sys.modules["numpy.core._multiarray_umath"]  # NumPy 2, 1
    package = Path(np.__file__).parent
    bundled = [path for folder in (package.parent / "numpy.libs", package / ".dylibs") if folder.is_dir()
               for path in sorted(folder.iterdir()) if "blas" in path.name or "mkl" in path.name]
    libraries = []
    for path in [str(core.__file__), *map(str, bundled)]:
        try:
            libraries.append(ctypes.CDLL(path))
        except OSError:
            continue                            # not loadable by itself: look further
    return libraries
