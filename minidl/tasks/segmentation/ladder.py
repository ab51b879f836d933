"""The ladder: what each lesson's model makes of the same held-out images, as figures and tables."""
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from minidl.datasets.pets import CLASSES
from minidl.plotting import CLASS_COLORS, bar_chart, prediction_grid
from minidl.plotting.canvas import (
    INK, LINE_COLORS, MARGIN, QUIET, SMALL, describe, legend, place, quiet, write,
)
from minidl.plotting.pictures import GAP, ImageGrid, checked_images
from minidl.runtime.format import number, table
from minidl.tasks.segmentation.experiment import Result

from matplotlib.figure import Figure

# The models by the number of their lesson; "12b" is the second one of lesson 12.
LADDER = {"08": "K-means", "10": "1 × 1", "11": "5 × 5", "12": "9 × 9", "12b": "six 3 × 3", "13": "reshape",
          "14": "FCN-8s", "16": "encoder–decoder", "17": "U-Net"}
BARS = {"mean IoU": "mean_iou", "border IoU": "iou_border"}
BAR_COLORS = (LINE_COLORS[0], LINE_COLORS[3])      # beside maps of the classes: none of theirs
PLOT = 150      # height of the bars in figure pixels
LONGER = 4      # how many times as long the comparison's last training of each model is


def missing_lessons(results: Sequence[Result]) -> list[str]:
    """Return what is not on the ladder yet, each with the lesson to run: ["U-Net (lesson 17)"]."""
    there = {result.lesson.split("_")[0] for result in results}
    return [f"{name} (lesson {lesson[:2]})" for lesson, name in LADDER.items() if lesson not in there]


def results_table(results: Sequence[Result]) -> str:
    """Return the results as a Markdown table, in the order of their lessons; a dash is a class that occurs nowhere."""
    heads = ["model", "lesson", "mean IoU", *CLASSES, "parameters", "receptive field", "training (s)"]
    keys = ("mean_iou", *(f"iou_{name}" for name in CLASSES))
    return table(heads, [[result.name, result.lesson[:2], *(three_decimals(result.scores.get(key)) for key in keys),
                          result.parameters, f"{result.receptive_field} × {result.receptive_field}", result.seconds]
                         for result in ordered(results, "results_table")])


def three_decimals(score: float | None) -> str | None:
    """Write a score with three decimals, so that a column can be compared; None for none.

    >>> [three_decimals(score) for score in (0.759, 0.00045, None, float("nan"))]
    ['0.759', '0.000', None, None]
    """
    return None if score is None or math.isnan(score) else f"{score:.3f}"


def ladder_table(results: Sequence[Result]) -> str:
    """Return the table of the results; below it, which lessons are missing."""
    missing = missing_lessons(results)
    return results_table(results) + "\n" + (f"\nNot run yet: {', '.join(missing)}.\n" if missing else "")


def results_figure(results: Sequence[Result], images: Any, labels: Any, title: str, rows: int = 6) -> Figure:
    """Draw what models make of the first held-out images, side by side, each with its share of right pixels.

    Parameters
    ----------
    results : one or more Result
    images, labels : (n, 3, H, W), (n, H, W)
        The held-out images that the results' predictions belong to, from the first one on.
    title : str
        Headline.
    rows : int
        How many of the images to draw.
    """
    results = ordered(results, "results_figure")
    rows = min(rows, len(images), *(len(result.predictions) for result in results))
    predictions = {result.name: result.predictions[:rows] for result in results}
    notes = {name: [f"{np.mean(truth == guess):.0%} right" for truth, guess in zip(labels, maps)]
             for name, maps in predictions.items()}
    return prediction_grid(images[:rows], labels[:rows], predictions, notes=notes, title=title,
                           columns=2 if len(results) <= 3 else 1, cell=136 if len(results) <= 2 else 100)


def ladder_figure(results: Sequence[Result], images: Any, labels: Any, title: str | None = None, rows: int = 4,
                  cell: int = 128) -> Figure:
    """Draw the ladder: a column for each model, with its predictions, and below them its scores as bars.

    Parameters
    ----------
    results : one or more Result
        Drawn in the order of their lessons.
    images : (n, 3, H, W)
        The held-out images that the results' predictions belong to, from the first one on; uint8, or floats in [0, 1].
    labels : (n, H, W) integers
        Their true classes.
    title : str, optional
        Headline.
    rows : int
        How many of the images to draw.
    cell : int
        Wanted width of an image, as in `ImageGrid`.
    """
    results, images = ordered(results, "ladder_figure"), checked_images(images, "ladder_figure")[:rows]
    n, _, H, W = images.shape
    columns = {"image": images, "truth": np.asarray(labels)[:n]}
    for result in results:
        side = result.receptive_field
        seen = "all" if side >= max(H, W) else f"{side} × {side}"
        columns[f"{result.name}\nlesson {result.lesson[:2]}\nreceptive field: {seen}"] = result.predictions[:n]
    for head, maps in columns.items():
        if (len(maps), *maps.shape[-2:]) != (n, H, W):
            raise ValueError(f"ladder_figure: expected {n} maps of {H} × {W} pixels of {head.splitlines()[0]!r}, got "
                             f"{maps.shape}")
    missing = missing_lessons(results)
    grid = ImageGrid(n * len(columns), [GAP, 5 * GAP, *[GAP] * len(results)], (H, W), cell, title, list(columns),
                     entries=dict(zip(CLASSES, CLASS_COLORS)), below=PLOT + 20 + (18 if missing else 0))
    for k, image in enumerate(maps[row] for row in range(n) for maps in columns.values()):
        grid.show(k, image)

    first, top, bar = grid.lefts[2], grid.bottom + 14, grid.width / 3
    axes = place(grid.figure, first, top, grid.lefts[-1] + grid.width - first, PLOT)
    quiet(axes)
    axes.set(xlim=(first, grid.lefts[-1] + grid.width), ylim=(0, 1), xticks=[], yticks=[0, 0.5, 1])
    for k, key in enumerate(BARS.values()):
        values = [result.scores.get(key) for result in results]
        middles = [left + grid.width / 2 + (k - 0.5) * 1.1 * bar for left in grid.lefts[2:]]
        bars = axes.bar(middles, [value or 0.0 for value in values], bar, color=BAR_COLORS[k])
        axes.bar_label(bars, list(map(number, values)), padding=2, fontsize=SMALL, color=INK)
    legend(grid.figure, MARGIN, top, list(BARS), BAR_COLORS, width=2 * grid.width)
    if missing:
        write(grid.figure, MARGIN, top + PLOT + 16, f"Not run yet: {', '.join(missing)}", SMALL,
              grid.lefts[-1] + grid.width - MARGIN, color=QUIET)
    describe(grid.figure, title, *("; ".join([f"{result.name}, lesson {result.lesson[:2]}", *(
        f"{name} {number(result.scores[key])}" for name, key in BARS.items() if key in result.scores)])
        for result in results))
    return grid.figure


def ordered(results: Sequence[Result], caller: str) -> list[Result]:
    """Return the results in the order of their lessons, after checking that there are any."""
    if not results:
        raise ValueError(f"{caller}: expected at least one result, got none; run some of the lessons first: "
                         f"{', '.join(missing_lessons(results))}")
    return sorted(results, key=lambda result: result.lesson)


@dataclass(frozen=True)
class Compared:
    """What the comparison over several seeds says of one model (see `minidl.tasks.segmentation.comparison`)."""

    name: str
    lr: float | None                         # the chosen learning rate; None: not trained
    scores: list[dict[str, float]]           # of each seed
    longer: dict[str, float] | None          # scores after the longer training
    parameters: int
    receptive_field: int                     # side of the square that can matter to a pixel, at most the image's
    effective: list[int]                     # of each seed: side of the square that has 90 % of the gradient
    seconds: list[float]                     # of each seed's training


def plus_minus(values: Sequence[float], decimals: int) -> str | None:
    """Return "mean ± half the distance between the lowest and the highest"; of one value, the value alone.

    >>> plus_minus([0.5, 0.52, 0.54], 3), plus_minus([0.5], 3), plus_minus([], 3)
    ('0.520 ± 0.020', '0.500', None)
    """
    if not values:
        return None
    mean = f"{np.mean(values):.{decimals}f}"
    return mean if len(values) == 1 else f"{mean} ± {np.ptp(values) / 2:.{decimals}f}"


def scores_of(scores: Sequence[Mapping[str, float]], key: str) -> list[float]:
    """Return a score of each seed; none if one of them lacks it."""
    return [one[key] for one in scores] if all(key in one for one in scores) else []


def comparison_table(rows: Sequence[Compared]) -> str:
    """Return the comparison as a Markdown table, with a line that explains its columns."""
    keys = {"mean IoU": "mean_iou", "object": "iou_object", "border": "iou_border"}
    heads = ["model", "learning rate", *keys, f"mean IoU, {LONGER} × budget", f"border, {LONGER} × budget",
             "parameters", "receptive field", "effective", "training (s)"]
    lines = []
    for row in rows:
        longer = [row.longer.get(key) if row.longer else None for key in ("mean_iou", "iou_border")]
        lines.append([row.name, None if row.lr is None else f"{row.lr:g}",
                      *(plus_minus(scores_of(row.scores, key), 3) for key in keys.values()),
                      *map(three_decimals, longer),
                      row.parameters, f"{row.receptive_field} × {row.receptive_field}", plus_minus(row.effective, 0),
                      f"{np.mean(row.seconds):.0f}"])
    seeds = max(len(row.scores) for row in rows)
    return table(heads, lines) + (
        f"\n\nMean of {seeds} {'seeds ± half the distance between the lowest and the highest' if seeds > 1 else 'seed'}"
        f"; {LONGER} × budget: one training, with the same learning rate. Effective: side of the square around a pixel "
        "near the middle that holds 90 % of the gradient's absolute sum, averaged over a few held-out images.")


def comparison_figure(rows: Sequence[Compared]) -> Figure:
    """Draw mean IoU and border IoU of each model, as bars with a dot for each seed."""
    seeds = max(len(row.scores) for row in rows)
    groups = {row.name: {name: values for name, key in BARS.items() if (values := scores_of(row.scores, key))}
              for row in rows}
    return bar_chart(groups, f"The ladder under equal conditions: mean of {seeds} seeds, each a dot" if seeds > 1
                     else "The ladder under equal conditions", ylabel="IoU on held-out images", limits=(0, 1),
                     values=".2f")
