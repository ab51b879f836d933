"""The drawings of the convolution lesson: im2col, and what the layers of a CNN make of one image."""
from collections.abc import Mapping
from typing import Any

import numpy as np

from minidl.layers.im2col import im2col
from minidl.layers.window import Window
from minidl.plotting.canvas import GRID, LINE_COLORS, MARGIN, QUIET, SMALL, TEXT, blank, describe, draw_grid, write

from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

CELL, SMALL_CELL, GAP = 42, 30, 26        # figure pixels: a pixel of the image, a number of a matrix, between two


def im2col_figure(image: Any, kernel: Any, title: str | None = None) -> Figure:
    """Draw how the windows of an image become columns, and all of them together one matrix product.

    Parameters
    ----------
    image : (H, W)
        Small; each of its windows has a color, at most as many as there are line colors.
    kernel : (kh, kw)
    title : str, optional
        Headline.

    Raises
    ------
    ValueError
        If there are more windows than colors.
    """
    image, kernel = np.asarray(image, np.float64), np.asarray(kernel, np.float64)
    (H, W), (kh, kw) = image.shape, kernel.shape
    Ho, Wo = H - kh + 1, W - kw + 1
    if not 0 < Ho * Wo <= len(LINE_COLORS):
        raise ValueError(f"im2col_figure: expected 1 to {len(LINE_COLORS)} windows, got {Ho * Wo} of {kh} x {kw} in "
                         f"an image of {H} x {W}")
    columns = im2col(image[None, None], Window((kh, kw)))                           # (kh*kw, Ho*Wo)
    y = kernel.reshape(1, -1) @ columns                                             # (1, Ho*Wo)
    # how each part is colored: shades of gray from 0 on for the image's numbers, blue and red for the others
    shades: dict[str, Any] = {"x": ("Greys", (min(0.0, image.min()), 1.6 * image.max())),
                              "w": ("RdBu_r", (-1.3 * np.abs(kernel).max(), 1.3 * np.abs(kernel).max())),
                              "y": ("RdBu_r", (-1.6 * np.abs(y).max(), 1.6 * np.abs(y).max()))}
    # (the sign before it, name, array, square, how it is colored), from left to right
    parts = [("", "image", image, CELL, "x"), ("", "weight, as a row", kernel.reshape(1, -1), SMALL_CELL, "w"),
             ("×", "columns", columns, SMALL_CELL, "x"), ("=", "y, as a row", y, SMALL_CELL, "y"),
             ("→", "y", y.reshape(Ho, Wo), SMALL_CELL, "y")]
    parts = [(sign, f"{name} ({values.shape[0]} × {values.shape[1]})", values, cell, kind)
             for sign, name, values, cell, kind in parts]
    widths = [max(values.shape[1] * cell, 6.6 * len(name)) for _, name, values, cell, _ in parts]
    tall = max(H * CELL, kh * kw * SMALL_CELL)
    top = 34 + 26 if title else 36
    figure = blank(sum(widths) + (len(parts) - 1) * GAP + 2 * MARGIN, top + tall + MARGIN, title)
    left, axes = float(MARGIN), []
    for (sign, name, values, cell, kind), width in zip(parts, widths):
        write(figure, left - GAP / 2, top + tall / 2, sign, 14, 20, ha="center")
        colors, limits = shades[kind]
        axes.append(draw_grid(figure, left, top + (tall - values.shape[0] * cell) / 2, values, cell, name, colors,
                              limits, ".0f"))
        left += width + GAP
    for k, color in enumerate(LINE_COLORS[:Ho * Wo]):
        p, q = divmod(k, Wo)
        apart = (q - 0.44 + 0.05 * p, p - 0.44 + 0.05 * q)                          # so that no outline hides another
        for one, corner, width, height in (
                (axes[0], apart, kw - 0.16, kh - 0.16), (axes[2], (k - 0.45, -0.45), 0.9, kh * kw - 0.1),
                (axes[3], (k - 0.45, -0.45), 0.9, 0.9), (axes[4], (q - 0.45, p - 0.45), 0.9, 0.9)):
            one.add_patch(Rectangle(corner, width, height, fill=False, edgecolor=color, linewidth=2.5))
    describe(figure, title, f"An image of {H} × {W} pixels with {Ho * Wo} windows of {kh} × {kw}, outlined in colors; "
             f"each window is a column of the matrix beside it, and the weight as a row, times that matrix, is y")
    return figure


def feature_maps_figure(image: Any, kernels: Any, maps: Mapping[str, Any], title: str | None = None,
                        cell: int = 56) -> Figure:
    """Draw an image, the kernels of a first layer, and rows of maps of any size: one scale for all the maps.

    Parameters
    ----------
    image : (H, W)
        0 is paper, 1 is ink.
    kernels : (n, kh, kw)
        Blue below 0, red above, all on one scale.
    maps : {name: (n, h, w)}
        One row each, of n maps like the kernels; not negative: black is 0, bright is the largest number of all rows.
    title : str, optional
        Headline.
    cell : int
        Figure pixels of the side of a map.
    """
    image, kernels = np.asarray(image), np.asarray(kernels)
    rows = {name: np.asarray(values) for name, values in maps.items()}
    if any(len(values) != len(kernels) for values in rows.values()):
        raise ValueError(f"feature_maps_figure: expected {len(kernels)} maps in each row, like the kernels, got "
                         + ", ".join(f"{name!r} {values.shape}" for name, values in rows.items()))
    reach, most = float(np.abs(kernels).max()), max(float(values.max()) for values in rows.values())
    shown = {f"kernels\nblue −{reach:.1f}, red {reach:.1f}": (kernels, "RdBu_r", (-reach, reach)),
             **{name: (values, "magma", (0.0, most)) for name, values in rows.items()}}
    side, step, top = 2 * cell + 6, cell + 6, 46 if title else MARGIN
    indent = MARGIN + side + 150
    figure = blank(indent + len(kernels) * step + MARGIN, top + len(shown) * step + 24 + MARGIN, title)
    axes = draw_grid(figure, MARGIN, top, image, side / max(image.shape), "", "gray_r", (0, 1))
    axes.set_axis_on()
    axes.set(xticks=[], yticks=[])
    axes.spines[:].set_color(GRID)
    for r, (name, (values, colors, limits)) in enumerate(shown.items()):
        for k, line in enumerate(name.split("\n")):
            write(figure, MARGIN + side + 14, top + r * step + cell / 2 - 8 + 15 * k, line, SMALL if k else TEXT, 132)
        for k, one in enumerate(values):
            draw_grid(figure, indent + k * step, top + r * step, one, cell / max(one.shape), "", colors, limits)
    write(figure, indent, top + len(shown) * step + 12, f"all maps on one scale: black 0, bright {most:.1f}", SMALL,
          600, QUIET)
    describe(figure, title, f"An image, {len(kernels)} kernels, and rows of maps on one scale from 0 to {most:.1f}: "
             + ", ".join(name.replace("\n", ", ") for name in rows))
    return figure
