"""Hypothesis: the same examples in every run of the gate, new ones in every other; and what several tests need."""
import os
import tempfile
from pathlib import Path

import pytest
from hypothesis import settings

# Before NumPy is imported. The tests' matrix products are small: more threads for them would only keep cores from the
# processes that tests start, and from what runs beside the tests.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

from minidl.runtime import threads  # noqa: E402

BLAS_THREADS = threads.get_blas_threads()
settings.register_profile("gate", derandomize=True)
settings.load_profile("gate" if os.environ.get("CI") else "default")


def pytest_runtest_logfinish():
    """What a test did to the number of threads ends with it."""
    threads._wanted = None
    functions = threads._blas_functions()
    if functions is not None and BLAS_THREADS is not None and functions[1]() != BLAS_THREADS:
        functions[0](BLAS_THREADS)


@pytest.fixture
def left_over(tmp_path, monkeypatch):
    """Return a function that lists what is left of shared memory; no other program's files are among them."""
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    monkeypatch.setenv("TMPDIR", str(folder))
    return lambda: [path.name for path in Path(folder).iterdir()]
