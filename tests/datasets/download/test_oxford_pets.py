"""All of it: download, unpack, resize, by the command."""
import functools
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
from minidl.datasets.download import oxford_pets
from minidl.datasets.download.fetch import size_of
from minidl.datasets.download.oxford_pets import download
from minidl.datasets.pets import load_pets
from tests.datasets.pet_archives import archive_of, pet_archives
from tests.datasets.server import normal, serving, stall

ROOT = Path(__file__).resolve().parents[3]


def tree(folder):
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.fixture
def project(tmp_path, monkeypatch, pets):
    """A project's folder, in which the command downloads the small set."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MINIDL_DATA", "data")
    monkeypatch.setattr(command, "SOURCES", ())
    monkeypatch.setattr(command, "download", functools.partial(download, archives=pets[0]))
    return tmp_path


def test_the_command_from_nothing_to_resized_images(project, pets, capsys):
    with serving(pets[1]) as server:
        assert command.main(["download", "--mirror", server.url, "--size", "16", "8", "--threads", "2"]) == 0
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


def test_another_folder_and_an_image_that_cannot_be_read(project, capsys, monkeypatch):
    archives, files = pet_archives(broken=True)
    monkeypatch.setattr(command, "download", functools.partial(download, archives=archives))
    to = str(project / "there" / "pets")
    with serving(files) as server:
        assert command.main(["download", "--mirror", server.url, "--size", "--to", to]) == 0
    assert not (project / "data" / "cache").exists()
    assert command.main(["download", "--size", "8", "--to", to]) == 0
    assert "train: 5 images, 8 x 8; 1 left out\n  images/pet_0.jpg: not an image" in capsys.readouterr().out


def test_errors_of_the_command(project, capsys, monkeypatch):
    for options in (["--size", "0"], ["--size", "x"], ["--threads", "0"], ["--form", "x"]):
        with pytest.raises(SystemExit) as exit_:
            command.main(["download", *options])
        assert exit_.value.code == 2 and options[0] in capsys.readouterr().err
    assert command.main(["download", "--mirror", "ftp://x"]) == 1
    assert capsys.readouterr().err == "error: expected a URL such as https://example.org/pets/, got 'ftp://x'\n"
    assert command.main(["download"]) == 1
    assert capsys.readouterr().err.startswith("error: annotations.tar.gz could not be downloaded")
    monkeypatch.setattr(oxford_pets.shutil, "disk_usage", lambda path: SimpleNamespace(free=1))
    assert command.main(["download"]) == 1
    assert "GB of free disk space, got 0.00 GB" in capsys.readouterr().err


def test_the_free_space_is_checked_first(tmp_path, pets, monkeypatch):
    archives = pets[0]
    needed = sum(archive.size + archive.unpacked for archive in archives) + 1000
    with serving(pets[1]) as server:
        monkeypatch.setattr(oxford_pets.shutil, "disk_usage", lambda path: SimpleNamespace(free=needed - 1))
        with pytest.raises(OSError, match="free disk space"):
            download(tmp_path / "pets", archives, [server.url], cache_bytes=1000)
        assert server.log == []
        monkeypatch.setattr(oxford_pets.shutil, "disk_usage", lambda path: SimpleNamespace(free=needed))
        download(tmp_path / "pets", archives, [server.url], cache_bytes=1000)


def test_what_is_somebody_elses_is_left_alone(tmp_path, pets):
    (tmp_path / "pets").mkdir()
    (tmp_path / "pets" / "mine.txt").write_text("precious", encoding="utf-8")
    with serving(pets[1]) as server, pytest.raises(ValueError, match="not a complete download"):
        download(tmp_path / "pets", pets[0], [server.url])
    assert server.log == [] and tree(tmp_path) == {"pets/mine.txt": b"precious"}
    (tmp_path / "pets" / "mine.txt").unlink()
    with serving(pets[1]) as server:
        download(tmp_path / "pets", pets[0], [server.url])       # an empty folder may be filled


def test_an_archive_without_the_folder_it_is_named_for(tmp_path, pets):
    files = {"images.tar.gz": pets[1]["annotations.tar.gz"]}
    archive = archive_of("images.tar.gz", files["images.tar.gz"])
    with serving(files) as server, pytest.raises(ValueError, match="images.tar.gz: expected a folder images in it"):
        download(tmp_path / "pets", [archive], [server.url])
    assert not (tmp_path / "pets").exists() and (tmp_path / "pets.partial" / "images.tar.gz").exists()


def test_archives_fetched_in_another_way_are_taken(tmp_path, pets):
    archives, files = pets
    (tmp_path / "pets.partial").mkdir()
    for name, content in files.items():
        (tmp_path / "pets.partial" / name).write_bytes(content)
    download(tmp_path / "pets", archives, [])
    assert len(load_pets(tmp_path / "pets", "train", 8)) == 6


def test_an_interrupted_unpacking_begins_again(tmp_path, pets, monkeypatch):
    archives, files = pets

    def interrupt(path, folder):
        (folder / "images").mkdir(parents=True)
        (folder / "images" / "pet_0.jpg").write_bytes(b"half of")
        raise KeyboardInterrupt

    with serving(files) as server:
        with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
            patch.setattr(oxford_pets, "extract", interrupt)
            download(tmp_path / "pets", archives, [server.url])
        download(tmp_path / "pets", archives, [server.url])
        assert len(server.log) == 2                                          # not fetched again
        download(tmp_path / "straight", archives, [server.url])
    assert tree(tmp_path / "pets") == tree(tmp_path / "straight")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["pets", "straight"]


PROGRAM = """
import signal, sys
signal.signal(signal.SIGINT, signal.default_int_handler)     # programs in the background are started without it
from minidl.datasets import __main__ as command
from minidl.datasets.download import fetch, oxford_pets
fetch.TIMEOUT = 120
archives = [fetch.Archive(*facts) for facts in {facts}]
command.SOURCES = ()
command.download = lambda to, sources, cache_bytes: oxford_pets.download(to, archives, sources, cache_bytes)
sys.exit(command.main())
"""


def wait_for(path, size, process):
    """Wait until a process has written so many bytes to a file, however slow the machine is."""
    deadline = time.monotonic() + 100
    while size_of(path) != size:
        if process.poll() is not None or time.monotonic() > deadline:
            process.kill()
            pytest.fail(f"{path.name} has {size_of(path)} of {size} bytes:\n{process.communicate()[0]}")
        time.sleep(0.02)


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

        path = tmp_path / "data" / "oxford-iiit-pet.partial" / images.name
        with start() as process:
            wait_for(path, begun, process)
            process.send_signal(signal.SIGINT) if how == "interrupt" else process.kill()
            out, _ = process.communicate(timeout=100)
        assert path.read_bytes() == files[images.name][:begun]
        if how == "interrupt":
            assert process.returncode == 130 and out.endswith("interrupted; the same command goes on from here\n")
        assert not (tmp_path / "data" / "oxford-iiit-pet").exists()

        with start() as process:
            out, _ = process.communicate(timeout=100)
        assert process.returncode == 0, out
        assert [entry["range"] for entry in server.log] == [None, None, f"bytes={begun}-"]
        assert server.log[2]["sent"] == images.size - begun
        download(tmp_path / "straight", archives, [server.url])
    folder = tmp_path / "data" / "oxford-iiit-pet"
    assert tree(folder) == tree(tmp_path / "straight")
    assert json.loads((folder / "downloaded.json").read_text(encoding="utf-8")) == {
        archive.name: archive.sha256 for archive in archives}
