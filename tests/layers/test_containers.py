"""Sequential, Skip, Residual, Sum and Identity: chains, forks, and what may be put where."""
import numpy as np
import pytest
from hypothesis import given

from minidl import (
    BatchNorm2d, Conv2d, Dropout, Flatten, Identity, Linear, MaxPool2d, ReLU, Residual, Sequential, Sigmoid, Skip, Sum,
    Tanh, Upsample, check_layer,
)
from minidl.layers.base import generators
from tests.strategies import FEW, assert_close, randomized, seeds, shapes, spaced


def conv(channels, outputs, rng):
    return randomized(Conv2d(channels, outputs, 3, padding="same"), rng)


@FEW
@given(shapes(), seeds)
def test_gradients_of_a_chain(shape, seed):
    rng = np.random.default_rng(seed)
    C = shape[1]
    chain = Sequential(conv(C, 2, rng), Tanh(), conv(2, 1, rng), Sigmoid(), Flatten(),
                       randomized(Linear(shape[2] * shape[3], 2), rng))
    check_layer(chain, spaced(shape, rng))


@FEW
@given(shapes(), seeds)
def test_gradients_of_a_skip(shape, seed):
    rng = np.random.default_rng(seed)
    check_layer(Skip(conv(shape[1], 2, rng)), spaced(shape, rng))
    check_layer(Skip(Skip(Identity())), spaced(shape, rng))


@FEW
@given(shapes(), seeds)
def test_gradients_of_a_residual(shape, seed):
    rng = np.random.default_rng(seed)
    C = shape[1]
    check_layer(Residual(conv(C, C, rng), scale=0.2), spaced(shape, rng))
    check_layer(Residual(Residual(Tanh(), scale=-3)), spaced(shape, rng))
    check_layer(Sum(conv(C, 2, rng), Sum(conv(C, 2, rng)), Sequential(Tanh(), conv(C, 2, rng))), spaced(shape, rng))


@FEW
@given(shapes(), seeds)
def test_a_chain_is_its_layers_one_after_the_other(shape, seed):
    rng = np.random.default_rng(seed)
    a, b = conv(shape[1], 2, rng), conv(2, 3, rng)
    x = spaced(shape, rng)
    expected = b.forward(a.forward(x))
    chain = Sequential(a, b)
    assert np.array_equal(chain(x), expected)
    assert len(chain) == 2 and chain[0] is a and chain[-1] is b and list(chain) == [a, b]


def test_an_empty_chain_is_the_identity():
    x = np.ones((2, 3))
    assert Sequential().forward(x) is x and Sequential().output_shape((2, 3)) == (2, 3)


def test_a_skip_concatenates_the_inner_result_before_its_input():
    x = np.array([1.0, -2]).reshape(1, 2, 1, 1)
    layer = Skip(ReLU())
    assert layer.forward(x).ravel().tolist() == [1, 0, 1, -2]
    # forks add: x's channels of dy, plus what comes back through the ReLU
    assert layer.backward(np.array([10.0, 20, 3, 4]).reshape(1, 4, 1, 1)).ravel().tolist() == [13, 4]


def test_a_residual_adds_the_scaled_inner_result_to_its_input():
    layer = Residual(ReLU(), scale=0.5)
    assert layer.forward(np.array([[4.0, -2]])).tolist() == [[6, -2]]
    assert layer.backward(np.array([[10.0, 20]])).tolist() == [[15, 20]]


def test_a_sum_adds_what_its_layers_make_of_the_same_input():
    layer = Sum(ReLU(), Identity(), Residual(Identity(), scale=9))
    assert layer.forward(np.array([[4.0, -2]])).tolist() == [[48, -22]]        # (1 or 0) + 1 + 10 times
    assert layer.backward(np.array([[10.0, 20]])).tolist() == [[120, 220]]


def test_identity_returns_its_input():
    x = np.ones((2, 3))
    layer = Identity()
    assert layer.forward(x) is x and layer.backward(x) is x


def test_backward_parameters_does_not_ask_the_first_layer_for_dx():
    class First(Linear):
        def backward(self, dy):
            raise AssertionError("dx was asked for")
    chain = Sequential(Sequential(First(3, 2, rng=0), ReLU()), Linear(2, 2, rng=1))
    y = chain.forward(np.ones((4, 3), np.float32))
    chain.backward_parameters(np.ones_like(y))
    assert all(p.grad.any() for p in chain.parameters()[2:])
    Sequential().backward_parameters(y)


# The same object twice

def test_one_layer_object_at_two_places_is_refused():
    relu, conv1 = ReLU(), Conv2d(3, 3, 1)
    for build in (lambda: Sequential(relu, relu),
                  lambda: Sequential(relu, Sequential(Flatten(), relu)),
                  lambda: Sequential(Skip(conv1), conv1),
                  lambda: Residual(Sequential(conv1, Skip(conv1))),
                  lambda: Sum(relu, Sequential(conv1, relu)),
                  lambda: Skip(Sequential(conv1, Residual(conv1)))):
        with pytest.raises(ValueError, match="object is placed at .* and at .*; make a layer for each place"):
            build()
    Sequential(ReLU(), ReLU())                           # two objects that look alike are fine
    message = r"the same ReLU\(\) object is placed at '0' and at '1\.inner\.1'"
    with pytest.raises(ValueError, match=message):
        Sequential(relu, Skip(Sequential(Identity(), relu)))


# The tree

def test_parameters_come_in_the_order_of_the_forward_pass():
    model = Sequential(Conv2d(3, 4, 3, padding=1), BatchNorm2d(4), ReLU(),
                       Skip(Sequential(MaxPool2d(2), Conv2d(4, 2, 1, bias=False), Upsample(2))),
                       Residual(Conv2d(6, 6, 1)), Flatten(), Linear(24, 2))
    assert [name for name, _ in model.named_parameters()] == [
        "0.weight", "0.bias", "1.weight", "1.bias", "3.inner.1.weight", "4.inner.weight", "4.inner.bias",
        "6.weight", "6.bias"]
    assert [p is q for p, (_, q) in zip(model.parameters(), model.named_parameters())] == [True] * 9


def test_generators_are_found_by_the_names_of_their_layers():
    a, b = Dropout(0.1, rng=0), Dropout(0.2, rng=1)
    assert generators(Sequential(a, Skip(Sequential(ReLU(), b)))) == {"0": a.rng, "1.inner.1": b.rng}


def test_a_skip_over_sizes_that_do_not_halve_says_what_would():
    layer = Skip(Sequential(MaxPool2d(2), Upsample(2)))
    with pytest.raises(ValueError, match=r"makes \(1, 3, 4, 6\) of \(1, 3, 5, 6\).*must divide by 2 at each level"):
        layer.output_shape((1, 3, 5, 6))


def test_repr_is_what_one_would_type():
    assert repr(Sequential(ReLU(), Skip(Tanh()), Residual(Identity(), scale=0.2), Residual(Identity()))) == (
        "Sequential(ReLU(), Skip(Tanh()), Residual(Identity(), scale=0.2), Residual(Identity()))")


def test_a_fork_read_and_written_by_two_layers_leaves_the_shared_array_alone():
    x = np.random.default_rng(0).normal(size=(1, 2, 3, 4))
    model = Skip(Sequential(ReLU(), Residual(ReLU())))
    dy = np.random.default_rng(1).normal(size=model.forward(x).shape)
    before = x.copy(), dy.copy()
    first = model.backward(dy)
    assert np.array_equal(x, before[0]) and np.array_equal(dy, before[1])
    assert_close(model.backward(dy), first)
