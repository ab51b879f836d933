"""fit(): the training loop."""
import time
from collections.abc import Callable, Iterator, Sized
from pathlib import Path
from threading import Event
from typing import Protocol

import numpy as np

from minidl.checkpoint import TrainingState
from minidl.layers.base import Layer, eval_mode, no_backward
from minidl.loss import Loss
from minidl.optim import CosineSchedule, Optimizer
from minidl.parallel import DataParallel, useful_workers
from minidl.runtime.ahead import ahead
from minidl.runtime.history import OWN_NAMES, History, Row, checked_scores, describe, is_best
from minidl.runtime.interrupt import stop_on_ctrl_c
from minidl.runtime.progress import Progress
from minidl.types import Array


class BatchSource(Sized, Protocol):
    """What `fit` iterates over, once per epoch: batches (x, target). If it has an `rng`, checkpoints save its state."""

    def __iter__(self) -> Iterator[tuple[Array, Array]]: ...


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
        Called with the model in eval mode after every `evaluate_every`-th epoch, and after the last. A name that the
        training uses itself, as "loss", becomes "evaluated_loss" in the history.
    monitor : str, optional
        The score of which the highest value makes the best checkpoint; NaN never does.
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
        For impossible settings, another optimizer than the model's or the schedule's, a batch with NaN or infinite
        values, more or fewer batches than their `len`, scores that are not numbers or without `monitor`, or a
        checkpoint that is damaged or of another model or training.
    FloatingPointError
        If the loss is NaN or infinite: names the step, the learning rate and the layer where it first appeared.

    Notes
    -----
    Images are trained on by one process for each core, where that pays (see `minidl.parallel.useful_workers`), at most
    as many as `set_num_threads` says. A training that resumes has as many as it began with.

    Ctrl-C ends the training after the step that is under way, saves, and returns with ``History.stopped`` set; a second
    Ctrl-C interrupts at once. A training stopped in the middle of an epoch resumes there: the epoch's batches are drawn
    again from the generator's state at its start, and those already seen are skipped.
    """
    _check_settings(batches, epochs, evaluate, evaluate_every, monitor)
    _check_links(model, optimizer, schedule)
    history = History()
    state = TrainingState(model, optimizer, schedule, getattr(batches, "rng", None), len(batches), epochs, history)
    folder = None if checkpoint is None else Path(checkpoint)
    if folder is not None and resume and (folder / "last.npz").exists():
        state.load(folder / "last.npz")
    line = Progress(epochs * len(batches), enabled=progress)
    line.first = state.steps_done
    model.train()
    quiet = np.errstate(over="ignore", invalid="ignore")        # a NaN is explained where it appears
    with stop_on_ctrl_c() as stop, quiet, _Steps(state, loss) as steps:
        while state.epoch < epochs and not stop.is_set():
            _train_epoch(state, batches, steps, line, stop)
            if state.step < len(batches):
                break
            row = state.end_epoch()
            try:
                if evaluate is not None and (state.epoch % evaluate_every == 0 or state.epoch == epochs):
                    with eval_mode(model), no_backward(model):
                        row.update(checked_scores(evaluate(model), monitor))
                    line.line(state.steps_done, describe(row, epochs))
            finally:                                             # an error in `evaluate` does not cost the epoch
                if folder is not None:
                    state.save(folder / "last.npz")
            if folder is not None and monitor is not None and is_best(history, monitor):
                state.save(folder / "best.npz")
    if state.epoch < epochs:
        history.stopped = True
        where = f"{state.epoch} of {epochs} epochs and {state.step} of {len(batches)} steps"
        if folder is not None:
            state.save(folder / "last.npz")
            where += f"; saved in {folder / 'last.npz'}, from where resume (--resume in the lessons) goes on"
        print(f"\nStopped after {where}.")
    return history


def _check_settings(batches: object, epochs: int, evaluate: object, evaluate_every: int, monitor: str | None) -> None:
    """Raise a ValueError if there is nothing to iterate over, or nothing that `monitor` could be."""
    if not isinstance(batches, Sized):
        raise ValueError("fit: expected batches with a len, such as Batches or a list, each epoch a pass over them, "
                         f"got a {type(batches).__name__}")
    if epochs < 1 or evaluate_every < 1 or len(batches) < 1:
        raise ValueError(f"fit: expected epochs >= 1, evaluate_every >= 1 and at least one batch, got epochs={epochs}, "
                         f"evaluate_every={evaluate_every}, {len(batches)} batches")
    if monitor is not None and (evaluate is None or monitor in OWN_NAMES):
        raise ValueError(f"fit: monitor={monitor!r} needs an evaluate function that returns it, and another name than "
                         f"the training's own: {', '.join(OWN_NAMES)}")


def _check_links(model: Layer, optimizer: Optimizer, schedule: CosineSchedule | None) -> None:
    """Raise a ValueError if the steps would go to another model, or the learning rate to another optimizer."""
    if {id(p) for p in model.parameters()}.isdisjoint(id(p) for p in optimizer.parameters):
        raise ValueError("fit: the optimizer has none of the model's parameters; make it for model.parameters()")
    if schedule is not None and schedule.optimizer is not optimizer:
        raise ValueError("fit: the schedule is of another optimizer; make it for this one (or copy both together)")


class _Steps:
    """The steps of a training, by as many processes as pay for its first batch, or as it began with."""

    def __init__(self, state: TrainingState, loss: Loss) -> None:
        self.state, self.loss = state, loss
        self.team: DataParallel | None = None

    def __enter__(self) -> "_Steps":
        return self

    def __exit__(self, *error: object) -> None:
        if self.team is not None:
            self.team.close()

    def step(self, x: Array, target: Array) -> float:
        if self.team is None:
            model, loss, optimizer = self.state.model, self.loss, self.state.optimizer
            model.check_input(x)
            useful = useful_workers(model, loss, optimizer, x)
            workers = self.state.workers = self.state.workers or useful
            if workers != useful:
                print(f"Resumed with {workers} processes as in the checkpoint ({useful} would be used here).")
            self.team = DataParallel(model, loss, optimizer, workers).__enter__()
        return self.team.step(x, target)


def _train_epoch(state: TrainingState, batches: BatchSource, steps: _Steps, line: Progress, stop: Event) -> None:
    """Train on the batches of the epoch that are not done yet, until the end or until Ctrl-C."""
    started = asked = time.perf_counter()
    state.begin_epoch()
    for i, batch in enumerate(ahead(batches)):
        if i < state.step:                                       # seen before the training was interrupted
            continue
        if i == state.steps_per_epoch:
            raise ValueError(f"fit: expected {state.steps_per_epoch} batches per epoch, as their len says, got more")
        if not isinstance(batch, (tuple, list)) or len(batch) != 2:
            raise ValueError(f"fit: expected each batch to be a pair (x, target), got a {type(batch).__name__}; "
                             "Batches(images, labels, batch_size) makes them")
        x, target = batch
        state.waited += time.perf_counter() - asked
        value = steps.step(x, target)
        if state.schedule is not None:
            state.schedule.step()
        state.count(value, steps.loss.denominator(steps.loss.count), x)
        line.update(state.steps_done, f"epoch {state.epoch + 1}/{state.epochs}, step {state.step}/{len(batches)}, "
                                      f"loss {state.loss:.4f}")
        if stop.is_set():
            break
        asked = time.perf_counter()
    if state.step < state.steps_per_epoch and not stop.is_set():
        raise ValueError(f"fit: ran out of data after {state.step} of {state.steps_per_epoch} batches: expected a len "
                         "that is the number of batches, and as many again in each epoch (an iterator gives them once)")
    state.seconds += time.perf_counter() - started
