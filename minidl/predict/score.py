"""How good a model's classes are where the true ones are known: `python -m minidl.predict --score FOLDER`.

The test images of a folder in the layout of Oxford-IIIT Pet, each at its own size, against its trimap.
"""
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from minidl.datasets.pets import CLASSES
from minidl.datasets.pets.decode import blame, open_image, open_trimap, pillow_warnings
from minidl.datasets.pets.index import Source, find_sources
from minidl.layers.base import Layer, eval_mode, no_backward
from minidl.metrics import confusion_matrix, scores
from minidl.predict.inference import segment
from minidl.predict.results import IMAGES_AT_A_TIME
from minidl.runtime.progress import Progress
from minidl.runtime.threads import blas_threads, get_num_threads
from minidl.types import Array

KNOWN = 50               # training images that make a breed a known one
SCORES = "scores.csv"


@dataclass(frozen=True)
class Scored:
    """An image and the confusion matrix of its pixels; no matrix, and a problem, if it could not be scored."""

    name: str
    species: int                     # 0 cat, 1 dog, -1 if no list says it
    matrix: Array | None
    problem: str = ""

    @property
    def breed(self) -> str:
        """The name without its number: "Egyptian_Mau" of "Egyptian_Mau_12"."""
        return self.name.rpartition("_")[0]


def names_seen(weights: Path) -> list[str]:
    """Return the names of a model's training images: a line each, in the file FILE.txt beside the weights FILE.npz."""
    path = weights.with_suffix(".txt")
    return path.read_text(encoding="utf-8").split() if path.is_file() else []


def score_images(folder: Path, model: Layer, size: int, average: bool = True,
                 seen: Sequence[str] = ()) -> Iterator[Scored]:
    """Segment a folder's test images and count, for each, which class was predicted where which is true.

    `average` and `size` are those of `segment`. The images in `seen`, on which the model was trained, are passed over.
    Errors are those of `find_sources`, and a ValueError if no image is left.
    """
    known = set(seen)
    sources = [source for source in find_sources(folder, "test") if source.entry.name not in known]
    if not sources:
        raise ValueError(f"{folder}: the model was trained on all of its test images, so there is nothing to score")

    def scored(source: Source) -> Scored:
        entry = source.entry
        try:
            return Scored(entry.name, entry.species, count(source, model, size, average))
        except (OSError, ValueError, MemoryError) as error:
            return Scored(entry.name, entry.species, None, str(error))

    progress = Progress(len(sources), "scoring images", patience=2)
    threads = min(get_num_threads(), IMAGES_AT_A_TIME)
    with (pillow_warnings(), eval_mode(model), no_backward(model), blas_threads(max(1, get_num_threads() // threads)),
          ThreadPoolExecutor(threads) as pool):
        for done, result in enumerate(pool.map(scored, sources), start=1):
            progress.update(done)
            yield result
    progress.line(len(sources), "")


def count(source: Source, model: Layer, size: int, average: bool) -> Array:
    """Return the confusion matrix (3, 3) of one image: true classes in rows, predicted ones in columns."""
    if source.missing or source.image is None or source.trimap is None:
        raise ValueError(source.missing)
    with blame(source.image):
        image = open_image(source.image)
    with blame(source.trimap):
        truth = np.asarray(open_trimap(source.trimap)) - 1                             # (H, W), 0 to 2
    classes = segment(model, image, size, average)
    if classes.shape != truth.shape:
        raise ValueError(f"{source.trimap}: expected a trimap of its image's size, {classes.shape[1]} x "
                         f"{classes.shape[0]}, got {truth.shape[1]} x {truth.shape[0]}")
    return confusion_matrix(truth, classes, len(CLASSES))


def groups(results: Sequence[Scored], seen: Sequence[str] = ()) -> dict[str, list[Scored]]:
    """Return the images that could be scored: all, by breeds that the training knew and others, and by species."""
    good = [one for one in results if one.matrix is not None]
    times = Counter(name.rpartition("_")[0] for name in seen)
    known = {breed for breed, number in times.items() if number >= KNOWN}
    parts = {"all": good}
    if known:
        parts[f"breeds with {KNOWN} or more training images"] = [one for one in good if one.breed in known]
        parts["other breeds"] = [one for one in good if one.breed not in known]
    parts |= {name: [one for one in good if one.species == k] for k, name in enumerate(("cats", "dogs"))}
    return {name: part for name, part in parts.items() if part}


def score_table(parts: dict[str, list[Scored]]) -> str:
    """Return a table: images, mean IoU, the IoU of each class, pixels right, and how many "background" would be."""
    columns = ["images", "mean IoU", *CLASSES, "pixels right", '"background" everywhere']
    width = max(map(len, parts))
    lines = [f"{'':{width}}  " + "  ".join(columns)]
    for name, part in parts.items():
        matrix = total(part)
        row = scores(matrix, CLASSES)
        values = [row["mean_iou"], *(row.get(f"iou_{name}", np.nan) for name in CLASSES), row["pixel_accuracy"],
                  matrix[CLASSES.index("background")].sum() / matrix.sum()]
        cells = [f"{len(part):,}", *(f"{value:.3f}" for value in values)]
        lines.append(f"{name:{width}}  " + "  ".join(f"{cell:>{len(head)}}" for cell, head in zip(cells, columns)))
    return "\n".join(lines)


def total(part: Iterable[Scored]) -> Array:
    """Return the sum of the images' confusion matrices: large images count more than small ones."""
    return np.sum([one.matrix for one in part if one.matrix is not None], axis=0)


def score_rows(results: Sequence[Scored]) -> list[dict[str, Any]]:
    """Return a row for each image, as `write_table` takes them: the worst first, those with a problem at the end."""
    good = [(one.name, scores(one.matrix, CLASSES)) for one in results if one.matrix is not None]
    good.sort(key=lambda pair: pair[1]["mean_iou"])
    return [*({"image": name, **row, "problem": ""} for name, row in good),
            *({"image": one.name, "problem": one.problem} for one in results if one.matrix is None)]
