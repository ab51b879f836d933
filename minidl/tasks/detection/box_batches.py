"""Minibatches of images and the boxes of their pets: the augmentation moves both."""
from collections.abc import Callable, Iterator
from functools import partial

import numpy as np

from minidl.batches import Augmentation, Batches, as_input
from minidl.datasets.pets import CLASSES, Pets
from minidl.datasets.pets.reader import pet_box
from minidl.types import Array


def with_pets(pets: Pets, split: str, species: bool = False) -> Pets:
    """Return the images with a pet in their trimap (and of known species, if asked); print which ones are left out.

    Parameters
    ----------
    pets : Pets
    split : str
        What to call them in that line.
    species : bool
        Whether the species must be known, too.

    Raises
    ------
    ValueError
        If no image is left.
    """
    usable = np.isfinite(pets.boxes).all(axis=1) & ((pets.species >= 0) | (not species))
    what = "a pet in the trimap" + (" and a species" if species else "")
    if not usable.any():
        raise ValueError(f"with_pets: expected {split} images with {what}, got none among {len(pets)}")
    if not usable.all():
        print(f"{split}: left out, because they lack {what}: {', '.join(pets[~usable].names)}")
    return pets[usable]


class BoxBatches:
    """Shuffled minibatches of images, and what a network should predict for the boxes in them.

    The augmentation moves image and trimap together; the box is read off the moved trimap, as `load_pets` reads it off
    the file. So it is right whatever the augmentation does: mirrored or enlarged with the image, and cut off at the
    image's edge with the pet.

    Parameters
    ----------
    pets : Pets
        All with a box.
    targets : callable
        Turns boxes (n, 4) into targets of any shape (n, ...).
    batch_size : int
    rng : numpy.random.Generator
        Kept in the attribute `rng`, for checkpoints.
    augment : callable, optional
        As in `Batches`. An image that it would leave without a pet is shown unchanged.

    Yields
    ------
    x : (n, 3, H, W) float32 in [0, 1]
    target : (n, ...)

    Raises
    ------
    ValueError
        If an image has no pet, or for anything that `Batches` refuses.
    """

    def __init__(self, pets: Pets, targets: Callable[[Array], Array], batch_size: int, rng: np.random.Generator,
                 augment: Augmentation | None = None) -> None:
        without = [name for name, box in zip(pets.names, pets.boxes) if not np.isfinite(box).all()]
        if without:
            raise ValueError(f"BoxBatches: expected a pet in every image, got none in {', '.join(without[:5])}")
        self.targets, self.rng = targets, rng
        self.batches = Batches(pets.images, pets.trimaps, batch_size, rng,
                               augment=None if augment is None else partial(_keep_pet, augment))

    def __len__(self) -> int:
        return len(self.batches)

    def __iter__(self) -> Iterator[tuple[Array, Array]]:
        for x, trimaps in self.batches:
            yield x, self.targets(np.stack([pet_box(trimap) for trimap in trimaps]))


def _keep_pet(augment: Augmentation, image: Array, trimap: Array, rng: np.random.Generator) -> tuple[Array, Array]:
    x, moved = augment(image, trimap, rng)
    if (moved != CLASSES.index("background")).any():
        return x, moved
    return as_input(image[None])[0], trimap
