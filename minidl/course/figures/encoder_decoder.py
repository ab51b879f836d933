"""What a network makes of one image, block by block: maps of several sizes side by side."""
from collections.abc import Mapping
from typing import Any

import numpy as np

from minidl.plotting.canvas import (
    INK, MARGIN, QUIET, SMALL, TEXT, blank, describe, place, text_width, whole_multiple, write,
)
from minidl.plotting.pictures import colorize, shown

from matplotlib.figure import Figure

WIDEST, NARROWEST, LESS = 128, 32, 19     # wanted figure pixels of the largest maps, of the least, and per halving
GAP, LINE = 16, 15                        # between columns, and from a line of text to the next


def maps_figure(columns: Mapping[str, tuple[tuple[int, ...], Mapping[str, Any]]], title: str | None = None) -> Figure:
    """Draw columns of images and maps, the maps of each column as large as its resolution asks for.

    Parameters
    ----------
    columns : {head: (shape, {name: image})}
        The head is written above a column, each name above its image, and the shape below them, with the number of
        values that it holds. An image is (3, H, W); a label map (H, W) of integers; a map (H, W) of floats, drawn from
        dark for its smallest value to bright for its largest one. The columns have equally many, of one size each.
    title : str, optional
        Headline.
    """
    counts = {len(images) for _, images in columns.values()}
    if len(counts) != 1 or not min(counts):
        raise ValueError("maps_figure: expected columns of equally many images, at least one, got "
                         + (", ".join(f"{head!r} {len(images)}" for head, (_, images) in columns.items()) or "none"))
    rows, = counts
    arrays = {head: (shape, {name: np.asarray(image) for name, image in images.items()})
              for head, (shape, images) in columns.items()}
    sides = [next(iter(images.values())).shape[-1] for _, images in arrays.values()]
    widths = [whole_multiple(side, max(NARROWEST, round(WIDEST - LESS * np.log2(max(sides) / side)))) for side in sides]
    texts = {head: [head, *images, written(shape), f"{np.prod(shape):,}"] for head, (shape, images) in arrays.items()}
    wides = [max(width, *(text_width(text, SMALL) for text in texts[head])) for head, width in zip(texts, widths)]
    top, row = MARGIN + (34 if title else 0) + LINE, max(widths) + LINE + 8
    figure = blank(sum(wides) + GAP * (len(wides) - 1) + 2 * MARGIN, top + rows * row + 2 * LINE + MARGIN, title)
    left = float(MARGIN)
    for (head, (shape, images)), width, wide in zip(arrays.items(), widths, wides):
        middle = left + wide / 2
        write(figure, middle, top - 12, head, TEXT, wide + GAP, ha="center", weight="bold")
        for k, (name, image) in enumerate(images.items()):
            upper = top + k * row + LINE + (max(widths) - width) / 2
            write(figure, middle, upper - 8, name, SMALL, wide + GAP, ha="center", color=QUIET)
            axes = place(figure, round(middle - width / 2), round(upper), width, width)
            axes.set_axis_off()
            if image.ndim == 3:
                axes.imshow(shown(image), interpolation="nearest")
            elif np.issubdtype(image.dtype, np.integer):
                axes.imshow(colorize(image), interpolation="nearest")
            else:
                axes.imshow(image, "magma", interpolation="nearest")
        write(figure, middle, top + rows * row + 6, written(shape), SMALL, wide + GAP, ha="center", color=INK)
        write(figure, middle, top + rows * row + 6 + LINE, f"{np.prod(shape):,}", SMALL, wide + GAP, ha="center",
              color=QUIET)
        left += wide + GAP
    describe(figure, title, "; ".join(f"{head}, {written(shape)}: {', '.join(images)}"
                                      for head, (shape, images) in arrays.items()))
    return figure


def written(shape: tuple[int, ...]) -> str:
    """Return a shape without spaces, such as "(64,8,8)"."""
    return str(tuple(int(size) for size in shape)).replace(" ", "")
