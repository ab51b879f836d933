"""The activations, softmax and dropout: gradients, references, and what happens at their corners."""
from typing import Any

import numpy as np
import pytest
from hypothesis import given, strategies as st

from minidl import Dropout, LeakyReLU, ReLU, Sequential, Sigmoid, Softmax, Tanh, check_layer
from tests import reference as ref
from tests.layers.saboteurs import DropoutUnscaled, ReLUPassesAll
from tests.strategies import FEW, assert_close, seeds, shapes, spaced

REFERENCES: dict[str, Any] = {
    "ReLU": (ReLU, lambda x: ref.each(lambda v: max(v, 0.0), x)),
    "LeakyReLU": (LeakyReLU, lambda x: ref.each(lambda v: v if v > 0 else 0.01 * v, x)),
    "steep": (lambda: LeakyReLU(0.3), lambda x: ref.each(lambda v: v if v > 0 else 0.3 * v, x)),
    "Sigmoid": (Sigmoid, ref.sigmoid),
    "Tanh": (Tanh, ref.tanh),
    "Softmax": (Softmax, ref.softmax),
}
EXTREMES = [lambda: LeakyReLU(0.0), lambda: LeakyReLU(1.0), *(lambda p=p: Dropout(p, rng=0) for p in (0.0, 0.2, 0.9))]
some_shapes = shapes() | st.tuples(st.integers(1, 4), st.integers(1, 6))  # (N, C, H, W) or (N, K)


@pytest.mark.parametrize("make", [*(make for make, _ in REFERENCES.values()), *EXTREMES], ids=lambda make: repr(make()))
@FEW
@given(some_shapes, seeds)
def test_gradients(make, shape, seed):
    check_layer(make(), spaced(shape, np.random.default_rng(seed)), rng=seed)


@pytest.mark.parametrize("name", REFERENCES)
@FEW
@given(some_shapes, seeds)
def test_forward(name, shape, seed):
    make, expected = REFERENCES[name]
    x = 5 * spaced(shape, np.random.default_rng(seed))
    assert_close(make().forward(x), expected(x))


# Corners

def at_zero(layer):
    """The derivative at -0.0 and 0.0."""
    layer.forward(np.array([[-0.0, 0.0]]))
    return layer.backward(np.array([[5.0, 7.0]])).tolist()


def test_the_derivative_at_zero_is_that_of_the_left():
    assert at_zero(ReLU()) == [[0, 0]]
    assert at_zero(LeakyReLU(0.5)) == [[2.5, 3.5]]
    assert at_zero(ReLUPassesAll()) != [[0, 0]]


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_no_overflow_far_from_zero(dtype):
    x = np.array([[-1e4, -1000, 0, 1000, 1e4]], dtype)   # warnings are errors
    for layer, expected in [(Sigmoid(), [0, 0, 0.5, 1, 1]), (Tanh(), [-1, -1, 0, 1, 1]), (Softmax(), [0, 0, 0, 0, 1])]:
        assert layer.forward(x).tolist() == [expected]
        assert np.isfinite(layer.backward(np.ones_like(x))).all()


@FEW
@given(shapes(), seeds)
def test_softmax_sums_to_one_over_the_classes_and_ignores_a_shift(shape, seed):
    x = np.random.default_rng(seed).normal(0, 10, shape)
    y = Softmax().forward(x)
    assert_close(y.sum(axis=1), np.ones(y[:, 0].shape))
    assert_close(Softmax().forward(x + 100), y)
    assert (y > 0).all()


# Dropout

def mean_after(layer):
    """The mean of 200,000 ones after dropout; its standard deviation is 0.002 for p = 0.5."""
    return float(layer.forward(np.ones((2, 100_000))).mean())


@pytest.mark.parametrize("p", [0.1, 0.5, 0.8])
def test_dropout_keeps_the_expectation(p):
    y = Dropout(p, rng=0).forward(np.ones((2, 100_000)))
    assert abs(mean_after(Dropout(p, rng=0)) - 1) < 0.02
    assert abs((y == 0).mean() - p) < 0.01
    np.testing.assert_allclose(np.unique(y), [0, 1 / (1 - p)])
    assert abs(mean_after(DropoutUnscaled(p, rng=0)) - 1) > 0.05


def test_dropout_draws_a_new_mask_each_time_and_the_same_from_the_same_seed():
    x = np.ones((2, 3, 5, 6), np.float32)
    a, b, other = Dropout(0.5, rng=7), Dropout(0.5, rng=7), Dropout(0.5, rng=8)
    first, second = a.forward(x), a.forward(x)
    assert np.array_equal(b.forward(x), first) and np.array_equal(b.forward(x), second)
    assert not np.array_equal(first, second) and not np.array_equal(other.forward(x), first)


def test_dropouts_given_one_generator_have_streams_of_their_own():
    rng = np.random.default_rng(0)
    state = rng.bit_generator.state
    a, b = Dropout(0.5, rng), Dropout(0.5, rng)
    x = np.ones((2, 50), np.float32)
    assert not np.array_equal(a.forward(x), b.forward(x))
    assert rng.bit_generator.state == state              # spawned from, not drawn from


def test_dropout_does_nothing_in_eval_mode():
    x = np.random.default_rng(0).normal(size=(2, 3, 4, 5)).astype(np.float32)
    layer = Dropout(0.9, rng=0)
    state = layer.rng.bit_generator.state
    assert np.array_equal(Sequential(layer).eval().forward(x), x)
    assert layer.rng.bit_generator.state == state
