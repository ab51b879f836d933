"""What surrounds a lesson: options, folders, numbers."""
import json

import matplotlib.pyplot as plt
import numpy as np
import pytest

from minidl import get_num_threads, plotting, set_num_threads
from minidl.course.lesson import Lesson, alternative
from minidl.datasets import synthetic_pets
from minidl.plotting import canvas
from minidl.runtime.progress import Progress, duration
from tests.programs import ROOT, run as run_program
from tests.rendered import write_pets
from tests.samples import block_pets


def lesson(tmp_path, *options, **defaults):
    return Lesson("99_test", argv=["--out", str(tmp_path), *options], **defaults)


@pytest.mark.parametrize("options", [["--size", "0"], ["--lr", "nan"], ["--lr", "-1"], ["--epochs", "1.5"],
                                     ["--widht", "3"]])
def test_impossible_options_are_refused(tmp_path, options, capsys):
    with pytest.raises(SystemExit) as exit_:
        lesson(tmp_path, *options)
    assert exit_.value.code == 2 and options[0] in capsys.readouterr().err


@pytest.mark.parametrize("options, images, epochs", [
    ([], 1000, 6), ([], 20, 300), (["--size", "128"], 1000, 3), (["--epochs", "3"], 1000, 3), ([], 10**6, 1),
])
def test_epochs_follow_the_budget_and_widths_the_lesson_unless_given(tmp_path, options, images, epochs):
    assert lesson(tmp_path, *options).epochs(images) == epochs
    assert lesson(tmp_path, width=8).width == 8 and lesson(tmp_path, "--width", "5", width=8).width == 5


@pytest.mark.parametrize("options, defaults, expected", [
    ([], {"size": 16, "width": 3, "epochs": 1}, (16, 3, 2)), ([], {"quick_epochs": 8}, (32, 4, 8)),
    (["--width=8"], {"width": 8}, (32, 8, 2)), (["--epochs", "30"], {"epochs": 30}, (32, 4, 30)),
    (["--size", "64", "--epochs", "1"], {"quick_epochs": 8}, (64, 4, 1)),
])
def test_a_quick_run_makes_small_only_what_is_not_given(tmp_path, options, defaults, expected):
    run = lesson(tmp_path, "--quick", *options, **defaults)
    assert (run.size, run.width, run.epochs(10)) == expected and not run.as_intended
    assert (run.options.size, run.options.width, run.options.epochs) == expected


@pytest.mark.parametrize("options, intended, finding", [
    ([], True, "It works"), (["--seed", "0"], True, "It works"), (["--seed", "3"], True, "A test"),
    (["--width", "3"], False, "A test"), (["--lr", "9"], False, "A test"), (["--quick"], False, "A test")])
def test_a_headline_claims_the_finding_of_the_default_run_only(tmp_path, options, intended, finding):
    run = lesson(tmp_path, *options)
    assert run.headline("It works", "A test") == finding and run.as_intended == intended


def test_a_lesson_takes_an_image_of_ones_own(tmp_path, monkeypatch):
    path = tmp_path / "mine.png"
    plt.imsave(path, np.ones((10, 40, 3)) * [1.0, 0.0, 0.2])
    name, image = lesson(tmp_path, "--image", str(path), takes=["image"]).photo(side=20)
    assert name == "mine.png" and image.shape == (3, 5, 20) and image.dtype == np.float32
    assert np.allclose(image, np.array([1.0, 0.0, 0.2])[:, None, None])
    monkeypatch.setattr("minidl.datasets.pets.reader.load_pets", lambda *_, limit, **options: block_pets(limit))
    name, image = lesson(tmp_path, "--data", str(tmp_path), takes=["image"]).photo(40, 25)
    assert name == "pet1" and np.allclose(255 * image, block_pets(2).images[1])
    with pytest.raises(SystemExit, match="--image .*none.png"):
        lesson(tmp_path, "--image", str(tmp_path / "none.png"), takes=["image"]).photo(side=16)


def test_ladder_is_an_option_of_its_lesson_and_runs_at_full_width(tmp_path, capsys):
    plain, ladder, quick, narrow = (lesson(tmp_path, *options, takes=["ladder"], width=8) for options in (
        [], ["--ladder"], ["--ladder", "--quick", "--seeds", "2"], ["--ladder", "--width", "5"]))
    assert [run.width for run in (plain, ladder, quick, narrow)] == [8, 16, 4, 5]
    assert [run.options.seeds for run in (plain, ladder, quick)] == [3, 3, 2]
    assert plain.as_intended and not plain.options.ladder and not ladder.as_intended
    with pytest.raises(SystemExit):
        lesson(tmp_path, "--ladder")
    assert "--ladder" in capsys.readouterr().err


def test_figures_and_numbers_are_written(tmp_path, capsys):
    run = lesson(tmp_path)
    black = np.zeros((1, 3, 8, 8), np.uint8)
    run.figure(plotting.image_strip(black, ["left"], title="A title"), "one")
    run.figure(plotting.image_strip(black), "two", alt="black, 8 by 8")
    run.finish(score=0.25, error=2e-9, count=12345, test={"iou_border": 0.5}, curve=[1, 2])
    assert (tmp_path / "99_test" / "one.png").read_bytes()[:4] == b"\x89PNG"
    written = json.loads((tmp_path / "99_test" / "metrics.json").read_text(encoding="utf-8"))
    assert written["score"] == 0.25 and written["curve"] == [1, 2] and written["options"]["size"] == 64
    one, two = written["figures"]
    assert one["file"] == "one.png" and "A title" in one["alt"]
    assert two == {"file": "two.png", "alt": "black, 8 by 8"}
    printed = capsys.readouterr().out
    assert "0.250" in printed and "2e-09" in printed and "12,345" in printed and "test: border IoU" in printed


def test_show_needs_a_display_and_threads_are_set(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(plt, "get_backend", lambda: "agg")
    before = get_num_threads()
    try:
        for n in (1, 2):
            run = lesson(tmp_path, "--show", "--threads", str(n))
            assert get_num_threads() == n
    finally:
        set_num_threads(before)
    run.figure(plotting.image_strip(np.zeros((1, 3, 8, 8), np.uint8)), "strip")
    assert "no display" in capsys.readouterr().out


def test_progress_on_a_log_prints_now_and_then_or_never(capsys):
    for enabled in (True, False):
        progress = Progress(3, "work", every=0.0, enabled=enabled)
        for done in (1, 2, 3):
            progress.update(done, "busy")
    lines = capsys.readouterr().out.splitlines()
    assert [line.split(",")[0] for line in lines] == ["work 1/3", "work 2/3"]
    assert [duration(s) for s in (0.4, 59.4, 59.6, 3599.6)] == ["0 s", "59 s", "1 min 00 s", "1 h 00 min"]


def damage(folder, split, count):
    """Make the first images of a split unreadable."""
    lines = (folder / "annotations" / f"{split}.txt").read_text(encoding="utf-8").splitlines()
    for name in [line.split()[0] for line in lines if not line.startswith("#")][:count]:
        (folder / "images" / f"{name}.jpg").write_bytes(b"not an image")


def test_unreadable_images_are_left_out_and_the_first_named_once(tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("MINIDL_DATA", str(tmp_path / "data"))
    folder = write_pets(tmp_path / "pets", train=15, test=4)
    damage(folder, "trainval", 13)
    damage(folder, "test", 1)
    for _ in range(2):                                   # what the cache has is not read again, but named again
        run = lesson(tmp_path, "--data", str(folder), "--size", "16")
        capsys.readouterr()
        train, test = run.pets("train"), run.pets("test")
        assert (len(train), len(test), train.images.shape) == (2, 3, (2, 3, 16, 16)) and len(train.problems) == 13
        said = capsys.readouterr().out.splitlines()
        assert said == [f"left out: {one}" for one in [*train.problems[:10], "and 3 more", *test.problems]]
        assert run.pets("test", size=32).images.shape == (3, 3, 32, 32) and len(run.pets("train")) == 2
        assert capsys.readouterr().out == ""
        assert any((tmp_path / "data" / "cache").iterdir())


def test_a_quick_run_reads_few_images(tmp_path, monkeypatch):
    monkeypatch.setattr("minidl.datasets.pets.reader.load_pets", lambda *_, limit, **options: block_pets(limit or 60))
    for options, counts in (([], [60, 5, 60]), (["--quick"], [48, 5, 48])):
        run = lesson(tmp_path, "--data", str(tmp_path), *options)
        assert [len(run.pets("train", limit=limit)) for limit in (None, 5, 60)] == counts


def test_a_figure_says_of_itself_what_it_shows_with_the_numbers_and_briefly():
    images, labels = np.zeros((8, 3, 8, 8), np.uint8), np.zeros((8, 8, 8), int)
    guess = labels.copy()
    guess[:, :2] = 1                                      # a quarter is wrong
    notes = [f"{k}% right" for k in range(8)]
    grid = alternative(plotting.prediction_grid(images, labels, {"U-Net": guess}, notes={"U-Net": notes}, title="Cats"))
    assert grid == "Cats. Columns: image, truth, U-Net; samples: 8. Share of their pixels that are right: U-Net 75%"
    bars = alternative(plotting.class_bars({"one": {"iou_object": 0.5, "iou_background": 1.0, "iou_border": None}}))
    assert bars == "one: object 0.500, background 1.00, border –"
    history = [{"loss": 1.0, "iou": 0.1}, {"loss": 0.5, "iou": 0.25}]
    assert alternative(plotting.learning_curves(history, {"iou": "IoU"})) == (
        "training loss: 1.00 first, 0.500 last. IoU: 0.100 first, 0.250 last")
    figure = canvas.blank(200, 200)                       # without a label: the first of its texts, each once
    for k in range(20):
        for text in ("=", f"text {k}", f"text {k}"):
            canvas.write(figure, 10, 10 * k, text, canvas.TEXT, 100)
    assert alternative(figure, most=3) == "text 0. text 1. text 2"


def test_a_missing_table_is_explained(tmp_path):
    with pytest.raises(FileNotFoundError, match="the project's folder data/ has it"):
        lesson(tmp_path).table("nothing.csv")


def test_rendered_pets_and_resized_images_are_where_minidl_data_says(tmp_path, monkeypatch):
    monkeypatch.setenv("MINIDL_DATA", str(tmp_path / "data"))
    monkeypatch.setattr(synthetic_pets, "ensure", lambda folder, **counts: synthetic_pets.write(
        folder, train=2, test=1, workers=1, size=32))
    assert len(lesson(tmp_path, "--quick").pets("train")) == 2
    assert sorted(path.name for path in (tmp_path / "data").iterdir()) == ["cache", "synthetic-pets-quick"]
    assert lesson(tmp_path).data == tmp_path / "data" / "synthetic-pets"


def test_without_a_place_for_rendered_pets_the_lesson_ends_with_advice(tmp_path):
    (tmp_path / "file").write_text("", encoding="utf-8")
    done = run_program(ROOT / "lessons" / "10_segmentation_1x1.py", "--quick", "--out", tmp_path / "out",
                       MINIDL_DATA=str(tmp_path / "file"))
    assert done.returncode == 1 and "Traceback" not in done.stdout + done.stderr
    assert "The environment variable MINIDL_DATA names the folder for rendered" in done.stderr
    assert str(tmp_path / "file") in done.stderr


def test_without_a_place_for_resized_images_the_lesson_goes_on(tmp_path, monkeypatch, capsys):
    folder = synthetic_pets.write(tmp_path / "pets", train=2, test=1, workers=1, size=32)
    (tmp_path / "file").write_text("", encoding="utf-8")
    monkeypatch.setenv("MINIDL_DATA", str(tmp_path / "file"))
    run = lesson(tmp_path, "--data", str(folder), "--size", "16")
    assert (len(run.pets("train")), len(run.pets("test"))) == (2, 1)
    printed = capsys.readouterr().out
    assert printed.count("resized images are not kept: ") == 1 and "MINIDL_DATA" in printed and "file" in printed
