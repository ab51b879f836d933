"""What the ladder's lessons share: the same pictures in the same order, and a record that is read back as written."""
import dataclasses

import numpy as np
import pytest

from minidl import pixelwise
from minidl.course.lesson import Lesson
from minidl.datasets import synthetic_pets
from minidl.runtime.npz import save_arrays
from minidl.tasks.segmentation.experiment import Segmentation, load_rung


@pytest.fixture(scope="module")
def pets(tmp_path_factory):
    return synthetic_pets.ensure(tmp_path_factory.mktemp("pets") / "set", train=12, test=10)


def task(pets, out, name="10_b", *options):
    lesson = Lesson(name, argv=["--quick", "--data", str(pets), "--out", str(out), "--epochs", "1", *options])
    return Segmentation(lesson)


def test_training_and_its_record(pets, tmp_path):
    run = task(pets, tmp_path)
    model = pixelwise((3,), 4, rng=0)
    first = run.first_loss(model)
    history = run.fit(model, "model")
    rung = run.rung("3 × 3", model, history)
    assert len(history) == 1 and 0.5 < first < 3
    assert (rung.parameters, rung.sees) == (3 * 4 * 9 + 4 + 2 * 4 + 4 * 3 + 3, 3)
    assert rung.scores == run.scores(model) and set(rung.scores) >= {"mean_iou", "iou_border", "pixel_accuracy"}
    assert rung.predictions.shape == (8, 32, 32) and rung.predictions.dtype == np.uint8
    again = load_rung(tmp_path / "10_b" / "rung.npz")
    assert np.array_equal(again.predictions, rung.predictions)
    assert all(getattr(again, field.name) == getattr(rung, field.name)
               for field in dataclasses.fields(rung) if field.name != "predictions")
    assert (tmp_path / "10_b" / "checkpoints" / "model" / "last.npz").exists()
    pace = run.pace(history)
    assert np.isclose(pace["seconds_per_100_pictures"], history[0]["seconds"] / 12 * 100) and 0 <= pace["waited"] < 1
    assert run.pace([{"seconds": 2.0}])["waited"] == 0                # of a checkpoint that does not know


def test_the_same_seed_shows_the_same_pictures_in_the_same_order(pets, tmp_path):
    a, b, other = (task(pets, tmp_path, "10_b", "--seed", seed) for seed in "001")
    batches = [next(iter(run.new_batches(run.lesson.seed))) for run in (a, b, other)]
    assert np.array_equal(batches[0][0], batches[1][0]) and not np.array_equal(batches[0][0], batches[2][0])


def test_only_rungs_of_the_same_training_are_compared_and_the_others_named(pets, tmp_path, capsys):
    for name, options in (("09_a", []), ("10_b", []), ("11_c", ["--batch-size", "4"])):
        run = task(pets, tmp_path, name, *options)
        run.save(name[3:], {"mean_iou": 0.5}, np.zeros((8, 32, 32), np.uint8), 1, 1, 2.0)
    run = task(pets, tmp_path, "10_b")
    assert [rung.name for rung in run.rungs()] == ["a", "b"]
    assert "11_c is not shown: it was run with another batch_size" in capsys.readouterr().out
    a, b = run.rungs()
    assert [rung.name for rung in run.rungs_up_to(b)] == ["a", "b"] and capsys.readouterr().out.count("to compare") == 0
    assert [rung.name for rung in task(pets, tmp_path, "09_a").rungs_up_to(a)] == ["a"]
    assert "nothing to compare with yet" in capsys.readouterr().out


def test_a_training_that_was_stopped_has_no_place_on_the_ladder(pets, tmp_path):
    run = task(pets, tmp_path)
    model = pixelwise((1,), 4, rng=0)
    history = run.fit(model, "model")
    history.stopped = True
    assert run.rung("1 × 1", model, history).sees == 1
    assert run.rungs() == []


def test_a_damaged_record_is_refused(tmp_path):
    save_arrays(tmp_path / "rung.npz", {"predictions": np.zeros((1, 2, 2))})
    with pytest.raises(ValueError, match="run the lesson again"):
        load_rung(tmp_path / "rung.npz")
