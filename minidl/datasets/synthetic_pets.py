"""Rendered cats and dogs: a stand-in for the Oxford-IIIT Pet pictures, in the same folder layout.

    python -m minidl.datasets.synthetic_pets --to data/synthetic-pets

Every picture is a small stage: an animal built of some two hundred ellipsoids, lit and drawn in front of a
textured room or garden full of distractions. The pet's exact outline gives the trimap. How they are drawn is
told in :mod:`minidl.datasets.rendering`; here they are written to a folder, by several processes.
"""
import argparse
import json
import os
import re
import shutil
import subprocess
import sys
import time
import uuid
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

from PIL import Image

from minidl.datasets.rendering.calibration import calibrate, save_contact_sheet
from minidl.datasets.rendering.camera import SIZE
from minidl.datasets.rendering.parts import CAT
from minidl.datasets.rendering.stage import RENDERER, Picture, render
from minidl.runtime.files import project_root
from minidl.runtime.progress import Progress
from minidl.runtime.threads import get_num_threads

__all__ = ["Picture", "render", "write", "ensure", "main"]

CHUNK = 10               # pictures a worker renders before it reports
STALE = 3600.0           # seconds without a new picture after which an unfinished set is given up

# For the worker processes: they fill the cores, not the linear algebra library's threads; and Linux's allocator
# is to keep freed arrays for the next picture (a seventh of the time otherwise goes to fresh memory pages).
WORKER_SETTINGS = {"OPENBLAS_NUM_THREADS": "1", "MALLOC_MMAP_THRESHOLD_": str(2**26),
                   "MALLOC_TRIM_THRESHOLD_": str(2**28)}


def write(folder: str | Path, seed: int = 0, train: int = 1000, test: int = 200, workers: int | None = None,
          size: int = SIZE) -> Path:
    """Render a whole set into `folder`, which must not hold anything but an earlier rendered set.

    The set grows in a folder beside it, which takes the final name when complete: what is there is whole. Several
    processes may do so at once; the first to finish a set has rendered it for the others.

    Parameters
    ----------
    folder : path
    seed : int
        The set's number; the same seed gives the same pictures.
    train, test : int
        How many pictures go to trainval.txt and test.txt.
    workers : int, optional
        Number of processes; 1 renders in this one, None takes `get_num_threads`. The pictures don't depend on it. A
        script that asks for more than one needs an ``if __name__ == "__main__"`` guard; :func:`ensure` does not.
    size : int
        Height and width of the pictures in pixels.

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
    again = _written(folder) == recipe
    _remove_stale(folder)
    growing = folder.with_name(f"{folder.name}.{os.getpid()}-{uuid.uuid4().hex[:8]}.partial")
    try:
        for name in ("images", "annotations/trimaps", "annotations/xmls"):
            (growing / name).mkdir(parents=True)
        lines = _write_pictures(growing, seed, train + test, size, workers or get_num_threads())
        head = "#Image CLASS-ID SPECIES BREED-ID\n#species 1 cat, 2 dog; rendered, not photographed\n"
        for name, part in (("list", lines), ("trainval", lines[:train]), ("test", lines[train:])):
            (growing / "annotations" / f"{name}.txt").write_text(head + "".join(part), encoding="utf-8")
        (growing / "annotations" / "rendered.json").write_text(json.dumps(recipe, indent=2) + "\n", encoding="utf-8")
        if again or _written(folder) != recipe:                    # else another process was quicker
            _put_in_place(growing, folder)
    except OSError:
        if again or _written(folder) != recipe:                    # else it was quicker by a hair
            raise
    finally:
        shutil.rmtree(growing, ignore_errors=True)
    return folder


def _recipe(seed: int, train: int, test: int, size: int) -> dict[str, int]:
    """Check the numbers a set is made from, and return them as rendered.json keeps them."""
    if seed < 0:
        raise ValueError(f"seed must not be negative, got {seed}")
    if train < 1 or test < 1:
        raise ValueError(f"train and test must be at least 1, got {train} and {test}")
    if size < 32:
        raise ValueError(f"size must be at least 32 pixels, got {size}")
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
    try:
        foreign = any(folder.iterdir()) and _written(folder) is None
    except FileNotFoundError:
        return
    except NotADirectoryError:
        foreign = True
    if foreign:
        raise ValueError(f"{folder} exists and is not a rendered set; choose another folder or remove it")


def _remove_stale(folder: Path) -> None:
    """Remove what killed processes left of this set; a younger unfinished set may belong to a living one."""
    if not folder.parent.is_dir():
        return
    for path in folder.parent.iterdir():
        if re.fullmatch(re.escape(folder.name) + r"\.\d+-[0-9a-f]{8}\.(partial|old)", path.name):
            images = path / "images"                               # its time is that of the last picture
            try:
                age = time.time() - (images if images.exists() else path).stat().st_mtime
            except OSError:                                        # finished just now
                continue
            if age > STALE:
                shutil.rmtree(path, ignore_errors=True)


def _put_in_place(growing: Path, folder: Path) -> None:
    """Rename `growing` to `folder`; an earlier set makes way, and comes back if the renaming fails."""
    _refuse_foreign(folder)
    old = growing.with_suffix(".old")
    try:
        if folder.exists():
            os.replace(folder, old)
        os.replace(growing, folder)
    finally:
        if old.exists() and not folder.exists():
            os.replace(old, folder)
        shutil.rmtree(old, ignore_errors=True)


def _write_pictures(folder: Path, seed: int, count: int, size: int, workers: int) -> list[str]:
    """Render and store all pictures, and return their lines for list.txt in order of their index."""
    jobs = [(folder, seed, range(i, min(i + CHUNK, count)), size) for i in range(0, count, CHUNK)]
    workers = min(workers, len(jobs))
    lines: list[str] = []
    progress = Progress(count, "rendering cats and dogs", every=5.0)
    if workers == 1:
        for job in jobs:
            lines += _write_some(*job)
            progress.update(len(lines))
    else:
        # Spawned processes behave alike on all systems, and a fork would copy the parent's threads badly.
        with ProcessPoolExecutor(workers, get_context("spawn")) as pool:
            for done in pool.map(_write_some, *zip(*jobs)):
                lines += done
                progress.update(len(lines))
    progress.line(count, "")
    return lines


def _write_some(folder: Path, seed: int, indices: range, size: int) -> list[str]:
    """Render and store some pictures; this is what one worker process does."""
    lines = []
    for index in indices:
        picture = render(seed, index, size)
        Image.fromarray(picture.image).save(folder / "images" / f"{picture.name}.jpg", quality=92)
        Image.fromarray(picture.trimap).save(folder / "annotations/trimaps" / f"{picture.name}.png")
        (folder / "annotations/xmls" / f"{picture.name}.xml").write_text(_xml(picture), encoding="utf-8")
        lines.append(f"{picture.name} {picture.class_id} {picture.species} {picture.breed}\n")
    return lines


def _xml(picture: Picture) -> str:
    """Return the head's box as a PASCAL VOC annotation."""
    height, width = picture.trimap.shape
    corners = "".join(f"<{tag}>{value}</{tag}>" for tag, value in zip(("xmin", "ymin", "xmax", "ymax"), picture.head))
    return (f"<annotation>\n  <folder>images</folder>\n  <filename>{picture.name}.jpg</filename>\n"
            f"  <size><width>{width}</width><height>{height}</height><depth>3</depth></size>\n"
            f"  <object>\n    <name>{'cat' if picture.species == CAT else 'dog'}</name>\n"
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


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; return its exit code."""
    parser = argparse.ArgumentParser(prog="python -m minidl.datasets.synthetic_pets", description="Render cats and dogs"
                                     " with trimaps in the folder layout of the Oxford-IIIT Pet set.")
    parser.add_argument("--to", metavar="FOLDER", help="where (default: data/synthetic-pets in the project)")
    parser.add_argument("--seed", type=int, default=0, help="number of the set (default %(default)s)")
    parser.add_argument("--train", type=int, default=1000, help="training pictures (default %(default)s)")
    parser.add_argument("--test", type=int, default=200, help="test pictures (default %(default)s)")
    parser.add_argument("--workers", type=int, help="processes (default: one per core)")
    parser.add_argument("--contact-sheet", metavar="FILE", help="only draw the first 48 pictures onto one sheet")
    parser.add_argument("--trimaps", action="store_true", help="show the trimaps on the contact sheet too")
    parser.add_argument("--calibrate", metavar="FOLDER", help="only compare a set with the real pictures")
    options = parser.parse_args(arguments)
    for name, value in WORKER_SETTINGS.items():
        os.environ.setdefault(name, value)
    try:
        if options.calibrate:
            print(calibrate(options.calibrate))
        elif options.contact_sheet:
            save_contact_sheet(options.contact_sheet, options.seed, options.trimaps)
        else:
            folder = options.to or project_root() / "data" / "synthetic-pets"
            write(folder, options.seed, options.train, options.test, options.workers)
    except (ValueError, OSError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
