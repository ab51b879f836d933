"""Charts of numbers: learning curves, and the scores of classes."""
import math
from collections.abc import Collection, Mapping, Sequence
from itertools import cycle
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from minidl.datasets.pets import CLASSES
from minidl.plotting.canvas import (
    INK, LEGEND, LINE_COLORS, QUIET, SMALL, TEXT, describe, legend_columns, patches, subplots,
)
from minidl.plotting.pictures import CLASS_COLORS
from minidl.runtime.format import number
from minidl.types import Array


def learning_curves(history: Sequence[Mapping[str, Any]], scores: Mapping[str, str],
                    title: str | None = None) -> Figure:
    """Show the loss (left) and scores (right) over the epochs, each line named at its end with its last value.

    Parameters
    ----------
    history : list of dicts
        One per epoch: {"epoch": 1, "loss": 0.9, "test_loss": 1.0, "mean_iou": 0.4, ...}. Any key may be missing in any
        epoch, and what is not finite counts as missing; "epoch" is counted from 1 if missing.
    scores : {key: label}
        What to show on the right.
    title : str, optional
        Headline.
    """
    if not history or not all(isinstance(entry, Mapping) for entry in history):
        raise ValueError("learning_curves: expected a list of dicts, one per epoch, got "
                         f"{'an empty one' if not history else type(history[0]).__name__}")
    figure, axes = subplots(900, 330, 2, title)
    said = []
    for one, name, wanted in ((axes[0], "loss", {"loss": "training", "test_loss": "test"}), (axes[1], "score", scores)):
        one.set_title(name, loc="left", fontsize=TEXT, weight="bold", color=INK)
        one.set_xlabel("epoch", fontsize=SMALL, color=QUIET)
        one.locator_params("x", integer=True, min_n_ticks=1)
        lines = recorded(history, wanted)
        if not lines:
            one.set(xticks=[], yticks=[])
            one.text(0.5, 0.5, "none recorded", transform=one.transAxes, ha="center", fontsize=TEXT, color=QUIET)
            continue
        values = np.concatenate([y for _, y in lines.values()])
        limits = min(0.0, values.min()), 1.0 if name == "score" and 0 <= values.max() <= 1 else None
        named_lines(one, {f"{label}  {number(y[-1])}": (x, y) for label, (x, y) in lines.items()}, limits)
        said += [f"{label}{' loss' if name == 'loss' else ''}: {number(y[0])} first, {number(y[-1])} last"
                 for label, (_, y) in lines.items()]
    describe(figure, title, *said)
    return figure


def recorded(history: Sequence[Mapping[str, Any]], named: Mapping[str, str]) -> dict[str, tuple[Array, Array]]:
    """Return {label: (epochs, values)} for each key that has a finite value in some epoch."""
    lines = {}
    for key, label in named.items():
        points = [(float(entry.get("epoch", k)), float(entry[key])) for k, entry in enumerate(history, 1)
                  if entry.get(key) is not None and math.isfinite(entry[key])]
        if points:
            x, y = np.array(points).T                     # (points,) each
            lines[label] = x, y
    return lines


def named_lines(axes: Axes, lines: Mapping[str, tuple[Any, Any]],
                limits: tuple[float | None, float | None] = (None, None), dashed: Collection[str] = ()) -> None:
    """Draw lines {name: (x, y)}, each with its name at its end; a line of few points has a dot at each.

    Parameters
    ----------
    axes : Axes
        As from `canvas.subplots`.
    lines : {name: (x, y)}
    limits : low, high
        Of the vertical axis; None leaves one to matplotlib.
    dashed : names
        Lines that are drawn dashed and without dots.
    """
    for color, (name, (x, y)) in zip(cycle(LINE_COLORS), lines.items()):
        axes.plot(x, y, color=color, linewidth=1.6, linestyle="--" if name in dashed else "-",
                  marker="o" if len(x) <= 20 and name not in dashed else "", markersize=3, clip_on=False)
        axes.plot(x[-1:], y[-1:], "o", color=color, markersize=4.5, clip_on=False)
    axes.set_ylim(*limits)
    to_shares = axes.transScale + axes.transLimits         # from data to shares of the axes
    ends = [float(to_shares.transform((x[-1], y[-1]))[1]) for x, y in lines.values()]
    for color, (name, (x, y)), height in zip(cycle(LINE_COLORS), lines.items(), spread(ends, 0.075)):
        axes.annotate(name, (x[-1], y[-1]), (1.06, height), textcoords="axes fraction", va="center", fontsize=TEXT,
                      color=color, annotation_clip=False, parse_math=False,
                      arrowprops={"arrowstyle": "-", "color": color, "linewidth": 0.6, "relpos": (0, 0.5),
                                  "shrinkA": 1, "shrinkB": 3})


def spread(heights: Sequence[float], distance: float) -> list[float]:
    """Move heights apart so that neighbors keep a distance and their order: up, but not above 1.

    >>> [round(height, 3) for height in spread([0.5, 0.1, 0.5, 1.0, 1.0], 0.2)]
    [0.4, 0.1, 0.6, 0.8, 1.0]
    """
    order = np.argsort(heights, kind="stable")
    steps = distance * np.arange(len(order))
    moved = np.maximum.accumulate(np.asarray(heights, float)[order] - steps) + steps
    result = np.empty(len(order))
    result[order] = np.minimum(moved, 1 - steps[::-1])
    return result.tolist()


def class_bars(scores: Mapping[str, Any], title: str | None = None) -> Figure:
    """Show the IoU of each class as bars from 0 to 1, for one or several models.

    Parameters
    ----------
    scores : {"iou_object": value, ...}, or {model: {"iou_object": value, ...}}
        As from `minidl.metrics.scores`. A class without a value (it neither occurs nor is predicted) gets a dash
        instead of a bar.
    title : str, optional
        Headline.
    """
    models = scores if scores and all(isinstance(value, Mapping) for value in scores.values()) else {"IoU": scores}
    values = {model: [entry.get(f"iou_{name}") for name in CLASSES] for model, entry in models.items()}
    for model, row in values.items():
        given = [value for value in row if value is not None]
        if not given or not all(0 <= value <= 1 for value in given):
            raise ValueError(f"class_bars: expected scores in [0, 1] of {CLASSES} for {model!r}, got {models[model]}")
    figure, (axes,) = subplots(max(300, 150 + 3 * 50 * len(models)), 300, title=title)
    axes.set_ylim(0, 1)
    axes.set_title("IoU", loc="left", fontsize=TEXT, weight="bold", color=INK, pad=16)
    axes.set_xticks(range(len(CLASSES)), CLASSES, fontsize=TEXT, color=INK)
    single, width = len(models) == 1, 0.8 / len(models)
    for m, (row, color) in enumerate(zip(values.values(), cycle(LINE_COLORS))):
        bars = axes.bar(np.arange(len(row)) + (m - (len(models) - 1) / 2) * width, [value or 0.0 for value in row],
                        0.88 * width, color=CLASS_COLORS if single else color, edgecolor=QUIET, linewidth=0.6)
        axes.bar_label(bars, list(map(number, row)), padding=2, fontsize=SMALL, color=INK)
    if not single:
        figure.legend(handles=patches(list(models), LINE_COLORS), loc="outside lower left",
                      ncols=legend_columns(list(models), 276), **LEGEND | {"borderaxespad": 0.8})
    describe(figure, title, *(f"{model}: " + ", ".join(
        f"{name} {number(value)}" for name, value in zip(CLASSES, row)) for model, row in values.items()))
    return figure
