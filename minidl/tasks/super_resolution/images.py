"""Images made smaller and larger, and maps over them."""
import numpy as np

from minidl.types import Array


METHODS = ("nearest", "bilinear", "bicubic")     # of enlarging, without training


def resized(images: Array, size: int, method: str) -> Array:
    """Resize images with Pillow, from 8 bits to 8 bits, as an image program does.

    If the result is smaller, each of its pixels is a weighted mean of all the pixels it covers (and, with "bicubic",
    some around them); only "nearest" skips pixels.

    Parameters
    ----------
    images : uint8 array (N, 3, H, W)
    size : int
        Height and width of the result.
    method : {"nearest", "box", "bilinear", "bicubic"}

    Returns
    -------
    uint8 array (N, 3, size, size)
    """
    from PIL import Image
    if method not in (*METHODS, "box"):
        raise ValueError(f"resized: expected one of {', '.join(METHODS)}, box, got {method!r}")
    if images.ndim != 4 or images.shape[1] != 3 or images.dtype != np.uint8:
        raise ValueError(f"resized: expected uint8 images of shape (N, 3, H, W), got {images.dtype} {images.shape}")
    result = np.empty((len(images), 3, size, size), np.uint8)
    for i, image in enumerate(images):
        rows = Image.fromarray(np.ascontiguousarray(image.transpose(1, 2, 0)))     # (H, W, 3)
        result[i] = np.asarray(rows.resize((size, size), Image.Resampling[method.upper()])).transpose(2, 0, 1)
    return result


def as_images(y: Array) -> Array:
    """Turn a network's output (N, 3, H, W) into uint8 images: [0, 1] becomes 0 to 255, rounded; the rest is clipped."""
    return (y * 255).round().clip(0, 255).astype(np.uint8)


def block_means(maps: Array, side: int) -> Array:
    """Return (N, H / side, W / side): the means of maps (N, H, W) over squares of side x side pixels."""
    N, H, W = maps.shape
    return maps.reshape(N, H // side, side, W // side, side).mean(axis=(2, 4))


def smoothed(maps: Array) -> Array:
    """Return maps (N, h, w) whose values are the means of 3 x 3 neighborhoods (edges are repeated)."""
    _, h, w = maps.shape
    wide = np.pad(maps, ((0, 0), (1, 1), (1, 1)), mode="edge")
    return np.asarray(np.mean([wide[:, i:i + h, j:j + w] for i in range(3) for j in range(3)], axis=0))
