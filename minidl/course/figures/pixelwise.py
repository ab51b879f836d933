"""Probabilities, labels and gradients of all pixels, as images."""
from collections.abc import Mapping
from typing import Any

import numpy as np

from minidl.datasets.pets import CLASSES
from minidl.plotting.canvas import QUIET, SMALL, TEXT, describe, place, write
from minidl.plotting.pictures import CLASS_COLORS, GAP, ImageGrid

from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize, to_rgb
from matplotlib.figure import Figure

PROBABILITY, GRADIENT = ("viridis", 0.0, 1.0), ("RdBu_r", -1.0, 1.0)       # colormap, first and last value


def subtraction_figure(image: Any, labels: Any, p: Any, gradient: Any, title: str | None = None,
                       cell: int = 192) -> Figure:
    """Draw for one image the maps of p, of the one-hot truth y, and of the gradient p - y, a column for each class.

    Parameters
    ----------
    image : (3, H, W)
        Shown at the left of the first row.
    labels : (H, W) integers
        The true classes, at the left of the second row; those with the largest p are at the left of the third.
    p, gradient : (K, H, W)
        In [0, 1], and in [-1, 1].
    title : str, optional
        Headline.
    cell : int
        Wanted width of an image, as in `ImageGrid`.
    """
    p, labels = np.asarray(p), np.asarray(labels)
    K, H, W = p.shape
    truth = np.eye(K)[labels].transpose(2, 0, 1)                           # (K, H, W)
    grid = ImageGrid(3 * (K + 1), [5 * GAP, *[2 * GAP] * K], (H, W), cell, title, ["", *CLASSES[:K]], captions=True,
                     entries=dict(zip(CLASSES, CLASS_COLORS)), below=34,
                     names=["probability p", "truth y, one-hot", "gradient p − y"])
    rows = ((image, "image", p, PROBABILITY), (labels, "true classes", truth, PROBABILITY),
            (p.argmax(axis=0), "predicted classes", np.asarray(gradient), GRADIENT))
    for row, (beside, caption, maps, (colormap, low, high)) in enumerate(rows):
        first = row * (K + 1)
        grid.show(first, beside, caption)
        for k, values in enumerate(maps, 1):
            grid.show(first + k, values, cmap=colormap, vmin=low, vmax=high)
    for left, name, (colormap, low, high) in ((grid.lefts[1], "p and y", PROBABILITY),
                                              (grid.lefts[K], "p − y", GRADIENT)):
        axes = place(grid.figure, left, grid.bottom + 4, grid.width, 9)
        bar = grid.figure.colorbar(ScalarMappable(Normalize(low, high), colormap), cax=axes, orientation="horizontal")
        bar.set_ticks([low, (low + high) / 2, high])
        bar.outline.set_visible(False)
        axes.tick_params(labelsize=SMALL, labelcolor=QUIET, color=QUIET, length=3)
        write(grid.figure, left, grid.bottom - 6, name, TEXT, grid.width)
    right = float((p.argmax(axis=0) == labels).mean())
    describe(grid.figure, title, "An image, its true and its predicted classes; for each class its probability, the "
             f"truth, and the gradient; {right:.0%} of the pixels are right, the gradient lies between "
             f"{np.min(gradient):.2f} and {np.max(gradient):.2f}")
    return grid.figure


def descent_figure(frames: Mapping[str, Any], labels: Any, title: str | None = None, cell: int = 128) -> Figure:
    """Draw probabilities that come nearer to the truth, a column for each step.

    Parameters
    ----------
    frames : {name: (K, H, W)}
        The probabilities. Above, each pixel's class colors are mixed in their shares; below is the largest |p - y|
        over its classes, from 0 (white) to 1 (black).
    labels : (H, W) integers
        The true classes.
    title : str, optional
        Headline.
    cell : int
        Wanted width of an image, as in `ImageGrid`.
    """
    if not frames:
        raise ValueError("descent_figure: expected at least one frame, got none")
    labels = np.asarray(labels)
    grid = ImageGrid(2 * len(frames), [GAP] * len(frames), labels.shape, cell, title, list(frames), captions=True,
                     entries=dict(zip(CLASSES, CLASS_COLORS)), names=["p, as mixed colors", "largest |p − y|"])
    left = []
    for n, p in enumerate(frames.values()):
        colors = np.array([to_rgb(color) for color in CLASS_COLORS[:len(p)]])                # (K, rgb)
        off = np.abs(p - np.eye(len(p))[labels].transpose(2, 0, 1)).max(axis=0)              # (H, W)
        grid.show(n, np.clip(np.einsum("khw,kc->chw", p, colors), 0, 1))
        grid.show(len(frames) + n, off, f"at most {off.max():.3f}", cmap="Greys", vmin=0, vmax=1)
        left.append(float(off.max()))
    describe(grid.figure, title, "Largest difference from the truth: "
             + ", ".join(f"{name} {value:.3f}" for name, value in zip(frames, left)))
    return grid.figure
