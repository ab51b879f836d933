"""Boxes drawn over images: the true ones dashed in white, those found in the color of their kind."""
from collections.abc import Sequence
from typing import Any

from minidl.plotting.canvas import INK, TEXT, counted
from minidl.plotting.pictures import GAP, ImageGrid, checked_images
from minidl.tasks.detection.boxes import as_boxes

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from matplotlib.patheffects import withStroke

TRUE_COLOR = "#FFFFFF"
KIND_COLORS = ("#FFA62B", "#5CE1FF", "#C6F068")  # bright: images are mostly darker
HALO = [withStroke(linewidth=3, foreground=INK)]  # so that a line stands out on anything


def boxes_on_images(images: Any, truths: Sequence[Any] | None, found: Sequence[Any] | None = None,
                    kinds: Sequence[Any] | None = None, labels: Sequence[Sequence[str]] | None = None,
                    kind_names: Sequence[str] = ("prediction",), true_name: str = "truth",
                    notes: Sequence[str] | None = None, columns: int = 4, title: str | None = None,
                    cell: int = 192) -> Figure:
    """Show images with their true boxes, and the boxes found in them (or either of the two).

    Parameters
    ----------
    images : (N, 3, H, W)
        uint8, or floats in [0, 1].
    truths : for each image, (n, 4), or None
        x0, y0, x1, y1 in pixels.
    found : for each image, (m, 4), optional
    kinds : for each image, m integers, optional
        Which of the `kind_names` each found box is (default: the first).
    labels : for each image, m strings, optional
        Written at each found box.
    kind_names : up to three strings
        For the legend.
    true_name : str
        What the legend calls the dashed boxes.
    notes : N strings, optional
        Written above each image.
    columns : int
    title : str, optional
    cell : int
        Wanted width of an image, as in `ImageGrid`.
    """
    images = checked_images(images, "boxes_on_images")
    N, _, H, W = images.shape
    for what, values in (("arrays of true boxes", truths), ("arrays of found boxes", found), ("arrays of kinds", kinds),
                         ("lists of labels", labels), ("notes", notes)):
        counted("boxes_on_images", what, values, N)
    if not 1 <= len(kind_names) <= len(KIND_COLORS):
        raise ValueError(f"boxes_on_images: expected 1 to {len(KIND_COLORS)} kinds, got {tuple(kind_names)}")
    entries = {true_name: TRUE_COLOR} if truths is not None else {}
    entries |= dict(zip(kind_names, KIND_COLORS)) if found is not None else {}
    grid = ImageGrid(N, [GAP] * columns, (H, W), cell, title, captions=notes is not None, entries=entries)
    for n in range(N):
        axes = grid.show(n, images[n], notes[n] if notes is not None else "", extent=(0, W, H, 0))
        for box in as_boxes(truths[n], "boxes_on_images") if truths is not None else ():
            outline(axes, box, TRUE_COLOR, "--")
        for k, box in enumerate(as_boxes(found[n], "boxes_on_images") if found is not None else ()):
            color = KIND_COLORS[int(kinds[n][k]) if kinds is not None else 0]
            outline(axes, box, color, "-")
            if labels is not None:
                # Just above the box, or inside it where there is no room above.
                room = box[1] * grid.height / H >= 12
                axes.annotate(labels[n][k], (box[0], box[1]), (1, 2 if room else -2), textcoords="offset points",
                              va="bottom" if room else "top", fontsize=TEXT - 1.5, color=INK, parse_math=False,
                              bbox={"boxstyle": "square,pad=0.15", "facecolor": color, "edgecolor": "none",
                                    "alpha": 0.85})
        axes.set(xlim=(0, W), ylim=(H, 0))
    return grid.figure


def outline(axes: Axes, box: Any, color: str, style: str) -> None:
    """Draw a box with a dark halo; at the edge of the image, half of its line is cut off."""
    x0, y0, x1, y1 = (float(edge) for edge in box)
    axes.add_patch(Rectangle((x0, y0), x1 - x0, y1 - y0, fill=False, edgecolor=color, linewidth=1.6, linestyle=style,
                             path_effects=HALO))
