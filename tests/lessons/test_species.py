"""Lesson 05 reports what is missing if the species of the pets are not known."""
import json

import pytest

from tests.programs import ROOT, run
from tests.rendered import write_pets


@pytest.mark.parametrize("species", ["unknown", "cats only"])
def test_lesson_05_reports_missing_species(tmp_path, species):
    data = write_pets(tmp_path / "pets", train=12, test=4)
    for name in ("list", "trainval", "test"):
        path = data / "annotations" / f"{name}.txt"
        lines = [line.split() for line in path.read_text(encoding="utf-8").splitlines() if not line.startswith("#")]
        rows = [" ".join(line if species == "cats only" else line[:1]) for line in lines
                if species == "unknown" or line[2] == "1"]
        path.write_text("\n".join(rows) + "\n", encoding="utf-8")
    lesson = "05_image_classification"
    result = run(ROOT / "lessons" / f"{lesson}.py", "--quick", "--epochs", "1", "--threads", "1", "--data", data,
                 "--out", tmp_path / "out")
    assert result.returncode == 0, result.stdout + result.stderr
    assert "cats and dogs need images of both" in result.stdout and not result.stderr
    numbers = json.loads((tmp_path / "out" / lesson / "metrics.json").read_text(encoding="utf-8"))
    assert "pets_accuracy" not in numbers["test"]
