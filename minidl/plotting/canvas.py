"""The parts that figures are made of: charts, axes at a place in pixels, texts that fit, legends, colored squares.

matplotlib lays charts out by itself. Images are placed by hand, because each of their pixels must become a square of
whole figure pixels; these lengths are pixels of a figure at 100 dpi, from the top left corner.
"""
import math
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import Colormap
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties
from matplotlib.patches import Patch
from matplotlib.textpath import text_to_path

from minidl.runtime.colors import LINE_COLORS
from minidl.runtime.files import replacing
from minidl.types import Array

INK, QUIET, GRID = "#222B33", "#5F6B76", "#E1E6EA"
TITLE, TEXT, SMALL = 10.0, 8.5, 7.5  # font sizes in points
MARGIN = 12                          # figure pixels around everything
LEGEND_ROW = 20                      # height in figure pixels
LEGEND: dict[str, Any] = {"frameon": False, "fontsize": TEXT, "labelcolor": INK, "borderpad": 0, "borderaxespad": 0,
                          "handlelength": 0.93, "handleheight": 0.93, "handletextpad": 0.5, "columnspacing": 1.35,
                          "labelspacing": 0.6}
# matplotlib rounds figures down and images up to whole pixels: this much keeps 72 from becoming 71 or 73.
HAIR = 1e-4


def subplots(width: float, height: float, columns: int = 1, title: str | None = None,
             rows: int = 1) -> tuple[Figure, list[Axes]]:
    """Return a figure of width × height pixels with axes in rows and columns; matplotlib makes room for labels."""
    figure = Figure(figsize=(width / 100, height / 100), dpi=100, facecolor="white", layout="constrained")
    figure.get_layout_engine().set(w_pad=MARGIN / 100, h_pad=MARGIN / 100)                      # type: ignore
    if title:
        text, size = fitted(title, TITLE, width - 2 * MARGIN, "bold")
        figure.suptitle(text, x=MARGIN / width, ha="left", fontsize=size, weight="bold", color=INK, parse_math=False)
    axes = list(figure.subplots(rows, columns, squeeze=False).ravel())
    for one in axes:
        quiet(one)
    return figure, axes


def blank(width: float, height: float, title: str | None = None) -> Figure:
    """Return an empty white figure of width × height pixels at 100 dpi, with its headline."""
    size = ((math.ceil(width) + HAIR) / 100, (math.ceil(height) + HAIR) / 100)  # inches
    figure = Figure(figsize=size, dpi=100, facecolor="white")
    write(figure, MARGIN, MARGIN + 8, title or "", TITLE, width - 2 * MARGIN, weight="bold")
    return figure


def place(figure: Figure, left: float, top: float, width: float, height: float) -> Axes:
    """Add axes at a place given in figure pixels from the top left corner."""
    whole_width, whole_height = figure.get_size_inches() * 100
    return figure.add_axes(((left + HAIR) / whole_width, 1 - (top + height - HAIR) / whole_height,
                            (width - 2 * HAIR) / whole_width, (height - 2 * HAIR) / whole_height))


def write(figure: Figure, x: float, y: float, text: str, size: float, width: float, color: str = INK,
          ha: str = "left", weight: str = "normal") -> None:
    """Write a text around height y, smaller or shortened where it would be wider than `width` figure pixels."""
    if not text:
        return
    whole_width, whole_height = figure.get_size_inches() * 100
    text, size = fitted(text, size, width, weight)
    baseline = y + 0.36 * size * 100 / 72                 # so that half of a capital letter is above y
    figure.text(x / whole_width, 1 - baseline / whole_height, text, fontsize=size, color=color, ha=ha,
                va="baseline", weight=weight, parse_math=False)


def text_width(text: str, size: float, weight: str = "normal") -> float:
    """Return the width of a text in figure pixels, with some air for a renderer's rounding."""
    if not text.strip():
        return 0.0
    points, _, _ = text_to_path.get_text_width_height_descent(text, FontProperties(size=size, weight=weight), False)
    return float(points) * 100 / 72 * 1.04 + 2


def fitted(text: str, size: float, width: float, weight: str = "normal") -> tuple[str, float]:
    """Return the text and font size that fit a width: down to 6 points first, then with letters left out."""
    while size > 6 and text_width(text, size, weight) > width:
        size -= 0.5
    if text_width(text, size, weight) > width:
        while len(text) > 1 and text_width(text + "…", size, weight) > width:
            text = text[:-1]
        text += "…"
    return text, size


def whole_multiple(W: int, wanted: int) -> int:
    """Return the width near the wanted one at which W pixels become squares of whole figure pixels.

    >>> whole_multiple(64, 136), whole_multiple(128, 136), whole_multiple(256, 136), whole_multiple(8, 96)
    (128, 128, 128, 96)
    """
    if W <= wanted:
        return W * max(1, round(wanted / W))
    return max(1, W // round(W / wanted))


def counted(caller: str, what: str, values: Sequence[Any] | None, count: int) -> None:
    """Check that there is one of the values for each thing."""
    if values is not None and (isinstance(values, str) or len(values) != count):
        raise ValueError(f"{caller}: expected {count} {what}, got {values!r}")


def patches(names: Sequence[str], colors: Sequence[str]) -> list[Patch]:
    """Return a named square for each entry of a legend; pale colors need its outline."""
    return [Patch(facecolor=colors[k % len(colors)], edgecolor=QUIET, linewidth=0.6, label=name)
            for k, name in enumerate(names)]


def legend_columns(names: Sequence[str], width: float) -> int:
    """Return how many entries of a legend fit side by side into `width` figure pixels."""
    widths = [34 + text_width(name, TEXT) for name in names]
    return max(1, len(names) if sum(widths) <= width + 16 else int(width / max(widths)))


def legend(figure: Figure, left: float, top: float, names: Sequence[str], colors: Sequence[str] = LINE_COLORS,
           width: float | None = None) -> None:
    """Draw a colored square and a name for each entry, in rows as wide as the figure or `width` figure pixels."""
    whole_width, whole_height = figure.get_size_inches() * 100
    figure.legend(handles=patches(names, colors), ncols=legend_columns(names, width or whole_width - MARGIN - left),
                  loc="upper left", bbox_to_anchor=(left / whole_width, 1 - (top + 4) / whole_height), **LEGEND)


def draw_grid(figure: Figure, left: float, top: float, values: Array, cell: float, title: str = "",
              colormap: str | Colormap = "gray", limits: tuple[float, float] | None = None,
              numbers: str | None = None) -> Axes:
    """Draw an array (H, W) as colored squares of `cell` figure pixels, its title above; return the axes.

    Parameters
    ----------
    limits : pair of floats, optional
        Values shown as the first and the last color; smallest and largest of all if left out.
    numbers : str, optional
        How to write each value into its square, such as ".2f"; none are written if left out.
    """
    H, W = values.shape
    low, high = limits or (float(values.min()), float(values.max()))
    axes = place(figure, left, top, W * cell, H * cell)
    shown = axes.imshow(values, colormap, vmin=low, vmax=high, interpolation="nearest", aspect="auto")
    axes.set_axis_off()
    if numbers is not None:
        for (i, j), value in np.ndenumerate(values):
            dark = np.dot(shown.to_rgba(value)[:3], (0.299, 0.587, 0.114)) < 0.55       # how bright a color looks
            axes.text(j, i, f"{value:{numbers}}", ha="center", va="center", fontsize=min(TITLE, cell / 4.5 + 1.5),
                      color="white" if dark else INK)
    write(figure, left, top - 12, title, TEXT, max(W * cell, 120))
    return axes


def describe(figure: Figure, title: str | None, *parts: str) -> None:
    """Give a figure its label, for those who cannot see it: the headline, and what can be said in a few words."""
    figure.set_label(". ".join(part for part in (title, *parts) if part))


def quiet(axes: Axes) -> None:
    """Leave of the frame only the base line, with pale horizontal grid lines and small ticks."""
    for side in ("top", "right", "left"):
        axes.spines[side].set_visible(False)
    axes.spines["bottom"].set_color(QUIET)
    axes.grid(axis="y", color=GRID, linewidth=0.8)
    axes.set_axisbelow(True)
    axes.tick_params(labelsize=SMALL, labelcolor=QUIET, color=QUIET, length=3)
    axes.tick_params(axis="y", length=0)


FORMATS = (".png", ".svg", ".pdf")


def save(figure: Figure, path: str | os.PathLike[str], dpi: float = 100) -> Path:
    """Write a figure as png, svg or pdf, after the path's suffix, and return the path.

    Missing folders are made. The file appears complete or not at all: it is written under a temporary name
    and then renamed. It holds no date and no random identifiers, so equal figures give equal files.
    """
    path = Path(path)
    if path.suffix.lower() not in FORMATS:
        raise ValueError(f"save: the file name must end in {', '.join(FORMATS)}, got {path.name!r}")
    kind = path.suffix.lower()[1:]
    metadata = {"png": {"Software": None}, "svg": {"Date": None}, "pdf": {"CreationDate": None}}[kind]
    with replacing(path) as temporary, matplotlib.rc_context({"svg.hashsalt": "minidl"}):
        figure.savefig(temporary, format=kind, dpi=dpi, metadata=metadata)
    return path
