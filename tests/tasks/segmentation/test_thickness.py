"""The thickness of a mask at each of its pixels."""
import numpy as np
import pytest

from minidl.tasks.segmentation.thickness import covered, found_by_thickness, thickness_bands


def covered_by_loops(mask, k):
    result = np.zeros_like(mask)
    n, H, W = mask.shape
    for image, i, j in np.ndindex(n, max(0, H - k + 1), max(0, W - k + 1)):
        if mask[image, i:i + k, j:j + k].all():
            result[image, i:i + k, j:j + k] = True
    return result


@pytest.mark.parametrize("k", range(1, 8))
def test_covered_is_every_square_that_fits(k):
    mask = np.random.default_rng(k).random((4, 6, 9)) < 0.9
    assert np.array_equal(covered(mask, k), covered_by_loops(mask, k))


def test_squares_wider_than_the_image_fit_nowhere():
    assert covered(np.ones((1, 5, 7), bool), 5).all()
    assert not covered(np.ones((1, 5, 7), bool), 6).any()


def test_a_bar_is_as_thick_as_it_is():
    mask = np.zeros((1, 9, 9), bool)
    mask[:, 2:5] = True
    bands = thickness_bands(mask, (1, 3, 4))
    assert list(bands) == ["1–2", "3–3", "4 and more"]
    assert np.array_equal(bands["3–3"], mask) and not bands["1–2"].any() and not bands["4 and more"].any()


def test_each_pixel_is_in_one_band():
    mask = np.random.default_rng(0).random((3, 40, 40)) < 0.97
    assert np.array_equal(sum(band.astype(int) for band in thickness_bands(mask).values()), mask)


def test_found_is_a_share_of_each_band_that_occurs():
    mask = np.zeros((1, 9, 9), bool)
    mask[:, 2:5], mask[:, 8] = True, True
    found = np.zeros_like(mask)
    found[:, 2:5, :3] = True
    assert found_by_thickness(mask, found, (1, 3, 4)) == {"1–2": 0.0, "3–3": pytest.approx(1 / 3)}


def test_a_square_needs_a_side():
    with pytest.raises(ValueError, match="covered: expected k of at least 1, got 0"):
        covered(np.ones((1, 3, 3), bool), 0)
