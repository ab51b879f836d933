"""Conv2d and ConvTranspose2d, in both of their ways to compute."""
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings, strategies as st

from minidl import Conv2d, ConvTranspose2d, check_layer
from minidl.layers import conv, layout
from tests import reference as ref
from tests.strategies import FEW, assert_close, assert_linear_with_adjoint, convolutions, transposed_convolutions

QUICK = settings(FEW, suppress_health_check=[HealthCheck.function_scoped_fixture])


def bias_of(layer):
    return None if layer.bias is None else layer.bias.data


def expected_conv(layer, x):
    """Return the reference's answer; for "same" its input gets the zeros first, the odd one at the bottom and right."""
    if isinstance(layer, ConvTranspose2d):
        return ref.conv_transpose2d(x, layer.weight.data, bias_of(layer), layer.stride, layer.padding,
                                    layer.output_padding, layer.dilation)
    padding = layer.padding
    if padding == "same":
        total = [d * (k - 1) for k, d in zip(layer.kernel_size, layer.dilation)]
        x = np.pad(x, [(0, 0), (0, 0), *((t // 2, t - t // 2) for t in total)])
        padding = (0, 0)
    return ref.conv2d(x, layer.weight.data, bias_of(layer), layer.stride, padding, layer.dilation)


# From many channels to few, the columns are built on y's side, where that pays. For images as small as these it does
# not, so one kind of case has it pay always.

CASES = {"few to many": convolutions(), "many to few": convolutions(mirrored=True),
         "many to few, always swapped": convolutions(mirrored=True), "transposed": transposed_convolutions()}
each_kind = pytest.mark.parametrize("kind", CASES)


def drawn(data, kind, monkeypatch):
    """Return a layer of this kind and its input."""
    layer, x = data.draw(CASES[kind])
    if "swapped" in kind:
        monkeypatch.setattr(conv, "SWAP_COST", 0)
        assert layer.adjoint_window(1) is not None
    elif kind != "transposed":
        assert (layer.adjoint_window(10**9) is None) == (kind == "few to many")
    return layer, x


@each_kind
@QUICK
@given(st.data())
def test_gradients(kind, monkeypatch, data):
    check_layer(*drawn(data, kind, monkeypatch))


@each_kind
@QUICK
@given(st.data())
def test_forward(kind, monkeypatch, data):
    layer, x = drawn(data, kind, monkeypatch)
    y = layer.forward(x)
    assert_close(y, expected_conv(layer, x))
    assert layout.is_channel_major(y)


@each_kind
@QUICK
@given(st.data())
def test_backward_is_the_adjoint_of_forward(kind, monkeypatch, data):
    layer, x = drawn(data, kind, monkeypatch)
    layer.bias = None
    assert_linear_with_adjoint(layer, x.shape, np.random.default_rng(0))


def test_columns_are_on_the_side_of_fewer_channels_where_images_are_large():
    assert Conv2d(8, 4, 3, padding=1).adjoint_window(17) is not None
    assert Conv2d(8, 4, 3, padding=1).adjoint_window(16) is None      # 16 * (8 - 4) numbers saved, 2 * 8 * 4 to copy
    assert Conv2d(4, 8, 3, padding=1).adjoint_window(10**9) is None


@pytest.mark.parametrize("channels", [(2, 3), (3, 2)])
@pytest.mark.parametrize("kernel, settings", [
    (3, {}), ((1, 4), {}), (1, {}), (1, {"dilation": 3}), (1, {"stride": 2}), (1, {"padding": 1}),
    (2, {"padding": "same"}), ((4, 3), {"padding": "same"}), ((2, 3), {"padding": "same", "dilation": (3, 2)}),
    ((2, 3), {"stride": (1, 2), "padding": (1, 2), "dilation": (2, 1)}), ((4, 5), {}), ((2, 3), {"padding": 3}),
    ((2, 3), {"padding": (0, 3)}),                       # too much padding for columns on y's side
])
def test_conv2d_geometries_by_name(channels, kernel, settings):
    C, outputs = channels
    layer = Conv2d(C, outputs, kernel, init="torch", rng=0, **settings).astype(np.float64)
    x = np.random.default_rng(0).normal(size=(2, C, 4, 5))
    assert_close(layer.forward(x), expected_conv(layer, x))
    check_layer(layer, x)


@pytest.mark.parametrize("kernel", [1, 2, 3, (4, 5)])
@pytest.mark.parametrize("dilation", [1, 2])
def test_conv2d_same_keeps_height_and_width(kernel, dilation):
    layer = Conv2d(2, 3, kernel, padding="same", dilation=dilation)
    assert layer.output_shape((1, 2, 6, 5)) == (1, 3, 6, 5)


def test_conv2d_same_with_an_even_kernel_puts_the_extra_zero_at_the_bottom_and_right():
    layer = Conv2d(1, 1, 2, padding="same", bias=False)
    layer.weight.data[...] = [[1, 10], [100, 1000]]
    x = np.array([[[[1, 2], [3, 4]]]], np.float32)
    assert layer.forward(x).tolist() == [[[[4321, 402], [43, 4]]]]


def test_the_kernel_is_not_flipped():
    layer = Conv2d(1, 1, (1, 2), bias=False)
    layer.weight.data[...] = [1, 10]
    assert layer.forward(np.array([[[[1, 2, 3]]]], np.float32)).tolist() == [[[[21, 32]]]]


@pytest.mark.parametrize("channels", [(3, 4), (4, 3)])
def test_images_taken_in_parts_give_what_all_at_once_give(channels, monkeypatch):
    C, outputs = channels
    x = np.random.default_rng(0).normal(size=(5, C, 4, 3))
    monkeypatch.setattr(conv, "SWAP_COST", 0)
    for make in (Conv2d, ConvTranspose2d):
        results = []
        image_chunks = layout.image_chunks
        for limit in (1, 10**9):
            with monkeypatch.context() as patch:
                patch.setattr(layout, "image_chunks", lambda N, size, _=0: image_chunks(N, size, limit))
                layer = make(C, outputs, 3, padding=1, rng=0).astype(np.float64)
                y = layer.forward(x)
                dy = np.random.default_rng(1).normal(size=y.shape)
                results.append((y, layer.backward(dy), *(p.grad for p in layer.parameters())))
        for a, b in zip(*results):
            assert_close(a, b)


# ConvTranspose2d

def test_conv_transpose2d_output_padding_need_only_be_smaller_than_the_dilation():
    layer = ConvTranspose2d(1, 1, 3, stride=1, output_padding=1, dilation=2)
    assert layer.output_shape((1, 1, 4, 4)) == layer.forward(np.ones((1, 1, 4, 4), np.float32)).shape == (1, 1, 9, 9)
    for wrong in ((2, 0), (0, 3)):
        with pytest.raises(ValueError, match="output_padding smaller than stride or dilation, got output_padding="):
            ConvTranspose2d(1, 1, 3, stride=(2, 1), output_padding=wrong, dilation=(1, 3))


@pytest.mark.parametrize("output_padding, size", [(0, 7), (1, 8)])
def test_conv_transpose2d_output_padding_chooses_among_the_sizes_that_shrink_to_the_same(output_padding, size):
    conv = Conv2d(1, 1, 3, stride=2, padding=1)
    back = ConvTranspose2d(1, 1, 3, stride=2, padding=1, output_padding=output_padding)
    assert conv.output_shape((1, 1, size, size)) == (1, 1, 4, 4)
    assert back.output_shape((1, 1, 4, 4)) == (1, 1, size, size)


@FEW
@given(transposed_convolutions())
def test_conv_transpose2d_is_the_adjoint_of_conv2d_with_the_same_weights(case):
    transposed, y = case                                 # weight (in, out, kh, kw), which conv reads as (O, C, kh, kw)
    transposed.bias = None
    conv = Conv2d(transposed.out_channels, transposed.in_channels, transposed.kernel_size, transposed.stride,
                  transposed.padding, transposed.dilation, bias=False).astype(np.float64)
    conv.weight.data[...] = transposed.weight.data
    back = transposed.forward(y)
    x = np.random.default_rng(0).normal(size=back.shape)
    windows = (..., slice(y.shape[2]), slice(y.shape[3]))    # an output_padding of a whole stride adds windows
    assert_close(np.vdot(conv.forward(x)[windows], y), np.vdot(x, back))
    dback = np.random.default_rng(1).normal(size=back.shape)
    assert_close(transposed.backward(dback), conv.forward(dback)[windows])


def test_a_bias_is_not_linear_and_the_check_of_linear_maps_notices():
    layer = Conv2d(2, 3, 3, init="torch", rng=0).astype(np.float64)
    with pytest.raises(AssertionError):
        assert_linear_with_adjoint(layer, (1, 2, 4, 5), np.random.default_rng(0))
