"""What is written about each image: its mask, the mask laid over it, and a row of the table."""
import csv
import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageColor

from minidl.datasets.pets import CLASSES
from minidl.datasets.pets.decode import blame, open_image, pillow_warnings
from minidl.layers.base import Layer, eval_mode, no_backward
from minidl.predict.inference import class_probabilities, enlarged_classes, enlarged_levels
from minidl.predict.jobs import Job
from minidl.runtime.colors import CLASS_COLORS, LINE_COLORS
from minidl.runtime.files import replacing
from minidl.runtime.progress import Progress
from minidl.runtime.threads import blas_threads, get_num_threads
from minidl.types import Array

Row = dict[str, Any]
PNG: dict[str, Any] = {"format": "PNG", "compress_level": 3}     # half the time of 6, little more bytes
IMAGES_AT_A_TIME = 4     # with all that is made of it, a photo of 50 megapixels takes half a gigabyte


def segment_jobs(jobs: Sequence[Job], model: Layer, size: int, average: bool = True,
                 probabilities: bool = False) -> Iterator[Row]:
    """Segment the images and write masks and overlays; print a line about each, and yield its row of the table.

    `average` is that of `segment`. If `probabilities`, an image of each class's probability is written as well.
    Several images are worked on at a time, each in a thread. One that fails does not stop the others.
    """
    def row_of(job: Job) -> Row:
        row: Row = {"image": str(job.image)}
        try:
            return row | segment_job(job, model, size, average, probabilities)
        except (OSError, ValueError, MemoryError) as error:
            return row | {"problem": str(error) if job.image.name in str(error) else f"{job.image}: {error}"}

    line = Progress(len(jobs))
    threads = min(get_num_threads(), len(jobs), IMAGES_AT_A_TIME)
    with (pillow_warnings(), eval_mode(model), no_backward(model), blas_threads(get_num_threads() // max(1, threads)),
          ThreadPoolExecutor(max(1, threads)) as pool):
        for done, (job, row) in enumerate(zip(jobs, pool.map(row_of, jobs)), start=1):
            if row["problem"]:
                print(f"error: {row['problem']}", file=sys.stderr, flush=True)
            else:
                shares = ", ".join(f"{value:.0%} {key}" for key, value in row.items() if isinstance(value, float))
                line.line(done, f"{done}/{len(jobs)} {job.image}: {shares}")
            yield row


def segment_job(job: Job, model: Layer, size: int, average: bool = True, probabilities: bool = False) -> Row:
    """Segment one image and write its results; return what the table says about it."""
    if job.problem:
        raise ValueError(f"{job.image}: {job.problem}")
    with blame(job.image):
        image = open_image(job.image, upright=True)
    maps = class_probabilities(model, image, size, average)                           # (K, h, w)
    classes = enlarged_classes(maps, *image.size)                                  # (H, W)
    K = len(maps)
    names = CLASSES if K == len(CLASSES) else [f"class {k + 1}" for k in range(K)]
    mask = mask_image(classes, K)
    if probabilities:
        for value, one in enumerate(maps, start=1):
            write_image(job.probability(value), Image.fromarray(enlarged_levels(one, *image.size)))
    write_images(job, mask, Image.blend(image, mask.convert("RGB"), 0.5))
    shares = [np.count_nonzero(classes == k) / classes.size for k in range(K)]
    return {"width": image.width, "height": image.height, **dict(zip(names, shares)),
            "mask": str(job.mask), "overlay": str(job.overlay), "problem": ""}


def mask_image(classes: Array, K: int) -> Image.Image:
    """Return classes (H, W), uint8 from 0, as a palette image: class k has the index k + 1, as in trimaps.

    A viewer shows it in color; a program that reads the indices gets 1, 2, 3.
    """
    colors = [ImageColor.getrgb(color)[:3] for color in (CLASS_COLORS + LINE_COLORS)]
    palette = [(0, 0, 0)] + [colors[k % len(colors)] for k in range(K)]           # index 0 is not a class
    mask = Image.fromarray(classes + np.uint8(1))
    mask.putpalette([value for color in palette for value in color])
    return mask


def write_image(path: Path, image: Image.Image) -> None:
    """Write a PNG file, complete or not at all."""
    with replacing(path) as temporary:
        image.save(temporary, **PNG)


def write_images(job: Job, mask: Image.Image, overlay: Image.Image) -> None:
    """Write both PNG files, complete, or none of them."""
    with replacing(job.overlay) as overlay_file:
        overlay.save(overlay_file, **PNG)
        with replacing(job.mask) as mask_file:
            mask.save(mask_file, **PNG)


def write_table(path: Path, rows: Sequence[Mapping[str, Any]]) -> None:
    """Write rows as .csv, in UTF-8; a name that is not valid text (Linux allows any bytes) keeps its bytes."""
    columns = dict.fromkeys(key for row in sorted(rows, key=len, reverse=True) for key in row)
    errors = "surrogateescape" if os.name == "posix" else "replace"
    with replacing(path) as temporary, temporary.open("w", encoding="utf-8", errors=errors, newline="") as file:
        writer = csv.DictWriter(file, list(columns), restval="")
        writer.writeheader()
        writer.writerows(rows)
