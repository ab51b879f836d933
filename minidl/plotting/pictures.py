"""Images and predictions as figures: colors for classes, images in rows and columns."""
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure

from minidl.datasets.pets import CLASSES
from minidl.plotting.canvas import (
    INK, LEGEND_ROW, MARGIN, QUIET, SMALL, TEXT, blank, counted, describe, legend, legend_columns, place, text_width,
    whole_multiple, write,
)
from minidl.runtime.colors import CLASS_COLORS
from minidl.types import Array

GAP, LINE = 4, 14    # figure pixels between images, and from a line of text to the next


def colorize(labels: Any, colors: Sequence[str] = CLASS_COLORS) -> Array:
    """Turn a label map (H, W) of integers into an image (H, W, 3) of floats in [0, 1], one color per class."""
    labels = np.asarray(labels)
    if labels.ndim != 2 or not np.issubdtype(labels.dtype, np.integer):
        raise ValueError(f"colorize: expected integer labels of shape (H, W), got {labels.dtype} {labels.shape}")
    wrong = (labels < 0) | (labels >= len(colors))
    if wrong.any():
        raise ValueError(f"colorize: labels must lie in 0..{len(colors) - 1} (there are {len(colors)} colors), "
                         f"got {labels[wrong][0]}")
    return np.array([to_rgb(color) for color in colors])[labels]  # (H, W, 3)


def overlay(image: Any, labels: Any, alpha: float = 0.5, colors: Sequence[str] = CLASS_COLORS) -> Array:
    """Lay the class colors over an image (3, H, W): alpha 0 is the image, 1 the colors. Returns (H, W, 3)."""
    if not 0 <= alpha <= 1:
        raise ValueError(f"overlay: alpha must lie in [0, 1], got {alpha}")
    below, above = shown(image), colorize(labels, colors)
    if below.shape != above.shape:
        raise ValueError("overlay: expected labels of the image's height and width "
                         f"{below.shape[:2]}, got {above.shape[:2]}")
    return (1 - alpha) * below + alpha * above


def shown(image: Any) -> Array:
    """Turn an image (3, H, W), uint8 or float in [0, 1], into (H, W, 3) float64 in [0, 1]."""
    image = np.asarray(image)
    if image.ndim != 3 or image.shape[0] != 3:
        raise ValueError(f"expected an image of shape (3, H, W), got {image.shape}")
    if image.dtype == np.uint8:
        return image.transpose(1, 2, 0) / 255
    if not np.issubdtype(image.dtype, np.floating):
        raise ValueError(f"expected an image of uint8, or of floats in [0, 1], got {image.dtype}")
    low, high = float(image.min()), float(image.max())
    if not (low >= -1e-3 and high <= 1 + 1e-3):  # rounding may overshoot a little; nan fails as well
        raise ValueError(f"expected an image of floats in [0, 1], got values from {low:g} to {high:g}. "
                         "If it was normalized, undo that first.")
    return np.clip(image.transpose(1, 2, 0).astype(np.float64), 0, 1)


class ImageGrid:
    """A figure of images of one size; each of their pixels is a square of whole figure pixels.

    Parameters
    ----------
    count : int
        Number of images.
    gaps : integers
        Empty figure pixels after each column.
    shape : (H, W)
        Of the images.
    cell : int
        Wanted width of an image in figure pixels. It is rounded to a whole multiple of W (or, for W more than that, to
        a whole fraction).
    title : str, optional
        Headline.
    heads : strings, optional
        Of the columns; all lines but the first are small.
    captions : bool
        Whether there is room for a text above each image.
    entries : {name: color}, optional
        The legend's, below the images.
    beside, below : int
        Figure pixels to leave empty to the right of each image, and under all, from `bottom` on.
    names : strings, optional
        Of the rows, at their left.

    Attributes
    ----------
    figure : Figure
    width, height : int
        Of an image, in figure pixels.
    lefts : list of int
        Where the columns begin.
    bottom : int
    """

    def __init__(self, count: int, gaps: Sequence[int], shape: tuple[int, int], cell: int, title: str | None = None,
                 heads: Sequence[str] = (), captions: bool = False, entries: Mapping[str, str] | None = None,
                 beside: int = 0, below: int = 0, names: Sequence[str] = ()) -> None:
        if not count or not gaps:
            raise ValueError(f"expected at least one image and one column, got {count} and {len(gaps)}")
        H, W = shape
        self.width = whole_multiple(W, cell)
        self.height = max(1, round(H * self.width / W))
        columns = min(count, len(gaps))
        indent = 10 + max(text_width(name, TEXT) for name in names) if names else 0
        self.lefts = [MARGIN + round(indent) + k * (self.width + beside) + sum(gaps[:k]) for k in range(columns)]
        self.caption = LINE + 2 if captions else 0
        self.step = self.caption + self.height + (12 if beside else 8 if captions else GAP)
        self.top = MARGIN + (28 if title else 0) + LINE * max((head.count("\n") + 1 for head in heads), default=0)
        inner, kinds = self.lefts[-1] + self.width + beside - MARGIN, list(entries or {})
        under = self.top + -(-count // columns) * self.step
        self.bottom = under + LEGEND_ROW * -(-len(kinds) // legend_columns(kinds, inner))
        self.figure = blank(inner + 2 * MARGIN, self.bottom - GAP + below + MARGIN, title)
        for left, head in zip(self.lefts, heads):
            lines = head.split("\n")
            for k, line in enumerate(lines):
                y, size, color = self.top - 9 - LINE * (len(lines) - 1 - k), SMALL if k else TEXT, QUIET if k else INK
                write(self.figure, left + self.width / 2, y, line, size, self.width, color, "center")
        if entries:
            legend(self.figure, MARGIN, under, kinds, list(entries.values()))
        for row, name in enumerate(names):
            middle = self.top + row * self.step + self.caption + self.height / 2
            write(self.figure, MARGIN, middle, name, TEXT, indent)

    def show(self, n: int, image: Any, caption: str = "", colors: Sequence[str] = CLASS_COLORS,
             **options: Any) -> Axes:
        """Draw an image (3, H, W), classes (H, W), or values (H, W) with a `cmap`, in the n-th cell; return its axes.

        Cells are counted along the rows; options are those of matplotlib's `imshow`.
        """
        row, column = divmod(n, len(self.lefts))
        left, top = self.lefts[column], self.top + row * self.step
        write(self.figure, left + self.width / 2, top + 8, caption, SMALL, self.width, QUIET, "center")
        axes = place(self.figure, left, top + self.caption, self.width, self.height)
        axes.set_axis_off()
        image = np.asarray(image)
        # Enlarged pixels stay squares; an image made smaller is averaged, classes cannot be.
        smooth = image.ndim == 3 and self.width < image.shape[2]
        if "cmap" not in options:
            image = shown(image) if image.ndim == 3 else colorize(image, colors)
        axes.imshow(image, aspect="auto", interpolation="antialiased" if smooth else "nearest", **options)
        return axes


def checked_images(images: Any, caller: str, channels: Sequence[int] = (3,)) -> Array:
    """Return images as an array, after checking that its shape is (N, C, H, W)."""
    images = np.asarray(images)
    if images.ndim != 4 or images.shape[1] not in channels or not images.size:
        raise ValueError(f"{caller}: expected images of shape {' or '.join(f'(N, {C}, H, W)' for C in channels)}, "
                         f"got {images.shape}")
    return images


def prediction_grid(images: Any, labels: Any, predictions: Mapping[str, Any],
                    notes: Mapping[str, Sequence[str]] | None = None, columns: int = 1, title: str | None = None,
                    class_names: Sequence[str] = CLASSES, colors: Sequence[str] = CLASS_COLORS,
                    cell: int = 136) -> Figure:
    """Show samples in rows: the image, the true classes, and those that one or several models predict.

    Parameters
    ----------
    images : (N, 3, H, W)
        uint8, or floats in [0, 1].
    labels : (N, H, W) integers
        True classes.
    predictions : {model: (N, H, W) integers}
    notes : {model: N strings}, optional
        Written above the model's predictions.
    columns : int
        Samples side by side: 2 turns eight samples into a landscape figure.
    title : str, optional
        Headline.
    class_names, colors : strings
        The legend's, in the order of the classes.
    cell : int
        Wanted width of an image, as in `ImageGrid`.
    """
    images, labels, models = checked_images(images, "prediction_grid"), np.asarray(labels), list(predictions)
    N, _, H, W = images.shape
    maps = [labels, *(np.asarray(guess) for guess in predictions.values())]
    for name, classes in zip(["labels", *map("predictions of {!r}".format, models)], maps):
        if classes.shape != (N, H, W):
            raise ValueError(f"prediction_grid: expected {name} of shape {(N, H, W)}, got {classes.shape}")
    notes = notes or {}
    if not set(notes) <= set(models):
        raise ValueError(f"prediction_grid: expected notes for {models}, got notes for {list(notes)}")
    for name, texts in notes.items():
        counted("prediction_grid", f"notes for {name!r}", texts, N)
    if len(class_names) > len(colors):
        raise ValueError(f"prediction_grid: expected a color for each class, got {len(class_names)} class names and "
                         f"{len(colors)} colors")
    heads = ["image", "truth", *models]
    grid = ImageGrid(N * len(heads), [*[GAP] * (len(heads) - 1), 28] * columns, (H, W), cell, title, heads * columns,
                     bool(notes), dict(zip(class_names, colors)))
    for n in range(N):
        captions = ["", "", *(notes[name][n] if name in notes else "" for name in models)]
        for k, image in enumerate([images[n], *(classes[n] for classes in maps)]):
            grid.show(n * len(heads) + k, image, captions[k], colors)
    right = [f"{name} {np.mean(guess == labels):.0%}" for name, guess in zip(models, maps[1:])]
    describe(grid.figure, title, f"Columns: {', '.join(heads)}; samples: {N}",
             f"Share of their pixels that are right: {', '.join(right)}" if notes else "")
    return grid.figure


def image_strip(images: Any, titles: Sequence[str] | None = None, columns: int = 8, title: str | None = None,
                colormap: str | None = None, limits: tuple[float, float] | None = None, cell: int = 96) -> Figure:
    """Show many images or maps on one sheet.

    Parameters
    ----------
    images : (N, 3, H, W), (N, 1, H, W) or (N, H, W)
        Images (uint8, or floats in [0, 1]); or maps of one value per pixel.
    titles : N strings, optional
        Written above each.
    columns : int
        Images side by side.
    title : str, optional
        Headline.
    colormap : str, optional
        matplotlib's name of the colors of maps. If left out, maps of integers are label maps and get the class colors,
        maps of floats get "gray".
    limits : pair of floats, optional
        Values shown as the first and the last color; smallest and largest of all the maps if left out.
    cell : int
        Wanted width of an image, as in `ImageGrid`.
    """
    images = np.asarray(images)
    if images.ndim == 4 and images.shape[1] == 1:
        images = images[:, 0]
    if images.ndim != 3:
        images = checked_images(images, "image_strip")
    N = len(images)
    counted("image_strip", "titles", titles, N)
    options: dict[str, Any] = {}
    if images.ndim == 3 and (colormap or not np.issubdtype(images.dtype, np.integer)):
        low, high = limits or (images.min(), images.max())
        options = {"cmap": colormap or "gray", "vmin": low, "vmax": high}
    grid = ImageGrid(N, [GAP] * columns, images.shape[-2:], cell, title, captions=titles is not None)
    for n, image in enumerate(images):
        grid.show(n, image, titles[n] if titles is not None else "", **options)
    texts = list(dict.fromkeys(text for text in titles or () if text))
    describe(grid.figure, title, f"{N} images" + (f": {', '.join(texts)}" if 0 < len(texts) <= 8 else ""))
    return grid.figure
