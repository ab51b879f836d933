"""Which pixels of the image can a pixel of the result depend on? Measured, not calculated from kernel sizes."""
import copy
from collections.abc import Iterator

import numpy as np

from minidl.batches import as_input
from minidl.layers import Layer
from minidl.types import Array


TRIES = 4                # random images
OFFSETS = (-3, 0, 2)     # rows and columns from the middle: poolings and strides do not treat all pixels alike


def seen_pixels(model: Layer, shape: tuple[int, int, int, int], row: int, column: int) -> Array:
    """Return the (H, W) mask of the input pixels that move the result at one position.

    dy is random there, for all classes, and 0 elsewhere: `backward` then says which pixels matter. (With ones, classes
    that sum to 1, as after a softmax, would have no gradient at all.) Pixels that happen not to matter for one
    image (before a ReLU that is 0, or beaten in a max pooling) may for another, so several random images (N, C, H, W)
    of the given shape are tried.

    A copy of the model in eval mode is measured: in training mode, batch norm ties every pixel to every other through
    the batch's statistics.
    """
    model = copy.deepcopy(model).eval()
    dtypes = [parameter.data.dtype for parameter in model.parameters()] or [np.dtype(np.float32)]
    rng = np.random.default_rng(0)
    seen = np.zeros(shape[2:], bool)
    for _ in range(TRIES):
        y = model.forward(rng.random(shape).astype(dtypes[0]))
        dy = np.zeros_like(y)
        dy[0, :, row, column] = rng.normal(size=y.shape[1])
        seen |= (model.backward(dy)[0] != 0).any(axis=0)
    return seen


def receptive_field(model: Layer, shape: tuple[int, int, int, int]) -> tuple[int, int]:
    """Return height and width of the box around the pixels that the result's middle pixel depends on."""
    seen = seen_pixels(model, shape, shape[2] // 2, shape[3] // 2)
    rows, columns = np.flatnonzero(seen.any(axis=1)), np.flatnonzero(seen.any(axis=0))
    return (int(rows[-1] - rows[0] + 1), int(columns[-1] - columns[0] + 1)) if rows.size else (0, 0)


def effective_receptive_field(model: Layer, images: Array, share: float = 0.9) -> int:
    """Return the side of the square around a pixel that holds this share of what moves the pixel's class.

    The receptive field says which pixels of the image *can* matter; most of them may hardly do. This asks by how much
    they do: `backward` gives the gradient of the predicted class's score at a pixel, above the mean score of all
    classes, with respect to the image. Its absolute values are scaled to a sum of 1, and averaged over the images and
    over nine pixels near the middle, by their distance from the pixel.

    Parameters
    ----------
    model : Layer
        A trained segmenter; a copy of it in eval mode is measured.
    images : (N, C, H, W)
        uint8, or floats as the model takes them.
    share : float
        Between 0 and 1.

    Returns
    -------
    int
        Odd, or the image's side if that is less; 0 if no pixel matters at all.

    References
    ----------
    Luo, Li, Urtasun, Zemel, "Understanding the Effective Receptive Field in Deep Convolutional Neural Networks",
    NIPS 2016.
    """
    if not 0 < share < 1:
        raise ValueError(f"effective_receptive_field: expected a share between 0 and 1, got {share}")
    x = as_input(images)
    H, W = x.shape[2:]
    sums = np.zeros(max(H, W))                                                  # by distance from the pixel
    for row, column, size in influences(model, x):
        distance = np.maximum(np.abs(np.arange(H) - row)[:, None], np.abs(np.arange(W) - column))     # (H, W)
        sums += np.bincount(distance.ravel(), size.ravel(), minlength=len(sums))
    if not sums.any():
        return 0
    radius = int(np.searchsorted(np.cumsum(sums), share * sums.sum()))
    return min(2 * radius + 1, max(H, W))


def influence(model: Layer, images: Array, reach: int) -> Array:
    """Return how the influence on a pixel's class is spread around it: (2 reach + 1, 2 reach + 1), with the sum 1.

    It is the gradient's absolute value, as in `effective_receptive_field`; what lies further away is left out.
    """
    x = as_input(images)
    side = 2 * reach + 1
    total = np.zeros((side, side))
    for row, column, size in influences(model, x):
        if not reach + max(map(abs, OFFSETS)) < min(x.shape[2:]) / 2:
            raise ValueError(f"influence: expected a reach that fits into images of {x.shape[2:]}, got {reach}")
        total += size[row - reach:row + reach + 1, column - reach:column + reach + 1]
    return total / (total.sum() or 1.0)


def influences(model: Layer, x: Array) -> Iterator[tuple[int, int, Array]]:
    """Yield row and column of nine pixels near the middle, and how much each pixel (H, W) moves their class.

    For each image (N, C, H, W) the absolute gradient of the predicted class's score, above the mean score, is scaled to
    the sum 1; the images are added.
    """
    model = copy.deepcopy(model).eval()
    N, _, H, W = x.shape
    for row, column in ((H // 2 + a, W // 2 + b) for a in OFFSETS for b in OFFSETS):
        y = model.forward(x)                                                    # (N, K, H, W)
        dy = np.zeros_like(y)
        dy[:, :, row, column] = -1 / y.shape[1]
        dy[np.arange(N), y[:, :, row, column].argmax(axis=1), row, column] += 1
        size = np.abs(model.backward(dy)).sum(axis=1, dtype=np.float64)         # (N, H, W)
        total = size.sum(axis=(1, 2), keepdims=True)
        yield row, column, (size / np.where(total > 0, total, 1)).sum(axis=0)
