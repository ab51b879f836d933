"""fit(): the training loop, with everything around it that a long training needs; and prediction in batches."""
import json
import math
import time
import zipfile
import zlib
from collections.abc import Callable, Iterator, Sized
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from minidl.batches import ahead, as_input
from minidl.checkpoint import how_built
from minidl.layers.base import Layer, generators
from minidl.loss import Loss
from minidl.optim import CosineSchedule, Optimizer
from minidl.runtime.interrupt import stop_on_ctrl_c
from minidl.runtime.npz import load_arrays, save_arrays
from minidl.runtime.progress import Progress
from minidl.types import Array

Row = dict[str, float]


class BatchSource(Sized, Protocol):
    """What `fit` iterates over, once an epoch: batches (x, target). If it has an `rng`, checkpoints save its state."""

    def __iter__(self) -> Iterator[tuple[Array, Array]]: ...


class History(list[Row]):
    """One dict an epoch: epoch, loss, lr, seconds (of them `waited` for batches), and what `evaluate` returned.

    `stopped`: ended by Ctrl-C.
    """

    stopped = False


def fit(model: Layer, batches: BatchSource, loss: Loss, optimizer: Optimizer, epochs: int, *,
        schedule: CosineSchedule | None = None, evaluate: Callable[[Layer], Row] | None = None,
        evaluate_every: int = 1, monitor: str | None = None, checkpoint: str | Path | None = None,
        resume: bool = False, progress: bool = True) -> History:
    """Train a model: for each batch forward, loss, backward, step.

    Parameters
    ----------
    model : Layer
    batches : re-iterable with a length
        Yields (x, target); one pass is an epoch. An `rng` attribute, if any, is part of the checkpoint. The next batch
        is made in a thread of its own while the model is trained on this one.
    loss : Loss
    optimizer : Optimizer
        Over ``model.parameters()``.
    epochs : int
    schedule : CosineSchedule, optional
        Stepped after each optimizer step.
    evaluate : function of the model, returns {name: score}, optional
        Called with the model in eval mode after every `evaluate_every`-th epoch, and after the last.
    monitor : str, optional
        The score of which the highest value makes the best checkpoint.
    checkpoint : folder, optional
        ``last.npz`` is written after each epoch, ``best.npz`` whenever `monitor` reaches a new high. Both hold the
        weights, the optimizer, the schedule, the generators and the history (no pickles).
    resume : bool
        Go on from ``last.npz`` if there is one, and end with the very bits of a training that was never interrupted.
        `epochs` may be more (or less) than before; a schedule then takes its number of steps from `schedule`. All other
        settings of optimizer and schedule are the checkpoint's; those that differ from what was asked for are printed.
    progress : bool
        Print a line an epoch, with the time left.

    Returns
    -------
    History

    Raises
    ------
    ValueError
        For impossible settings, a batch with NaN or infinite values, or a checkpoint that is damaged or of another
        model or training.
    FloatingPointError
        If the loss is NaN or infinite: names the step, the learning rate and the layer where it first appeared.

    Notes
    -----
    Ctrl-C ends the training after the step that is under way, saves, and returns with ``History.stopped`` set; a second
    Ctrl-C interrupts at once. A training stopped in the middle of an epoch resumes there: the epoch's batches are drawn
    again from the generator's state at its start, and those already seen are skipped.
    """
    if epochs < 1 or evaluate_every < 1 or len(batches) < 1:
        raise ValueError(f"fit: expected epochs >= 1, evaluate_every >= 1 and at least one batch, got epochs={epochs}, "
                         f"evaluate_every={evaluate_every}, {len(batches)} batches")
    if monitor is not None and evaluate is None:
        raise ValueError(f"fit: monitor={monitor!r} needs an evaluate function that returns it")
    run = _Run(model, batches, optimizer, schedule, epochs)
    folder = None if checkpoint is None else Path(checkpoint)
    if folder is not None and resume and (folder / "last.npz").exists():
        with np.errstate(over="ignore", invalid="ignore"):      # what float32 cannot hold becomes infinite
            run.load(folder / "last.npz")
    line = Progress(epochs * len(batches), enabled=progress)
    line.first = run.epoch * len(batches) + run.step
    model.train()
    with stop_on_ctrl_c() as stop, np.errstate(over="ignore", invalid="ignore"):
        while run.epoch < epochs:
            started = time.perf_counter()
            run.begin_epoch()
            for x, target in run.remaining_batches():
                value = train_step(model, loss, optimizer, x, target, run.steps_done)
                run.loss_sum += value * loss.count
                run.loss_count += loss.count
                if schedule is not None:
                    schedule.step()
                run.step += 1
                line.update(run.steps_done, f"epoch {run.epoch + 1}/{epochs}, step {run.step}/{len(batches)}, "
                                            f"loss {run.loss_sum / run.loss_count:.4f}")
                if stop.is_set():
                    break
            run.seconds += time.perf_counter() - started
            if run.step < len(batches):
                break
            row = run.end_epoch()
            if evaluate is not None and (run.epoch % evaluate_every == 0 or run.epoch == epochs):
                row.update(evaluate(model.eval()))
                model.train()
                line.line(run.steps_done, describe(row, epochs))
            if folder is not None:
                run.save(folder / "last.npz")
                if monitor is not None and _is_best(run.history, monitor):
                    run.save(folder / "best.npz")
            if stop.is_set():
                break
    if run.epoch < epochs:
        run.history.stopped = True
        where = f"{run.epoch} of {epochs} epochs and {run.step} of {len(batches)} steps"
        if folder is not None:
            run.save(folder / "last.npz")
            where += f"; saved in {folder / 'last.npz'}, from where resume (--resume in the lessons) goes on"
        print(f"\nStopped after {where}.")
    return run.history


def train_step(model: Layer, loss: Loss, optimizer: Optimizer, x: Array, target: Array, step: int = 0) -> float:
    """Do one step: the whole of training, in six lines."""
    optimizer.zero_grad()
    value = loss.forward(model.forward(x), target)
    if not math.isfinite(value):
        _explain_non_finite(model, x, value, step, optimizer.lr)
    model.backward_parameters(loss.backward())
    optimizer.step()
    return value


def describe(row: Row, epochs: int) -> str:
    """Return one line about an epoch."""
    hidden = ("epoch", "loss", "lr", "seconds", "waited")
    scores = [f"{name.replace('_', ' ')} {value:.3f}" for name, value in row.items() if name not in hidden]
    return ", ".join([f"epoch {int(row['epoch'])}/{epochs}", f"loss {row['loss']:.4f}", *scores[:4]])


class _Run:
    """Where a training is: everything that changes from step to step, and how it goes into a file and back."""

    def __init__(self, model: Layer, batches: BatchSource, optimizer: Optimizer, schedule: CosineSchedule | None,
                 epochs: int) -> None:
        self.model, self.batches, self.optimizer, self.schedule = model, batches, optimizer, schedule
        self.epochs = epochs
        self.history = History()
        self.epoch = self.step = 0        # finished epochs; finished steps of the epoch under way
        self.loss_sum = self.loss_count = self.seconds = self.waited = 0.0
        self.epoch_rng_state: Any = None       # the batches' generator as it was when the epoch under way began
        self.size: tuple[int, int] | None = None        # of the pictures, if the model is trained on pictures

    @property
    def steps_done(self) -> int:
        return self.epoch * len(self.batches) + self.step

    @property
    def rng(self) -> np.random.Generator | None:
        return getattr(self.batches, "rng", None)

    def begin_epoch(self) -> None:
        if self.rng is not None:
            if self.step:
                self.rng.bit_generator.state = self.epoch_rng_state
            self.epoch_rng_state = self.rng.bit_generator.state

    def remaining_batches(self) -> Iterator[tuple[Array, Array]]:
        """Yield the batches of the epoch that are not done yet, and count the seconds in which they are waited for."""
        asked = time.perf_counter()
        for i, batch in enumerate(ahead(self.batches)):
            self.size = batch[0].shape[2:] if batch[0].ndim == 4 else None
            if i >= self.step:
                self.waited += time.perf_counter() - asked
                yield batch
                asked = time.perf_counter()

    def end_epoch(self) -> Row:
        """Close the epoch and return its row in the history."""
        row: Row = {"epoch": self.epoch + 1, "loss": self.loss_sum / self.loss_count, "lr": self.optimizer.lr,
                    "seconds": self.seconds, "waited": self.waited}
        self.history.append(row)
        self.epoch, self.step = self.epoch + 1, 0
        self.loss_sum = self.loss_count = self.seconds = self.waited = 0.0
        return row

    def settings(self) -> dict[str, Any]:
        """What must be the same in the training that resumes."""
        return {"steps per epoch": len(self.batches), "optimizer": type(self.optimizer).__name__,
                "schedule": type(self.schedule).__name__ if self.schedule else "none"}

    def adjustable(self) -> dict[str, Any]:
        """What may differ in the training that resumes: the checkpoint's values are used, except for `epochs`."""
        settings = self.optimizer.settings()
        if self.schedule is not None:
            del settings["lr"]                                  # it follows from the schedule's
            settings |= self.schedule.settings()
        return settings

    def save(self, path: Path) -> None:
        progress = {"epoch": self.epoch, "step": self.step, "loss_sum": self.loss_sum, "loss_count": self.loss_count,
                    "seconds": self.seconds, "waited": self.waited, "history": self.history,
                    "epochs": self.epochs, "settings": self.settings(), "epoch_rng_state": self.epoch_rng_state,
                    "rng_state": None if self.rng is None else self.rng.bit_generator.state,
                    "layer_rng_states": {name: g.bit_generator.state for name, g in generators(self.model).items()}}
        arrays = {f"model/{name}": array for name, array in self.model.state_dict().items()}
        arrays |= {f"optimizer/{name}": array for name, array in self.optimizer.state_dict().items()}
        if self.schedule is not None:
            arrays |= {f"schedule/{name}": array for name, array in self.schedule.state_dict().items()}
        save_arrays(path, arrays | how_built(self.model, self.size)
                    | {"training": np.array(json.dumps(progress, default=_plain))})

    def load(self, path: Path) -> None:
        arrays = load_arrays(path)
        parts: dict[str, dict[str, Array]] = {"model": {}, "optimizer": {}, "schedule": {}}
        for name, array in arrays.items():
            part, _, rest = name.partition("/")
            if rest and part in parts:
                parts[part][rest] = array
        try:
            progress = json.loads(str(arrays["training"]))
            differences = [f"{name}: {progress['settings'][name]} in the checkpoint, {value} here"
                           for name, value in self.settings().items() if value != progress["settings"][name]]
            if differences:
                raise ValueError("; ".join(differences))
            epochs, self.epoch, self.step = int(progress["epochs"]), int(progress["epoch"]), int(progress["step"])
            if not (0 <= self.epoch <= epochs and 0 <= self.step < len(self.batches)):
                raise ValueError(f"it is at epoch {self.epoch} of {epochs}, step {self.step}, which cannot be")
            if self.epochs < self.epoch + (self.step > 0):
                raise ValueError(f"{self.epoch} epochs are done, {self.epochs} were asked for")
            self.history[:] = progress["history"]
            values = [value for row in self.history for value in row.values()]
            if len(self.history) != self.epoch or not all(isinstance(value, (int, float)) for value in values):
                raise ValueError(f"expected a history of {self.epoch} rows of numbers")
            self.loss_sum, self.loss_count = float(progress["loss_sum"]), float(progress["loss_count"])
            self.seconds, self.waited = float(progress["seconds"]), float(progress["waited"])
            asked = self.adjustable()
            _refuse_others_than_numbers(parts["optimizer"] | parts["schedule"])
            self.model.load_state_dict(parts["model"])
            self.optimizer.load_state_dict(parts["optimizer"])
            if self.schedule is not None:
                steps = self.schedule.steps
                self.schedule.load_state_dict(parts["schedule"])
                if epochs != self.epochs:
                    self.schedule.stretch(steps)
            self._say_what_differs(asked, epochs)
            for name, g in generators(self.model).items():
                g.bit_generator.state = _as_state(progress["layer_rng_states"][name])
            if self.rng is not None:
                self.epoch_rng_state = _as_state(progress["epoch_rng_state"])
                if self.step:
                    self.rng.bit_generator.state = self.epoch_rng_state         # it must be one: the epoch begins with it
                self.rng.bit_generator.state = _as_state(progress["rng_state"])
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


def _plain(value: Any) -> Any:
    """Turn what json does not know (the arrays in the state of some generators) into what it does."""
    if isinstance(value, np.ndarray):
        return {"array": value.tolist(), "dtype": str(value.dtype)}
    if isinstance(value, np.generic):
        return value.item()
    raise TypeError(f"a checkpoint cannot hold {value!r}")


def _as_state(state: Any) -> Any:
    """Undo `_plain` in the state of a generator."""
    if isinstance(state, dict):
        if set(state) == {"array", "dtype"}:
            if state["dtype"] not in ("uint32", "uint64"):
                raise ValueError(f"expected a generator's state of uint32 or uint64, got {state['dtype']!r}")
            return np.array(state["array"], dtype=state["dtype"])
        return {key: _as_state(value) for key, value in state.items()}
    return state


def _refuse_others_than_numbers(arrays: dict[str, Array]) -> None:
    """Raise a ValueError if an array is not of real numbers."""
    for name, array in arrays.items():
        if array.dtype.kind not in "fiu":
            raise ValueError(f"{name}: expected numbers, got dtype {array.dtype}")


def _is_best(history: History, monitor: str) -> bool:
    if monitor not in history[-1]:
        return False
    return history[-1][monitor] >= max(row[monitor] for row in history if monitor in row)


def unfinished(checkpoint: str | Path) -> bool:
    """Return whether a checkpoint is of a training that was stopped before its last epoch (or is damaged)."""
    try:
        with open(checkpoint, "rb") as file, np.load(file, allow_pickle=False) as arrays:
            progress = json.loads(str(arrays["training"]))
        return int(progress["epoch"]) < int(progress["epochs"])
    except (OSError, ValueError, KeyError, TypeError, AttributeError, EOFError, zipfile.BadZipFile, zlib.error):
        return True


def _explain_non_finite(model: Layer, x: Array, value: float, step: int, lr: float) -> None:
    """Raise the error that says where NaN or infinity first appeared."""
    if not np.isfinite(x).all():
        picture = int(np.argwhere(~np.isfinite(x))[0][0])
        raise ValueError(f"step {step}: sample {picture} of the batch contains NaN or infinite values")
    raise FloatingPointError(f"the loss is {value} at step {step} with learning rate {lr:g}; NaN or infinity first "
                             f"appeared in {first_non_finite(model, x)}. A lower learning rate often helps.")


def first_non_finite(model: Layer, x: Array) -> str:
    """Return which parameter, or else which layer's output, is the first to hold NaN or infinity for this x."""
    for name, parameter in model.named_parameters():
        if not np.isfinite(parameter.data).all():
            return f"the parameter {name}"
    found: list[str] = []
    leaves = [(name, layer) for name, layer in model.walk() if not layer.children()]

    def watch(name: str, layer: Layer) -> Callable[[Array], Array]:
        def forward(x: Array) -> Array:
            y = type(layer).forward(layer, x)
            if not np.isfinite(y).all():
                found.append(f"the output of layer {name}, {layer!r}" if name else f"the output of {layer!r}")
            return y
        return forward

    for name, layer in leaves:
        vars(layer)["forward"] = watch(name, layer)     # for this one pass, instead of the class's method
    try:
        model.forward(x)
    finally:
        for _, layer in leaves:
            del vars(layer)["forward"]
    return found[0] if found else "the loss itself"


def predict(model: Layer, images: Array, batch_size: int = 32) -> Array:
    """Return the model's output for all images, computed in eval mode a batch at a time.

    Parameters
    ----------
    model : Layer
        Each of its layers is left in the mode it was found in.
    images : array (N, C, H, W)
        uint8 pictures are scaled to [0, 1]; floating-point ones are used as they are.
    """
    if len(images) == 0:
        raise ValueError("predict: expected at least one image, got none")
    modes = [(layer, layer.training) for _, layer in model.walk()]
    model.eval()
    try:
        outputs = [model.forward(as_input(images[i:i + batch_size])) for i in range(0, len(images), batch_size)]
    finally:
        for layer, mode in modes:
            layer.training = mode
    return np.concatenate(outputs)


def predict_classes(model: Layer, images: Array, batch_size: int = 32) -> Array:
    """Return the class of the largest output at each pixel (or of each picture), (N, H, W) (or (N,)).

    The dtype is the smallest that can hold the classes: uint8 for up to 256 of them.
    """
    def classes(logits: Array) -> Array:
        return logits.argmax(axis=1).astype(np.min_scalar_type(logits.shape[1] - 1))

    return np.concatenate([classes(predict(model, images[i:i + batch_size], batch_size))
                           for i in range(0, len(images), batch_size)])
