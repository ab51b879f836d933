"""What the tests of the layers share: hypothesis strategies, awkward memory orders, and the check of linear maps.

The arrays are small (about 150 elements), because a gradient check moves every element of them.
"""
from typing import Any

import numpy as np
from hypothesis import settings, strategies as st

from minidl import AvgPool2d, Conv2d, ConvTranspose2d, MaxPool2d
from minidl.layers import layout

FEW = settings(max_examples=40, deadline=None, derandomize=True)  # the same examples in every run
MOST_ELEMENTS = 150

seeds = st.integers(0, 999)


# Numbers

def spaced(shape, rng):
    """Values in random order that are far from 0 and from each other: no probe steps over a kink or into a tie."""
    size = int(np.prod(shape))
    values = (np.arange(size) - size // 2 + 0.5) * (4 / size)
    return rng.permutation(values).reshape(shape)


def randomized(layer, rng):
    """The layer in float64, with all parameters drawn anew: no bias is 0 and no gamma 1."""
    layer.astype(np.float64)
    for parameter in layer.parameters():
        parameter.data[...] = rng.normal(size=parameter.data.shape)
    return layer


# Shapes and windows

def pairs(least, most):
    return st.tuples(st.integers(least, most), st.integers(least, most))


@st.composite
def shapes(draw, least=(1, 1), extra=3, channels=st.integers(1, 3)):
    """(N, C, H, W) with H != W, at least `least` pixels."""
    C = draw(channels)
    H, W = least[0] + draw(st.integers(0, extra)), least[1] + draw(st.integers(0, extra))
    W += H == W
    N = draw(st.integers(1, 3))
    return (max(1, min(N, MOST_ELEMENTS // (C * H * W))), C, H, W)


@st.composite
def windows(draw, padding=2):
    """The arguments of a window, and the smallest image it fits into."""
    kernel, dilation = draw(pairs(1, 3)), draw(pairs(1, 2))
    stride, padding = draw(pairs(1, 2)), draw(pairs(0, padding))
    least = tuple(max(1, d * (k - 1) + 1 - 2 * p) for k, d, p in zip(kernel, dilation, padding))
    return kernel, stride, padding, dilation, least


# Layers with an input each. They are made of small integers, so that a failure prints a layer one can type.

@st.composite
def convolutions(draw, mirrored=False):
    """A Conv2d and an input. `mirrored`: from many channels to few, where the columns are built on y's side."""
    kernel, stride, padding, dilation, least = draw(windows())
    few, many = draw(st.sampled_from([(1, 2), (1, 3), (2, 3)] if mirrored else [(1, 2), (2, 2), (2, 3)]))
    C, outputs = (many, few) if mirrored else (few, many)
    if mirrored:
        stride = (1, 1)
        padding = tuple(min(p, d * (k - 1)) for p, d, k in zip(padding, dilation, kernel))
        least = tuple(max(1, d * (k - 1) + 1 - 2 * p) for k, d, p in zip(kernel, dilation, padding))
    if stride == (1, 1) and draw(st.booleans()):
        padding, least = "same", (1, 1)
    rng = np.random.default_rng(draw(seeds))
    layer = Conv2d(C, outputs, kernel, stride, padding, dilation, bias=draw(st.booleans()))
    return randomized(layer, rng), spaced(draw(shapes(least, extra=2, channels=st.just(C))), rng)


@st.composite
def transposed_convolutions(draw):
    kernel, stride, padding, dilation, _ = draw(windows(padding=1))
    output_padding = tuple(draw(st.integers(0, max(s, d) - 1)) for s, d in zip(stride, dilation))
    C, outputs = draw(pairs(1, 3))
    # (size - 1) * stride - 2 * padding + dilation * (kernel - 1) + output_padding + 1 must be at least 1
    short = [2 * p - d * (k - 1) - o for k, p, d, o in zip(kernel, padding, dilation, output_padding)]
    least = tuple(1 + max(0, -(-missing // s)) for missing, s in zip(short, stride))
    rng = np.random.default_rng(draw(seeds))
    layer = ConvTranspose2d(C, outputs, kernel, stride, padding, output_padding, dilation, bias=draw(st.booleans()))
    return randomized(layer, rng), spaced(draw(shapes(least, extra=2, channels=st.just(C))), rng)


@st.composite
def pools(draw, kind=st.sampled_from([MaxPool2d, AvgPool2d])):
    """A pooling layer, with windows that overlap, leave gaps or leave rows over, and an input."""
    kernel = draw(pairs(1, 3))
    stride = draw(st.none() | pairs(1, 4))
    padding = tuple(draw(st.integers(0, k // 2)) for k in kernel)
    least = tuple(max(1, k - 2 * p) for k, p in zip(kernel, padding))
    x = spaced(draw(shapes(least, extra=4)), np.random.default_rng(draw(seeds)))
    return draw(kind)(kernel, stride, padding), x


# Memory orders

def strided(x):
    """x as every other element, along every axis, of a larger array."""
    big = np.full([2 * size for size in x.shape], 77, x.dtype)
    view = big[tuple(slice(None, None, 2) for _ in x.shape)]
    view[...] = x
    return view


def reversed_axes(x):
    """x with negative strides along every axis."""
    backwards = tuple(slice(None, None, -1) for _ in x.shape)
    return x[backwards].copy()[backwards]


def read_only(x):
    y = x.copy()
    y.flags.writeable = False
    return y


MEMORY_ORDERS: dict[str, Any] = {
    "C": np.ascontiguousarray, "Fortran": np.asfortranarray, "channel-major": layout.channel_major,
    "strided": strided, "reversed": reversed_axes, "read-only": read_only}


# Checks

def assert_close(a, b, relative=1e-12):
    """a and b have one shape and differ by at most `relative` times b's largest value."""
    assert a.shape == b.shape, f"{a.shape} against {b.shape}"
    difference = float(np.abs(a - b).max())
    assert difference <= relative * max(1.0, float(np.abs(b).max())), f"differ by {difference:.1e}"


def assert_linear_with_adjoint(layer, shape, rng):
    """forward is a linear map A, and backward its adjoint: <A x, y> = <x, A.T y> for all x and y."""
    x, x2 = rng.normal(size=shape), rng.normal(size=shape)
    assert_close(layer.forward(2 * x - 3 * x2), 2 * layer.forward(x) - 3 * layer.forward(x2))
    Ax = layer.forward(x)
    y = rng.normal(size=Ax.shape)
    assert_close(np.vdot(Ax, y), np.vdot(x, layer.backward(y)))
