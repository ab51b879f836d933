"""Sequential, Skip, Residual, Sum and Identity: chains, forks, and what may be put where."""
import numpy as np
import pytest
from hypothesis import given

from minidl import (
    Conv2d, Dropout, Flatten, Identity, Linear, MaxPool2d, ReLU, Residual, Sequential, Sigmoid, Skip, Sum,
    Tanh, Upsample, check_layer,
)
from minidl.layers.base import generators
from tests.strategies import FEW, randomized, seeds, shapes, spaced


def conv(channels, outputs, rng):
    """A layer with parameters: few, for each is moved. What a convolution does itself is tested elsewhere."""
    return randomized(Conv2d(channels, outputs, 2, padding="same"), rng)


# What to build for C channels and H x W pixels.
TREES = {
    "chain": lambda C, H, W, rng: Sequential(conv(C, 2, rng), Tanh(), conv(2, 1, rng), Sigmoid(), Flatten(),
                                             randomized(Linear(H * W, 2), rng)),
    "skip": lambda C, H, W, rng: Skip(conv(C, 2, rng)),
    "skip of a skip": lambda C, H, W, rng: Skip(Skip(Identity())),
    "residual": lambda C, H, W, rng: Residual(conv(C, C, rng), scale=0.2),
    "residuals": lambda C, H, W, rng: Residual(Residual(Tanh(), scale=-3)),
    "fork of forks": lambda C, H, W, rng: Skip(Sequential(ReLU(), Residual(ReLU()))),
    "sum": lambda C, H, W, rng: Sum(conv(C, 2, rng), Sum(conv(C, 2, rng)), Sequential(Tanh(), conv(C, 2, rng))),
}


@pytest.mark.parametrize("build", TREES.values(), ids=TREES)
@FEW
@given(shapes(extra=2), seeds)
def test_gradients(build, shape, seed):
    rng = np.random.default_rng(seed)
    check_layer(build(*shape[1:], rng), spaced(shape, rng))


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


@pytest.mark.parametrize("layer", [Identity(), Sequential()])
def test_the_identity_and_an_empty_chain_return_their_input(layer):
    x = np.ones((2, 3))
    assert layer.forward(x) is x and layer.backward(x) is x and layer.output_shape((2, 3)) == (2, 3)


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

def test_generators_are_found_by_the_names_of_their_layers():
    a, b = Dropout(0.1, rng=0), Dropout(0.2, rng=1)
    assert generators(Sequential(a, Skip(Sequential(ReLU(), b)))) == {"0": a.rng, "1.inner.1": b.rng}


def test_a_skip_over_sizes_that_do_not_halve_says_what_would():
    layer = Skip(Sequential(MaxPool2d(2), Upsample(2)))
    with pytest.raises(ValueError, match=r"makes \(1, 3, 4, 6\) of \(1, 3, 5, 6\).*must divide by 2 at each level"):
        layer.output_shape((1, 3, 5, 6))
