"""Minibatches: images in random order, a few at a time.

A network that gets every image once per *epoch* in the same order and form soon memorizes them. `Batches` shuffles them
anew for each epoch, and lets `minidl.datasets.augment.Augment` vary each image together with its labels.
"""
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from minidl.layers import layout
from minidl.runtime.hints import to_classes
from minidl.types import Array

Batch = tuple[Array, Array]
Augmentation = Callable[[Array, Any, np.random.Generator], tuple[Array, Any]]
CHECK_BYTES = 2**24                                 # how much of a set is looked through at a time


class Batches:
    """Shuffled minibatches of images and their labels: `for x, labels in batches` is one epoch.

    Parameters
    ----------
    images : array of shape (N, C, H, W)
        uint8 images, which are divided by 255, or floating-point ones, which are taken as they are. May be a
        memory-mapped file: only the images of a batch are read at a time.
    labels : integer array of shape (N, H, W) or (N,)
        A class per pixel, or a class per image.
    batch_size : int
        Images per batch. The last batch of an epoch is smaller if N is not a multiple.
    rng : numpy.random.Generator, optional
        Draws the order and the augmentation; None draws fresh entropy. It is kept in the attribute `rng`: with its
        state at the beginning of an epoch, the same batches can be drawn again.
    shuffle : bool
        False for testing: the images come in the order given.
    augment : callable, optional
        `augment(image, labels, rng)` returns the image and the labels to show instead. With a class per image it is
        called with None for the labels.
    drop_last : bool
        Leave out a smaller last batch.

    Yields
    ------
    x : float32 array of shape (n, C, H, W)
        Channel-major in memory (see `minidl.layers.layout`). Of uint8 images in [0, 1].
    labels : int64 array of shape (n, H, W) or (n,)

    Raises
    ------
    ValueError
        If images and labels do not match in number, shape or type.
    ValueError
        If an image holds NaN or infinity.

    Examples
    --------
    >>> images = np.zeros((5, 3, 8, 8), np.uint8)
    >>> labels = np.arange(5)
    >>> batches = Batches(images, labels, batch_size=2, rng=np.random.default_rng(0))
    >>> len(batches)
    3
    >>> for x, y in batches:
    ...     print(x.shape, y.shape)
    (2, 3, 8, 8) (2,)
    (2, 3, 8, 8) (2,)
    (1, 3, 8, 8) (1,)
    """

    def __init__(self, images: Array, labels: Array, batch_size: int, rng: np.random.Generator | None = None,
                 shuffle: bool = True, augment: Augmentation | None = None, drop_last: bool = False) -> None:
        images, labels = np.asarray(images), np.asarray(labels)
        _check_set(images, labels)
        if isinstance(batch_size, bool) or not isinstance(batch_size, (int, np.integer)) or batch_size < 1:
            raise ValueError(f"Batches: expected batch_size to be a positive integer, got {batch_size!r}")
        if drop_last and batch_size > len(images):
            raise ValueError(f"Batches: drop_last leaves nothing of {len(images)} images when batch_size is "
                             f"{batch_size}; make it smaller")
        if rng is not None and not isinstance(rng, np.random.Generator):
            raise ValueError(f"Batches: expected rng to be a numpy.random.Generator, got {type(rng).__name__}; "
                             "make one with np.random.default_rng(seed)")
        self.images, self.labels = images, labels
        self.batch_size, self.shuffle, self.drop_last = int(batch_size), shuffle, drop_last
        self.augment = augment
        self.rng = np.random.default_rng() if rng is None else rng

    def __len__(self) -> int:
        """Batches per epoch."""
        full, rest = divmod(len(self.images), self.batch_size)
        return full if self.drop_last or not rest else full + 1

    def __iter__(self) -> Iterator[Batch]:
        N = len(self.images)
        order = self.rng.permutation(N) if self.shuffle else np.arange(N)
        for i in range(len(self)):
            yield self._batch(order[i * self.batch_size:(i + 1) * self.batch_size])

    def _batch(self, chosen: Array) -> Batch:
        images = np.asarray(self.images[chosen])              # (n, C, H, W), a copy
        labels = np.asarray(self.labels[chosen])              # (n, H, W) or (n,), a copy
        if self.augment is None:
            return as_input(images).astype(np.float32, copy=False), labels.astype(np.int64)
        x = layout.empty(images.shape, np.float32)             # (n, C, H, W)
        for i, image in enumerate(images):
            if labels.ndim == 1:
                x[i], _ = self.augment(image, None, self.rng)
            else:
                x[i], labels[i] = self.augment(image, labels[i], self.rng)
        return x, labels.astype(np.int64)


def as_input(images: Array) -> Array:
    """Return images of shape (N, C, H, W) as a network takes them, channel-major in memory.

    See `minidl.layers.layout`. Those of uint8 become float32 in [0, 1]; floating-point ones keep their values and type.

    >>> as_input(np.array([[[[0, 51, 255]]]], np.uint8))
    array([[[[0. , 0.2, 1. ]]]], dtype=float32)
    """
    if images.dtype != np.uint8:
        return layout.channel_major(images)
    x = layout.empty(images.shape, np.float32)
    np.divide(images, np.float32(255), out=x)
    return x


def _check_set(images: Array, labels: Array) -> None:
    """Raise a ValueError unless these are images and their labels."""
    if images.ndim != 4 or not (images.dtype == np.uint8 or images.dtype.kind == "f") or not images.size:
        hint = "; numbers from 0 to 255 become bytes by images.astype(np.uint8)" if images.dtype.kind in "iu" else ""
        raise ValueError("Batches: expected at least one image, of shape (N, C, H, W), uint8 or floating-point, "
                         f"got {images.dtype} of shape {images.shape}{hint}")
    per_image, per_pixel = images.shape[:1], images.shape[:1] + images.shape[2:]
    if labels.dtype.kind not in "iu" or labels.shape not in (per_image, per_pixel):
        hint = to_classes(labels.shape, per_image, per_pixel)
        if labels.shape == images.shape[:3]:
            hint = ". Images (N, H, W, C) become (N, C, H, W) by images.transpose(0, 3, 1, 2)"
        raise ValueError(f"Batches: expected integer labels of shape {per_image}, a class per image, or {per_pixel}, "
                         f"a class per pixel, got {labels.dtype} of shape {labels.shape}{hint}")
    if images.dtype.kind == "f":
        for part in layout.image_chunks(len(images), images[0].nbytes, limit=CHECK_BYTES):
            finite = np.isfinite(images[part]).all(axis=(1, 2, 3))        # (n,)
            if not finite.all():
                raise ValueError("Batches: expected finite pixels, got NaN or infinity in image "
                                 f"{part.start + int(np.argmin(finite))}")
