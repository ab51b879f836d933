"""Archives are unpacked below their folder; those that were damaged, or made to do harm, are refused."""
import gzip
import random
import tarfile

import pytest

from minidl.datasets.download.unpack import ArchiveError, check_python, extract
from tests.datasets.pet_archives import packed


def member(name="images/a.jpg", kind=tarfile.REGTYPE, link=""):
    """The bytes of one header."""
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, link
    return info.tobuf()


END = bytes(1024)
WHOLE = packed({"images/": b"", "images/a.jpg": random.Random(0).randbytes(3000), "images/b.jpg": b"b" * 700})


def unpack(tmp_path, content):
    """Unpack an archive into tmp_path/inside/folder; return what is there afterwards as {name: bytes}."""
    path, folder = tmp_path / "x.tar.gz", tmp_path / "inside" / "folder"
    folder.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    extract(path, folder)
    return {file.relative_to(folder).as_posix(): file.read_bytes() for file in folder.rglob("*") if file.is_file()}


def test_files_and_folders_come_out(tmp_path):
    files = {"images/": b"", "images/a b.jpg": bytes(1000), "./images/käthe.png": b"x" * 512, "readme": b"",
             "deep/er/still/c": b"3", "empty/": b"", "images/" + "n" * 150: b"4"}
    found = unpack(tmp_path, packed(files))
    assert found == {"images/a b.jpg": bytes(1000), "images/käthe.png": b"x" * 512, "readme": b"",
                     "deep/er/still/c": b"3", "images/" + "n" * 150: b"4"}
    assert (tmp_path / "inside" / "folder" / "empty").is_dir()


@pytest.mark.parametrize("header", [
    member("../outside"), member("images/../../outside"), member("images/x", tarfile.SYMTYPE, "../../../outside"),
    member("images/x", tarfile.SYMTYPE, "/etc/passwd"), member("images/x", tarfile.LNKTYPE, "../../outside"),
    member("images/x", tarfile.CHRTYPE), member("images/x", tarfile.FIFOTYPE),
])
def test_what_leads_elsewhere_or_is_not_a_file(tmp_path, header):
    with pytest.raises(ArchiveError, match="not a .tar.gz of plain files") as caught:
        unpack(tmp_path, gzip.compress(header + END))
    assert str(caught.value).startswith(f"{tmp_path / 'x.tar.gz'}: ")
    assert {path.name for path in tmp_path.iterdir()} == {"x.tar.gz", "inside"}
    assert [path.name for path in (tmp_path / "inside").iterdir()] == ["folder"]


@pytest.mark.parametrize("content", [
    b"", b"<html>404</html>", gzip.compress(b"not a tar at all" * 100), WHOLE[:1000], WHOLE[:20],
    WHOLE[:500] + bytes(8) + WHOLE[508:],
], ids=range(6))
def test_damaged_archives(tmp_path, content):
    with pytest.raises(ArchiveError, match="damaged"):
        unpack(tmp_path, content)


def test_a_disk_that_cannot_be_written_is_not_the_archives_fault(tmp_path):
    (tmp_path / "inside" / "folder").mkdir(parents=True)
    (tmp_path / "inside" / "folder" / "images").write_bytes(b"a file where a folder should be")
    with pytest.raises(OSError):
        unpack(tmp_path, WHOLE)


def test_a_python_that_is_too_old_is_named(monkeypatch):
    check_python()
    monkeypatch.delattr(tarfile, "data_filter")
    with pytest.raises(ImportError, match="needs Python 3.10.12, 3.11.4, 3.12 or later, got 3"):
        check_python()
