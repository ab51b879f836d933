"""What a pixel's class is decided from: windows of several sizes around pixels of one image."""
from collections.abc import Sequence
from typing import Any

import numpy as np

from minidl.plotting.canvas import INK, LINE_COLORS, TEXT, describe, subplots
from minidl.plotting.pictures import shown

from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

WIDE = 3.2         # how many times as wide the image is as a window


def windows_figure(image: Any, positions: Sequence[tuple[int, int]], sides: Sequence[int],
                   title: str | None = None) -> Figure:
    """Draw an image with squares around some pixels, and beside it what is in them, a row for each size.

    Parameters
    ----------
    image : (3, H, W)
        uint8, or floats in [0, 1].
    positions : [(row, column), ...]
        Of the pixels in the middle; they are named a, b, c, ...
    sides : odd integers
        Of the squares, in pixels; on the image the largest one is drawn. All have to lie in the image.
    title : str, optional
        Headline.
    """
    pixels = shown(image)                                                              # (H, W, 3)
    reach = max(sides, default=0) // 2
    if not len(positions) or not sides or any(side % 2 == 0 for side in sides):
        raise ValueError(f"windows_figure: expected positions and odd sides, got {positions} and {sides}")
    if any(not reach <= at < length - reach for one in positions for at, length in zip(one, pixels.shape)):
        raise ValueError(f"windows_figure: expected windows of {2 * reach + 1} pixels that lie in the image of "
                         f"{pixels.shape[:2]}, got positions {positions}")
    n = len(positions)
    height = max(300, 150 * len(sides)) + 40
    figure, axes = subplots(height + 120 * n, height, 1 + n, title, len(sides))
    grid: Any = axes[0].get_gridspec()
    grid.set_width_ratios([WIDE, *[1] * n])
    for one in axes[::1 + n]:
        one.remove()
    whole = figure.add_subplot(grid[:, 0])
    whole.imshow(pixels, interpolation="nearest")
    for k, (row, column) in enumerate(positions):
        color, name = LINE_COLORS[k % len(LINE_COLORS)], "abcdefghijklmnopqrstuvwxyz"[k]
        corner = (column - reach - 0.5, row - reach - 0.5)
        for line, edge in ((4.5, "white"), (2.0, color)):
            whole.add_patch(Rectangle(corner, 2 * reach + 1, 2 * reach + 1, fill=False, edgecolor=edge,
                                      linewidth=line))
        whole.annotate(name, (column + reach + 0.5, row - reach - 0.5), (2, 0), textcoords="offset points",
                       color="white", weight="bold", va="top", fontsize=TEXT,
                       bbox={"facecolor": "black", "alpha": 0.6, "pad": 1.5, "linewidth": 0})
        for r, side in enumerate(sides):
            one, half = axes[r * (1 + n) + 1 + k], side // 2
            one.imshow(pixels[row - half:row + half + 1, column - half:column + half + 1], interpolation="nearest",
                       vmin=0, vmax=1)
            one.set_title(f"{name}, {side} × {side}", loc="left", fontsize=TEXT, color=INK)
    for one in figure.axes:
        one.set_axis_off()
    describe(figure, title, "Around " + ", ".join(f"row {row}, column {column}" for row, column in positions)
             + ": windows of " + " and ".join(f"{side} × {side}" for side in sides) + " pixels")
    return figure


def random_positions(labels: Any, margin: int, each: int, rng: np.random.Generator) -> list[tuple[int, int]]:
    """Return up to `each` random pixels of each class of a label map (H, W), in random order, none near the edges."""
    labels = np.asarray(labels)
    inner = labels[margin:labels.shape[0] - margin, margin:labels.shape[1] - margin]
    found = [rng.permutation(np.argwhere(inner == k))[:each] + margin for k in np.unique(inner)]
    return [(int(row), int(column)) for row, column in rng.permutation(np.concatenate(found))]
