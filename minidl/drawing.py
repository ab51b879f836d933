"""The parts that figures are made of: axes at a place in pixels, texts that fit, legends, curves.

All lengths are pixels of a figure at 100 dpi, from the top left corner.
"""
import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import Colormap
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties
from matplotlib.patches import Rectangle
from matplotlib.textpath import text_to_path
from matplotlib.ticker import MaxNLocator

from minidl.slabs import Array

# Lines and bars of several models (after Okabe and Ito, safe for color-blind readers).
LINE_COLORS = ("#0072B2", "#D55E00", "#009E73", "#B5588F", "#8A6D00", "#3D9BD1", "#5A5A5A")

INK, QUIET, GRID = "#222B33", "#5F6B76", "#E1E6EA"
TITLE, TEXT, SMALL = 10.0, 8.5, 7.5  # font sizes in points
MARGIN = 12                          # figure pixels around everything
# matplotlib rounds figures down and images up to whole pixels: this much keeps 72 from becoming 71 or 73.
HAIR = 1e-4


def blank(width: float, height: float) -> Figure:
    """Return an empty white figure of so many pixels at 100 dpi."""
    size = ((math.ceil(width) + HAIR) / 100, (math.ceil(height) + HAIR) / 100)  # inches
    return Figure(figsize=size, dpi=100, facecolor="white")


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
    """Refuse a list of texts that has not one for each thing."""
    if values is not None and (isinstance(values, str) or len(values) != count):
        raise ValueError(f"{caller}: expected {count} {what}, got {values!r}")


def legend_lines(names: Sequence[str], width: float) -> list[list[tuple[int, float, str]]]:
    """Break a legend into lines of (index, x, name) that are at most `width` figure pixels wide."""
    lines: list[list[tuple[int, float, str]]] = [[]]
    x = 0.0
    for k, name in enumerate(names):
        needed = 18 + text_width(name, TEXT)
        if lines[-1] and x + needed > width:
            lines.append([])
            x = 0.0
        lines[-1].append((k, x, name))
        x += needed + 16
    return lines


def draw_legend(figure: Figure, lines: list[list[tuple[int, float, str]]], left: float, top: float,
                colors: Sequence[str]) -> None:
    """Draw a colored square and a name for each entry; pale colors need the outline."""
    whole_width, whole_height = figure.get_size_inches() * 100
    for row, line in enumerate(lines):
        y = top + 20 * row + 10
        for k, x, name in line:
            figure.add_artist(Rectangle(((left + x) / whole_width, 1 - (y + 5) / whole_height), 11 / whole_width,
                                        11 / whole_height, facecolor=colors[k % len(colors)], edgecolor=QUIET,
                                        linewidth=0.6, transform=figure.transFigure))
            write(figure, left + x + 17, y - 0.5, name, TEXT, whole_width - MARGIN - left - x - 17)


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


def readable(key: str) -> str:
    """Turn a key of a history into words: "test_mean_iou" becomes "test mean IoU"."""
    return " ".join("IoU" if word == "iou" else word for word in key.split("_"))


def digits(value: float) -> str:
    """Write a number in a few digits.

    >>> digits(0.7), digits(1.23456), digits(0.00012), digits(1234.5)
    ('0.700', '1.235', '0.00012', '1.23e+03')
    """
    return f"{value:.3f}" if 0.01 <= abs(value) < 100 or value == 0 else f"{value:.3g}"


def epoch(k: int, entry: Mapping[str, Any]) -> float:
    """Return the number of the k-th entry's epoch."""
    return float(entry.get("epoch", k + 1))


def lines_of(history: Sequence[Mapping[str, Any]], named: Mapping[str, str]) -> list[tuple[str, Array, Array]]:
    """Collect (label, epochs, values) for each key that has a finite value in some epoch."""
    lines = []
    for key, label in named.items():
        points = [(epoch(k, entry), float(entry[key])) for k, entry in enumerate(history)
                  if entry.get(key) is not None and math.isfinite(entry[key])]
        if points:
            x, y = np.array(points).T                     # (points,) each
            lines.append((label, x, y))
    return lines


def ticks_of(lines: list[tuple[str, Array, Array]], log: bool, unit: bool) -> list[float]:
    """Choose the values at which the vertical axis is marked; the first and the last one are its ends.

    `log` is for a logarithmic axis; `unit` lets values within 0 and 1 have the axis from 0 to 1.
    """
    if not lines:
        return []
    values = np.concatenate([y for _, _, y in lines])
    low, high = float(values.min()), float(values.max())
    if log:
        factors = (1, 2, 5) if high < 1000 * low else (1,)
        decades = range(math.floor(math.log10(low)) - 1, math.ceil(math.log10(high)) + 2)      # log10 may round up
        marks = [factor * 10.0**decade for decade in decades for factor in factors]
        first = max(mark for mark in marks if mark <= low)
        last = min(mark for mark in marks if mark > high)
        return [mark for mark in marks if first <= mark <= last]
    if unit and low >= 0 and high <= 1:
        low, high = 0.0, 1.0
    elif low >= 0:
        low = 0.0
    if low == high:
        low, high = min(low, 0.0), high or 1.0
    return [float(mark) for mark in MaxNLocator(5, steps=[1, 2, 2.5, 5, 10]).tick_values(low, high)]


def curves(axes: Axes, lines: list[tuple[str, Array, Array]], texts: list[str], ticks: list[float],
           epochs: list[float]) -> None:
    """Draw lines, and write each one's text at its end."""
    quiet(axes)
    axes.set_xlabel("epoch", fontsize=SMALL, color=QUIET, labelpad=3)
    first, last = min(epochs), max(epochs)
    if first < last:
        axes.set_xlim(first - 0.02 * (last - first), last + 0.02 * (last - first))
        axes.xaxis.set_major_locator(MaxNLocator(6, integer=True, min_n_ticks=1))
    else:                                                 # one epoch: its dots near their texts
        axes.set_xlim(last - 1, last + 0.04)
        axes.set_xticks([last], [f"{last:g}"])
    axes.minorticks_off()
    if not lines:
        axes.set_yticks([])
        axes.text(0.5, 0.5, "none recorded", transform=axes.transAxes, ha="center", fontsize=TEXT, color=QUIET)
        return
    axes.set_yticks(ticks, [f"{tick:g}" for tick in ticks])
    axes.minorticks_off()
    axes.set_ylim(ticks[0], ticks[-1])
    to_axes = axes.transData + axes.transAxes.inverted()
    ends = [float(to_axes.transform((x[-1], y[-1]))[1]) for _, x, y in lines]  # as shares of the axes' height
    heights = spread(ends, 15 / axes.bbox.height)
    for k, (_, x, y) in enumerate(lines):
        color = LINE_COLORS[k % len(LINE_COLORS)]
        dots = "o" if len(x) < len(epochs) else ""        # tell which epochs have a value, if not all have
        axes.plot(x, y, marker=dots, linestyle="-" if k < len(LINE_COLORS) else "--", color=color, linewidth=1.6,
                  markersize=3, clip_on=False)
        axes.plot(x[-1], y[-1], "o", color=color, markersize=4.5, clip_on=False)
        axes.annotate(texts[k], (x[-1], y[-1]), (1 + 14 / axes.bbox.width, heights[k]), va="center",
                      textcoords="axes fraction", fontsize=TEXT, color=color, annotation_clip=False, parse_math=False,
                      arrowprops={"arrowstyle": "-", "color": color, "linewidth": 0.6, "relpos": (0, 0.5),
                                  "shrinkA": 1, "shrinkB": 3})


def spread(heights: Sequence[float], distance: float) -> list[float]:
    """Move heights between 0 and 1 apart so that neighbors keep a distance, and keep their order.

    Neighbors that come too close form a group, centered on the mean of its members' wanted heights (or as near
    to that as the ends allow).

    >>> [round(height, 3) for height in spread([0.5, 0.1, 0.5, 1.0, 1.0], 0.2)]
    [0.4, 0.1, 0.6, 0.8, 1.0]
    """
    groups: list[list[int]] = []
    for k in sorted(range(len(heights)), key=lambda k: heights[k]):
        groups.append([k])
        while len(groups) > 1 and lowest(groups[-1], heights, distance) < (
                lowest(groups[-2], heights, distance) + len(groups[-2]) * distance):
            groups[-2:] = [groups[-2] + groups[-1]]
    result = [0.0] * len(heights)
    for group in groups:
        for position, k in enumerate(group):
            result[k] = lowest(group, heights, distance) + position * distance
    return result


def lowest(group: list[int], heights: Sequence[float], distance: float) -> float:
    """Return the lowest height of a group that is centered on the mean of the wanted heights."""
    extent = (len(group) - 1) * distance
    centered = sum(heights[k] for k in group) / len(group) - extent / 2
    return max(0.0, min(centered, 1 - extent))


def class_score(entry: Mapping[str, Any], name: str) -> float | None:
    """Return the score of a class under "name" or "iou_name", None if there is none or it is nan."""
    value = entry.get(name, entry.get(f"iou_{name}"))
    return None if value is None or math.isnan(value) else float(value)
