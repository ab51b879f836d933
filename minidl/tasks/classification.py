"""What a classifier's result is shown by: accuracy, the confusion matrix, and pictures with their probabilities."""
import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure

from minidl.layers import Layer
from minidl.metrics import checked
from minidl.plotting.canvas import (
    GRID, INK, LINE_COLORS, MARGIN, QUIET, SMALL, TEXT, TITLE, blank, counted, describe, draw_legend, legend_lines,
    place, text_width, whole_multiple, write,
)
from minidl.plotting.pictures import shown
from minidl.training import predict
from minidl.types import Array

RIGHT, WRONG, OTHER = LINE_COLORS[0], LINE_COLORS[1], "#B9C2CA"


def accuracy(model: Layer, images: Array, labels: Array) -> float:
    """Return the share of pictures (N, C, H, W) whose largest logit is that of their label (N,)."""
    predicted = predict(model, images).argmax(axis=1)                              # (N,)
    if np.shape(labels) != predicted.shape:
        raise ValueError(f"accuracy: expected {len(predicted)} labels, one a picture, got shape {np.shape(labels)}")
    return float(np.mean(predicted == labels))


def confusion_figure(matrix: Any, class_names: Sequence[str], title: str | None = None, cell: int = 36) -> Figure:
    """Draw a confusion matrix: what is right in blue, on the diagonal, what is wrong in orange.

    Parameters
    ----------
    matrix : (K, K) integers
        From `metrics.confusion_matrix`: rows are true classes, columns predicted ones. A square's color is its share
        of its row, a mistake's color stronger, so that few are seen, too; an empty square has no number.
    class_names : K strings
    title : str, optional
        Headline.
    cell : int
        Side of a square in figure pixels.

    Raises
    ------
    ValueError
        If the matrix is none of counts, or there is not a name for each class.
    """
    matrix = checked(matrix, "confusion_figure")
    K = len(matrix)
    counted("confusion_figure", "class names", class_names, K)
    rows = matrix.sum(axis=1)                                                       # (K,) samples of each true class
    shares = matrix / np.maximum(1, rows)[:, None]
    room = max(text_width(name, TEXT) for name in class_names) + 10
    wide = max(cell, math.ceil(max(text_width(name, TEXT) for name in class_names)) + 4)
    left, top = MARGIN + 20 + room, MARGIN + (28 if title else 0) + 40
    inner = left + K * wide + 104
    figure = blank(max(inner, MARGIN + text_width(title or "", TITLE, "bold")) + MARGIN, top + K * cell + MARGIN)
    if title:
        write(figure, MARGIN, MARGIN + 8, title, TITLE, 1e6, weight="bold")
    write(figure, left, top - 30, "predicted", TEXT, K * wide, color=QUIET)
    write(figure, MARGIN, top - 12, "true", TEXT, 20 + room, color=QUIET)
    write(figure, left + K * wide + 12, top - 12, "of these right", TEXT, 100, color=QUIET)

    axes = place(figure, left, top, K * wide, cell * K)
    right = LinearSegmentedColormap.from_list("right", ["white", RIGHT])
    wrong = LinearSegmentedColormap.from_list("wrong", ["white", WRONG])
    diagonal = np.eye(K, dtype=bool)[:, :, None]
    colors = np.where(diagonal, right(0.75 * shares), wrong(np.minimum(1, 4 * shares)))     # (K, K, 4)
    axes.imshow(colors, aspect="auto", interpolation="nearest")
    for edge in range(K + 1):
        axes.axhline(edge - 0.5, color=GRID, linewidth=0.8)
        axes.axvline(edge - 0.5, color=GRID, linewidth=0.8)
    axes.set_axis_off()
    for k, name in enumerate(class_names):
        middle = top + (k + 0.5) * cell
        write(figure, left + (k + 0.5) * wide, top - 12, name, TEXT, wide, ha="center")
        write(figure, left - 8, middle, name, TEXT, room + 12, ha="right")
        if rows[k]:
            write(figure, left + K * wide + 12, middle, f"{matrix[k, k]} of {rows[k]}", TEXT, 100)
        for m in map(int, np.flatnonzero(matrix[k])):
            axes.text(m, k, str(matrix[k, m]), ha="center", va="center", fontsize=TEXT,
                      color="white" if k == m and shares[k, k] > 0.6 else INK)
    describe(figure, title, "Of each true class right: " + ", ".join(
        f"{name} {matrix[k, k]} of {rows[k]}" for k, name in enumerate(class_names)))
    return figure


def probability_grid(images: Any, probabilities: Any, labels: Any, class_names: Sequence[str], columns: int = 4,
                     title: str | None = None, names: Sequence[str] | None = None, most: int = 3,
                     cell: int = 72) -> Figure:
    """Show pictures, and beside each the probabilities that a classifier gives to the likeliest classes.

    Parameters
    ----------
    images : (N, 3, H, W) or (N, 1, H, W)
        uint8, or floats in [0, 1]; of one channel, 0 is white and 1 black.
    probabilities : (N, K)
    labels : (N,) integers
        True classes; their bars are blue, and are shown even if they are not among the likeliest.
    class_names : K strings
    columns : int
        Samples side by side.
    title : str, optional
        Headline.
    names : N strings, optional
        Written above each picture.
    most : int
        How many classes to show beside a picture.
    cell : int
        Wanted width of a picture in figure pixels, rounded as in `plotting.prediction_grid`.
    """
    images, probabilities, labels = np.asarray(images), np.asarray(probabilities), np.asarray(labels)
    _check_grid(images, probabilities, labels, class_names, columns, most)
    N, C, H, W = images.shape
    counted("probability_grid", "names", names, N)
    width = whole_multiple(W, cell)                       # of one picture, in figure pixels
    height = max(1, round(H * width / W))
    lines, step, bar = min(most, len(class_names)), 17, 54
    word = max(text_width(name, SMALL) for name in class_names) + 5
    block = width + 8 + word + bar + 42                   # width of one sample
    caption = 0 if names is None else 16
    row = caption + max(height, lines * step) + 12
    columns = min(columns, N)
    rows = math.ceil(N / columns)
    inner = columns * (block + 14) - 14
    legend = legend_lines(["true class", "wrong answer", "other class"], inner)
    top = MARGIN + (28 if title else 0)
    figure = blank(inner + 2 * MARGIN, top + rows * row + 20 * len(legend) + MARGIN - 6)
    if title:
        write(figure, MARGIN, MARGIN + 8, title, TITLE, inner, weight="bold")
    for n in range(N):
        left, y = MARGIN + n % columns * (block + 14), top + n // columns * row
        if names is not None:
            write(figure, left, y + 8, names[n], SMALL, block, color=QUIET)
        axes = place(figure, left, y + caption, width, height)
        if C == 1:
            axes.imshow(images[n, 0], "gray_r", vmin=0, vmax=255 if images.dtype == np.uint8 else 1, aspect="auto",
                        interpolation="nearest")
        else:
            axes.imshow(shown(images[n], "probability_grid"), aspect="auto",
                        interpolation="nearest" if width >= W else "antialiased")
        axes.set(xticks=[], yticks=[])
        axes.spines[:].set_color(GRID)
        start = y + caption + (max(height, lines * step) - lines * step) / 2
        for k, (m, color) in enumerate(_likeliest(probabilities[n], int(labels[n]), lines)):
            middle, share = start + (k + 0.5) * step, float(probabilities[n, m])
            write(figure, left + width + 3 + word, middle, class_names[m], SMALL, word, ha="right")
            bars = place(figure, left + width + 8 + word, middle - 5, bar, 10)
            bars.barh(0, share, 1, color=color)
            bars.set(xlim=(0, 1), ylim=(-0.5, 0.5))
            bars.set_facecolor("#F3F5F7")
            bars.set(xticks=[], yticks=[])
            bars.spines[:].set_visible(False)
            write(figure, left + width + 11 + word + bar, middle, percent(share), SMALL, 42, color=QUIET)
    draw_legend(figure, legend, MARGIN, top + rows * row, (RIGHT, WRONG, OTHER))
    describe(figure, title, "Probability of the true class: " + ", ".join(
        f"{class_names[label]} {percent(row[label])}" for row, label in zip(probabilities, labels)))
    return figure


def percent(share: float) -> str:
    """Write a probability in percent, but never 0 or 100: a softmax is not that sure, it was only rounded.

    >>> percent(0.834), percent(0.9951), percent(1.0), percent(0.001)
    ('83 %', '> 99 %', '> 99 %', '< 1 %')
    """
    if share < 0.005:
        return "< 1 %"
    return "> 99 %" if share > 0.995 else f"{share:.0%}".replace("%", " %")


def _likeliest(probabilities: Array, label: int, lines: int) -> list[tuple[int, str]]:
    """Return (class, color) of the likeliest classes, the last one replaced by the true one if it is missing."""
    order = [int(k) for k in np.argsort(-probabilities, kind="stable")]
    classes = order[:lines]
    if label not in classes:
        classes[-1] = label
    return [(k, RIGHT if k == label else WRONG if k == order[0] else OTHER) for k in classes]


def _check_grid(images: Array, probabilities: Array, labels: Array, class_names: Sequence[str], columns: int,
                most: int) -> None:
    if images.ndim != 4 or images.shape[1] not in (1, 3) or not images.size:
        raise ValueError(f"probability_grid: expected images of shape (N, 3, H, W) or (N, 1, H, W), got {images.shape}")
    N, K = len(images), len(class_names)
    if probabilities.shape != (N, K) or not np.allclose(probabilities.sum(axis=1), 1, atol=1e-3):
        raise ValueError(f"probability_grid: expected probabilities of shape {(N, K)} whose rows add up to 1, got "
                         f"shape {probabilities.shape}. Logits become probabilities by Softmax().")
    if labels.shape != (N,) or labels.dtype.kind not in "iu" or labels.min() < 0 or labels.max() >= K:
        raise ValueError(f"probability_grid: expected {N} labels, integers in 0..{K - 1}, got {labels}")
    if columns < 1 or most < 1:
        raise ValueError(f"probability_grid: expected columns >= 1 and most >= 1, got {columns} and {most}")
