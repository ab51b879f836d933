"""A window that slides over an image, and what lies under it: shared by convolution and pooling."""
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from minidl.layers.arguments import Pair
from minidl.types import Array


@dataclass(frozen=True)
class Window:
    """How a window slides: each field is a pair (for rows, for columns)."""

    kernel: Pair
    stride: Pair = (1, 1)
    before: Pair = (0, 0)    # zero rows above, zero columns at the left
    after: Pair = (0, 0)     # zero rows below, zero columns at the right; if negative, rows that no window reaches
    dilation: Pair = (1, 1)  # 1: the window's pixels are neighbors; 2: every other one
    flipped: bool = False    # whether its pixels are numbered from the last row and the last column

    @property
    def extent(self) -> Pair:
        """Distance from the window's first row (column) to its last, dilation * (kernel - 1)."""
        return (self.dilation[0] * (self.kernel[0] - 1), self.dilation[1] * (self.kernel[1] - 1))

    def output_size(self, H: int, W: int) -> Pair:
        """Return (Ho, Wo), the number of positions of the window; not above 0 where it does not fit at all.

        Ho = floor((H + before + after - dilation * (kernel - 1) - 1) / stride) + 1
        """
        return ((H + self.before[0] + self.after[0] - self.extent[0] - 1) // self.stride[0] + 1,
                (W + self.before[1] + self.after[1] - self.extent[1] - 1) // self.stride[1] + 1)

    def offset(self, axis: int, i: int) -> int:
        """Return how far, along one axis, pixel i of the window lies from the window's beginning."""
        return self.dilation[axis] * (self.kernel[axis] - 1 - i if self.flipped else i)

    def inside(self, axis: int, i: int, size: int) -> tuple[slice, slice]:
        """Return, along one axis of an image, those windows whose pixel i lies in the image, and the pixels there.

        That pixel of window p lies at p * stride + offset - before.
        """
        stride, offset = self.stride[axis], self.offset(axis, i) - self.before[axis]
        count = self.output_size(size, size)[axis]
        first = max(0, -(offset // stride))                        # the least p with p * stride + offset >= 0
        last = min(count - 1, (size - 1 - offset) // stride)       # the largest with p * stride + offset < size
        if last < first:
            return slice(0, 0), slice(0, 0)
        return slice(first, last + 1), slice(first * stride + offset, last * stride + offset + 1, stride)

    def is_pixel(self) -> bool:
        """Return whether the window is a single pixel that visits each pixel once: then columns are just rows of x."""
        return self.kernel == (1, 1) and self.stride == (1, 1) and self.before == self.after == (0, 0)


def padded(x: Array, window: Window, value: float = 0.0) -> Array:
    """Return x (A, B, H, W) with the window's padding around; x itself if there is none."""
    (top, left), (bottom, right) = window.before, (max(0, window.after[0]), max(0, window.after[1]))
    if top == left == bottom == right == 0:
        return x
    A, B, H, W = x.shape
    y = np.empty((A, B, top + H + bottom, left + W + right), x.dtype)
    y[:, :, :top] = y[:, :, top + H:] = value
    y[:, :, top:top + H, :left] = y[:, :, top:top + H, left + W:] = value
    y[:, :, top:top + H, left:left + W] = x
    return y


def positions(x: Array, window: Window, Ho: int, Wo: int) -> Iterator[tuple[int, int, Array]]:
    """Yield (i, j, view): for each pixel (i, j) of the window, what lies there under all windows, (A, B, Ho, Wo).

    The views share the memory of x (A, B, H, W), already padded: reading them gathers pixels, adding scatters them.
    """
    (kh, kw), (sh, sw) = window.kernel, window.stride
    for i in range(kh):
        for j in range(kw):
            top, left = window.offset(0, i), window.offset(1, j)
            yield i, j, x[:, :, top:top + sh * (Ho - 1) + 1:sh, left:left + sw * (Wo - 1) + 1:sw]
