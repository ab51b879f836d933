"""Conv2d and ConvTranspose2d, in both of their ways to compute."""
from unittest.mock import patch

import numpy as np
import pytest
from hypothesis import given

from minidl import Conv2d, ConvTranspose2d, check_layer
from minidl.layers import conv, layout
from tests import reference as ref
from tests.strategies import FEW, assert_close, assert_linear_with_adjoint, convolutions, transposed_convolutions


def bias_of(layer):
    return None if layer.bias is None else layer.bias.data


def expected_conv(layer, x):
    """The reference's answer; for "same" its input gets the zeros beforehand, the odd one at the bottom and right."""
    padding = layer.padding
    if padding == "same":
        total = [d * (k - 1) for k, d in zip(layer.kernel_size, layer.dilation)]
        x = np.pad(x, [(0, 0), (0, 0), *((t // 2, t - t // 2) for t in total)])
        padding = (0, 0)
    return ref.conv2d(x, layer.weight.data, bias_of(layer), layer.stride, padding, layer.dilation)


# From few channels to many, or with a stride: the columns are built on x's side

@FEW
@given(convolutions())
def test_conv2d_gradients(case):
    layer, x = case
    assert layer.adjoint_window(10**9) is None
    check_layer(layer, x)


@FEW
@given(convolutions())
def test_conv2d_forward(case):
    layer, x = case
    y = layer.forward(x)
    assert_close(y, expected_conv(layer, x))
    assert layout.is_channel_major(y)


# From many channels to few: they are built on y's side, with the kernel mirrored

# (which for pictures as small as these would not pay)

@FEW
@given(convolutions(mirrored=True))
def test_conv2d_gradients_mirrored(case):
    layer, x = case
    with patch.object(conv, "SWAP_COST", 0):
        assert layer.adjoint_window(1) is not None
        check_layer(layer, x)
    check_layer(layer, x)


@FEW
@given(convolutions(mirrored=True))
def test_conv2d_forward_mirrored(case):
    layer, x = case
    assert_close(layer.forward(x), expected_conv(layer, x))
    with patch.object(conv, "SWAP_COST", 0):
        y = layer.forward(x)
    assert_close(y, expected_conv(layer, x))
    assert layout.is_channel_major(y)


def test_columns_are_on_the_side_of_fewer_channels_where_pictures_are_large():
    assert Conv2d(8, 4, 3, padding=1).adjoint_window(17) is not None
    assert Conv2d(8, 4, 3, padding=1).adjoint_window(16) is None      # 16 * (8 - 4) numbers saved, 2 * 8 * 4 to copy
    assert Conv2d(4, 8, 3, padding=1).adjoint_window(10**9) is None


@pytest.mark.parametrize("stride, padding", [((2, 1), 0), (1, 3), (1, (0, 3))])
def test_conv2d_from_many_channels_to_few_that_cannot_be_mirrored(stride, padding):
    layer = Conv2d(4, 2, (2, 3), stride, padding, rng=0).astype(np.float64)
    assert layer.adjoint_window(10**9) is None
    x = np.random.default_rng(0).normal(size=(2, 4, 3, 4))
    assert_close(layer.forward(x), expected_conv(layer, x))
    check_layer(layer, x)


@pytest.mark.parametrize("channels", [(2, 3), (3, 2)])
@pytest.mark.parametrize("kernel, settings", [
    (3, {}), ((1, 4), {}), (1, {}), (1, {"dilation": 3}), (1, {"stride": 2}), (1, {"padding": 1}),
    (2, {"padding": "same"}), ((4, 3), {"padding": "same"}), ((2, 3), {"padding": "same", "dilation": (3, 2)}),
    ((2, 3), {"stride": (1, 2), "padding": (1, 2), "dilation": (2, 1)}), ((4, 5), {}),
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
    layer = Conv2d(3, 2, 2, bias=False, rng=0).astype(np.float64)  # mirrored within, and yet not flipped
    x = np.random.default_rng(0).normal(size=(1, 3, 3, 3))
    assert_close(layer.forward(x), ref.conv2d(x, layer.weight.data))
    with pytest.raises(AssertionError):
        assert_close(layer.forward(x), ref.conv2d(x, layer.weight.data[:, :, ::-1, ::-1]))


@pytest.mark.parametrize("channels", [(3, 4), (4, 3)])
def test_pictures_taken_in_parts_give_what_all_at_once_give(channels, monkeypatch):
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

@FEW
@given(transposed_convolutions())
def test_conv_transpose2d_gradients(case):
    layer, x = case
    check_layer(layer, x)


@FEW
@given(transposed_convolutions())
def test_conv_transpose2d_forward(case):
    layer, x = case
    y = layer.forward(x)
    assert_close(y, ref.conv_transpose2d(x, layer.weight.data, bias_of(layer), layer.stride, layer.padding,
                                         layer.output_padding, layer.dilation))
    assert layout.is_channel_major(y)


@pytest.mark.parametrize("output_padding, size", [(0, 7), (1, 8)])
def test_conv_transpose2d_output_padding_chooses_among_the_sizes_that_shrink_to_the_same(output_padding, size):
    conv = Conv2d(1, 1, 3, stride=2, padding=1)
    back = ConvTranspose2d(1, 1, 3, stride=2, padding=1, output_padding=output_padding)
    assert conv.output_shape((1, 1, size, size)) == (1, 1, 4, 4)
    assert back.output_shape((1, 1, 4, 4)) == (1, 1, size, size)


# Adjoints

@FEW
@given(convolutions())
def test_backward_is_the_adjoint_of_forward(case):
    layer, x = case
    layer.bias = None
    assert_linear_with_adjoint(layer, x.shape, np.random.default_rng(0))


@FEW
@given(convolutions(mirrored=True))
def test_backward_is_the_adjoint_of_forward_mirrored(case):
    layer, x = case
    layer.bias = None
    assert_linear_with_adjoint(layer, x.shape, np.random.default_rng(0))


@FEW
@given(transposed_convolutions())
def test_backward_is_the_adjoint_of_forward_transposed(case):
    layer, x = case
    layer.bias = None
    assert_linear_with_adjoint(layer, x.shape, np.random.default_rng(0))


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
    assert_close(np.vdot(conv.forward(x), y), np.vdot(x, back))
    dback = np.random.default_rng(1).normal(size=back.shape)
    assert_close(transposed.backward(dback), conv.forward(dback))


def test_a_bias_is_not_linear_and_the_check_of_linear_maps_notices():
    layer = Conv2d(2, 3, 3, init="torch", rng=0).astype(np.float64)
    with pytest.raises(AssertionError):
        assert_linear_with_adjoint(layer, (1, 2, 4, 5), np.random.default_rng(0))


# As they are printed

@pytest.mark.parametrize("layer, text", [
    (Conv2d(3, 8, 3), "Conv2d(3, 8, 3)"),
    (Conv2d(3, 8, (3, 1), padding="same", bias=False), "Conv2d(3, 8, (3, 1), padding='same', bias=False)"),
    (Conv2d(3, 8, 3, stride=2, padding=(1, 0), dilation=2), "Conv2d(3, 8, 3, stride=2, padding=(1, 0), dilation=2)"),
    (ConvTranspose2d(3, 8, 4, 2, 1, (1, 0)),
     "ConvTranspose2d(3, 8, 4, stride=2, padding=1, output_padding=(1, 0))"),
])
def test_repr_is_what_one_would_type(layer, text):
    assert repr(layer) == text
    assert repr(eval(text)) == text
