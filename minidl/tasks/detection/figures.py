"""Boxes drawn over pictures: the true ones dashed in white, those found in the color of their kind."""
import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from matplotlib.patheffects import withStroke

from minidl.plotting.canvas import (
    INK, MARGIN, QUIET, SMALL, TEXT, TITLE, blank, counted, draw_legend, legend_lines, place, whole_multiple, write,
)
from minidl.plotting.pictures import shown
from minidl.tasks.detection.boxes import as_boxes

TRUE_COLOR = "#FFFFFF"
KIND_COLORS = ("#FFA62B", "#5CE1FF", "#C6F068")  # bright: pictures are mostly darker
HALO = [withStroke(linewidth=3, foreground=INK)]  # so that a line is seen on anything


def boxes_on_pictures(images: Any, truths: Sequence[Any] | None, found: Sequence[Any] | None = None,
                      kinds: Sequence[Any] | None = None, labels: Sequence[Sequence[str]] | None = None,
                      kind_names: Sequence[str] = ("prediction",), true_name: str = "truth",
                      notes: Sequence[str] | None = None, columns: int = 4, title: str | None = None,
                      cell: int = 192) -> Figure:
    """Show pictures with their true boxes, and the boxes found in them (or either of the two).

    Parameters
    ----------
    images : (N, 3, H, W)
        uint8, or floats in [0, 1].
    truths : for each picture, (n, 4), or None
        x0, y0, x1, y1 in pixels.
    found : for each picture, (m, 4), optional
    kinds : for each picture, m integers, optional
        Which of the `kind_names` each found box is (default: the first).
    labels : for each picture, m strings, optional
        Written at each found box.
    kind_names : up to three strings
        For the legend.
    true_name : str
        What the legend calls the dashed boxes.
    notes : N strings, optional
        Written above each picture.
    columns : int
    title : str, optional
    cell : int
        Wanted width of one picture in figure pixels, rounded as in `plotting.prediction_grid`.
    """
    images = np.asarray(images)
    if images.ndim != 4 or images.shape[1] != 3 or not images.size:
        raise ValueError(f"boxes_on_pictures: expected images of shape (N, 3, H, W), got {images.shape}")
    N, _, H, W = images.shape
    for what, values in (("arrays of true boxes", truths), ("arrays of found boxes", found), ("arrays of kinds", kinds),
                         ("lists of labels", labels), ("notes", notes)):
        counted("boxes_on_pictures", what, values, N)
    if columns < 1 or not 1 <= len(kind_names) <= len(KIND_COLORS):
        raise ValueError(f"boxes_on_pictures: expected columns >= 1 and 1 to {len(KIND_COLORS)} kinds, "
                         f"got {columns} and {tuple(kind_names)}")
    width = whole_multiple(W, cell)                       # of one picture, in figure pixels
    height = max(1, round(H * width / W))
    columns, gap, caption = min(columns, N), 6, 0 if notes is None else 16
    inner = columns * (width + gap) - gap
    names = {true_name: TRUE_COLOR} if truths is not None else {}
    names |= dict(zip(kind_names, KIND_COLORS)) if found is not None else {}
    legend = legend_lines(list(names), inner)
    top = MARGIN + (28 if title else 0)
    row = caption + height + gap
    below = top + math.ceil(N / columns) * row + 2
    figure = blank(inner + 2 * MARGIN, below + 20 * len(legend) + MARGIN - 6)
    if title:
        write(figure, MARGIN, MARGIN + 8, title, TITLE, inner, weight="bold")
    for n in range(N):
        left, y = MARGIN + n % columns * (width + gap), top + n // columns * row
        if notes is not None:
            write(figure, left + width / 2, y + 8, notes[n], SMALL, width, ha="center", color=QUIET)
        axes = place(figure, left, y + caption, width, height)
        axes.imshow(shown(images[n], "boxes_on_pictures"), extent=(0, W, H, 0), aspect="auto",
                    interpolation="nearest" if width >= W else "antialiased")
        axes.set_axis_off()
        for box in as_boxes(truths[n], "boxes_on_pictures") if truths is not None else ():
            _outline(axes, box, TRUE_COLOR, "--")
        for k, box in enumerate(as_boxes(found[n], "boxes_on_pictures") if found is not None else ()):
            color = KIND_COLORS[int(kinds[n][k]) if kinds is not None else 0]
            _outline(axes, box, color, "-")
            if labels is not None:
                # Just above the box, or inside it where there is no room above.
                room = box[1] * height / H >= 12
                axes.annotate(labels[n][k], (box[0], box[1]), (1, 2 if room else -2), textcoords="offset points",
                              va="bottom" if room else "top", fontsize=TEXT - 1.5, color=INK, parse_math=False,
                              bbox={"boxstyle": "square,pad=0.15", "facecolor": color, "edgecolor": "none",
                                    "alpha": 0.85})
        axes.set(xlim=(0, W), ylim=(H, 0))
    draw_legend(figure, legend, MARGIN, below, list(names.values()))
    return figure


def _outline(axes: Axes, box: Any, color: str, style: str) -> None:
    """Draw a box with a dark halo; at the edge of the picture, half of its line is seen."""
    x0, y0, x1, y1 = (float(edge) for edge in box)
    axes.add_patch(Rectangle((x0, y0), x1 - x0, y1 - y0, fill=False, edgecolor=color, linewidth=1.6, linestyle=style,
                             path_effects=HALO))
