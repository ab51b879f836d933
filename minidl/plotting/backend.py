"""Import matplotlib, whatever kind of window the environment asks for.

The kernel of a notebook names its own in MPLBACKEND, and hands that on to the programs that a cell starts with `!`.
Where they lack it, matplotlib refuses to be imported. But figures are written to files here, which needs no window.
"""
import os
import sys
from contextlib import suppress

if "matplotlib" not in sys.modules:
    wanted = os.environ.pop("MPLBACKEND", None)
    import matplotlib
    if wanted:
        os.environ["MPLBACKEND"] = wanted               # for the programs that this one starts
        with suppress(ValueError):
            matplotlib.rcParams["backend"] = wanted
