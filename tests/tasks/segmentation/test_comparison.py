"""The comparison of the ladder's models: a rate chosen on validation images, seeds, and a run that resumes."""
import io
import json
import shutil
import signal
from contextlib import contextmanager, redirect_stdout

import numpy as np
import pytest

from minidl import parallel, pixelwise
from minidl.course.lesson import Lesson
from minidl.loss import CrossEntropyLoss
from minidl.tasks.segmentation import comparison
from minidl.tasks.segmentation.comparison import Comparison, Training, compare_ladder, fingerprint, read_records
from minidl.tasks.segmentation.experiment import Segmentation
from tests.programs import ROOT, run as run_program
from tests.rendered import write_pets

MODELS = {"1 × 1": lambda width, size, seed: pixelwise((1,), width, rng=seed),
          "3 × 3": lambda width, size, seed: pixelwise((3,), width, rng=seed)}
TRAININGS = len(MODELS) * (3 + 2 + 1)        # three rates, two seeds, a longer one


@pytest.fixture(scope="module")
def pets(tmp_path_factory):
    return write_pets(tmp_path_factory.mktemp("pets") / "set", train=20, test=6)


@contextmanager
def two_models():
    """Within the block, the ladder has two small models, and one process trains each."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(comparison, "RUNGS", MODELS)
        patch.setattr(parallel, "get_num_threads", lambda: 1)
        yield


def new_task(pets, out, *more):
    """Return the task of a quick run."""
    options = ["--quick", "--ladder", "--seeds", "2", "--epochs", "1", "--data", str(pets), "--out", str(out)]
    return Segmentation(Lesson("18_test", argv=[*options, *more], takes=["ladder"], width=8))


@pytest.fixture
def task(pets, tmp_path):
    """Return a function that makes the task, with two small models."""
    with two_models():
        yield lambda *more: new_task(pets, tmp_path, *more)


@pytest.fixture(scope="module")
def whole(pets, tmp_path_factory):
    """A comparison of the two models, done once: its folder, its rows, and what it said."""
    out = tmp_path_factory.mktemp("whole")
    with two_models(), redirect_stdout(io.StringIO()) as said:
        rows = compare_ladder(new_task(pets, out), 2)
    return out, rows, said.getvalue()


@pytest.fixture
def compared(whole, tmp_path):
    """The rows of that comparison and what it said; its files are copied to where the test's task has its own."""
    out, rows, said = whole
    shutil.copytree(out, tmp_path, dirs_exist_ok=True)
    return rows, said


def records(task):
    return json.loads((task.lesson.out / "ladder_seeds.json").read_text(encoding="utf-8"))


def test_rate_is_the_best_one_on_validation_images(task, compared):
    one = task()
    rows, _ = compared
    assert [row.name for row in rows] == list(MODELS) and len(records(one)) == TRAININGS
    both = Comparison(one, 2)
    for row in rows:
        tried = both.validated(row.name)
        assert sorted(tried) == [0.001, 0.004, 0.016]
        assert row.lr is not None and tried[row.lr] == max(tried.values())
        assert len(row.scores) == len(row.effective) == len(row.seconds) == 2
        assert row.scores[0] != row.scores[1] and row.longer not in row.scores
    assert [row.receptive_field for row in rows] == [1, 3] and [row.effective for row in rows] == [[1, 1], [3, 3]]
    kinds = [(record["settings"]["purpose"], record["settings"]["seed"], record["settings"]["epochs"])
             for record in records(one) if record["settings"]["model"] == "3 × 3"]
    assert kinds == [("rate", 1000, 1)] * 3 + [("seed", 0, 1), ("seed", 1, 1), ("longer", 0, 4)]
    table = (one.lesson.out / "ladder_seeds.md").read_text(encoding="utf-8")
    assert "| 3 × 3 |" in table and "Mean of 2 seeds ± half" in table and "0.001 → " in table
    assert (one.lesson.out / "ladder_seeds.png").stat().st_size > 5000
    assert not list((one.lesson.out / "checkpoints").iterdir())


def test_validation_images_are_a_fifth_of_the_training_images(task):
    both = Comparison(task(), 2)
    assert (len(both.validation), len(both.rest)) == (4, 16)
    assert sorted(both.validation.names + both.rest.names) == sorted(both.task.train.names)
    assert Comparison(task("--seed", "5"), 2).validation.names == both.validation.names
    assert both.images("rate") == (both.rest, both.validation)
    assert both.images("seed") == both.images("longer") == (both.task.train, both.task.test)


def test_what_is_there_with_the_same_settings_is_not_trained_again(task, compared, capsys):
    one = task()
    rows, said = compared
    assert f"0 of {TRAININGS} trainings are there" in said
    before = records(one)
    assert compare_ladder(one, 2) == rows and "trainings are there" not in capsys.readouterr().out
    assert records(one) == before
    compare_ladder(task("--batch-size", "4"), 2)
    assert f"0 of {TRAININGS} trainings are there" in capsys.readouterr().out and len(records(one)) == 2 * TRAININGS
    compare_ladder(one, 3)
    assert f"8 of {TRAININGS + 2} trainings are there" in capsys.readouterr().out
    assert records(one)[:TRAININGS] == before and len(records(one)) == 2 * TRAININGS + 2


def test_interrupted_comparison_ends_as_an_uninterrupted_one(task, compared, monkeypatch, capsys):
    expected, _ = compared
    (task().lesson.out / "ladder_seeds.json").unlink()
    steps = [0]

    class Interrupted(CrossEntropyLoss):
        def forward(self, y, target):
            steps[0] += 1
            if steps[0] == 2 * len(MODELS) + 2 * 3 * len(MODELS) + 2:   # in the first seed's training, mid-epoch
                signal.raise_signal(signal.SIGINT)
            return super().forward(y, target)

    with monkeypatch.context() as patch:
        patch.setattr(comparison, "CrossEntropyLoss", Interrupted)
        with pytest.raises(SystemExit, match="the same command goes on"):
            compare_ladder(task(), 2)
    stopped = capsys.readouterr().out
    assert "Stopped after 0 of 1 epochs and 2 of 3 steps" in stopped and len(records(task())) == 3 * len(MODELS)
    again = compare_ladder(task(), 2)
    assert f"{3 * len(MODELS)} of {TRAININGS} trainings are there" in capsys.readouterr().out
    for a, b in zip(expected, again):
        assert (a.lr, a.scores, a.longer, a.effective) == (b.lr, b.scores, b.longer, b.effective)


def test_a_rate_that_diverges_is_not_chosen(task, monkeypatch, capsys):
    class Diverging(CrossEntropyLoss):
        def forward(self, y, target):
            return np.nan

    one = Comparison(task(), 2)
    with monkeypatch.context() as patch:
        patch.setattr(comparison, "CrossEntropyLoss", Diverging)
        assert one.train(Training("3 × 3", "rate", 0.004, 1000, 1))
        with pytest.raises(FloatingPointError):
            one.train(Training("3 × 3", "seed", 0.004, 0, 1))
    assert "This learning rate is too high" in capsys.readouterr().out
    for lr in (0.001, 0.016):
        one.train(Training("3 × 3", "rate", lr, 1000, 1))
    assert one.validated("3 × 3")[0.004] == 0 and one.rate("3 × 3") != 0.004
    with pytest.raises(KeyError, match="1 × 1, to choose the learning rate, learning rate 0.004"):
        one.rate("1 × 1")


def test_other_images_have_another_fingerprint(task):
    train = task().train
    assert fingerprint(train) == fingerprint(train[:]) != fingerprint(train[::-1])


@pytest.mark.parametrize("text", ["no JSON", "[1]", "3", '[{"settings": {}}]'])
def test_a_file_without_records_is_refused(tmp_path, text):
    path = tmp_path / "ladder_seeds.json"
    assert read_records(path) == []
    path.write_text(text, encoding="utf-8")
    with pytest.raises(ValueError, match=r"ladder_seeds\.json: expected the records .* remove the file"):
        read_records(path)


def test_lesson_compares_all_models(pets, tmp_path):
    options = ["--quick", "--ladder", "--seeds", "1", "--epochs", "1", "--threads", "1", "--data", pets]
    done = run_program(ROOT / "lessons" / "18_skip_connections.py", *options, "--out", tmp_path)
    assert done.returncode == 0, done.stderr
    for name in comparison.RUNGS:
        assert f"| {name} " in done.stdout
    assert "40 of 40: U-Net, 4 times as long" in done.stdout
    assert "width 4" in done.stdout and not (tmp_path / "18_skip_connections" / "metrics.json").exists()
