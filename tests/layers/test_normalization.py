"""BatchNorm2d: gradients, reference, running statistics by hand, and large means."""
import copy

import numpy as np
import pytest
from hypothesis import given, strategies as st

from minidl import BatchNorm2d, Sequential, check_layer
from minidl.layers import layout
from tests import reference as ref
from tests.strategies import FEW, assert_close, randomized, seeds, shapes

several_values = shapes().filter(lambda shape: shape[0] * shape[2] * shape[3] > 1)


@st.composite
def batch_norms(draw):
    """A BatchNorm2d and an input whose channels lie well away from 0."""
    shape = draw(several_values)
    rng = np.random.default_rng(draw(seeds))
    layer = randomized(BatchNorm2d(shape[1], eps=draw(st.sampled_from([1e-5, 1e-2]))), rng)
    return layer, rng.normal(3.0, 2.0, shape)


@FEW
@given(batch_norms(), seeds)
def test_gradients(case, seed):
    layer, x = case
    check_layer(layer, x, rng=seed)


@FEW
@given(batch_norms())
def test_forward(case):
    layer, x = case
    y, mean, _, unbiased = ref.batch_norm(x, layer.weight.data, layer.bias.data, layer.eps)
    assert_close(layer.forward(x), y)
    assert_close(layer.running_mean, 0.1 * mean)         # running values were 0 and 1
    assert_close(layer.running_var, 0.9 + 0.1 * unbiased)


@FEW
@given(batch_norms())
def test_a_shift_and_a_scaling_of_x_change_nothing(case):
    layer, x = case
    layer.eps = 0.0
    assert_close(layer.forward(4 * x + 7), layer.forward(x), 1e-9)
    dx = layer.backward(np.random.default_rng(0).normal(size=x.shape))
    centered = x - x.mean(axis=(0, 2, 3), keepdims=True)
    for direction in (np.ones(x.shape), centered):        # so dx has no part along these, in any channel
        np.testing.assert_allclose((dx * direction).sum(axis=(0, 2, 3)), 0, atol=1e-9 * max(1, np.abs(dx).max()))


@pytest.mark.parametrize("momentum", [0.1, 0.0, 1.0])   # the weight of the new batch
def test_running_statistics_by_hand(momentum):
    layer = BatchNorm2d(1, momentum=momentum)
    layer.forward(np.array([1, 3, 5, 7], np.float32).reshape(2, 1, 1, 2))
    # mean 4; squares 9 + 1 + 1 + 9 = 20, biased variance 5, unbiased 20 / 3
    mean, variance = momentum * 4, (1 - momentum) * 1 + momentum * 20 / 3
    np.testing.assert_allclose([layer.running_mean[0], layer.running_var[0]], [mean, variance], rtol=1e-6)
    layer.forward(np.array([2, 4], np.float32).reshape(1, 1, 2, 1))  # mean 3, unbiased variance 2
    mean, variance = (1 - momentum) * mean + momentum * 3, (1 - momentum) * variance + momentum * 2
    np.testing.assert_allclose([layer.running_mean[0], layer.running_var[0]], [mean, variance], rtol=1e-6)
    assert layer.num_batches_tracked == 2 and layer.num_batches_tracked.dtype == np.int64


def test_a_state_without_the_count_of_batches_as_older_pytorch_wrote_it_is_loaded():
    norm = BatchNorm2d(2)
    norm.num_batches_tracked[...] = 7
    layer = Sequential(norm)
    state = {name: array + 1 for name, array in layer.state_dict().items() if not name.endswith("tracked")}
    layer.load_state_dict(state)
    assert norm.running_var.tolist() == [2, 2] and norm.num_batches_tracked == 7
    del state["0.running_var"]
    with pytest.raises(ValueError, match="1 of the names do not fit: missing: 0.running_var"):
        layer.load_state_dict(state)


def test_eval_mode_uses_the_running_statistics_and_leaves_them():
    layer = BatchNorm2d(2).astype(np.float64)
    layer.running_mean[...], layer.running_var[...] = [1, -2], [4, 9]
    layer.weight.data[...], layer.bias.data[...] = [1, 10], [0, 5]
    before = layer.eval().state_dict()
    x = np.array([5.0, 4.0]).reshape(1, 2, 1, 1)         # a single value per channel is enough here
    y = layer.forward(x)
    np.testing.assert_allclose(y.ravel(), [4 / np.sqrt(4 + 1e-5), 5 + 60 / np.sqrt(9 + 1e-5)])
    assert all(np.array_equal(before[name], value) for name, value in layer.state_dict().items())


def test_a_constant_channel_becomes_its_bias():
    layer = BatchNorm2d(1)
    layer.bias.data[...] = 0.25
    y = layer.forward(np.full((2, 1, 3, 4), 7, np.float32))
    assert np.array_equal(y, np.full(y.shape, 0.25, np.float32))


@pytest.mark.parametrize("shape", [(2, 3, 16, 16), (4, 2, 64, 65)])
def test_large_means_lose_no_digits_in_single_precision(shape):
    x = np.random.default_rng(0).normal(1000, 0.1, shape).astype(np.float32)  # variance 0.01
    single, double = BatchNorm2d(shape[1]), BatchNorm2d(shape[1]).astype(np.float64)
    y, exact = single.forward(x), double.forward(x.astype(np.float64))
    # the mean itself is rounded to 1000 * 2^-24 = 6e-5, which is 6e-4 standard deviations
    assert np.abs(y - exact).max() < 1e-3
    np.testing.assert_allclose(single.running_var, double.running_var, rtol=1e-5)
    one_pass = (x * x).mean(axis=(0, 2, 3)) - x.mean(axis=(0, 2, 3)) ** 2     # E[x^2] - E[x]^2, for comparison
    assert np.abs(one_pass - 0.01).max() > 0.005
    dy = np.random.default_rng(1).normal(size=shape)
    dx, exact = single.backward(dy.astype(np.float32)), double.backward(dy)
    assert np.abs(dx - exact).max() < 1e-3 * np.abs(exact).max()


def test_channels_taken_in_chunks_give_what_all_at_once_give(monkeypatch):
    channel_chunks = layout.channel_chunks
    rng = np.random.default_rng(0)
    layer, x, dy = randomized(BatchNorm2d(5), rng), rng.normal(size=(2, 5, 3, 4)), rng.normal(size=(2, 5, 3, 4))
    results = []
    for limit in (1, 400, 10**9):                        # chunks of one, two and all channels
        monkeypatch.setattr(layout, "channel_chunks", lambda x: channel_chunks(x, limit))
        fresh = copy.deepcopy(layer)
        results.append((fresh.forward(x), fresh.backward(dy), fresh.weight.grad, fresh.bias.grad, fresh.running_var))
    for other in results[:2]:
        for a, b in zip(other, results[2], strict=True):
            assert_close(a, b)
