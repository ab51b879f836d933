"""Weights for use on photographs: `python lessons/17_unet.py --data FOLDER --names FILE`.

The lessons show each image about six times. Of a few hundred photographs a network can learn more than that, if each
looks different whenever it is shown again. So this training is long, and varies size, place and color of what is shown.
Its loss is lesson 17's Dice loss. What each of these choices brings was measured on photographs that took no part in
the training; the table is in `minidl/predict/weights/README.md`.
"""
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from minidl.batches import Batches
from minidl.checkpoint import save_weights
from minidl.course.lesson import Lesson, rendered_pets
from minidl.datasets.augment import Augment
from minidl.datasets.pets import Pets
from minidl.layers.base import Layer
from minidl.models import unet
from minidl.optim import Adam, CosineSchedule
from minidl.runtime.files import replacing, shorten
from minidl.tasks.segmentation.losses import DiceLoss
from minidl.training import fit

AUGMENT = Augment()
RENDERED_EPOCHS = 20     # on the rendered pets, before the photographs
EPOCHS = 150             # on the photographs, if there is no --epochs


def train_for_photographs(lesson: Lesson, names_file: Path) -> Path:
    """Train lesson 17's U-Net on the images that a file names, and return the path of its weights, in float16.

    First it learns from the rendered pets, which are many, and then, with a new optimizer, from the photographs. The
    names go into a file beside the weights: `python -m minidl.predict --score` leaves these images out. Ctrl-C stops
    the training, and the same command with --resume goes on with it.
    """
    names = read_names(names_file)
    pets = named(lesson.pets("all"), names)
    rendered = lesson.pets("train", folder=rendered_pets(lesson.quick))
    model = unet(lesson.width, rng=lesson.seed)
    stages = [("rendered", rendered, 1 if lesson.quick else RENDERED_EPOCHS),
              ("photographs", pets, lesson.options.epochs or EPOCHS)]
    for name, images, epochs in stages:
        print(f"{name}: {len(images)} images, {epochs} epochs")
        if not train(model, images, epochs, lesson, lesson.out / "checkpoints" / name):
            raise SystemExit("stopped; the same command with --resume goes on from here")
    path = save_weights(lesson.out / "photographs.npz", model, (lesson.size, lesson.size), "float16")
    with replacing(path.with_suffix(".txt")) as temporary:
        temporary.write_text("".join(f"{name}\n" for name in names), encoding="utf-8")
    print(f"weights: {shorten(path)}\nhow good they are on other images of the folder:\n"
          f"  python -m minidl.predict --weights {shorten(path)} --score {shorten(lesson.data)}")
    return path


def train(model: Layer, pets: Pets, epochs: int, lesson: Lesson, checkpoint: Path) -> bool:
    """Train a model in place; return False if it was stopped before the end."""
    batches = Batches(pets.images, pets.trimaps, lesson.batch_size, augment=AUGMENT,
                      rng=np.random.default_rng(lesson.seed))
    optimizer = Adam(model.parameters(), lesson.lr)
    schedule = CosineSchedule(optimizer, epochs * len(batches))
    return not fit(model, batches, DiceLoss(), optimizer, epochs, schedule=schedule, checkpoint=checkpoint,
                   resume=lesson.resume).stopped


def read_names(path: Path) -> list[str]:
    """Return the names in a file, a line each; the program ends with a message if there are none."""
    try:
        names = path.read_text(encoding="utf-8").split()
    except (OSError, UnicodeDecodeError) as error:
        raise SystemExit(f"error: --names {path}: {error}") from None
    if not names:
        raise SystemExit(f"error: --names {path}: expected the name of an image on each line, got an empty file")
    return list(dict.fromkeys(names))


def named(pets: Pets, names: Sequence[str]) -> Pets:
    """Return the images with these names, in the names' order; the program ends with a message if one is missing."""
    place = {name: k for k, name in enumerate(pets.names)}
    missing = [name for name in names if name not in place]
    if missing:
        raise SystemExit(f"error: --names: {len(missing)} of {len(names)} images are not in the folder of --data, or "
                         f"cannot be read: {', '.join(missing[:5])}{', ...' if len(missing) > 5 else ''}")
    return pets[np.array([place[name] for name in names])]
