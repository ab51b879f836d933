"""Read pictures of pets and their trimaps from a folder laid out like the Oxford-IIIT Pet archives.

    images/NAME.jpg                   the picture
    annotations/trimaps/NAME.png      a class per pixel: 1 object, 2 background, 3 border
    annotations/xmls/NAME.xml         the box of the head, for some pictures only
    annotations/list.txt              lines NAME CLASS-ID SPECIES BREED-ID (species 1 cat, 2 dog)
    annotations/trainval.txt, test.txt     the same lines, or names alone: the two halves of the set

Only the pictures and the trimaps have to be there. The rendered pictures, the real set and a folder of your
own differ by their path only. The real archives hold surprises: AppleDouble files (`._NAME.png`), stray
`.mat` files, pictures called .jpg that are PNG or GIF inside. The reader passes over the former and converts
the latter; what it cannot read it names, with the reason.

References
----------
O. M. Parkhi, A. Vedaldi, A. Zisserman, C. V. Jawahar, "Cats and Dogs", CVPR 2012.
"""
import os
import warnings
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from minidl.datasets.pets.cache import (
    CACHED, FileRows, MemoryRows, complete, digest, drafting, load_arrays, open_cache, put,
)
from minidl.datasets.pets.decode import Problem, pillow_warnings, read_one
from minidl.datasets.pets.index import LISTS, Entry, Source, find_sources, thin_out
from minidl.runtime.progress import Progress
from minidl.runtime.threads import get_num_threads
from minidl.types import Array

CLASSES = ("object", "background", "border")
PROBLEMS_SHOWN = 10
PATIENCE = 2.0           # seconds of silence before progress is shown


@dataclass(frozen=True, eq=False)
class Pets:
    """N pictures of pets, all resized to S x S, with what is known about them.

    Attributes
    ----------
    names : list of str
        The pictures' names, without suffix.
    images : uint8 array of shape (N, 3, S, S)
        Red, green and blue, 0..255.
    trimaps : uint8 array of shape (N, S, S)
        The class of every pixel, an index into CLASSES: 0 object, 1 background, 2 border (in the files
        1, 2, 3).
    species : int64 array of shape (N,)
        0 cat, 1 dog, -1 unknown.
    breeds : int64 array of shape (N,)
        CLASS-ID - 1 (0..36 in the Oxford set), -1 unknown.
    boxes : float32 array of shape (N, 4)
        The box x0, y0, x1, y1 around the trimap's object and border pixels: pixels of the resized picture,
        half-open, so that `trimaps[i, y0:y1, x0:x1]` holds all of the pet. NaN if there is no such pixel.
    head_boxes : float32 array of shape (N, 4)
        The head's box, likewise, from the xml file and scaled with the picture (xmin, ymin, xmax, ymax are
        taken for the box's edges). NaN where there is no xml file.
    problems : list of str
        One line for each picture that was left out: which, and why.

    The arrays of :func:`load_pets` are read-only; those of the cache are memory-mapped files.
    """

    names: list[str]
    images: Array
    trimaps: Array
    species: Array
    breeds: Array
    boxes: Array
    head_boxes: Array
    problems: list[str]

    def __len__(self) -> int:
        return len(self.names)

    def __repr__(self) -> str:
        return f"Pets({len(self)} pictures of {self.images.shape[-1]} x {self.images.shape[-1]})"

    def __getitem__(self, which: Any) -> "Pets":
        """Return some of the pictures as Pets: see :meth:`subset`. One index gives Pets of length 1."""
        return self.subset(which)

    def subset(self, which: Any) -> "Pets":
        """Return some of the pictures, in the order asked for.

        Parameters
        ----------
        which : int, slice, sequence of int, or bool array of shape (N,)
            A slice gives views, everything else copies.

        Raises
        ------
        IndexError
            If an index is out of range or no index at all.
        """
        if not isinstance(which, slice):
            which = np.atleast_1d(np.arange(len(self))[which])
            if which.ndim != 1:
                raise IndexError(f"Pets: expected a one-dimensional index, got shape {which.shape}")
        rows = np.arange(len(self))[which]
        return replace(self, names=[self.names[i] for i in rows],
                       **{key: array[which] for key, array in self._arrays().items()})

    def _arrays(self) -> dict[str, Array]:
        return {key: getattr(self, key) for key in CACHED}


def load_pets(folder: str | os.PathLike[str], split: str = "train", size: int = 128,
              cache: str | os.PathLike[str] | None = None, broken: str = "refuse",
              limit: int | None = None, progress: bool = True) -> Pets:
    """Read one split of a folder of pets.

    Pictures are *stretched* to size x size (bilinear, averaging over what falls into a pixel), trimaps
    likewise, but without mixing classes (nearest). Transparent pixels become white; of an animated GIF the
    first frame is taken.

    Parameters
    ----------
    folder : path
        A folder in the layout described in this module.
    split : "train", "test" or "all"
        The names in trainval.txt, test.txt or list.txt, in the files' order. Without list.txt, "all" is both
        halves. Without trainval.txt and test.txt, every fifth of all names in sorted order is for testing.
        Without any list, all names are those of the pictures that have a trimap, sorted.
    size : int
        Side of the resized pictures, in pixels.
    cache : path, optional
        A folder to keep the resized arrays in, so that the next call takes no time. Each combination of
        split, size and list of files has a folder of its own there, which may be deleted whenever it is not
        in use. A file that changed (size or time of modification) is noticed, and so is a damaged cache: all
        is then read anew.
    broken : "refuse" or "skip"
        What to do about pictures that cannot be read, have no trimap or a faulty one, or a faulty xml file.
    limit : int, optional
        Read this many pictures at most, evenly spaced over the split.
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
    sources = thin_out(find_sources(folder, split), limit)
    pets = None
    if cache is not None:
        cache = Path(cache)
        cache.mkdir(parents=True, exist_ok=True)  # an impossible place should be noticed before the long work
        place = cache / f"{folder.resolve().name or 'pets'}-{split}-{size}-{digest(sources)}"
        pets = _reopen(place, sources, size, progress)
        if pets is None:
            try:
                pets = _fill(place, sources, size, progress, folder, broken)
            except OSError as error:
                _warn(place, error, stacklevel=3)
    if pets is None:
        pets = _read(sources, size, progress)
    _judge(len(pets), pets.problems, folder, broken)
    return pets


def _check_options(split: str, size: int, broken: str, limit: int | None) -> None:
    if split not in LISTS:
        raise ValueError(f"load_pets: expected split 'train', 'test' or 'all', got {split!r}")
    if broken not in ("refuse", "skip"):
        raise ValueError(f"load_pets: expected broken 'refuse' or 'skip', got {broken!r}")
    for name, value in (("size", size), ("limit", 1 if limit is None else limit)):
        if isinstance(value, bool) or not isinstance(value, (int, np.integer)) or value < 1:
            raise ValueError(f"load_pets: expected {name} to be a positive integer, got {value!r}")


def _judge(count: int, problems: list[str], folder: Path, broken: str) -> None:
    """Raise the one error that names all that is broken, if it is to be refused or nothing else is left."""
    if not problems or (broken == "skip" and count):
        return
    advice = "broken='skip' leaves them out." if count else "Nothing is left."
    raise ValueError(f"{folder}: {len(problems)} of {count + len(problems)} pictures cannot be used. {advice}\n  "
                     + "\n  ".join(first_problems(problems)))


def first_problems(problems: list[str]) -> list[str]:
    """Return the lines that tell of some problems: the first ten, and how many more there are."""
    more = len(problems) - PROBLEMS_SHOWN
    return problems[:PROBLEMS_SHOWN] + ([f"and {more} more"] if more > 0 else [])


def _read(sources: list[Source], size: int, progress: bool) -> Pets:
    """Read all pictures into memory; what cannot be read is left out and listed in `problems`."""
    images, trimaps = MemoryRows(len(sources), (3, size, size)), MemoryRows(len(sources), (size, size))
    names, facts, problems = _read_rows(sources, size, progress, images, trimaps)
    pets = Pets(names, images.array, trimaps.array, problems=problems, **facts)
    for array in pets._arrays().values():
        array.flags.writeable = False  # as those that come from the cache are
    return pets


def _fill(place: Path, sources: list[Source], size: int, progress: bool, folder: Path, broken: str) -> Pets | None:
    """Read all pictures into a cache, without ever holding them all in memory, and open it."""
    with drafting(place) as draft:
        with (FileRows(draft / "images.npy", len(sources), (3, size, size)) as images,
              FileRows(draft / "trimaps.npy", len(sources), (size, size)) as trimaps):
            names, facts, problems = _read_rows(sources, size, progress, images, trimaps)
        _judge(len(names), problems, folder, broken)
        complete(draft, names, problems, facts)
        try:
            put(draft, place)
        except OSError as error:
            _warn(place, error, stacklevel=4)
            return Pets(names, problems=problems, **load_arrays(draft, mapped=()))
    return _reopen(place, sources, size, progress)


def _warn(place: Path, error: OSError, stacklevel: int) -> None:
    warnings.warn(f"{place}: the cache could not be written ({error})", RuntimeWarning, stacklevel)


def _read_rows(sources: list[Source], size: int, progress: bool, images: MemoryRows | FileRows,
               trimaps: MemoryRows | FileRows) -> tuple[list[str], dict[str, Array], list[str]]:
    """Read all pictures, append the readable ones to images and trimaps; return names, other arrays, problems."""
    def attempt(source: Source) -> tuple[Array, Array, Array] | str:
        try:
            return read_one(source, size)
        except Problem as problem:
            return str(problem)

    entries: list[Entry] = []
    boxes: list[Array] = []
    head_boxes: list[Array] = []
    problems: list[str] = []
    line = Progress(len(sources), "reading pictures", enabled=progress, patience=PATIENCE)
    with pillow_warnings(), in_order(attempt, sources) as results:  # several threads: Pillow decodes in parallel
        for i, result in enumerate(results):
            if isinstance(result, str):
                problems.append(result)
            else:
                image, trimap, head = result
                images.append(image)
                trimaps.append(trimap)
                boxes.append(pet_box(trimap))
                head_boxes.append(head)
                entries.append(sources[i].entry)
            line.update(i + 1)
    line.line(len(sources), "")

    facts: dict[str, Array] = {
        "species": np.array([entry.species for entry in entries], np.int64),
        "breeds": np.array([entry.breed for entry in entries], np.int64),
        "boxes": np.array(boxes, np.float32).reshape(-1, 4),
        "head_boxes": np.array(head_boxes, np.float32).reshape(-1, 4)}
    return [entry.name for entry in entries], facts, problems


def _reopen(place: Path, sources: list[Source], size: int, progress: bool) -> Pets | None:
    """Return the pictures of a cache, or None if there is none to rely on."""
    found = open_cache(place, [source.entry.name for source in sources], size)
    if found is None:
        return None
    names, arrays = found
    # What could not be read then may be readable now without a trace in its size and time: a permission was
    # changed, a disk came back.
    known = set(names)
    doubtful = _read([source for source in sources if source.entry.name not in known], size, progress)
    return None if len(doubtful) else Pets(names, problems=doubtful.problems, **arrays)


def pet_box(trimap: Array) -> Array:
    """Return the half-open box x0, y0, x1, y1 of all object and border pixels of a trimap (H, W), or NaNs."""
    pet = trimap != CLASSES.index("background")
    rows, columns = np.flatnonzero(pet.any(axis=1)), np.flatnonzero(pet.any(axis=0))
    if not rows.size:
        return np.full(4, np.nan, np.float32)
    return np.array([columns[0], rows[0], columns[-1] + 1, rows[-1] + 1], np.float32)


AHEAD = 32    # items that are being worked on, or done and waiting to be taken
S = TypeVar("S")
T = TypeVar("T")


@contextmanager
def in_order(function: Callable[[S], T], items: Iterable[S]) -> Iterator[Iterator[T]]:
    """Give an iterator of function(item) for each item, in their order, a few ahead of what is taken.

    Without that bound results would pile up in memory when they are made faster than they are used. After an error or
    Ctrl-C, what still waits is dropped.

    Examples
    --------
    >>> with in_order(abs, [-3, 2, -1]) as results:
    ...     print(list(results))
    [3, 2, 1]
    """
    pool = ThreadPoolExecutor(get_num_threads())

    def results() -> Iterator[T]:
        waiting: deque[Future[T]] = deque()
        for item in items:
            waiting.append(pool.submit(function, item))
            if len(waiting) >= AHEAD:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()

    try:
        yield results()
    finally:
        pool.shutdown(cancel_futures=True)
