"""Odd things in folders: links to nowhere, loops, pipes, sockets, what cannot be opened or written; long names.

Each is named, the others are done, and the exit status says so.
"""
import os
import socket
import sys
from pathlib import Path

import pytest
from PIL import Image

from minidl.predict.jobs import find_jobs
from tests.predict.corners import corner, write_corners
from tests.programs import run as run_program

posix = pytest.mark.skipif(os.name != "posix", reason="needs links, pipes and sockets")
ODD = ("nowhere.jpg", "loop a.png", "loop b.png", "itself.gif", "pipe.jpg", "socket.png")


def make_odd_things(folder):
    """Make two images, a link to one of them, links to folders, and ODD."""
    write_corners(folder, "good.jpg", "sub/good.png")
    for name, target in (("nowhere.jpg", "gone.jpg"), ("loop a.png", "loop b.png"), ("loop b.png", "loop a.png"),
                         ("itself.gif", "itself.gif"), ("same.jpg", "good.jpg"), ("up", "."), ("sub/root", "/")):
        (folder / name).symlink_to(target)
    os.mkfifo(folder / "pipe.jpg")
    here = os.getcwd()
    try:                                                  # the name of a socket must be short
        os.chdir(folder)
        with socket.socket(socket.AF_UNIX) as one:
            one.bind("socket.png")
    finally:
        os.chdir(here)


@posix
@pytest.mark.parametrize("named", [False, True], ids=["in a folder", "one by one"])
def test_odd_things_are_named_and_the_rest_is_done(named, run, tmp_path):
    folder = tmp_path / "odd"
    folder.mkdir()
    make_odd_things(folder)
    done = run(*([folder / name for name in ("good.jpg", "sub/good.png", "same.jpg", *ODD)] if named else [folder]))
    assert done.status == 1 and "2 of 8 segmented" in done.out and "6 failed" in done.out
    assert ("2 not read (link to a folder)" in done.out) == (not named)
    problems = {Path(row["image"]).name: row["problem"] for row in done.rows if row["problem"]}
    assert set(problems) == set(ODD)
    for name, problem in problems.items():
        words = "not a file with data in it" if name in ("pipe.jpg", "socket.png") else "a link that leads nowhere ("
        assert words in problem and name in problem and f"error: {problem}" in done.err


@posix
def test_patterns_match_odd_things_too(run, tmp_path):
    make_odd_things(tmp_path)
    done = run(tmp_path / "*o*.[jp][pn]g")
    assert done.status == 1 and "1 of 5 segmented" in done.out
    assert "pipe.jpg" not in done.err and "nowhere.jpg: a link that leads nowhere" in done.err


def test_other_files_of_a_folder_are_counted(run, tmp_path):
    write_corners(tmp_path / "photos", "a.jpg", "sub/b.png")
    for name in ("c.HEIC", "sub/d.heic", "e.jfif", "README", ".DS_Store", "._a.jpg", "table.csv", "a.jpg.mask.png"):
        (tmp_path / "photos" / name).write_bytes(b"x")
    done = run(tmp_path / "photos")
    assert done.status == 0 and "2 of 2 segmented" in done.out and "4 not read (.heic, .jfif, no suffix)" in done.out
    (tmp_path / "new").mkdir()
    (tmp_path / "new" / "a.avif").write_bytes(b"x")
    done = run(tmp_path / "new", tmp_path / "photos" / "a.jpg")
    assert done.status == 1 and "no images in this folder" in done.err and "1 not read (.avif)" in done.out
    assert "not read" not in run(tmp_path / "photos" / "a.jpg").out


def test_folders_and_images_that_cannot_be_opened_are_named(run, tmp_path, monkeypatch):
    write_corners(tmp_path / "photos", "a.jpg", "b.jpg", "closed/c.jpg")

    def denying(function):
        def deny(path, *arguments, **options):
            if Path(path).name in ("closed", "b.jpg"):
                raise PermissionError(13, "Permission denied", str(path))
            return function(path, *arguments, **options)

        return deny

    monkeypatch.setattr(os, "scandir", denying(os.scandir))
    monkeypatch.setattr(Path, "open", denying(Path.open))
    done = run(tmp_path / "photos")
    assert done.status == 1 and "1 of 3 segmented" in done.out
    assert "closed: cannot be read (Permission denied)" in done.err and "b.jpg: cannot be read (Permission" in done.err


@pytest.mark.skipif(sys.platform == "win32", reason="a path may be no longer than 260 characters")
@pytest.mark.parametrize("letter", ["a", "ä", "猫"])
def test_long_names_fit(letter, run, tmp_path):
    names = []
    for length in (200, 229, 230, 231, 237, 242, 243, 244, 248, 251):
        end = f"{length}.png"
        count, rest = divmod(length - len(end), len(letter.encode()))
        names.append("-" * rest + letter * count + end)
    alike = ["=" * 250 + end for end in ("1.png", "2.png")]            # the same when they are shortened
    write_corners(tmp_path / "long", *names, *alike)
    done = run(tmp_path / "long")
    assert done.status == 0, done.err
    assert "12 of 12 segmented" in done.out and len({row["mask"] for row in done.rows}) == 12
    for row in done.rows:
        for what in ("mask", "overlay"):
            path = Path(row[what])
            assert path.is_file() and path.name.endswith(f".png.{what}.png")
            if len(os.fsencode(Path(row["image"]).name)) <= 243:
                assert path.name == f"{Path(row['image']).name}.{what}.png"


def test_a_name_that_is_all_suffix_has_results(run, tmp_path):
    names = [".hidden", "dot.", "a" + "." * 40, "x." + "y" * 180]
    for name in names:
        corner().save(tmp_path / name, format="PNG")
    jobs, _ = find_jobs([tmp_path / name for name in names], tmp_path / "out")
    assert len({job.mask for job in jobs}) == len(names)


def test_permissions(run, tmp_path):
    image, closed = write_corners(tmp_path, "a.jpg", "closed.jpg")
    closed.chmod(0)
    if os.access(closed, os.R_OK):
        pytest.skip("permissions do not hold here: Windows, or the administrator")
    done = run(image, closed)
    assert done.status == 1 and "1 of 2 segmented" in done.out and "closed.jpg: cannot be read (Permission" in done.err
    (tmp_path / "locked").mkdir(mode=0o500)
    assert run(image, out=tmp_path / "locked").status == run(image, out=tmp_path / "locked" / "new").status == 2


def test_a_table_that_cannot_be_written_is_named(run, tmp_path):
    (tmp_path / "out" / "table.csv").mkdir(parents=True)
    done = run(*write_corners(tmp_path, "a.jpg"))
    assert done.status == 1 and "1 of 1 segmented" in done.out and "lists them" not in done.out
    assert "error: the table was not written: " in done.err and "table.csv" in done.err
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["a.jpg.mask.png", "a.jpg.overlay.png",
                                                                          "table.csv"]


@posix
def test_weights_from_a_pipe_or_a_link_to_nowhere_have_status_2(run, tmp_path):
    os.mkfifo(tmp_path / "pipe.npz")
    (tmp_path / "link.npz").symlink_to("gone.npz")
    image, = write_corners(tmp_path, "a.jpg")
    for name, words in (("pipe.npz", "it is not a file with data"), ("link.npz", "No such file")):
        done = run("--weights", tmp_path / name, image)
        assert done.status == 2 and words in done.err and name in done.err


def test_a_folder_for_results_that_cannot_be_written_has_status_2(run, tmp_path, monkeypatch):
    image, = write_corners(tmp_path, "a.jpg")
    monkeypatch.setattr(os, "access", lambda path, mode: False)
    done = run(image)
    assert done.status == 2 and "files can be written" in done.err and str(tmp_path / "out") in done.err


SMALL_DISK = """
import resource, sys
resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))        # bytes that a file may have
from minidl.predict.__main__ import main
sys.exit(main(sys.argv[1:]))
"""


@posix
def test_without_room_nothing_is_half_written(weights, tmp_path):
    write_corners(tmp_path, "small.png")
    Image.effect_noise((400, 300), 90).save(tmp_path / "large.png")
    done = run_program("-c", SMALL_DISK, "--weights", weights, "--out", tmp_path / "out", tmp_path / "large.png",
                       tmp_path / "small.png")
    assert done.returncode == 1 and "1 of 2 segmented" in done.stdout, done.stderr
    error, = [line for line in done.stderr.splitlines() if line.startswith("error: ")]
    assert "large.png" in error and "File too large" in error and "out" in error
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [
        "small.png.mask.png", "small.png.overlay.png", "table.csv"]
