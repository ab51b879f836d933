"""Where the weights start: their spread, measured on large layers, and that a seed fixes them."""
import math

import numpy as np
import pytest

from minidl import Conv2d, ConvTranspose2d, Linear, ReLU, Sequential

# layer, number of weights that one output sums over
LARGE = {
    "Linear": (lambda **settings: Linear(400, 300, **settings), 400),
    "Conv2d": (lambda **settings: Conv2d(40, 50, (3, 5), **settings), 40 * 15),
    "ConvTranspose2d": (lambda **settings: ConvTranspose2d(40, 50, (3, 5), **settings), 40 * 15),
}
each_large = pytest.mark.parametrize("make, fan_in", LARGE.values(), ids=LARGE)


@each_large
def test_kaiming_weights_are_normal_with_variance_two_over_fan_in(make, fan_in):
    layer = make(rng=0)
    w = layer.weight.data.ravel() / math.sqrt(2 / fan_in)  # 30,000 numbers or more
    assert abs(w.mean()) < 0.03 and abs(w.std() - 1) < 0.02
    assert abs((np.abs(w) < 1).mean() - 0.683) < 0.01      # as for a normal distribution
    assert not layer.bias.data.any()
    assert layer.weight.data.dtype == layer.bias.data.dtype == np.float32


@each_large
def test_torch_weights_and_biases_are_uniform_within_one_over_the_root_of_fan_in(make, fan_in):
    layer = make(init="torch", rng=0)
    if isinstance(layer, ConvTranspose2d):                 # PyTorch counts the fan on the second axis
        fan_in = 50 * 15
    bound = 1 / math.sqrt(fan_in)
    w, b = layer.weight.data / bound, layer.bias.data / bound
    assert 0.999 < np.abs(w).max() <= 1 and abs(w.mean()) < 0.02 and abs(w.std() - 1 / math.sqrt(3)) < 0.01
    assert 0.85 < np.abs(b).max() <= 1 and abs(b.std() - 1 / math.sqrt(3)) < 0.1


@pytest.mark.parametrize("init", ["kaiming", "torch"])
@each_large
def test_the_same_seed_gives_the_same_weights(make, fan_in, init):
    a, b, other, fresh = (make(init=init, rng=rng).state_dict() for rng in (3, np.random.default_rng(3), 4, None))
    assert all(np.array_equal(a[name], b[name]) for name in a)
    assert not np.array_equal(a["weight"], other["weight"]) and not np.array_equal(a["weight"], fresh["weight"])
    assert not np.array_equal(fresh["weight"], make(init=init).weight.data)


def test_layers_given_one_generator_differ():
    rng = np.random.default_rng(0)
    assert not np.array_equal(Linear(3, 3, rng=rng).weight.data, Linear(3, 3, rng=rng).weight.data)


def test_with_kaiming_weights_a_signal_keeps_its_size_through_many_layers():
    rng = np.random.default_rng(0)
    chain = Sequential(*(layer for _ in range(20) for layer in (Linear(200, 200, rng=rng), ReLU())))
    x = rng.normal(size=(50, 200)).astype(np.float32)
    power = float((chain.forward(x) ** 2).mean() / (x ** 2).mean())
    assert 0.3 < power < 3                                 # without the factor 2 it would be 2^-20
