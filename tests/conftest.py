"""Hypothesis: the same examples in every run of the gate, new ones in every other; and what several tests need."""
import os
import tempfile
from pathlib import Path

import pytest
from hypothesis import settings

settings.register_profile("gate", derandomize=True)
settings.load_profile("gate" if os.environ.get("CI") else "default")


@pytest.fixture
def left_over(tmp_path, monkeypatch):
    """Return a function that lists what is left of shared memory; no other program's files are among them."""
    folder = tmp_path / "temporary"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    monkeypatch.setenv("TMPDIR", str(folder))
    return lambda: [path.name for path in Path(folder).iterdir()]
