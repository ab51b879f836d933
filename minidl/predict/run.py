"""Many pictures: read, segmented and written a few at a time, and one that fails does not keep the others from it."""
import sys
from collections.abc import Iterator, Sequence
from typing import Any

from PIL import Image

from minidl.datasets.pets.decode import blame, open_picture, pillow_warnings
from minidl.layers import Layer
from minidl.predict.inference import segment_all
from minidl.predict.places import Job
from minidl.predict.results import class_names, mask_image, overlay_image, shares, write_image
from minidl.runtime.progress import Progress
from minidl.types import Array

BATCH = 16               # pictures that go through the network together,
BATCH_PIXELS = 2**25     # or fewer, if they are large: all of them are in memory (100 MB for these)

Row = dict[str, Any]
Opened = Image.Image | Exception


def segment_jobs(jobs: Sequence[Job], model: Layer, size: int) -> Iterator[Row]:
    """Segment the pictures and write masks and overlays; print a line about each, and yield its row of the table."""
    line = Progress(len(jobs))
    done = 0
    with pillow_warnings():
        for batch in batches(jobs):
            for row in segment_batch(batch, model, size):
                done += 1
                if row["problem"]:
                    print(f"error: {row['problem']}", file=sys.stderr, flush=True)
                else:
                    found = ", ".join(f"{value:.0%} {key}" for key, value in row.items() if isinstance(value, float))
                    line.line(done, f"{done}/{len(jobs)} {row['picture']}: {found}")
                yield row


def batches(jobs: Sequence[Job]) -> Iterator[list[tuple[Job, Opened]]]:
    """Read the pictures; yield a few at a time, each with what went wrong in its place if it could not be read."""
    batch: list[tuple[Job, Opened]] = []
    pixels = 0
    for job in jobs:
        try:
            if job.problem:
                raise ValueError(f"{job.picture}: {job.problem}")
            with blame(job.picture):
                picture = open_picture(job.picture, upright=True)
            batch.append((job, picture))
            pixels += picture.width * picture.height
        except ValueError as error:
            batch.append((job, error))
        if len(batch) == BATCH or pixels >= BATCH_PIXELS:
            yield batch
            batch, pixels = [], 0
    if batch:
        yield batch


def segment_batch(batch: list[tuple[Job, Opened]], model: Layer, size: int) -> Iterator[Row]:
    """Segment some pictures and write their results; yield a row of the table for each."""
    good = [(job, picture) for job, picture in batch if isinstance(picture, Image.Image)]
    bad: dict[Job, Exception] = {job: error for job, error in batch if isinstance(error, Exception)}
    found: dict[Job, tuple[Image.Image, Array]] = {}
    try:
        results = segment_all(model, [picture for _, picture in good], size)
        found = {job: (picture, classes) for (job, picture), classes in zip(good, results)}
    except (ValueError, MemoryError) as error:
        bad |= {job: error for job, _ in good}
    K = model.output_shape((1, 3, 32, 32))[1]
    for job, _ in batch:
        row: Row = {"picture": str(job.picture)}
        try:
            if job in bad:
                raise bad[job]
            picture, classes = found[job]
            mask = mask_image(classes, K)
            write_image(job.mask, mask)
            write_image(job.overlay, overlay_image(picture, mask))
            row |= {"width": picture.width, "height": picture.height, **dict(zip(class_names(K), shares(classes, K))),
                    "mask": str(job.mask), "overlay": str(job.overlay), "problem": ""}
        except (OSError, ValueError, MemoryError) as error:
            row["problem"] = str(error) if job.picture.name in str(error) else f"{job.picture}: {error}"
        yield row
