"""Figures of super-resolution: what several methods make of the same small images, with details."""
from collections.abc import Mapping, Sequence

import numpy as np

from minidl.plotting.pictures import GAP, ImageGrid
from minidl.tasks.super_resolution.image_metrics import psnr
from minidl.tasks.super_resolution.images import as_images, block_means
from minidl.types import Array

import matplotlib
from matplotlib.figure import Figure


def busiest_square(image: Array, side: int) -> tuple[int, int]:
    """Return row and column of the top left corner of the square of an image (3, H, W) with most contrast."""
    values = image.astype(np.float64)
    change = np.abs(np.diff(values, axis=1, append=values[:, -1:])).sum(axis=0)                   # (H, W)
    change += np.abs(np.diff(values, axis=2, append=values[:, :, -1:])).sum(axis=0)
    quarters = block_means(change[None], side // 2)[0]
    squares = quarters[:-1, :-1] + quarters[1:, :-1] + quarters[:-1, 1:] + quarters[1:, 1:]
    row, column = np.unravel_index(squares.argmax(), squares.shape)
    return int(row) * (side // 2), int(column) * (side // 2)


def colored(maps: Array, size: int) -> Array:
    """Turn maps (n, 1, h, w) of numbers in [0, 1] into uint8 images (n, 3, size, size): dark blue 0, yellow 1."""
    colors = matplotlib.colormaps["viridis"](maps[:, 0])[..., :3]                                 # (n, h, w, 3)
    fold = size // maps.shape[2]
    return as_images(colors.transpose(0, 3, 1, 2)).repeat(fold, axis=2).repeat(fold, axis=3)


def comparison(columns: Mapping[str, Array], truth: Array, title: str, scored: Sequence[str] = (),
               zoom: int = 4, cell: int = 128) -> Figure:
    """Draw what several methods make of the same images, and below each image an enlarged detail of it.

    Parameters
    ----------
    columns : {name: uint8 array (n, 3, S, S)}
        From left to right; `truth` is added as the last column.
    truth : uint8 array (n, 3, S, S)
        The detail is where the true image has most contrast, a square of S / zoom pixels.
    title : str
    scored : names of columns
        Above their images stands their PSNR.
    """
    side, shown = truth.shape[2] // zoom, {**columns, "truth": truth}
    grid = ImageGrid(2 * len(truth) * len(shown), [GAP] * len(shown), truth.shape[2:], cell, title, captions=True)
    for k in range(len(truth)):
        row, column = busiest_square(truth[k], side)
        for n, (name, images) in enumerate(shown.items(), 2 * k * len(shown)):
            score = f"  {psnr(images[k:k + 1], truth[k:k + 1])[0]:.1f} dB" if name in scored else ""
            grid.show(n, images[k], name + score)
            grid.show(n + len(shown), images[k, :, row:row + side, column:column + side])
    return grid.figure
