"""im2col and col2im: a convolution as one matrix product, and the pair of adjoint maps it is made of.

A convolution slides a window of kh x kw pixels over each image. `im2col` writes the pixels under each window into
one column, so that the sliding sum becomes ``weight @ columns``. `col2im` goes the other way: it adds each column
back to the pixels it came from; where windows overlap, the values add up.

Both are linear, and each is the other's adjoint (its matrix is the transpose):

    <im2col(x), c> = <x, col2im(c)>     for every x and c

which is why each is the other's backward pass. All of `Conv2d` and `ConvTranspose2d`, forward and backward, is made of
these two and matrix products.

    letters   N images, C channels, H x W pixels; kernel kh x kw; Ho x Wo windows per image
    columns   (C*kh*kw, N*Ho*Wo): a row for each (channel, window row, window column), a column for each window
"""
from collections.abc import Iterator

import numpy as np
from numpy.typing import DTypeLike

from minidl.layers import layout
from minidl.layers.window import Window, padded, positions
from minidl.types import Array, Shape


def im2col(x: Array, window: Window, out: Array | None = None) -> Array:
    """Write the pixels under each window into one column.

    Parameters
    ----------
    x : array (N, C, H, W)
    window : Window
    out : array (C*kh*kw, N*Ho*Wo), optional

    Returns
    -------
    array (C*kh*kw, N*Ho*Wo)
        Row order (channel, i, j), as in ``weight.reshape(O, -1)``; column order (image, row, column).

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
    """Add each column to the pixels under its window: the adjoint of `im2col`.

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
    Columns of ones count how many windows lie over each pixel:

    >>> col2im(np.ones((4, 4)), (1, 1, 3, 3), Window(kernel=(2, 2)))[0, 0]
    array([[1., 2., 1.],
           [2., 4., 2.],
           [1., 2., 1.]])
    """
    N, C, H, W = x_shape
    kh, kw = window.kernel
    grid = cols.reshape(C, kh, kw, N, *window.output_size(H, W))
    x = layout.empty(x_shape, cols.dtype) if out is None else out
    pixels = x.transpose(1, 0, 2, 3)                     # (C, N, H, W)
    down = [window.inside(0, i, H) for i in range(kh)]   # (windows, pixels)
    along = [window.inside(1, j, W) for j in range(kw)]
    places = [(i, j) for i in range(kh) for j in range(kw)]
    whole = [(i, j) for i, j in places if (down[i][1], along[j][1]) == (slice(0, H, 1), slice(0, W, 1))]
    if whole:                                            # with "same" padding, the window's center: it saves the zeros
        i, j = whole[0]
        pixels[...] = grid[:, i, j, :, down[i][0], along[j][0]]
        places.remove((i, j))
    else:
        pixels[...] = 0
    for i, j in places:
        seen = pixels[:, :, down[i][1], along[j][1]]
        seen += grid[:, i, j, :, down[i][0], along[j][0]]
    return x


def columns(x: Array, window: Window, matrix_bytes: int = 0) -> Iterator[tuple[slice, Array]]:
    """Yield (slice of the batch, im2col of these images), as many images at a time as `column_chunks` allows."""
    if window.is_pixel():
        yield slice(0, len(x)), layout.rows(layout.channel_major(x))
        return
    for part, cols in column_chunks(x.shape, window, x.dtype, matrix_bytes):
        yield part, im2col(x[part], window, out=cols)


def column_chunks(x_shape: Shape, window: Window, dtype: DTypeLike, matrix_bytes: int) -> Iterator[tuple[slice, Array]]:
    """Yield (slice of the batch, uninitialized array for the columns of these images), all in the same memory.

    All columns of a batch at once would need kh*kw times the memory of x, and would have left the cache when the matrix
    product comes to read them. But each chunk's product also reads (or writes) a whole matrix: where that is large, of
    `matrix_bytes`, so are the chunks. The memory is used again, as fresh memory must be cleared by the operating system
    first, which takes as long as the work on it.
    """
    N, C, H, W = x_shape
    Ho, Wo = window.output_size(H, W)
    height, width = C * window.kernel[0] * window.kernel[1], Ho * Wo
    limit = max(layout.COLUMNS_BYTES, matrix_bytes)
    chunks = layout.image_chunks(N, height * width * np.dtype(dtype).itemsize, limit)
    memory = np.empty(height * width * max(part.stop - part.start for part in chunks), dtype)
    for part in chunks:
        n = part.stop - part.start
        yield part, memory[:height * n * width].reshape(height, n * width)


def matmul_im2col(matrix: Array, x: Array, window: Window, out: Array) -> Array | None:
    """Write matrix @ im2col(x), a few images at a time; return im2col(x) if it was small enough to be made at once.

    matrix (O, C*kh*kw), x (N, C, H, W), out (N, O, Ho, Wo), channel-major.
    """
    for part, cols in columns(x, window, matrix.nbytes):
        np.matmul(matrix, cols, out=layout.rows(out[part]))                     # (O, n*Ho*Wo)
    return cols if part == slice(0, len(x)) else None


def col2im_matmul(matrix: Array, y: Array, window: Window, out: Array) -> None:
    """Write col2im(matrix @ y), a few images at a time: the adjoint of `matmul_im2col` with the transposed matrix.

    matrix (C*kh*kw, O), y (N, O, Ho, Wo) and out (N, C, H, W), both channel-major.
    """
    if window.is_pixel():
        np.matmul(matrix, layout.rows(y), out=layout.rows(out))
        return
    for part, cols in column_chunks(out.shape, window, y.dtype, matrix.nbytes):
        np.matmul(matrix, layout.rows(y[part]), out=cols)
        col2im(cols, out[part].shape, window, out=out[part])


def add_weight_gradient(total: Array, y: Array, cols: Array) -> None:
    """Add y @ cols.T to `total`, in the order in which BLAS is faster.

    total (O, C*kh*kw), y (n, O, Ho, Wo), channel-major, cols (C*kh*kw, n*Ho*Wo) of the same images, as from `columns`.
    """
    ys = layout.rows(y)
    if cols.shape[1] > 4 * len(cols):           # long sums
        total += (cols @ ys.T).T
    else:
        total += ys @ cols.T
