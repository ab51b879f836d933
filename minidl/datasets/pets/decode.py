"""Decode the files of one pet: its image, its trimap and the box of its head.

A file from a download or a camera may be cut short, be something else than its name says, or be made to exhaust the
memory. What goes wrong becomes a :class:`Problem` that names the file.
"""
import warnings
import xml.etree.ElementTree as ElementTree
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from PIL import Image, UnidentifiedImageError

from minidl.datasets.pets.index import Source
from minidl.types import Array

# Pillow goes by a file's first bytes, not by its name. It is kept to these formats, because a few others (EPS, for one)
# would start a program to read them.
FORMATS = ("JPEG", "PNG", "GIF", "BMP", "TIFF", "WEBP")

ORIENTATION = 0x0112     # the EXIF tag that says how the camera was held, 1 (upright) to 8
UPRIGHT = {2: Image.Transpose.FLIP_LEFT_RIGHT, 3: Image.Transpose.ROTATE_180, 4: Image.Transpose.FLIP_TOP_BOTTOM,
           5: Image.Transpose.TRANSPOSE, 6: Image.Transpose.ROTATE_270, 7: Image.Transpose.TRANSVERSE,
           8: Image.Transpose.ROTATE_90}
BACK = UPRIGHT | {6: UPRIGHT[8], 8: UPRIGHT[6]}          # the others undo themselves
BITS_PER_SAMPLE, PHOTOMETRIC, WHITE_IS_ZERO = 258, 262, 0    # tags of a TIFF


class Problem(ValueError):
    """What is wrong with a file, in words for the user."""


def read_one(source: Source, size: int) -> tuple[Array, Array, Array]:
    """Return the arrays of one pet, resized to size x size, or raise a Problem if a file is bad.

    Returns
    -------
    image : uint8 array of shape (3, size, size)
    labels : uint8 array of shape (size, size)
        0 object, 1 background, 2 border.
    head_box : float array of shape (4,)
        In pixels of the resized image; NaN if there is no xml file.
    """
    if source.missing or source.image is None or source.trimap is None:
        raise Problem(source.missing)
    with blame(source.image):
        rgb = open_image(source.image)
    with blame(source.trimap):
        trimap = open_trimap(source.trimap)
        if trimap.size != rgb.size:
            raise Problem("expected a trimap of the size of images/{}, {} x {}, got {} x {}".format(
                source.image.name, *rgb.size, *trimap.size))
    head_box = np.full(4, np.nan)
    if source.xml is not None:
        with blame(source.xml):
            head_box = read_head_box(source.xml, *rgb.size) * size
    image = np.asarray(rgb.resize((size, size), Image.Resampling.BILINEAR))         # (size, size, 3)
    labels = np.asarray(trimap.resize((size, size), Image.Resampling.NEAREST)) - 1  # (size, size)
    return image.transpose(2, 0, 1), labels, head_box


def open_image(path: Path, upright: bool = False) -> Image.Image:
    """Open an image as RGB; of an animation or of several pages the first.

    A camera's note on how it was held (EXIF orientation) is not applied by default: the trimaps were drawn on the
    pixels as they are stored. With `upright` it is, so that the image is as a viewer shows it.
    """
    with path.open("rb") as file, Image.open(file, formats=FORMATS) as image:
        if image.format == "PNG":
            _scale_key(image)
        turned = image.format == "TIFF"           # Pillow turns a TIFF while it loads the pixels, and forgets the note
        orientation = _orientation(image) if upright or turned else 1
        image.load()
        turn = None if upright == turned else (UPRIGHT if upright else BACK).get(orientation)
        rgb = _to_rgb(image)
        return rgb if turn is None else rgb.transpose(turn)


def _orientation(image: Image.Image) -> int:
    """Return what an image says of how the camera was held; 1 if it says nothing or the note is damaged."""
    try:
        orientation = image.getexif().get(ORIENTATION)
        return orientation if orientation in UPRIGHT else 1
    except Exception:        # the pixels do not depend on the note, and its parser raises nearly anything
        return 1


def _to_rgb(image: Image.Image) -> Image.Image:
    mode, key = image.mode, image.info.get("transparency")
    if mode.startswith("I;16") or (mode == "I" and image.format == "PNG"):
        return _gray_of_many_bits(image, key).convert("RGB")
    if mode in ("I", "F"):
        raise Problem(f"expected 8 or 16 bits per color, got Pillow's mode {mode!r} of unknown range")
    if mode == "La":         # gray that is multiplied by its opacity
        image = image.convert("LA")
    if image.mode in ("RGBA", "LA", "PA") or key is not None:
        white = Image.new("RGBA", image.size, "white")
        return Image.alpha_composite(white, image.convert("RGBA")).convert("RGB")
    return image.convert("RGB")


def _gray_of_many_bits(image: Image.Image, key: int | None) -> Image.Image:
    """Return gray values of 12 or 16 bits as 8 bits, where Pillow would clip them at 255; the value `key` as white."""
    values, bits = np.asarray(image).astype(np.uint32), 16
    if image.format == "TIFF":
        tags = image.tag_v2                                      # type: ignore[attr-defined]
        bits = tags[BITS_PER_SAMPLE][0]
        if tags.get(PHOTOMETRIC) == WHITE_IS_ZERO:
            values = 2**bits - 1 - values
    gray = ((values * 255 + 2**(bits - 1) - 1) // (2**bits - 1)).astype(np.uint8)
    gray[values == key] = 255
    return Image.fromarray(gray)


def _scale_key(image: Image.Image) -> None:
    """Bring the color that is transparent in a PNG to the 8 bits of Pillow's pixels: it is in the file's 2, 4 or 16."""
    key, raw = image.info.get("transparency"), image.tile[0][3]           # type: ignore[attr-defined]
    if key is not None and raw in ("L;2", "L;4"):
        image.info["transparency"] = key * (255 // (2**int(raw[2]) - 1))
    elif key is not None and raw == "RGB;16B":
        image.info["transparency"] = tuple(value >> 8 for value in key)


def open_trimap(path: Path) -> Image.Image:
    """Open a trimap and check that it holds nothing but 1, 2 and 3."""
    with path.open("rb") as file, Image.open(file, formats=("PNG",)) as trimap:
        if trimap.mode not in ("L", "P"):
            raise Problem("expected one byte per pixel (Pillow's modes 'L' or 'P') with values 1, 2, 3, "
                          f"got mode {trimap.mode!r}")
        values = np.array(trimap)  # (H, W); of a palette the indices, whatever colors they stand for
    strange = [int(v) for v in np.flatnonzero(np.bincount(values.ravel())) if v not in (1, 2, 3)]
    if strange:
        shown = ", ".join(map(str, strange[:8])) + (", ..." if len(strange) > 8 else "")
        raise Problem(f"expected the values 1 (object), 2 (background), 3 (border) only, got also {shown}")
    return Image.fromarray(values)


def read_head_box(path: Path, width: int, height: int) -> Array:
    """Return the head's box in an xml file as shares of the image's width and height."""
    box = ElementTree.parse(path).find("object/bndbox")
    if box is None:
        raise Problem("expected an <object> with a <bndbox>, got none")
    corners = [float(box.findtext(tag) or "nan") for tag in ("xmin", "ymin", "xmax", "ymax")]
    x0, y0, x1, y1 = corners
    if not (0 <= x0 < x1 <= width and 0 <= y0 < y1 <= height):       # not-a-number fails, too
        raise Problem(f"expected a box xmin < xmax, ymin < ymax within {width} x {height} pixels, "
                      f"got {x0:g}, {y0:g}, {x1:g}, {y1:g}")
    return np.array(corners) / (width, height, width, height)


@contextmanager
def pillow_warnings() -> Iterator[None]:
    """Make an error of Pillow's warning of too large an image, and hide its others, which help nobody here.

    Warning filters belong to the whole process: set them once around all threads, never in one.
    """
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", module=r"PIL\.")
        warnings.simplefilter("error", Image.DecompressionBombWarning)
        yield


@contextmanager
def blame(path: Path) -> Iterator[None]:
    """Turn whatever goes wrong with a file into a Problem that names it: damaged bytes may raise nearly anything."""
    try:
        yield
    except Exception as error:
        if isinstance(error, Problem):
            reason = str(error)
        elif isinstance(error, UnidentifiedImageError):
            reason = f"not an image, damaged at its beginning, or none of the formats {', '.join(FORMATS)}"
        elif isinstance(error, (Image.DecompressionBombError, Image.DecompressionBombWarning)):
            reason = f"suspiciously large ({error})"
        elif isinstance(error, ElementTree.ParseError):
            reason = f"not well-formed xml ({error})"
        else:
            reason = f"cannot be read ({type(error).__name__}: {str(error)[:200]})"
        raise Problem(" ".join(f"{path.parent.name}/{path.name}: {reason}".split())) from error
