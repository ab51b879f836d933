"""Rendered cats and dogs: a stand-in for the Oxford-IIIT Pet images, in the same folder layout.

    python -m minidl.datasets.synthetic_pets --to data/synthetic-pets

Every image is a small stage: an animal built of some two hundred ellipsoids, lit and drawn in front of a textured room
or garden full of distractions. The pet's exact outline gives the trimap. :mod:`minidl.datasets.rendering` draws them;
here they are written to a folder, by several processes.
"""
import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import ExitStack
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from minidl.datasets.rendering.calibration import calibrate, save_contact_sheet
from minidl.datasets.rendering.camera import SIZE
from minidl.datasets.rendering.parts import CAT
from minidl.datasets.rendering.stage import RENDERER, Sample, empty_room, render
from minidl.runtime.console import prepare
from minidl.runtime.files import DATA_HELP, data_folder
from minidl.runtime.progress import Progress
from minidl.runtime.threads import get_num_threads
from minidl.types import Array

__all__ = ["Sample", "empty_rooms", "render", "write", "ensure", "main"]

CHUNK = 10               # images that a worker renders before it reports

# For the worker processes: they fill the cores, not the linear algebra library's threads; and Linux's allocator
# is to keep freed arrays for the next image (a seventh of the time otherwise goes to fresh memory pages).
WORKER_SETTINGS = {"OPENBLAS_NUM_THREADS": "1", "MALLOC_MMAP_THRESHOLD_": str(2**26),
                   "MALLOC_TRIM_THRESHOLD_": str(2**28)}


def write(folder: str | Path, seed: int = 0, train: int = 1000, test: int = 200, workers: int | None = None,
          size: int = SIZE) -> Path:
    """Render a whole set into `folder`, which must not hold anything but an earlier rendered set.

    The set grows in a temporary folder, and takes its place when it is complete. If another process finished the same
    set meanwhile, that one stays.

    Parameters
    ----------
    folder : path
    seed : int
        The set's number; the same seed gives the same images.
    train, test : int
        How many images go to trainval.txt and test.txt.
    workers : int, optional
        Number of processes; 1 renders in this one, None takes `get_num_threads`. The images don't depend on it. A
        script that asks for more than one needs an ``if __name__ == "__main__"`` guard; :func:`ensure` does not.
    size : int
        Height and width of the images in pixels.

    Returns
    -------
    Path
        The folder.

    Raises
    ------
    ValueError
        If a number is out of range, or the folder holds something else.
    """
    folder = Path(folder)
    recipe = _recipe(seed, train, test, size)
    if workers is not None and workers < 1:
        raise ValueError(f"workers must be at least 1, got {workers}")
    _refuse_foreign(folder)
    before = _written(folder)
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".rendering-", dir=folder.parent) as temporary:
        growing = Path(temporary) / "new"
        for name in ("images", "annotations/trimaps", "annotations/xmls"):
            (growing / name).mkdir(parents=True)
        lines = _write_samples(growing, seed, train + test, size, workers or get_num_threads())
        head = "#Image CLASS-ID SPECIES BREED-ID\n#species 1 cat, 2 dog; rendered, not photographed\n"
        for name, part in (("list", lines), ("trainval", lines[:train]), ("test", lines[train:])):
            (growing / "annotations" / f"{name}.txt").write_text(head + "".join(part), encoding="utf-8")
        (growing / "annotations" / "rendered.json").write_text(json.dumps(recipe, indent=2) + "\n", encoding="utf-8")
        try:
            if before == recipe or _written(folder) != recipe:
                _refuse_foreign(folder)
                if folder.exists():
                    folder.rename(Path(temporary) / "old")         # it is removed together with the temporary folder
                growing.rename(folder)
        except OSError:
            if _written(folder) != recipe:                         # else another process was quicker by a hair
                raise
    return folder


def _recipe(seed: int, train: int, test: int, size: int) -> dict[str, int]:
    """Check the numbers a set is made from, and return them as rendered.json keeps them."""
    for name, value, least in (("seed", seed, 0), ("train", train, 1), ("test", test, 1), ("size", size, 32)):
        if value < least:
            raise ValueError(f"{name} must be at least {least}, got {value}")
    return {"renderer": RENDERER, "seed": seed, "train": train, "test": test, "size": size}


def _written(folder: Path) -> dict[str, int] | None:
    """Return the recipe of the complete set in `folder`, None if there is none."""
    try:
        recipe = json.loads((folder / "annotations" / "rendered.json").read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return None
    return recipe if isinstance(recipe, dict) else None


def _refuse_foreign(folder: Path) -> None:
    """Raise a ValueError if `folder` holds anything but a rendered set."""
    if folder.exists() and _written(folder) is None and not (folder.is_dir() and not any(folder.iterdir())):
        raise ValueError(f"{folder} exists and is not a rendered set; choose another folder or remove it")


def _write_samples(folder: Path, seed: int, count: int, size: int, workers: int) -> list[str]:
    """Render and store all images, and return their lines for list.txt in order of their index."""
    jobs = [(folder, seed, range(i, min(i + CHUNK, count)), size) for i in range(0, count, CHUNK)]
    lines: list[str] = []
    progress = Progress(count, "rendering cats and dogs", every=5.0)
    with ExitStack() as stack:
        run: Any = map
        if workers > 1:      # spawned processes behave alike on all systems; a fork copies the parent's threads badly
            pool = ProcessPoolExecutor(min(workers, len(jobs)), get_context("spawn"))
            run = stack.enter_context(pool).map
        for done in run(_write_some, *zip(*jobs)):
            lines += done
            progress.update(len(lines))
    progress.line(count, "")
    return lines


def _write_some(folder: Path, seed: int, indices: range, size: int) -> list[str]:
    """Render and store some images; this is what one worker process does."""
    lines = []
    for index in indices:
        sample = render(seed, index, size)
        Image.fromarray(sample.image).save(folder / "images" / f"{sample.name}.jpg", quality=92)
        Image.fromarray(sample.trimap).save(folder / "annotations/trimaps" / f"{sample.name}.png")
        (folder / "annotations/xmls" / f"{sample.name}.xml").write_text(_xml(sample), encoding="utf-8")
        lines.append(f"{sample.name} {sample.class_id} {sample.species} {sample.breed}\n")
    return lines


def _xml(sample: Sample) -> str:
    """Return the head's box as a PASCAL VOC annotation."""
    height, width = sample.trimap.shape
    corners = "".join(f"<{tag}>{value}</{tag}>" for tag, value in zip(("xmin", "ymin", "xmax", "ymax"), sample.head))
    return (f"<annotation>\n  <folder>images</folder>\n  <filename>{sample.name}.jpg</filename>\n"
            f"  <size><width>{width}</width><height>{height}</height><depth>3</depth></size>\n"
            f"  <object>\n    <name>{'cat' if sample.species == CAT else 'dog'}</name>\n"
            f"    <bndbox>{corners}</bndbox>\n  </object>\n</annotation>\n")


def ensure(folder: str | Path, seed: int = 0, train: int = 1000, test: int = 200) -> Path:
    """Return `folder` with the rendered set in it, rendering it first unless it is there already.

    The rendering runs in a child process of its own, so that scripts without a main guard may call this. A set
    made with another seed, other counts or another version of the renderer is replaced.

    Raises
    ------
    ValueError
        If a number is out of range, or the folder holds something else.
    OSError
        If the rendering failed; the child has printed why.
    """
    folder = Path(folder)
    if _written(folder) == _recipe(seed, train, test, SIZE):
        return folder
    _refuse_foreign(folder)
    home = str(Path(__file__).resolve().parents[2])
    path = os.pathsep.join(p for p in (home, os.environ.get("PYTHONPATH")) if p)
    settings = {**os.environ, "PYTHONPATH": path}
    command = [sys.executable, "-m", "minidl.datasets.synthetic_pets", "--to", str(folder), "--seed", str(seed),
               "--train", str(train), "--test", str(test), "--workers", str(get_num_threads())]
    code = subprocess.run(command, env=settings).returncode
    if code != 0 or _written(folder) is None:
        raise OSError(f"rendering into {folder} failed with exit code {code}; its message is printed above")
    return folder


def empty_rooms(count: int, size: int = SIZE, seed: int = 0) -> Array:
    """Render rooms without a pet, (count, 3, size, size) uint8, resized as the set's images are."""
    rooms = [Image.fromarray(empty_room(seed, index)).resize((size, size), Image.Resampling.BILINEAR)
             for index in range(count)]
    return np.stack([np.asarray(room) for room in rooms]).transpose(0, 3, 1, 2)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; return its exit code."""
    prepare()
    parser = argparse.ArgumentParser(prog="python -m minidl.datasets.synthetic_pets", description="Render cats and dogs"
                                     " with trimaps in the folder layout of the Oxford-IIIT Pet set.", epilog=DATA_HELP)
    parser.add_argument("--to", metavar="FOLDER", help="where (default: data/synthetic-pets in the project)")
    parser.add_argument("--seed", type=int, default=0, help="number of the set (default %(default)s)")
    parser.add_argument("--train", type=int, default=1000, help="training images (default %(default)s)")
    parser.add_argument("--test", type=int, default=200, help="test images (default %(default)s)")
    parser.add_argument("--workers", type=int, help="processes (default: one per core)")
    parser.add_argument("--contact-sheet", metavar="FILE", help="only draw the first 48 images onto one sheet")
    parser.add_argument("--trimaps", action="store_true", help="show the trimaps on the contact sheet too")
    parser.add_argument("--calibrate", metavar="FOLDER", help="only compare a set with the real images")
    options = parser.parse_args(arguments)
    for name, value in WORKER_SETTINGS.items():
        os.environ.setdefault(name, value)
    try:
        if options.calibrate:
            print(calibrate(options.calibrate))
        elif options.contact_sheet:
            save_contact_sheet(options.contact_sheet, options.seed, options.trimaps)
        else:
            folder = options.to or data_folder() / "synthetic-pets"
            write(folder, options.seed, options.train, options.test, options.workers)
    except (ValueError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
