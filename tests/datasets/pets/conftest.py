"""What the tests of the reader share."""
import pytest

from minidl.datasets.pets import decode, reader


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "my pets ünïcode"


@pytest.fixture
def reads(monkeypatch):
    """The names of all pets that were read from their files."""
    names = []

    def count(source, size):
        names.append(source.entry.name)
        return decode.read_one(source, size)

    monkeypatch.setattr(reader, "read_one", count)
    return names
