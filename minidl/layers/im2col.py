"""im2col and col2im: a convolution as one matrix product, and the adjoint pair behind it.

A convolution slides a window of kh x kw pixels over each picture. `im2col` writes what each window sees into one
column, so that the sliding sum becomes ``weight @ columns``. `col2im` goes the other way: it adds each column
back to the pixels it came from; where windows overlap, the values add up.

Both are linear, and each is the other's adjoint (its matrix is the transpose):

    <im2col(x), c> = <x, col2im(c)>     for every x and c

which is why the backward pass of a gather is a scatter, and that of a scatter a gather. All of `Conv2d` and
`ConvTranspose2d`, forward and backward, is made of these two and matrix products.

    letters   N pictures, C channels, H x W pixels; kernel kh x kw; Ho x Wo windows in a picture
    columns   (C*kh*kw, N*Ho*Wo): a row for each (channel, window row, window column), a column for each window
"""
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from minidl import slabs
from minidl.layers.base import Shape
from minidl.slabs import Array

Pair = tuple[int, int]


def pair(name: str, value: int | Pair, least: int = 1) -> Pair:
    """Return (value, value) for an integer and the pair itself for a pair; refuse anything else or below `least`."""
    values = (value, value) if isinstance(value, (int, np.integer)) else value
    if (not isinstance(values, (tuple, list)) or len(values) != 2
            or not all(isinstance(v, (int, np.integer)) and not isinstance(v, bool) and v >= least for v in values)):
        raise ValueError(f"{name}: expected an integer of at least {least} or a pair of them, got {value!r}")
    return (int(values[0]), int(values[1]))


@dataclass(frozen=True)
class Window:
    """How a window slides: each field is a pair (for rows, for columns)."""

    kernel: Pair
    stride: Pair = (1, 1)
    before: Pair = (0, 0)    # zero rows above, zero columns at the left
    after: Pair = (0, 0)     # zero rows below, zero columns at the right
    dilation: Pair = (1, 1)  # 1: the window's pixels are neighbours; 2: every other one

    @property
    def reach(self) -> Pair:
        """Distance from the window's first row (column) to its last, dilation * (kernel - 1)."""
        return (self.dilation[0] * (self.kernel[0] - 1), self.dilation[1] * (self.kernel[1] - 1))

    def output_size(self, H: int, W: int) -> Pair:
        """Return (Ho, Wo), the number of places for the window; not above 0 where it does not fit at all.

        Ho = floor((H + before + after - dilation * (kernel - 1) - 1) / stride) + 1
        """
        return ((H + self.before[0] + self.after[0] - self.reach[0] - 1) // self.stride[0] + 1,
                (W + self.before[1] + self.after[1] - self.reach[1] - 1) // self.stride[1] + 1)

    def is_pixel(self) -> bool:
        """Tell whether the window is a single pixel that visits each pixel once: then columns are just rows of x."""
        return self.kernel == (1, 1) and self.stride == (1, 1) and self.before == self.after == (0, 0)


def padded(x: Array, window: Window, value: float = 0.0) -> Array:
    """Return x (A, B, H, W) with the window's padding around; x itself if there is none."""
    (top, left), (bottom, right) = window.before, window.after
    if top == left == bottom == right == 0:
        return x
    A, B, H, W = x.shape
    y = np.empty((A, B, top + H + bottom, left + W + right), x.dtype)
    y[:, :, :top] = y[:, :, top + H:] = value
    y[:, :, top:top + H, :left] = y[:, :, top:top + H, left + W:] = value
    y[:, :, top:top + H, left:left + W] = x
    return y


def positions(x: Array, window: Window, Ho: int, Wo: int) -> Iterator[tuple[int, int, Array]]:
    """Yield (i, j, view): for each pixel (i, j) of the window, what all windows see there, (A, B, Ho, Wo).

    Parameters
    ----------
    x : array (A, B, H, W), already padded

    The views share x's memory: reading them gathers, adding to them scatters.
    """
    (kh, kw), (sh, sw), (dh, dw) = window.kernel, window.stride, window.dilation
    for i in range(kh):
        for j in range(kw):
            top, left = i * dh, j * dw
            yield i, j, x[:, :, top:top + sh * (Ho - 1) + 1:sh, left:left + sw * (Wo - 1) + 1:sw]


def im2col(x: Array, window: Window, out: Array | None = None) -> Array:
    """Write what each window sees into one column.

    Parameters
    ----------
    x : array (N, C, H, W)
    window : Window
    out : array (C*kh*kw, N*Ho*Wo), optional

    Returns
    -------
    array (C*kh*kw, N*Ho*Wo)
        Row order (channel, i, j), as in ``weight.reshape(O, -1)``; column order (picture, row, column).

    Examples
    --------
    >>> x = np.arange(1.0, 10.0).reshape(1, 1, 3, 3)
    >>> im2col(x, Window(kernel=(2, 2)))
    array([[1., 2., 4., 5.],
           [2., 3., 5., 6.],
           [4., 5., 7., 8.],
           [5., 6., 8., 9.]])
    """
    N, C, H, W = x.shape
    kh, kw = window.kernel
    Ho, Wo = window.output_size(H, W)
    cols = np.empty((C * kh * kw, N * Ho * Wo), x.dtype) if out is None else out
    grid = cols.reshape(C, kh, kw, N, Ho, Wo)
    for i, j, view in positions(padded(x.transpose(1, 0, 2, 3), window), window, Ho, Wo):
        grid[:, i, j] = view                             # (C, N, Ho, Wo)
    return cols


def col2im(cols: Array, x_shape: Shape, window: Window) -> Array:
    """Add each column to the pixels that its window sees: the adjoint of `im2col`.

    Parameters
    ----------
    cols : array (C*kh*kw, N*Ho*Wo)
    x_shape : (N, C, H, W)
    window : Window

    Returns
    -------
    array (N, C, H, W), channel-major
        What falls on the padding is dropped.

    Examples
    --------
    Columns of ones count how many windows see each pixel:

    >>> col2im(np.ones((4, 4)), (1, 1, 3, 3), Window(kernel=(2, 2)))[0, 0]
    array([[1., 2., 1.],
           [2., 4., 2.],
           [1., 2., 1.]])
    """
    N, C, H, W = x_shape
    (top, left), (bottom, right) = window.before, window.after
    Ho, Wo = window.output_size(H, W)
    grid = cols.reshape(C, *window.kernel, N, Ho, Wo)
    x = np.zeros((C, N, top + H + bottom, left + W + right), cols.dtype)
    for i, j, view in positions(x, window, Ho, Wo):
        view += grid[:, i, j]                            # (C, N, Ho, Wo)
    return x[:, :, top:top + H, left:left + W].transpose(1, 0, 2, 3)


def columns(x: Array, window: Window) -> Iterator[tuple[slice, Array]]:
    """Yield (pictures, im2col of these pictures), a few pictures at a time.

    All columns of a batch at once would need kh*kw times the memory of x, and would have left the cache when the
    matrix product comes to read them. Each yielded array is overwritten by the next.
    """
    N, C, H, W = x.shape
    if window.is_pixel():
        yield slice(0, N), slabs.rows(slabs.channel_major(x))
        return
    height = C * window.kernel[0] * window.kernel[1]
    Ho, Wo = window.output_size(H, W)
    buffer = None
    for part in slabs.pictures(N, height * Ho * Wo * x.itemsize):
        width = (part.stop - part.start) * Ho * Wo
        if buffer is None or buffer.shape[1] != width:
            buffer = np.empty((height, width), x.dtype)
        yield part, im2col(x[part], window, out=buffer)


def scatter(matrix: Array, y: Array, window: Window, out: Array) -> None:
    """Write col2im(matrix @ y), a few pictures at a time: the adjoint of ``matrix.T @ im2col(x)``.

    Parameters
    ----------
    matrix : array (C*kh*kw, O)
    y : array (N, O, Ho, Wo), channel-major
    window : Window
    out : array (N, C, H, W)
    """
    N, _, Ho, Wo = y.shape
    for part in slabs.pictures(N, len(matrix) * Ho * Wo * y.itemsize):
        out[part] = col2im(matrix @ slabs.rows(y[part]), out[part].shape, window)
