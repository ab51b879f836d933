"""How thick is the pet at each of its pixels, and how much of its thin parts does a model find?"""
from collections.abc import Sequence

import numpy as np

from minidl.types import Array

STARTS = (1, 4, 6, 8, 12, 16, 24)     # where a band of thicknesses begins; it ends before the next


def covered(mask: Array, k: int) -> Array:
    """Return which pixels of masks (n, H, W) lie in a k x k square that fits into the mask."""
    if k < 1:
        raise ValueError(f"covered: expected k of at least 1, got {k}")
    mask = np.asarray(mask, bool)
    for _ in range(k - 1):                                         # upper left corners of the squares that fit
        mask = mask[:, 1:, 1:] & mask[:, 1:, :-1] & mask[:, :-1, 1:] & mask[:, :-1, :-1]
    for _ in range(k - 1):                                         # and all pixels of these squares
        mask = np.pad(mask, ((0, 0), (1, 1), (1, 1)))
        mask = mask[:, 1:, 1:] | mask[:, 1:, :-1] | mask[:, :-1, 1:] | mask[:, :-1, :-1]
    return mask


def thickness_bands(mask: Array, starts: Sequence[int] = STARTS) -> dict[str, Array]:
    """Cut masks (n, H, W) into bands of thickness, {"1–3": (n, H, W), ..., "24 and more": (n, H, W)}.

    A pixel's thickness is the side of the largest square that holds it and fits into the mask. Each pixel of the mask
    is in one band, if the first band starts at 1.
    """
    at_least = [covered(mask, k) for k in starts]
    names = [f"{low}–{high - 1}" for low, high in zip(starts, starts[1:])] + [f"{starts[-1]} and more"]
    return {name: thick & ~thicker for name, thick, thicker
            in zip(names, at_least, [*at_least[1:], np.zeros_like(at_least[0])])}


def found_by_thickness(mask: Array, found: Array, starts: Sequence[int] = STARTS) -> dict[str, float]:
    """Return, for each band of thickness that occurs, the share of its pixels that are in `found` (n, H, W), too."""
    return {name: float(np.asarray(found, bool)[band].mean())
            for name, band in thickness_bands(mask, starts).items() if band.any()}
