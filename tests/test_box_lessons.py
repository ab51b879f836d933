"""Lessons 05 and 06 leave out pictures that have no box, and say which."""
import json

import numpy as np
import pytest
from PIL import Image

from minidl.datasets import synthetic_pets
from tests.programs import ROOT, run


@pytest.fixture(scope="module")
def one_without_a_pet(tmp_path_factory):
    """Rendered pets; of the third for training, the trimap says that all is background."""
    folder = synthetic_pets.ensure(tmp_path_factory.mktemp("data") / "pets", train=20, test=6)
    lines = (folder / "annotations" / "trainval.txt").read_text(encoding="utf-8").splitlines()
    name = [line.split()[0] for line in lines if not line.startswith("#")][2]
    path = folder / "annotations" / "trimaps" / f"{name}.png"
    with Image.open(path) as trimap:
        blank = np.full((trimap.height, trimap.width), 2, np.uint8)
    Image.fromarray(blank).save(path)
    return folder, name


@pytest.mark.parametrize("lesson", ["05_localization", "06_detection"])
def test_a_picture_without_a_pet_is_left_out_and_named(lesson, one_without_a_pet, tmp_path):
    folder, name = one_without_a_pet
    result = run(ROOT / "lessons" / f"{lesson}.py", "--quick", "--data", folder, "--out", tmp_path)
    assert result.returncode == 0, result.stdout + result.stderr
    assert [line for line in result.stdout.splitlines() if line.startswith("train: left out") and name in line]
    results = json.loads((tmp_path / lesson / "metrics.json").read_text(encoding="utf-8"))
    assert (results["training_pictures"], results["test_pictures"]) == (19, 6)
