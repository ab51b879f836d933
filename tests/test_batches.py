"""Batches: each sample once an epoch, as what it was, in an order that a seed repeats."""
import copy
import dataclasses

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from minidl.batches import Batches
from minidl.datasets.augment import Augment
from minidl.layers import layout

STILL = Augment(flip=0, crop=(1, 1), shift=0, color=0)


def numbered(N, size=4):
    """Return images and trimaps whose every pixel is the image's number."""
    numbers = np.arange(N, dtype=np.uint8)
    return (np.broadcast_to(numbers[:, None, None, None], (N, 3, size, size)).copy(),
            np.broadcast_to(numbers[:, None, None], (N, size, size)).copy())


@given(st.integers(1, 40), st.integers(1, 50), st.booleans(), st.integers(0, 9))
@settings(deadline=None)
def test_an_epoch_shows_every_image_once(N, batch_size, shuffle, seed):
    images, labels = numbered(N, size=2)
    batches = Batches(images, labels, batch_size, np.random.default_rng(seed), shuffle)
    for _ in range(2):
        seen, sizes = [], []
        for x, y in batches:
            assert np.array_equal(np.round(x[:, 0, 0, 0] * 255), y[:, 0, 0])  # still each with its own trimap
            seen += y[:, 0, 0].tolist()
            sizes.append(len(x))
        assert sorted(seen) == list(range(N))
        assert shuffle or seen == list(range(N))
        assert len(sizes) == len(batches) == -(-N // batch_size)
        assert all(size == batch_size for size in sizes[:-1])


@given(st.integers(1, 40), st.integers(1, 40))
@settings(deadline=None)
def test_drop_last(N, batch_size):
    images, labels = numbered(N, size=1)
    if batch_size > N:
        with pytest.raises(ValueError, match=f"drop_last leaves nothing of {N} images"):
            Batches(images, labels, batch_size, drop_last=True)
        return
    batches = Batches(images, labels, batch_size, drop_last=True)
    shapes = [x.shape for x, _ in batches]
    assert shapes == [(batch_size, 3, 1, 1)] * (N // batch_size) and len(batches) == len(shapes)


def test_what_a_batch_is():
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (5, 3, 6, 8), dtype=np.uint8)
    labels = rng.integers(0, 3, (5, 6, 8), dtype=np.uint8)
    kept = images.copy(), labels.copy()
    for augment in (None, STILL, Augment()):
        (x, y), _ = Batches(images, labels, 3, shuffle=False, augment=augment)
        assert x.shape == (3, 3, 6, 8) and x.dtype == np.float32 and layout.is_channel_major(x)
        assert y.shape == (3, 6, 8) and y.dtype == np.int64
        assert x.min() >= 0 and x.max() <= 1
        varied = augment == Augment()
        assert np.array_equal(x, images[:3] / np.float32(255)) != varied
        assert np.array_equal(y, labels[:3]) != varied
    assert np.array_equal(images, kept[0]) and np.array_equal(labels, kept[1])


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_floating_point_images_are_taken_as_they_are(dtype):
    images = np.random.default_rng(0).normal(size=(4, 1, 3, 3)).astype(dtype)
    ((x, _),) = Batches(images, np.zeros(4, np.int32), 4, shuffle=False)
    assert x.dtype == np.float32 and np.array_equal(x, images.astype(np.float32))


def test_a_class_per_image_with_augmentation():
    images, _ = numbered(6)
    batches = Batches(images, np.arange(6), 4, np.random.default_rng(0), augment=dataclasses.replace(STILL, flip=1))
    for x, y in batches:
        assert y.dtype == np.int64 and y.shape == (len(x),)
        assert np.array_equal(np.round(x[:, 0, 0, 0] * 255), y)


def test_memory_mapped_images(tmp_path):
    images, labels = numbered(7)
    np.save(tmp_path / "images.npy", images)
    mapped = np.load(tmp_path / "images.npy", mmap_mode="r")
    for augment in (None, Augment()):
        ours, theirs = (Batches(array, labels, 3, np.random.default_rng(1), augment=augment)
                        for array in (mapped, images))
        for (x, y), (x2, y2) in zip(ours, theirs, strict=True):
            assert type(x) is np.ndarray and np.array_equal(x, x2) and np.array_equal(y, y2)


def epoch(batches):
    return [(x.copy(), y.copy()) for x, y in batches]


def equal(epoch1, epoch2):
    return len(epoch1) == len(epoch2) and all(
        np.array_equal(a, b) for pair in zip(epoch1, epoch2, strict=True) for a, b in zip(*pair, strict=True))


def test_a_seed_repeats_and_epochs_differ():
    images, labels = numbered(20, size=8)
    images[:, :, ::2] += 100
    first, second, other = (Batches(images, labels, 6, np.random.default_rng(seed), augment=Augment())
                            for seed in (3, 3, 4))
    one, two = epoch(first), epoch(first)
    assert equal(one, epoch(second)) and equal(two, epoch(second))
    assert not equal(one, two) and not equal(one, epoch(other))
    unseeded = [Batches(images, labels, 6) for _ in range(2)]
    assert not equal(*map(epoch, unseeded))


def test_the_state_of_rng_continues_where_it_was():
    images, labels = numbered(20, size=8)
    batches = Batches(images, labels, 6, np.random.default_rng(3), augment=Augment())
    epoch(batches)
    state = copy.deepcopy(batches.rng.bit_generator.state)
    second = epoch(batches)
    again = Batches(images, labels, 6, augment=Augment())
    again.rng.bit_generator.state = state
    assert equal(second, epoch(again))


def test_the_global_random_state_is_left_alone():
    images, labels = numbered(4, size=8)
    before = np.random.get_state(legacy=False)["state"]["key"].copy()
    epoch(Batches(images, labels, 2, augment=Augment()))
    assert np.array_equal(before, np.random.get_state(legacy=False)["state"]["key"])


IMAGES, LABELS = numbered(4)


@pytest.mark.parametrize("images, labels, options, words", [
    (IMAGES[:0], LABELS[:0], {}, r"at least one image.*got uint8 of shape \(0, 3, 4, 4\)"),
    (IMAGES, LABELS[:3], {}, r"shape \(4,\), a class per image, or \(4, 4, 4\), a class per.*of shape \(3, 4, 4\)"),
    (IMAGES[0], LABELS[0], {}, r"\(N, C, H, W\).*got uint8 of shape \(3, 4, 4\)"),
    (IMAGES.astype(object), LABELS, {}, "got object"),
    (IMAGES.astype(np.int64), LABELS, {}, "uint8 or floating-point, got int64"),
    (IMAGES.astype(complex), LABELS, {}, "got complex128"),
    (IMAGES, LABELS.astype(np.float32), {}, "integer labels.*got float32"),
    (IMAGES, LABELS.astype(object), {}, "integer labels.*got object"),
    (IMAGES, LABELS[:, None], {}, r"a class per pixel.*of shape \(4, 1, 4, 4\)"),
    (IMAGES, LABELS[:, 0], {}, r"of shape \(4, 4\)"),
    (IMAGES, LABELS[:, :2], {}, r"of shape \(4, 2, 4\)"),
    *((IMAGES, LABELS, {"batch_size": size}, f"positive integer, got {size}") for size in (0, -2, 2.0, True)),
    (IMAGES, LABELS, {"rng": 3}, r"numpy.random.Generator, got int; .*default_rng\(seed\)"),
])
def test_bad_sets_and_options(images, labels, options, words):
    with pytest.raises(ValueError, match="Batches: .*" + words):
        Batches(images, labels, **{"batch_size": 2, **options})


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_pixels_that_are_not_numbers_are_named(value, monkeypatch):
    images = np.zeros((9, 3, 4, 4), np.float32)
    images[7, 1, 2, 3] = value
    with pytest.raises(ValueError, match="NaN or infinity in image 7"):
        Batches(images, np.zeros(9, int), 2)
    monkeypatch.setattr("minidl.batches.CHECK_BYTES", 3 * images[0].nbytes)  # in several parts
    with pytest.raises(ValueError, match="NaN or infinity in image 7"):
        Batches(images, np.zeros(9, int), 2)
