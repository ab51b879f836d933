"""The ladder: what each lesson's model makes of the same held-out pictures, as one figure and one table."""
from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from minidl.datasets.pets import CLASSES
from minidl.plotting.canvas import (
    INK, LINE_COLORS, MARGIN, QUIET, SMALL, TEXT, TITLE, blank, describe, draw_legend, legend_lines, place, quiet,
    text_width, whole_multiple, write,
)
from minidl.plotting.pictures import CLASS_COLORS, colorize, prediction_grid, shown
from minidl.plotting.scores import class_score
from minidl.tasks.segmentation.experiment import Result
from minidl.types import Array

# The rungs by the number of their lesson.
LADDER = {"07": "K-means", "09": "1 × 1", "10": "5 × 5", "11": "9 × 9", "12": "reshape", "13": "FCN-8s",
          "15": "encoder–decoder", "17": "U-Net"}
BARS = {"mean IoU": "mean_iou", "border IoU": "iou_border"}
GAP, BETWEEN, PLOT = 4, 16, 150      # pixels between pictures, between truth and predictions, and height of the bars


def missing_rungs(rungs: Sequence[Result]) -> list[str]:
    """Return what is not on the ladder yet, each with the lesson to run: ["U-Net (lesson 17)"]."""
    there = {rung.lesson[:2] for rung in rungs}
    return [f"{name} (lesson {number})" for number, name in LADDER.items() if number not in there]


def rungs_text(rungs: Sequence[Result]) -> str:
    """Return the rungs' facts and scores as lines of text, in the order of their lessons.

    Raises
    ------
    ValueError
        If there are no rungs.
    """
    lines = [f"{'model':<18} {'parameters':>10} {'sees':>5} {'mean IoU':>9} "
             + "".join(f"{name:>11}" for name in CLASSES) + f" {'seconds':>8}"]
    for rung in ordered(rungs, "rungs_text"):
        values = [class_score(rung.scores, name) for name in ("mean_iou", *CLASSES)]
        mean, *classes = ("–" if value is None else f"{value:.3f}" for value in values)
        lines.append(f"{rung.name:<18} {rung.parameters:>10,} {rung.receptive_field:>5} {mean:>9} "
                     + "".join(f"{value:>11}" for value in classes) + f" {rung.seconds:>8.1f}")
    return "\n".join(lines)


def rungs_figure(rungs: Sequence[Result], images: Any, labels: Any, title: str, rows: int = 6) -> Figure:
    """Draw what rungs make of the first held-out pictures, side by side, each with its share of right pixels.

    Parameters
    ----------
    rungs : one or more Result
    images, labels : (n, 3, H, W), (n, H, W)
        The held-out pictures that the rungs' predictions belong to, from the first one on.
    title : str
        Headline.
    rows : int
        How many of the pictures to draw.
    """
    rungs = ordered(rungs, "rungs_figure")
    rows = min(rows, len(images), *(len(rung.predictions) for rung in rungs))
    predictions = {rung.name: rung.predictions[:rows] for rung in rungs}
    notes = {name: [f"{np.mean(truth == guess):.0%} right" for truth, guess in zip(labels, maps)]
             for name, maps in predictions.items()}
    return prediction_grid(images[:rows], labels[:rows], predictions, notes=notes, title=title,
                           columns=2 if len(rungs) <= 3 else 1, cell=136 if len(rungs) <= 2 else 100)


def ladder_table(rungs: Sequence[Result]) -> str:
    """Return the rungs as a Markdown table, in the order of their lessons; below it, which lessons are missing.

    Parameters
    ----------
    rungs : one or more Result
        A score that a rung lacks (the IoU of a class that occurs nowhere) becomes a dash.

    Raises
    ------
    ValueError
        If there are no rungs.
    """
    heads = ["model", "lesson", "mean IoU", *CLASSES, "parameters", "sees (pixels)", "training (s)"]
    lines = [heads, ["---"] * 2 + ["---:"] * (len(heads) - 2)]
    for rung in ordered(rungs, "ladder_table"):
        scores = [class_score(rung.scores, name) for name in ("mean_iou", *CLASSES)]
        side = rung.receptive_field
        lines.append([rung.name, rung.lesson[:2], *("–" if value is None else f"{value:.3f}" for value in scores),
                      f"{rung.parameters:,}", f"{side} × {side}", f"{rung.seconds:.0f}"])
    table = "\n".join(f"| {' | '.join(line)} |" for line in lines) + "\n"
    missing = missing_rungs(rungs)
    return table + (f"\nNot run yet: {', '.join(missing)}.\n" if missing else "")


def ladder_figure(rungs: Sequence[Result], images: Any, labels: Any, title: str | None = None, rows: int = 4,
                  cell: int = 128) -> Figure:
    """Draw the ladder: a column for each rung, with its predictions, and below them its scores as bars.

    Parameters
    ----------
    rungs : one or more Result
        Drawn in the order of their lessons.
    images : (n, 3, H, W)
        The held-out pictures that the rungs' predictions belong to, from the first one on; uint8, or floats in [0, 1].
    labels : (n, H, W) integers
        Their true classes.
    title : str, optional
        Headline.
    rows : int
        How many of the pictures to draw.
    cell : int
        Wanted width of one picture in figure pixels, rounded as in `plotting.prediction_grid`.

    Raises
    ------
    ValueError
        If there are no rungs, or shapes do not match.
    """
    rungs = ordered(rungs, "ladder_figure")
    images, labels = np.asarray(images), np.asarray(labels)
    _check(rungs, images, labels, rows)
    rows = min(rows, len(images))
    _, _, H, W = images.shape
    width = whole_multiple(W, cell)                       # of one picture, in figure pixels
    height = max(1, round(H * width / W))
    lefts = [MARGIN + k * (width + GAP) + (BETWEEN if k > 1 else 0) for k in range(2 + len(rungs))]
    right = lefts[-1] + width
    classes, bars = legend_lines(CLASSES, 2 * width + GAP), legend_lines(list(BARS), 2 * width + GAP)
    missing = missing_rungs(rungs)
    top = MARGIN + (30 if title else 0) + 52              # of the first row of pictures
    below = top + rows * (height + GAP) + 14              # of the bars
    figure = blank(right + MARGIN, below + PLOT + 8 + (18 if missing else 0) + MARGIN)
    if title:
        write(figure, MARGIN, MARGIN + 8, title, TITLE + 2, right - MARGIN, weight="bold")

    heads: list[list[str]] = [["picture"], ["truth"]]
    for rung in rungs:
        side = rung.receptive_field
        sees = "all pixels" if side >= max(H, W) else f"{side} × {side} pixels"
        heads.append([rung.name, f"lesson {rung.lesson[:2]}", f"sees {sees}"])
    for left, (name, *notes) in zip(lefts, heads):
        write(figure, left + width / 2, top - 12 - 14 * len(notes), name, TEXT + 1, width, ha="center", weight="bold")
        for k, note in enumerate(reversed(notes)):
            write(figure, left + width / 2, top - 10 - 14 * k, note, SMALL, width, ha="center", color=QUIET)
    for row in range(rows):
        y = top + row * (height + GAP)
        cells = [shown(images[row], "ladder_figure"), colorize(labels[row])]
        for k, picture in enumerate([*cells, *(colorize(rung.predictions[row]) for rung in rungs)]):
            axes = place(figure, lefts[k], y, width, height)
            # Enlarged pixels stay squares; a picture made smaller is averaged, classes cannot be.
            axes.imshow(picture, interpolation="nearest" if k or width >= W else "antialiased", aspect="auto")
            axes.set_axis_off()
    _draw_bars(figure, rungs, lefts[2:], below, width)
    draw_legend(figure, classes, MARGIN, below, CLASS_COLORS)
    draw_legend(figure, bars, MARGIN, below + 20 * len(classes) + 10, LINE_COLORS)
    if missing:
        write(figure, MARGIN, below + PLOT + 18, f"Not run yet: {', '.join(missing)}", SMALL, right - MARGIN,
              color=QUIET)
    describe(figure, title, *("; ".join([f"{rung.name}, lesson {rung.lesson[:2]}", *(
        f"{name} {rung.scores[key]:.3f}" for name, key in BARS.items() if rung.scores.get(key) is not None)])
        for rung in rungs))
    return figure


def ordered(rungs: Sequence[Result], caller: str) -> list[Result]:
    """Return the rungs in the order of their lessons, after checking that there are any."""
    if not rungs:
        raise ValueError(f"{caller}: expected at least one rung, got none; run some of the lessons first: "
                         f"{', '.join(missing_rungs(rungs))}")
    return sorted(rungs, key=lambda rung: rung.lesson)


def _check(rungs: Sequence[Result], images: Array, labels: Array, rows: int) -> None:
    if images.ndim != 4 or images.shape[1] != 3 or not images.size:
        raise ValueError(f"ladder_figure: expected images of shape (n, 3, H, W), got {images.shape}")
    if rows < 1:
        raise ValueError(f"ladder_figure: expected rows >= 1, got {rows}")
    rows = min(rows, len(images))
    for what, classes in [("labels", labels), *((f"predictions of {rung.name!r}", rung.predictions) for rung in rungs)]:
        if classes.ndim != 3 or len(classes) < rows or classes.shape[1:] != images.shape[2:]:
            raise ValueError(f"ladder_figure: expected {what} of shape (n, H, W) with n >= {rows} and "
                             f"{images.shape[2:]} pixels, got {classes.shape}")
    for rung in rungs:
        if class_score(rung.scores, "mean_iou") is None:
            raise ValueError(f"ladder_figure: expected a score 'mean_iou' of {rung.name!r}, got {list(rung.scores)}")


def _draw_bars(figure: Figure, rungs: Sequence[Result], lefts: Sequence[float], top: float, width: int) -> None:
    """Draw each rung's scores below its column, on one scale from 0 to 1."""
    first, total = lefts[0], lefts[-1] + width - lefts[0]
    axes = place(figure, first, top, total, PLOT)
    quiet(axes)
    axes.set_xlim(0, total)
    axes.set_ylim(0, 1)
    axes.set_xticks([])
    axes.set_yticks([0, 0.5, 1], ["0", "0.5", "1"])
    bar = min(48, width // 3)
    roomy = text_width("0.000", SMALL) <= bar + 4
    for left, rung in zip(lefts, rungs):
        for k, key in enumerate(BARS.values()):
            value = class_score(rung.scores, key)
            x = left - first + width / 2 + (k - 0.5) * (bar + 4)
            axes.bar(x, value or 0, bar, color=LINE_COLORS[k])
            text = "–" if value is None else f"{value:.3f}" if roomy else f"{value:.2f}"
            axes.annotate(text, (x, value or 0), (0, 3), ha="center", va="bottom", textcoords="offset points",
                          fontsize=SMALL, color=INK, annotation_clip=False)
