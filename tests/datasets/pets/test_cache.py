"""The cache: it spares reading, changes nothing, notices changes and damage, and is whole or not there."""
import os
import sys
import tracemalloc

import numpy as np
import pytest
from PIL import Image

from minidl.datasets.pets import decode, load_pets, reader
from minidl.datasets.pets.cache import record_type
from tests.datasets.pet_folders import GREEN, add, box_xml, halves, write_list, write_xml

EVERY = ["pet_0", "pet_1", "pet_2"]


def same(pets, other):
    assert (pets.names, pets.problems) == (other.names, other.problems)
    for key in reader.ARRAYS:
        a, b = getattr(pets, key), getattr(other, key)
        np.testing.assert_array_equal(a, b)
        assert a.dtype == b.dtype


@pytest.fixture
def cached(folder, tmp_path, reads):
    """A folder of three pets, its cache, and a function that loads it and says which of them were read."""
    for i in range(3):
        add(folder, f"pet_{i}", (8 + i, 8), trimap=halves((8 + i, 8), 1, 3, mode="L"))
    write_xml(folder, "pet_1", box_xml(1, 2, 3, 4))
    cache = tmp_path / "çache dir"

    def load(**options):
        del reads[:]
        pets = load_pets(folder, **{"split": "all", "size": 8, "cache": cache, **options})
        return pets, sorted(reads)

    return folder, cache, load


def test_the_cache_spares_reading_and_changes_nothing(cached):
    folder, cache, load = cached
    plain = load_pets(folder, split="all", size=8)
    first, read = load()
    assert read == EVERY
    second, read = load()
    assert read == []
    same(plain, first)
    same(plain, second)
    assert isinstance(second.images, np.memmap) and isinstance(second.trimaps, np.memmap)
    path, = cache.iterdir()
    assert path.name.startswith(f"{folder.name}-all-8-") and path.stat().st_size == 3 * record_type(8).itemsize


def test_other_sizes_splits_and_limits_have_caches_of_their_own(cached):
    _, cache, load = cached
    for options in ({}, {"size": 5}, {"limit": 2}, {"split": "train", "limit": 1}):
        assert load(**options)[1] != [] and load(**options)[1] == []
    assert len(list(cache.iterdir())) == 4


@pytest.mark.parametrize("change", ["image", "trimap", "xml", "list", "new", "gone"])
def test_a_change_is_noticed(cached, change):
    folder, _, load = cached
    old, _ = load()
    if change == "image":
        add(folder, "pet_1", image=halves((9, 8), GREEN, GREEN), trimap=halves((9, 8), 1, 3, mode="L"))
    elif change == "trimap":  # same size of file and image, another time
        path = folder / "annotations" / "trimaps" / "pet_1.png"
        stat = path.stat()
        os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns + 10**9))
    elif change == "xml":
        write_xml(folder, "pet_2", box_xml(1, 1, 5, 5))
    elif change == "list":
        write_list(folder, "list.txt", "pet_0 1 1 1", "pet_1 1 1 1", "pet_2 1 2 1")
    elif change == "new":
        add(folder, "pet_3")
    elif change == "gone":
        (folder / "images" / "pet_2.jpg").unlink()
    new, read = load()
    assert read == {"new": [*EVERY, "pet_3"], "gone": EVERY[:2]}.get(change, EVERY)
    same(new, load_pets(folder, split="all", size=8))
    if change == "image":
        assert (new.images[1] != old.images[1]).any()


RECORD = record_type(8).itemsize


@pytest.mark.parametrize("damage", [
    lambda content: None,
    lambda content: b"",
    lambda content: content[:-1],
    lambda content: content[:RECORD],                    # cut off between two records
    lambda content: bytes(3 * RECORD),                   # the file system lost the content
    lambda content: content + content[:RECORD],
    lambda content: content + content[-RECORD:].replace(b"\2", b"\3", 1),
    lambda content: content[RECORD:] + content[:RECORD],
], ids=["missing", "empty", "cut", "cut between", "zeros", "too long", "a fourth", "another order"])
def test_a_damaged_cache_is_rebuilt(cached, damage):
    folder, cache, load = cached
    plain = load_pets(folder, split="all", size=8)
    load()
    path, = cache.iterdir()
    whole = path.read_bytes()
    damaged = damage(whole)
    path.unlink() if damaged is None else path.write_bytes(damaged)
    pets, read = load()
    assert set(read) == set(EVERY)
    same(pets, plain)
    assert load()[1] == [] and list(cache.iterdir()) == [path] and path.read_bytes() == whole


def test_problems_survive_in_the_cache(cached):
    folder, cache, load = cached
    add(folder, "bad", image=b"?")
    with pytest.raises(ValueError, match="images/bad.jpg"):
        load()
    assert list(cache.iterdir()) == []  # nothing to keep
    pets, read = load(broken="skip")
    assert read.count("pet_0") == 1 and pets.names == EVERY
    again, read = load(broken="skip")
    assert read == ["bad"]  # looked at again: it may have been a permission only
    same(pets, again)
    assert again.problems[0].startswith("images/bad.jpg: not an image")
    with pytest.raises(ValueError, match="images/bad.jpg"):
        load()


def test_an_image_that_became_readable_is_taken_in(cached, monkeypatch):
    _, _, load = cached
    open_image = decode.open_image

    def refuse(path):
        if path.stem == "pet_1":
            raise PermissionError(13, "Permission denied")
        return open_image(path)

    with monkeypatch.context() as patch:
        patch.setattr(decode, "open_image", refuse)
        pets, _ = load(broken="skip")
        assert pets.names == ["pet_0", "pet_2"] and "Permission denied" in pets.problems[0]
    assert load(broken="skip")[0].names == EVERY
    assert load(broken="skip")[1] == []


def refuse(error):
    def refused(*arguments):
        raise error

    return refused


@pytest.mark.parametrize("fault", ["no space", "in use"])
def test_a_cache_that_cannot_be_written_only_warns(cached, monkeypatch, fault):
    folder, cache, load = cached
    kept = []
    if fault == "in use":                # as on Windows, where a file that is open is not replaced
        load()
        path, = kept = list(cache.iterdir())
        path.write_bytes(b"damaged")
        monkeypatch.setattr(os, "replace", refuse(PermissionError(13, "The process cannot access the file")))
    else:
        monkeypatch.setattr(reader, "replacing", refuse(OSError(28, "No space left on device")))
    with pytest.warns(RuntimeWarning, match="could not be written.*(No space|cannot access)") as caught:
        pets, _ = load()
    assert caught[0].filename == __file__  # the caller's line
    same(pets, load_pets(folder, split="all", size=8))
    assert list(cache.iterdir()) == kept
    with pytest.raises(OSError):
        load(cache=folder / "images" / "pet_0.jpg")


def test_of_two_that_write_at_once_both_have_all(cached, monkeypatch):
    """On Windows the second cannot replace the first one's file, which is open: it uses it, without a warning."""
    _, cache, load = cached
    replace = os.replace

    def another_was_first(source, target):
        replace(source, target)
        raise PermissionError(13, "The process cannot access the file")

    monkeypatch.setattr(os, "replace", another_was_first)
    pets, read = load()
    assert read == EVERY and pets.names == EVERY and isinstance(pets.images, np.memmap)
    assert len(list(cache.iterdir())) == 1


def test_an_interrupted_writing_leaves_nothing(cached, monkeypatch):
    _, cache, load = cached
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(reader, "pet_box", refuse(KeyboardInterrupt()))
        load()
    assert list(cache.iterdir()) == []
    assert load()[1] == EVERY


def test_memory_stays_flat_on_the_way_to_the_cache(folder, tmp_path):
    count, size = 200, 128
    for i in range(count):
        add(folder, f"{i:03}", image=Image.new("RGB", (8, 8), (i, i, i)), suffix=".png")
    peaks = []
    for cache in (None, tmp_path / "cache"):
        tracemalloc.start()
        try:
            pets = load_pets(folder, "all", size, cache=cache)
            peaks.append(tracemalloc.get_traced_memory()[1])
        finally:
            tracemalloc.stop()
        assert pets.images[:, 0, 0, 0].tolist() == list(range(count))
    assert peaks[0] > count * 4 * size**2 > 2 * peaks[1]


@pytest.mark.skipif(sys.platform == "win32", reason="a path may be no longer than 260 characters")
def test_a_folder_with_a_long_name_has_a_cache(tmp_path, reads):
    folder = tmp_path / ("猫" * 80 + "a" * 15)             # 255 bytes
    add(folder, "pet")
    for _ in range(2):
        assert load_pets(folder, "all", 8, cache=tmp_path / "cache").names == ["pet"]
    assert reads == ["pet"] and len(list((tmp_path / "cache").iterdir())) == 1
