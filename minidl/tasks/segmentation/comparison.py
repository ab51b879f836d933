"""The ladder under equal conditions: for each model a learning rate of its own, several seeds, and a longer training.

In the lessons each model is trained once, all with the same learning rate. That favors the models which this rate
happens to suit, and one training cannot tell a better model from a lucky one. Here, for each model,

1. the learning rate is chosen among three, by the mean IoU on *validation images*: a fifth of the training images,
   which these trainings do not use. The held-out images have no part in the choice.
2. the model is trained with the chosen rate on all training images, once for each seed, and scored on the held-out
   images;
3. it is trained once more, four times as long: does it lack training rather than ability?

Each finished training is a record in a JSON file. What is there with the same settings is not trained again.
"""
import hashlib
import json
import shutil
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from minidl.batches import Batches
from minidl.datasets.pets import CLASSES
from minidl.datasets.pets.reader import Pets
from minidl.layers.base import Layer
from minidl.loss import CrossEntropyLoss
from minidl.models import encoder_decoder, fcn, pixelwise, reshape_segmenter, unet
from minidl.optim import Adam, CosineSchedule
from minidl.runtime.files import replacing, shorten
from minidl.runtime.format import flat, number
from minidl.runtime.interrupt import stop_on_ctrl_c
from minidl.runtime.progress import Progress, duration
from minidl.step import train_step
from minidl.tasks.segmentation.experiment import SHOWN, Segmentation, segmentation_scores
from minidl.tasks.segmentation.ladder import LONGER, Compared, comparison_figure, comparison_table
from minidl.tasks.segmentation.receptive_field import effective_receptive_field, receptive_field
from minidl.training import fit

# The models that are trained, in the ladder's order: {name: function of width, size and seed}.
RUNGS: dict[str, Callable[[int, int, int], Layer]] = {
    "1 × 1": lambda width, size, seed: pixelwise((1,), width, rng=seed),
    "5 × 5": lambda width, size, seed: pixelwise((5,), width, rng=seed),
    "9 × 9": lambda width, size, seed: pixelwise((9, 5), width, rng=seed),
    "six 3 × 3": lambda width, size, seed: pixelwise((3,) * 6, width, rng=seed),
    "reshape": lambda width, size, seed: reshape_segmenter(width, size, rng=seed),
    "FCN-8s": lambda width, size, seed: fcn(8, width, rng=seed),
    "encoder–decoder": lambda width, size, seed: encoder_decoder(width, rng=seed),
    "U-Net": lambda width, size, seed: unet(width, rng=seed),
}
PART = 5              # one training image in so many is a validation image
SEARCH_SEED = 1000    # above the lesson's, in the trainings that choose the learning rate: none that is reported
FACTOR = 4            # between two learning rates
Record = dict[str, Any]


@dataclass(frozen=True)
class Training:
    """One training of the comparison."""

    model: str
    purpose: str      # "rate": scored on the validation images; "seed" and "longer": on the held-out images
    lr: float
    seed: int
    epochs: int

    def __str__(self) -> str:
        what = {"rate": "to choose the learning rate", "seed": "", "longer": f"{LONGER} times as long"}[self.purpose]
        return ", ".join(filter(None, [self.model, what, f"learning rate {self.lr:g}, seed {self.seed}, "
                                                         f"{self.epochs} epochs"]))


class Comparison:
    """All trainings of the comparison, and the file with their records.

    Parameters
    ----------
    task : Segmentation
        Its lesson gives width, size, batch size, the first seed, and the learning rate: tried are that one, a quarter
        of it and four times as much.
    seeds : int
        How many trainings to report for each model.

    Attributes
    ----------
    rest, validation : Pets
        The training images in two parts, the same for all models.
    records : list of dict
        Of the finished trainings; also of those with other settings, from earlier runs.
    """

    def __init__(self, task: Segmentation, seeds: int) -> None:
        self.task, lesson = task, task.lesson
        self.seeds = range(lesson.seed, lesson.seed + seeds)
        self.rates = (lesson.lr, lesson.lr / FACTOR, lesson.lr * FACTOR)          # of equally good ones, the first
        order = np.random.default_rng(0).permutation(len(task.train))
        count = max(1, len(order) // PART)
        self.validation, self.rest = task.train[np.sort(order[:count])], task.train[np.sort(order[count:])]
        self.common = {"size": lesson.size, "width": lesson.width, "batch_size": lesson.batch_size,
                       "augment": repr(task.augment), "data": fingerprint(task.train, task.test)}
        self.path = lesson.out / "ladder_seeds.json"
        self.records = read_records(self.path)

    def trainings(self) -> Iterator[Training]:
        """Yield all trainings. Those after the search need its records: ask for them when the search is done."""
        seed, epochs = self.task.lesson.seed, self.task.epochs
        for model in RUNGS:
            for lr in self.rates:
                yield Training(model, "rate", lr, seed + SEARCH_SEED, epochs)
        for model in RUNGS:
            for one in self.seeds:
                yield Training(model, "seed", self.rate(model), one, epochs)
        for model in RUNGS:
            yield Training(model, "longer", self.rate(model), seed, LONGER * epochs)

    def validated(self, model: str) -> dict[float, float]:
        """Return the mean IoU on the validation images for each learning rate."""
        seed = self.task.lesson.seed + SEARCH_SEED
        records = {lr: self.record(Training(model, "rate", lr, seed, self.task.epochs)) for lr in self.rates}
        return {lr: record["scores"].get("mean_iou", 0.0) for lr, record in records.items()}

    def rate(self, model: str) -> float:
        """Return the learning rate with the best mean IoU on the validation images."""
        found = self.validated(model)
        return max(found, key=lambda lr: found[lr])

    def record(self, training: Training) -> Record:
        """Return the record of a finished training; a KeyError if there is none with these settings."""
        settings = self.settings(training)
        for record in self.records:
            if record["settings"] == settings:
                return record
        raise KeyError(str(training))

    def is_done(self, training: Training) -> bool:
        """Return whether there is a record of this training."""
        return any(record["settings"] == self.settings(training) for record in self.records)

    def settings(self, training: Training) -> dict[str, Any]:
        """Return all that a training's result depends on."""
        return asdict(training) | self.common

    def images(self, purpose: str) -> tuple[Pets, Pets]:
        """Return the images to train on, and those to score."""
        return (self.rest, self.validation) if purpose == "rate" else (self.task.train, self.task.test)

    def build(self, model: str, seed: int) -> Layer:
        """Return an untrained model."""
        return RUNGS[model](self.task.lesson.width, self.task.lesson.size, seed)

    def batches(self, training: Training) -> Batches:
        """Return the training's batches, in the order that belongs to its seed."""
        pets, _ = self.images(training.purpose)
        return Batches(pets.images, pets.trimaps, self.task.lesson.batch_size, augment=self.task.augment,
                       rng=np.random.default_rng(training.seed))

    def train(self, training: Training) -> bool:
        """Train, or go on with a training that was stopped; keep its record. Return False if it was stopped again."""
        settings = self.settings(training)
        name = hashlib.sha256(json.dumps(settings).encode()).hexdigest()[:12]
        folder = self.task.lesson.out / "checkpoints" / f"ladder-{name}"             # of these settings and no others
        model, batches = self.build(training.model, training.seed), self.batches(training)
        optimizer = Adam(model.parameters(), training.lr)
        schedule = CosineSchedule(optimizer, training.epochs * len(batches))
        record: Record = {"settings": settings, "scores": {}, "seconds": None,
                          "parameters": sum(parameter.data.size for parameter in model.parameters())}
        try:
            history = fit(model, batches, CrossEntropyLoss(), optimizer, training.epochs, schedule=schedule,
                          checkpoint=folder, resume=True)
        except FloatingPointError as error:
            if training.purpose != "rate":
                raise
            print(f"This learning rate is too high: {error}")
        else:
            if history.stopped:
                return False
            record |= self.measured(model, training.purpose) | {"seconds": sum(row["seconds"] for row in history)}
        self.records.append(record)
        with replacing(self.path) as temporary:
            temporary.write_text(json.dumps(self.records, indent=1) + "\n", encoding="utf-8")
        shutil.rmtree(folder, ignore_errors=True)
        return True

    def measured(self, model: Layer, purpose: str) -> Record:
        """Return a trained model's scores and, unless it only served to choose a rate, its receptive fields."""
        _, held = self.images(purpose)
        found: Record = {"scores": segmentation_scores(model, held.images, held.trimaps, CLASSES)}
        if purpose != "rate":
            size = self.task.lesson.size
            found["receptive_field"] = min(size, max(receptive_field(model, (1, 3, size, size))))
            found["effective"] = effective_receptive_field(model, held.images[:SHOWN])
        print(", ".join(f"{name} {text}" for name, text in flat(found["scores"])))
        return found

    def run(self) -> bool:
        """Do all trainings that are not done; return False if Ctrl-C stopped one."""
        counts = {"rate": len(self.rates), "seed": len(self.seeds), "longer": 1}
        everything = len(RUNGS) * sum(counts.values())
        with stop_on_ctrl_c() as stop:
            weights = {model: self.milliseconds(model) for model in RUNGS}
            line = Progress(sum(counts[purpose] * weight for each in weights.values()
                                for purpose, weight in each.items()))
            done = 0
            for k, training in enumerate(self.trainings(), 1):
                weight = weights[training.model][training.purpose]
                if self.is_done(training):
                    line.first += weight
                else:
                    if line.first == done:                                  # the first one of this run
                        print(f"The first {k - 1} of {everything} trainings are there already; the rest will take "
                              f"about {duration((line.total - done) / 1000)}")
                    print()
                    line.line(done, f"{k} of {everything}: {training}")
                    if stop.is_set() or not self.train(training):
                        return False
                done += weight
        return True

    def milliseconds(self, model: str) -> dict[str, int]:
        """Return for each purpose about how long a training will take, by the faster of two steps (at least 1)."""
        network = self.build(model, 0)
        optimizer = Adam(network.parameters(), self.task.lesson.lr)
        x, labels = next(iter(self.batches(Training(model, "seed", 0.0, 0, 1))))
        seconds = []
        for _ in range(2):
            started = time.perf_counter()
            train_step(network, CrossEntropyLoss(), optimizer, x, labels)
            seconds.append(time.perf_counter() - started)
        images = {"rate": len(self.rest), "seed": len(self.task.train), "longer": LONGER * len(self.task.train)}
        return {purpose: max(1, round(1000 * min(seconds) * self.task.epochs * count / len(x)))
                for purpose, count in images.items()}

    def compared(self) -> list[Compared]:
        """Return what the finished trainings say, model by model; first K-means, if lesson 08 was run."""
        rows = [Compared(result.name, None, [result.scores], None, result.parameters, result.receptive_field, [],
                         [result.seconds]) for result in self.task.results() if result.lesson.startswith("08")]
        records = [(training, self.record(training)) for training in self.trainings()]
        for model in RUNGS:
            each = [record for training, record in records if (training.model, training.purpose) == (model, "seed")]
            longer, = (record for training, record in records
                       if (training.model, training.purpose) == (model, "longer"))
            rows.append(Compared(model, self.rate(model), [record["scores"] for record in each], longer["scores"],
                                 longer["parameters"], longer["receptive_field"],
                                 [record["effective"] for record in each], [record["seconds"] for record in each]))
        return rows


def compare_ladder(task: Segmentation, seeds: int) -> list[Compared]:
    """Do the whole comparison; print and save its table, and draw it, in the lesson's folder. It resumes.

    Ctrl-C ends the program after the step under way.
    """
    comparison = Comparison(task, seeds)
    lesson, epochs, reported = task.lesson, task.epochs, ", ".join(map(str, comparison.seeds))
    print(f"The ladder under equal conditions: {len(RUNGS)} models. The learning rate of each is chosen among "
          f"{', '.join(f'{lr:g}' for lr in sorted(comparison.rates))} by the mean IoU on {len(comparison.validation)} "
          f"validation images, after {epochs} epochs on the other {len(comparison.rest)} (seed "
          f"{lesson.seed + SEARCH_SEED}). Then {epochs} epochs on all {len(task.train)}, seeds {reported}; then "
          f"{LONGER * epochs} epochs, seed {lesson.seed}. All scores in the table are of the {len(task.test)} held-out "
          f"images. Finished trainings are kept in {shorten(comparison.path)}.")
    if not comparison.run():
        raise SystemExit("\nStopped; the same command goes on from here.")
    rows = comparison.compared()
    tried = [f"{model}: " + ", ".join(f"{lr:g} → {number(value)}" for lr, value in sorted(found.items()))
             for model, found in ((model, comparison.validated(model)) for model in RUNGS)]
    text = (f"{comparison_table(rows)}\n\nMean IoU on validation images by learning rate: {'; '.join(tried)}.\n")
    print(f"\n{text}")
    with replacing(lesson.out / "ladder_seeds.md") as temporary:
        temporary.write_text(text, encoding="utf-8")
    lesson.figure(comparison_figure(rows), "ladder_seeds")
    return rows


def fingerprint(*splits: Pets) -> str:
    """Return a text that differs for other images or trimaps, wherever they are stored."""
    found = hashlib.sha256()
    for pets in splits:
        for arrays in zip(pets.images, pets.trimaps):
            for array in arrays:
                found.update(array.tobytes())
    return found.hexdigest()[:16]


def read_records(path: Path) -> list[Record]:
    """Return the records in a file that `Comparison.train` wrote; none if there is no file."""
    if not path.exists():
        return []
    try:
        records = json.loads(path.read_text(encoding="utf-8"))
        if not all({"settings", "scores", "seconds", "parameters"} <= set(record) for record in records):
            raise ValueError("a record lacks a part")
    except (TypeError, ValueError) as error:
        raise ValueError(f"{path}: expected the records of trainings, got {error!r}; remove the file to train anew"
                         ) from error
    return list(records)
