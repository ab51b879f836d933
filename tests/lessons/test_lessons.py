"""Every lesson runs with --quick, writes what it promises, and its loss falls."""
import json
import re
import shutil
from concurrent.futures import ThreadPoolExecutor

import pytest

from minidl import get_num_threads
from minidl.course.gallery.scripts import read_script
from tests.programs import ROOT, run
from tests.rendered import write_pets

LESSONS = sorted((ROOT / "lessons").glob("[0-9][0-9]_*.py"))
WITHOUT_TRAINING = {"08_kmeans_segmentation", "21_speed"}
REAL = ROOT.parent / "shared" / "oxford-iiit-pet-mini"


@pytest.fixture(scope="session")
def pets(tmp_path_factory):
    """A small set of rendered pets, in a folder whose name is not plain ASCII."""
    return write_pets(tmp_path_factory.mktemp("dätä set") / "pets", train=40, test=10, seed=0)


@pytest.fixture(scope="module")
def quick_runs(pets, tmp_path_factory):
    """All lessons, each on one core, and as many at a time as there are cores: their folder, and their results."""
    out = tmp_path_factory.mktemp("out")
    with ThreadPoolExecutor(get_num_threads()) as pool:
        options = ["--quick", "--threads", "1", "--data", pets, "--out", out]
        found = pool.map(lambda lesson: run(lesson, *options), LESSONS)
        return out, dict(zip([lesson.stem for lesson in LESSONS], found))


@pytest.mark.parametrize("lesson", LESSONS, ids=lambda path: path.stem)
def test_quick_run(lesson, quick_runs):
    out, runs = quick_runs
    result = runs[lesson.stem]
    assert result.returncode == 0, result.stdout + result.stderr
    results = json.loads((out / lesson.stem / "metrics.json").read_text(encoding="utf-8"))
    assert results["lesson"] == lesson.stem and results["options"]["quick"]
    if lesson.stem not in WITHOUT_TRAINING:
        assert results["last_loss"] < results["first_loss"]
    figures = sorted((out / lesson.stem).glob("*.png"))
    assert figures and all(figure.stat().st_size > 5000 for figure in figures)


def test_resumed_lesson_goes_on_where_it_stopped(quick_runs, pets, tmp_path):
    out, runs = quick_runs
    shutil.copytree(out / "10_segmentation_1x1", tmp_path / "10_segmentation_1x1")
    lesson = ROOT / "lessons" / "10_segmentation_1x1.py"
    options = ["--quick", "--threads", "1", "--data", pets, "--out", tmp_path, "--resume"]
    first, again, more = runs[lesson.stem], run(lesson, *options), run(lesson, *options, "--epochs", "3")
    assert "epoch 1/2" in first.stdout and "epoch 1/2" not in again.stdout      # there was nothing left to train
    scores = [line for line in first.stdout.splitlines() if "border IoU" in line]
    assert scores and scores == [line for line in again.stdout.splitlines() if "border IoU" in line], again.stderr
    assert "epochs: 3 as asked (2 in the checkpoint)" in more.stdout and "epoch 3/3" in more.stdout, more.stderr


@pytest.mark.skipif(not REAL.is_dir(), reason="needs the sample of real pictures beside the project")
def test_unet_lesson_takes_real_pictures(tmp_path):
    result = run(ROOT / "lessons" / "17_unet.py", "--quick", "--epochs", "1", "--threads", "1", "--data", REAL,
                 "--out", tmp_path)
    assert result.returncode == 0, result.stdout + result.stderr
    results = json.loads((tmp_path / "17_unet" / "metrics.json").read_text(encoding="utf-8"))
    assert (results["training_images"], results["test_images"]) == (20, 6)


def test_list_names_every_lesson_with_its_slides():
    result = run("-m", "lessons", "--list")
    lines = result.stdout.splitlines()
    assert result.returncode == 0 and len(lines) == 2 * len(LESSONS)
    for path, title, question in zip(LESSONS, lines[::2], lines[1::2]):
        assert title.startswith(path.name[:2]) and "Slide" in question


def test_unknown_lesson_is_refused():
    result = run("-m", "lessons", "99")
    assert result.returncode == 2 and "no lesson 99" in result.stderr


def test_failing_lesson_is_named(tmp_path):
    result = run("-m", "lessons", "17", "--quick", "--data", tmp_path / "nowhere", "--out", tmp_path)
    assert result.returncode == 1
    assert "no such folder" in result.stdout and "failed: lesson 17" in result.stderr
    assert "no such folder" in (tmp_path / "17_unet" / "log.txt").read_text(encoding="utf-8")
    assert "no such folder" in (tmp_path / "index.html").read_text(encoding="utf-8")


def test_several_lessons_in_one_command_make_a_page(pets, tmp_path):
    """Names that are not plain, a code page that lacks most letters, a display that is not there."""
    out = tmp_path / "out, mit Ümläuten"
    options = ["--quick", "--threads", "2", "--data", pets, "--out", out]
    result = run("-m", "lessons", "9", "10", "--show", *options,
                 PYTHONIOENCODING="ascii", MPLBACKEND="module://that_is_not_installed")
    assert result.returncode == 0, result.stdout + result.stderr
    assert "no window for" in result.stdout and "2 of 2 lessons run" in result.stdout
    page = (out / "index.html").read_text(encoding="utf-8")
    for lesson in ("09_pixelwise_cross_entropy", "10_segmentation_1x1"):
        results = json.loads((out / lesson / "metrics.json").read_text(encoding="utf-8"))
        assert results["figures"] and all(f"<figcaption>{one['file']}<" in page for one in results["figures"])
        assert "figure:" in (out / lesson / "log.txt").read_text(encoding="utf-8")
    again = run("-m", "lessons", "9", "10", *options, "--resume")
    assert again.stdout.count("done already") == 3 and "figure:" not in again.stdout


def test_the_project_may_lie_in_a_folder_with_any_name(pets, tmp_path):
    """A copy of the project, as one gets it by unpacking it: its lessons find its library, and write to its folder."""
    copy = tmp_path / "mini dl é"
    for name in ("lessons", "minidl", "data"):
        (copy / name).mkdir(parents=True)
        for path in (ROOT / name).rglob("*"):
            if path.suffix in (".py", ".css", ".js", ".html", ".csv") and "synthetic-pets" not in path.parts:
                (copy / path.relative_to(ROOT)).parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(path, copy / path.relative_to(ROOT))
    result = run("-m", "lessons", "9", "--quick", "--data", pets, cwd=copy, PYTHONPATH=None)
    assert result.returncode == 0, result.stdout + result.stderr
    assert (copy / "out" / "index.html").is_file() and (copy / "out" / "09_pixelwise_cross_entropy").is_dir()


@pytest.mark.parametrize("lesson", LESSONS, ids=lambda path: path.stem)
def test_lesson_is_in_percent_format(lesson):
    lines = lesson.read_text(encoding="utf-8").splitlines()
    assert lines[0] == "# %% [markdown]"
    cells = [i for i, line in enumerate(lines) if line.startswith("# %%")]
    for start, stop in zip(cells, cells[1:] + [len(lines)]):
        if lines[start] == "# %% [markdown]":
            assert all(line.startswith("#") for line in lines[start:stop] if line), f"line {start + 1}: text only"
        assert stop - start <= 45, f"the cell at line {start + 1} is longer than a screen"


@pytest.mark.parametrize("lesson", LESSONS, ids=lambda path: path.stem)
def test_lesson_says_what_it_needs_and_how_long_it_takes(lesson):
    script = read_script(lesson)
    assert script.title.startswith(f"{script.number:02d} · ")
    assert re.fullmatch(r"Slides? \d+([–,] ?\d+)*", script.slides) and script.question.endswith("?")
    paragraphs = script.cells[0].text.split("\n\n")
    for mark in ("**New here:** ", "**Needs:** "):
        assert len([text for text in paragraphs if text.startswith(mark)]) == 1
    time, = (text for text in paragraphs if text.startswith("**Time:** "))
    assert re.match(r"\*\*Time:\*\* about \d+ minutes to read, \d+ seconds? to run on two cores\.", time)


@pytest.mark.parametrize("lesson", LESSONS, ids=lambda path: path.stem)
def test_lesson_asks_recalls_and_gives_graded_exercises(lesson):
    cells = read_script(lesson).cells
    texts = [cell.text for cell in cells if not cell.code]
    assert sum(text.count("**Predict:**") for text in texts) >= 3
    recap, = re.findall(r"(?ms)^## Recap\n(.*?)(?=^## |\Z)", "\n\n".join(texts[:-1]))
    assert len(re.findall("(?m)^- ", recap)) == 3
    assert not cells[-1].code and cells[-1].text.startswith("**Try")
    stars = re.findall(r"(?m)^\d+\. (★*)", cells[-1].text)
    assert 3 <= len(stars) <= 6 and all(1 <= len(one) <= 3 for one in stars) and stars == sorted(stars)
