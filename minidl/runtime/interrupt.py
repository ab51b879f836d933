"""Run another Python program and hear what it prints; and Ctrl-C as something to look at when there is time."""
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType


@contextmanager
def stop_on_ctrl_c(again: bool = True) -> Iterator[threading.Event]:
    """Turn Ctrl-C into an event to look at between steps: nothing is cut in half.

    If `again`, a second Ctrl-C interrupts at once.
    """
    stop = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield stop                              # only the main thread may set signal handlers
        return

    def on_signal(number: int, frame: FrameType | None) -> None:
        if stop.is_set() and again:
            raise KeyboardInterrupt
        stop.set()

    before = signal.signal(signal.SIGINT, on_signal)
    try:
        yield stop
    finally:
        signal.signal(signal.SIGINT, before)
