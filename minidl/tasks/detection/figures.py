"""Boxes drawn over images, the true ones dashed in white, those found in the color of their kind; and their scores."""
from collections.abc import Mapping, Sequence
from itertools import cycle
from typing import Any

import numpy as np

from minidl.plotting.canvas import INK, LINE_COLORS, QUIET, SMALL, TEXT, counted, describe, subplots
from minidl.plotting.pictures import GAP, ImageGrid, checked_images
from minidl.tasks.detection.average_precision import PrecisionRecall
from minidl.tasks.detection.boxes import as_boxes, decode, iou_pairs
from minidl.tasks.detection.single_shot import SCALE, Detections, Grid
from minidl.types import Array

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from matplotlib.patheffects import withStroke

Boxes = Sequence[Any] | Array  # for each image, (n, 4)
TRUE_COLOR = "#FFFFFF"
KIND_COLORS = ("#FFA62B", "#5CE1FF", "#C6F068")  # bright: images are mostly darker
HALO = [withStroke(linewidth=3, foreground=INK)]  # so that a line stands out on anything


def boxes_on_images(images: Any, truths: Boxes | None, found: Boxes | None = None,
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
    lists: dict[str, Any] = {"arrays of true boxes": truths, "arrays of found boxes": found, "arrays of kinds": kinds,
                             "lists of labels": labels, "notes": notes}
    for what, values in lists.items():
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
    counts = {true_name: truths, " or ".join(kind_names): found}
    describe(grid.figure, title, f"{N} images" if N > 1 else "", *(
        f"{name}: {sum(map(len, boxes))} boxes" for name, boxes in counts.items() if boxes is not None),
        ", ".join(notes or ()))
    return grid.figure


def detections_on_images(images: Any, truths: Boxes | None, found: Sequence[Detections],
                         kind_names: Sequence[str], labels: bool = True, **options: Any) -> Figure:
    """Show images with their true boxes and the detections in them, with species and score (or without `labels`).

    The options are those of `boxes_on_images`.
    """
    texts = [[f"{kind_names[kind]} {score:.2f}" for kind, score in zip(d.species, d.scores)] for d in found]
    return boxes_on_images(images, truths, [d.boxes for d in found], [d.species for d in found],
                           texts if labels else None, kind_names, **options)


def worst_to_best(images: Any, truths: Any, found: Any, columns: int = 4, title: str | None = None) -> Figure:
    """Show images with one true and one found box each, by their IoU: a row of the worst, the middle, the best.

    Parameters
    ----------
    images : (N, 3, H, W)
        If there are fewer than three rows of them, all are shown.
    truths, found : (N, 4)
    columns : int
    title : str, optional
        Headline.
    """
    overlaps = iou_pairs(truths, found)                                    # (N,)
    order, N = np.argsort(overlaps, kind="stable"), len(overlaps)
    middle = (N - columns) // 2
    if N >= 3 * columns:
        order = np.concatenate([order[:columns], order[middle:middle + columns], order[N - columns:]])
    return boxes_on_images(images[order], np.asarray(truths)[order, None], np.asarray(found)[order, None],
                           notes=[f"IoU {overlap:.2f}" for overlap in overlaps[order]], columns=columns, title=title)


def responsible_cells(image: Any, grid: Grid, target: Any, kind_names: Sequence[str] = ("prediction",),
                      title: str | None = None, cell: int = 384) -> Figure:
    """Show an image under its grid: the cells that must answer, their anchors, and the boxes that they should answer.

    Parameters
    ----------
    image : (3, S, S)
    grid : Grid
    target : (6, G, G)
        As from `Grid.targets`.
    kind_names : strings
        Of the species.
    title : str, optional
        Headline.
    cell : int
        Wanted width of the image, as in `ImageGrid`.
    """
    rows, columns = np.nonzero(target[0])
    anchors = grid.anchors(rows, columns)                                  # (n, 4)
    boxes = decode(target[1:5, rows, columns].T, anchors, SCALE)           # (n, 4)
    figure = boxes_on_images(image[None], [anchors], [boxes], [target[5, rows, columns].astype(int)],
                             kind_names=kind_names, true_name="anchor", title=title, cell=cell)
    axes, stride = figure.axes[0], grid.stride
    for line in range(0, grid.size, stride):
        axes.axhline(line, color="white", linewidth=0.5, alpha=0.5)
        axes.axvline(line, color="white", linewidth=0.5, alpha=0.5)
    for row, column in zip(rows, columns):
        axes.add_patch(Rectangle((column * stride, row * stride), stride, stride, fill=False, edgecolor="white",
                                 linewidth=2, path_effects=HALO))
    describe(figure, title, f"{grid.cells} x {grid.cells} cells; those in row, column "
             + " and ".join(f"{row}, {column}" for row, column in zip(rows, columns))
             + " are marked, with their anchors, dashed squares, and the boxes that they should answer")
    return figure


def precision_recall_figure(curves: Mapping[str, PrecisionRecall], threshold: float | None = None,
                            title: str | None = None) -> Figure:
    """Draw precision over recall: thin as measured, thick as average precision takes it, the best at a recall or above.

    Parameters
    ----------
    curves : {name: PrecisionRecall}
        The legend has the average precision of each.
    threshold : float, optional
        Of the score, marked by a dot on each curve.
    title : str, optional
        Headline.
    """
    figure, (axes,) = subplots(560, 400, title=title)
    axes.set(xlim=(0, 1), ylim=(0, 1.02))
    axes.set_title("precision: share of the accepted boxes that are right", loc="left", fontsize=TEXT, color=INK)
    axes.set_xlabel("recall: share of the true boxes that are found", fontsize=SMALL, color=QUIET)
    for color, (name, curve) in zip(cycle(LINE_COLORS), curves.items()):
        label = f"{name}: AP {curve.average_precision:.2f}" if curve.truths else f"{name}: none"
        best = np.maximum.accumulate(curve.precision[::-1])[::-1]          # (n,) at this threshold or any lower one
        axes.step(np.append(0, curve.recall), np.append(best[:1] if len(best) else 0.0, best), where="pre",
                  color=color, linewidth=1.8, label=label)
        axes.plot(curve.recall, curve.precision, color=color, linewidth=0.8, alpha=0.5)
        accepted = curve.thresholds >= (np.inf if threshold is None else threshold)
        if accepted.any():
            axes.plot(curve.recall[accepted][-1], curve.precision[accepted][-1], "o", color=color, markersize=6)
    axes.legend(loc="lower left", frameon=False, fontsize=TEXT, labelcolor=INK)
    describe(figure, title, "Precision over recall", *(f"{name}: AP {curve.average_precision:.2f}"
                                                       for name, curve in curves.items() if curve.truths))
    return figure


def outline(axes: Axes, box: Any, color: str, style: str) -> None:
    """Draw a box with a dark halo; at the edge of the image, half of its line is cut off."""
    x0, y0, x1, y1 = (float(edge) for edge in box)
    axes.add_patch(Rectangle((x0, y0), x1 - x0, y1 - y0, fill=False, edgecolor=color, linewidth=1.6, linestyle=style,
                             path_effects=HALO))
