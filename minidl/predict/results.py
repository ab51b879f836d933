"""What is written about a picture: its mask, the mask laid over it, and a line of a table."""
import csv
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageColor

from minidl.datasets.pets import CLASSES
from minidl.plotting.canvas import LINE_COLORS
from minidl.plotting.pictures import CLASS_COLORS
from minidl.runtime.files import replacing
from minidl.types import Array

ALPHA = 0.5              # how much of an overlay is the classes' colors


def class_names(K: int) -> tuple[str, ...]:
    """Return the names of K classes: the pets' if there are three, else their numbers in the masks."""
    return CLASSES if K == len(CLASSES) else tuple(f"class {k + 1}" for k in range(K))


def shares(classes: Array, K: int) -> list[float]:
    """Return which share of the pixels each class has."""
    return [np.count_nonzero(classes == k) / classes.size for k in range(K)]


def mask_image(classes: Array, K: int) -> Image.Image:
    """Return classes (H, W), uint8 from 0, as a palette picture: class k has the index k + 1, as in trimaps.

    A viewer shows it in color; whoever reads the indices gets 1, 2, 3.
    """
    colors = [ImageColor.getrgb(color) for color in (CLASS_COLORS + LINE_COLORS)]
    palette = [(0, 0, 0)] + [colors[k % len(colors)][:3] for k in range(K)]       # index 0 is no class
    mask = Image.fromarray(classes + np.uint8(1))
    mask.putpalette([value for color in palette for value in color])
    return mask


def overlay_image(picture: Image.Image, mask: Image.Image) -> Image.Image:
    """Return an RGB picture with its mask's colors laid over it."""
    return Image.blend(picture, mask.convert("RGB"), ALPHA)


def write_image(path: Path, image: Image.Image) -> None:
    """Write a PNG file, complete or not at all."""
    with replacing(path) as temporary:
        image.save(temporary, format="PNG", compress_level=3)   # half the time of Pillow's 6, a few percent more bytes


def write_table(path: Path, rows: Sequence[Mapping[str, Any]]) -> None:
    """Write rows as .csv, in UTF-8; a name that is no text (Linux allows any bytes) keeps its bytes."""
    columns = dict.fromkeys(key for row in sorted(rows, key=len, reverse=True) for key in row)
    errors = "surrogateescape" if os.name == "posix" else "replace"
    with replacing(path) as temporary, temporary.open("w", encoding="utf-8", errors=errors, newline="") as file:
        writer = csv.DictWriter(file, list(columns), restval="")
        writer.writeheader()
        writer.writerows(rows)
