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
from typing import NamedTuple

import numpy as np

from minidl import slabs
from minidl.layers.base import Shape
from minidl.slabs import Array, Workspace

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
    dilation: Pair = (1, 1)  # 1: the window's pixels are neighbors; 2: every other one
    flipped: bool = False    # whether its pixels are numbered from the last row and the last column

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

    def offset(self, axis: int, i: int) -> int:
        """Return how far, along one axis, pixel i of the window lies behind the window's beginning."""
        return self.dilation[axis] * (self.kernel[axis] - 1 - i if self.flipped else i)

    def inside(self, axis: int, i: int, size: int) -> "Inside":
        """Tell, along one axis of a picture, for which windows pixel i of the window lies inside, and where.

        That pixel of window p lies at p * stride + offset - before.
        """
        stride, offset = self.stride[axis], self.offset(axis, i) - self.before[axis]
        count = self.output_size(size, size)[axis]
        first = max(0, -(offset // stride))                        # the least p with p * stride + offset >= 0
        last = min(count - 1, (size - 1 - offset) // stride)       # the largest with p * stride + offset < size
        if last < first:
            return Inside(slice(0, 0), slice(0, 0), False)
        start, stop = first * stride + offset, last * stride + offset + 1
        return Inside(slice(first, last + 1), slice(start, stop, stride), stride == 1 and stop - start == size)

    def is_pixel(self) -> bool:
        """Tell whether the window is a single pixel that visits each pixel once: then columns are just rows of x."""
        return self.kernel == (1, 1) and self.stride == (1, 1) and self.before == self.after == (0, 0)


class Inside(NamedTuple):
    """What `Window.inside` returns."""

    windows: slice     # the windows whose pixel lies inside the picture
    pixels: slice      # the pixels of the picture that they see there
    all_pixels: bool   # whether these are all pixels


def padded(x: Array, window: Window, value: float = 0.0, out: Array | None = None) -> Array:
    """Return x (A, B, H, W) with the window's padding around (in `out`, if given); x itself if there is none."""
    (top, left), (bottom, right) = window.before, window.after
    if top == left == bottom == right == 0:
        return x
    A, B, H, W = x.shape
    y = np.empty((A, B, top + H + bottom, left + W + right), x.dtype) if out is None else out
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
    (kh, kw), (sh, sw) = window.kernel, window.stride
    for i in range(kh):
        for j in range(kw):
            top, left = window.offset(0, i), window.offset(1, j)
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


def col2im(cols: Array, x_shape: Shape, window: Window, out: Array | None = None) -> Array:
    """Add each column to the pixels that its window sees: the adjoint of `im2col`.

    Parameters
    ----------
    cols : array (C*kh*kw, N*Ho*Wo)
    x_shape : (N, C, H, W)
    window : Window
    out : array (N, C, H, W), optional

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
    kh, kw = window.kernel
    grid = cols.reshape(C, kh, kw, N, *window.output_size(H, W))
    x = slabs.empty(x_shape, cols.dtype) if out is None else out
    pixels = x.transpose(1, 0, 2, 3)                     # (C, N, H, W)
    down = [window.inside(0, i, H) for i in range(kh)]
    along = [window.inside(1, j, W) for j in range(kw)]
    places = [(i, j) for i in range(kh) for j in range(kw)]
    whole = [(i, j) for i, j in places if down[i].all_pixels and along[j].all_pixels]
    if whole:                                            # with "same" padding, the window's center: it saves the zeros
        i, j = whole[0]
        pixels[...] = grid[:, i, j, :, down[i].windows, along[j].windows]
        places.remove((i, j))
    else:
        pixels[...] = 0
    for i, j in places:
        seen = pixels[:, :, down[i].pixels, along[j].pixels]
        seen += grid[:, i, j, :, down[i].windows, along[j].windows]
    return x


def columns(x: Array, window: Window, limit: int = slabs.COLUMNS_BYTES) -> Iterator[tuple[slice, Array]]:
    """Yield (pictures, im2col of these pictures), as many pictures at a time as need at most `limit` bytes.

    All columns of a batch at once would need kh*kw times the memory of x, and would have left the cache when the
    matrix product comes to read them. Each yielded array is overwritten by the next.
    """
    N, C, H, W = x.shape
    if window.is_pixel():
        yield slice(0, N), slabs.rows(slabs.channel_major(x))
        return
    height, places = _columns_of_a_picture(x.shape, window)
    room = Workspace(x.dtype)
    for part in slabs.pictures(N, height * places * x.itemsize, limit):
        yield part, im2col(x[part], window, out=room("columns", (height, (part.stop - part.start) * places)))


def _columns_of_a_picture(x_shape: Shape, window: Window) -> Pair:
    """Return (C*kh*kw, Ho*Wo)."""
    _, C, H, W = x_shape
    Ho, Wo = window.output_size(H, W)
    return (C * window.kernel[0] * window.kernel[1], Ho * Wo)


def gather(matrix: Array, x: Array, window: Window, out: Array) -> Array | None:
    """Write matrix @ im2col(x), a few pictures at a time; return im2col(x) if it was small enough to be made at once.

    Each part's product reads the whole matrix: where that is large, so are the parts.

    Parameters
    ----------
    matrix : array (O, C*kh*kw)
    x : array (N, C, H, W)
    window : Window
    out : array (N, O, Ho, Wo), channel-major
    """
    for part, cols in columns(x, window, limit=max(slabs.COLUMNS_BYTES, matrix.nbytes)):
        np.matmul(matrix, cols, out=slabs.rows(out[part]))                     # (O, n*Ho*Wo)
    return cols if part == slice(0, len(x)) else None


def scatter(matrix: Array, y: Array, window: Window, out: Array) -> None:
    """Write col2im(matrix @ y), a few pictures at a time: the adjoint of `gather` with the transposed matrix.

    Each part's product reads the whole matrix: where that is large, so are the parts.

    Parameters
    ----------
    matrix : array (C*kh*kw, O)
    y : array (N, O, Ho, Wo), channel-major
    window : Window
    out : array (N, C, H, W), channel-major
    """
    if window.is_pixel():
        np.matmul(matrix, slabs.rows(y), out=slabs.rows(out))
        return
    height, places = _columns_of_a_picture(out.shape, window)
    room = Workspace(y.dtype)
    limit = max(slabs.COLUMNS_BYTES, matrix.nbytes)
    for part in slabs.pictures(len(y), height * places * y.itemsize, limit):
        cols = room("columns", (height, (part.stop - part.start) * places))
        np.matmul(matrix, slabs.rows(y[part]), out=cols)
        col2im(cols, out[part].shape, window, out=out[part])


def add_weight_gradient(total: Array, y: Array, x: Array, window: Window, matrix: Array | None = None,
                        out: Array | None = None, kept: Array | None = None) -> None:
    """Add y @ im2col(x).T to `total`; if `out` is given, write matrix @ im2col(x) to it (as `gather`) on the way.

    Both need the same columns. Each part's product is as large as the weights: where these are large, so are the parts,
    or adding up would take longer than multiplying.

    Parameters
    ----------
    total, matrix : array (O, C*kh*kw)
    y, out : array (N, O, Ho, Wo), channel-major
    x : array (N, C, H, W)
    window : Window
    kept : array (C*kh*kw, N*Ho*Wo), optional
        im2col(x), where `gather` has returned it.
    """
    made = columns(x, window, limit=max(slabs.COLUMNS_BYTES, 4 * total.nbytes))
    for part, cols in made if kept is None else [(slice(0, len(x)), kept)]:
        ys = slabs.rows(y[part])
        if cols.shape[1] > 4 * len(cols):
            total += (cols @ ys.T).T            # BLAS is faster this way round where the sums are long
        else:
            total += ys @ cols.T
        if matrix is not None and out is not None:
            np.matmul(matrix, cols, out=slabs.rows(out[part]))
