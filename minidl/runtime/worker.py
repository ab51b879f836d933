"""A worker of a team: `python -m minidl.runtime.worker MODULE` runs the module's `work()` and tells what goes wrong."""
import importlib
import os
import signal
import sys
import traceback

import numpy as np


def main(module: str) -> None:
    """Work until the leading process ends this one; it has Ctrl-C as its own affair."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    told, sys.stdout = sys.stdout, sys.stderr
    try:
        with np.errstate(over="ignore", invalid="ignore"):
            importlib.import_module(module).work()
    except BaseException:
        told.write(traceback.format_exc())
        told.flush()
        os._exit(1)


if __name__ == "__main__":
    main(sys.argv[1])
