"""Flatten, Reshape and PixelShuffle: no number is changed, lost or doubled."""
import math

import numpy as np
from hypothesis import given, strategies as st

from minidl import Flatten, PixelShuffle, Reshape, check_layer
from tests import reference as ref
from tests.strategies import FEW, assert_linear_with_adjoint, shapes, spaced


@st.composite
def movers(draw):
    """One of the layers, and a shape that it takes."""
    N, C, H, W = shape = draw(shapes())
    r = draw(st.integers(1, 2))
    size = math.prod(shape[1:])
    divisor = draw(st.sampled_from([d for d in range(1, size + 1) if size % d == 0]))
    return draw(st.sampled_from([(Flatten(), shape), (Reshape((divisor, size // divisor)), shape),
                                 (Reshape((W, 1, C, H)), shape), (PixelShuffle(r), (N, C * r * r, H, W))]))


@FEW
@given(movers())
def test_it_is_linear_and_backward_is_its_adjoint(case):
    layer, shape = case
    check_layer(layer, spaced(shape, np.random.default_rng(0)))
    assert_linear_with_adjoint(layer, shape, np.random.default_rng(0))


@FEW
@given(movers())
def test_backward_moves_every_number_back(case):
    layer, shape = case
    x = spaced(shape, np.random.default_rng(0))
    y = layer.forward(x)
    assert np.array_equal(layer.backward(y), x)
    assert np.array_equal(np.sort(y, axis=None), np.sort(x, axis=None))
    assert len(y) == len(x)


@FEW
@given(movers().filter(lambda case: not isinstance(case[0], PixelShuffle)))
def test_flatten_and_reshape_read_each_sample_row_by_row(case):
    layer, shape = case
    x = np.arange(float(math.prod(shape))).reshape(shape)
    assert layer.forward(np.asfortranarray(x)).ravel().tolist() == x.ravel().tolist()


@FEW
@given(shapes(), st.integers(1, 3))
def test_pixel_shuffle_forward(shape, r):
    N, C, H, W = shape
    x = np.arange(float(N * C * r * r * H * W)).reshape(N, C * r * r, H, W)
    assert np.array_equal(PixelShuffle(r).forward(x), ref.pixel_shuffle(x, r))
