"""Work through a list with several threads."""
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import TypeVar

from minidl.threads import get_num_threads

AHEAD = 32    # items that are being worked on, or done and waiting to be taken
S = TypeVar("S")
T = TypeVar("T")


@contextmanager
def in_order(function: Callable[[S], T], items: Iterable[S]) -> Iterator[Iterator[T]]:
    """Give an iterator of function(item) for each item, in their order, a few ahead of what is taken.

    Without that bound results would pile up in memory when they are made faster than they are used. After an error or
    Ctrl-C, what still waits is dropped.

    Examples
    --------
    >>> with in_order(abs, [-3, 2, -1]) as results:
    ...     print(list(results))
    [3, 2, 1]
    """
    pool = ThreadPoolExecutor(get_num_threads())

    def results() -> Iterator[T]:
        waiting: deque[Future[T]] = deque()
        for item in items:
            waiting.append(pool.submit(function, item))
            if len(waiting) >= AHEAD:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()

    try:
        yield results()
    finally:
        pool.shutdown(cancel_futures=True)
