"""Convolutions whose weights a map interpolates, pixel by pixel."""
# mypy: disable-error-code="arg-type"
import numpy as np
import pytest
from hypothesis import given, strategies as st

from minidl import Conv2d, Residual, Sequential, check_layer, rrdb_net
from minidl.layers import layout
from minidl.tasks.super_resolution.map_conv import (
    AFTER, DropMap, MapConv2d, ZeroMap, interpolated_state, interpolating_state,
)
from tests.strategies import FEW, MEMORY_ORDERS, randomized, seeds, shapes

each_after = pytest.mark.parametrize("after", AFTER)


@each_after
@FEW
@given(shapes(channels=st.integers(2, 3)), st.integers(1, 2), seeds)
def test_gradients(after, shape, out_channels, seed):
    rng = np.random.default_rng(seed)
    for layer in (MapConv2d(shape[1] - 1, out_channels, after), DropMap(), ZeroMap()):
        check_layer(randomized(layer, rng), rng.normal(size=shape))


def two_and_interpolating(after="drop"):
    """Return two plain convolutions, and the MapConv2d that interpolates between them."""
    rng = np.random.default_rng(0)
    zero, one = (randomized(Conv2d(3, 2, 3, padding="same"), rng) for _ in range(2))
    layer = MapConv2d(3, 2, after).astype(np.float64)
    layer.load_state_dict(interpolating_state(zero.state_dict(), one.state_dict()))
    return zero, one, layer


def with_map(x, t):
    return np.concatenate([x, np.broadcast_to(t, (len(x), 1, *x.shape[2:]))], axis=1)


def test_each_pixel_has_its_own_weights():
    zero, one, layer = two_and_interpolating()
    rng = np.random.default_rng(1)
    x, t = rng.normal(size=(2, 3, 4, 5)), rng.random((2, 1, 4, 5))
    y = layer(with_map(x, t))
    mixed = Conv2d(3, 2, 3, padding="same").astype(np.float64)
    for n, i, j in np.ndindex(2, 4, 5):
        mixed.load_state_dict(interpolated_state(zero.state_dict(), one.state_dict(), t[n, 0, i, j]))
        np.testing.assert_allclose(y[n, :, i, j], mixed(x)[n, :, i, j], rtol=1e-9, atol=1e-12)


def test_what_becomes_of_the_map():
    x = np.random.default_rng(0).random((2, 4, 3, 5))
    carry, drop = (two_and_interpolating(after)[2](x) for after in AFTER)
    assert np.array_equal(carry[:, :2], drop) and np.array_equal(carry[:, 2], x[:, 3]) and drop.shape == (2, 2, 3, 5)
    assert np.array_equal(DropMap()(x), x[:, :3])
    assert np.array_equal(ZeroMap()(x)[:, :3], x[:, :3]) and not ZeroMap()(x)[:, 3].any()
    inner = Sequential(MapConv2d(3, 3).astype(np.float64), ZeroMap())
    assert np.array_equal(Residual(inner, 0.2)(x)[:, 3], x[:, 3])


@each_after
def test_memory_order_does_not_matter(after):
    layer = two_and_interpolating(after)[2]
    x = np.random.default_rng(0).random((2, 4, 3, 5))
    y = layer(x)
    dy = np.random.default_rng(1).random(y.shape)
    dx = layer.backward(dy)
    assert layout.is_channel_major(y) and layout.is_channel_major(dx)
    for order in MEMORY_ORDERS.values():
        np.testing.assert_allclose(layer(order(x)), y, rtol=1e-12)
        np.testing.assert_allclose(layer.backward(order(dy)), dx, rtol=1e-12)


class ForgetsTheMap(MapConv2d):
    def backward(self, dy):
        dx = super().backward(dy)
        dx[:, -1:] = 0
        return dx


class AssumesTheMapIsOne(MapConv2d):
    def backward(self, dy):
        t, b = self.recall(dy)
        self.keep(dy, np.ones_like(t), b)
        return super().backward(dy)


@pytest.mark.parametrize("kind", [ForgetsTheMap, AssumesTheMapIsOne])
def test_a_wrong_layer_fails(kind):
    with pytest.raises(AssertionError, match="<-- wrong"):
        check_layer(kind(1, 2, "carry", rng=0), np.random.default_rng(0).normal(size=(2, 2, 3, 4)))


@pytest.mark.parametrize("base", [None, "bilinear"])
def test_a_generator_with_a_map_is_the_interpolated_network(base):
    """For a map of one value t everywhere: the network with weights (1 - t) zero + t one."""
    zero, one, middle = (rrdb_net(4, 4, 2, 1, base=base, rng=seed).astype(np.float64) for seed in range(3))
    model = rrdb_net(4, 4, 2, 1, base=base, with_map=True, rng=3).astype(np.float64)
    a, b = zero.state_dict(), one.state_dict()
    model.load_state_dict(interpolating_state(a, b))
    x = np.random.default_rng(0).random((2, 3, 5, 4))
    for t in (0.0, 0.3, 1.0):
        middle.load_state_dict(interpolated_state(a, b, t))
        np.testing.assert_allclose(model(with_map(x, t)), middle(x), rtol=1e-9, atol=1e-12)


def test_a_map_acts_only_nearby():
    model = rrdb_net(2, 4, 2, 1, with_map=True, rng=0).astype(np.float64)
    x = np.random.default_rng(0).random((1, 3, 48, 48))
    t = np.zeros((1, 1, 48, 48))
    before = model(with_map(x, t))
    t[..., 0, 0] = 1
    changed = np.abs(model(with_map(x, t)) - before).max(axis=(0, 1))
    assert changed[:2, :2].all() and not changed[-4:, -4:].any()


@pytest.mark.parametrize("call, message", [
    (lambda: MapConv2d(3, 2).output_shape((1, 3, 4, 4)), r"\(N, 3 \+ 1 for the map, H, W\), got \(1, 3, 4, 4\)"),
    (lambda: MapConv2d(3, 2, "keep"), "expected after to be one of carry, drop, got 'keep'"),
    (lambda: DropMap().output_shape((1, 1, 4, 4)), "for the map"),
    (lambda: interpolating_state(Conv2d(3, 2, 3).state_dict(), Conv2d(3, 4, 3).state_dict()), "of the same build"),
    (lambda: rrdb_net(2, 4, 2, 1, with_map=True)(np.zeros((1, 3, 4, 4), np.float32)), "MapConv2d"),
])
def test_wrong_input_and_settings_are_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def test_a_summary_has_a_row_for_the_layer():
    table = rrdb_net(2, 4, 2, 1, with_map=True, rng=0).summary_table((1, 4, 8, 8))
    assert "MapConv2d(3, 4, 'carry')" in table and "(5, 8, 8)" in table and "(3, 16, 16)" in table
