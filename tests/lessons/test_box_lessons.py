"""Lessons 06 and 07 leave out images that have no box or cannot be read, and say which."""
import json

import numpy as np
import pytest
from PIL import Image

from tests.programs import ROOT, run
from tests.rendered import write_pets


@pytest.fixture(scope="module")
def two_that_do_not_count(tmp_path_factory):
    """Rendered pets; of the third for training, the trimap says that all is background; the fifth is not an image."""
    folder = write_pets(tmp_path_factory.mktemp("data") / "pets", train=20, test=6)
    lines = (folder / "annotations" / "trainval.txt").read_text(encoding="utf-8").splitlines()
    names = [line.split()[0] for line in lines if not line.startswith("#")]
    name, broken = names[2], names[4]
    path = folder / "annotations" / "trimaps" / f"{name}.png"
    with Image.open(path) as trimap:
        blank = np.full((trimap.height, trimap.width), 2, np.uint8)
    Image.fromarray(blank).save(path)
    (folder / "images" / f"{broken}.jpg").write_bytes(b"not an image")
    return folder, name, broken


@pytest.mark.parametrize("lesson", ["06_localization", "07_detection"])
def test_images_without_a_pet_and_broken_ones_are_left_out_and_named(lesson, two_that_do_not_count, tmp_path):
    folder, name, broken = two_that_do_not_count
    result = run(ROOT / "lessons" / f"{lesson}.py", "--quick", "--epochs", "2", "--threads", "1", "--data", folder,
                 "--out", tmp_path)
    assert result.returncode == 0, result.stdout + result.stderr
    assert [line for line in result.stdout.splitlines() if line.startswith("train: left out") and name in line]
    assert sum(line.startswith("left out: ") and broken in line for line in result.stdout.splitlines()) == 1
    results = json.loads((tmp_path / lesson / "metrics.json").read_text(encoding="utf-8"))
    assert [results[f"{part}_images"] for part in ("training", "validation", "test")] == [15, 3, 6]
