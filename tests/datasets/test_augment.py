"""Augmentation: what moves, how far, and that image and trimap move alike."""
import dataclasses
import time

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from minidl.datasets.augment import Augment

STILL = Augment(flip=0, crop=(1, 1), shift=0, color=0)


@pytest.mark.parametrize("flip, order", [(0, 1), (1, -1)])
def test_nothing_else_asked_nothing_else_changed(flip, order):
    rng = np.random.default_rng(0)
    image, labels = rng.integers(0, 256, (3, 9, 12), dtype=np.uint8), rng.integers(0, 3, (9, 12))
    x, y = dataclasses.replace(STILL, flip=flip)(image, labels, rng)
    assert x.dtype == np.float32 and np.array_equal(x, image[:, :, ::order] / np.float32(255))
    assert y.dtype == labels.dtype and np.array_equal(y, labels[:, ::order])


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
        assert np.array_equal(x, image.reshape(3, -1)[:, y] / np.float32(255))  # image and trimap alike
        matches = [(dy, dx) for dy in range(7) for dx in range(13) if np.array_equal(y, padded[dy:dy + H, dx:dx + W])]
        assert len(matches) == 1
        shifts.update(matches)
    assert {dy for dy, _ in shifts} == set(range(7)) and {dx for _, dx in shifts} == set(range(13))


def test_a_crop_is_scaled_to_full_size():
    size = 64
    ramp = np.broadcast_to(np.linspace(0, 1, size), (3, size, size))       # the brightness is the column,
    labels = np.broadcast_to(np.arange(size)[:, None], (size, size))       # the class the row
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


def test_crops_lie_anywhere_in_the_image():
    labels = np.broadcast_to(np.arange(100), (100, 100))
    rng = np.random.default_rng(0)
    edges = [y[0, [0, -1]] for _, y in (dataclasses.replace(STILL, crop=(0.5, 0.5))(
        np.zeros((3, 100, 100), np.uint8), labels, rng) for _ in range(200))]
    first, last = np.transpose(edges)
    assert first.min() <= 2 and first.max() >= 48 and last.max() <= 99
    assert set(last - first) <= {49, 50}


@given(st.integers(0, 10**6), st.floats(0, 1), st.floats(0.2, 1), st.floats(0, 0.5))
@settings(deadline=None, max_examples=60)
def test_the_trimap_follows_the_image_to_half_a_pixel(seed, flip, crop, shift):
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
    # In an image of one gray, contrast leaves the brightness; saturation widens the difference of channels.
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
def test_any_size_gives_an_image_in_range(seed, H, W, floating):
    rng = np.random.default_rng(seed)
    image = rng.random((3, H, W)) if floating else rng.integers(0, 256, (3, H, W), dtype=np.uint8)
    labels = rng.integers(0, 3, (H, W), dtype=np.uint8)
    before = image.copy(), labels.copy()
    x, y = Augment(crop=(0.1, 1), shift=0.5, color=0.9)(image, labels, rng)
    assert x.shape == image.shape and x.dtype == np.float32 and 0 <= x.min() and x.max() <= 1
    assert y.shape == labels.shape and y.dtype == np.uint8
    assert np.array_equal(image, before[0]) and np.array_equal(labels, before[1])


@pytest.mark.parametrize("name, values", [
    ("flip", [1.1, -0.1, np.nan]), ("shift", [0.6, -0.1]), ("color", [1, -0.1, np.nan]),
    ("crop", [(0, 1), (0.9, 0.8), (0.5, 1.1), 0.8, (0.5, np.nan), (0.5, 0.7, 1)]),
])
def test_bad_strengths(name, values):
    for value in values:
        with pytest.raises(ValueError, match=rf"Augment: expected 0 <= flip .*{name}="):
            Augment(**{name: value})


@pytest.mark.parametrize("image, labels, words", [
    (np.zeros((1, 4, 4)), np.zeros((4, 4), int), r"\(3, H, W\).*got \(1, 4, 4\)"),
    (np.zeros((3, 4, 4)), np.zeros((4, 5), int), r"got \(3, 4, 4\) and \(4, 5\)"),
    (np.zeros((2, 3, 4, 4)), None, r"got \(2, 3, 4, 4\) and None"),
    (np.full((3, 4, 4), 1.5), None, r"in \[0, 1\], got float64 from 1.5 to 1.5"),
    (np.full((3, 4, 4), np.nan), None, "got float64 from nan to nan"),
    (np.zeros((3, 4, 4), int), None, "uint8 or of floating-point values in .*got int64 from 0 to 0"),
])
def test_bad_images(image, labels, words):
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
