"""Pictures inside a page: as data, in as few bytes as can be had without losing any of it."""
import base64
import io
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image, features

from minidl.types import Array


class Picture(NamedTuple):
    """A picture as a data address, and its size in pixels."""

    address: str
    width: int
    height: int


def embed(path: Path) -> Picture:
    """Return a PNG file as data: the same pixels as WebP without loss, about half as many bytes; or the file's own.

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
    png, webp = path.read_bytes(), _webp(image) if features.check("webp") else None
    if webp is None or len(png) <= len(webp):
        return Picture(_address(png, "png"), *image.size)
    return Picture(_address(webp, "webp"), *image.size)


def embed_array(pixels: Array) -> str:
    """Return a picture (H, W, 3) of floats in [0, 1] as data, every pixel as it is."""
    buffer = io.BytesIO()
    Image.fromarray((np.clip(pixels, 0, 1) * 255 + 0.5).astype(np.uint8)).save(buffer, "PNG", optimize=True)
    return _address(buffer.getvalue(), "png")


def _on_white(image: Image.Image) -> Image.Image:
    white = Image.new("RGBA", image.size, "white")
    return Image.alpha_composite(white, image).convert("RGB")


def _webp(image: Image.Image) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, "WEBP", lossless=True)
    return buffer.getvalue()


def _address(data: bytes, kind: str) -> str:
    return f"data:image/{kind};base64," + base64.b64encode(data).decode("ascii")
