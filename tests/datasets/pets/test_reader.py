"""A folder of pets as arrays: what is in them, some of them, and what happens on the way."""
import threading
import time
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from minidl.datasets.pets import CLASSES, load_pets, reader as module
from minidl.runtime.progress import Progress
from tests.datasets.pet_folders import BLUE, RED, add, box_xml, write_list, write_xml

REAL = Path(__file__).resolve().parents[3] / ".." / "shared" / "oxford-iiit-pet-mini"
real = pytest.mark.skipif(not REAL.is_dir(), reason="the sample of real images is not there")


def test_a_folder_without_lists(folder):
    for name in ("b", "a", "my cät"):
        add(folder, name)
    pets = load_pets(folder, split="all", size=8)
    assert pets.names == ["a", "b", "my cät"] and len(pets) == 3 and pets.problems == []
    assert pets.images.shape == (3, 3, 8, 8) and pets.images.dtype == np.uint8
    assert pets.trimaps.shape == (3, 8, 8) and pets.trimaps.dtype == np.uint8
    assert pets.species.tolist() == pets.breeds.tolist() == [-1, -1, -1]
    assert pets.species.dtype == pets.breeds.dtype == np.int64
    assert pets.boxes.dtype == pets.head_boxes.dtype == np.float32
    assert pets.boxes.tolist() == [[0, 0, 4, 8]] * 3
    assert np.isnan(pets.head_boxes).all() and pets.head_boxes.shape == (3, 4)
    assert (pets.trimaps[:, :, :4] == CLASSES.index("object")).all()
    assert (pets.trimaps[:, :, 4:] == CLASSES.index("background")).all()
    np.testing.assert_allclose(pets.images[0, :, 4, 1], RED, atol=12)    # JPEG is not exact
    np.testing.assert_allclose(pets.images[0, :, 4, 6], BLUE, atol=12)
    assert repr(pets) == "Pets(3 images of 8 x 8)"


def test_trimap_values_and_boxes(folder):
    trimap = np.full((6, 6), 2, np.uint8)
    trimap[1:3, 2:5] = 1
    trimap[3, 2] = 3
    add(folder, "a", (6, 6), trimap=Image.fromarray(trimap))
    add(folder, "b", (6, 6), trimap=Image.new("L", (6, 6), 2))
    pets = load_pets(folder, split="all", size=6)
    assert np.array_equal(pets.trimaps[0], trimap - 1)
    assert CLASSES == ("object", "background", "border")
    x0, y0, x1, y1 = pets.boxes[0].astype(int)
    assert (x0, y0, x1, y1) == (2, 1, 5, 4) and np.isnan(pets.boxes[1]).all()
    assert (pets.trimaps[0][y0:y1, x0:x1] != 1).sum() == (pets.trimaps[0] != 1).sum() == 7
    add(folder, "b", (24, 16))
    write_xml(folder, "b", box_xml(6, 4, 18, 8))
    pets = load_pets(folder, split="all", size=8)
    assert np.isnan(pets.head_boxes[0]).all() and pets.head_boxes[1].tolist() == [2, 2, 6, 4]    # scaled with the image


@pytest.mark.parametrize("options, words", [
    ({"split": "validation"}, "'validation'"), ({"size": 0}, "size"), ({"size": 8.0}, "size"),
    ({"size": True}, "size"), ({"broken": "maybe"}, "'maybe'"), ({"limit": 0}, "limit"), ({"limit": -1}, "limit"),
])
def test_unknown_options(folder, options, words):
    add(folder, "a")
    with pytest.raises(ValueError, match=words):
        load_pets(folder, **options)


def test_many_problems_are_cut_short_and_nothing_left_is_an_error(folder):
    for i in range(13):
        add(folder, f"bad_{i:02}", image=b"?")
    with pytest.raises(ValueError, match="13 of 13 images") as caught:
        load_pets(folder, split="all", size=8)
    message = str(caught.value)
    assert "and 3 more" in message and "bad_09.jpg" in message and "bad_10.jpg" not in message
    with pytest.raises(ValueError, match="Nothing is left"):
        load_pets(folder, split="all", size=8, broken="skip")
    add(folder, "good")
    assert len(load_pets(folder, split="all", size=8, broken="skip").problems) == 13


@pytest.fixture
def five(folder):
    for i in range(5):
        add(folder, f"pet_{i}", (8, 8), trimap=Image.new("L", (8, 8), 1 + i % 3))
    write_list(folder, "list.txt", *(f"pet_{i} {i + 1} {1 + i % 2} 1" for i in range(5)))
    return load_pets(folder, split="all", size=8)


@pytest.mark.parametrize("which, expected", [
    (slice(1, 4, 2), [1, 3]), ([4, 0], [4, 0]), (np.array([True, False, False, False, True]), [0, 4]), (-1, [4]),
    ([], []), (slice(None), [0, 1, 2, 3, 4]),
])
def test_subsets(five, which, expected):
    part = five[which]
    assert part.names == [f"pet_{i}" for i in expected] and len(part) == len(expected)
    assert part.breeds.tolist() == expected
    assert part.species.tolist() == [i % 2 for i in expected]
    assert part.trimaps[:, 0, 0].tolist() == [i % 3 for i in expected]
    assert part.images.shape == (len(expected), 3, 8, 8) and part.boxes.shape == (len(expected), 4)


@pytest.mark.parametrize("which", [5, [0, 7], "pet_1", [[0, 1]], [True, False], 1.5])
def test_subsets_that_are_not_there(five, which):
    with pytest.raises(IndexError):
        five[which]


def test_arrays_are_read_only_and_slices_are_views(folder, five, tmp_path):
    cached: Any = load_pets(folder, split="all", size=8, cache=tmp_path / "cache")
    for pets in (five, cached):
        for key in module.ARRAYS:
            with pytest.raises(ValueError, match="read-only"):
                getattr(pets, key)[0] = 0
        assert np.shares_memory(pets[1:3].images, pets.images)
        assert [pet.names[0] for pet in pets] == pets.names


def test_order_does_not_depend_on_threads(folder, monkeypatch):
    monkeypatch.setattr(module, "CHUNK", 9)
    for i in range(40):
        size = (8, 8) if i % 2 else (200, 200)
        add(folder, f"pet_{i:02}", image=Image.new("RGB", size, (i, 2 * i, 3 * i)), suffix=".png")
    pets = load_pets(folder, split="all", size=4)
    assert [tuple(image[:, 0, 0]) for image in pets.images] == [(i, 2 * i, 3 * i) for i in range(40)]


def test_an_interruption_ends_the_reading(folder, monkeypatch, reads):
    for i in range(30):
        add(folder, f"pet_{i:02}", (4, 4))

    def interrupt(line, done):
        raise KeyboardInterrupt

    def slowly(source, size, read_one=module.read_one):
        time.sleep(0.01)
        return read_one(source, size)

    monkeypatch.setattr(module, "read_one", slowly)
    monkeypatch.setattr(Progress, "update", interrupt)
    filters, threads = list(warnings.filters), threading.active_count()
    with pytest.raises(KeyboardInterrupt):
        load_pets(folder, split="all", size=4)
    assert len(reads) < 30 and warnings.filters == filters and threading.active_count() == threads


def test_progress_is_shown_only_when_it_takes_long(folder, monkeypatch, capsys):
    add(folder, "a")
    load_pets(folder, split="all", size=4)
    monkeypatch.setattr(module, "PATIENCE", 0)
    load_pets(folder, split="all", size=4, progress=False)
    assert capsys.readouterr() == ("", "")
    load_pets(folder, split="all", size=4)
    assert capsys.readouterr() == ("reading images 1/1, took 0 s\n", "")


@real
def test_real_images():
    train, test, every = (load_pets(REAL, split=split, size=128) for split in ("train", "test", "all"))
    assert (len(train), len(test), len(every)) == (20, 6, 26)
    shares = np.bincount(train.trimaps.ravel(), minlength=3) / train.trimaps.size
    np.testing.assert_allclose(shares, [0.2697, 0.5989, 0.1314], atol=5e-5)
    assert (test.trimaps == 1).mean() == pytest.approx(0.6438, abs=1e-4)
    cats = [name[0].isupper() for name in every.names]
    assert every.species.tolist() == [0 if cat else 1 for cat in cats]
    assert every.breeds[every.names.index("Abyssinian_1")] == 0
    assert every.problems == [] and np.isfinite(every.boxes).all() and np.isnan(every.head_boxes).all()
