"""Downloads from a real server on 127.0.0.1: whatever it does, the file is right or there is a clear error."""
import functools
import gc
import hashlib
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from minidl.datasets import __main__ as command
from minidl.datasets.download import fetch as module, oxford_pets
from minidl.datasets.download.fetch import Archive, DownloadError, Patience, fetch
from minidl.datasets.download.oxford_pets import download
from minidl.datasets.pets import load_pets
from tests.datasets.pet_archives import pet_archives
from tests.datasets.server import (
    cut, cut_without_ranges, drip, instead, normal, redirect, serving, stall, status, without_ranges,
)

ROOT = Path(__file__).resolve().parents[3]
CONTENT = np.random.default_rng(0).bytes(300_000)
OVERLAP = module.OVERLAP_BYTES
HURRY = Patience(timeout=20, tries=3, pause=0.01, longest=0.05)


def archive_of(content, name="images.tar.gz"):
    return Archive(name, len(content), hashlib.sha256(content).hexdigest(), unpacked=10 * len(content))


ARCHIVE = archive_of(CONTENT)
FILES = {ARCHIVE.name: CONTENT}


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch):
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


def part(folder, content):
    (folder / ARCHIVE.name).write_bytes(content)


def fetched(folder, *servers, archive=ARCHIVE, patience=HURRY):
    """Fetch the archive from the servers, one after the other, and check it."""
    path = fetch(archive, folder, [server.url for server in servers], patience)
    assert path == folder / archive.name and path.read_bytes() == CONTENT
    assert list(folder.iterdir()) == [path]
    return servers[0].log


def ranges(server):
    return [entry["range"] for entry in server.log]


def test_in_one_go_with_progress(tmp_path, capsys):
    with serving(FILES) as server:
        assert [entry["sent"] for entry in fetched(tmp_path, server)] == [len(CONTENT)]
    assert capsys.readouterr().out == "images.tar.gz: 0.3 of 0.3 MB, took 0 s\n"


def test_progress_and_time_left(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(module, "Progress", functools.partial(module.Progress, every=0))
    with serving(FILES, usually=drip) as server:
        fetched(tmp_path, server)
    first, *_, last = capsys.readouterr().out.splitlines()
    assert first.startswith("images.tar.gz: 0.0 of 0.3 MB, ") and first.endswith(" left")
    assert last.startswith("images.tar.gz: 0.3 of 0.3 MB, took ")


def test_what_is_complete_is_not_asked_for(tmp_path):
    part(tmp_path, CONTENT)
    with serving(FILES) as server:
        assert fetched(tmp_path, server) == []


def test_a_part_is_continued_and_only_the_rest_is_sent(tmp_path):
    part(tmp_path, CONTENT[:200_000])
    with serving(FILES) as server:
        fetched(tmp_path, server)
        assert ranges(server) == [f"bytes={200_000 - OVERLAP}-"]
        assert server.log[0]["sent"] == 100_000 + OVERLAP


def test_connections_that_break_are_continued(tmp_path, capsys):
    with serving(FILES, cut(100_000), cut(OVERLAP + 100_000)) as server:
        fetched(tmp_path, server)
        assert ranges(server) == [None, f"bytes={100_000 - OVERLAP}-", f"bytes={200_000 - OVERLAP}-"]
    out = capsys.readouterr().out
    assert "the connection ended after 100000 of 300000 bytes; again in 0 s" in out


def test_many_breaks_are_endured_as_long_as_something_comes(tmp_path):
    with serving(FILES, usually=cut(2 * OVERLAP + 1)) as server:
        fetched(tmp_path, server)
        assert len(server.log) > HURRY.tries


def test_a_source_that_brings_nothing_more_is_given_up(tmp_path):
    with serving(FILES, cut(100_000), usually=cut(0)) as server, pytest.raises(DownloadError) as caught:
        fetched(tmp_path, server)
    assert len(server.log) == 1 + HURRY.tries
    assert str(caught.value) == (f"images.tar.gz could not be downloaded:\n  {server.url}/images.tar.gz: "
                                 "the connection ended after 100000 of 300000 bytes; given up".replace(
                                     "100000", str(100_000 - OVERLAP)))
    assert (tmp_path / ARCHIVE.name).read_bytes() == CONTENT[:100_000]      # kept for another time


@pytest.mark.parametrize("script", [[], [cut_without_ranges(250_000)]])
def test_a_server_without_ranges_starts_from_the_beginning(tmp_path, script):
    part(tmp_path, CONTENT[:200_000])
    with serving(FILES, *script, usually=without_ranges) as server:
        fetched(tmp_path, server)
        assert len(server.log) == len(script) + 1


def test_a_server_without_ranges_loses_nothing_that_is_there(tmp_path):
    part(tmp_path, CONTENT[:200_000])
    with serving(FILES, usually=cut_without_ranges(100_000)) as server, pytest.raises(DownloadError):
        fetched(tmp_path, server)
    assert (tmp_path / ARCHIVE.name).read_bytes() == CONTENT[:200_000]


def test_a_part_of_something_else_is_replaced(tmp_path):
    for behave in (normal, without_ranges):
        part(tmp_path, bytes(200_000))
        with serving(FILES, usually=behave) as server:
            fetched(tmp_path, server)
            assert len(server.log) == (2 if behave is normal else 1)


def test_a_part_that_is_damaged_early_on_is_replaced(tmp_path, capsys):
    part(tmp_path, bytes(10) + CONTENT[10:200_000])
    with serving(FILES) as server:
        fetched(tmp_path, server)
        assert ranges(server) == [f"bytes={200_000 - OVERLAP}-", None]
    assert f"with SHA-256 {ARCHIVE.sha256}, got SHA-256 " in capsys.readouterr().out


def test_a_file_that_is_too_long_is_replaced(tmp_path):
    part(tmp_path, CONTENT + b"?")
    with serving(FILES) as server:
        fetched(tmp_path, server)


def test_a_file_that_changed_meanwhile_is_not_mixed(tmp_path):
    other = np.random.default_rng(1).bytes(len(CONTENT))
    with serving(FILES, cut(200_000, lambda handler, content, most: normal(handler, other, most))) as server:
        fetched(tmp_path, server)
        assert ranges(server) == [None, f"bytes={200_000 - OVERLAP}-", None]


@pytest.mark.parametrize("first", [
    status(416), normal, functools.partial(normal, Content_Range="bytes 0-299999/300000"),
    functools.partial(normal, Content_Range="pages 1-2"), functools.partial(normal, Content_Range=None),
], ids=["416", "normal", "another range", "nonsense", "no range"])
def test_ranges_that_are_answered_wrongly(tmp_path, first):
    part(tmp_path, CONTENT[:200_000])
    with serving(FILES, first, normal) as server:
        fetched(tmp_path, server)
        assert ranges(server)[1:] == ([] if first is normal else [None])


@pytest.mark.parametrize("behave, words", [
    (instead(CONTENT[:100_000]), "expected 300000 bytes, the server has 100000"),
    (instead(CONTENT + CONTENT), "expected 300000 bytes, the server has 600000"),
    (functools.partial(normal, Content_Range=f"bytes {200_000 - OVERLAP}-299999/300001"), "the server has 300001"),
    (functools.partial(without_ranges, Content_Type="text/html; charset=utf-8", Content_Length=None), "a web page"),
    (status(404), "HTTP 404"),
    (status(403), "HTTP 403"),
    (status(204, Content_Length=None), "HTTP 204"),
])
def test_a_server_with_another_file_costs_nothing_of_the_part(tmp_path, behave, words):
    part(tmp_path, CONTENT[:200_000])
    with serving(FILES, usually=behave) as server, pytest.raises(DownloadError, match=words):
        fetched(tmp_path, server)
    assert (tmp_path / ARCHIVE.name).read_bytes() == CONTENT[:200_000]
    assert len(server.log) <= 2


@pytest.mark.parametrize("length, requests", [(200_000, 1), (400_000, 1), (-5, 1), ("many", 1), (None, 1)])
def test_lengths_that_are_wrong_or_missing(tmp_path, length, requests):
    with serving(FILES, functools.partial(normal, Content_Length=length)) as liar, serving(FILES) as mirror:
        fetched(tmp_path, liar, mirror)
        assert len(liar.log) == requests and len(mirror.log) == (length in (200_000, 400_000))


def test_a_range_with_too_short_a_length_is_continued(tmp_path):
    part(tmp_path, CONTENT[:200_000])
    with serving(FILES, functools.partial(normal, Content_Length=OVERLAP + 50_000)) as server:
        fetched(tmp_path, server)
        assert ranges(server)[1] == f"bytes={250_000 - OVERLAP}-"


def test_an_answer_to_another_question_leaves_no_hole(tmp_path):
    def from_five_on(handler, content):
        handler.answer(206, content[5:], Content_Range="bytes 5-299999/300000")

    with serving(FILES, usually=from_five_on) as server, pytest.raises(DownloadError, match="bytes from 0 on"):
        fetched(tmp_path, server)
    assert list(tmp_path.iterdir()) == []


def test_more_bytes_than_expected_are_refused(tmp_path):
    endless = instead(CONTENT + CONTENT, Content_Length=None)
    with serving(FILES, usually=endless) as server, pytest.raises(DownloadError, match="300000 bytes, more came"):
        fetched(tmp_path, server)
    assert len(server.log) == 1


def test_a_wrong_file_is_removed_and_the_next_source_asked(tmp_path, capsys):
    wrong = CONTENT[:-1] + bytes([CONTENT[-1] ^ 1])
    with serving({ARCHIVE.name: wrong}) as bad, serving(FILES) as good:
        fetched(tmp_path, bad, good)
        assert len(bad.log) == len(good.log) == 1 and ranges(good) == [None]
    out = capsys.readouterr().out
    assert f"expected 300000 bytes with SHA-256 {ARCHIVE.sha256}" in out
    assert f"got SHA-256 {hashlib.sha256(wrong).hexdigest()}; removed" in out
    with serving({ARCHIVE.name: wrong}) as bad, pytest.raises(DownloadError, match="expected .* SHA-256 .* got SHA"):
        (tmp_path / ARCHIVE.name).unlink()
        fetched(tmp_path, bad)
    assert list(tmp_path.iterdir()) == []


def test_wrong_files_in_pieces_do_not_keep_it_busy_for_ever(tmp_path):
    wrong = bytes(1) + CONTENT[1:]
    with serving({ARCHIVE.name: wrong}, usually=cut(200_000)) as bad, serving(FILES) as good:
        fetched(tmp_path, bad, good)
        assert len(bad.log) == 2 * (module.RESTARTS + 1)


def test_messages_do_not_run_into_the_progress_on_a_terminal(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True, raising=False)
    with serving(FILES, cut(100_000)) as server:
        fetched(tmp_path, server)
    lines = capsys.readouterr().out.split("\n")
    assert all(line.startswith("\r") for line in lines[:-1]) and "; again in 0 s" in lines[0]


def test_what_one_source_began_the_next_continues(tmp_path):
    with serving(FILES, cut(150_000), usually=status(404)) as first, serving(FILES) as second:
        fetched(tmp_path, first, second)
        assert ranges(second) == [f"bytes={150_000 - OVERLAP}-"]


@pytest.mark.parametrize("code", [408, 429, 500, 502, 503, 504])
def test_errors_that_pass(tmp_path, code):
    with serving(FILES, status(code), status(code, Retry_After="0")) as server:
        fetched(tmp_path, server)
        assert len(server.log) == 3


def test_pauses_grow_and_are_bounded(monkeypatch, tmp_path):
    pauses: list[float] = []
    monkeypatch.setattr(module.time, "sleep", pauses.append)
    script = [*[status(503)] * 5, status(503, Retry_After="7"), status(429, Retry_After="999999999"),
              status(503, Retry_After="Wed, 21 Oct 2015 07:28:00 GMT")]
    with serving(FILES, *script) as server:
        fetched(tmp_path, server, patience=Patience(timeout=20, tries=9, pause=1, longest=10))
    for pause, least, most in zip(pauses, [.5, 1, 2, 4, 8, 7, 10, 10], [1, 2, 4, 8, 10, 10, 10, 10], strict=True):
        assert least <= pause <= most


def test_errors_that_stay_are_not_tried_again(tmp_path):
    with serving(FILES, usually=status(503)) as busy, serving({}) as empty, pytest.raises(DownloadError) as caught:
        fetched(tmp_path, empty, busy)
    assert len(empty.log) == 1 and len(busy.log) == HURRY.tries
    assert f"{empty.url}/images.tar.gz: HTTP 404" in str(caught.value)
    assert f"{busy.url}/images.tar.gz: HTTP 503 Service Unavailable; given up" in str(caught.value)


def test_nobody_there(tmp_path):
    with serving(FILES) as server:
        pass
    with pytest.raises(DownloadError, match="refused; given up|ConnectionRefusedError"):
        fetched(tmp_path, server)


def test_no_http_at_all(tmp_path):
    def nonsense(handler, content):
        handler.wfile.write(b"220 FTP server ready\r\n")

    with serving(FILES, nonsense) as server:
        fetched(tmp_path, server)


def test_redirections_are_followed_with_the_range(tmp_path):
    part(tmp_path, CONTENT[:200_000])
    with serving(FILES) as server:
        server.script.append(redirect(f"{server.url}/elsewhere/images.tar.gz"))
        fetched(tmp_path, server)
        assert [entry["path"] for entry in server.log] == ["/images.tar.gz", "/elsewhere/images.tar.gz"]
        assert ranges(server)[0] == ranges(server)[1] is not None


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")   # urllib forgets to close at "http://["
@pytest.mark.parametrize("to", ["/images.tar.gz", "file:///etc/passwd", "ftp://127.0.0.1/x", "http://[", "//"])
def test_redirections_that_lead_nowhere(tmp_path, to):
    with serving(FILES, usually=redirect(to)) as server, serving(FILES) as mirror:
        fetched(tmp_path, server, mirror)
        assert len(server.log) <= (1 if to == "http://[" else 12)
    gc.collect()


def test_a_connection_that_stalls_is_given_up_and_continued(tmp_path):
    with serving(FILES, stall(150_000)) as server:
        fetched(tmp_path, server, patience=Patience(timeout=0.3, tries=20, pause=0.01))
        assert ranges(server)[1] == f"bytes={150_000 - OVERLAP}-"


def test_a_server_that_never_answers(tmp_path):
    def silent(handler, content):
        handler.server.closing.wait(5)

    with serving(FILES, usually=silent) as server, pytest.raises(DownloadError, match="timed out"):
        fetched(tmp_path, server, patience=Patience(timeout=0.1, tries=2, pause=0.01))


def test_a_slow_server_is_waited_for(tmp_path):
    with serving(FILES, usually=drip) as server:
        fetched(tmp_path, server)
        assert len(server.log) == 1


def test_a_disk_that_is_full_is_no_fault_of_the_server(tmp_path):
    (tmp_path / ARCHIVE.name).mkdir()
    with serving(FILES) as server, pytest.raises(OSError) as caught:
        fetched(tmp_path, server)
    assert not isinstance(caught.value, DownloadError)


@pytest.mark.parametrize("source", ["", "pets", "ftp://example.org", "file:///tmp", "http://", "http://a b/",
                                    "http://["])
def test_sources_that_are_none(tmp_path, source):
    with pytest.raises(ValueError, match="expected a URL"):
        fetch(ARCHIVE, tmp_path, [source], HURRY)


def test_the_proxy_of_the_environment_is_used(tmp_path, monkeypatch):
    with serving(FILES, cut(150_000)) as proxy:
        monkeypatch.setenv("http_proxy", proxy.url)
        path = fetch(ARCHIVE, tmp_path, ["http://pets.invalid/data/"], HURRY)
        assert path.read_bytes() == CONTENT
        assert [entry["path"] for entry in proxy.log] == ["http://pets.invalid/data/images.tar.gz"] * 2
        with serving(FILES) as server:
            monkeypatch.setenv("no_proxy", "127.0.0.1")
            path.unlink()
            assert len(fetched(tmp_path, server)) == 1


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")   # Python 3.10 forgets to close
def test_a_proxy_for_https_is_asked_for_a_tunnel(tmp_path, monkeypatch):
    with serving({}) as proxy, pytest.raises(DownloadError, match="Tunnel connection failed: 404"):
        monkeypatch.setenv("https_proxy", proxy.url)
        fetch(ARCHIVE, tmp_path, ["https://pets.invalid/data/"], HURRY)
    assert proxy.log[0]["path"] == "pets.invalid:443"
    gc.collect()


# All of it: download, unpack, resize.

@pytest.fixture(scope="module")
def pets():
    """The archives of a small set, and their contents by name."""
    return pet_archives()


def tree(folder):
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.fixture
def project(tmp_path, monkeypatch, pets):
    """A project's folder, in which the command downloads the small set."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(command, "project_root", lambda: tmp_path)
    monkeypatch.setattr(command, "SOURCES", ())
    monkeypatch.setattr(command, "download", functools.partial(download, archives=pets[0], patience=HURRY))
    return tmp_path


def test_the_command_from_nothing_to_resized_pictures(project, pets, capsys):
    archives, files = pets
    with serving(files) as server:
        assert command.main(["download", "--mirror", server.url, "--size", "16", "8"]) == 0
        assert len(server.log) == 2
    out, err = capsys.readouterr()
    assert err == "" and out.splitlines()[-1] == (
        f"then: python -m lessons 17 --data {Path('data/oxford-iiit-pet')} --size 16 --width 64")
    assert "train: 6 images, 16 x 16\n" in out and "test: 3 images, 8 x 8\n" in out
    assert sorted(path.name for path in (project / "data").iterdir()) == ["cache", "oxford-iiit-pet"]
    folder = project / "data" / "oxford-iiit-pet"
    assert sorted(path.name for path in folder.iterdir()) == ["annotations", "downloaded.json", "images"]
    assert (folder / "images" / "stray.mat").is_file()
    assert (folder / "annotations" / "trimaps" / "._pet_0.png").is_file()
    train = load_pets(folder, "train", 16, cache=project / "data" / "cache")
    assert isinstance(train.images, np.memmap) and len(train) == 6 and train.problems == []
    assert np.isfinite(train.head_boxes[0]).all() and train.species.tolist() == [0, 1, 0, 1, 0, 1]

    before = {path: path.stat().st_mtime_ns for path in project.rglob("*")}
    assert command.main(["download", "--size", "16", "8"]) == 0      # nobody is asked
    assert capsys.readouterr().out.startswith(f"{Path('data/oxford-iiit-pet')} is there already\n")
    assert {path: path.stat().st_mtime_ns for path in project.rglob("*")} == before


def test_no_sizes_and_another_folder(project, pets, capsys):
    with serving(pets[1]) as server:
        to = str(project / "there" / "pets")
        assert command.main(["download", "--mirror", server.url, "--size", "--to", to]) == 0
    assert len(load_pets(project / "there" / "pets", "all", 8)) == 9
    assert list((project / "data" / "cache").iterdir()) == []


def test_pictures_that_cannot_be_read_are_named(project, capsys, monkeypatch):
    archives, files = pet_archives(broken=True)
    monkeypatch.setattr(command, "download", functools.partial(download, archives=archives, patience=HURRY))
    with serving(files) as server:
        assert command.main(["download", "--mirror", server.url, "--size", "8"]) == 0
    assert "train: 5 images, 8 x 8; 1 left out\n  images/pet_0.jpg: not an image" in capsys.readouterr().out


@pytest.mark.parametrize("options", [["--size", "0"], ["--size", "x"], ["--threads", "0"], ["--form", "x"]])
def test_options_that_make_no_sense(options, capsys):
    with pytest.raises(SystemExit) as exit_:
        command.main(["download", *options])
    assert exit_.value.code == 2 and options[0] in capsys.readouterr().err


def test_errors_of_the_command(project, pets, capsys, monkeypatch):
    assert command.main(["download", "--mirror", "ftp://x"]) == 1
    assert capsys.readouterr().err == "error: expected a URL such as https://example.org/pets/, got 'ftp://x'\n"
    assert command.main(["download"]) == 1
    assert capsys.readouterr().err.startswith("error: annotations.tar.gz could not be downloaded")
    monkeypatch.setattr(oxford_pets.shutil, "disk_usage", lambda path: SimpleNamespace(free=1))
    assert command.main(["download"]) == 1
    assert "GB of free disk space, got 0.00 GB" in capsys.readouterr().err


def test_the_room_for_all_of_it_is_checked_first(tmp_path, pets, monkeypatch):
    archives = pets[0]
    needed = sum(archive.size + archive.unpacked for archive in archives) + 1000
    with serving(pets[1]) as server:
        monkeypatch.setattr(oxford_pets.shutil, "disk_usage", lambda path: SimpleNamespace(free=needed - 1))
        with pytest.raises(OSError, match="free disk space"):
            download(tmp_path / "pets", archives, [server.url], HURRY, room={tmp_path / "cache": 1000})
        assert server.log == []
        monkeypatch.setattr(oxford_pets.shutil, "disk_usage", lambda path: SimpleNamespace(free=needed))
        download(tmp_path / "pets", archives, [server.url], HURRY, room={tmp_path / "cache": 1000})


def test_what_is_somebody_elses_is_left_alone(tmp_path, pets):
    (tmp_path / "pets").mkdir()
    (tmp_path / "pets" / "mine.txt").write_text("precious", encoding="utf-8")
    with serving(pets[1]) as server, pytest.raises(ValueError, match="not a complete download"):
        download(tmp_path / "pets", pets[0], [server.url], HURRY)
    assert server.log == [] and tree(tmp_path) == {"pets/mine.txt": b"precious"}
    (tmp_path / "pets" / "mine.txt").unlink()
    with serving(pets[1]) as server:
        download(tmp_path / "pets", pets[0], [server.url], HURRY)       # an empty folder may be filled


def test_an_archive_without_the_folder_it_is_named_for(tmp_path, pets):
    files = {"images.tar.gz": pets[1]["annotations.tar.gz"]}
    with serving(files) as server, pytest.raises(ValueError, match="images.tar.gz: expected a folder images in it"):
        download(tmp_path / "pets", [archive_of(files["images.tar.gz"])], [server.url], HURRY)
    assert not (tmp_path / "pets").exists()
    assert [path.name for path in (tmp_path / "pets.partial").iterdir()] == ["images.tar.gz"]


def test_archives_fetched_in_another_way_are_taken(tmp_path, pets):
    archives, files = pets
    (tmp_path / "pets.partial").mkdir()
    for name, content in files.items():
        (tmp_path / "pets.partial" / name).write_bytes(content)
    download(tmp_path / "pets", archives, [], HURRY)
    assert len(load_pets(tmp_path / "pets", "train", 8)) == 6


def test_an_interrupted_unpacking_begins_again(tmp_path, pets, monkeypatch):
    archives, files = pets

    def interrupt(path, folder):
        (folder / "images").mkdir()
        (folder / "images" / "pet_0.jpg").write_bytes(b"half of")
        raise KeyboardInterrupt

    with serving(files) as server:
        with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
            patch.setattr(oxford_pets, "extract", interrupt)
            download(tmp_path / "pets", archives, [server.url], HURRY)
        left = tmp_path / "pets.partial" / "unpacking-killed" / "images"     # what a kill would have left
        left.mkdir(parents=True)
        (left / "pet_0.jpg").write_bytes(b"half of")
        (tmp_path / "pets.partial" / "old-killed").mkdir()
        download(tmp_path / "pets", archives, [server.url], HURRY)
        assert len(server.log) == 2                                          # not fetched again
        download(tmp_path / "straight", archives, [server.url], HURRY)
    assert tree(tmp_path / "pets") == tree(tmp_path / "straight")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["pets", "straight"]


PROGRAM = """
import sys
from minidl.datasets import __main__ as command
from minidl.datasets.download import oxford_pets
from minidl.datasets.download.fetch import Archive, Patience
archives = [Archive(*facts) for facts in {facts}]
command.SOURCES = ()
command.download = lambda to, sources, room: oxford_pets.download(to, archives, sources, Patience(timeout=20), room)
sys.exit(command.main())
"""


@pytest.mark.parametrize("how", ["kill", pytest.param("interrupt", marks=pytest.mark.skipif(
    sys.platform == "win32", reason="Windows sends no Ctrl-C to one process alone"))])
def test_a_download_that_was_ended_goes_on(tmp_path, pets, how):
    archives, files = pets
    facts = [(archive.name, archive.size, archive.sha256, archive.unpacked) for archive in archives]
    images = next(archive for archive in archives if archive.name == "images.tar.gz")
    begun = images.size // 2
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1"}
    for folder in ("minidl", "lessons"):
        (tmp_path / folder).mkdir()

    with serving(files, normal, stall(begun)) as server:
        arguments = [sys.executable, "-c", PROGRAM.format(facts=facts), "download", "--mirror", server.url,
                     "--size", "8"]

        def start():
            return subprocess.Popen(arguments, cwd=tmp_path, env=environment, stdout=subprocess.PIPE,
                                    stderr=subprocess.STDOUT, encoding="utf-8")

        with start() as process:
            path = tmp_path / "data" / "oxford-iiit-pet.partial" / images.name
            for _ in range(1000):
                if process.poll() is not None or (path.exists() and path.stat().st_size == begun):
                    break
                time.sleep(0.02)
            process.send_signal(signal.SIGKILL if how == "kill" and os.name == "posix" else
                                signal.SIGTERM if how == "kill" else signal.SIGINT)
            out, _ = process.communicate(timeout=60)
        assert path.read_bytes() == files[images.name][:begun]
        if how == "interrupt":
            assert process.returncode == 130 and out.endswith("interrupted; the same command goes on from here\n")
        assert not (tmp_path / "data" / "oxford-iiit-pet").exists()

        with start() as process:
            out, _ = process.communicate(timeout=60)
        assert process.returncode == 0, out
        assert [entry["range"] for entry in server.log] == [None, None, f"bytes={begun - OVERLAP}-"]
        assert server.log[2]["sent"] == images.size - begun + OVERLAP
        download(tmp_path / "straight", archives, [server.url], HURRY)
    folder = tmp_path / "data" / "oxford-iiit-pet"
    assert tree(folder) == tree(tmp_path / "straight")
    assert json.loads((folder / "downloaded.json").read_text(encoding="utf-8")) == {
        archive.name: archive.sha256 for archive in archives}
