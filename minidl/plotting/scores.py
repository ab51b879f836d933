"""Figures of numbers: learning curves and scores of classes."""
import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from minidl.datasets.pets import CLASSES as CLASS_NAMES
from minidl.plotting.canvas import (
    INK, LINE_COLORS, MARGIN, QUIET, SMALL, TEXT, TITLE, blank, describe, draw_legend, legend_lines, place, quiet,
    text_width, write,
)
from minidl.plotting.pictures import CLASS_COLORS
from minidl.types import Array


def learning_curves(history: Sequence[Mapping[str, Any]], scores: Sequence[str] | Mapping[str, str] | None = None,
                    title: str | None = None, log_loss: bool = False) -> Figure:
    """Show the loss (left) and scores (right) over the epochs, each line named at its end with its last value.

    Parameters
    ----------
    history : list of dicts
        One an epoch: {"epoch": 1, "loss": 0.9, "test_loss": 1.0, "test_mean_iou": 0.4, ...}. Any key may be
        missing in any epoch, and what is not finite counts as missing; "epoch" is counted from 1 if missing.
    scores : keys, or {key: label}, optional
        What to show on the right; every key that begins with "test_" (but the loss) if left out. Keys that
        occur in no epoch are left out.
    title : str, optional
        Headline.
    log_loss : bool
        Draw the loss on a logarithmic axis (unless a loss is 0 or negative).
    """
    if not history or not all(isinstance(entry, Mapping) for entry in history):
        raise ValueError("learning_curves: expected a list of dicts, one an epoch, got "
                         f"{'an empty one' if not history else type(history[0]).__name__}")
    if scores is None:
        keys = dict.fromkeys(key for entry in history for key in entry)
        scores = [key for key in keys if key.startswith("test_") and key != "test_loss"]
    named = dict(scores) if isinstance(scores, Mapping) else {key: readable(key) for key in scores}
    panels = [("loss", lines_of(history, {"loss": "training", "test_loss": "test"})),
              ("score", lines_of(history, named))]
    if named and not isinstance(scores, Mapping) and all(key.startswith("test_") for key in named):
        panels[1] = ("test score", [(label.removeprefix("test "), x, y) for label, x, y in panels[1][1]])

    ends = [[f"{label}  {digits(y[-1])}" for label, _, y in lines] for _, lines in panels]
    losses = [value for _, _, y in panels[0][1] for value in y]
    log_loss = log_loss and bool(losses) and min(losses) > 0
    ticks = [ticks_of(panels[0][1], log_loss, unit=False), ticks_of(panels[1][1], log=False, unit=True)]
    left_rooms = [8 + max([text_width(f"{tick:g}", SMALL) for tick in values], default=20) for values in ticks]
    right_rooms = [20 + max([text_width(end, TEXT) for end in texts], default=20) for texts in ends]
    plot_width, plot_height = 300, max(220, 16 * max(len(texts) for texts in ends))
    top = MARGIN + (28 if title else 0) + 26
    lefts = [MARGIN + left_rooms[0]]                      # of the two plots
    lefts.append(lefts[0] + plot_width + right_rooms[0] + 20 + left_rooms[1])
    figure = blank(lefts[1] + plot_width + right_rooms[1] + MARGIN, top + plot_height + 34 + MARGIN)
    if title:
        write(figure, MARGIN, MARGIN + 8, title, TITLE, lefts[1] + plot_width, weight="bold")
    for k, (heading, lines) in enumerate(panels):
        axes = place(figure, lefts[k], top, plot_width, plot_height)
        write(figure, lefts[k] - left_rooms[k] + 4, top - 18, heading, TEXT, plot_width, weight="bold")
        axes.set_yscale("log" if log_loss and k == 0 else "linear")
        curves(axes, lines, ends[k], ticks[k], [epoch(number, entry) for number, entry in enumerate(history)])
    named_lines = [(f"{label} loss", y) for label, _, y in panels[0][1]] + [(label, y) for label, _, y in panels[1][1]]
    describe(figure, title, *(f"{label}: {digits(y[0])} first, {digits(y[-1])} last" for label, y in named_lines))
    return figure


def class_bars(scores: Mapping[str, Any], class_names: Sequence[str] = CLASS_NAMES, title: str | None = None,
               label: str = "IoU") -> Figure:
    """Show a score of each class as bars from 0 to 1, for one or several models.

    Parameters
    ----------
    scores : {class: value}, or {model: {class: value}}
        As from `minidl.metrics.scores`: a value may be named "object" or "iou_object". A class without a value
        (it neither occurs nor is predicted) gets a dash instead of a bar.
    class_names : strings
        The groups of bars.
    title : str, optional
        Headline.
    label : str
        Name of the score.
    """
    models = dict(scores) if scores and all(isinstance(value, Mapping) for value in scores.values()) else {"": scores}
    values = {model: [class_score(entry, name) for name in class_names] for model, entry in models.items()}
    for model, row in values.items():
        if all(value is None for value in row):
            of_model = f" for {model!r}" if model else ""
            raise ValueError(f"class_bars: expected scores of {tuple(class_names)}{of_model}, "
                             f"got {list(models[model])}")
        for name, value in zip(class_names, row):
            if value is not None and not 0 <= value <= 1:
                raise ValueError(f"class_bars: the score of {name!r} must lie in [0, 1], got {value}")

    bar = 46                                              # width in figure pixels; wide enough for its value
    group = bar * len(models) + 44
    plot_width, plot_height = max(220, group * len(class_names)), 220
    single = len(models) == 1
    legend = [] if single else legend_lines(list(models), plot_width)
    top = MARGIN + (28 if title else 0) + 20 * len(legend) + 26
    figure = blank(2 * MARGIN + 34 + plot_width, top + plot_height + 24 + MARGIN)
    if title:
        write(figure, MARGIN, MARGIN + 8, title, TITLE, 34 + plot_width, weight="bold")
    draw_legend(figure, legend, MARGIN + 34, MARGIN + (28 if title else 0), LINE_COLORS)
    axes = place(figure, MARGIN + 34, top, plot_width, plot_height)
    write(figure, MARGIN, top - 15, label, TEXT, 30 + plot_width, weight="bold")
    axes.set_xlim(0, plot_width)
    axes.set_ylim(0, 1)
    quiet(axes)
    axes.set_xticks([])
    step = plot_width / len(class_names)
    for k, name in enumerate(class_names):
        middle = step * (k + 0.5)
        write(figure, MARGIN + 34 + middle, top + plot_height + 14, name, TEXT, step - 6, ha="center")
        for m, row in enumerate(values.values()):
            x, value = middle + (m - (len(models) - 1) / 2) * bar, row[k]
            if value is not None:
                color = CLASS_COLORS[k % len(CLASS_COLORS)] if single else LINE_COLORS[m % len(LINE_COLORS)]
                axes.bar(x, value, bar - 6, color=color, edgecolor=QUIET if single else color, linewidth=0.6)
            axes.annotate("–" if value is None else f"{value:.2f}", (x, value or 0), (0, 3), ha="center", va="bottom",
                          textcoords="offset points", fontsize=SMALL, color=INK, annotation_clip=False)
    describe(figure, title, *(f"{model or label}: " + ", ".join(
        f"{name} –" if value is None else f"{name} {value:.2f}" for name, value in zip(class_names, row))
        for model, row in values.items()))
    return figure


def readable(key: str) -> str:
    """Turn a key of a history into words: "test_mean_iou" becomes "test mean IoU"."""
    return " ".join("IoU" if word == "iou" else word for word in key.split("_"))


def digits(value: float) -> str:
    """Write a number in a few digits.

    >>> digits(0.7), digits(1.23456), digits(0.00012), digits(1234.5)
    ('0.700', '1.235', '0.00012', '1.23e+03')
    """
    return f"{value:.3f}" if 0.01 <= abs(value) < 100 or value == 0 else f"{value:.3g}"


def epoch(k: int, entry: Mapping[str, Any]) -> float:
    """Return the number of the k-th entry's epoch."""
    return float(entry.get("epoch", k + 1))


def lines_of(history: Sequence[Mapping[str, Any]], named: Mapping[str, str]) -> list[tuple[str, Array, Array]]:
    """Collect (label, epochs, values) for each key that has a finite value in some epoch."""
    lines = []
    for key, label in named.items():
        points = [(epoch(k, entry), float(entry[key])) for k, entry in enumerate(history)
                  if entry.get(key) is not None and math.isfinite(entry[key])]
        if points:
            x, y = np.array(points).T                     # (points,) each
            lines.append((label, x, y))
    return lines


def ticks_of(lines: list[tuple[str, Array, Array]], log: bool, unit: bool) -> list[float]:
    """Choose the values at which the vertical axis is marked; the first and the last one are its ends.

    `log` is for a logarithmic axis; `unit` lets values within 0 and 1 have the axis from 0 to 1.
    """
    if not lines:
        return []
    values = np.concatenate([y for _, _, y in lines])
    low, high = float(values.min()), float(values.max())
    if log:
        factors = (1, 2, 5) if high < 1000 * low else (1,)
        decades = range(math.floor(math.log10(low)) - 1, math.ceil(math.log10(high)) + 2)      # log10 may round up
        marks = [factor * 10.0**decade for decade in decades for factor in factors]
        first = max(mark for mark in marks if mark <= low)
        last = min(mark for mark in marks if mark > high)
        return [mark for mark in marks if first <= mark <= last]
    if unit and low >= 0 and high <= 1:
        low, high = 0.0, 1.0
    elif low >= 0:
        low = 0.0
    if low == high:
        low, high = min(low, 0.0), high or 1.0
    return [float(mark) for mark in MaxNLocator(5, steps=[1, 2, 2.5, 5, 10]).tick_values(low, high)]


def curves(axes: Axes, lines: list[tuple[str, Array, Array]], texts: list[str], ticks: list[float],
           epochs: list[float]) -> None:
    """Draw lines, and write each one's text at its end."""
    quiet(axes)
    axes.set_xlabel("epoch", fontsize=SMALL, color=QUIET, labelpad=3)
    first, last = min(epochs), max(epochs)
    if first < last:
        axes.set_xlim(first - 0.02 * (last - first), last + 0.02 * (last - first))
        axes.xaxis.set_major_locator(MaxNLocator(6, integer=True, min_n_ticks=1))
    else:                                                 # one epoch: its dots near their texts
        axes.set_xlim(last - 1, last + 0.04)
        axes.set_xticks([last], [f"{last:g}"])
    axes.minorticks_off()
    if not lines:
        axes.set_yticks([])
        axes.text(0.5, 0.5, "none recorded", transform=axes.transAxes, ha="center", fontsize=TEXT, color=QUIET)
        return
    axes.set_yticks(ticks, [f"{tick:g}" for tick in ticks])
    axes.minorticks_off()
    axes.set_ylim(ticks[0], ticks[-1])
    to_axes = axes.transData + axes.transAxes.inverted()
    ends = [float(to_axes.transform((x[-1], y[-1]))[1]) for _, x, y in lines]  # as shares of the axes' height
    heights = spread(ends, 15 / axes.bbox.height)
    for k, (_, x, y) in enumerate(lines):
        color = LINE_COLORS[k % len(LINE_COLORS)]
        dots = "o" if len(x) < len(epochs) else ""        # tell which epochs have a value, if not all have
        axes.plot(x, y, marker=dots, linestyle="-" if k < len(LINE_COLORS) else "--", color=color, linewidth=1.6,
                  markersize=3, clip_on=False)
        axes.plot(x[-1], y[-1], "o", color=color, markersize=4.5, clip_on=False)
        axes.annotate(texts[k], (x[-1], y[-1]), (1 + 14 / axes.bbox.width, heights[k]), va="center",
                      textcoords="axes fraction", fontsize=TEXT, color=color, annotation_clip=False, parse_math=False,
                      arrowprops={"arrowstyle": "-", "color": color, "linewidth": 0.6, "relpos": (0, 0.5),
                                  "shrinkA": 1, "shrinkB": 3})


def spread(heights: Sequence[float], distance: float) -> list[float]:
    """Move heights between 0 and 1 apart so that neighbors keep a distance, and keep their order.

    Neighbors that come too close form a group, centered on the mean of its members' wanted heights (or as near
    to that as the ends allow).

    >>> [round(height, 3) for height in spread([0.5, 0.1, 0.5, 1.0, 1.0], 0.2)]
    [0.4, 0.1, 0.6, 0.8, 1.0]
    """
    groups: list[list[int]] = []
    for k in sorted(range(len(heights)), key=lambda k: heights[k]):
        groups.append([k])
        while len(groups) > 1 and lowest(groups[-1], heights, distance) < (
                lowest(groups[-2], heights, distance) + len(groups[-2]) * distance):
            groups[-2:] = [groups[-2] + groups[-1]]
    result = [0.0] * len(heights)
    for group in groups:
        for position, k in enumerate(group):
            result[k] = lowest(group, heights, distance) + position * distance
    return result


def lowest(group: list[int], heights: Sequence[float], distance: float) -> float:
    """Return the lowest height of a group that is centered on the mean of the wanted heights."""
    extent = (len(group) - 1) * distance
    centered = sum(heights[k] for k in group) / len(group) - extent / 2
    return max(0.0, min(centered, 1 - extent))


def class_score(entry: Mapping[str, Any], name: str) -> float | None:
    """Return the score of a class under "name" or "iou_name", None if there is none or it is nan."""
    value = entry.get(name, entry.get(f"iou_{name}"))
    return None if value is None or math.isnan(value) else float(value)
