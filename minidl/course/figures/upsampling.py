"""The drawings of interpolation: along a row of pixels, and between the centers of four."""
from collections.abc import Mapping
from typing import Any

import numpy as np

from minidl.plotting.canvas import GRID, INK, LEGEND, LINE_COLORS, TEXT, describe, legend_columns, subplots
from minidl.types import Array

from matplotlib.axes import Axes
from matplotlib.figure import Figure

LOW, HIGH = 0.35, 1.02         # of the values' range, where the gray of small and of large numbers lies


def rows_figure(panels: Mapping[str, tuple[Any, Mapping[str, Any]]], title: str | None = None) -> Figure:
    """Draw rows of pixels as bars, and what they become with more pixels as dots at the new centers.

    Parameters
    ----------
    panels : {name: (values, {mode: enlarged})}
        The old row (W,), and the new ones (scale * W,). New pixel i lies at (i + 1/2) / scale - 1/2, in old pixels.
    title : str, optional
        Headline.
    """
    if not panels:
        raise ValueError("rows_figure: expected at least one panel, got none")
    width = 40 + 380 * len(panels)
    figure, axes = subplots(width, 320, len(panels), title)
    said = []
    for one, (head, (values, rows)) in zip(axes, panels.items()):
        values = np.asarray(values, np.float64)
        one.bar(range(len(values)), values, 1, color=GRID, edgecolor="white", linewidth=2, label="old pixels")
        for (mode, enlarged), color in zip(rows.items(), (LINE_COLORS[1], LINE_COLORS[0], *LINE_COLORS[2:])):
            scale = len(enlarged) / len(values)
            at = (np.arange(len(enlarged)) + 0.5) / scale - 0.5                      # centers, in old pixels
            one.plot(at, enlarged, "o-", color=color, linewidth=0.8, markersize=4.5, label=f"new pixels, {mode}",
                     drawstyle="steps-mid" if mode == "nearest" else "default")      # jumps where an old pixel ends
            said.append(f"{head}, {mode}: " + ", ".join(f"{value:.3g}" for value in enlarged[:8]))
        one.plot(values, "o", color=INK, markersize=10, fillstyle="none", markeredgewidth=1.3, label="old centers")
        one.set_title(head, loc="left", fontsize=TEXT, color=INK)
        one.set_xticks(range(len(values)))
        one.set_ylim(min(0, values.min()), 1.1 * values.max())
    handles, labels = axes[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower left", ncols=legend_columns(labels, width - 80),
                  **LEGEND | {"borderaxespad": 0.8, "handlelength": 1.6})
    describe(figure, title, *said)
    return figure


def between_figure(corners: Any, down: float, right: float, enlarged: Mapping[str, Any],
                   title: str | None = None) -> Figure:
    """Draw bilinear interpolation between four centers, and beside it the four as enlarged images.

    Parameters
    ----------
    corners : (2, 2)
        Values at the four centers.
    down, right : floats in [0, 1]
        A point in the square between the centers. Drawn are its value, and those of the two points of the same height
        on the left and the right side of the square, from which it is mixed.
    enlarged : {name: (H, W)}
    title : str, optional
        Headline.
    """
    corners = np.asarray(corners, np.float64)
    if corners.shape != (2, 2):
        raise ValueError(f"between_figure: expected corners of shape (2, 2), got {corners.shape}")
    figure, axes = subplots(320 * (1 + len(enlarged)), 330, 1 + len(enlarged), title)
    t = np.linspace(0, 1, 129)
    sides = (1 - t)[:, None] * corners[0] + t[:, None] * corners[1]                  # (129, 2): left, right
    shades = shading(corners)
    first, *others = axes
    first.imshow(sides[:, :1] * (1 - t) + sides[:, 1:] * t, extent=(0, 1, 1, 0), **shades)
    first.plot([0, 0, 1, 1, 0], [0, 1, 1, 0, 0], color=INK, linewidth=0.8, clip_on=False)
    first.plot([0, 1], [down, down], "--", color=INK, linewidth=1)
    left_side, right_side = (1 - down) * corners[0] + down * corners[1]
    inside = (1 - right) * left_side + right * right_side
    points = {(0.0, 0.0): corners[0, 0], (1.0, 0.0): corners[0, 1], (0.0, 1.0): corners[1, 0],
              (1.0, 1.0): corners[1, 1], (0.0, down): left_side, (1.0, down): right_side, (right, down): inside}
    for (x, y), value in points.items():
        first.plot(x, y, "o", color="white", markeredgecolor=INK, markersize=8, clip_on=False)
        away, align = ((-9, 0), "right") if x == 0 else ((9, 0), "left") if x == 1 else ((7, 11), "left")
        first.annotate(f"{value:g}", (x, y), away, textcoords="offset points", ha=align, va="center", fontsize=11,
                       color=INK, annotation_clip=False)
    first.set_title("between the four centers", loc="left", fontsize=TEXT, color=INK)
    first.set(xlim=(-0.18, 1.18), ylim=(1.12, -0.12))
    for one, (name, values) in zip(others, enlarged.items()):
        numbered(one, np.asarray(values, np.float64), shades)
        one.set_title(name, loc="left", fontsize=TEXT, color=INK)
    for one in axes:
        one.set_axis_off()
    describe(figure, title, f"On the sides {left_side:g} and {right_side:g}, between them {inside:g}",
             *(f"{name}: {np.asarray(values).tolist()}" for name, values in enlarged.items()))
    return figure


def shading(values: Array) -> dict[str, Any]:
    """Return options of `imshow` that leave the numbers on all grays legible."""
    reach = float(values.max() - values.min()) or 1.0
    return {"cmap": "Greys", "vmin": float(values.min()) - LOW * reach, "vmax": float(values.max()) + HIGH * reach}


def numbered(axes: Axes, values: Array, options: dict[str, Any]) -> None:
    """Draw an array (H, W) as gray squares with their numbers."""
    axes.imshow(values, **options)
    H, W = values.shape
    axes.hlines(np.arange(1, H) - 0.5, -0.5, W - 0.5, color="white", linewidth=1)
    axes.vlines(np.arange(1, W) - 0.5, -0.5, H - 0.5, color="white", linewidth=1)
    for (i, j), value in np.ndenumerate(values):
        axes.text(j, i, f"{value:g}", ha="center", va="center", fontsize=11, color=INK)
