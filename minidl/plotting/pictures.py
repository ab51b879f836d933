"""Figures of the lessons: predictions, learning curves, scores, contact sheets.

Every function builds and returns a `matplotlib.figure.Figure` without pyplot: no window, no display and no
global state are needed. :func:`save` writes it.

Layout is done by hand, in pixels of a figure at 100 dpi and from the top left corner, because a label map must
be seen as it is: each of its pixels becomes a square of a whole number of figure pixels, at 100 dpi as at any
multiple of it. Texts are measured before they are placed, and shortened where they would not fit.
"""
import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure

from minidl.datasets.pets import CLASSES as CLASS_NAMES
from minidl.plotting.canvas import (
    MARGIN, QUIET, SMALL, TEXT, TITLE, blank, counted, describe, draw_legend, legend_lines, place, whole_multiple,
    write,
)
from minidl.types import Array

# Told apart by lightness as well as by hue: medium orange, dark blue-gray, pale yellow.
CLASS_COLORS = ("#E8862E", "#4A6378", "#FFF3B8")


# Arrays as colors

def colorize(labels: Any, colors: Sequence[str] = CLASS_COLORS) -> Array:
    """Turn a label map (H, W) of integers into a picture (H, W, 3) of floats in [0, 1], one color a class."""
    labels = np.asarray(labels)
    if labels.ndim != 2 or not np.issubdtype(labels.dtype, np.integer):
        raise ValueError(f"colorize: expected integer labels of shape (H, W), got {labels.dtype} {labels.shape}")
    wrong = (labels < 0) | (labels >= len(colors))
    if wrong.any():
        raise ValueError(f"colorize: labels must lie in 0..{len(colors) - 1} (there are {len(colors)} colors), "
                         f"got {labels[wrong][0]}")
    return np.array([to_rgb(color) for color in colors])[labels]  # (H, W, 3)


def overlay(image: Any, labels: Any, alpha: float = 0.5, colors: Sequence[str] = CLASS_COLORS) -> Array:
    """Lay the class colors over a picture (3, H, W): alpha 0 is the picture, 1 the colors. Returns (H, W, 3)."""
    if not 0 <= alpha <= 1:
        raise ValueError(f"overlay: alpha must lie in [0, 1], got {alpha}")
    picture, layer = shown(image, "overlay"), colorize(labels, colors)
    if picture.shape != layer.shape:
        raise ValueError("overlay: expected labels of the picture's height and width "
                         f"{picture.shape[:2]}, got {layer.shape[:2]}")
    return (1 - alpha) * picture + alpha * layer


def shown(image: Any, caller: str) -> Array:
    """Turn a picture (3, H, W), uint8 or float in [0, 1], into (H, W, 3) float64 in [0, 1]."""
    image = np.asarray(image)
    if image.ndim != 3 or image.shape[0] != 3:
        raise ValueError(f"{caller}: expected a picture of shape (3, H, W), got {image.shape}")
    if image.dtype == np.uint8:
        return image.transpose(1, 2, 0) / 255
    if not np.issubdtype(image.dtype, np.floating):
        raise ValueError(f"{caller}: pictures are uint8, or floats in [0, 1]; got {image.dtype}")
    low, high = float(image.min()), float(image.max())
    if not (low >= -1e-3 and high <= 1 + 1e-3):  # rounding may overshoot a little; nan fails as well
        raise ValueError(f"{caller}: pictures of floats must lie in [0, 1], got values from {low:g} to {high:g}. "
                         "If the pictures were normalized, undo that first.")
    return np.clip(image.transpose(1, 2, 0).astype(np.float64), 0, 1)


# Figures

def prediction_grid(images: Any, labels: Any, predictions: Any, names: Sequence[str] | None = None,
                    titles: Sequence[str] | None = None, class_names: Sequence[str] = CLASS_NAMES,
                    notes: Sequence[str] | Mapping[str, Sequence[str]] | None = None, columns: int = 1,
                    title: str | None = None, colors: Sequence[str] = CLASS_COLORS, cell: int = 136) -> Figure:
    """Show samples in rows: the picture, the true label map, and one or several predicted ones.

    Parameters
    ----------
    images : (N, 3, H, W)
        uint8, or floats in [0, 1].
    labels : (N, H, W) integers
        True classes.
    predictions : (N, H, W) integers, or a dict of them
        Predicted classes, or {"U-Net": classes, "without skips": classes} for a column each.
    names : N strings, optional
        Written above each sample, on the left.
    titles : strings, optional
        Heads of the columns; "picture", "truth", and "prediction" or the models' names if left out.
    class_names : strings
        The legend's entries, in the order of the classes.
    notes : N strings, or a dict of N strings for each model, optional
        Written above each sample on the right; those of a dict above each model's own prediction.
    columns : int
        Samples side by side: 2 turns eight samples into a landscape figure.
    title : str, optional
        Headline.
    colors : strings
        The classes' colors.
    cell : int
        Wanted width of one picture in figure pixels. It is rounded to a whole multiple of W (or, for W more
        than that, to a whole fraction).
    """
    images, labels = np.asarray(images), np.asarray(labels)
    if images.ndim != 4 or images.shape[1] != 3 or not images.size:
        raise ValueError(f"prediction_grid: expected images of shape (N, 3, H, W), got {images.shape}")
    N, _, H, W = images.shape
    models = dict(predictions) if isinstance(predictions, Mapping) else {"prediction": predictions}
    maps = {"labels": labels, **{f"predictions of {name!r}": np.asarray(values) for name, values in models.items()}}
    for what, values in maps.items():
        if values.shape != (N, H, W):
            raise ValueError(f"prediction_grid: expected {what} of shape {(N, H, W)}, got {values.shape}")
    heads = list(titles) if titles is not None else ["picture", "truth", *models]
    counted("prediction_grid", "titles", heads, 2 + len(models))
    counted("prediction_grid", "names", names, N)
    if isinstance(notes, Mapping):
        if set(notes) != set(models):
            raise ValueError(f"prediction_grid: expected notes for {list(models)}, got notes for {list(notes)}")
        for model, lines in notes.items():
            counted("prediction_grid", f"notes for {model!r}", lines, N)
    else:
        counted("prediction_grid", "notes", notes, N)
    if columns < 1 or len(class_names) > len(colors):
        raise ValueError("prediction_grid: expected columns >= 1 and a color for each class, "
                         f"got columns {columns}, {len(class_names)} class names and {len(colors)} colors")

    width = whole_multiple(W, cell)                       # of one picture, in figure pixels
    height = max(1, round(H * width / W))
    gap, block_gap, caption = 4, 28, 18 if names is not None or notes is not None else 0
    block = len(heads) * (width + gap) - gap              # width of one sample
    columns = min(columns, N)
    rows = math.ceil(N / columns)
    inner = columns * (block + block_gap) - block_gap
    legend = legend_lines(class_names, inner)
    top = MARGIN + (28 if title else 0) + 20              # where the first sample starts
    row = caption + height + (10 if caption else gap)
    figure = blank(inner + 2 * MARGIN, top + rows * row + 2 + 20 * len(legend) + MARGIN - 6)
    if title:
        write(figure, MARGIN, MARGIN + 8, title, TITLE, inner, weight="bold")

    for column in range(columns):
        left = MARGIN + column * (block + block_gap)
        for k, head in enumerate(heads):
            write(figure, left + k * (width + gap) + width / 2, top - 11, head, TEXT, width, ha="center")
    for n in range(N):
        left = MARGIN + n % columns * (block + block_gap)
        y = top + n // columns * row
        if caption:
            name_width = 2 * width + gap - 8 if notes is not None else block
            write(figure, left, y + 9, names[n] if names is not None else "", SMALL, name_width, color=QUIET)
            for k, model in enumerate(models):
                if isinstance(notes, Mapping):
                    x = left + (2 + k) * (width + gap)
                    write(figure, x + width / 2, y + 9, notes[model][n], SMALL, width, color=QUIET, ha="center")
            if notes is not None and not isinstance(notes, Mapping):
                room = block if names is None else block - name_width - 8
                write(figure, left + block, y + 9, notes[n], SMALL, room, color=QUIET, ha="right")
        cells = [shown(images[n], "prediction_grid"), *(colorize(values[n], colors) for values in maps.values())]
        for k, picture in enumerate(cells):
            axes = place(figure, left + k * (width + gap), y + caption, width, height)
            # Enlarged pixels stay squares; a picture made smaller is averaged, classes cannot be.
            axes.imshow(picture, interpolation="nearest" if k or width >= W else "antialiased", aspect="auto")
            axes.set_axis_off()
    draw_legend(figure, legend, MARGIN, top + rows * row + 2, colors)
    right = [f"{name} {np.mean(np.asarray(guess) == labels):.0%}" for name, guess in models.items()]
    describe(figure, title, f"Columns: {', '.join(heads)}; samples: {N}",
             f"Share of their pixels that are right: {', '.join(right)}" if notes is not None else "")
    return figure


def image_strip(images: Any, titles: Sequence[str] | None = None, columns: int = 8, title: str | None = None,
                colormap: str | None = None, limits: tuple[float, float] | None = None, cell: int = 96) -> Figure:
    """Show many pictures or maps on one sheet.

    Parameters
    ----------
    images : (N, 3, H, W), (N, 1, H, W) or (N, H, W)
        Pictures (uint8, or floats in [0, 1]); or maps of one value a pixel.
    titles : N strings, optional
        Written above each.
    columns : int
        Pictures side by side.
    title : str, optional
        Headline.
    colormap : str, optional
        matplotlib's name of the colors of maps, "classes" for the class colors. If left out, maps of integers
        are label maps and get the class colors, maps of floats get "gray".
    limits : pair of floats, optional
        Values shown as the first and the last color; smallest and largest of all the maps if left out.
    cell : int
        Wanted width of one picture in figure pixels, rounded as in `prediction_grid`.
    """
    images = np.asarray(images)
    if images.ndim == 4 and images.shape[1] == 1:
        images = images[:, 0]
    if not (images.ndim == 3 or images.ndim == 4 and images.shape[1] == 3) or not images.size:
        raise ValueError(f"image_strip: expected shape (N, 3, H, W) or (N, H, W), got {images.shape}")
    if columns < 1:
        raise ValueError(f"image_strip: expected columns >= 1, got {columns}")
    N, H, W = images.shape[0], images.shape[-2], images.shape[-1]
    counted("image_strip", "titles", titles, N)
    if colormap is None:
        colormap = "classes" if np.issubdtype(images.dtype, np.integer) else "gray"
    low, high = limits if limits is not None else (float(images.min()), float(images.max()))

    width = whole_multiple(W, cell)
    height = max(1, round(H * width / W))
    gap, caption = 4, 0 if titles is None else 16
    columns = min(columns, N)
    rows = math.ceil(N / columns)
    top = MARGIN + (28 if title else 0)
    inner = columns * (width + gap) - gap
    figure = blank(inner + 2 * MARGIN, top + rows * (caption + height + gap) - gap + MARGIN)
    if title:
        write(figure, MARGIN, MARGIN + 8, title, TITLE, inner, weight="bold")
    for n in range(N):
        left, y = MARGIN + n % columns * (width + gap), top + n // columns * (caption + height + gap)
        if titles is not None:
            write(figure, left + width / 2, y + 8, titles[n], SMALL, width, ha="center", color=QUIET)
        axes = place(figure, left, y + caption, width, height)
        if images.ndim == 4:
            axes.imshow(shown(images[n], "image_strip"), interpolation="nearest" if width >= W else "antialiased",
                        aspect="auto")
        elif colormap == "classes":
            axes.imshow(colorize(images[n]), interpolation="nearest", aspect="auto")
        else:
            axes.imshow(images[n], colormap, vmin=low, vmax=high, interpolation="nearest", aspect="auto")
        axes.set_axis_off()
    texts = list(dict.fromkeys(text for text in titles or () if text))
    describe(figure, title, f"{N} pictures" + (f": {', '.join(texts)}" if 0 < len(texts) <= 8 else ""))
    return figure
