import copy
import dataclasses
import time

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from minidl.batches import Batches
from minidl.datasets.augment import Augment
from minidl.layers import layout

STILL = Augment(flip=0, crop=(1, 1), shift=0, color=0)


def numbered(N, size=4):
    """Pictures and trimaps whose every pixel is the picture's number."""
    numbers = np.arange(N, dtype=np.uint8)
    return (np.broadcast_to(numbers[:, None, None, None], (N, 3, size, size)).copy(),
            np.broadcast_to(numbers[:, None, None], (N, size, size)).copy())


@given(st.integers(1, 40), st.integers(1, 50), st.booleans(), st.integers(0, 9))
@settings(deadline=None)
def test_an_epoch_shows_every_picture_once(N, batch_size, shuffle, seed):
    images, labels = numbered(N, size=2)
    batches = Batches(images, labels, batch_size, np.random.default_rng(seed), shuffle)
    for _ in range(2):
        seen = []
        sizes = []
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


def test_what_a_batch_is(rng=np.random.default_rng(0)):
    images = rng.integers(0, 256, (5, 3, 6, 8), dtype=np.uint8)
    labels = rng.integers(0, 3, (5, 6, 8), dtype=np.uint8)
    kept = images.copy(), labels.copy()
    for augment in (None, STILL, Augment()):
        (x, y), _ = Batches(images, labels, 3, shuffle=False, augment=augment)
        assert x.shape == (3, 3, 6, 8) and x.dtype == np.float32 and layout.is_channel_major(x)
        assert y.shape == (3, 6, 8) and y.dtype == np.int64
        assert x.min() >= 0 and x.max() <= 1
        if augment is not None and augment is not STILL:
            assert not np.array_equal(x, images[:3] / np.float32(255))
            continue
        assert np.array_equal(x, images[:3] / np.float32(255))
        assert np.array_equal(y, labels[:3])
    assert np.array_equal(images, kept[0]) and np.array_equal(labels, kept[1])


def test_pixels_from_0_to_1():
    images = np.array([0, 255], np.uint8).reshape(2, 1, 1, 1)
    ((x, y),) = Batches(images, np.arange(2), 2, shuffle=False)
    assert x.ravel().tolist() == [0, 1] and y.tolist() == [0, 1]


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_floating_point_pictures_are_taken_as_they_are(dtype):
    images = np.random.default_rng(0).normal(size=(4, 1, 3, 3)).astype(dtype)
    ((x, _),) = Batches(images, np.zeros(4, np.int32), 4, shuffle=False)
    assert x.dtype == np.float32 and np.array_equal(x, images.astype(np.float32))


def test_a_class_per_picture_with_augmentation():
    images, _ = numbered(6)
    batches = Batches(images, np.arange(6), 4, np.random.default_rng(0), augment=dataclasses.replace(STILL, flip=1))
    for x, y in batches:
        assert y.dtype == np.int64 and y.shape == (len(x),)
        assert np.array_equal(np.round(x[:, 0, 0, 0] * 255), y)


def test_memory_mapped_pictures(tmp_path):
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
    (IMAGES, LABELS, {"batch_size": 0}, "positive integer, got 0"),
    (IMAGES, LABELS, {"batch_size": -2}, "positive integer, got -2"),
    (IMAGES, LABELS, {"batch_size": 2.0}, "positive integer, got 2.0"),
    (IMAGES, LABELS, {"batch_size": True}, "positive integer, got True"),
    (IMAGES, LABELS, {"rng": 3}, r"numpy.random.Generator, got int; .*default_rng\(seed\)"),
])
def test_bad_sets_and_options(images, labels, options, words):
    with pytest.raises(ValueError, match="Batches: .*" + words):
        Batches(images, labels, **{"batch_size": 2, **options})


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_pixels_that_are_no_numbers_are_named(value, monkeypatch):
    images = np.zeros((9, 3, 4, 4), np.float32)
    images[7, 1, 2, 3] = value
    with pytest.raises(ValueError, match="NaN or infinity in image 7"):
        Batches(images, np.zeros(9, int), 2)
    monkeypatch.setattr("minidl.batches.CHECK_BYTES", 3 * images[0].nbytes)  # in several parts
    with pytest.raises(ValueError, match="NaN or infinity in image 7"):
        Batches(images, np.zeros(9, int), 2)


def test_nothing_asked_nothing_changed():
    rng = np.random.default_rng(0)
    image, labels = rng.integers(0, 256, (3, 9, 12), dtype=np.uint8), rng.integers(0, 3, (9, 12))
    x, y = STILL(image, labels, rng)
    assert x.dtype == np.float32 and np.array_equal(x, image / np.float32(255))
    assert y.dtype == labels.dtype and np.array_equal(y, labels)


def test_a_flip_is_exact():
    rng = np.random.default_rng(0)
    image, labels = rng.integers(0, 256, (3, 9, 12), dtype=np.uint8), rng.integers(0, 3, (9, 12))
    x, y = dataclasses.replace(STILL, flip=1)(image, labels, rng)
    assert np.array_equal(x, image[:, :, ::-1] / np.float32(255)) and np.array_equal(y, labels[:, ::-1])


def test_flips_are_as_frequent_as_asked():
    labels = np.array([[0, 1]])
    augment = dataclasses.replace(STILL, flip=0.3)
    rng = np.random.default_rng(0)
    flips = [augment(np.zeros((3, 1, 2), np.uint8), labels, rng)[1][0, 0] for _ in range(2000)]
    assert np.mean(flips) == pytest.approx(0.3, abs=0.05)


def test_shifts_mirror_at_the_frame():
    rng = np.random.default_rng(0)
    H, W = 10, 20
    image, labels = rng.integers(0, 256, (3, H, W), dtype=np.uint8), np.arange(H * W).reshape(H, W)
    padded = np.pad(labels, ((3, 3), (6, 6)), mode="symmetric")
    shifts = set()
    for _ in range(400):
        x, y = dataclasses.replace(STILL, shift=0.3)(image, labels, rng)
        assert np.array_equal(x, image.reshape(3, -1)[:, y] / np.float32(255))  # picture and trimap alike
        matches = [(dy, dx) for dy in range(7) for dx in range(13) if np.array_equal(y, padded[dy:dy + H, dx:dx + W])]
        assert len(matches) == 1
        shifts.update(matches)
    assert {dy for dy, _ in shifts} == set(range(7)) and {dx for _, dx in shifts} == set(range(13))


def test_a_crop_is_scaled_to_full_size():
    size = 64
    ramp = np.broadcast_to(np.linspace(0, 1, size), (3, size, size))       # brightness tells the column,
    labels = np.broadcast_to(np.arange(size)[:, None], (size, size))       # the class tells the row
    sides = []
    for seed in range(200):
        x, y = dataclasses.replace(STILL, crop=(0.5, 0.8))(ramp, labels, np.random.default_rng(seed))
        assert (x == x[:, :1]).all() and (y == y[:, :1]).all()
        columns = x[0, 0] * (size - 1)
        assert columns.min() >= 0 and columns.max() <= size - 1
        steps = np.diff(columns[1:-1])  # the outermost may lie beyond the center of the last pixel
        np.testing.assert_allclose(steps, steps.mean(), atol=1e-3)
        assert np.abs(np.diff(y[:, 0]) - steps.mean()).max() <= 1          # the same side for both
        sides.append(steps.mean())
    assert 0.5 <= min(sides) < 0.52 and 0.78 < max(sides) <= 0.8


def test_crops_lie_anywhere_in_the_picture():
    labels = np.broadcast_to(np.arange(100), (100, 100))
    rng = np.random.default_rng(0)
    edges = [y[0, [0, -1]] for _, y in (dataclasses.replace(STILL, crop=(0.5, 0.5))(
        np.zeros((3, 100, 100), np.uint8), labels, rng) for _ in range(200))]
    first, last = np.transpose(edges)
    assert first.min() <= 2 and first.max() >= 48 and last.max() <= 99
    assert set(last - first) <= {49, 50}


variations = given(st.integers(0, 10**6), st.floats(0, 1), st.floats(0.2, 1), st.floats(0, 0.5))


@variations
@settings(deadline=None, max_examples=60)
def test_picture_and_trimap_move_together(seed, flip, crop, shift):
    rng = np.random.default_rng(seed)
    coarse = rng.integers(0, 3, (4, 4))
    labels = np.kron(coarse, np.ones((12, 12), int)).astype(np.uint8)      # (48, 48)
    image = np.stack([labels * 100] * 3)                                   # the class as a color: 0, 100, 200
    x, y = Augment(flip, (crop, 1), shift, color=0)(image, labels, rng)
    shown = x[0] * 255 / 100
    assert set(np.unique(y)) <= set(np.unique(labels))
    # Where no other class is within a pixel of the original, nothing is mixed into the color.
    reach = int(np.ceil(1 / crop))
    padded = np.pad(y, reach, constant_values=99)
    windows = np.lib.stride_tricks.sliding_window_view(padded, (2 * reach + 1,) * 2)
    inside = (windows == y[:, :, None, None]).all(axis=(2, 3))
    np.testing.assert_allclose(shown[inside], y[inside], atol=1e-4)


@variations
@settings(deadline=None, max_examples=60)
def test_the_trimap_follows_the_picture_to_half_a_pixel(seed, flip, crop, shift):
    rng = np.random.default_rng(seed)
    stripes = np.repeat(rng.integers(0, 2, 12), 4).astype(np.uint8)       # (48,)
    for labels in (np.tile(stripes, (48, 1)), np.tile(stripes[:, None], 48)):
        image = np.stack([labels * 255] * 3)
        x, y = Augment(flip, (crop, 1), shift, color=0)(image, labels, rng)
        # Between two stripes the color is a mixture, and the class that of the one that has more of it.
        assert np.abs(x[0] - y).max() <= 0.5 + 1e-5


def test_colors_change_within_bounds_and_the_trimap_does_not():
    rng = np.random.default_rng(0)
    image = np.full((3, 4, 4), 0.4)
    labels = rng.integers(0, 3, (4, 4))
    colors = []
    for _ in range(500):
        x, y = dataclasses.replace(STILL, color=0.2)(image, labels, rng)
        assert np.array_equal(y, labels)
        colors.append(x[:, 0, 0])
    values = np.array(colors)
    # Of a picture of one gray, contrast leaves the brightness; saturation widens the difference of channels.
    assert 0.4 * 0.8 * 0.9 <= values.mean(axis=1).min() < 0.36 and 0.44 < values.mean(axis=1).max() <= 0.4 * 1.2 * 1.1
    assert (values.max(axis=1) - values.min(axis=1)).max() > 0.04


def test_contrast_and_saturation():
    class Fixed(np.random.Generator):
        """Draws given color factors."""

        def __init__(self, *factors):
            super().__init__(np.random.PCG64(0))
            self.factors = np.array(factors)

        def uniform(self, low=0.0, high=1.0, size=None):
            if size == 3:
                return self.factors
            return np.ones(size) if size else low

    image = np.random.default_rng(0).uniform(0.3, 0.7, (3, 5, 5))
    luma = np.array([0.299, 0.587, 0.114])

    def gray(x):
        return np.tensordot(luma, x, 1)

    augment = dataclasses.replace(STILL, color=0.3)
    neutral, _ = augment(image, None, Fixed(1, 1, 1))
    np.testing.assert_allclose(neutral, image, atol=1e-6)
    bright, _ = augment(image, None, Fixed(1.3, 1, 1))
    np.testing.assert_allclose(bright, image * 1.3, atol=1e-6)
    contrast, _ = augment(image, None, Fixed(1, 0.7, 1))
    np.testing.assert_allclose(contrast, gray(image).mean() + 0.7 * (image - gray(image).mean()), atol=1e-6)
    saturated, _ = augment(image, None, Fixed(1, 1, 1.2))
    np.testing.assert_allclose(saturated, gray(image) + 1.2 * (image - gray(image)), atol=1e-6)
    np.testing.assert_allclose(gray(saturated), gray(image), atol=1e-6)


@given(st.integers(0, 10**6), st.integers(1, 9), st.integers(1, 9), st.booleans())
@settings(deadline=None)
def test_any_size_gives_a_picture_in_range(seed, H, W, floating):
    rng = np.random.default_rng(seed)
    image = rng.random((3, H, W)) if floating else rng.integers(0, 256, (3, H, W), dtype=np.uint8)
    labels = rng.integers(0, 3, (H, W), dtype=np.uint8)
    before = image.copy(), labels.copy()
    x, y = Augment(crop=(0.1, 1), shift=0.5, color=0.9)(image, labels, rng)
    assert x.shape == image.shape and x.dtype == np.float32 and 0 <= x.min() and x.max() <= 1
    assert y.shape == labels.shape and y.dtype == np.uint8
    assert np.array_equal(image, before[0]) and np.array_equal(labels, before[1])


@pytest.mark.parametrize("options, words", [
    ({"flip": 1.1}, "flip"), ({"flip": -0.1}, "flip"), ({"flip": np.nan}, "flip"), ({"crop": (0, 1)}, "crop"),
    ({"crop": (0.9, 0.8)}, "crop"), ({"crop": (0.5, 1.1)}, "crop"), ({"crop": 0.8}, "crop"),
    ({"crop": (0.5, np.nan)}, "crop"), ({"crop": (0.5, 0.7, 1)}, "crop"), ({"shift": 0.6}, "shift"),
    ({"shift": -0.1}, "shift"), ({"color": 1}, "color"), ({"color": -0.1}, "color"), ({"color": np.nan}, "color"),
])
def test_bad_strengths(options, words):
    with pytest.raises(ValueError, match=f"Augment: expected {words} to be"):
        Augment(**options)


@pytest.mark.parametrize("image, labels, words", [
    (np.zeros((1, 4, 4)), np.zeros((4, 4), int), r"\(3, H, W\).*got \(1, 4, 4\)"),
    (np.zeros((3, 4, 4)), np.zeros((4, 5), int), r"got \(3, 4, 4\) and \(4, 5\)"),
    (np.zeros((2, 3, 4, 4)), None, r"got \(2, 3, 4, 4\) and None"),
    (np.full((3, 4, 4), 1.5), None, r"in \[0, 1\], got float64 from 1.5 to 1.5"),
    (np.full((3, 4, 4), np.nan), None, "got float64 from nan to nan"),
    (np.zeros((3, 4, 4), int), None, "uint8 or of floating-point values in .*got int64 from 0 to 0"),
])
def test_bad_pictures_for_augment(image, labels, words):
    with pytest.raises(ValueError, match="Augment: .*" + words):
        Augment()(image, labels, np.random.default_rng(0))


def test_augmentation_is_quick_enough_for_the_training_loop():
    rng = np.random.default_rng(0)
    image, labels = rng.integers(0, 256, (3, 64, 64), dtype=np.uint8), rng.integers(0, 3, (64, 64), dtype=np.uint8)
    times = []
    for _ in range(100):
        start = time.perf_counter()
        Augment()(image, labels, rng)
        times.append(time.perf_counter() - start)
    assert min(times) < 0.005  # about 0.3 ms where nothing else runs; a loop over pixels takes 20
