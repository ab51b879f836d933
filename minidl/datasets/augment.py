"""Augmentation: each image a little different every time it is shown, and its trimap with it."""
from dataclasses import dataclass
from typing import TypeVar

import numpy as np

from minidl.types import Array

Labels = TypeVar("Labels", Array, None)  # what comes in as None goes out as None

LUMA = np.array([0.299, 0.587, 0.114], np.float32)  # how bright red, green and blue look (ITU-R BT.601)


@dataclass(frozen=True)
class Augment:
    """Random variations of an image that leave what it shows unchanged.

    Parameters
    ----------
    flip : float
        Probability of exchanging left and right.
    crop : (float, float)
        The smallest and largest side of the part that is cut out and scaled back to full size, as a share of
        the image's side. Its position within the image is random.
    shift : float
        The largest shift of that part in either direction, as a share of the image's side, in whole pixels.
        Beyond the frame the image goes on as its reflection (as with `np.pad(..., mode="symmetric")`).
    color : float
        Strength of the color changes. Brightness, contrast and saturation are multiplied with factors
        from [1 - color, 1 + color], red, green and blue with factors from half that range.

    Notes
    -----
    All the geometry is in one array of source coordinates per axis: pixel i of the result shows what the image has at
    coordinate c[i]. The image is interpolated there linearly between two pixels. The trimap takes the class of the
    nearer one. So the two always fit each other.

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
        crop = self.crop if np.shape(self.crop) == (2,) else (0, 0)
        if not (0 <= self.flip <= 1 and 0 < crop[0] <= crop[1] <= 1 and 0 <= self.shift <= 0.5 and 0 <= self.color < 1):
            raise ValueError("Augment: expected 0 <= flip <= 1, 0 < crop[0] <= crop[1] <= 1, 0 <= shift <= 0.5 and "
                             f"0 <= color < 1, got {self}")

    def __call__(self, image: Array, labels: Labels, rng: np.random.Generator) -> tuple[Array, Labels]:
        """Return a variation of an image and its labels; neither is modified.

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
            If the shapes are different, or a floating-point image leaves [0, 1].
        """
        if image.ndim != 3 or image.shape[0] != 3 or (labels is not None and labels.shape != image.shape[1:]):
            raise ValueError("Augment: expected an image of shape (3, H, W) and labels (H, W), got "
                             f"{image.shape} and {None if labels is None else labels.shape}")
        if image.dtype != np.uint8 and not (image.dtype.kind == "f" and image.min() >= 0 and image.max() <= 1):
            raise ValueError("Augment: expected an image of uint8 or of floating-point values in [0, 1], got "
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
        """Return the source coordinate of every pixel of one axis; pixel i of the image has coordinate i."""
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
        # Saturation: away from the pixel's own gray. Contrast: away from the image's mean gray.
        x -= gray
        x *= np.float32(contrast * saturation)
        x += np.float32(contrast) * (gray - middle) + middle
        np.clip(x, 0, 1, out=x)


def _mirror(index: Array, size: int) -> Array:
    """Fold pixel indices beyond either end back in, repeating the pixel at the edge.

    >>> _mirror(np.arange(-3, 7), 4)
    array([2, 1, 0, 0, 1, 2, 3, 3, 2, 1])
    """
    index = np.where(index < 0, -1 - index, index)
    return np.where(index >= size, 2 * size - 1 - index, index)


def _nearest(coordinates: Array, size: int) -> Array:
    """Return the indices of the pixels that are nearest to the coordinates."""
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


def moved(images: Array, columns: int = 1) -> Array:
    """Return images (..., W) moved to the right by some columns; what comes in at the left is 0.

    >>> moved(np.array([[1, 2, 3]]), 2).tolist()
    [[0, 0, 1]]
    """
    result = np.zeros_like(images)
    result[..., columns:] = images[..., :images.shape[-1] - columns]
    return result
