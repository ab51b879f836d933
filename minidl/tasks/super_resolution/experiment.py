"""What lessons 19 and 20 need: pairs of small and large images, and the training that a generator gets."""
import json
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from minidl.batches import as_input
from minidl.course.lesson import Lesson
from minidl.layers import Layer
from minidl.loss import L1Loss
from minidl.optim import Adam, CosineSchedule
from minidl.runtime.files import shorten
from minidl.runtime.npz import load_arrays, save_arrays
from minidl.step import predict
from minidl.tasks.super_resolution.image_metrics import psnr, ssim
from minidl.tasks.super_resolution.images import as_images, resized
from minidl.tasks.super_resolution.models import rrdb_net
from minidl.training import History, fit
from minidl.types import Array


GENERATOR = "generator.npz"       # in a lesson's folder: the weights of its trained network


class Pairs:
    """Batches of (small images, large images), float32 in [0, 1], in a new random order each epoch.

    Each batch is turned and mirrored at random, in one of eight ways.

    Parameters
    ----------
    small, large : uint8 arrays (N, 3, h, w) and (N, 3, H, W), squares
    batch_size : int
    rng : numpy.random.Generator
        Kept as `rng`, so that `fit` can save its state.
    """

    def __init__(self, small: Array, large: Array, batch_size: int, rng: np.random.Generator) -> None:
        if len(small) != len(large) or not len(small):
            raise ValueError(f"Pairs: expected as many small as large images, got {len(small)} and {len(large)}")
        self.small, self.large, self.batch_size, self.rng = small, large, batch_size, rng

    def __len__(self) -> int:
        """Return the number of batches per epoch; images that do not fill a batch wait for the next epoch."""
        return max(1, len(self.small) // self.batch_size)

    def __iter__(self) -> Iterator[tuple[Array, Array]]:
        order = self.rng.permutation(len(self.small))
        for i in range(len(self)):
            chosen = order[i * self.batch_size:(i + 1) * self.batch_size]
            turns, mirror = int(self.rng.integers(0, 4)), self.rng.random() < 0.5
            yield self._turned(self.small[chosen], turns, mirror), self._turned(self.large[chosen], turns, mirror)

    def _turned(self, images: Array, turns: int, mirror: bool) -> Array:
        images = np.rot90(images, turns, axes=(2, 3))
        return as_input(images[..., ::-1] if mirror else images)


class SuperResolution:
    """The pets of a lesson's `--data` as pairs, small and large, and the training that a generator gets.

    Parameters
    ----------
    lesson : Lesson
        Gives data, size (that of the large images), batch size, learning rate, seed and budget.
    scale : int
        How many times smaller the small images are, on each side; reduced with Pillow's bicubic filter.

    Attributes
    ----------
    train, test : Pets
        Large images, (N, 3, S, S) uint8; the trimaps are for `train_encoder` only.
    small, small_test : uint8 arrays (N, 3, S / scale, S / scale)
    epochs : int
    """

    def __init__(self, lesson: Lesson, scale: int) -> None:
        if lesson.size % (2 * scale) or lesson.size < 16:
            raise ValueError(f"--size: expected a size from 16 on that divides by {2 * scale}, got {lesson.size}")
        self.lesson, self.scale = lesson, scale
        self.train, self.test = lesson.pets("train"), lesson.pets("test")
        self.small = resized(self.train.images, lesson.size // scale, "bicubic")
        self.small_test = resized(self.test.images, lesson.size // scale, "bicubic")
        self.epochs = lesson.epochs(len(self.train))

    def generator(self, **more: Any) -> Layer:
        """Return the network of these lessons, untrained: one RRDB; it learns what to add to bilinear enlargement.

        `more`: other arguments of `rrdb_net`, or other values of those that are set here.
        """
        width = self.lesson.width
        settings: dict[str, Any] = {"width": width, "growth": max(1, width // 2), "blocks": 1, "base": "bilinear"}
        return rrdb_net(self.scale, **settings | more)

    def pairs(self, seed: int) -> Pairs:
        """Return the training pairs in the order that belongs to a seed."""
        return Pairs(self.small, self.train.images, self.lesson.batch_size, np.random.default_rng(seed))

    def fit(self, model: Layer, name: str, epochs: int | None = None) -> History:
        """Train a generator on the L1 distance: Adam, the learning rate along a cosine, a checkpoint per epoch."""
        epochs = epochs or self.epochs
        pairs = self.pairs(self.lesson.seed)
        optimizer = Adam(model.parameters(), self.lesson.lr)
        steps = epochs * len(pairs)
        return fit(model, pairs, L1Loss(), optimizer, epochs, evaluate=lambda model: self.scores(self.enlarged(model)),
                   schedule=CosineSchedule(optimizer, steps, warmup=min(50, steps // 4)),
                   evaluate_every=max(1, epochs // 8),
                   checkpoint=self.lesson.out / "checkpoints" / name, resume=self.lesson.resume)

    def settings(self) -> dict[str, int | float]:
        """Return what decides how a generator turns out that `fit` trains; `images` is a checksum of them."""
        lesson = self.lesson
        return {"scale": self.scale, "epochs": self.epochs, "batch size": lesson.batch_size, "learning rate": lesson.lr,
                "seed": lesson.seed, "images": zlib.crc32(self.train.images.tobytes())}

    def save(self, model: Layer) -> Path:
        """Write a trained generator to the lesson's folder, for another lesson; return the path."""
        state = {f"model/{name}": array for name, array in model.state_dict().items()}
        return save_arrays(self.lesson.out / GENERATOR, state | {"settings": np.array(json.dumps(self.settings()))})

    def load(self, model: Layer, name: str) -> bool:
        """Read the generator that another lesson saved in the same folder of results, and say so.

        Returns False, after a line that says why, if there is none, or none of this build, data and training.
        """
        path = self.lesson.out.parent / name / GENERATOR
        if not path.exists():
            print(f"no trained network in {shorten(path.parent)}, so it is trained here")
            return False
        try:
            arrays = load_arrays(path)
            found, wanted = json.loads(str(arrays.pop("settings"))), self.settings()
            differences = [f"{key} {found.get(key)}, here {value}" for key, value in wanted.items()
                           if found.get(key) != value]
            if differences:
                raise ValueError("it was trained with " + "; ".join(differences))
            model.load_state_dict({key.removeprefix("model/"): array for key, array in arrays.items()})
        except (AttributeError, KeyError, OSError, ValueError) as error:
            reason = str(error).splitlines()[0]
            print(f"the network in {shorten(path)} does not fit, so one is trained here: {reason}")
            return False
        print(f"the network trained by lesson {name[:2]} is in {shorten(path)}: loaded")
        return True

    def enlarged(self, model: Layer) -> Array:
        """Return the held-out small images as a generator enlarges them, uint8."""
        return as_images(predict(model, self.small_test))

    def scores(self, images: Array) -> dict[str, float]:
        """Return mean PSNR (dB) and SSIM of uint8 images against the held-out large ones."""
        return {"psnr": float(psnr(images, self.test.images).mean()),
                "ssim": float(ssim(images, self.test.images).mean())}


def cycle(pairs: Pairs) -> Iterator[tuple[Array, Array]]:
    """Yield batches epoch after epoch, for trainings that are counted in steps."""
    while True:
        yield from pairs
