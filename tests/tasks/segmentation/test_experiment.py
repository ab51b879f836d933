"""What the segmentation lessons share: the same images in the same order, and a result that is read as written."""
import dataclasses
import json

import numpy as np
import pytest

from minidl import pixelwise
from minidl.course.lesson import Lesson
from minidl.runtime.npz import save_arrays
from minidl.tasks.segmentation.experiment import Segmentation, load_result
from minidl.training import History
from tests.rendered import write_pets


@pytest.fixture(scope="module")
def pets(tmp_path_factory):
    return write_pets(tmp_path_factory.mktemp("pets") / "set", train=12, test=10)


def task(pets, out, name="10_b", *options):
    lesson = Lesson(name, argv=["--quick", "--data", str(pets), "--out", str(out), "--epochs", "1", *options])
    return Segmentation(lesson)


def test_a_result_is_read_as_it_was_written(pets, tmp_path):
    run = task(pets, tmp_path)
    model = pixelwise((3,), 4, rng=0)
    before = {name: array.copy() for name, array in model.state_dict().items()}
    assert 0.5 < run.first_loss(model) < 3
    assert all(np.array_equal(array, before[name]) for name, array in model.state_dict().items())
    history = run.fit(model, "model")
    result = run.result("3 × 3", model, history)
    assert len(history) == 1 and (tmp_path / "10_b" / "checkpoints" / "model" / "last.npz").exists()
    assert (result.parameters, result.receptive_field) == (3 * 4 * 9 + 4 + 2 * 4 + 4 * 3 + 3, 3)
    assert result.scores == run.scores(model) and set(result.scores) >= {"mean_iou", "iou_border", "pixel_accuracy"}
    assert result.predictions.shape == (8, 32, 32) and result.predictions.dtype == np.uint8
    again = load_result(tmp_path / "10_b" / "result.npz")
    assert np.array_equal(again.predictions, result.predictions)
    for field in dataclasses.fields(result):
        assert field.name == "predictions" or getattr(again, field.name) == getattr(result, field.name)


def test_numbers_of_another_lesson_are_read(pets, tmp_path):
    run = task(pets, tmp_path, "09_a")
    result = run.save_result("a", {"mean_iou": 0.5}, np.zeros((8, 32, 32), np.uint8), 1, 1, 2.0)
    assert task(pets, tmp_path).numbers_of(result) == {}
    run.lesson.finish(found={"1–3": 0.25})
    assert task(pets, tmp_path).numbers_of(result)["found"] == {"1–3": 0.25}


def test_the_pace_is_in_seconds_per_100_images(pets, tmp_path):
    run = task(pets, tmp_path)
    rows = [{"seconds": 2.0, "waited": 0.5}, {"seconds": 4.0, "waited": 1.0}]
    assert run.pace(History(rows)) == {"seconds_per_100_images": 6 / 24 * 100, "waited": 0.25}
    assert run.pace(History())["waited"] == 0


def test_the_same_seed_gives_the_same_batches(pets, tmp_path):
    a, b, other = (task(pets, tmp_path, "10_b", "--seed", seed) for seed in "001")
    batches = [next(iter(run.new_batches(run.lesson.seed))) for run in (a, b, other)]
    assert np.array_equal(batches[0][0], batches[1][0]) and not np.array_equal(batches[0][0], batches[2][0])


def test_only_results_of_the_same_training_are_compared(pets, tmp_path, capsys):
    for name, options in (("09_a", []), ("10_b", []), ("11_c", ["--batch-size", "4"])):
        run = task(pets, tmp_path, name, *options)
        run.save_result(name[3:], {"mean_iou": 0.5}, np.zeros((8, 32, 32), np.uint8), 1, 1, 2.0)
    run = task(pets, tmp_path, "10_b")
    a, b = run.results()
    assert (a.name, b.name) == ("a", "b")
    assert "11_c is not shown: it was run with another batch_size" in capsys.readouterr().out
    assert [result.name for result in run.results_up_to(b)] == ["a", "b"]
    assert "to compare" not in capsys.readouterr().out
    assert [result.name for result in task(pets, tmp_path, "09_a").results_up_to(a)] == ["a"]
    assert "nothing to compare with yet" in capsys.readouterr().out


def test_a_lessons_second_result_comes_after_its_first(pets, tmp_path):
    for name, part in (("12_a", "b"), ("12_a", ""), ("13_c", "")):
        run = task(pets, tmp_path, name)
        run.save_result(name[3:] + part, {"mean_iou": 0.5}, np.zeros((8, 32, 32), np.uint8), 1, 1, 2.0, part=part)
    assert [(found.name, found.lesson) for found in run.results()] == [("a", "12_a"), ("ab", "12b_a"), ("c", "13_c")]
    first = task(pets, tmp_path, "12_a")
    assert [found.name for found in first.results_up_to(first.results()[0])] == ["a"]


def test_the_result_of_a_stopped_training_is_not_saved(pets, tmp_path):
    run = task(pets, tmp_path)
    history = History([{"seconds": 1.0}])
    history.stopped = True
    assert run.result("1 × 1", pixelwise((1,), 4, rng=0), history).receptive_field == 1
    assert run.results() == []


@pytest.mark.parametrize("facts", [{}, {"facts": "no JSON"}, {"facts": "[1]"}, {"facts": json.dumps({"name": "x"})}])
def test_a_file_that_holds_no_result_is_refused(tmp_path, facts):
    path = save_arrays(tmp_path / "result.npz", {"predictions": np.zeros((1, 2, 2))}
                       | {key: np.array(text) for key, text in facts.items()})
    with pytest.raises(ValueError, match=r"result\.npz: expected the record .*; run the lesson again"):
        load_result(path)
