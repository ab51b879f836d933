"""Files of weights, and of trainings that go on where they were interrupted."""
import json
import os
import zipfile
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import DTypeLike

from minidl.layers.base import Layer, generators
from minidl.optim import CosineSchedule, Optimizer
from minidl.runtime.built_by import builder_in, how_built
from minidl.runtime.generator_states import as_state, plain
from minidl.runtime.history import Row, checked_rows
from minidl.runtime.npz import load_arrays, save_arrays
from minidl.types import Array

WORKERS_MOST = 1024       # more processes than any machine that trains with minidl has cores


def save_weights(path: str | os.PathLike[str], model: Layer, image_size: tuple[int, int] | None = None,
                 dtype: DTypeLike | None = None) -> Path:
    """Write a model's `state_dict` as .npz, and how the model was built (see `minidl.runtime.built_by`).

    Parameters
    ----------
    path : path
    model : Layer
    image_size : (int, int), optional
        Height and width of the images that it was trained on.
    dtype : floating-point dtype, optional
        Of the arrays in the file; ``"float16"`` halves it, and keeps 11 bits of each number. Loading converts back.
    """
    state = model.state_dict()
    if dtype is not None:
        state = {name: array.astype(dtype) if array.dtype.kind == "f" else array for name, array in state.items()}
    return save_arrays(path, state | how_built(model, image_size))


def load_weights(path: str | os.PathLike[str], model: Layer) -> None:
    """Read weights that `save_weights` wrote, or those in a training's checkpoint, into the model.

    Raises
    ------
    OSError, ValueError
        As `load_arrays`; also ValueError if the weights are of another model (the names that do not fit are listed).
    """
    arrays = load_arrays(path)
    state = model_arrays(arrays)
    try:
        with np.errstate(over="ignore", invalid="ignore"):      # what float32 cannot hold becomes infinite
            model.load_state_dict(state)
    except ValueError as error:
        raise ValueError(f"{path}: these are the weights of another model{builder_in(arrays)}. {error}") from error


def model_arrays(arrays: Mapping[str, Array]) -> dict[str, Array]:
    """Return the `state_dict` in a file of weights or in a training's checkpoint."""
    return _below("model/", arrays) or {name: array for name, array in arrays.items() if name != "built_by"}


def _below(prefix: str, arrays: Mapping[str, Array]) -> dict[str, Array]:
    """Return the arrays whose names begin so, under the rest of their names."""
    return {name.removeprefix(prefix): array for name, array in arrays.items() if name.startswith(prefix)}


class TrainingState:
    """Where a training is: everything that changes from step to step, and how it goes into a file and back.

    Parameters
    ----------
    model, optimizer, schedule
        As for `minidl.training.fit`.
    rng : numpy.random.Generator or None
        Of the batches.
    steps_per_epoch, epochs : int
    history : list of Row
        Gets a row per epoch.
    """

    def __init__(self, model: Layer, optimizer: Optimizer, schedule: CosineSchedule | None,
                 rng: np.random.Generator | None, steps_per_epoch: int, epochs: int, history: list[Row]) -> None:
        self.model, self.optimizer, self.schedule, self.rng = model, optimizer, schedule, rng
        self.steps_per_epoch, self.epochs, self.history = steps_per_epoch, epochs, history
        self.epoch = self.step = 0        # finished epochs; finished steps of the epoch under way
        self.loss_sum = self.loss_count = self.seconds = self.waited = 0.0         # of the epoch under way
        self.epoch_rng_state: Any = None  # the batches' generator as it was when the epoch under way began
        self.image_size: tuple[int, int] | None = None            # if the model is trained on images
        self.workers = 0                  # processes that train; 0 before the first step

    @property
    def steps_done(self) -> int:
        return self.epoch * self.steps_per_epoch + self.step

    @property
    def loss(self) -> float:
        """Mean loss of the epoch under way."""
        return self.loss_sum / self.loss_count

    def begin_epoch(self) -> None:
        """Note the batches' generator; for an epoch that was interrupted, put it back to where the epoch began."""
        if self.rng is not None:
            if self.step:
                self.rng.bit_generator.state = self.epoch_rng_state
            self.epoch_rng_state = self.rng.bit_generator.state

    def count(self, loss: float, count: float, x: Array) -> None:
        """Count a step with its loss, the mean of `count` values."""
        self.loss_sum += loss * count
        self.loss_count += count
        self.step += 1
        self.image_size = (x.shape[2], x.shape[3]) if x.ndim == 4 else None

    def end_epoch(self) -> Row:
        """Close the epoch and return its row in the history."""
        self.epoch += 1
        row: Row = {"epoch": self.epoch, "loss": self.loss, "lr": self.optimizer.lr, "seconds": self.seconds,
                    "waited": self.waited}
        self.history.append(row)
        self.step = 0
        self.loss_sum = self.loss_count = self.seconds = self.waited = 0.0
        return row

    def settings(self) -> dict[str, Any]:
        """What must be the same in the training that resumes."""
        return {"steps per epoch": self.steps_per_epoch, "optimizer": type(self.optimizer).__name__,
                "schedule": type(self.schedule).__name__ if self.schedule else "none"}

    def adjustable(self) -> dict[str, Any]:
        """What may differ in the training that resumes: the checkpoint's values are used, except for `epochs`."""
        settings = self.optimizer.settings()
        if self.schedule is not None:
            del settings["lr"]                                  # it follows from the schedule's
            settings |= self.schedule.settings()
        return settings

    def save(self, path: Path) -> None:
        numbers = ("epochs", "epoch", "step", "loss_sum", "loss_count", "seconds", "waited", "history", "workers",
                   "epoch_rng_state")
        progress = {name: getattr(self, name) for name in numbers} | {
            "settings": self.settings(), "rng_state": None if self.rng is None else self.rng.bit_generator.state,
            "layer_rng_states": {name: g.bit_generator.state for name, g in generators(self.model).items()}}
        arrays = {f"model/{name}": array for name, array in self.model.state_dict().items()}
        arrays |= {f"optimizer/{name}": array for name, array in self.optimizer.state_dict().items()}
        if self.schedule is not None:
            arrays |= {f"schedule/{name}": array for name, array in self.schedule.state_dict().items()}
        save_arrays(path, arrays | how_built(self.model, self.image_size)
                    | {"training": np.array(json.dumps(progress, default=plain))})

    def load(self, path: Path) -> None:
        """Go on from a file that `save` wrote; a ValueError names the file and why it does not fit."""
        arrays = load_arrays(path)
        try:
            progress = json.loads(str(arrays["training"]))
            differences = [f"{name}: {progress['settings'][name]} in the checkpoint, {value} here"
                           for name, value in self.settings().items() if value != progress["settings"][name]]
            if differences:
                raise ValueError("; ".join(differences))
            epochs, self.epoch, self.step = int(progress["epochs"]), int(progress["epoch"]), int(progress["step"])
            if not (0 <= self.epoch <= epochs and 0 <= self.step < self.steps_per_epoch):
                raise ValueError(f"it is at epoch {self.epoch} of {epochs}, step {self.step}, which cannot be")
            if self.epochs < self.epoch + (self.step > 0):
                raise ValueError(f"{self.epoch} epochs are done, {self.epochs} were asked for")
            self.workers = int(progress["workers"])
            if not 0 <= self.workers <= WORKERS_MOST:
                raise ValueError(f"expected at most {WORKERS_MOST} workers, got {self.workers}")
            self.history[:] = checked_rows(progress["history"], self.epoch)
            self.loss_sum, self.loss_count = float(progress["loss_sum"]), float(progress["loss_count"])
            self.seconds, self.waited = float(progress["seconds"]), float(progress["waited"])
            asked = self.adjustable()
            with np.errstate(over="ignore", invalid="ignore"):      # what float32 cannot hold becomes infinite
                self.model.load_state_dict(_below("model/", arrays))
                self.optimizer.load_state_dict(_below("optimizer/", arrays))
            if self.schedule is not None:
                steps = self.schedule.steps
                self.schedule.load_state_dict(_below("schedule/", arrays))
                if epochs != self.epochs:
                    self.schedule.stretch(steps)
            self._say_what_differs(asked, epochs)
            for name, g in generators(self.model).items():
                g.bit_generator.state = as_state(progress["layer_rng_states"][name])
            if self.rng is not None:
                self.epoch_rng_state = as_state(progress["epoch_rng_state"])
                if self.step:
                    self.rng.bit_generator.state = self.epoch_rng_state      # refuses what is not a state
                self.rng.bit_generator.state = as_state(progress["rng_state"])
        except (ArithmeticError, AttributeError, LookupError, RecursionError, TypeError, ValueError) as error:
            raise ValueError(f"{path}: this checkpoint cannot be resumed: {error}") from error

    def _say_what_differs(self, asked: dict[str, Any], epochs: int) -> None:
        """Print which settings are not as they were asked for, or not as in the checkpoint."""
        used = self.adjustable()
        lines = [f"{name}: {used[name]} as in the checkpoint ({value} was asked for)"
                 for name, value in asked.items() if used[name] != value]
        if epochs != self.epochs:
            lines.append(f"epochs: {self.epochs} as asked ({epochs} in the checkpoint)")
        if lines:
            print("Resumed with " + ", ".join(lines) + ".")


def unfinished(checkpoint: str | Path) -> bool:
    """Return whether a checkpoint is of a training that was stopped before its last epoch (or is damaged)."""
    try:
        with open(checkpoint, "rb") as file, np.load(file, allow_pickle=False) as arrays:
            progress = json.loads(str(arrays["training"]))
        return int(progress["epoch"]) < int(progress["epochs"])
    except (OSError, ValueError, KeyError, TypeError, AttributeError, EOFError, zipfile.BadZipFile, zlib.error):
        return True
