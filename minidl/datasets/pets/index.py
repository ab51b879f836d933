"""Find the images of a split and their files, by the lists and the folders of an Oxford-IIIT Pet set.

The layout is described in :mod:`minidl.datasets.pets.reader`. Nothing is decoded here.
"""
import operator
import os
import unicodedata
from dataclasses import dataclass, replace
from pathlib import Path

from minidl.runtime.files import unreadable

LAYOUT = ("expected a folder with images/NAME.jpg and annotations/trimaps/NAME.png in it "
          "(and, where there are any, annotations/list.txt, trainval.txt, test.txt and xmls/NAME.xml)")
LISTS = {"all": "list.txt", "train": "trainval.txt", "test": "test.txt"}
NAME_LENGTH = 255        # characters; no file system allows more
MOST_BREEDS = 10**6      # far more than anybody has, and few enough for every type of integer
SUFFIXES = {".jpg", ".jpeg", ".png", ".gif", ".bmp", ".tif", ".tiff", ".webp"}


@dataclass(frozen=True)
class Entry:
    """A name, what a list says about it, and where it says so."""

    name: str
    breed: int = -1
    species: int = -1
    origin: str = ""


@dataclass(frozen=True)
class Source:
    """The files of one pet. `missing` is the reason why there is nothing to read, if so."""

    entry: Entry
    image: Path | None
    trimap: Path | None
    xml: Path | None
    missing: str = ""


def find_sources(folder: Path, split: str, limit: int | None = None) -> list[Source]:
    """Find the files of all pets of a split, or of `limit` of them, evenly spaced."""
    if not folder.exists():
        raise FileNotFoundError(f"{folder}: no such folder; {LAYOUT}")
    if not folder.is_dir():
        raise NotADirectoryError(f"{folder}: not a folder; {LAYOUT}")
    for part in (folder / "images", folder / "annotations" / "trimaps"):
        if not part.is_dir():
            raise FileNotFoundError(f"{folder}: there is no {part.relative_to(folder).as_posix()} in it; {LAYOUT}")
    images = _files(folder / "images", SUFFIXES)
    trimaps = _files(folder / "annotations" / "trimaps", {".png"})
    xmls = _files(folder / "annotations" / "xmls", {".xml"})
    entries = _entries(folder, split, sorted(images.keys() & trimaps.keys()))
    if not entries:
        raise ValueError(f"{folder}: no image for the split {split!r} among {len(images)} images "
                         f"and {len(trimaps)} trimaps; {LAYOUT}")
    count = len(entries)
    kept = count if limit is None else min(limit, count)
    return [_source(entries[i * count // kept], images, trimaps, xmls) for i in range(kept)]


def _files(folder: Path, suffixes: set[str]) -> dict[str, list[Path]]:
    """Return the files of a folder by their name without suffix. Hidden files (`._NAME.png`) are passed over.

    Unicode spells letters with accents in two ways; NFC makes the files' names comparable with those in the lists.
    """
    found: dict[str, list[Path]] = {}
    for path in sorted(folder.iterdir()) if folder.is_dir() else []:
        if path.suffix.lower() in suffixes and not path.name.startswith(".") and not path.is_dir():
            found.setdefault(unicodedata.normalize("NFC", path.stem), []).append(path)
    return found


def _source(entry: Entry, images: dict[str, list[Path]], trimaps: dict[str, list[Path]],
            xmls: dict[str, list[Path]]) -> Source:
    missing = []

    def pick(label: str, found: dict[str, list[Path]], needed: bool = True) -> Path | None:
        paths = found.get(entry.name, [])
        if len(paths) > 1:
            missing.append(f"{label}: expected one file of this name, got {', '.join(p.name for p in paths)}")
        elif needed and not paths:
            missing.append(f"{label}: no such file" + (f", listed in {entry.origin}" if entry.origin else ""))
        elif paths and (problem := unreadable(paths[0])):
            missing.append(f"{label}: {problem}")
        return paths[0] if len(paths) == 1 else None

    return Source(entry,
                  pick(f"images/{entry.name}.jpg", images),
                  pick(f"trimaps/{entry.name}.png", trimaps),
                  pick(f"xmls/{entry.name}.xml", xmls, needed=False),
                  "; ".join(missing))


def _entries(folder: Path, split: str, found: list[str]) -> list[Entry]:
    """Decide on the names of a split; `found` are the names of the files, sorted."""
    annotations = folder / "annotations"
    lists = {key: _read_list(annotations / file) for key, file in LISTS.items()
             if os.path.lexists(annotations / file)}
    trained = {entry.name: entry for entry in lists.get("train", [])}
    for entry in lists.get("test", []):
        if entry.name in trained:
            raise ValueError(f"{folder}: {entry.name} is for training ({trained[entry.name].origin}) "
                             f"and for testing ({entry.origin}); expected it in one list only")

    if split in lists:
        entries = lists[split]
    elif split == "all" and "train" in lists and "test" in lists:
        entries = lists["train"] + lists["test"]
    elif split != "all" and ("train" in lists or "test" in lists):
        raise FileNotFoundError(f"{folder}: no annotations/{LISTS[split]} for the split {split!r}, "
                                "though there is a list for the other half")
    else:
        entries = sorted(lists.get("all", map(Entry, found)), key=operator.attrgetter("name"))
        if split != "all":
            entries = [entry for i, entry in enumerate(entries) if (i % 5 == 4) == (split == "test")]

    known = {entry.name: entry for entry in lists.get("all", [])}
    return [replace(known.get(entry.name, entry), origin=entry.origin) if entry.breed < 0 else entry
            for entry in entries]


def _read_list(path: Path) -> list[Entry]:
    """Read lines NAME CLASS-ID SPECIES BREED-ID, or NAME alone; # begins a comment line."""
    if problem := unreadable(path):
        raise ValueError(f"{path}: {problem}")
    try:
        with path.open(encoding="utf-8-sig") as file:
            lines = list(file)
    except UnicodeDecodeError as error:
        raise ValueError(f"{path}: expected text in UTF-8, got {error}") from error
    entries: dict[str, Entry] = {}
    for number, line in enumerate(lines, start=1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        try:
            entry = _parse_line(line.strip(), origin=f"annotations/{path.name}, line {number}")
        except ValueError as error:
            raise ValueError(f"{path}, line {number}: {error}") from None
        if entry.name in entries:
            raise ValueError(f"{path}, line {number}: {entry.name} is listed twice, first in "
                             f"{entries[entry.name].origin}")
        entries[entry.name] = entry
    if not entries:
        raise ValueError(f"{path}: expected one name per line, got no names at all")
    return list(entries.values())


def _parse_line(line: str, origin: str) -> Entry:
    name, *numbers = unicodedata.normalize("NFC", line).split()
    if len(numbers) not in (0, 3):
        raise ValueError(f"expected NAME or NAME CLASS-ID SPECIES BREED-ID (a name without spaces), got {line[:80]!r}")
    if name.startswith(".") or "/" in name or "\\" in name or len(name) > NAME_LENGTH:
        raise ValueError(f"expected the name of an image without folders, got {name[:80]!r}")
    if not numbers:
        return Entry(name, origin=origin)
    try:
        breed, species, _ = map(int, numbers)
    except ValueError:
        raise ValueError(f"expected three integers after the name, got {line[:80]!r}") from None
    if not 1 <= breed <= MOST_BREEDS or species not in (1, 2):
        raise ValueError(f"expected a CLASS-ID of 1 to {MOST_BREEDS} and SPECIES 1 (cat) or 2 (dog), "
                         f"got {numbers[0][:20]} and {numbers[1][:20]}")
    return Entry(name, breed - 1, species - 1, origin)
