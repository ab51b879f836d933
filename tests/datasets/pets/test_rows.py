"""Rows that are collected in memory or in a file."""
import os
import time
import tracemalloc

import numpy as np
import pytest
from PIL import Image
from hypothesis import given, strategies as st

from minidl.datasets.pets.cache import STALE, FileRows, MemoryRows, drafting
from minidl.datasets.pets import load_pets


@given(st.integers(0, 12), st.integers(0, 10**9), st.lists(st.integers(1, 4), max_size=3), st.integers(0, 9))
def test_both_give_what_was_appended(tmp_path_factory, used, spare, shape, seed):
    rows = np.random.default_rng(seed).integers(0, 256, (used, *shape), np.uint8)
    path = tmp_path_factory.mktemp("rows") / "rows.npy"
    memory = MemoryRows(used + spare % 5, tuple(shape))
    with FileRows(path, used + spare, tuple(shape)) as file:
        for row in rows:
            memory.append(row)
            file.append(np.asfortranarray(row))
    for array in (memory.array, np.load(path), np.load(path, mmap_mode="r")):
        assert array.dtype == np.uint8 and np.array_equal(array, rows)


def test_a_file_that_was_not_finished_is_seen_to_be_none(tmp_path):
    path = tmp_path / "rows.npy"
    with pytest.raises(KeyboardInterrupt), FileRows(path, 3, (2, 2)) as rows:
        rows.append(np.zeros((2, 2), np.uint8))
        raise KeyboardInterrupt
    with pytest.raises(ValueError):
        np.load(path)


def test_memory_stays_flat_on_the_way_to_the_cache(tmp_path):
    count, size = 200, 128
    (tmp_path / "images").mkdir()
    (tmp_path / "annotations" / "trimaps").mkdir(parents=True)
    for i in range(count):
        Image.new("RGB", (8, 8), (i, i, i)).save(tmp_path / "images" / f"{i:03}.png")
        Image.new("L", (8, 8), 1 + i % 3).save(tmp_path / "annotations" / "trimaps" / f"{i:03}.png")
    peaks = []
    for cache in (None, tmp_path / "cache"):
        tracemalloc.start()
        try:
            pets = load_pets(tmp_path, "all", size, cache=cache)
            peaks.append(tracemalloc.get_traced_memory()[1])
        finally:
            tracemalloc.stop()
        assert pets.images[:, 0, 0, 0].tolist() == list(range(count))
    assert peaks[0] > count * 4 * size**2 > 2 * peaks[1]


def test_drafts_that_a_kill_left_are_removed_after_a_while(tmp_path):
    for name, age in (("pets-all-8-0123456789abcdef.01234567.tmp", 0), ("pets-all-8-0123456789abcdef.76543210.tmp", 2),
                      ("mine.tmp", 2)):
        (tmp_path / name).mkdir()
        for path in (tmp_path / name / "images.npy", tmp_path / name):
            path.touch()
            os.utime(path, (time.time() - age * STALE,) * 2)
    with drafting(tmp_path / "pets-all-16-fedcba9876543210"):
        pass
    assert sorted(path.name for path in tmp_path.iterdir()) == ["mine.tmp", "pets-all-8-0123456789abcdef.01234567.tmp"]
