"""Downloads of a small set, without proxies and pauses."""
import pytest

from minidl.datasets.download import fetch
from tests.datasets.pet_archives import pet_archives


@pytest.fixture(autouse=True)
def in_a_hurry(monkeypatch):
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    monkeypatch.setattr(fetch, "TIMEOUT", 20.0)
    monkeypatch.setattr(fetch, "TRIES", 3)
    monkeypatch.setattr(fetch, "PAUSE", 0.01)


@pytest.fixture(scope="session")
def pets():
    """The archives of a small set, and their contents by name."""
    return pet_archives()
