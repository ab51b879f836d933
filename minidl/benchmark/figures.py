"""Figures of the lesson about speed: cells of memory, times along a logarithmic axis, bars of very different length."""
import math
from collections.abc import Collection, Mapping, Sequence

import numpy as np
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from minidl.plotting.canvas import (
    GRID, INK, LINE_COLORS, MARGIN, QUIET, TEXT, TITLE, blank, place, quiet, text_width, write,
)
from minidl.types import Array

CELL = 32  # figure pixels


def memory_lines(addresses: Mapping[str, Array], notes: Sequence[str], title: str) -> Figure:
    """Draw memory as lines of cells, and underline the pieces of channel 0.

    Parameters
    ----------
    addresses : {heading: integers (N, C, H, W)}
        Where each number lies: a permutation of 0, 1, 2, ...
    notes : strings
        One for each line, written below it.
    title : str
    """
    N, C, H, W = next(iter(addresses.values())).shape
    row = 20 + CELL + 48
    width = N * C * H * W * CELL
    figure = blank(width + 2 * MARGIN, MARGIN + 58 + len(addresses) * row)
    write(figure, MARGIN, MARGIN + 8, title, TITLE, width, weight="bold")
    legend = (f"Memory cells. Color: channel; strong: picture 0, pale: picture 1; number: pixel of the {H} x {W} map; "
              "underlined: channel 0.")
    write(figure, MARGIN, MARGIN + 29, legend, TEXT, width, color=QUIET)
    for k, (heading, address) in enumerate(addresses.items()):
        top = MARGIN + 58 + k * row
        write(figure, MARGIN, top + 8, heading, TEXT, width, weight="bold")
        axes = place(figure, MARGIN, top + 20, width, CELL + 10)
        axes.set_xlim(0, address.size)
        axes.set_ylim(-10 / CELL, 1)
        axes.set_axis_off()
        for (n, c, p, q), at in np.ndenumerate(address):
            color = np.array(to_rgb(LINE_COLORS[c]))
            face = color if n == 0 else 0.65 + 0.35 * color
            axes.add_patch(Rectangle((at + 0.03, 0.03), 0.94, 0.94, facecolor=face, edgecolor="white"))
            axes.text(at + 0.5, 0.48, str(p * W + q), ha="center", va="center", fontsize=TEXT,
                      color="white" if n == 0 else INK)
            if c == 0:
                axes.plot([at, at + 1], [-0.15, -0.15], color=INK, linewidth=3, solid_capstyle="butt")
        write(figure, MARGIN, top + CELL + 41, notes[k], TEXT, width, color=QUIET)
    return figure


def times(lines: Mapping[str, Mapping[int, float]], title: str, x_label: str, y_label: str, ticks: Mapping[int, str],
          levels: Mapping[str, float] | None = None) -> Figure:
    """Draw times against sizes, both axes logarithmic.

    Parameters
    ----------
    lines : {name: {size: time}}
    title, x_label, y_label : str
    ticks : {size: text}
        What stands on the horizontal axis.
    levels : {name: time}, optional
        Times that depend on no size: dashed lines.
    """
    levels = levels or {}
    right = 16 + max(text_width(name, TEXT) for name in [*lines, *levels])
    plot_width, plot_height, left = 740 - right, 280, 52
    figure = blank(left + plot_width + right + MARGIN, MARGIN + 62 + plot_height + 52)
    write(figure, MARGIN, MARGIN + 8, title, TITLE, left + plot_width + right - MARGIN, weight="bold")
    write(figure, MARGIN, MARGIN + 34, y_label, TEXT, plot_width)
    axes = place(figure, left, MARGIN + 52, plot_width, plot_height)
    axes.set_xscale("log", base=2)
    axes.set_yscale("log")
    quiet(axes)
    for k, (name, points) in enumerate(lines.items()):
        axes.plot(list(points), list(points.values()), marker="o", markersize=4, color=LINE_COLORS[k], clip_on=False)
        axes.annotate(name, (list(points)[-1], list(points.values())[-1]), (10, 0), textcoords="offset points",
                      va="center", fontsize=TEXT, color=LINE_COLORS[k], annotation_clip=False)
    for k, (name, level) in enumerate(levels.items(), len(lines)):
        axes.axhline(level, linestyle="--", linewidth=1.2, color=LINE_COLORS[k])
        axes.annotate(name, (1, level), (10, 0), xycoords=("axes fraction", "data"), textcoords="offset points",
                      va="center", fontsize=TEXT, color=LINE_COLORS[k], annotation_clip=False)
    values = [value for points in lines.values() for value in points.values()] + list(levels.values())
    marks = marks_around(min(values), max(values))
    axes.set_ylim(marks[0], marks[-1])
    axes.set_yticks(marks, [f"{mark:g}" for mark in marks])
    axes.set_xticks(list(ticks), list(ticks.values()))
    axes.minorticks_off()
    axes.set_xlabel(x_label, fontsize=TEXT, color=QUIET)
    return figure


def marks_around(low: float, high: float) -> list[float]:
    """Return the marks of a logarithmic axis, from just below `low` to just above `high`.

    >>> marks_around(0.3, 4)
    [0.2, 0.5, 1.0, 2.0, 5.0]
    """
    decades = range(math.floor(math.log10(low)), math.floor(math.log10(high)) + 2)
    marks = [float(f"{factor}e{decade}") for decade in decades for factor in (1, 2, 5)]
    first = max(mark for mark in marks if mark <= low)
    last = min(mark for mark in marks if mark >= high)
    return [mark for mark in marks if first <= mark <= last]


def ladder(ms: Mapping[str, float], title: str, x_label: str, texts: Sequence[str],
           extrapolated: Collection[str] = ()) -> Figure:
    """Draw a horizontal bar for each time, on a logarithmic axis.

    Parameters
    ----------
    ms : {name: milliseconds}
        From top to bottom.
    title, x_label : str
    texts : strings
        One for each bar, written at its end.
    extrapolated : names
        Whose bars are hatched: they were not measured.
    """
    bar, left = 40, 24 + max(text_width(name, TEXT) for name in ms)
    right = 14 + max(text_width(text, TEXT) for text in texts)
    plot_width = 780 - left - right
    figure = blank(left + plot_width + right + MARGIN, MARGIN + 30 + bar * len(ms) + 52)
    write(figure, MARGIN, MARGIN + 8, title, TITLE, left + plot_width + right - MARGIN, weight="bold")
    axes = place(figure, left, MARGIN + 30, plot_width, bar * len(ms))
    quiet(axes)
    axes.grid(visible=False, axis="y")
    axes.grid(axis="x", color=GRID, linewidth=0.8)
    axes.set_xscale("log")
    axes.set_xlim(10 ** math.floor(math.log10(min(ms.values())) - 0.3), max(ms.values()) * 1.1)
    axes.set_ylim(len(ms) - 0.4, -0.6)
    for k, (name, value) in enumerate(ms.items()):
        hatched = name in extrapolated
        axes.barh(k, value, 0.66, color="white" if hatched else LINE_COLORS[1 if "PyTorch" in name else 0],
                  edgecolor=LINE_COLORS[0] if hatched else "none", hatch="///" if hatched else None)
        axes.annotate(texts[k], (value, k), (6, 0), textcoords="offset points", va="center", fontsize=TEXT, color=INK,
                      annotation_clip=False)
    axes.set_yticks(range(len(ms)), list(ms))
    axes.tick_params(axis="y", labelsize=TEXT, labelcolor=INK)
    axes.minorticks_off()
    axes.set_xlabel(x_label, fontsize=TEXT, color=QUIET)
    return figure
