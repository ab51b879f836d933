"""Rendered pets for many tests: each image is rendered once, and written wherever a test wants a set of its own."""
from functools import lru_cache
from pathlib import Path

import pytest

from minidl.datasets import synthetic_pets
from minidl.datasets.synthetic_pets import Sample, render

SEED, SIZE = 3, 128


@lru_cache(maxsize=None)
def image(index: int, seed: int = SEED) -> Sample:
    """Return an image of the set; do not write into it."""
    return render(seed, index)


def rendered(seed: int, index: int, size: int = SIZE) -> Sample:
    """Stands in for `render` where a test is about something else."""
    assert size == SIZE
    return image(index, seed)


def write_pets(folder: str | Path, train: int, test: int, seed: int = SEED) -> Path:
    """Write a set of so many images into a folder; return the folder."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(synthetic_pets, "render", rendered)
        return synthetic_pets.write(folder, seed, train, test, workers=1)
