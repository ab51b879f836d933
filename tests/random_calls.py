"""Random sequences of calls on a random model, each compared with what a plain reference makes of it.

What a call should do is known from the calls before: a *book* is kept of the parameters, running statistics, gradients,
modes and generators. A forward and backward is compared with that of a fresh model with the book's contents, which
remembers nothing; and this with PyTorch, or without it with plain loops and finite differences.
"""
import contextlib
import copy
import io
import pickle
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from minidl import SGD, Adam, Layer, MSELoss, Sequential, no_backward
from minidl.checkpoint import load_weights, save_weights
from minidl.layers.base import generators
from minidl.optim import Optimizer
from minidl.training import fit
from tests import reference
from tests.oracles import HAS_TORCH, Plain, Torch
from tests.random_models import build, random_model, randomize
from tests.strategies import MEMORY_ORDERS

CALLS = 12           # at most, in a case
CLOSE = 1e-6         # relative; batch norm multiplies rounding errors by up to 1 / sqrt(eps), again and again

Arrays = dict[str, Any]


def same(got: Any, expected: Any, what: str, relative: float = CLOSE) -> None:
    """Raise an AssertionError if arrays differ by more than rounding."""
    assert got.shape == expected.shape, f"{what}: shape {got.shape}, expected {expected.shape}"
    limit = relative * max(1.0, float(np.abs(expected).max(initial=0)))
    worst = float(np.abs(got - expected).max(initial=0))
    assert worst <= limit, f"{what}: differs by {worst:.1e}, allowed {limit:.1e}"


class Case:
    """A random model, and calls on it; all is drawn from the seed."""

    def __init__(self, seed: int, torch: bool = HAS_TORCH) -> None:
        self.rng, self.torch = np.random.default_rng(seed), torch
        self.text, self.shape = random_model(self.rng)
        self.model = build(self.text)
        randomize(self.model, self.rng)
        self.calls: list[str] = []
        self.latest: tuple[Any, Any, Arrays] | None = None   # dy, dx, gradients of the latest pass, if it still holds
        self.forgotten = False                          # whether the model can do no backward
        self.left: list[tuple[Layer, Arrays]] = []      # models that were copied, and their states
        self.saved = self.model.state_dict()
        self.optimizer: Optimizer | None = None
        self.optimize()
        self.read()

    # The book.

    def read(self) -> None:
        """Write down what the model holds now."""
        self.state = self.model.state_dict()
        self.grads = {name: p.grad.copy() for name, p in self.model.named_parameters()}
        self.training = self.model.training
        self.chance = {name: g.bit_generator.state for name, g in generators(self.model).items()}

    def fresh(self) -> Layer:
        """Return a new model with the book's contents."""
        model = build(self.text)
        model.load_state_dict(self.state)
        for name, generator in generators(model).items():
            generator.bit_generator.state = self.chance[name]
        return model.train(self.training)

    def check(self) -> None:
        """Compare the model with the book."""
        state = self.model.state_dict()
        assert list(state) == list(self.state)
        for name, array in self.state.items():
            assert state[name].dtype == array.dtype
            same(state[name], array, name)
        for name, p in self.model.named_parameters():
            same(p.grad, self.grads[name], f"gradient of {name}")
        assert all(layer.training == self.training and layer.keeps for _, layer in self.model.walk())
        assert {name: g.bit_generator.state for name, g in generators(self.model).items()} == self.chance
        self.read()                                     # so that rounding errors do not add up

    # What is called.

    def run(self) -> None:
        """Do random calls, and compare after each."""
        calls: list[Callable[[], None]] = [
            self.pass_through, self.pass_through, self.pass_through, self.predict, self.mode, self.zero_grad, self.step,
            self.step, self.astype, self.save, self.load, self.copied, self.pickled, self.files, self.backward_again]
        self.calls.append("pass_through")
        self.pass_through()
        for k in self.rng.integers(len(calls), size=int(self.rng.integers(2, CALLS))):
            self.calls.append(calls[k].__name__)
            calls[k]()
            self.check()
        for model, state in self.left:
            for name, array in model.state_dict().items():
                assert np.array_equal(array, state[name]), f"{name} of a model that was copied has changed"
        if self.rng.random() < 0.2:
            self.calls.append("resume")
            self.resume()

    def input(self) -> Any:
        x = self.rng.normal(size=(int(self.rng.integers(2, 5)), *self.shape))
        return MEMORY_ORDERS[str(self.rng.choice(list(MEMORY_ORDERS)))](x)

    def pass_through(self) -> None:
        """Forward and backward."""
        x, fresh = self.input(), self.fresh()
        y = fresh.forward(x.copy())
        dy = self.rng.normal(size=y.shape)
        dx = fresh.backward(dy)
        before = x.copy(), dy.copy()
        same(self.model.forward(x), y, "y")
        if self.rng.random() < 0.2:
            self.model.backward_parameters(dy)
        else:
            same(self.model.backward(dy), dx, "dx")
        assert np.array_equal(x, before[0]) and np.array_equal(dy, before[1]), "x or dy was written to"
        self.judge(x, y, dy, dx, fresh)
        self.take_over(fresh)
        self.latest, self.forgotten = (dy, dx, {name: p.grad for name, p in fresh.named_parameters()}), False

    def take_over(self, fresh: Layer) -> None:
        """Write down what the fresh model's pass has done."""
        self.state = fresh.state_dict()
        self.grads = {name: self.grads[name] + p.grad for name, p in fresh.named_parameters()}
        self.chance = {name: g.bit_generator.state for name, g in generators(fresh).items()}

    def judge(self, x: Any, y: Any, dy: Any, dx: Any, after: Layer) -> None:
        """Compare a pass of a fresh model with others' computations."""
        gradients = {name: p.grad for name, p in after.named_parameters()}
        before = self.fresh()
        oracle: Plain = Torch(before) if self.torch else Plain()
        if isinstance(oracle, Torch):
            x = oracle.torch.tensor(np.ascontiguousarray(x), requires_grad=True)
            expected = oracle.forward(before, x)
            expected.backward(oracle.torch.tensor(dy))
            same(dx, x.grad.numpy(), "dx against PyTorch")
            for name, p in oracle.p.items():
                same(gradients[name], p.grad.numpy(), f"gradient of {name} against PyTorch")
            expected = expected.detach().numpy()
        else:
            expected = oracle.forward(before, x)
            self.differences(x, dy, {"x": dx, **gradients})
        same(y, expected, "y against another's")
        for name, array in oracle.buffers.items():
            same(after.state_dict()[name], array, f"{name} against another's")

    def differences(self, x: Any, dy: Any, gradients: Arrays) -> None:
        """Compare gradients with central differences, along one random direction in all arrays together.

        One of three steps must fit: a larger one may go over a kink.
        """
        directions = {name: self.rng.normal(size=gradient.shape) for name, gradient in gradients.items()}
        analytic = sum(np.vdot(gradients[name], v) for name, v in directions.items())
        size = np.sqrt(sum(np.vdot(gradient, gradient) for gradient in gradients.values()))

        def moved(h: float) -> float:
            model = self.fresh()
            for name, p in model.named_parameters():
                p.data[...] += h * directions[name]
            return float(np.vdot(model.forward(x + h * directions["x"]), dy))

        errors = [abs((moved(h) - moved(-h)) / (2 * h) - analytic) for h in (1e-5, 1e-6, 1e-7)]
        assert min(errors) <= 1e-4 * max(1.0, size), f"finite differences: {min(errors):.1e} of {size:.1e}"

    def backward_again(self) -> None:
        """A second backward adds the same again; after what forgets the forward, there is none."""
        if self.latest is not None:
            dy, dx, gradients = self.latest
            same(self.model.backward(dy), dx, "dx again")
            self.grads = {name: self.grads[name] + gradient for name, gradient in gradients.items()}
        elif self.forgotten and any(not isinstance(layer, Sequential) for _, layer in self.model.walk()):
            with _raises(RuntimeError):
                self.model.backward(np.zeros(self.model.output_shape((2, *self.shape))))

    def changed(self, forgotten: bool = False) -> None:
        """Note that another backward for the latest forward would be of other parameters, or that it is forgotten."""
        self.latest, self.forgotten = None, self.forgotten or forgotten

    def predict(self) -> None:
        x, fresh = self.input(), self.fresh()
        with no_backward(self.model):
            same(self.model.forward(x), fresh.forward(x), "y within no_backward")
        self.take_over(fresh)
        self.changed(forgotten=True)

    def mode(self) -> None:
        self.training = not self.training
        self.model.train() if self.training else self.model.eval()

    def zero_grad(self) -> None:
        self.model.zero_grad()
        self.grads = {name: np.zeros_like(grad) for name, grad in self.grads.items()}

    def optimize(self) -> None:
        """Make an optimizer, and the book's of it."""
        self.optimizer, parameters = None, self.model.parameters()
        if parameters:
            decay = float(self.rng.choice([0, 0.1]))
            self.optimizer = (SGD(parameters, 1e-3, float(self.rng.choice([0, 0.9])), decay) if self.rng.random() < 0.5
                              else Adam(parameters, 1e-3, weight_decay=decay))
        count = sum(p.data.size for p in parameters)
        self.moments, self.steps = [[0.0] * count, [0.0] * count], 0

    def step(self) -> None:
        if (optimizer := self.optimizer) is None:
            return
        p, g = (_flat([arrays[name] for name in self.grads]) for arrays in (self.state, self.grads))
        self.steps += 1
        if isinstance(optimizer, Adam):
            m, v = self.moments
            p, *self.moments = reference.adam_step(p, g, m, v, self.steps, optimizer.lr, optimizer.betas,
                                                   optimizer.eps, optimizer.weight_decay)
        else:
            assert isinstance(optimizer, SGD)
            p, self.moments[0] = reference.sgd_step(p, g, self.moments[0], optimizer.lr, optimizer.momentum,
                                                    optimizer.weight_decay)
        optimizer.step()
        self.changed()
        for name in self.grads:
            size = self.state[name].size
            self.state[name], p = np.reshape(p[:size], self.state[name].shape), p[size:]

    def astype(self) -> None:
        """To single precision and back: rounded, and the optimizer has to be a new one."""
        self.model.astype(np.float32).astype(np.float64)
        for arrays in (self.state, self.grads):
            for name, array in arrays.items():
                arrays[name] = array.astype(np.float32).astype(np.float64) if array.dtype.kind == "f" else array
        self.changed(forgotten=True)
        if self.optimizer is not None:
            with _raises(RuntimeError):
                self.optimizer.step()
        self.optimize()

    def save(self) -> None:
        self.saved = {name: array.copy() for name, array in self.state.items()}
        for array in self.model.state_dict().values():
            array[...] = 7                              # it is a copy

    def load(self) -> None:
        self.model.load_state_dict(self.saved)
        self.changed()
        self.state = {name: array.copy() for name, array in self.saved.items()}

    def copied(self) -> None:
        self.leave(*copy.deepcopy((self.model, self.optimizer)))

    def pickled(self) -> None:
        self.leave(*pickle.loads(pickle.dumps((self.model, self.optimizer))))

    def leave(self, model: Layer, optimizer: Optimizer | None) -> None:
        """Go on with a copy of the model and its optimizer; a copy remembers no forward."""
        self.left.append((self.model, self.model.state_dict()))
        self.model, self.optimizer = model, optimizer
        self.changed(forgotten=True)

    def files(self) -> None:
        """Into a file and from there into a new model."""
        with tempfile.TemporaryDirectory() as folder:
            save_weights(Path(folder) / "weights.npz", self.model)
            model = build(self.text).train(self.training)
            randomize(model, np.random.default_rng(1))
            load_weights(Path(folder) / "weights.npz", model)
        for name, generator in generators(model).items():
            generator.bit_generator.state = self.chance[name]
        self.left.append((self.model, self.model.state_dict()))
        self.model = model
        self.changed(forgotten=True)
        self.grads = {name: np.zeros_like(grad) for name, grad in self.grads.items()}
        self.optimize()

    def resume(self) -> None:
        """Two epochs, a checkpoint and a third one give the bits of three epochs."""
        if self.optimizer is None:
            return
        target_shape = self.model.output_shape((2, *self.shape))
        batches = [(self.rng.normal(size=(2, *self.shape)), self.rng.normal(size=target_shape)) for _ in range(2)]
        seed = int(self.rng.integers(1000))

        def trained(epochs: int, **options: Any) -> Arrays:
            model = build(self.text)
            randomize(model, np.random.default_rng(seed))
            with contextlib.redirect_stdout(io.StringIO()):
                fit(model, batches, MSELoss(), Adam(model.parameters(), 1e-3), epochs, progress=False, **options)
            return model.state_dict()

        with tempfile.TemporaryDirectory() as folder:
            trained(2, checkpoint=folder)
            resumed, straight = trained(3, checkpoint=folder, resume=True), trained(3)
        for name, array in straight.items():
            assert np.array_equal(resumed[name], array), f"{name} differs after a resumed training"


@contextlib.contextmanager
def _raises(kind: type[Exception]) -> Any:
    try:
        yield
    except kind:
        return
    raise AssertionError(f"expected a {kind.__name__}, got none")


def _flat(arrays: list[Any]) -> list[float]:
    return [float(value) for array in arrays for value in array.flat]
