"""Layers that only move numbers: Flatten, Reshape, PixelShuffle. Their backward moves them back."""
import math

from minidl.layers import layout
from minidl.layers.arguments import positive
from minidl.layers.base import Layer
from minidl.types import Array, Shape


class _SameNumbers(Layer):
    """y has x's numbers, in the same row-major order, in the shape that `output_shape` returns."""

    def forward(self, x: Array) -> Array:
        shape = self.check_input(x)
        return self.keep(x.reshape(shape), x.shape)

    def backward(self, dy: Array) -> Array:
        x_shape, = self.recall(dy)
        return dy.reshape(x_shape)


class Reshape(_SameNumbers):
    """Give each sample another shape, in row-major order (slide 22).

    Parameters
    ----------
    shape : tuple of int
        Of one sample, without N.

    Examples
    --------
    >>> import numpy as np
    >>> Reshape((1, 6, 6))(np.zeros((5, 4, 3, 3))).shape
    (5, 1, 6, 6)
    """

    def __init__(self, shape: Shape) -> None:
        self.shape = tuple(positive("Reshape: shape", size) for size in shape)

    def output_shape(self, input_shape: Shape) -> Shape:
        if len(input_shape) < 1 or math.prod(input_shape[1:]) != math.prod(self.shape):
            raise ValueError(f"{self!r}: expected samples of {math.prod(self.shape)} values, "
                             f"got shape {tuple(input_shape)}")
        return (input_shape[0], *self.shape)

    def arguments(self) -> str:
        return str(self.shape)


class Flatten(_SameNumbers):
    """Make one row of each sample: (N, C, H, W) -> (N, C*H*W), in row-major order (slide 1)."""

    def output_shape(self, input_shape: Shape) -> Shape:
        if len(input_shape) < 2:
            raise ValueError(f"Flatten(): expected input of shape (N, ...), got {tuple(input_shape)}")
        return (input_shape[0], math.prod(input_shape[1:]))


class PixelShuffle(Layer):
    """Turn groups of r*r channels into blocks of r x r pixels: (N, C*r*r, H, W) -> (N, C, H*r, W*r).

    y[n, c, h*r + i, w*r + j] = x[n, c*r*r + i*r + j, h, w]. Unlike a plain `Reshape` it keeps neighbors neighbors.

    References
    ----------
    Shi et al., "Real-Time Single Image and Video Super-Resolution", CVPR 2016, eq. 4; contrast with slide 22.
    """

    def __init__(self, upscale_factor: int) -> None:
        self.upscale_factor = positive("PixelShuffle: upscale_factor", upscale_factor)

    def forward(self, x: Array) -> Array:
        y = layout.empty(self.check_input(x), x.dtype)
        self._blocks(y)[...] = self._groups(x)
        return self.keep(y, x.shape)

    def backward(self, dy: Array) -> Array:
        x_shape, = self.recall(dy)
        dx = layout.empty(x_shape, dy.dtype)
        self._groups(dx)[...] = self._blocks(layout.channel_major(dy))
        return dx

    def _groups(self, x: Array) -> Array:
        """Return x (N, C*r*r, H, W) with its groups of channels as two axes: (C, N, H, r, W, r)."""
        r, (N, _, H, W) = self.upscale_factor, x.shape
        return layout.rows(layout.channel_major(x)).reshape(-1, r, r, N, H, W).transpose(0, 3, 4, 1, 5, 2)

    def _blocks(self, y: Array) -> Array:
        """Return a channel-major y (N, C, H*r, W*r) with its blocks of pixels as two axes: (C, N, H, r, W, r)."""
        r, (N, C, height, width) = self.upscale_factor, y.shape
        return layout.rows(y).reshape(C, N, height // r, r, width // r, r)

    def output_shape(self, input_shape: Shape) -> Shape:
        r = self.upscale_factor
        if len(input_shape) != 4 or input_shape[1] % (r * r):
            raise ValueError(f"{self!r}: expected input of shape (N, C*{r * r}, H, W), got {tuple(input_shape)}")
        N, C, H, W = input_shape
        return (N, C // (r * r), H * r, W * r)

    def arguments(self) -> str:
        return str(self.upscale_factor)
