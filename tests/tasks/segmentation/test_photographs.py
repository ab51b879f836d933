"""Training on the images that a file names: on these and no others, with weights that predict can use."""
import numpy as np
import pytest

from minidl.course.lesson import Lesson
from minidl.datasets import synthetic_pets
from minidl.datasets.pets import load_pets
from minidl.predict import open_model
from minidl.predict.score import names_seen
from minidl.tasks.segmentation import photographs
from minidl.tasks.segmentation.photographs import named, read_names, train_for_photographs


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return synthetic_pets.ensure(tmp_path_factory.mktemp("pets") / "few", train=12, test=4)


@pytest.fixture
def names_file(folder, tmp_path):
    """Name nine images, five of the training list and all of the test list."""
    names = load_pets(folder, "train", 32).names[::-1][:5] + load_pets(folder, "test", 32).names
    path = tmp_path / "names.txt"
    path.write_text("\n".join(names), encoding="utf-8")
    return path


def lesson_on(folder, out, *options):
    return Lesson("17_unet", takes=["names"], argv=[
        "--data", str(folder), "--size", "32", "--width", "2", "--batch-size", "4", "--threads", "1", "--quick",
        "--out", str(out), *options])


def test_it_trains_on_the_named_images_only(folder, names_file, tmp_path, monkeypatch):
    shown = []

    class Watched(photographs.Batches):
        def __init__(self, images, trimaps, *rest, **options):
            shown.append(np.array(images))
            super().__init__(images, trimaps, *rest, **options)

    monkeypatch.setattr(photographs, "Batches", Watched)
    lesson = lesson_on(folder, tmp_path / "out", "--epochs", "1")
    train_for_photographs(lesson, names_file)
    every = load_pets(folder, "all", 32)
    expected = [every.images[every.names.index(name)] for name in names_file.read_text().split()]
    assert len(shown[0]) == 48 and np.array_equal(shown[1], expected)            # rendered ones first


def test_weights_are_small_and_their_images_are_named_beside_them(folder, names_file, tmp_path):
    path = train_for_photographs(lesson_on(folder, tmp_path / "out", "--epochs", "1"), names_file)
    assert names_seen(path) == names_file.read_text().split()
    assert all(array.dtype in (np.float16, np.dtype("int64")) for name, array in np.load(path).items()
               if name != "built_by")
    model, size = open_model(path)
    assert size == 32 and model.output_shape((1, 3, 32, 64)) == (1, 3, 32, 64)


def test_an_interrupted_training_ends_with_the_same_weights(folder, names_file, tmp_path, monkeypatch):
    whole = train_for_photographs(lesson_on(folder, tmp_path / "whole", "--epochs", "2"), names_file)
    real_fit = photographs.fit

    def interrupted(model, batches, loss, optimizer, epochs, **options):
        history = real_fit(model, batches, loss, optimizer, 1, **options)
        history.stopped = epochs > 1
        return history

    monkeypatch.setattr(photographs, "fit", interrupted)
    with pytest.raises(SystemExit, match="--resume"):
        train_for_photographs(lesson_on(folder, tmp_path / "parts", "--epochs", "2"), names_file)
    monkeypatch.setattr(photographs, "fit", real_fit)
    parts = train_for_photographs(lesson_on(folder, tmp_path / "parts", "--epochs", "2", "--resume"), names_file)
    one, other = np.load(whole), np.load(parts)
    assert set(one) == set(other) and all(np.array_equal(one[name], other[name]) for name in one)


def test_names_that_are_not_there_are_named(folder):
    with pytest.raises(SystemExit, match="2 of 3 images.*: tiger_1, lion_2"):
        named(load_pets(folder, "all", 32), ["tiger_1", load_pets(folder, "all", 32).names[0], "lion_2"])


@pytest.mark.parametrize("content, message", [(None, "--names"), ("", "empty file"), (b"\xff\xfe\x00", "--names")])
def test_a_file_without_names_is_refused(tmp_path, content, message):
    path = tmp_path / "names.txt"
    if content is not None:
        path.write_bytes(content.encode() if isinstance(content, str) else content)
    with pytest.raises(SystemExit, match=message):
        read_names(path)
