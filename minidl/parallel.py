"""DataParallel: all cores train one model, each on its part of the batch.

The loss of a batch is a mean over its samples, so its gradient is a sum over parts of the batch:

    dL/dw = sum_r c_r dL_r/dw        c_r = (what part r counts) / (what the batch counts)

Each core runs the whole model forward and backward on its own part, in a process of its own, and the gradients are
added. Only one layer looks at more than one sample: batch norm takes mean and variance over the batch. But those are
made of sums, to which each part contributes its own. With m_r values in part r, their mean mu_r, and the sum q_r of
their squared differences from it,

    m = sum_r m_r      mean = sum_r m_r mu_r / m      var = sum_r (q_r + m_r (mu_r - mean)^2) / m

and backward needs sum(dy) and sum(dy * xhat) over the batch (see BatchNorm2d). A part contributes (m_r, mu_r, q_r)
forward and its two sums backward: a few hundred numbers per batch norm. PyTorch calls the same DistributedDataParallel
with SyncBatchNorm.

In shared memory lie the parameters, one gradient per process, the optimizer's vectors, the batch, and the sums. After
backward, each process adds up all gradients for its share of the parameters, and updates it.
"""
from contextlib import ExitStack
from typing import Any

import numpy as np

from minidl.layers.activation import Dropout
from minidl.layers.arguments import positive
from minidl.layers.base import Layer, generators
from minidl.layers.normalization import BatchNorm2d
from minidl.loss import Loss
from minidl.optim import Optimizer
from minidl.runtime.non_finite import explain_non_finite
from minidl.runtime.shared import SLOTS, Meeting
from minidl.runtime.team import Team, commands, join, why_not_sent
from minidl.runtime.threads import blas_threads, get_num_threads
from minidl.step import predict, train_step
from minidl.types import Array, Shape

SMALLEST_PART = 2**12    # numbers of a batch (an image of 3 x 32 x 32 has 3,072) that make it worth another process


class _InPart(Layer):
    """A layer that looks at the whole batch, of which it gets a part."""

    part: "Part | None" = None

    def in_step(self) -> bool:
        return self.training and self.part is not None and self.part.in_step

    def __repr__(self) -> str:
        return f"{WHOLE[type(self)].__name__}({self.arguments()})"


class SyncBatchNorm2d(_InPart, BatchNorm2d):
    """Batch norm over the parts of all workers."""

    def moments(self, m: float, mean: Array, squares: Array) -> tuple[float, Array, Array]:
        if not self.in_step():
            return super().moments(m, mean, squares)
        m_r, mu_r, q_r = self._gather(m, mean, squares)                      # (workers, 1), (workers, C) twice
        m = m_r.sum()
        whole_mean = (m_r * mu_r).sum(axis=0) / m
        var = (q_r + m_r * (mu_r - whole_mean) ** 2).sum(axis=0) / m
        return m, whole_mean.astype(mean.dtype), var.astype(mean.dtype)

    def sums(self, dbias: Array, dweight: Array) -> tuple[Array, Array]:
        if not self.in_step():
            return super().sums(dbias, dweight)
        _, dbiases, dweights = self._gather(0, dbias, dweight)
        return dbiases.sum(axis=0).astype(dbias.dtype), dweights.sum(axis=0).astype(dweight.dtype)

    def _gather(self, m: float, a: Array, b: Array) -> tuple[Array, Array, Array]:
        assert self.part is not None
        found = self.part.meeting.gather(np.concatenate([[m], a, b]))
        return found[:, :1], found[:, 1:1 + len(a)], found[:, 1 + len(a):]

    def output_shape(self, input_shape: Shape) -> Shape:
        return tuple(input_shape) if self.in_step() else super().output_shape(input_shape)   # the batch was checked


class PartDropout(_InPart, Dropout):
    """Dropout of a part of the batch: the numbers for the whole batch are drawn, and those of this part used."""

    def draw(self, shape: Shape) -> Array:
        if not self.in_step():
            return super().draw(shape)
        assert self.part is not None
        return super().draw((self.part.samples, *shape[1:]))[self.part.rows]


IN_PARTS: dict[type[Layer], type[Layer]] = {BatchNorm2d: SyncBatchNorm2d, Dropout: PartDropout}
WHOLE = {part: whole for whole, part in IN_PARTS.items()}


class Part:
    """What one process does: its part of each batch, its share of each update.

    A copy of it, as in a copy of the model, is None: only this model belongs to the team.
    """

    def __init__(self, model: Layer, loss: Loss, optimizer: Optimizer, grads: Array, value: Array,
                 meeting: Meeting) -> None:
        self.model, self.loss, self.optimizer, self.meeting = model, loss, optimizer, meeting
        self.grads = grads                      # (workers, parameters): each process's gradient, shared
        self.value = value                      # (1,): the batch's loss, shared
        self.in_step = False                    # whether a step is under way
        self.samples, self.rows = 0, slice(0)   # of the batch; and those of this part
        self.layers, self.generators = [layer for _, layer in model.walk()], generators(model)
        for layer in self.layers:
            if type(layer) in IN_PARTS:
                layer.__class__ = IN_PARTS[type(layer)]
            if isinstance(layer, _InPart):
                layer.part = self

    def __reduce__(self) -> Any:
        return type(None), ()

    def changing(self) -> Any:
        """Return what may have changed between two steps, and must be the same in all processes."""
        return (self.optimizer.settings(), [layer.training for layer in self.layers],
                {name: g.bit_generator.state for name, g in self.generators.items()})

    def change(self, settings: dict[str, Any], modes: list[bool], rng_states: dict[str, Any]) -> None:
        """Take over what `changing` returned in the leading process."""
        vars(self.optimizer).update(settings)
        for layer, mode in zip(self.layers, modes):
            layer.training = mode
        for name, g in self.generators.items():
            g.bit_generator.state = rng_states[name]

    def step(self, x: Array, target: Array) -> float:
        """Do this process's part of a training step; return the batch's loss. If that is not finite, update nothing."""
        grads, rank, total = self.grads, self.meeting.rank, self.optimizer.data.size
        workers = min(len(x), len(grads))                                   # with fewer images than processes
        self.meeting.active = range(workers)
        if rank < workers:
            self.samples, self.rows = len(x), _share(len(x), rank, workers)
            self.value[0] = self._forward_backward(x[self.rows], target[self.rows])    # all write the same
        self.meeting.barrier()
        value = float(self.value[0])
        if np.isfinite(value):
            self.optimizer.steps += 1
            self.optimizer.update_share(_share(total, rank, len(grads)), grads[:workers])
        self.meeting.barrier()
        return value

    def _forward_backward(self, x: Array, target: Array) -> float:
        self.in_step = True
        try:
            self.optimizer.zero_grad()
            value = self.loss.forward(self.model.forward_checked(x), target)
            assert self.loss.count is not None
            own = self.loss.denominator(self.loss.count)
            found = self.meeting.gather(np.array([value * own, self.loss.count]))      # (workers, 2)
            self.loss.count = float(found[:, 1].sum())
            whole = self.loss.denominator(self.loss.count)
            if not whole:
                raise ValueError(f"{type(self.loss).__name__}: nothing is left to count in the batch")
            value = float(found[:, 0].sum()) / whole
            if np.isfinite(value):
                dy = self.loss.backward()
                dy *= dy.dtype.type(own / whole)                                       # c_r
                self.model.backward_parameters(dy)
            return value
        finally:
            self.in_step = False


def _share(total: int, rank: int, workers: int) -> slice:
    """Return this process's share of so many things, the shares being as equal as they can be."""
    return slice(total * rank // workers, total * (rank + 1) // workers)


class DataParallel:
    """Train a model on several cores at once: `with DataParallel(...) as team: value = team.step(x, target)`.

    Parameters
    ----------
    model : Layer
    loss : Loss
        A mean (or sum) over samples.
    optimizer : Optimizer
        Over ``model.parameters()``.
    workers : int
        Processes, this one included, each with its matrix products in one thread. One alone trains as `train_step`.

    Raises
    ------
    ValueError
        If the training cannot be cut into parts (see `why_not_in_parts`).
    RuntimeError
        If a worker fails, with its traceback, or ends.

    Notes
    -----
    The step is the whole batch's, to rounding: loss, gradients, running statistics and the updated parameters are those
    of one process. Same seed and same number of workers: the same bits. After the block, the model is an ordinary one.
    """

    def __init__(self, model: Layer, loss: Loss, optimizer: Optimizer, workers: int = 2) -> None:
        self.model, self.loss, self.optimizer = model, loss, optimizer
        self.workers = positive("DataParallel: workers", workers)
        if self.workers > 1 and (reason := why_not_in_parts(model, loss, optimizer)):
            raise ValueError(f"DataParallel: this training cannot be cut into parts: {reason}")
        self.team: Team | None = None
        self.undo = ExitStack()      # of what is to be undone at the end

    def __enter__(self) -> "DataParallel":
        try:
            if self.workers > 1:
                self._start()
        except BaseException:
            self.close()
            raise
        return self

    def _start(self) -> None:
        optimizer, n = self.optimizer, self.workers
        layers = [layer for _, layer in self.model.walk()]
        channels = max((layer.num_features for layer in layers if isinstance(layer, BatchNorm2d)), default=1)
        vectors = [getattr(optimizer, name) for name in ("data", *optimizer.state_names)]
        team = self.team = Team([((n, 8), np.int64), ((SLOTS, n, 1 + 2 * channels), np.float64), ((1,), np.float64),
                                 ((n, optimizer.data.size), optimizer.data.dtype),
                                 *((vector.shape, vector.dtype) for vector in vectors)])
        self.undo.enter_context(blas_threads(1))
        self.undo.callback(team.close)
        counters, slots, value, grads, *shared = team.arrays
        for vector, in_team in zip([optimizer.grad, *vectors], [grads[0], *shared]):
            in_team[...] = vector
        for name, in_team in zip(optimizer.state_names, shared[1:]):
            setattr(optimizer, name, in_team)
        optimizer.bind(shared[0], grads[0])
        self.loss.is_part = True
        self.part = Part(self.model, self.loss, optimizer, grads, value, Meeting(counters, slots, 0, team.check))
        self.undo.callback(self._make_ordinary)
        team.start("minidl.parallel", n, self.model, self.loss, optimizer, shared[0], grads, value, counters, slots)
        self.part.meeting.barrier()                                          # all have the memory open
        team.memory.unlink()

    def step(self, x: Array, target: Array) -> float:
        """Do a training step, forward, loss, backward and update, with the whole batch; return its loss.

        Raises
        ------
        FloatingPointError
            If the loss is NaN or infinite: names the step, the learning rate and the layer. Nothing is updated.
        """
        if self.workers == 1:
            return train_step(self.model, self.loss, self.optimizer, x, target)
        if self.team is None:
            raise RuntimeError("DataParallel: expected to be used within its `with` block, before an error closes it")
        self.model.check_input(x)
        self.optimizer.check_parameters()
        try:
            value = self.part.step(*self.team.command([x, np.asarray(target)], self.part.changing()))
            self.team.release_batch()
        except BaseException:
            self.close()
            raise
        if not np.isfinite(value):
            self.close()
            explain_non_finite(self.model, self.optimizer, x, value)
        return value

    def predict(self, images: Array, batch_size: int = 32) -> Array:
        """Return the model's output for all images, as `minidl.step.predict`."""
        return predict(self.model, images, batch_size)

    def __exit__(self, *error: object) -> None:
        self.close()

    def close(self) -> None:
        """End the workers, and make model and optimizer ordinary again."""
        self.undo.close()
        self.team = None

    def _make_ordinary(self) -> None:
        optimizer = self.optimizer
        for name in optimizer.state_names:
            setattr(optimizer, name, getattr(optimizer, name).copy())
        optimizer.bind_copies()
        self.loss.is_part = False
        for layer in self.part.layers:
            if isinstance(layer, _InPart):
                layer._cache, layer.__class__ = None, WHOLE[type(layer)]  # type: ignore[assignment]
                del layer.part


def why_not_in_parts(model: Layer, loss: Loss, optimizer: Optimizer) -> str:
    """Return why a training cannot be cut into parts; "" if it can."""
    if loss.count is None:
        return f"{type(loss).__name__} relates the samples of a batch to each other"
    for name, layer in model.walk():
        if type(layer) not in IN_PARTS and (isinstance(layer, tuple(IN_PARTS)) or hasattr(layer, "rng")):
            return f"layer {name}, {layer!r}, may depend on the whole batch"
    return why_not_sent((model, loss, optimizer))


def useful_workers(model: Layer, loss: Loss, optimizer: Optimizer, x: Array) -> int:
    """Return how many processes to train with on batches like x: 1 where more would not pay, or are not possible."""
    most = get_num_threads() if x.ndim == 4 else 1            # a table's step takes no longer than its handing out
    n = max(1, min(most, len(x), x.size // SMALLEST_PART))
    reason = why_not_in_parts(model, loss, optimizer) if n > 1 else ""
    if reason:
        print(f"One process trains, not {n}: {reason}.", flush=True)
    return 1 if reason else n


def work() -> None:
    """Be a worker: do what the leading process says (see `minidl.runtime.worker`)."""
    rank, model, loss, optimizer, data, grads, value, counters, slots = join()
    optimizer.bind(data, grads[rank])
    part = Part(model, loss, optimizer, grads, value, Meeting(counters, slots, rank, lambda: None))
    part.meeting.barrier()
    for batch, changing in commands():
        part.change(*changing)
        try:
            part.step(*batch)
        except Exception as error:
            raise RuntimeError(f"in the part of the batch that begins with sample {part.rows.start}") from error
