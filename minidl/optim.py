"""Optimizers: how gradients become steps; and a schedule for the step size."""
import math
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from minidl.layers import layout
from minidl.layers.base import Parameter
from minidl.runtime.stateful import STEPS_MOST, Stateful
from minidl.types import Array

BLOCK_BYTES = 2**17  # a block of each array that an update reads stays in the cache between its operations


class Optimizer(Stateful):
    """What all optimizers share: the parameters of a model, laid out as one long vector.

    All parameters move into one flat array, and all gradients into another; ``Parameter.data`` and ``Parameter.grad``
    become views of them. An update is then a few operations on long vectors instead of a few on each small array.
    Float16 parameters are updated in float32, in which the optimizer also keeps its own arrays: the squares of small
    gradients would be 0 in float16.

    A copy or pickle of a model and its optimizer together keeps them together.

    Parameters
    ----------
    parameters : iterable of Parameter
        ``model.parameters()``
    lr : float
        Learning rate.
    weight_decay : float
        Adds weight_decay * p to the gradient of each parameter p (the derivative of weight_decay/2 * |p|^2, as in
        PyTorch's SGD and Adam).

    Raises
    ------
    ValueError
        For no parameters, one given twice, what is not a Parameter, different dtypes, or negative settings.
    RuntimeError
        In `step`, if the parameters have meanwhile been given to another optimizer or converted.
    """

    count_name = "steps"
    setting_names: tuple[str, ...] = ("lr", "weight_decay")

    def __init__(self, parameters: Iterable[Parameter], lr: float, weight_decay: float = 0.0) -> None:
        self.parameters = list(parameters) if isinstance(parameters, Iterable) else [parameters]
        name = type(self).__name__
        if not all(isinstance(p, Parameter) for p in self.parameters):
            raise ValueError(f"{name}: expected parameters, as model.parameters() returns them, got {parameters!r:.80}")
        if not self.parameters:
            raise ValueError(f"{name}: expected at least one parameter, got none")
        if len({id(p) for p in self.parameters}) != len(self.parameters):
            raise ValueError(f"{name}: a parameter is given twice")
        dtypes = sorted({str(p.data.dtype) for p in self.parameters})
        if len(dtypes) > 1:
            raise ValueError(f"{name}: expected parameters of one dtype, got {' and '.join(dtypes)}")
        self.lr, self.weight_decay, self.steps = float(lr), float(weight_decay), 0
        self.check_settings()
        self.bind_copies()

    def check_settings(self) -> None:
        super().check_settings()
        for name in ("lr", "weight_decay"):
            if not (0 <= getattr(self, name) < math.inf):
                raise ValueError(f"{type(self).__name__}: expected {name} >= 0, got {getattr(self, name)}")

    def bind_copies(self) -> None:
        """Make all parameters and their gradients views of two new vectors, with the values that they have."""
        self.bind(np.concatenate([p.data.ravel() for p in self.parameters]),
                  np.concatenate([p.grad.ravel() for p in self.parameters]))

    def bind(self, data: Array, grad: Array) -> None:
        """Make all parameters and their gradients views of these two vectors."""
        self.data, self.grad = data, grad
        start = 0
        for p in self.parameters:
            stop = start + p.data.size
            p.data, p.grad = (vector[start:stop].reshape(p.data.shape) for vector in (data, grad))
            start = stop

    def is_bound(self) -> bool:
        """Return whether the parameters still are views of `data` and `grad`."""
        data, grad = (vector if vector.base is None else vector.base for vector in (self.data, self.grad))
        return all(p.data.base is data and p.grad.base is grad for p in self.parameters)

    def __getstate__(self) -> dict[str, Any]:
        left_out = ("data", "grad") if self.is_bound() else ()               # they are in the parameters
        return {name: value for name, value in vars(self).items() if name not in left_out}

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state)
        if "data" not in state:
            self.bind_copies()

    def check_parameters(self) -> None:
        """Raise a RuntimeError if the parameters no longer are views of `data` and `grad`."""
        if not self.is_bound():
            raise RuntimeError(f"{type(self).__name__}: the parameters no longer belong to this optimizer (another one "
                               "was made for them, or the model was converted); make a new one")

    def zero_grad(self) -> None:
        self.grad[...] = 0

    def step(self) -> None:
        """Move the parameters one step against their gradients."""
        self.check_parameters()
        self.steps += 1
        self.update_share(slice(None), self.grad[None])

    def update_share(self, share: slice, grads: Array) -> None:
        """Update a share of the parameters with the sum of gradients (n, parameters), which is left in the first."""
        start, stop, _ = share.indices(self.data.size)
        dtype = self.own_dtype()
        for part in layout.channel_chunks(self.data[start:stop], BLOCK_BYTES):
            block = slice(start + part.start, start + part.stop)
            gradient = grads[0, block]
            for other in grads[1:, block]:
                gradient += other
            gradient = gradient.astype(dtype, copy=False)
            if self.weight_decay:
                gradient = gradient + self.weight_decay * self.data[block].astype(dtype, copy=False)
            self.update(block, gradient)

    def own_dtype(self) -> np.dtype[Any]:
        """Return the type in which updates are computed: that of the parameters, but at least float32."""
        return np.promote_types(self.data.dtype, np.float32)

    def update(self, block: slice, gradient: Array) -> None:
        """Update ``self.data[block]``; `gradient` belongs to the same block and must not be written to."""
        raise NotImplementedError


class SGD(Optimizer):
    """Stochastic gradient descent, with momentum.

    velocity = momentum * velocity + gradient;  p = p - lr * velocity

    The first velocity is the first gradient (the velocity starts at 0).

    References
    ----------
    Sutskever et al., "On the importance of initialization and momentum in deep learning", ICML 2013 (in PyTorch's form,
    where lr multiplies the velocity).
    """

    state_names = ("velocity",)
    setting_names = ("lr", "momentum", "weight_decay")

    def __init__(self, parameters: Iterable[Parameter], lr: float, momentum: float = 0.0,
                 weight_decay: float = 0.0) -> None:
        self.momentum = float(momentum)
        super().__init__(parameters, lr, weight_decay)
        self.velocity = np.zeros(self.data.shape, self.own_dtype())

    def check_settings(self) -> None:
        super().check_settings()
        if not 0 <= self.momentum < 1:
            raise ValueError(f"SGD: expected momentum in [0, 1), got {self.momentum}")

    def update(self, block: slice, gradient: Array) -> None:
        velocity = self.velocity[block]
        velocity *= self.momentum
        velocity += gradient
        self.data[block] -= self.lr * velocity


class Adam(Optimizer):
    """Steps of about lr in each parameter: the gradient's running mean, divided by its running size.

        m = b1 m + (1 - b1) g          v = b2 v + (1 - b2) g^2
        p = p - lr * (m / (1 - b1^t)) / (sqrt(v / (1 - b2^t)) + eps)

    m and v start at 0, which makes them too small at first; dividing by 1 - b^t after t steps corrects that.

    References
    ----------
    Kingma, Ba, "Adam", ICLR 2015, algorithm 1.
    """

    state_names = ("m", "v")
    setting_names = ("lr", "betas", "eps", "weight_decay")

    def __init__(self, parameters: Iterable[Parameter], lr: float = 1e-3, betas: tuple[float, float] = (0.9, 0.999),
                 eps: float = 1e-8, weight_decay: float = 0.0) -> None:
        self.betas, self.eps = (float(betas[0]), float(betas[1])), float(eps)
        super().__init__(parameters, lr, weight_decay)
        self.m, self.v = (np.zeros(self.data.shape, self.own_dtype()) for _ in range(2))

    def check_settings(self) -> None:
        super().check_settings()
        if not (all(0 <= beta < 1 for beta in self.betas) and 0 <= self.eps < math.inf):
            raise ValueError(f"Adam: expected betas in [0, 1) and eps >= 0, got betas={self.betas}, eps={self.eps}")

    def update(self, block: slice, gradient: Array) -> None:
        b1, b2 = self.betas
        m, v = self.m[block], self.v[block]
        m += (1 - b1) * (gradient - m)
        v *= b2
        v += (1 - b2) * gradient * gradient
        denominator = np.sqrt(v)
        denominator /= math.sqrt(1 - b2**self.steps)
        denominator += self.eps
        self.data[block] -= self.lr / (1 - b1**self.steps) * m / denominator


class CosineSchedule(Stateful):
    """Lower the learning rate from the optimizer's lr to `final_lr` along half a cosine.

        lr(t) = final_lr + (lr - final_lr) * (1 + cos(pi * t / steps)) / 2

    Large steps first, to get near; small ones last, to settle. Call `step` after each optimizer step.

    Parameters
    ----------
    optimizer : Optimizer
    steps : int
        Steps until `final_lr` is reached; it stays there.
    final_lr : float
    warmup : int
        Steps at the start over which lr rises in a straight line instead.

    References
    ----------
    Loshchilov, Hutter, "SGDR", ICLR 2017, eq. 5 (without restarts).
    """

    count_name = "t"
    setting_names = ("first_lr", "final_lr", "warmup", "steps")

    def __init__(self, optimizer: Optimizer, steps: int, final_lr: float = 0.0, warmup: int = 0) -> None:
        if not isinstance(optimizer, Optimizer):
            raise ValueError(f"CosineSchedule: expected an optimizer, got {optimizer!r:.80}")
        self.optimizer, self.steps, self.final_lr, self.warmup = optimizer, int(steps), float(final_lr), int(warmup)
        self.first_lr, self.t = optimizer.lr, 0
        self.check_settings()
        optimizer.lr = self.lr(0)

    def check_settings(self) -> None:
        super().check_settings()
        if not (1 <= self.steps < STEPS_MOST and 0 <= self.warmup < self.steps and 0 <= self.final_lr < math.inf
                and 0 <= self.first_lr < math.inf):
            raise ValueError("CosineSchedule: expected steps >= 1, 0 <= warmup < steps and finite rates >= 0, got "
                             + ", ".join(f"{name}={value}" for name, value in self.settings().items()))

    def lr(self, t: int) -> float:
        """Return the learning rate of the step after t steps."""
        if t < self.warmup:
            return self.first_lr * (t + 1) / (self.warmup + 1)
        done = min(1.0, (t - self.warmup) / (self.steps - self.warmup))
        return self.final_lr + (self.first_lr - self.final_lr) * (1 + math.cos(math.pi * done)) / 2

    def step(self) -> None:
        self.t += 1
        self.optimizer.lr = self.lr(self.t)

    def stretch(self, steps: int) -> None:
        """End the curve after another number of steps; it goes on from where that curve would be by now."""
        self.steps = steps
        self.check_settings()
        self.optimizer.lr = self.lr(self.t)

    def load_state_dict(self, state: Mapping[str, Array]) -> None:
        super().load_state_dict(state)
        self.optimizer.lr = self.lr(self.t)
