"""Pictures inside a page: as data, in as few bytes as can be had without seeing it."""
import base64
import io
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image

from minidl.slabs import Array

# A figure of few colors loses nothing with a palette; one full of photos gets visible patches. Mean difference of the
# color channels, of 255, up to which nobody sees any.
UNSEEN = 1.0


class Picture(NamedTuple):
    """A picture as a data address, and its size in pixels."""

    address: str
    width: int
    height: int


def embed(path: Path) -> Picture:
    """Return a PNG file as data, with a palette of 256 colors where that is smaller and looks the same.

    Raises
    ------
    OSError
        If it cannot be read as a picture.
    """
    status = path.stat()
    return _embed(path, status.st_mtime_ns, status.st_size)


@lru_cache(maxsize=None)
def _embed(path: Path, changed: int, size: int) -> Picture:
    """A page is written after each lesson: every file is read once, until it changes."""
    try:
        with Image.open(path) as file:
            image = file.convert("RGB") if file.mode != "RGBA" else _on_white(file)
    except (ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise OSError(f"{path}: {error}") from error
    small = image.quantize(256, method=Image.Quantize.MEDIANCUT, dither=Image.Dither.NONE)
    difference = np.abs(np.asarray(small.convert("RGB"), np.int16) - np.asarray(image, np.int16)).mean()
    candidates = [path.read_bytes(), _png(small)] if difference <= UNSEEN else [path.read_bytes(), _png(image)]
    return Picture(_address(min(candidates, key=len)), *image.size)


def embed_array(pixels: Array) -> str:
    """Return a picture (H, W, 3) of floats in [0, 1] as data, every pixel as it is."""
    return _address(_png(Image.fromarray((np.clip(pixels, 0, 1) * 255 + 0.5).astype(np.uint8))))


def _on_white(image: Image.Image) -> Image.Image:
    white = Image.new("RGBA", image.size, "white")
    return Image.alpha_composite(white, image).convert("RGB")


def _png(image: Image.Image) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, "PNG", optimize=True)
    return buffer.getvalue()


def _address(png: bytes) -> str:
    return "data:image/png;base64," + base64.b64encode(png).decode("ascii")
