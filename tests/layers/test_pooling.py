"""MaxPool2d and AvgPool2d."""
import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

from minidl import AvgPool2d, MaxPool2d, check_layer
from tests import reference as ref
from tests.layers.saboteurs import MaxPoolSharesWithTies
from tests.strategies import FEW, assert_close, assert_linear_with_adjoint, pools, seeds


def maps(rows):
    return np.array(rows, float)[None, None]


@FEW
@given(pools())
def test_gradients(case):
    layer, x = case
    check_layer(layer, x)


@settings(FEW, max_examples=80)
@given(pools())
def test_forward(case):
    layer, x = case
    window = layer.kernel_size, layer.stride, layer.padding
    expected = ref.max_pool2d(x, *window)[0] if isinstance(layer, MaxPool2d) else ref.avg_pool2d(x, *window)
    assert_close(layer.forward(x), expected)


@FEW
@given(pools(st.just(AvgPool2d)))
def test_avg_pool_is_linear_with_its_adjoint(case):
    layer, x = case
    assert_linear_with_adjoint(layer, x.shape, np.random.default_rng(0))


# Ties

def sent_to_the_first_maximum(layer, x, seed=0):
    """Check that dx is what the positions of the reference's maxima demand."""
    y, where = ref.max_pool2d(x, layer.kernel_size, layer.stride, layer.padding)
    dy = np.random.default_rng(seed).normal(size=y.shape)
    dx = np.zeros(x.shape)
    for n, c, i, j in np.ndindex(y.shape):
        row, column = where[n, c, i, j]
        dx[n, c, row, column] += dy[n, c, i, j]
    layer.forward(x)
    assert_close(layer.backward(dy), dx)


@FEW
@given(pools(st.just(MaxPool2d)), seeds)
def test_the_first_of_tied_maxima_gets_the_gradient(case, seed):
    layer, x = case
    ties = np.random.default_rng(seed).integers(-2, 1, x.shape).astype(float)  # of three values; many after a ReLU
    sent_to_the_first_maximum(layer, ties)
    sent_to_the_first_maximum(layer, x)


def test_ties_by_hand():
    layer = MaxPool2d(2)
    layer.forward(maps([[3, 3, 0, 0], [3, 1, 0, 0], [1, 5, 2, 4], [5, 5, 4, 4]]))
    dx = layer.backward(maps([[10, 20], [30, 40]]))
    assert dx[0, 0].tolist() == [[10, 0, 20, 0], [0, 0, 0, 0], [0, 30, 0, 40], [0, 0, 0, 0]]


def test_a_pool_that_shares_with_ties_is_noticed_there_and_only_there():
    shared = MaxPoolSharesWithTies(2)
    x = maps([[3, 3, 0, 1], [3, 1, 2, 3]])
    with pytest.raises(AssertionError):
        sent_to_the_first_maximum(shared, x)
    check_layer(shared, np.arange(12.0).reshape(1, 1, 3, 4))


# Conventions

def test_padding_is_minus_infinity_for_the_maximum_and_zero_for_the_mean():
    x = maps([[-8, -4], [-12, -16]])
    assert MaxPool2d(2, stride=1, padding=1).forward(x)[0, 0].tolist() == [[-8, -4, -4], [-8, -4, -4], [-12, -12, -16]]
    assert AvgPool2d(2, stride=1, padding=1).forward(x)[0, 0].tolist() == [[-2, -3, -1], [-5, -10, -5], [-3, -7, -4]]
