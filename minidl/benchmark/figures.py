"""Figures of the lesson about speed: cells of memory, times along a logarithmic axis, bars of very different length."""
from collections.abc import Collection, Mapping, Sequence

import numpy as np

from minidl.plotting.canvas import GRID, INK, LINE_COLORS, QUIET, SMALL, TEXT, subplots
from minidl.plotting.scores import named_lines
from minidl.types import Array

from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator


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
    figure, lines = subplots(24 + 32 * N * C * H * W, 60 + 110 * len(addresses), title=title, rows=len(addresses))
    legend = (f"Color: channel; strong: image 0, pale: image 1; number: pixel of the {H} x {W} map; "
              "underlined: channel 0")
    figure.supxlabel(legend, x=0.01, ha="left", fontsize=SMALL, color=QUIET)
    for axes, (heading, address), note in zip(lines, addresses.items(), notes):
        axes.set_title(heading, loc="left", fontsize=TEXT, weight="bold", color=INK)
        axes.set_xlabel(note, loc="left", fontsize=TEXT, color=QUIET)
        axes.spines["bottom"].set_visible(False)
        axes.set(xlim=(-0.5, address.size - 0.5), ylim=(-0.3, 1), xticks=[], yticks=[])
        for (n, c, p, q), at in np.ndenumerate(address):
            color = np.array(to_rgb(LINE_COLORS[c]))
            axes.bar(at, 1, 0.94, color=color if n == 0 else 0.65 + 0.35 * color)
            axes.text(at, 0.5, str(p * W + q), ha="center", va="center", fontsize=TEXT,
                      color="white" if n == 0 else INK)
            if c == 0:
                axes.bar(at, -0.12, 1, -0.1, color=INK)
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
    figure, (axes,) = subplots(800, 400, title=title)
    axes.set_xscale("log", base=2)
    axes.set_yscale("log")
    axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axes.yaxis.set_major_formatter("{x:g}")
    axes.set_xticks(list(ticks), list(ticks.values()))
    axes.minorticks_off()
    axes.set_title(y_label, loc="left", fontsize=TEXT, color=INK)
    axes.set_xlabel(x_label, fontsize=TEXT, color=QUIET)
    points = {name: (list(line), list(line.values())) for name, line in lines.items()}
    sizes = sorted({size for xs, _ in points.values() for size in xs})
    points |= {name: (sizes, [level] * len(sizes)) for name, level in (levels or {}).items()}
    named_lines(axes, points, dashed=levels or ())
    return figure


def pairs(ms: Mapping[str, Mapping[str, float]], title: str, x_label: str) -> Figure:
    """Draw horizontal bars for times that were measured under several conditions.

    Parameters
    ----------
    ms : {condition: {name: milliseconds}}
    title, x_label : str
    """
    names = list(next(iter(ms.values())))
    figure, (axes,) = subplots(800, 110 + 26 * len(ms) * len(names), title=title)
    axes.grid(visible=False, axis="y")
    axes.grid(axis="x", color=GRID, linewidth=0.8)
    height = 0.8 / len(ms)
    for k, (condition, times) in enumerate(ms.items()):
        bars = axes.barh([y + k * height for y in range(len(names))], [times[name] for name in names], 0.9 * height,
                         color=LINE_COLORS[k], label=condition)
        axes.bar_label(bars, fmt="%.0f ms", padding=6, fontsize=TEXT, color=INK)
    axes.set_yticks([y + height * (len(ms) - 1) / 2 for y in range(len(names))], names)
    axes.invert_yaxis()
    axes.margins(x=0.12)
    axes.tick_params(axis="y", labelsize=TEXT, labelcolor=INK)
    axes.set_xlabel(x_label, fontsize=TEXT, color=QUIET)
    axes.legend(fontsize=TEXT, labelcolor=INK, frameon=False)
    return figure


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
    figure, (axes,) = subplots(800, 100 + 40 * len(ms), title=title)
    axes.grid(visible=False, axis="y")
    axes.grid(axis="x", color=GRID, linewidth=0.8)
    axes.set_xscale("log")
    hatched = [name in extrapolated for name in ms]
    bars = axes.barh(list(ms), list(ms.values()), 0.66,
                     color=["white" if one else LINE_COLORS["PyTorch" in name] for name, one in zip(ms, hatched)],
                     edgecolor=[LINE_COLORS[0] if one else "none" for one in hatched],
                     hatch=["///" if one else "" for one in hatched])
    axes.bar_label(bars, texts, padding=6, fontsize=TEXT, color=INK)
    axes.set(xlim=(min(ms.values()) / 3, max(ms.values()) * 1.1), ylim=(len(ms) - 0.4, -0.6))
    axes.tick_params(axis="y", labelsize=TEXT, labelcolor=INK)
    axes.minorticks_off()
    axes.set_xlabel(x_label, fontsize=TEXT, color=QUIET)
    return figure
