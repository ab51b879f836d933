"""MaxPool2d and AvgPool2d: one value for each window."""
import numpy as np

from minidl.layers import layout
from minidl.layers.arguments import Pair, pair, short
from minidl.layers.base import Layer
from minidl.layers.window import Window, padded, positions
from minidl.types import Array, Shape


class _Pool2d(Layer):
    """What both poolings share: a window that slides over each channel by itself."""

    def __init__(self, kernel_size: int | Pair, stride: int | Pair | None = None, padding: int | Pair = 0) -> None:
        name = type(self).__name__
        self.kernel_size = pair(f"{name}: kernel_size", kernel_size)
        self.stride = self.kernel_size if stride is None else pair(f"{name}: stride", stride)
        self.padding = pair(f"{name}: padding", padding, least=0)
        if any(2 * p > k for p, k in zip(self.padding, self.kernel_size)):
            raise ValueError(f"{name}: expected padding of at most half the kernel, "
                             f"got padding={padding}, kernel_size={kernel_size}")
        self.window = Window(self.kernel_size, self.stride, self.padding, self.padding)

    def _views(self, x: Array, Ho: int, Wo: int) -> list[Array]:
        """Return, for each pixel of the window in row-major order, the (N, C, Ho, Wo) view of what lies under it."""
        return [view for _, _, view in positions(x, self.window, Ho, Wo)]

    def _inside(self, x: Array, shape: Shape) -> Array:
        """Undo the padding: return the (N, C, H, W) middle of x."""
        (top, left), (H, W) = self.padding, shape[2:]
        return x[:, :, top:top + H, left:left + W]

    def output_shape(self, input_shape: Shape) -> Shape:
        if len(input_shape) != 4:
            raise ValueError(f"{self!r}: expected input of shape (N, C, H, W), got {tuple(input_shape)}")
        N, C, H, W = input_shape
        Ho, Wo = self.window.output_size(H, W)
        if min(Ho, Wo) < 1:
            raise ValueError(f"{self!r}: expected images of at least the window's size, got {tuple(input_shape)}")
        return (N, C, Ho, Wo)

    def arguments(self) -> str:
        text = short(self.kernel_size)
        text += f", stride={short(self.stride)}" if self.stride != self.kernel_size else ""
        return text + (f", padding={short(self.padding)}" if self.padding != (0, 0) else "")


class MaxPool2d(_Pool2d):
    """The largest value of each window (slides 21-36).

    Parameters
    ----------
    kernel_size : int or pair (for rows, for columns)
    stride : int or pair, optional
        Without it, the windows lie side by side (stride = kernel_size).
    padding : int or pair
        At most half the kernel. It counts as minus infinity.

    Notes
    -----
    Shapes: x (N, C, H, W), y (N, C, Ho, Wo) with Ho = floor((H + 2 padding - kh) / stride) + 1. Rows and columns at the
    end that fill no window are left out.

    Backward. Only the largest value of a window acts on y, so it receives all of dy, and the others 0. Where several
    are equal, the first in row-major order receives it, and where several are NaN the last (as in PyTorch).
    """

    def forward(self, x: Array) -> Array:
        _, _, Ho, Wo = shape = self.check_input(x)
        x = layout.channel_major(x)
        y = layout.empty(shape, x.dtype)
        first, *others = self._views(padded(x, self.window, -np.inf), Ho, Wo)
        for s in layout.channel_chunks(x):
            y[:, s] = first[:, s]
            for view in others:
                np.maximum(y[:, s], view[:, s], out=y[:, s])
        return self.keep(y, x, y)

    def backward(self, dy: Array) -> Array:
        x, y = self.recall(dy)
        dy = layout.channel_major(dy)
        x_padded = padded(x, self.window, np.nan)          # which is equal to no maximum, not even to minus infinity
        dx = layout.empty(x_padded.shape, x.dtype)
        views, dx_views = self._views(x_padded, *y.shape[2:]), self._views(dx, *y.shape[2:])
        nans = self._views(padded(np.isnan(x), self.window), *y.shape[2:]) if np.isnan(y).any() else []
        each_pixel_once = self.stride == self.kernel_size and dx.size == y.size * len(views)
        for s in layout.channel_chunks(x):
            if not each_pixel_once:
                dx[:, s] = 0
            left = layout.bits(dy[:, s].copy(order="K"))   # what of dy has not found its maximum yet
            for view, dx_view in zip(views, dx_views):
                if view is views[-1] and not nans:
                    share = left                           # nobody else is left to take it
                else:
                    share = left * (view[:, s] == y[:, s])
                    left -= share                          # the first maximum took it; later ones find 0
                if each_pixel_once:
                    dx_view[:, s] = share.view(x.dtype)
                else:
                    dx_view[:, s] += share.view(x.dtype)
            for nan, dx_view in zip(nans[::-1], dx_views[::-1]):    # a y of NaN is equal to none of them
                share = left * nan[:, s]
                left -= share
                dx_view[:, s] += share.view(x.dtype)
        return layout.channel_major(self._inside(dx, x.shape))


class AvgPool2d(_Pool2d):
    """The mean of each window. Parameters and shapes are those of `MaxPool2d`.

    Notes
    -----
    The padding counts as zeros, and they count in the mean (as PyTorch's default does).

    Backward. Every value of a window of k pixels acts on y with weight 1 / k, so it receives dy / k from each of its
    windows.
    """

    def forward(self, x: Array) -> Array:
        _, _, Ho, Wo = shape = self.check_input(x)
        x = layout.channel_major(x)
        y = layout.zeros(shape, x.dtype)
        for view in self._views(padded(x, self.window), Ho, Wo):
            y += view
        y /= self.kernel_size[0] * self.kernel_size[1]
        return self.keep(y, x.shape)

    def backward(self, dy: Array) -> Array:
        x_shape, = self.recall(dy)
        N, C, H, W = x_shape
        (ph, pw), (_, _, Ho, Wo) = self.padding, dy.shape
        dx = layout.zeros((N, C, H + 2 * ph, W + 2 * pw), dy.dtype)
        share = layout.channel_major(dy) / (self.kernel_size[0] * self.kernel_size[1])
        for dx_view in self._views(dx, Ho, Wo):
            dx_view += share
        return layout.channel_major(self._inside(dx, x_shape))
