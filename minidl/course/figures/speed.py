"""Memory as a line of cells, and bars for times of very different length."""
from collections.abc import Collection, Mapping

import numpy as np

from minidl.plotting.canvas import GRID, INK, LEGEND, LINE_COLORS, QUIET, SMALL, TEXT, describe, patches, subplots
from minidl.runtime.format import number
from minidl.runtime.progress import duration
from minidl.types import Array

from matplotlib.colors import to_rgb
from matplotlib.figure import Figure


def memory_figure(addresses: Mapping[str, Array], title: str | None = None) -> Figure:
    """Draw memory as lines of cells, and underline the pieces of channel 0.

    Parameters
    ----------
    addresses : {heading: integers (N, C, H, W)}
        Where each number lies: a permutation of 0, 1, 2, ...
    title : str, optional
        Headline.
    """
    shapes = {address.shape for address in addresses.values()}
    if len(shapes) != 1 or len(next(iter(shapes))) != 4:
        raise ValueError(f"memory_figure: expected arrays of one shape (N, C, H, W), got {sorted(shapes)}")
    (N, C, H, W), = shapes
    figure, lines = subplots(24 + 32 * N * C * H * W, 60 + 80 * len(addresses), title=title, rows=len(addresses))
    figure.supxlabel(f"color: channel; pale: a later image; number: pixel of the {H} × {W} map; underlined: channel 0",
                     x=0.01, ha="left", fontsize=SMALL, color=QUIET)
    for axes, (heading, address) in zip(lines, addresses.items()):
        axes.set_title(heading, loc="left", fontsize=TEXT, color=INK)
        axes.spines["bottom"].set_visible(False)
        axes.set(xlim=(-0.5, address.size - 0.5), ylim=(-0.3, 1), xticks=[], yticks=[])
        for (n, c, p, q), at in np.ndenumerate(address):
            color = np.array(to_rgb(LINE_COLORS[c % len(LINE_COLORS)]))
            axes.bar(at, 1, 0.94, color=color if n == 0 else 0.65 + 0.35 * color)
            axes.text(at, 0.5, str(p * W + q), ha="center", va="center", fontsize=TEXT,
                      color="white" if n == 0 else INK)
            if c == 0:
                axes.bar(at, -0.12, 1, -0.1, color=INK)
    describe(figure, title, *addresses)
    return figure


def times_figure(ms: Mapping[str, Mapping[str, float]], title: str | None = None, xlabel: str = "",
                 hatched: Collection[str] = (), log: bool = True) -> Figure:
    """Draw a horizontal bar for each time, with the time at its end.

    Parameters
    ----------
    ms : {run: {name: milliseconds}}
        Each run has a color of its own; a name may be missing in some of them.
    title : str, optional
        Headline.
    xlabel : str
    hatched : names
        Whose bars are hatched: they were not measured, but calculated.
    log : bool
        Whether the axis is logarithmic; otherwise it begins at 0.
    """
    names = list(dict.fromkeys(name for times in ms.values() for name in times))
    if not names:
        raise ValueError("times_figure: expected at least one time, got none")
    every = [value for times in ms.values() for value in times.values()]
    figure, (axes,) = subplots(800, 110 + (12 + 20 * len(ms)) * len(names), title=title)
    axes.grid(visible=False, axis="y")
    axes.grid(axis="x", color=GRID, linewidth=0.8)
    axes.set_xscale("log" if log else "linear")
    said = []
    for k, (run, times) in enumerate(ms.items()):
        color = LINE_COLORS[k % len(LINE_COLORS)]
        for y, name in enumerate(names):
            if name not in times:
                continue
            calculated = name in hatched
            bar = axes.barh([y + (k - (len(ms) - 1) / 2) * 0.8 / len(ms)], [times[name]], 0.7 / len(ms),
                            color="white" if calculated else color, edgecolor=color, hatch="///" * calculated)
            text = f"{number(times[name])} ms" if times[name] < 10_000 else duration(times[name] / 1000)
            axes.bar_label(bar, [text], padding=5, fontsize=SMALL, color=INK)
            said.append(f"{f'{run}, ' if len(ms) > 1 else ''}{name}: {text}")
    axes.set(xlim=(min(every) / 3 if log else 0, max(every) * 1.1), ylim=(len(names) - 0.4, -0.6))
    axes.set_yticks(range(len(names)), names)
    axes.tick_params(axis="y", labelsize=TEXT, labelcolor=INK)
    axes.minorticks_off()
    axes.set_xlabel(xlabel, fontsize=SMALL, color=QUIET)
    if len(ms) > 1:
        figure.legend(handles=patches(list(ms), LINE_COLORS), loc="outside lower left", ncols=len(ms),
                      **LEGEND | {"borderaxespad": 0.8})
    describe(figure, title, *said)
    return figure
