"""Cats and dogs to classify, and what the result is shown by: accuracy, confusion matrix, images with probabilities."""
from collections.abc import Sequence
from typing import Any

import numpy as np

from minidl.course.lesson import Lesson
from minidl.datasets.pets import Pets
from minidl.layers import Layer
from minidl.metrics import checked
from minidl.plotting.canvas import (
    GRID, INK, LINE_COLORS, QUIET, SMALL, TEXT, TITLE, counted, describe, subplots, text_width,
)
from minidl.plotting.pictures import ImageGrid, checked_images
from minidl.runtime.format import percent
from minidl.step import predict
from minidl.types import Array

from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure

RIGHT, WRONG, OTHER = LINE_COLORS[0], LINE_COLORS[1], "#B9C2CA"
MOST = 3           # classes beside an image
LEAST = 3          # cats, and dogs, to train on: a fifth of each is split off
SPECIES = ("cat", "dog")


def cats_and_dogs(lesson: Lesson) -> tuple[Pets, Pets]:
    """Return the images of a lesson's two splits whose species is known; say how many others are left out.

    If there are not both cats and dogs to train on, and some to test, the lesson ends here: its numbers are written,
    without a result, a message says what is missing, and `SystemExit` is raised.
    """
    splits = []
    for split in ("train", "test"):
        pets = lesson.pets(split)
        if unknown := int((pets.species < 0).sum()):
            print(f"left out: {unknown} {split} images whose species annotations/list.txt does not name")
        splits.append(pets[pets.species >= 0])
    train, test = splits
    counts = np.bincount(train.species, minlength=2)
    print(f"{counts[0]} cats and {counts[1]} dogs to train on, {len(test)} images to test")
    if counts.min() < LEAST or not len(test):
        lesson.finish(test={})
        print(f"\n{lesson.data}: cats and dogs need images of both to train on (at least {LEAST}), and some to test; "
              "the rest of the lesson is left out. The species come from annotations/list.txt: NAME CLASS-ID SPECIES "
              "BREED-ID, 1 cat, 2 dog.")
        raise SystemExit
    return train, test


def accuracy(model: Layer, images: Array, labels: Array) -> float:
    """Return the share of images (N, C, H, W) whose largest logit is that of their label (N,)."""
    predicted = predict(model, images).argmax(axis=1)                              # (N,)
    if np.shape(labels) != predicted.shape:
        raise ValueError(f"accuracy: expected {len(predicted)} labels, one per image, got shape {np.shape(labels)}")
    return float(np.mean(predicted == labels))


def confusion_figure(matrix: Any, class_names: Sequence[str], title: str | None = None) -> Figure:
    """Draw a confusion matrix: what is right in blue, on the diagonal, what is wrong in orange.

    Parameters
    ----------
    matrix : (K, K) integers
        From `metrics.confusion_matrix`: rows are true classes, columns predicted ones. A square's color is its share
        of its row, a mistake's color stronger, so that few are noticed, too; an empty square has no number.
    class_names : K strings
    title : str, optional
        Headline.

    Raises
    ------
    ValueError
        If the matrix is not one of counts, or there is not a name for each class.
    """
    matrix = checked(matrix, "confusion_figure")
    K = len(matrix)
    counted("confusion_figure", "class names", class_names, K)
    rows = matrix.sum(axis=1)                                                       # (K,) samples of each true class
    shares = matrix / np.maximum(1, rows)[:, None]
    widest = max(text_width(name, TEXT) for name in class_names)
    cell = max(36, 120 // K)                                                        # height in figure pixels
    width = max(K * max(cell, widest + 4) + widest + 180, text_width(title or "", TITLE, "bold") + 30)
    figure, (axes,) = subplots(width, K * cell + 110, title=title)
    right = LinearSegmentedColormap.from_list("right", ["white", RIGHT])
    wrong = LinearSegmentedColormap.from_list("wrong", ["white", WRONG])
    diagonal = np.eye(K, dtype=bool)[:, :, None]
    colors = np.where(diagonal, right(0.75 * shares), wrong(np.minimum(1, 4 * shares)))     # (K, K, 4)
    axes.imshow(colors, aspect="auto", interpolation="nearest")
    axes.set_xticks(range(K), class_names, fontsize=TEXT, color=INK)
    axes.set_yticks(range(K), class_names, fontsize=TEXT, color=INK)
    axes.set_xticks(np.arange(K + 1) - 0.5, minor=True)
    axes.set_yticks(np.arange(K + 1) - 0.5, minor=True)
    axes.grid(visible=False)
    axes.grid(which="minor", color=GRID, linewidth=0.8)
    axes.tick_params(which="both", length=0, labeltop=True, labelbottom=False)
    axes.spines["bottom"].set_visible(False)
    axes.xaxis.set_label_position("top")
    axes.set_xlabel("predicted", fontsize=TEXT, color=QUIET, loc="left")
    axes.set_ylabel("true", fontsize=TEXT, color=QUIET, loc="top")
    axes.annotate("of these right", (1, 1), (6, 5), xycoords="axes fraction", textcoords="offset points",
                  fontsize=TEXT, color=QUIET)
    for k in range(K):
        if rows[k]:
            axes.text(K - 0.4, k, f"{matrix[k, k]} of {rows[k]}", fontsize=TEXT, color=INK, va="center")
        for m in map(int, np.flatnonzero(matrix[k])):
            axes.text(m, k, str(matrix[k, m]), ha="center", va="center", fontsize=TEXT,
                      color="white" if k == m and shares[k, k] > 0.8 else INK)
    describe(figure, title, "Of each true class right: " + ", ".join(
        f"{name} {matrix[k, k]} of {rows[k]}" for k, name in enumerate(class_names)))
    return figure


def probability_grid(images: Any, probabilities: Any, labels: Any, class_names: Sequence[str],
                     title: str | None = None, cell: int = 72) -> Figure:
    """Show images, and beside each the probabilities that a classifier gives to the likeliest classes.

    Parameters
    ----------
    images : (N, 3, H, W) or (N, 1, H, W)
        uint8, or floats in [0, 1]; of one channel, 0 is white and 1 black.
    probabilities : (N, K)
    labels : (N,) integers
        True classes; their bars are blue, and are shown even if they are not among the likeliest.
    class_names : K strings
    title : str, optional
        Headline.
    cell : int
        Wanted width of an image, as in `ImageGrid`.
    """
    images = checked_images(images, "probability_grid", (3, 1))
    probabilities, labels = np.asarray(probabilities, np.float64), np.asarray(labels)
    N, K = len(images), len(class_names)
    if probabilities.shape != (N, K) or not np.allclose(probabilities.sum(axis=1), 1, atol=1e-3):
        raise ValueError(f"probability_grid: expected probabilities of shape {(N, K)} whose rows add up to 1, got "
                         f"shape {probabilities.shape}. Logits become probabilities by Softmax().")
    if labels.shape != (N,) or labels.dtype.kind not in "iu" or labels.min() < 0 or labels.max() >= K:
        raise ValueError(f"probability_grid: expected {N} labels, integers in 0..{K - 1}, got {labels}")
    word, bar = int(max(text_width(name, SMALL) for name in class_names)) + 12, 54
    grid = ImageGrid(N, [14] * 4, images.shape[2:], cell, title, beside=word + bar + 46,
                     entries={"true class": RIGHT, "wrong answer": WRONG, "other class": OTHER})
    inks: dict[str, Any] = {}
    if images.shape[1] == 1:
        inks = {"cmap": "gray_r", "vmin": 0, "vmax": 255 if images.dtype == np.uint8 else 1}
    for n, (image, shares) in enumerate(zip(images, probabilities)):
        axes = grid.show(n, image[0] if inks else image, **inks)
        if inks:                                          # a frame, because the paper is white
            axes.set_axis_on()
            axes.set(xticks=[], yticks=[])
            axes.spines[:].set_color(GRID)
        classes = likeliest(shares, int(labels[n]))
        height = 17 * len(classes) / grid.height
        panel = axes.inset_axes((1 + word / grid.width, 0.5 - height / 2, bar / grid.width, height))
        panel.set(xlim=(0, 1), ylim=(len(classes) - 0.5, -0.5), xticks=[])
        panel.set_yticks(range(len(classes)), [class_names[k] for k in classes], fontsize=SMALL, color=INK)
        panel.tick_params(length=0, pad=3)
        panel.spines[:].set_visible(False)
        whole = panel.barh(range(len(classes)), 1, 0.6, color="#F3F5F7")
        panel.barh(range(len(classes)), shares[classes], 0.6, color=[
            RIGHT if k == labels[n] else WRONG if k == shares.argmax() else OTHER for k in classes])
        panel.bar_label(whole, [percent(share) for share in shares[classes]], padding=3, fontsize=SMALL, color=QUIET)
    describe(grid.figure, title, "Probability of the true class: " + ", ".join(
        f"{class_names[label]} {percent(row[label])}" for row, label in zip(probabilities, labels)))
    return grid.figure


def likeliest(probabilities: Array, label: int) -> list[int]:
    """Return the likeliest classes, the last one replaced by the true one if it is missing."""
    classes = [int(k) for k in np.argsort(-probabilities, kind="stable")[:MOST]]
    return classes if label in classes else [*classes[:-1], label]
