"""Archives that somebody made to do harm, or that were damaged on their way."""
import gzip
import random
import tarfile
import tracemalloc

import pytest
from hypothesis import HealthCheck, example, given, settings, strategies as st

from minidl.datasets.download import unpack as module
from minidl.datasets.download.unpack import HEADER_BYTES, ArchiveError, extract
from tests.datasets.pet_archives import packed


def member(name="images/a.jpg", kind=tarfile.REGTYPE, content=b"", size=None, link="", pax=None):
    """The bytes of one header and its file."""
    info = tarfile.TarInfo(name)
    info.type, info.linkname, info.pax_headers = kind, link, pax or {}
    info.size = len(content) if size is None else size
    return info.tobuf(tarfile.PAX_FORMAT if pax else tarfile.GNU_FORMAT) + content + bytes(-len(content) % 512)


END = bytes(1024)
FIRST = member("images/first.jpg", content=b"1")


def compressed(*parts):
    return gzip.compress(b"".join(parts), 1)


def unpack(tmp_path, content, **limits):
    """Unpack an archive into tmp_path/inside/folder; return what is there afterwards as {name: bytes}."""
    path, folder = tmp_path / "x.tar.gz", tmp_path / "inside" / "folder"
    folder.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    count = extract(path, folder, **limits)
    found = {file.relative_to(folder).as_posix(): file.read_bytes() for file in folder.rglob("*") if file.is_file()}
    assert count == len(found)
    return found


def refused(tmp_path, content, words, **limits):
    with pytest.raises(ArchiveError, match=words) as caught:
        unpack(tmp_path, content, **limits)
    assert str(caught.value).startswith(f"{tmp_path / 'x.tar.gz'}: ")
    for path in tmp_path.rglob("*"):             # nothing outside, no links
        assert not path.is_symlink()
        assert path in (tmp_path / "inside", tmp_path / "x.tar.gz") or tmp_path / "inside" / "folder" in (
            path, *path.parents)


def test_files_and_folders_come_out(tmp_path):
    files = {"images/": b"", "images/a b.jpg": bytes(1000), "./images/käthe.png": b"x" * 512, "readme": b"",
             "deep/er/still/c": b"3", "empty/": b"", "images//d": b"4"}
    found = unpack(tmp_path, packed(files))
    assert found == {"images/a b.jpg": bytes(1000), "images/käthe.png": b"x" * 512, "readme": b"",
                     "deep/er/still/c": b"3", "images/d": b"4"}
    assert (tmp_path / "inside" / "folder" / "empty").is_dir()


def test_modes_and_links_that_exist_do_not_matter(tmp_path):
    info = tarfile.TarInfo("images/a")
    info.mode, info.mtime, info.uid = 0o4777, 2**40, 12345
    assert unpack(tmp_path, compressed(info.tobuf(), END)) == {"images/a": b""}
    assert (tmp_path / "inside" / "folder" / "images" / "a").stat().st_mode & 0o7111 == 0


def test_long_names_of_every_dialect(tmp_path):
    name = "images/" + "n" * 150
    for format_ in (tarfile.GNU_FORMAT, tarfile.PAX_FORMAT):
        info = tarfile.TarInfo(name + str(format_))
        assert list(unpack(tmp_path / str(format_), compressed(info.tobuf(format_), END))) == [name + str(format_)]


@pytest.mark.parametrize("name", [
    "/etc/passwd", "//server/share", "../outside", "images/../../outside", "..", "images/..",
    "C:/x", "C:x", "images/x:stream", "\\\\server\\x", "..\\outside", "images\\x",
    "nul", "images/CON.jpg", "aux.tar.gz", "com1", "a.", "images /b", "a\nb", "a\x7f", "*?", "a" * 201,
    "a/" * 101 + "a",
])
@pytest.mark.parametrize("kind", [tarfile.REGTYPE, tarfile.DIRTYPE])
def test_names_that_lead_elsewhere(tmp_path, name, kind):
    refused(tmp_path, compressed(FIRST, member(name, kind), END), "expected a name below the folder")


def test_names_from_other_headers_are_checked_too(tmp_path):
    for pax in ({"path": "../outside"}, {"path": "/tmp/outside"}, {"path": "a\0b"}):
        refused(tmp_path, compressed(member("harmless", pax=pax), END), "expected a name below the folder")
    refused(tmp_path, compressed(member("bad \udcff"), END), "expected a name below the folder")


@pytest.mark.parametrize("name", [".", "./", ""])
def test_files_without_a_name(tmp_path, name):
    refused(tmp_path, compressed(FIRST, member(name), END), "expected the name of a file")


@pytest.mark.parametrize("kind, words", [
    (tarfile.SYMTYPE, "a symbolic link"), (tarfile.LNKTYPE, "a hard link"), (tarfile.CHRTYPE, "a device"),
    (tarfile.BLKTYPE, "a device"), (tarfile.FIFOTYPE, "a pipe"), (tarfile.CONTTYPE, "a member of type b'7'"),
    (b"Z", "a member of type b'Z'"), (tarfile.GNUTYPE_SPARSE, "a sparse file"),
])
def test_what_is_neither_file_nor_folder(tmp_path, kind, words):
    content = compressed(FIRST, member("images/x", kind, link="../../outside"), END)
    refused(tmp_path, content, f"expected plain files and folders, but 'images/x' is {words}")


def test_sparse_files_of_the_newer_dialect(tmp_path):
    pax = {"GNU.sparse.major": "1", "GNU.sparse.minor": "0", "GNU.sparse.name": "x", "GNU.sparse.realsize": str(2**60)}
    holes = b"1\n0\n512\n".ljust(1024, b"\0")
    refused(tmp_path, compressed(member("x", content=holes, pax=pax), END), "is a sparse file")
    endless = b"999999999\n" + b"1\n" * 2**20          # a table of so many holes
    refused(tmp_path, compressed(member("x", content=endless, pax=pax), END), "bytes of headers")
    pax = {"GNU.sparse.map": "0,1", "GNU.sparse.size": str(2**60)}
    refused(tmp_path, compressed(member("x", content=b"1", pax=pax), END), "is a sparse file")


@pytest.mark.parametrize("first, second", [
    ("images/a", "images/a"), ("images/a", "images/A"), ("images/a", "Images/b"), ("straße", "STRASSE"),
    ("ka\u0308the", "k\u00e4the"), ("images/a", "./images//a"), ("a", "a/b"), ("a/b", "a"), ("a/b", "A/c"),
])
def test_names_that_meet_on_some_file_system(tmp_path, first, second):
    refused(tmp_path, compressed(member(first), member(second), END), "expected every name once, but .* meets ")


def test_a_folder_may_be_told_twice_but_not_as_a_file(tmp_path):
    folder = member("images", tarfile.DIRTYPE)
    assert unpack(tmp_path, compressed(folder, FIRST, folder, END)) == {"images/first.jpg": b"1"}
    (tmp_path / "second").mkdir()
    refused(tmp_path / "second", compressed(member("images"), folder, END), "every name once")


def test_too_many_members(tmp_path):
    many = [member(f"images/{i}") for i in range(11)]
    assert len(unpack(tmp_path, compressed(*many[:10], END), max_members=10)) == 10
    (tmp_path / "second").mkdir()
    refused(tmp_path / "second", compressed(*many, END), "expected at most 10 files and folders", max_members=10)


@pytest.mark.parametrize("size", [2**31, 2**33 - 1, 8**11 - 1, 2**62, -1, -1024, -2**62])
def test_sizes_that_cannot_be(tmp_path, size):
    """More than allowed, more than there is, less than nothing: refused before anything is written for it."""
    refused(tmp_path, compressed(FIRST, member(size=size), END), "bytes when unpacked|backwards|damaged")
    assert not (tmp_path / "inside" / "folder" / "images" / "a.jpg").exists()


@pytest.mark.parametrize("bomb", [
    lambda: [member(content=bytes(2**23))],                             # an honest size, too large
    lambda: [FIRST, END, bytes(2**23)],                                  # after the end
], ids=["file", "padding"])
def test_bombs_are_not_unpacked(tmp_path, bomb):
    content = compressed(*bomb())
    assert len(content) < 2**16
    refused(tmp_path, content, "expected at most 1048576 bytes when unpacked", max_bytes=2**20)


@pytest.mark.parametrize("kind", [tarfile.GNUTYPE_LONGNAME, tarfile.GNUTYPE_LONGLINK, tarfile.XHDTYPE,
                                  tarfile.XGLTYPE])
@pytest.mark.parametrize("size", [None, -1024])
def test_headers_that_would_fill_the_memory(tmp_path, kind, size):
    content = compressed(member("x", kind, content=b"n" * 2**26, size=size), FIRST, END)
    tracemalloc.start()
    try:
        # Newer Pythons see themselves that a header's size is negative.
        refused(tmp_path, content, f"expected 0 to {HEADER_BYTES} bytes of headers" + "|damaged" * (size is not None))
        assert tracemalloc.get_traced_memory()[1] < 2**23
    finally:
        tracemalloc.stop()


def test_headers_upon_headers(tmp_path):
    many = [member("x", tarfile.GNUTYPE_LONGNAME)] * 5000
    refused(tmp_path, compressed(*many, FIRST, END), "bytes of headers|damaged")


def test_memory_does_not_grow_with_the_files(tmp_path):
    path = tmp_path / "x.tar.gz"
    path.write_bytes(compressed(member(content=bytes(2**25)), END))
    tracemalloc.start()
    try:
        assert extract(path, tmp_path) == 1
        assert tracemalloc.get_traced_memory()[1] < 2**23
    finally:
        tracemalloc.stop()


WHOLE = packed({"images/": b"", "images/a.jpg": random.Random(0).randbytes(3000), "images/b.jpg": b"b" * 700})


@pytest.mark.parametrize("content, words", [
    (b"", "damaged|truncated"),
    (b"<html>404</html>", "damaged, or no .tar.gz"),
    (gzip.compress(b""), "damaged"),
    (gzip.compress(b"no tar at all" * 100), "damaged"),
    (WHOLE[:-1], "damaged"), (WHOLE[:-9], "damaged"), (WHOLE[:1000], "damaged"), (WHOLE[:20], "damaged"),
    (WHOLE[:-8] + bytes(8), "damaged.*CRC"),
    (WHOLE + b"more", "damaged.*Not a gzipped file"),
    (compressed(FIRST), "truncated"),                                    # no end
    (compressed(FIRST, member(content=b"1" * 600)[:1000], ), "truncated"),
    (compressed(FIRST, member()[:400]), "truncated"),
    (compressed(FIRST, b"?" * 512, END), "damaged or truncated"),        # no header: tarfile would end here
    (compressed(FIRST, END, member("images/hidden"), END), "damaged or truncated"),
], ids=range(15))
def test_damaged_archives(tmp_path, content, words):
    refused(tmp_path, content, words)


def test_a_full_disk_is_not_the_archives_fault(tmp_path, monkeypatch):
    (tmp_path / "inside" / "folder" / "images").mkdir(parents=True)
    (tmp_path / "inside" / "folder" / "images" / "a.jpg").write_bytes(b"already there")
    with pytest.raises(FileExistsError):
        unpack(tmp_path, WHOLE)


def test_progress(tmp_path, capsys, monkeypatch):
    unpack(tmp_path, WHOLE)
    assert capsys.readouterr().out == ""
    monkeypatch.setattr(module, "PATIENCE", 0)
    (tmp_path / "second").mkdir()
    unpack(tmp_path / "second", WHOLE)
    assert capsys.readouterr().out == "unpacking x.tar.gz: 2 files, took 0 s\n"
    (tmp_path / "third").mkdir()
    unpack(tmp_path / "third", WHOLE, progress=False)
    assert capsys.readouterr().out == ""


PLAIN = gzip.decompress(WHOLE)


def mutations(content):
    """The content with some bytes replaced, or cut off."""
    def mutate(changes, length):
        damaged = bytearray(content)
        for place, value in changes:
            damaged[place] = value
        return bytes(damaged[:length])

    places = st.tuples(st.integers(0, len(content) - 1), st.integers(0, 255))
    return st.builds(mutate, st.lists(places, max_size=8), st.integers(1, len(content)) | st.just(len(content)))


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(mutations(WHOLE) | mutations(PLAIN[:1536] + PLAIN[4608:]).map(gzip.compress) | st.binary(max_size=100))
@example(WHOLE)
def test_any_bytes_as_an_archive(tmp_path_factory, content):
    """Either an ArchiveError, or files below the folder; no other error, nothing elsewhere."""
    tmp_path = tmp_path_factory.mktemp("any")
    try:
        unpack(tmp_path, content, max_bytes=2**20)
    except ArchiveError as error:
        assert str(error).startswith(f"{tmp_path / 'x.tar.gz'}: ")
    assert {path.name for path in tmp_path.iterdir()} == {"x.tar.gz", "inside"}
    assert [path.name for path in (tmp_path / "inside").iterdir()] == ["folder"]
    for path in tmp_path.rglob("*"):
        assert path.is_file() != path.is_dir() and not path.is_symlink()
