"""Run another Python program, and leave Ctrl-C to it."""
import subprocess
import sys
from collections.abc import Mapping


def run_python(arguments: list[str], environment: Mapping[str, str]) -> tuple[int, bool]:
    """Run `python arguments...`; return its exit status, and whether Ctrl-C was pressed meanwhile.

    Ctrl-C reaches both programs. The other one may want to save before it ends, so this one goes on waiting for it
    (``subprocess.call`` would kill it after a quarter of a second).
    """
    interrupted = False
    with subprocess.Popen([sys.executable, *arguments], env=environment) as process:
        while True:
            try:
                return process.wait(), interrupted
            except KeyboardInterrupt:
                interrupted = True
