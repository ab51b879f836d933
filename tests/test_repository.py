"""What the project's own files may be: no photographs of data sets, weights of a bounded size."""
import hashlib
import io
import subprocess
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

ROOT = Path(__file__).resolve().parents[1]
SAMPLE = ROOT.parent / "shared" / "oxford-iiit-pet-sample" / "images"
PICTURES = {".jpg", ".jpeg", ".png", ".gif", ".bmp", ".tif", ".tiff", ".webp"}
FIGURES = Path("lessons/figures")
WEIGHTS_MOST = 1_600_000


def tracked() -> list[Path]:
    """Return the files of the project, relative to its folder; the test is skipped where git does not know them."""
    try:
        found = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=True).stdout
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("needs git, and a clone of the project")
    return [Path(name) for name in found.decode("utf-8").split("\0") if name]


def test_pictures_are_the_lessons_own_figures() -> None:
    assert [path for path in tracked() if path.suffix.lower() in PICTURES and path.parent != FIGURES] == []


def test_weights_are_small() -> None:
    weights = [path for path in tracked() if path.suffix == ".npz"]
    assert weights and all((ROOT / path).stat().st_size <= WEIGHTS_MOST for path in weights)


@pytest.mark.skipif(not SAMPLE.is_dir(), reason="needs the sample of real photographs beside the project")
def test_no_file_is_a_photograph_of_the_sample() -> None:
    photographs = {hashlib.sha256(path.read_bytes()).digest() for path in SAMPLE.iterdir()}
    assert len(photographs) > 600
    assert [path for path in tracked() if hashlib.sha256((ROOT / path).read_bytes()).digest() in photographs] == []


@pytest.mark.skipif(not SAMPLE.is_dir(), reason="needs the sample of real photographs beside the project")
def test_no_figure_holds_a_photograph_of_the_sample() -> None:
    """Compared is a coarse form, 8 x 8 gray values, in which a smaller copy or another format is still the same."""
    def coarse(file: Path | io.BytesIO) -> np.ndarray:
        with Image.open(file) as image:
            small = np.asarray(image.convert("L").resize((8, 8), Image.Resampling.BOX), float)
        return (small - small.mean()) / (small.std() + 1)

    photographs = np.stack([coarse(path) for path in sorted(SAMPLE.iterdir())])
    copy = io.BytesIO()
    with Image.open(sorted(SAMPLE.iterdir())[7]) as one:
        one.convert("RGB").resize((one.width // 2, one.height // 2)).save(copy, "JPEG", quality=60)

    def nearest(file: Path | io.BytesIO) -> float:
        return float(np.abs(photographs - coarse(file)).mean(axis=(1, 2)).min())
    assert nearest(copy) < 0.05, "a copy is found"
    for path in tracked():
        if path.parent == FIGURES and path.suffix.lower() in PICTURES:
            assert nearest(ROOT / path) > 0.1, path
