"""From a pet's outline to its trimap: a band around the outline is border, what lies inside is object."""
import numpy as np

from minidl.datasets.rendering.camera import OVERSAMPLING, SIZE
from minidl.types import Array

OBJECT, BACKGROUND, BORDER = 1, 2, 3


def band(mask: Array) -> Array:
    """Return the trimap (size, size) of an oversampled mask: a band around the outline is border.

    At 128 pixels the band reaches about 3 pixels outwards and 2 inwards. There is none along the frame of the image.
    """
    unit = len(mask) / SIZE
    half = OVERSAMPLING // 2
    inner, outer = (x[half::OVERSAMPLING, half::OVERSAMPLING]
                    for x in (~grown(~mask, round(2 * unit)), grown(mask, round(3 * unit))))
    return np.where(inner, OBJECT, np.where(outer, BORDER, BACKGROUND)).astype(np.uint8)


def grown(mask: Array, steps: int) -> Array:
    """Grow a mask by `steps` pixels in all directions: alternating crosses and squares make an octagon."""
    for step in range(steps):
        m = np.pad(mask, 1, mode="edge")
        mask = m[1:-1, 1:-1] | m[:-2, 1:-1] | m[2:, 1:-1] | m[1:-1, :-2] | m[1:-1, 2:]
        if step % 2:
            mask = mask | m[:-2, :-2] | m[:-2, 2:] | m[2:, :-2] | m[2:, 2:]
    return mask
