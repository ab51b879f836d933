"""What the numbers were measured on."""
import minidl
import platform
from pathlib import Path
from typing import Any

import numpy as np

from minidl.runtime.format import number, words
from minidl.runtime.threads import available_cores, get_blas_threads, get_num_threads, set_num_threads


def set_threads(threads: int | None, torch: Any) -> None:
    """Give minidl, and PyTorch where there is one, the same number of threads; without one, as many as cores."""
    count = threads or available_cores()
    set_num_threads(count)
    if torch is not None:
        torch.set_num_threads(count)


def processor() -> str:
    """Return the processor's name, as far as it is known."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine() or "unknown"


def blas_library() -> str:
    """Return name and version of the library that does NumPy's matrix products."""
    try:
        found: Any = np.show_config(mode="dicts")
        library = found["Build Dependencies"]["blas"]
        return f"{library['name']} {library['version']}"
    except (TypeError, KeyError):
        return "unknown"


def describe(torch: Any) -> dict[str, Any]:
    """Return the machine and the versions of everything that matters to speed."""
    return {"processor": processor(), "system": f"{platform.system()} {platform.machine()}", "cores": available_cores(),
            "threads": get_num_threads(), "blas_threads": get_blas_threads(), "python": platform.python_version(),
            "numpy": np.__version__, "blas": blas_library(), "minidl": minidl.__version__,
            "torch": None if torch is None else str(torch.__version__)}


def show(machine: dict[str, Any]) -> str:
    """Return the section as text."""
    known = machine | {"torch": machine["torch"] or "not installed, or left out"}
    return "## The machine\n\n" + "\n".join(f"* {words(key)}: {number(value)}" for key, value in known.items())
