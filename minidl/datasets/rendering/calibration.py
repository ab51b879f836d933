"""How hard are the rendered images? The numbers they were tuned to, and a sheet to look at."""
import os
from pathlib import Path

import numpy as np
from PIL import Image

from minidl.datasets.pets import CLASSES, Pets, load_pets
from minidl.datasets.pets.index import find_sources
from minidl.datasets.rendering.stage import render
from minidl.metrics import confusion_matrix, mean_iou, pixel_accuracy
from minidl.runtime.files import replacing
from minidl.types import Array

Part = tuple[Array, Array]     # images (N, 3, H, W) of bytes, trimaps (N, H, W) of indices into CLASSES

# `set_numbers` of 665 of the 7,349 photographs of the Oxford-IIIT Pet set (Parkhi et al., "Cats and Dogs", CVPR 2012),
# 511 to train on and 154 to test, most of three breeds (Abyssinian, Bengal, American bulldog), read at 64 x 64.
PHOTOGRAPHS = {
    "images": 665, "cats": 427, "dogs": 238, "median width": 500, "median height": 374,
    "share of object": 0.286, "share of background": 0.588, "share of border": 0.125,
    "color table: pixels right": 0.583, "color table: mean IoU": 0.269,
}


def class_shares(trimaps: Array) -> Array:
    """Return the shares of object, background and border among all pixels, (3,).

    >>> class_shares(np.array([[[0, 1], [1, 2]]]))
    array([0.25, 0.5 , 0.25])
    """
    return np.bincount(trimaps.ravel(), minlength=len(CLASSES)) / trimaps.size


def color_table(train: Part, test: Part) -> Array:
    """Return the confusion matrix (3, 3) on `test` of the best guess from a pixel's color alone.

    Colors are counted in 8 bins per channel; each of the 512 takes its most frequent class in the training images
    (one that never occurs there: background).
    """
    counts = np.zeros((512, len(CLASSES)), int)
    np.add.at(counts, (_color_bin(train[0]), train[1]), 1)
    counts[:, CLASSES.index("background")] += counts.sum(axis=1) == 0
    return confusion_matrix(test[1], counts.argmax(axis=1)[_color_bin(test[0])], len(CLASSES))


def _color_bin(images: Array) -> Array:
    r, g, b = np.moveaxis(images >> 5, 1, 0).astype(int)           # (N, H, W) each
    return 64 * r + 8 * g + b


def set_numbers(folder: str | os.PathLike[str], train: Pets, test: Pets) -> dict[str, float]:
    """Return what there is in a set of pets and how hard it is, to hold beside the numbers of another set.

    Parameters
    ----------
    folder : path
        The set's, for the images' own widths and heights.
    train, test : Pets
        Its two parts; the color table is counted on the first and scored on the second.

    Returns
    -------
    {name: number}
        With the names of `PHOTOGRAPHS`.
    """
    names = {*train.names, *test.names}
    paths = [source.image for split in ("train", "test") for source in find_sources(Path(folder), split)
             if source.entry.name in names and source.image is not None]
    sizes = np.array([_stored_size(path) for path in paths])                       # (N, 2)
    species = np.concatenate([train.species, test.species])
    shares = class_shares(np.concatenate([train.trimaps, test.trimaps]))
    table = color_table((train.images, train.trimaps), (test.images, test.trimaps))
    width, height = np.median(sizes, axis=0)
    return {"images": len(species), "cats": int((species == 0).sum()), "dogs": int((species == 1).sum()),
            "median width": int(width), "median height": int(height),
            **{f"share of {name}": float(share) for name, share in zip(CLASSES, shares)},
            "color table: pixels right": pixel_accuracy(table), "color table: mean IoU": mean_iou(table)}


def _stored_size(path: Path) -> tuple[int, int]:
    with Image.open(path) as image:
        return image.size


def calibrate(folder: str | Path) -> str:
    """Return a table of how a set of pets compares with the real images.

    Raises
    ------
    OSError, ValueError
        If the folder cannot be read; see :func:`minidl.datasets.pets.reader.load_pets`.
    """
    train, test = ((pets.images, pets.trimaps) for pets in (load_pets(folder, "train"), load_pets(folder, "test")))
    shares = class_shares(train[1])
    rows = [("share of object", shares[0], "0.27"), ("share of background", shares[1], "0.60"),
            ("share of border", shares[2], "0.13"),
            ("mean IoU, color table", mean_iou(color_table(train, test)), "at most 0.30")]
    return "\n".join([f"{'':24}{'here':>8}  target", *(f"{name:24}{value:8.3f}  {aim}" for name, value, aim in rows)])


def contact_sheet(seed: int = 0, trimaps: bool = False, across: int = 8, down: int = 6, tile: int = 192) -> Image.Image:
    """Render the set's first images onto one sheet, with their trimaps beside them if wanted."""
    sheet = Image.new("RGB", (across * tile * (2 if trimaps else 1), down * tile))
    grays = np.array((0, 255, 0, 128), np.uint8)                   # object white, border gray
    for i in range(across * down):
        sample = render(seed, i)
        tiles = [Image.fromarray(sample.image)] + [Image.fromarray(grays[sample.trimap])] * trimaps
        for k, part in enumerate(tiles):
            position = ((i % across * len(tiles) + k) * tile, i // across * tile)
            sheet.paste(part.convert("RGB").resize((tile, tile), Image.Resampling.BICUBIC), position)
    return sheet


def save_contact_sheet(path: str | Path, seed: int = 0, trimaps: bool = False) -> None:
    """Write the contact sheet as png or jpg, by the path's suffix.

    Raises
    ------
    ValueError
        If the suffix is another one.
    """
    kinds = {".png": "PNG", ".jpg": "JPEG", ".jpeg": "JPEG"}
    kind = kinds.get(Path(path).suffix.lower())
    if kind is None:
        raise ValueError(f"the contact sheet's name must end in {', '.join(kinds)}, got {Path(path).name!r}")
    with replacing(path) as temporary:
        contact_sheet(seed, trimaps).save(temporary, kind)
