"""What lesson 16 needs around its models: pairs of small and large pictures, scores, and a judge of what looks alike."""
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from minidl import slabs
from minidl.datasets.batches import as_input
from minidl.datasets.pets import load_pets
from minidl.image_metrics import psnr, ssim
from minidl.layers import Conv2d, Layer, MaxPool2d, Sequential, Upsample
from minidl.models import conv_block
from minidl.optim import Adam, CosineSchedule
from minidl.loss import L1Loss
from minidl.report import Lesson
from minidl.slabs import Array
from minidl.training import History, fit, predict

METHODS = ("nearest", "bilinear", "bicubic")     # of enlarging that need no training


def resized(images: Array, size: int, method: str) -> Array:
    """Resize pictures with Pillow, from 8 bits to 8 bits, as an image program does.

    Made smaller, each pixel becomes a weighted mean of all the pixels it covers (and, with "bicubic", some around
    them); nothing is skipped, as would be with "nearest".

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
    filters = {"nearest": Image.Resampling.NEAREST, "box": Image.Resampling.BOX,
               "bilinear": Image.Resampling.BILINEAR, "bicubic": Image.Resampling.BICUBIC}
    if method not in filters:
        raise ValueError(f"resized: expected one of {', '.join(filters)}, got {method!r}")
    if images.ndim != 4 or images.shape[1] != 3 or images.dtype != np.uint8:
        raise ValueError(f"resized: expected uint8 pictures of shape (N, 3, H, W), got {images.dtype} {images.shape}")
    result = np.empty((len(images), 3, size, size), np.uint8)
    for i, picture in enumerate(images):
        rows = np.ascontiguousarray(picture.transpose(1, 2, 0))                    # (H, W, 3)
        result[i] = np.asarray(Image.fromarray(rows).resize((size, size), filters[method])).transpose(2, 0, 1)
    return result


def as_pictures(y: Array) -> Array:
    """Turn a network's output (N, 3, H, W) into uint8 pictures: what lies outside [0, 1] is cut off, then rounded."""
    return (y * 255).round().clip(0, 255).astype(np.uint8)


class Pairs:
    """Batches of (small pictures, large pictures), float32 in [0, 1], in a new random order each epoch.

    Each pair is shown in one of the eight positions that turning and mirroring can bring it into.

    Parameters
    ----------
    small, large : uint8 arrays (N, 3, h, w) and (N, 3, H, W), squares
    batch_size : int
    rng : numpy.random.Generator
        Kept as `rng`, so that `fit` can save its state.
    """

    def __init__(self, small: Array, large: Array, batch_size: int, rng: np.random.Generator) -> None:
        if len(small) != len(large) or not len(small):
            raise ValueError(f"Pairs: expected as many small as large pictures, got {len(small)} and {len(large)}")
        self.small, self.large, self.batch_size, self.rng = small, large, batch_size, rng

    def __len__(self) -> int:
        """Batches an epoch; pictures that fill no batch wait for the next epoch."""
        return max(1, len(self.small) // self.batch_size)

    def __iter__(self) -> Iterator[tuple[Array, Array]]:
        order = self.rng.permutation(len(self.small))
        for i in range(len(self)):
            chosen = order[i * self.batch_size:(i + 1) * self.batch_size]
            turns, mirror = self.rng.integers(0, 4), self.rng.random() < 0.5
            yield self._turned(self.small[chosen], turns, mirror), self._turned(self.large[chosen], turns, mirror)

    def _turned(self, images: Array, turns: int, mirror: bool) -> Array:
        images = np.rot90(images, turns, axes=(2, 3))
        return as_input(images[..., ::-1] if mirror else images)
