"""The same training steps beside one busy program, as most machines have one: a process that multiplies matrices."""
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from minidl.benchmark import steps
from minidl.benchmark.options import Config
from minidl.benchmark.steps import Result
from minidl.runtime.team import worker_environment


@contextmanager
def busy_program() -> Iterator[None]:
    """Within the `with` block, another process multiplies matrices, in one thread."""
    process = subprocess.Popen([sys.executable, "-m", "minidl.benchmark.busy"], stdin=subprocess.PIPE,
                               env=worker_environment())
    try:
        yield
    finally:
        process.kill()
        process.communicate()


def measure(configs: tuple[Config, ...], seconds: float, torch: Any) -> list[Result]:
    """Return a row of numbers for each configuration."""
    with busy_program():
        return steps.measure(configs, seconds, torch)


def show(rows: list[Result]) -> str:
    """Return the section as text."""
    return steps.show(rows, "A training step beside one busy program")


def multiply() -> None:
    """Multiply matrices until the program that started this one closes the input, or ends."""
    def listen() -> None:
        sys.stdin.read()
        os._exit(0)

    threading.Thread(target=listen, daemon=True).start()
    a = np.ones((512, 512), np.float32)
    product = np.empty_like(a)
    while True:
        np.matmul(a, a, out=product)


if __name__ == "__main__":
    multiply()
