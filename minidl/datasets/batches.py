"""Minibatches: pictures in random order, a few at a time, each a little different every time it is shown.

A network that sees every picture once per *epoch* in the same order and form soon knows them by heart.
:class:`Batches` shuffles them anew for each epoch; :class:`Augment` flips, crops, shifts and recolors them, and
moves the trimap along with its picture.
"""
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np

from minidl import slabs
from minidl.slabs import Array

Batch = tuple[Array, Array]
Augmentation = Callable[[Array, Any, np.random.Generator], tuple[Array, Any]]
Labels = TypeVar("Labels", Array, None)  # what comes in as None goes out as None

LUMA = np.array([0.299, 0.587, 0.114], np.float32)  # how bright red, green and blue look (ITU-R BT.601)
CHECK_BYTES = 2**24                                 # how much of a set is looked through at a time


class Batches:
    """Shuffled minibatches of pictures and their labels: `for x, labels in batches` is one epoch.

    Parameters
    ----------
    images : array of shape (N, C, H, W)
        uint8 pictures, which are divided by 255, or floating-point ones, which are taken as they are. May be a
        memory-mapped file: only the pictures of a batch are read at a time.
    labels : integer array of shape (N, H, W) or (N,)
        A class per pixel, or a class per picture.
    batch_size : int
        Pictures a batch. The last batch of an epoch is smaller if N is no multiple.
    rng : numpy.random.Generator, optional
        Draws the order and the augmentation; None draws fresh entropy. It is kept in the attribute `rng`: whoever
        stores its state between two epochs can go on from there with the same batches.
    shuffle : bool
        False for testing: the pictures come in the order given.
    augment : callable, optional
        `augment(image, labels, rng)` gives the picture and the labels to show instead, see :class:`Augment`. With a
        class per picture it is called with None for the labels.
    drop_last : bool
        Leave out a smaller last batch.

    Yields
    ------
    x : float32 array of shape (n, C, H, W)
        Channel-major in memory, as the layers like it (see `minidl.slabs`). Of uint8 pictures in [0, 1].
    labels : int64 array of shape (n, H, W) or (n,)

    Raises
    ------
    ValueError
        If there are no pictures, if images and labels do not match in number, shape or type, if a picture
        holds NaN or infinity, or if the batch size is not a positive integer.

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
            raise ValueError(f"Batches: drop_last leaves nothing of {len(images)} pictures when batch_size is "
                             f"{batch_size}; make it smaller")
        if rng is not None and not isinstance(rng, np.random.Generator):
            raise ValueError(f"Batches: expected rng to be a numpy.random.Generator, got {type(rng).__name__}; "
                             "make one with np.random.default_rng(seed)")
        self.images, self.labels = images, labels
        self.batch_size, self.shuffle, self.drop_last = int(batch_size), shuffle, drop_last
        self.augment = augment
        self.rng = np.random.default_rng() if rng is None else rng

    def __len__(self) -> int:
        """Batches an epoch."""
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
        x = slabs.empty(images.shape, np.float32)             # (n, C, H, W)
        for i, image in enumerate(images):
            if labels.ndim == 1:
                x[i], _ = self.augment(image, None, self.rng)
            else:
                x[i], labels[i] = self.augment(image, labels[i], self.rng)
        return x, labels.astype(np.int64)


def ahead(batches: Iterable[Batch]) -> Iterator[Batch]:
    """Yield the batches of an epoch, the next one being prepared in a thread while the caller works on this one.

    Reading from a file and NumPy's larger operations let other threads run meanwhile, so a training hardly waits for
    its pictures. The order, and so every random number, is that of a plain loop.
    """
    source = iter(batches)
    with ThreadPoolExecutor(1) as thread:
        coming = thread.submit(next, source, None)
        while (batch := coming.result()) is not None:
            coming = thread.submit(next, source, None)
            yield batch


def as_input(images: Array) -> Array:
    """Return pictures of shape (N, C, H, W) as a network takes them, channel-major in memory (see `minidl.slabs`).

    Those of uint8 become float32 in [0, 1]; floating-point ones keep their values and type.

    >>> as_input(np.array([[[[0, 51, 255]]]], np.uint8))
    array([[[[0. , 0.2, 1. ]]]], dtype=float32)
    """
    if images.dtype != np.uint8:
        return slabs.channel_major(images)
    x = slabs.empty(images.shape, np.float32)
    np.divide(images, np.float32(255), out=x)
    return x


@dataclass(frozen=True)
class Augment:
    """Random variations of a picture that leave what it shows unchanged.

    Parameters
    ----------
    flip : float
        Probability of exchanging left and right.
    crop : (float, float)
        The smallest and largest side of the part that is cut out and scaled back to full size, as a share of
        the picture's side. Within the picture its place is random.
    shift : float
        The largest shift of that part in either direction, as a share of the picture's side, in whole pixels.
        Beyond the frame the picture goes on as its mirror image (as with `np.pad(..., mode="symmetric")`).
    color : float
        Strength of the changes of color. Brightness, contrast and saturation are multiplied with factors
        from [1 - color, 1 + color], red, green and blue with factors from half that range.

    Notes
    -----
    All the geometry is in one array of source coordinates per axis: pixel i of the result shows what the
    picture has at coordinate c[i]. The picture is interpolated there linearly between two pixels, the trimap
    takes the class of the nearer one, so the two cannot part.

    Examples
    --------
    >>> image = np.arange(12, dtype=np.uint8).reshape(3, 2, 2)
    >>> mirror = Augment(flip=1, crop=(1, 1), shift=0, color=0)
    >>> x, labels = mirror(image, np.array([[0, 1], [1, 1]]), np.random.default_rng(0))
    >>> labels
    array([[1, 0],
           [1, 1]])
    >>> (x * 255).round().astype(int)[0]
    array([[1, 0],
           [3, 2]])
    """

    flip: float = 0.5
    crop: tuple[float, float] = (0.7, 1.0)
    shift: float = 0.1
    color: float = 0.2

    def __post_init__(self) -> None:
        # Written so that NaN, which fails every comparison, is refused as well.
        if not 0 <= self.flip <= 1:
            raise ValueError(f"Augment: expected flip to be a probability from 0 to 1, got {self.flip}")
        if np.shape(self.crop) != (2,) or not 0 < self.crop[0] <= self.crop[1] <= 1:
            raise ValueError("Augment: expected crop to be two shares, 0 < smallest <= largest <= 1, "
                             f"got {self.crop}")
        if not 0 <= self.shift <= 0.5:
            raise ValueError(f"Augment: expected shift to be a share from 0 to 0.5, got {self.shift}")
        if not 0 <= self.color < 1:
            raise ValueError(f"Augment: expected color to be from 0 to less than 1, got {self.color}")

    def __call__(self, image: Array, labels: Labels, rng: np.random.Generator) -> tuple[Array, Labels]:
        """Return a variation of a picture and its labels; neither is modified.

        Parameters
        ----------
        image : array of shape (3, H, W)
            uint8, or floating-point in [0, 1].
        labels : array of shape (H, W) and any type, or None
        rng : numpy.random.Generator

        Returns
        -------
        image : float32 array of shape (3, H, W) in [0, 1]
        labels : array of shape (H, W), of the type given, or None

        Raises
        ------
        ValueError
            If the shapes are others, or a floating-point picture leaves [0, 1].
        """
        if image.ndim != 3 or image.shape[0] != 3 or (labels is not None and labels.shape != image.shape[1:]):
            raise ValueError("Augment: expected a picture of shape (3, H, W) and labels (H, W), got "
                             f"{image.shape} and {None if labels is None else labels.shape}")
        if image.dtype != np.uint8 and not (image.dtype.kind == "f" and image.min() >= 0 and image.max() <= 1):
            raise ValueError("Augment: expected a picture of uint8 or of floating-point values in [0, 1], got "
                             f"{image.dtype} from {image.min():g} to {image.max():g}")
        H, W = image.shape[1:]
        side = rng.uniform(*self.crop)
        down = self._coordinates(H, side, rng)                            # (H,)
        across = self._coordinates(W, side, rng)                          # (W,)
        if rng.random() < self.flip:
            across = across[::-1]

        x = _interpolate(_interpolate(image, across, axis=2), down, axis=1)  # (3, H, W)
        if image.dtype == np.uint8:
            x /= 255
        self._recolor(x, rng)
        if labels is not None:
            rows, columns = _nearest(down, H), _nearest(across, W)
            labels = labels[rows[:, None], columns]                       # (H, W)
        return x, labels

    def _coordinates(self, size: int, side: float, rng: np.random.Generator) -> Array:
        """Return the source coordinate of every pixel of one axis; pixel i of the picture has coordinate i."""
        reach = int(self.shift * size)
        start = rng.uniform(0, (1 - side) * size) + rng.integers(-reach, reach + 1)
        return start + (np.arange(size) + 0.5) * side - 0.5  # pixels are squares: i is the center of [i-½, i+½]

    def _recolor(self, x: Array, rng: np.random.Generator) -> None:
        """Change the colors of x (3, H, W) in place."""
        brightness, contrast, saturation = rng.uniform(1 - self.color, 1 + self.color, 3)
        gain = rng.uniform(1 - self.color / 2, 1 + self.color / 2, (3, 1, 1))
        if self.color == 0:
            return
        x *= (brightness * gain).astype(np.float32)
        gray = np.einsum("c,chw->hw", LUMA, x)                            # (H, W)
        middle = gray.mean()
        # Away from the pixel's own gray: saturation. Away from the picture's mean gray: contrast.
        x -= gray
        x *= np.float32(contrast * saturation)
        x += np.float32(contrast) * (gray - middle) + middle
        np.clip(x, 0, 1, out=x)


def _mirror(index: Array, size: int) -> Array:
    """Fold pixel numbers beyond either end back in, repeating the pixel at the edge.

    >>> _mirror(np.arange(-3, 7), 4)
    array([2, 1, 0, 0, 1, 2, 3, 3, 2, 1])
    """
    index = np.where(index < 0, -1 - index, index)
    return np.where(index >= size, 2 * size - 1 - index, index)


def _nearest(coordinates: Array, size: int) -> Array:
    """Return the numbers of the pixels that lie nearest to the coordinates."""
    return _mirror(np.floor(coordinates + 0.5).astype(int), size)


def _interpolate(image: Array, coordinates: Array, axis: int) -> Array:
    """Return float32 values of an image (3, H, W) at the coordinates along axis 1 or 2, linearly between pixels.

    >>> _interpolate(np.array([[[0, 10, 40]]]), np.array([-0.5, 0.25, 1, 1.5]), axis=2)
    array([[[ 0. ,  2.5, 10. , 25. ]]], dtype=float32)
    """
    size = image.shape[axis]
    below = np.floor(coordinates).astype(int)
    weights = (coordinates - below).astype(np.float32)
    weights = weights[:, None] if axis == 1 else weights      # to be broadcast over the other axes
    x = image.take(_mirror(below, size), axis).astype(np.float32)
    if not weights.any():  # whole pixels: nothing to interpolate (a flip, a shift)
        return x
    step = image.take(_mirror(below + 1, size), axis).astype(np.float32)
    step -= x
    step *= weights
    x += step
    return x


def _check_set(images: Array, labels: Array) -> None:
    """Raise a ValueError unless these are pictures and their labels."""
    if images.ndim != 4 or (images.dtype != np.uint8 and images.dtype.kind != "f"):
        raise ValueError("Batches: expected images of shape (N, C, H, W), uint8 or floating-point, "
                         f"got {images.dtype} of shape {images.shape}")
    if images.size == 0:
        raise ValueError(f"Batches: expected at least one picture, got images of shape {images.shape}")
    if labels.dtype.kind not in "iu":
        raise ValueError(f"Batches: expected integer labels, got {labels.dtype}")
    if len(labels.shape) not in (1, 3):
        raise ValueError("Batches: expected labels of shape (N, H, W), a class per pixel, or (N,), a class per "
                         f"picture, got shape {labels.shape}")
    if len(labels) != len(images):
        raise ValueError(f"Batches: expected as many labels as images, got {len(labels)} and {len(images)}")
    if labels.ndim == 3 and labels.shape[1:] != images.shape[2:]:
        raise ValueError(f"Batches: expected labels of the pictures' size {images.shape[2:]}, "
                         f"got {labels.shape[1:]}")
    if images.dtype.kind == "f":
        for part in slabs.pictures(len(images), images[0].nbytes, limit=CHECK_BYTES):
            finite = np.isfinite(images[part]).all(axis=(1, 2, 3))        # (n,)
            if not finite.all():
                raise ValueError("Batches: expected finite pixels, got NaN or infinity in picture "
                                 f"{part.start + int(np.argmin(finite))}")
