"""fit(): the training loop; and prediction in batches."""
import math
import time
from collections.abc import Callable, Iterator, Sized
from pathlib import Path
from threading import Event
from typing import Protocol

import numpy as np

from minidl.batches import ahead, as_input
from minidl.checkpoint import Row, TrainingState
from minidl.layers.base import Layer, eval_mode, no_backward
from minidl.loss import Loss
from minidl.optim import CosineSchedule, Optimizer
from minidl.runtime.interrupt import stop_on_ctrl_c
from minidl.runtime.progress import Progress
from minidl.types import Array


class BatchSource(Sized, Protocol):
    """What `fit` iterates over, once per epoch: batches (x, target). If it has an `rng`, checkpoints save its state."""

    def __iter__(self) -> Iterator[tuple[Array, Array]]: ...


class History(list[Row]):
    """One dict per epoch: epoch, loss, lr, seconds (of them `waited` for batches), and what `evaluate` returned.

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
    history = History()
    state = TrainingState(model, optimizer, schedule, getattr(batches, "rng", None), len(batches), epochs, history)
    folder = None if checkpoint is None else Path(checkpoint)
    if folder is not None and resume and (folder / "last.npz").exists():
        state.load(folder / "last.npz")
    line = Progress(epochs * len(batches), enabled=progress)
    line.first = state.steps_done
    model.train()
    with stop_on_ctrl_c() as stop, np.errstate(over="ignore", invalid="ignore"):    # train_step explains a NaN
        while state.epoch < epochs and not stop.is_set():
            _train_epoch(state, batches, loss, line, stop)
            if state.step < len(batches):
                break
            row = state.end_epoch()
            if evaluate is not None and (state.epoch % evaluate_every == 0 or state.epoch == epochs):
                with eval_mode(model), no_backward(model):
                    row.update(evaluate(model))
                line.line(state.steps_done, describe(row, epochs))
            if folder is not None:
                state.save(folder / "last.npz")
                if monitor is not None and _is_best(history, monitor):
                    state.save(folder / "best.npz")
    if state.epoch < epochs:
        history.stopped = True
        where = f"{state.epoch} of {epochs} epochs and {state.step} of {len(batches)} steps"
        if folder is not None:
            state.save(folder / "last.npz")
            where += f"; saved in {folder / 'last.npz'}, from where resume (--resume in the lessons) goes on"
        print(f"\nStopped after {where}.")
    return history


def _train_epoch(state: TrainingState, batches: BatchSource, loss: Loss, line: Progress, stop: Event) -> None:
    """Train on the batches of the epoch that are not done yet, until the end or until Ctrl-C."""
    started = asked = time.perf_counter()
    state.begin_epoch()
    for i, (x, target) in enumerate(ahead(batches)):
        if i < state.step:                                       # seen before the training was interrupted
            continue
        state.waited += time.perf_counter() - asked
        value = train_step(state.model, loss, state.optimizer, x, target, state.steps_done)
        if state.schedule is not None:
            state.schedule.step()
        state.count(value, loss.denominator(loss.count), x)
        line.update(state.steps_done, f"epoch {state.epoch + 1}/{state.epochs}, step {state.step}/{len(batches)}, "
                                      f"loss {state.loss:.4f}")
        if stop.is_set():
            break
        asked = time.perf_counter()
    state.seconds += time.perf_counter() - started


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


def _is_best(history: History, monitor: str) -> bool:
    if monitor not in history[-1]:
        return False
    return history[-1][monitor] >= max(row[monitor] for row in history if monitor in row)


def _explain_non_finite(model: Layer, x: Array, value: float, step: int, lr: float) -> None:
    """Raise the error that says where NaN or infinity first appeared."""
    if not np.isfinite(x).all():
        sample = int(np.argwhere(~np.isfinite(x))[0][0])
        raise ValueError(f"step {step}: sample {sample} of the batch contains NaN or infinite values")
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
        uint8 images are scaled to [0, 1]; floating-point ones are used as they are.
    """
    if len(images) == 0:
        raise ValueError("predict: expected at least one image, got none")
    with eval_mode(model), no_backward(model):
        outputs = [model.forward(as_input(images[i:i + batch_size])) for i in range(0, len(images), batch_size)]
    return np.concatenate(outputs)


def predict_classes(model: Layer, images: Array, batch_size: int = 32) -> Array:
    """Return the class of the largest output at each pixel (or of each image), (N, H, W) (or (N,)).

    The dtype is the smallest that can hold the classes: uint8 for up to 256 of them.
    """
    def classes(logits: Array) -> Array:
        return logits.argmax(axis=1).astype(np.min_scalar_type(logits.shape[1] - 1))

    return np.concatenate([classes(predict(model, images[i:i + batch_size], batch_size))
                           for i in range(0, len(images), batch_size)])
