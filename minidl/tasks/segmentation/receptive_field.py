"""Which pixels of the image can a pixel of the result depend on? Measured, not calculated from kernel sizes."""
import copy

import numpy as np

from minidl.layers import Layer
from minidl.types import Array


TRIES = 4    # random images


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
