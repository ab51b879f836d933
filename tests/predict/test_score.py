"""Scores on images whose classes are known: counted right, by group, training images left out, failures named."""
import csv
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from minidl.datasets.pets import CLASSES
from minidl.datasets.pets.index import find_sources
from minidl.metrics import mean_iou
from minidl.predict import open_model
from minidl.predict.__main__ import main
from minidl.predict.model import PETS
from minidl.predict.score import KNOWN, Scored, groups, names_seen, score_images, score_rows, score_table, total

PHOTOGRAPHS = Path(__file__).resolve().parents[3] / "shared" / "oxford-iiit-pet-sample"
OBJECT, BACKGROUND, BORDER = range(3)
NAMES = ("Bengal_1", "Bengal_2", "saint_bernard_7")


@pytest.fixture
def folder(tmp_path):
    """Three test images of 32 x 32: left half bright, which the model made by hand calls object; the rest dark."""
    place = tmp_path / "pets"
    (place / "images").mkdir(parents=True)
    (place / "annotations" / "trimaps").mkdir(parents=True)
    pixels = np.zeros((32, 32, 3), np.uint8)
    pixels[:, :16] = 255
    truth = np.full((32, 32), BACKGROUND + 1, np.uint8)
    for number, name in enumerate(NAMES):
        truth[:, :16 + 8 * number] = OBJECT + 1                    # 0, 8 and 16 columns are missed
        Image.fromarray(pixels).save(place / "images" / f"{name}.jpg", quality=100)
        Image.fromarray(truth).save(place / "annotations" / "trimaps" / f"{name}.png")
    lines = [f"{name} 1 {2 if name[0].islower() else 1} 1\n" for name in NAMES]
    (place / "annotations" / "test.txt").write_text("".join(lines))
    return place


def test_pixels_are_counted_by_true_and_predicted_class(weights, folder):
    model, size = open_model(weights)
    found = list(score_images(folder, model, size))
    assert [one.name for one in found] == list(NAMES) and [one.species for one in found] == [0, 0, 1]
    for number, one in enumerate(found):
        assert one.matrix is not None
        assert one.matrix[OBJECT].tolist() == [32 * 16, 32 * 8 * number, 0]
        assert one.matrix[BACKGROUND].tolist() == [0, 32 * (16 - 8 * number), 0]
    assert total(found).sum() == 3 * 32 * 32


def test_training_images_are_left_out(weights, folder):
    model, size = open_model(weights)
    assert [one.name for one in score_images(folder, model, size, seen=NAMES[:2])] == [NAMES[2]]
    with pytest.raises(ValueError, match="trained on all of its test images"):
        list(score_images(folder, model, size, seen=NAMES))


def test_groups_are_known_breeds_and_others_cats_and_dogs():
    matrix = np.eye(3, dtype=np.int64)
    results = [Scored("Bengal_1", 0, matrix), Scored("pug_1", 1, matrix), Scored("pug_2", 1, None, "broken")]
    seen = [f"Bengal_{number}" for number in range(100, 100 + KNOWN)] + ["pug_9"]
    names = {group: [one.name for one in part] for group, part in groups(results, seen).items()}
    assert names == {"all": ["Bengal_1", "pug_1"], f"breeds with {KNOWN} or more training images": ["Bengal_1"],
                     "other breeds": ["pug_1"], "cats": ["Bengal_1"], "dogs": ["pug_1"]}
    assert list(groups(results)) == ["all", "cats", "dogs"]


def test_the_table_has_each_groups_scores():
    half = np.array([[1, 1, 0], [0, 2, 0], [0, 0, 0]])                   # object 1/2, background 2/3, no border
    table = score_table({"all": [Scored("a_1", 0, half), Scored("a_2", 0, half)]})
    head, row = table.splitlines()
    assert all(name in head for name in CLASSES)
    assert row.split() == ["all", "2", "0.583", "0.500", "0.667", "nan", "0.750", "0.500"]


def test_rows_begin_with_the_worst_and_end_with_problems():
    good, bad = np.diag([1, 1, 1]), np.array([[0, 1, 0], [1, 0, 0], [0, 0, 1]])
    found = score_rows([Scored("a", 0, None, "broken"), Scored("b", 0, good), Scored("c", 0, bad)])
    assert [row["image"] for row in found] == ["c", "b", "a"]
    assert found[-1] == {"image": "a", "problem": "broken"}


def test_names_seen_are_those_in_the_file_beside_the_weights(tmp_path):
    assert names_seen(tmp_path / "w.npz") == []
    (tmp_path / "w.txt").write_text("Bengal_1\npug_2\n")
    assert names_seen(tmp_path / "w.npz") == ["Bengal_1", "pug_2"]


def test_command_prints_scores_names_failures_and_writes_the_worst_first(weights, folder, tmp_path, capsys):
    (folder / "images" / f"{NAMES[0]}.jpg").write_bytes(b"no image")
    out = tmp_path / "out"
    assert main(["--weights", str(weights), "--score", str(folder), "--out", str(out)]) == 1
    printed, errors = capsys.readouterr()
    assert NAMES[0] in errors and "2 images scored" in printed and "1 failed" in printed
    with (out / "scores.csv").open(newline="") as file:
        assert [row["image"] for row in csv.DictReader(file)] == [NAMES[2], NAMES[1], NAMES[0]]


def test_a_trimap_of_another_size_is_refused_by_name(weights, folder):
    path = folder / "annotations" / "trimaps" / f"{NAMES[0]}.png"
    Image.fromarray(np.full((30, 32), 2, np.uint8)).save(path)
    model, size = open_model(weights)
    first = next(iter(score_images(folder, model, size)))
    assert first.matrix is None and path.name in first.problem and "32 x 30" in first.problem


@pytest.mark.parametrize("arguments", [[], ["cat.jpg", "--score", "folder"]])
def test_images_or_a_folder_to_score_and_not_both(arguments, capsys):
    with pytest.raises(SystemExit):
        main(arguments)
    assert "expected images, or --score FOLDER" in capsys.readouterr().err


def test_a_folder_without_trimaps_is_named(weights, tmp_path, capsys):
    assert main(["--weights", str(weights), "--score", str(tmp_path), "--out", str(tmp_path / "out")]) == 2
    assert str(tmp_path) in capsys.readouterr().err


def test_the_weights_that_ship_name_511_training_images():
    names = names_seen(PETS)
    assert len(names) == len(set(names)) == 511


@pytest.mark.skipif(not PHOTOGRAPHS.is_dir(), reason="needs the sample of real photographs beside the project")
def test_the_weights_that_ship_know_photographs():
    test = [source.entry.name for source in find_sources(PHOTOGRAPHS, "test")]
    train = [source.entry.name for source in find_sources(PHOTOGRAPHS, "train")]
    assert set(names_seen(PETS)) == set(train) and not set(test) & set(train)
    model, size = open_model()
    every_fifth = set(test[::5])
    found = list(score_images(PHOTOGRAPHS, model, size, seen=[name for name in test if name not in every_fifth]))
    assert len(found) == 31 and mean_iou(total(found)) > 0.7                 # all 154: 0.733
