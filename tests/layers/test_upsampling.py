"""Upsample: nearest and bilinear, with different factors for rows and columns."""
from typing import Any

import numpy as np
import pytest
from hypothesis import given

from minidl import Upsample, check_layer
from minidl.layers.upsampling import interpolation_matrix
from tests import reference as ref
from tests.layers.saboteurs import UpsampleAverages, UpsampleShifted
from tests.strategies import FEW, assert_close, assert_linear_with_adjoint, pairs, seeds, shapes, spaced

MODES: dict[str, Any] = {
    "nearest": ({"mode": "nearest"}, ref.upsample_nearest),
    "bilinear": ({"mode": "bilinear"}, ref.upsample_bilinear),
    "corners": ({"mode": "bilinear", "align_corners": True}, lambda x, scale: ref.upsample_bilinear(x, scale, True)),
}
each_mode = pytest.mark.parametrize("mode", MODES)


@each_mode
@FEW
@given(shapes(extra=4), pairs(1, 3), seeds)
def test_gradients(mode, shape, scale, seed):
    check_layer(Upsample(scale, **MODES[mode][0]), spaced(shape, np.random.default_rng(seed)))


@each_mode
@FEW
@given(shapes(extra=4), pairs(1, 4), seeds)
def test_forward(mode, shape, scale, seed):
    settings, expected = MODES[mode]
    x = np.random.default_rng(seed).normal(size=shape)
    assert_close(Upsample(scale, **settings).forward(x), expected(x, scale))


@each_mode
@FEW
@given(shapes(extra=4), pairs(1, 4))
def test_it_is_linear_with_its_adjoint(mode, shape, scale):
    assert_linear_with_adjoint(Upsample(scale, **MODES[mode][0]), shape, np.random.default_rng(0))


@pytest.mark.parametrize("broken", [UpsampleAverages(2), UpsampleAverages((1, 2), mode="bilinear"), UpsampleShifted(2)])
def test_the_check_of_linear_maps_notices(broken):
    with pytest.raises(AssertionError):
        assert_linear_with_adjoint(broken, (2, 3, 4, 5), np.random.default_rng(0))


@pytest.mark.parametrize("size", [1, 2, 5])
@pytest.mark.parametrize("scale", [1, 2, 3])
@each_mode
def test_each_output_pixel_mixes_input_pixels_with_weights_that_sum_to_one(mode, size, scale):
    A = interpolation_matrix(size, scale, **MODES[mode][0])
    assert A.shape == (size * scale, size) and (A >= 0).all() and (A > 0).sum(axis=1).max() <= 2
    np.testing.assert_allclose(A.sum(axis=1), 1)


def test_align_corners_keeps_the_corners_and_its_absence_the_edges():
    x = np.array([[[[0.0, 6.0]]]])
    assert_close(Upsample((1, 2), "bilinear", align_corners=True).forward(x), np.array([[[[0.0, 2, 4, 6]]]]))
    assert_close(Upsample((1, 2), "bilinear").forward(x), np.array([[[[0, 1.5, 4.5, 6]]]]))
