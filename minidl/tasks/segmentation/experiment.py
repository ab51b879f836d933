"""What the segmentation lessons share: one problem, one data set, one budget, and a record of each result.

Lesson 10 does all of it step by step, in the open; the lessons after it change the model and nothing else.
"""
import copy
import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from minidl import metrics
from minidl.batches import Batches
from minidl.checkpoint import Row
from minidl.course.lesson import Lesson
from minidl.datasets.augment import Augment
from minidl.datasets.pets import CLASSES
from minidl.layers.base import Layer
from minidl.loss import CrossEntropyLoss
from minidl.optim import Adam, CosineSchedule
from minidl.runtime.npz import load_arrays, save_arrays
from minidl.step import predict_classes
from minidl.tasks.segmentation.receptive_field import receptive_field
from minidl.training import History, fit
from minidl.types import Array

SHOWN = 8    # held-out images that every lesson draws
HELD = 200   # that lessons look at more closely


@dataclass(frozen=True)
class Result:
    """One model's result, as the ladder shows it."""

    name: str                   # for figures and tables, such as "5 × 5"
    lesson: str                 # such as "11_segmentation_5x5" ("12b_..." of a second one); its place on the ladder
    scores: dict[str, float]    # on the held-out images, as `segmentation_scores` returns them
    parameters: int
    receptive_field: int        # side of the square of pixels that a pixel's class can depend on; at most the image's
    seconds: float              # of training
    predictions: Array          # (n, H, W) uint8, of the first held-out images
    trained: dict[str, Any]     # {option: value} that must be the same for results to be compared


class Segmentation:
    """The pets of a lesson's `--data`, and the training that all models get.

    Parameters
    ----------
    lesson : Lesson
        Gives data, size, batch size, learning rate, seed, and the budget of training images.

    Attributes
    ----------
    train, test : Pets
        Training and held-out images.
    held : Pets
        Up to 200 of the held-out images, for a closer look than a score: a large set, as whole arrays, would not fit
        into memory.
    epochs : int
    loss : CrossEntropyLoss
    """

    def __init__(self, lesson: Lesson) -> None:
        self.lesson = lesson
        self.train, self.test = lesson.pets("train"), lesson.pets("test")
        self.held = self.test[:HELD]
        self.epochs = lesson.epochs(len(self.train))
        # An image that is shown hundreds of times, because there are few, should look different each time.
        self.augment = Augment() if self.epochs > 20 else Augment(flip=0.5, crop=(1, 1), shift=0, color=0)
        self.loss = CrossEntropyLoss()
        print(f"{len(self.train)} images to train on, {len(self.test)} held out; {self.epochs} epochs")

    def new_batches(self, seed: int) -> Batches:
        """Return the training batches in the order that belongs to a seed."""
        return Batches(self.train.images, self.train.trimaps, self.lesson.batch_size, rng=np.random.default_rng(seed),
                       augment=self.augment)

    def fit(self, model: Layer, name: str = "model", seed: int | None = None, epochs: int | None = None) -> History:
        """Train a model: Adam, the learning rate falling along a cosine, checkpoints in the lesson's folder.

        Parameters
        ----------
        model : Layer
            Trained in place.
        name : str
            Of the checkpoint's folder; differs for each model that a lesson trains.
        seed : int, optional
            Of the order of the images (default: the lesson's).
        epochs : int, optional
            Default: those of the lesson's budget.
        """
        epochs = epochs or self.epochs
        batches = self.new_batches(self.lesson.seed if seed is None else seed)
        optimizer = Adam(model.parameters(), self.lesson.lr)
        return fit(model, batches, self.loss, optimizer, epochs,
                   schedule=CosineSchedule(optimizer, epochs * len(batches)),
                   evaluate=self.scores, evaluate_every=max(1, epochs // 3),
                   checkpoint=self.lesson.out / "checkpoints" / name, resume=self.lesson.resume)

    def first_loss(self, model: Layer) -> float:
        """Return the loss of a model on the first batch; the model stays as it is, its running statistics, too."""
        x, labels = next(iter(self.new_batches(self.lesson.seed)))
        return self.loss.forward(copy.deepcopy(model).forward(x), labels)

    def scores(self, model: Layer) -> dict[str, float]:
        """Return pixel accuracy, mean IoU and the IoU of each class on the held-out images."""
        return segmentation_scores(model, self.test.images, self.test.trimaps, CLASSES)

    def predictions(self, model: Layer) -> Array:
        """Return the classes (n, H, W), uint8, of the held-out images that the lessons draw."""
        return predict_classes(model, self.test.images[:SHOWN])

    def result(self, name: str, model: Layer, history: History, part: str = "") -> Result:
        """Return a trained model's result, and save it for the lessons that come after.

        That of a training that was stopped before its end (`history.stopped`) is not saved. `part` is "b" for the
        second result of a lesson.
        """
        size, pace = self.lesson.size, self.pace(history)
        print(f"{pace['seconds_per_100_images']:.1f} s of training per 100 images, {pace['waited']:.1%} of it "
              "waiting for them")
        return self.save_result(name, self.scores(model), self.predictions(model),
                                parameters=sum(parameter.data.size for parameter in model.parameters()),
                                receptive_field=min(size, max(receptive_field(model, (1, 3, size, size)))),
                                seconds=sum(row["seconds"] for row in history), finished=not history.stopped, part=part)

    def pace(self, history: History) -> dict[str, float]:
        """Return the seconds that the training of 100 images took, and which share of them it `waited` for data."""
        seconds = sum(row["seconds"] for row in history)
        images = max(1, len(history)) * len(self.train)
        return {"seconds_per_100_images": 100 * seconds / images,
                "waited": sum(row.get("waited", 0.0) for row in history) / max(seconds, 1e-9)}

    def save_result(self, name: str, scores: dict[str, float], predictions: Array, parameters: int,
                    receptive_field: int, seconds: float, finished: bool = True, part: str = "") -> Result:
        """Return the result of anything that predicts classes (K-means is not a `Layer`), and save it if finished."""
        number, _, rest = self.lesson.name.partition("_")
        result = Result(name, f"{number}{part}_{rest}", scores, parameters, receptive_field, round(seconds, 1),
                        predictions, self.trained())
        if finished:
            facts = {key: value for key, value in asdict(result).items() if key != "predictions"}
            save_arrays(self.lesson.out / f"result{part}.npz",
                        {"predictions": predictions, "facts": np.array(json.dumps(facts))})
        return result

    def trained(self) -> dict[str, Any]:
        """Return what must be the same for two lessons' results to be compared."""
        lesson = self.lesson
        return {"data": str(lesson.data), "size": lesson.size, "epochs": self.epochs, "batch_size": lesson.batch_size,
                "lr": lesson.lr, "quick": lesson.quick, "training_images": len(self.train),
                "test_images": len(self.test)}

    def results_up_to(self, result: Result) -> list[Result]:
        """Return the results of earlier lessons, in the lessons' order, and this one."""
        before = [other for other in self.results() if other.lesson < self.lesson.name]
        if not before:
            print("nothing to compare with yet: run the lessons from 08 on first, with the same options")
        return [*before, result]

    def numbers_of(self, result: Result) -> dict[str, Any]:
        """Return the numbers that the lesson of a result has written to its metrics.json; none if it did not finish."""
        path = self.lesson.out.parent / result.lesson / "metrics.json"
        return dict(json.loads(path.read_text(encoding="utf-8"))) if path.is_file() else {}

    def results(self) -> list[Result]:
        """Return all results in the lesson's output folder that can be compared; print which others are left out."""
        found = []
        for path in sorted(self.lesson.out.parent.glob("[0-9][0-9]_*/result*.npz")):
            result = load_result(path)
            differs = [key for key, value in self.trained().items() if result.trained.get(key) != value]
            if differs:
                print(f"{result.lesson} is not shown: it was run with another {', another '.join(differs)}")
            else:
                found.append(result)
        return found


def load_result(path: Path) -> Result:
    """Read what `Segmentation.save_result` has written; ValueError if it is something else."""
    arrays = load_arrays(path)
    try:
        return Result(**json.loads(str(arrays["facts"])), predictions=arrays["predictions"])
    except (KeyError, TypeError, ValueError) as error:
        raise ValueError(f"{path}: expected the record of a lesson's result, got {error!r}; run the lesson again"
                         ) from error


def segmentation_scores(model: Layer, images: Array, labels: Array, names: tuple[str, ...],
                        batch_size: int = 32) -> Row:
    """Return pixel accuracy, mean IoU and the IoU of each class of a model's predictions on images (N, C, H, W)."""
    K = len(names)
    matrix = np.zeros((K, K), np.int64)
    for i in range(0, len(images), batch_size):
        predictions = predict_classes(model, images[i:i + batch_size], batch_size)             # (n, H, W)
        matrix += metrics.confusion_matrix(labels[i:i + batch_size], predictions, K)
    return metrics.scores(matrix, names)
