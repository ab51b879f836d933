"""Charts and sheets, each one call: lines, bars, small arrays with their numbers, images in named rows."""
from collections.abc import Collection, Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from minidl.plotting.canvas import (
    INK, LEGEND, LINE_COLORS, MARGIN, QUIET, SMALL, TEXT, blank, counted, describe, draw_grid, patches, subplots,
    text_width,
)
from minidl.plotting.pictures import GAP, ImageGrid
from minidl.plotting.scores import named_lines
from minidl.runtime.format import number
from minidl.types import Array

Lines = Mapping[str, Any]                    # {name: y} or {name: (x, y)}


def line_chart(panels: Mapping[str, Any], title: str | None = None, xlabel: str = "", ylabel: str = "",
               limits: tuple[float | None, float | None] = (None, None), log: str = "", dashed: Collection[str] = (),
               height: int = 330) -> Figure:
    """Draw lines, each named at its end; several panels side by side share the labels, limits and scales.

    Parameters
    ----------
    panels : {name: line}, or {panel: {name: line}}
        A line is (x, y), or y alone for x = 1, 2, 3, ...
    title : str, optional
        Headline.
    xlabel, ylabel : str
    limits : low, high
        Of the vertical axes; None leaves one to matplotlib. Points beyond are drawn at the limit.
    log : "", "x", "y" or "xy"
        Which axes are logarithmic.
    dashed : names
        Lines drawn dashed, for what the others are compared with.
    height : int
        Of the figure in pixels.
    """
    several = all(isinstance(lines, Mapping) for lines in panels.values())
    charts: Mapping[str, Lines] = panels if several else {"": panels}
    if not charts or not all(charts.values()):
        raise ValueError("line_chart: expected at least one line in each panel, got none")
    figure, axes = subplots(560 if len(charts) == 1 else 450 * len(charts), height, len(charts), title)
    said = []
    for one, (head, lines) in zip(axes, charts.items()):
        one.set_title(head or ylabel, loc="left", fontsize=TEXT, color=INK)
        one.set_xlabel(xlabel, fontsize=SMALL, color=QUIET)
        one.set(xscale="log" if "x" in log else "linear", yscale="log" if "y" in log else "linear")
        if several and ylabel:
            one.set_ylabel(ylabel, fontsize=SMALL, color=QUIET)
        one.minorticks_off()
        points = {name: as_line(line) for name, line in lines.items()}
        if "x" not in log and all(np.issubdtype(x.dtype, np.integer) for x, _ in points.values()):
            one.locator_params("x", integer=True, min_n_ticks=1)
        named_lines(one, {name: (x, np.clip(y, *limits) if limits != (None, None) else y)
                          for name, (x, y) in points.items()}, limits, dashed)
        said += [f"{f'{head}, ' if head else ''}{name}: {number(y[0])} first, {number(y[-1])} last"
                 for name, (_, y) in points.items()]
    describe(figure, title, *said)
    return figure


def as_line(line: Any) -> tuple[Array, Array]:
    """Return x and y of a line, which is (x, y) or y alone."""
    x, y = line if isinstance(line, tuple) else (np.arange(1, len(line) + 1), line)
    x, y = np.asarray(x), np.asarray(y, np.float64)
    if x.shape != y.shape or y.ndim != 1 or not len(y):
        raise ValueError(f"expected a line (x, y) of equally many numbers, at least one, got shapes {x.shape} and "
                         f"{y.shape}")
    return x, y


def bar_chart(groups: Mapping[str, Mapping[str, Any]], title: str | None = None, ylabel: str = "",
              limits: tuple[float | None, float | None] = (0, None), values: str = ".3f") -> Figure:
    """Draw bars in groups, each with its number; several values (one per seed) are a bar of their mean with dots.

    Parameters
    ----------
    groups : {group: {name: number or numbers}}
        The names are the legend's, each with a color of its own.
    title : str, optional
        Headline.
    ylabel : str
    limits : low, high
        Of the vertical axis.
    values : str
        How to write the numbers.
    """
    names = list(dict.fromkeys(name for bars in groups.values() for name in bars))
    if not names:
        raise ValueError("bar_chart: expected at least one bar, got none")
    figure, (axes,) = subplots(max(420, 60 + 62 * len(names) * len(groups)), 320, title=title)
    axes.set_title(ylabel, loc="left", fontsize=TEXT, color=INK, pad=14)
    width, said = 0.8 / len(names), []
    for k, (group, bars) in enumerate(groups.items()):
        for m, name in enumerate(names):
            if name not in bars:
                continue
            found = np.atleast_1d(np.asarray(bars[name], np.float64))               # one value, or one per seed
            x = k + (m - (len(names) - 1) / 2) * width
            bar = axes.bar([x], [found.mean()], 0.86 * width, color=LINE_COLORS[m % len(LINE_COLORS)], alpha=0.85)
            if len(found) > 1:
                axes.plot(x + np.linspace(-0.2, 0.2, len(found)) * width, found, "o", color=INK, markersize=3)
                axes.annotate(f"{found.mean():{values}}", (x, max(0.0, found.max())), (0, 5), fontsize=SMALL, color=INK,
                              textcoords="offset points", ha="center", annotation_clip=False)      # above its dots
            else:
                axes.bar_label(bar, [f"{found.mean():{values}}"], padding=4, fontsize=SMALL, color=INK)
            said.append(f"{group}, {name}: {found.mean():{values}}")
    axes.set_xticks(range(len(groups)), list(groups), fontsize=TEXT, color=INK)
    axes.set_ylim(*limits)
    if len(names) > 1:
        figure.legend(handles=patches(names, LINE_COLORS), loc="outside lower left", ncols=len(names),
                      **LEGEND | {"borderaxespad": 0.8})
    describe(figure, title, *said)
    return figure


def array_sheet(rows: Sequence[Mapping[str, Any]], title: str | None = None, numbers: str | None = ".1f",
                side: int = 132, limits: Mapping[str, tuple[float, float]] | None = None,
                colormap: str | None = None) -> Figure:
    """Draw small arrays (H, W) as colored squares with their numbers, in rows, each under its name.

    Parameters
    ----------
    rows : [{name: (H, W)}, ...]
        A name may be "": the array stands without one.
    title : str, optional
        Headline.
    numbers : str, optional
        How to write the numbers into the squares; None, or squares of less than 18 figure pixels: none are written.
    side : int
        Figure pixels of the longer side of each array.
    limits : {name: (low, high)}, optional
        Of the colors; otherwise arrays with negative numbers have colors that are symmetric about 0 (blue below, red
        above), and others go from white for 0 to dark for the largest.
    colormap : str, optional
        matplotlib's name, for all arrays.
    """
    if not rows or not all(rows):
        raise ValueError("array_sheet: expected at least one array in each row, got none")
    sheets = [{name: np.asarray(values) for name, values in row.items()} for row in rows]
    if any(values.ndim != 2 for row in sheets for values in row.values()):
        raise ValueError("array_sheet: expected arrays of shape (H, W), got " + ", ".join(
            f"{name!r} {values.shape}" for row in sheets for name, values in row.items() if values.ndim != 2))
    cells = [[side / max(values.shape) for values in row.values()] for row in sheets]
    widths = [[max(values.shape[1] * cell, text_width(name, TEXT)) + 22
               for cell, (name, values) in zip(sizes, row.items())] for sizes, row in zip(cells, sheets)]
    tall = [max(values.shape[0] * cell for cell, values in zip(sizes, row.values())) + 34
            for sizes, row in zip(cells, sheets)]
    width = max(*(sum(row) for row in widths), text_width(title or "", TEXT + 1.5, "bold")) + 2 * MARGIN
    figure = blank(width, sum(tall) + (34 if title else 10) + MARGIN, title)
    top = 34.0 + 22 if title else 32.0
    for row, sizes, wides, height in zip(sheets, cells, widths, tall):
        left = float(MARGIN)
        for (name, values), cell, wide in zip(row.items(), sizes, wides):
            colors, low, high = value_colors(values)
            draw_grid(figure, left, top, values, cell, name, colormap or colors, (limits or {}).get(name, (low, high)),
                      numbers if cell >= 18 else None)
            left += wide
        top += height
    describe(figure, title, ", ".join(name for row in sheets for name in row if name))
    return figure


def value_colors(values: Array) -> tuple[str, float, float]:
    """Return a colormap and its limits: symmetric about 0 if some values are negative, else from 0 on."""
    reach = float(np.abs(values).max()) or 1.0
    return ("RdBu_r", -1.25 * reach, 1.25 * reach) if (values < 0).any() else ("Greys", 0.0, 1.4 * reach)


def image_rows(rows: Mapping[str, Any], heads: Sequence[str] = (), title: str | None = None, cell: int = 120,
               captions: Mapping[str, Sequence[str]] | None = None, colors: Mapping[str, str] | None = None,
               limits: Mapping[str, tuple[float, float]] | None = None) -> Figure:
    """Show images and maps in rows, each row under one another and named at its left.

    Parameters
    ----------
    rows : {name: images}
        (n, 3, H, W) images; (n, H, W) integers, which are label maps; or (n, H, W) floats, maps of values. All rows
        have the same n and the same H, W.
    heads : n strings, optional
        Above the columns.
    title : str, optional
        Headline.
    cell : int
        Wanted width of an image, as in `ImageGrid`.
    captions : {name: n strings}, optional
        Above each image of that row.
    colors : {name: colormap}, optional
        Of maps of values; otherwise "magma", or "RdBu_r" (blue below 0, red above) if some are negative.
    limits : {name: (low, high)}, optional
        Values of the first and the last color; otherwise those of the row.
    """
    arrays = {name: np.asarray(images) for name, images in rows.items()}
    sizes = {(len(images), *images.shape[-2:]) for images in arrays.values()}
    if len(sizes) != 1:
        raise ValueError("image_rows: expected rows of as many images of one size, got "
                         + ", ".join(f"{name!r} {images.shape}" for name, images in arrays.items()))
    (n, H, W), = sizes
    for name, texts in (captions or {}).items():
        counted("image_rows", f"captions for {name!r}", texts, n)
    grid = ImageGrid(len(arrays) * n, [GAP] * n, (H, W), cell, title, heads, captions is not None, names=list(arrays))
    for r, (name, images) in enumerate(arrays.items()):
        options: dict[str, Any] = {}
        if images.ndim == 3 and not np.issubdtype(images.dtype, np.integer):
            reach = max(abs(float(images.min())), abs(float(images.max()))) or 1.0
            low, high = (-reach, reach) if images.min() < 0 else (0.0, reach)
            low, high = (limits or {}).get(name, (low, high))
            options = {"cmap": (colors or {}).get(name, "RdBu_r" if low < 0 else "magma"), "vmin": low, "vmax": high}
        for k, image in enumerate(images):
            grid.show(r * n + k, image, captions[name][k] if captions and name in captions else "", **options)
    describe(grid.figure, title, f"Rows: {', '.join(arrays)}", f"Columns: {', '.join(heads)}" if heads else "")
    return grid.figure
