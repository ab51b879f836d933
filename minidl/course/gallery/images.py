"""Images inside a page: as data, in few bytes and without loss."""
import base64
import io
from functools import lru_cache
from pathlib import Path

import numpy as np
from PIL import Image, features

from minidl.types import Array


def embed(path: Path) -> tuple[str, int, int]:
    """Return a PNG file as a data address, its width and its height: the same pixels as WebP, or the file's own bytes.

    WebP has about half as many. A page is written after each lesson: every file is read once, until it changes.
    """
    return _embed(path, path.stat().st_mtime_ns)


@lru_cache(maxsize=None)
def _embed(path: Path, changed: int) -> tuple[str, int, int]:
    data, kind, webp = path.read_bytes(), "png", io.BytesIO()
    with Image.open(path) as image:
        if features.check("webp"):
            image.save(webp, "WEBP", lossless=True)
            if webp.tell() < len(data):
                data, kind = webp.getvalue(), "webp"
        return _address(data, kind), image.width, image.height


def embed_array(pixels: Array) -> str:
    """Return an image (H, W, 3) of floats in [0, 1] as data, every pixel as it is."""
    buffer = io.BytesIO()
    Image.fromarray((np.clip(pixels, 0, 1) * 255 + 0.5).astype(np.uint8)).save(buffer, "PNG", optimize=True)
    return _address(buffer.getvalue(), "png")


def _address(data: bytes, kind: str) -> str:
    return f"data:image/{kind};base64," + base64.b64encode(data).decode("ascii")
