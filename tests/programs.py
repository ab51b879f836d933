"""Run a Python program as a reader does, and see what it says."""
import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]


def run(*arguments, cwd=ROOT, **variables):
    """Run Python with these arguments, minidl and more environment variables (None: without one); return the result."""
    environment = os.environ | {"PYTHONPATH": str(ROOT), "PYTHONIOENCODING": "utf-8", "MPLBACKEND": "agg"} | variables
    return subprocess.run([sys.executable, *map(str, arguments)], cwd=cwd, capture_output=True, encoding="utf-8",
                          env={name: value for name, value in environment.items() if value is not None}, timeout=300)
