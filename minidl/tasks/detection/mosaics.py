"""Mosaics: images with several pets, made of images of one pet each.

The scene is a piece of one image's background, its pet painted over with the colors around it. Pets cut out of other
images along their trimaps are pasted onto it: each at a random size and position, mirrored or not, the later in front
of the earlier, but never covering more than a quarter of one. So their boxes are known: around what is *visible* of
each pet.
"""
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from PIL import Image

from minidl.datasets.augment import Augment
from minidl.datasets.pets import CLASSES, Pets
from minidl.datasets.pets.reader import pet_box
from minidl.layers.arguments import positive
from minidl.types import Array

BACKGROUND = CLASSES.index("background")
BORDER_OPACITY = 0.5     # the band between pet and background is half one and half the other
HIDDEN = 0.25            # the share of a pet that others may cover
ATTEMPTS = 20            # positions tried for a pet; if none is free, the image has one pet fewer


@dataclass(frozen=True, eq=False)
class Mosaic:
    """An image of n pets, from back to front."""

    image: Array      # (3, S, S) uint8
    boxes: Array      # (n, 4) float32: x0, y0, x1, y1 in pixels, half-open, around each pet's visible part
    species: Array    # (n,) int64


class Mosaics:
    """Mosaics of the pets of a set that have a box and a known species.

    Parameters
    ----------
    pets : Pets
        A training split for training and a held-out one for testing: no pet should be in both.
    count : (int, int)
        The least and the most pets in an image, each number equally likely (but fewer where no position is free).
    sides : (float, float)
        The smallest and largest side (the longer of height and width) of a pet, as a share of the image's. Every value
        between them is equally likely.

    Attributes
    ----------
    left_out : list of str
        Names of images that cannot be used.
    """

    def __init__(self, pets: Pets, count: tuple[int, int] = (1, 4), sides: tuple[float, float] = (0.25, 0.6)) -> None:
        if not 1 <= count[0] <= count[1]:
            raise ValueError(f"Mosaics: expected count as 1 <= least <= most, got {count}")
        if not 0 < sides[0] <= sides[1] <= 1:
            raise ValueError(f"Mosaics: expected sides as 0 < smallest <= largest <= 1, got {sides}")
        usable = np.isfinite(pets.boxes).all(axis=1) & (pets.species >= 0)
        self.left_out = [name for name, good in zip(pets.names, usable) if not good]
        if not usable.any():
            raise ValueError(f"Mosaics: expected images with a pet of known species, got none among {len(pets)}")
        self.pets = pets if usable.all() else pets[usable]
        self.count, self.sides, self.size = count, sides, pets.images.shape[-1]
        self._scenes: dict[int, Array] = {}                                # backgrounds, made when first needed

    def draw(self, rng: np.random.Generator) -> Mosaic:
        """Make a mosaic."""
        image = self._scene(rng)                                           # (3, S, S) float32
        owner = np.full(image.shape[1:], -1)                               # (S, S): index of the pet at each pixel
        pixels: list[int] = []                                             # of each pet before others covered it
        species = []
        for _ in range(rng.integers(self.count[0], self.count[1] + 1)):
            i = int(rng.integers(len(self.pets)))
            pet, opacity = self._cut_out(i, rng)                           # (3, h, w), (h, w)
            position = self._free_position(owner, opacity > 0, pixels, rng)
            if position is None:
                continue
            under = image[:, position[0], position[1]]                     # (3, h, w), a view
            under += opacity * (pet - under)
            owner[position][opacity > 0] = len(pixels)
            pixels.append(int((opacity > 0).sum()))
            species.append(int(self.pets.species[i]))
        boxes = [pet_box(np.where(owner == k, 0, BACKGROUND)) for k in range(len(pixels))]
        return Mosaic(image.round().clip(0, 255).astype(np.uint8), np.stack(boxes), np.array(species, np.int64))

    def fixed(self, number: int, seed: int) -> list[Mosaic]:
        """Return this number of mosaics, the same for the same seed."""
        rng = np.random.default_rng(seed)
        return [self.draw(rng) for _ in range(number)]

    def _scene(self, rng: np.random.Generator) -> Array:
        """Return a random square piece of a random image's background, resized to (3, S, S)."""
        i = int(rng.integers(len(self.pets)))
        if i not in self._scenes:
            scene = without_pet(self.pets.images[i], self.pets.trimaps[i] == BACKGROUND)
            self._scenes[i] = scene.round().astype(np.uint8)               # kept: a thousand of them are 27 MB
        whole = self._scenes[i]                                            # (3, H, H)
        side = whole.shape[1] * rng.uniform(0.5, 1)
        x, y = rng.uniform(0, whole.shape[1] - side, 2)
        scene = _resized(whole, (self.size, self.size), (x, y, x + side, y + side))
        return scene[:, :, ::-1].copy() if rng.random() < 0.5 else scene

    def _cut_out(self, i: int, rng: np.random.Generator) -> tuple[Array, Array]:
        """Return the pet of image i at a random size, (3, h, w) float32, and each pixel's opacity, (h, w)."""
        x0, y0, x1, y1 = (int(edge) for edge in self.pets.boxes[i])
        scale = rng.uniform(*self.sides) * self.size / max(x1 - x0, y1 - y0)
        shape = max(1, round((y1 - y0) * scale)), max(1, round((x1 - x0) * scale))
        trimap = self.pets.trimaps[i, y0:y1, x0:x1]
        opacity = np.where(trimap == BACKGROUND, 0, np.where(trimap == CLASSES.index("border"), BORDER_OPACITY, 1))
        pet = _resized(self.pets.images[i, :, y0:y1, x0:x1], shape)
        opacity = _resized(opacity[None], shape)[0]                        # (h, w), now soft
        opacity[opacity < 0.1] = 0                                         # so that no invisible rim widens the box
        if not opacity.any():
            opacity[...] = 1                                               # a pet of a pixel or two
        if rng.random() < 0.5:
            return pet[:, :, ::-1], opacity[:, ::-1]
        return pet, opacity

    def _free_position(self, owner: Array, shape: Array, pixels: list[int],
                       rng: np.random.Generator) -> tuple[slice, slice] | None:
        """Return a random position where a pet of this shape (h, w) does not cover much of another, or None."""
        h, w = shape.shape
        visible = np.bincount(owner.ravel() + 1, minlength=len(pixels) + 1)[1:]                 # (n,) pixels
        for _ in range(ATTEMPTS):
            y, x = int(rng.integers(self.size - h + 1)), int(rng.integers(self.size - w + 1))
            position = slice(y, y + h), slice(x, x + w)
            covered = np.bincount(owner[position][shape] + 1, minlength=len(pixels) + 1)[1:]    # (n,) pixels
            if (visible - covered >= (1 - HIDDEN) * np.array(pixels)).all():
                return position
        return None


class MosaicBatches:
    """New mosaics for each batch: `for x, target in batches` is one epoch.

    Parameters
    ----------
    mosaics : Mosaics
    targets : callable
        Turns a `Mosaic` into what the network should predict, an array.
    batch_size, steps : int
        Mosaics per batch, batches per epoch.
    rng : numpy.random.Generator
        Kept in the attribute `rng`, for checkpoints.

    Yields
    ------
    x : (n, 3, S, S) float32 in [0, 1]
    target : (n, ...)
    """

    def __init__(self, mosaics: Mosaics, targets: Callable[[Mosaic], Array], batch_size: int, steps: int,
                 rng: np.random.Generator) -> None:
        self.mosaics, self.targets, self.rng = mosaics, targets, rng
        self.batch_size = positive("MosaicBatches: batch_size", batch_size)
        self.steps = positive("MosaicBatches: steps", steps)
        self.recolor = Augment(flip=0, crop=(1, 1), shift=0, color=0.2)    # nothing moves, so no box has to

    def __len__(self) -> int:
        return self.steps

    def __iter__(self) -> Iterator[tuple[Array, Array]]:
        for _ in range(self.steps):
            drawn = [self.mosaics.draw(self.rng) for _ in range(self.batch_size)]
            x = np.stack([self.recolor(mosaic.image, None, self.rng)[0] for mosaic in drawn])
            yield x, np.stack([self.targets(mosaic) for mosaic in drawn])


def without_pet(image: Array, known: Array) -> Array:
    """Return an image (3, H, W) as float32, with all that is not background painted over in the colors around it.

    The image is made smaller and smaller, averaging known pixels only (`known`, (H, W) bool: the background), until no
    pixel is without a color; then larger again, each time filling the holes of a size from the next smaller one. Near
    the hole's edge the colors come from fine sizes, in its middle from coarse ones. If no pixel is known, all become
    the image's mean color.
    """
    weight = known.astype(np.float32)[None]                                # (1, H, W)
    if not known.any():
        return np.broadcast_to(image.mean(axis=(1, 2), keepdims=True), image.shape).astype(np.float32)
    H, W = known.shape
    levels = [(image * weight, weight)]
    while levels[-1][1].min() == 0:
        H, W = max(1, H // 2), max(1, W // 2)
        levels.append((_resized(levels[0][0], (H, W)), _resized(weight, (H, W))))
    colors, share = levels.pop()
    filled = colors / share
    for colors, share in reversed(levels):
        coarse = _resized(filled, share.shape[1:])
        filled = np.where(share > 0, colors / np.maximum(share, 1e-6), coarse)
    return filled


def _resized(maps: Array, shape: tuple[int, ...], box: tuple[float, float, float, float] | None = None) -> Array:
    """Return maps (C, H, W), or the part of them in a box, resized to (C, h, w) float32; if smaller, by averaging."""
    h, w = shape
    return np.stack([np.asarray(Image.fromarray(channel.astype(np.float32)).resize(
        (w, h), Image.Resampling.BILINEAR, box=box)) for channel in maps])
