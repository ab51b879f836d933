"""MapConv2d: a convolution whose weights change from pixel to pixel, controlled by a map beside the features."""
from collections.abc import Mapping

import numpy as np

from minidl.batches import as_input
from minidl.layers import Conv2d, Layer, layout
from minidl.types import Array, Rng, Shape

AFTER = ("carry", "drop")


class MapConv2d(Layer):
    """A 3x3 convolution with weights W0 + t W1 at each pixel, where the map t is the last channel of x.

    Parameters
    ----------
    in_channels, out_channels : int
        Without the map.
    after : {"carry", "drop"}
        "carry" appends the map to the output, for later layers; "drop" does not.
    rng : numpy.random.Generator, seed or None

    Attributes
    ----------
    conv : Conv2d
        With 2 out_channels outputs: those of W0 and bias b0, then those of W1 and b1.

    Notes
    -----
    Shapes: x (N, in_channels + 1, H, W), y (N, out_channels [+ 1], H, W).

    Forward. A convolution is linear in its weights, so two convolutions are enough for all values of t:

        y = conv(f; W0 + t W1) = a + t b      with f = the features, a = conv(f; W0), b = conv(f; W1)

    t = 0 gives the convolution with W0, t = 1 that with W0 + W1, and in between the *network interpolation* of the two.

    Backward. da = dy and db = t dy go into the convolution; t scales b, so dt = sum of dy b over the channels, plus,
    with "carry", the map's own dy.

    References
    ----------
    Park, Moon, Cho, "Perception-Oriented Single Image Super-Resolution using Optimal Objective Estimation", CVPR 2023,
    have a map, too, but let it scale and shift the features; Wang et al., "ESRGAN", 2018, section 3.4, interpolate
    weights, but the same for all pixels.
    """

    def __init__(self, in_channels: int, out_channels: int, after: str = "carry", rng: Rng = None) -> None:
        if after not in AFTER:
            raise ValueError(f"MapConv2d: expected after to be one of {', '.join(AFTER)}, got {after!r}")
        self.in_channels, self.out_channels, self.after = in_channels, out_channels, after
        self.conv = Conv2d(in_channels, 2 * out_channels, 3, padding="same", rng=rng)

    def forward(self, x: Array) -> Array:
        y = layout.empty(self.check_input(x), x.dtype)
        t, K = x[:, -1:], self.out_channels                                # (N, 1, H, W)
        ab = self.conv.forward(x[:, :-1])                                  # (N, 2 K, H, W)
        b = ab[:, K:]
        np.multiply(t, b, out=y[:, :K])
        y[:, :K] += ab[:, :K]
        y[:, K:] = t                                                       # with "drop", y has no such channel
        return self.keep(y, t, b)

    def backward(self, dy: Array) -> Array:
        t, b = self.recall(dy)
        K = self.out_channels
        N, _, H, W = b.shape
        dab = layout.empty((N, 2 * K, H, W), dy.dtype)
        dab[:, :K] = dy[:, :K]
        np.multiply(t, dy[:, :K], out=dab[:, K:])
        dx = layout.empty((N, self.in_channels + 1, H, W), dy.dtype)
        dx[:, :-1] = self.conv.backward(dab)
        dx[:, -1:] = (dy[:, :K] * b).sum(axis=1, keepdims=True)
        if self.after == "carry":
            dx[:, -1:] += dy[:, K:]
        return dx

    def output_shape(self, input_shape: Shape) -> Shape:
        if len(input_shape) != 4 or input_shape[1] != self.in_channels + 1:
            raise ValueError(f"{self!r}: expected input of shape (N, {self.in_channels} + 1 for the map, H, W), "
                             f"got {tuple(input_shape)}")
        N, _, H, W = input_shape
        return (N, self.out_channels + (self.after != "drop"), H, W)

    def children(self) -> list[tuple[str, Layer]]:
        return [("conv", self.conv)]

    def arguments(self) -> str:
        return f"{self.in_channels}, {self.out_channels}, {self.after!r}"

    def summary_rows(self, input_shape: Shape, depth: int = 0) -> list[tuple[str, Shape, int]]:
        count = sum(parameter.data.size for parameter in self.parameters())
        return [("  " * depth + repr(self), self.output_shape(input_shape)[1:], count)]


class DropMap(Layer):
    """Return all channels but the last, which is the map: y = x[:, :-1]. Its dx is dy, and 0 for the map."""

    def forward(self, x: Array) -> Array:
        self.check_input(x)
        return self.keep(x[:, :-1])

    def backward(self, dy: Array) -> Array:
        self.recall(dy)
        N, C, H, W = dy.shape
        dx = layout.zeros((N, C + 1, H, W), dy.dtype)
        dx[:, :-1] = dy
        return dx

    def output_shape(self, input_shape: Shape) -> Shape:
        if len(input_shape) != 4 or input_shape[1] < 2:
            raise ValueError(f"DropMap(): expected input of shape (N, C + 1 for the map, H, W), got {input_shape}")
        N, C, H, W = input_shape
        return (N, C - 1, H, W)


class ZeroMap(Layer):
    """Return x with its last channel, the map, set to 0: for the end of a `Residual`, which adds the input's map."""

    def forward(self, x: Array) -> Array:
        self.check_input(x)
        y = x.copy(order="K")
        y[:, -1] = 0
        return self.keep(y)

    def backward(self, dy: Array) -> Array:
        self.recall(dy)
        dx = dy.copy(order="K")
        dx[:, -1] = 0
        return dx


def interpolating_state(zero: Mapping[str, Array], one: Mapping[str, Array]) -> dict[str, Array]:
    """Return the state of a model of `MapConv2d` that for t = 0 is one plain model, and for t = 1 the other.

    Parameters
    ----------
    zero, one : {name: array}
        The `state_dict` of two models of the same build, with `Conv2d` where the new one has `MapConv2d`.
    """
    if {name: array.shape for name, array in zero.items()} != {name: array.shape for name, array in one.items()}:
        raise ValueError("interpolating_state: expected the states of two models of the same build, got states that "
                         "differ in names or shapes")
    state = {}
    for name, array in zero.items():
        layer, _, own = name.rpartition(".")
        state[f"{layer}.conv.{own}".lstrip(".")] = np.concatenate([array, one[name] - array])       # W0, then W1
    return state


def interpolated_state(zero: Mapping[str, Array], one: Mapping[str, Array], alpha: float) -> dict[str, Array]:
    """Return the state (1 - alpha) zero + alpha one of two networks of the same build."""
    return {name: (1 - alpha) * zero[name] + alpha * one[name] for name in zero}


def with_map(small: Array, t: Array | float) -> Array:
    """Append a map to the colors of small images: (N, 3, h, w) becomes (N, 4, h, w) float32, in [0, 1].

    `t` is a number, or an array of numbers that fits (N, 1, h, w).
    """
    x = as_input(small)
    N, _, h, w = x.shape
    return np.concatenate([x, np.broadcast_to(np.asarray(t, np.float32), (N, 1, h, w))], axis=1)
