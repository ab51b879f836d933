"""Run another Python program and hear what it prints; and Ctrl-C as something to look at when there is time."""
import codecs
import queue
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from types import FrameType


def run_python(arguments: list[str], environment: Mapping[str, str], listen: Callable[[str], None]) -> int:
    """Run `python arguments...` and return its exit status.

    What it prints, errors included, goes to `listen` as it comes; once in a while, "" says that it goes on in silence.
    Ctrl-C reaches both programs, and the other one may want to save before it ends: run this within `stop_on_ctrl_c`,
    which lets this program wait for it.
    """
    environment = {**environment, "PYTHONIOENCODING": "utf-8", "PYTHONUNBUFFERED": "1"}
    decode = codecs.getincrementaldecoder("utf-8")("replace").decode
    heard: queue.Queue[bytes] = queue.Queue()
    with subprocess.Popen([sys.executable, *arguments], env=environment, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, bufsize=0) as process:
        output = process.stdout
        assert output is not None

        def read() -> None:
            while chunk := output.read(65536):
                heard.put(chunk)
            heard.put(b"")                               # the end

        reader = threading.Thread(target=read, daemon=True)
        reader.start()
        while True:
            try:
                chunk = heard.get(timeout=0.5)
            except queue.Empty:
                listen("")
                continue
            listen(decode(chunk, final=not chunk))
            if not chunk:
                break
        reader.join()
        return process.wait()


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
