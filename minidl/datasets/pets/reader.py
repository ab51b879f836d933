"""Read images of pets and their trimaps from a folder laid out like the Oxford-IIIT Pet archives.

    images/NAME.jpg                   the image
    annotations/trimaps/NAME.png      a class per pixel: 1 object, 2 background, 3 border
    annotations/xmls/NAME.xml         the box of the head, for some images only
    annotations/list.txt              lines NAME CLASS-ID SPECIES BREED-ID (species 1 cat, 2 dog)
    annotations/trainval.txt, test.txt     the same lines, or names alone: the two halves of the set

Only the images and the trimaps have to be there. The rendered images, the real set and a folder of your own differ by
their path only. The real archives hold surprises: AppleDouble files (`._NAME.png`), stray `.mat` files, images called
.jpg that are PNG or GIF inside. The reader passes over the former and converts the latter; what it cannot read it
names, with the reason.

References
----------
O. M. Parkhi, A. Vedaldi, A. Zisserman, C. V. Jawahar, "Cats and Dogs", CVPR 2012.
"""
import io
import os
import warnings
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from minidl.datasets.pets.cache import cache_path, open_records, record_type
from minidl.datasets.pets.decode import Problem, pillow_warnings, read_one
from minidl.datasets.pets.index import LISTS, Source, find_sources
from minidl.layers.arguments import positive
from minidl.runtime.files import replacing
from minidl.runtime.progress import Progress
from minidl.runtime.threads import get_num_threads
from minidl.types import Array

CLASSES = ("object", "background", "border")
ARRAYS = ("images", "trimaps", "species", "breeds", "boxes", "head_boxes")     # of Pets
PROBLEMS_SHOWN = 10
PATIENCE = 2.0           # seconds of silence before progress is shown
CHUNK = 64               # images that are decoded before their records are written: all at once would fill the memory


@dataclass(frozen=True, eq=False)
class Pets:
    """N images of pets, all resized to S x S, with what is known about them.

    The arrays of `load_pets` are read-only; images and trimaps of the cache are memory-mapped.
    """

    names: list[str]        # without suffix
    images: Array           # uint8 (N, 3, S, S): red, green and blue
    trimaps: Array          # uint8 (N, S, S): the class of every pixel, an index into CLASSES (in the files 1, 2, 3)
    species: Array          # int64 (N,): 0 cat, 1 dog, -1 unknown
    breeds: Array           # int64 (N,): CLASS-ID - 1 (0..36 in the Oxford set), -1 unknown
    boxes: Array            # float32 (N, 4): x0, y0, x1, y1 around object and border pixels, half-open; NaN without any
    head_boxes: Array       # float32 (N, 4): the head's, from the xml file, scaled with the image; NaN without one
    problems: list[str]     # one line for each image that was left out: which, and why

    def __len__(self) -> int:
        return len(self.names)

    def __repr__(self) -> str:
        return f"Pets({len(self)} images of {self.images.shape[-1]} x {self.images.shape[-1]})"

    def __getitem__(self, which: Any) -> "Pets":
        """Return some of the images as Pets, in the order asked for: a slice gives views, everything else copies.

        One index gives Pets of length 1; an IndexError if one is out of range or not an index at all.
        """
        if not isinstance(which, slice):
            which = np.atleast_1d(np.arange(len(self))[which])
            if which.ndim != 1:
                raise IndexError(f"Pets: expected a one-dimensional index, got shape {which.shape}")
        rows = np.arange(len(self))[which]
        return replace(self, names=[self.names[i] for i in rows], **{key: getattr(self, key)[which] for key in ARRAYS})


def load_pets(folder: str | os.PathLike[str], split: str = "train", size: int = 128,
              cache: str | os.PathLike[str] | None = None, broken: str = "refuse",
              limit: int | None = None, progress: bool = True) -> Pets:
    """Read one split of a folder of pets.

    Images are *stretched* to size x size (bilinear, averaging over what falls into a pixel), trimaps likewise, but
    without mixing classes (nearest). Transparent pixels become white; of an animated GIF the first frame is taken.

    Parameters
    ----------
    folder : path
        A folder in the layout described in this module.
    split : "train", "test" or "all"
        The names in trainval.txt, test.txt or list.txt, in the files' order. Without list.txt, "all" is both
        halves. Without trainval.txt and test.txt, every fifth of all names in sorted order is for testing.
        Without any list, all names are those of the images that have a trimap, sorted.
    size : int
        Side of the resized images, in pixels.
    cache : path, optional
        A folder to keep the resized images in, so that the next call takes no time. Each combination of split, size
        and list of files has a file of its own there, which may be deleted whenever it is not in use. An image that
        changed (size or time of modification) is noticed, and so is a truncated cache: all is then read anew.
    broken : "refuse" or "skip"
        What to do about images that cannot be read, have no trimap or a faulty one, or a faulty xml file.
    limit : int, optional
        Read this many images at most, evenly spaced over the split.
    progress : bool
        Print how far it is and the time left when reading takes more than two seconds.

    Returns
    -------
    Pets

    Raises
    ------
    FileNotFoundError, NotADirectoryError
        If the folder, its sub-folders or the list of the split are not there.
    ValueError
        For a malformed list, an empty split, an unknown option; and, with broken="refuse", one error that
        names all broken files with their reasons. Also if nothing is left after skipping.
    """
    folder = Path(folder)
    _check_options(split, size, broken, limit)
    sources = find_sources(folder, split, limit)
    pets = None
    if cache is not None:
        path = cache_path(Path(cache), folder, split, size, sources)
        path.parent.mkdir(parents=True, exist_ok=True)      # an impossible place is noticed before the long work
        pets = _reopen(path, sources, size, progress)
        if pets is None:
            pets = _fill(path, sources, size, progress, folder, broken)
    if pets is None:
        pets = _read(sources, size, progress)
    _judge(len(pets), pets.problems, folder, broken)
    return pets


def _check_options(split: str, size: int, broken: str, limit: int | None) -> None:
    if split not in LISTS:
        raise ValueError(f"load_pets: expected split 'train', 'test' or 'all', got {split!r}")
    if broken not in ("refuse", "skip"):
        raise ValueError(f"load_pets: expected broken 'refuse' or 'skip', got {broken!r}")
    positive("load_pets: size", size)
    positive("load_pets: limit", 1 if limit is None else limit)


def _judge(count: int, problems: list[str], folder: Path, broken: str) -> None:
    """Raise the one error that names all that is broken, if it is to be refused or nothing else is left."""
    if not problems or (broken == "skip" and count):
        return
    advice = "broken='skip' leaves them out." if count else "Nothing is left."
    raise ValueError(f"{folder}: {len(problems)} of {count + len(problems)} images cannot be used. {advice}\n  "
                     + "\n  ".join(first_problems(problems)))


def first_problems(problems: list[str]) -> list[str]:
    """Return the first ten problems, one line for each, and a line for how many more there are."""
    more = len(problems) - PROBLEMS_SHOWN
    return problems[:PROBLEMS_SHOWN] + ([f"and {more} more"] if more > 0 else [])


def _write_records(file: BinaryIO, sources: list[Source], size: int, progress: bool) -> list[str]:
    """Write a record for each source that can be read; return what is wrong with the others."""
    def attempt(i: int) -> Array | str:
        try:
            image, trimap, head_box = read_one(sources[i], size)
        except Problem as problem:
            return str(problem)
        return np.array((i, pet_box(trimap), head_box, image, trimap), record_type(size))

    problems: list[str] = []
    line = Progress(len(sources), "reading images", enabled=progress, patience=PATIENCE)
    with pillow_warnings(), ThreadPoolExecutor(get_num_threads()) as pool:       # several: Pillow decodes in parallel
        for start in range(0, len(sources), CHUNK):
            chunk = range(start, min(start + CHUNK, len(sources)))
            for i, result in zip(chunk, pool.map(attempt, chunk)):
                if isinstance(result, str):
                    problems.append(result)
                else:
                    file.write(result.tobytes())
                line.update(i + 1)
    line.line(len(sources), "")
    return problems


def _read(sources: list[Source], size: int, progress: bool) -> Pets:
    """Read all images into memory; those that cannot be read are left out and listed in `problems`."""
    file = io.BytesIO()
    problems = _write_records(file, sources, size, progress)
    return _pets(np.frombuffer(file.getvalue(), record_type(size)), sources, problems)


def _fill(path: Path, sources: list[Source], size: int, progress: bool, folder: Path, broken: str) -> Pets | None:
    """Read all images into a cache, never all of them in memory, and open it; None, with a warning, if it fails."""
    reason = "it did not stay as it was written"
    try:
        with replacing(path) as draft:
            with draft.open("wb") as file:
                problems = _write_records(file, sources, size, progress)
            _judge(len(sources) - len(problems), problems, folder, broken)
    except OSError as error:             # Windows, for one, does not replace a file that another process has open
        reason = str(error)
    pets = _reopen(path, sources, size, progress)
    if pets is None:
        warnings.warn(f"{path}: the cache could not be written ({reason})", RuntimeWarning, stacklevel=3)
    return pets


def _reopen(path: Path, sources: list[Source], size: int, progress: bool) -> Pets | None:
    """Return the images of a cache, or None if there is none to rely on."""
    records = open_records(path, size, len(sources))
    if records is None:
        return None
    # What could not be read then may be readable now without a trace in its size and time: a permission was changed, a
    # disk came back. (Of a cache that was cut off between two records, the rest is.)
    known = set(records["source"].tolist())
    doubtful = _read([source for i, source in enumerate(sources) if i not in known], size, progress)
    return None if len(doubtful) else _pets(records, sources, doubtful.problems)


def _pets(records: Array, sources: list[Source], problems: list[str]) -> Pets:
    """Return records as Pets; images and trimaps are views of them."""
    entries = [sources[i].entry for i in records["source"]]
    pets = Pets([entry.name for entry in entries], records["image"], records["trimap"],
                species=np.array([entry.species for entry in entries], np.int64),
                breeds=np.array([entry.breed for entry in entries], np.int64),
                boxes=np.array(records["box"]), head_boxes=np.array(records["head_box"]), problems=problems)
    for key in ARRAYS:
        getattr(pets, key).flags.writeable = False
    return pets


def pet_box(trimap: Array) -> Array:
    """Return the half-open box x0, y0, x1, y1 of all object and border pixels of a trimap (H, W), or NaNs."""
    pet = trimap != CLASSES.index("background")
    rows, columns = np.flatnonzero(pet.any(axis=1)), np.flatnonzero(pet.any(axis=0))
    if not rows.size:
        return np.full(4, np.nan, np.float32)
    return np.array([columns[0], rows[0], columns[-1] + 1, rows[-1] + 1], np.float32)
