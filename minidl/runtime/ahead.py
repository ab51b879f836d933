"""Make the next thing while one is worked on."""
from collections.abc import Iterable, Iterator
from typing import Any, TypeVar

Thing = TypeVar("Thing")
END: Any = object()          # what comes after the last


def ahead(things: Iterable[Thing]) -> Iterator[Thing]:
    """Yield things, such as the batches of an epoch, the next one being made in a thread while one is worked on.

    Reading from a file and NumPy's larger operations let other threads run meanwhile, so a training hardly waits for
    its images. The order, and so every random number, is that of a plain loop.
    """
    from concurrent.futures import ThreadPoolExecutor      # here, so that `import minidl` stays light
    source = iter(things)
    with ThreadPoolExecutor(1) as thread:
        coming = thread.submit(next, source, END)
        while (thing := coming.result()) is not END:
            coming = thread.submit(next, source, END)
            yield thing
