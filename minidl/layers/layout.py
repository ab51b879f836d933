"""Channel-major memory, and the loops over it.

A batch of feature maps has shape (N, C, H, W) everywhere in minidl, but the layers *lay it out* in memory
as (C, N, H, W): all images of channel 0, then all images of channel 1, and so on. The familiar shape is a
transposed view of that memory.

    shape   (N, C, H, W)      what the reader and the layers work with
    memory  (C, N, H, W)      what the processor works with

What this buys:

* a convolution is one matrix product, (O, C*kh*kw) @ (C*kh*kw, N*Ho*Wo), whose result (O, N*Ho*Wo) already
  lies where it belongs; with images outermost it would take one product per image, or a transposition;
* the statistics of batch normalization, one number per channel, are sums over contiguous rows;
* concatenating two maps on the channel axis copies two blocks.

An array in any other memory order is accepted everywhere; it is copied once, by `channel_major`.
"""
import numpy as np
from numpy.typing import DTypeLike

from minidl.types import Array

COLUMNS_BYTES = 4 * 2**20  # im2col columns held at a time: enough for an efficient matrix product
CHUNK_BYTES = 2**19        # arrays of this size stay in the cache of one core between two operations


def empty(shape: tuple[int, ...], dtype: DTypeLike) -> Array:
    """Return an uninitialized array of shape (N, C, H, W) with memory order (C, N, H, W).

    Shapes with other than four axes have no channel-major form and get NumPy's usual order.
    """
    if len(shape) != 4:
        return np.empty(shape, dtype)
    N, C, H, W = shape
    return np.empty((C, N, H, W), dtype).transpose(1, 0, 2, 3)


def zeros(shape: tuple[int, ...], dtype: DTypeLike) -> Array:
    """Return an array of zeros, laid out like `empty`."""
    x = empty(shape, dtype)
    x[...] = 0
    return x


def is_channel_major(x: Array) -> bool:
    """Return whether x of shape (N, C, H, W) lies in memory as one contiguous (C, N, H, W) block."""
    return x.ndim == 4 and x.transpose(1, 0, 2, 3).flags.c_contiguous


def channel_major(x: Array) -> Array:
    """Return x itself if it is channel-major (or not 4-D), otherwise a channel-major copy."""
    if x.ndim != 4 or is_channel_major(x):
        return x
    y = empty(x.shape, x.dtype)
    y[...] = x
    return y


def rows(x: Array) -> Array:
    """Return the (C, N*H*W) view of a channel-major x: one contiguous row per channel.

    Writing into the rows writes into x. In another memory order, x would be copied: call `channel_major` first.
    """
    N, C, H, W = x.shape
    return x.transpose(1, 0, 2, 3).reshape(C, N * H * W)


def by_channel(x: Array) -> Array:
    """Return the (C, N, H, W) view of x (N, C, H, W); an x of another rank is returned as it is."""
    return x.transpose(1, 0, 2, 3) if x.ndim == 4 else x


def bits(x: Array) -> Array:
    """Return the view of x in which its numbers are read as integers.

    Times 1 or 0 these keep all bits or none, while 0 times infinity or NaN would be NaN; and np.where takes five times
    as long.
    """
    return x.view(np.int32 if x.itemsize == 4 else np.int64)


def masked(mask: Array, x: Array, out: Array | None = None) -> Array:
    """Return x where the mask (of bool) is True, and 0 elsewhere, even in place of infinity or NaN."""
    return np.multiply(bits(x), mask, out=None if out is None else bits(out)).view(x.dtype)


def image_chunks(N: int, bytes_per_image: int, limit: int = COLUMNS_BYTES) -> list[slice]:
    """Cut a batch of N images into slices that need at most about `limit` bytes each (at least one image).

    The slices are as equal as they can be.

    >>> image_chunks(8, 100, limit=350)
    [slice(0, 2, None), slice(2, 5, None), slice(5, 8, None)]
    """
    most = max(1, limit // max(1, bytes_per_image))
    count = -(-N // most)                                       # rounded up
    edges = [N * i // count for i in range(count + 1)] if count else []
    return [slice(start, stop) for start, stop in zip(edges, edges[1:])]


def channel_chunks(x: Array, limit: int = CHUNK_BYTES) -> list[slice]:
    """Cut the channels of x into chunks of at most about `limit` bytes each (at least one channel).

    Several operations in a row on one chunk find it in the cache; on the whole array each would fetch it from
    memory again. Chunks are cut by bytes and not by channel, because where channels are small, Python's overhead
    per operation would cost more than the cache saves.

    Of an x with other than four axes, the first is cut.

    >>> channel_chunks(np.zeros((2, 6, 10, 10)), limit=3500)         # 1600 bytes per channel
    [slice(0, 2, None), slice(2, 4, None), slice(4, 6, None)]
    """
    first = by_channel(x)
    return image_chunks(len(first), first[0].nbytes, limit)
