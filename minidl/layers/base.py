"""Parameter and Layer: what all layers have in common."""
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Any, TypeVar

import numpy as np
from numpy.typing import DTypeLike

from minidl.runtime.format import summary
from minidl.runtime.hints import changes_of_axes, misfits
from minidl.runtime.members import members
from minidl.types import FLOATS, Array, Shape

Self = TypeVar("Self", bound="Layer")


class Parameter:
    """An array that is learned, and the gradient of the loss with respect to it.

    Attributes
    ----------
    data : array, initialized as float32
    grad : array of the same shape and dtype
        `backward` adds to it; `Layer.zero_grad` (or the optimizer's) clears it.

    Either may be a view into a larger buffer: write into them (``p.data[...] = value``), do not rebind them.
    """

    def __init__(self, data: Array) -> None:
        self.data = data
        self.grad = np.zeros_like(data)

    def __repr__(self) -> str:
        return f"Parameter(shape={self.data.shape}, dtype={self.data.dtype})"


class Layer:
    """A function of one array with a hand-written derivative.

    A layer implements three methods. `forward` computes y = f(x). `backward` takes dy, the derivative of the loss
    with respect to y, adds the loss's derivative with respect to each parameter to ``Parameter.grad``, and returns
    dx, the one with respect to x (the chain rule). `output_shape` returns y's shape without computing, and refuses
    the inputs that `forward` would: a ValueError names the layer, what it expected and what it got.

    Two things are separate. `train` and `eval` decide what batch norm and dropout compute. What `backward` needs of
    the latest `forward` is kept in either mode (by reference: do not write into x before `backward`), except within
    ``with no_backward(model):``. A y that is kept is read-only: change a copy. Neither x nor dy is ever modified.

    The layers inside a layer, and its Parameters, are its attributes, also in lists, tuples and dicts. Copies and
    pickles of a layer leave out what it keeps for `backward`.
    """

    training = True
    keeps = True                        # whether forward keeps what backward needs; see `no_backward`
    buffer_names: tuple[str, ...] = ()  # arrays that belong to the state but are not learned
    _cache: tuple[Any, ...] | None = None

    def __init_subclass__(cls) -> None:
        for name, _ in (*members(Layer, vars(cls).items()), *members(Parameter, vars(cls).items())):
            raise ValueError(f"{cls.__name__}.{name}: expected layers and parameters to be made in __init__, as "
                             f"self.{name}; all objects of the class would share this one")

    def forward(self, x: Array) -> Array:
        raise NotImplementedError

    def forward_checked(self, x: Array) -> Array:
        """Do as `forward`, for a layer in a container that has checked all shapes; containers check no second time."""
        return self.forward(x)

    def backward(self, dy: Array) -> Array:
        raise NotImplementedError

    def backward_parameters(self, dy: Array) -> None:
        """Do as `backward`, without dx: for the first layer of a model. Layers that save work by this override it."""
        self.backward(dy)

    def output_shape(self, input_shape: Shape) -> Shape:
        """Return the shape of y for an x of `input_shape`; raise ValueError where `forward` would."""
        return tuple(input_shape)

    def __call__(self, x: Array) -> Array:
        return self.forward(x)

    # What forward and backward of every layer begin and end with.

    def check_input(self, x: Array) -> Shape:
        """Return the shape of y if the layer can work on x, else raise a ValueError that says what was expected."""
        if not isinstance(x, np.ndarray) or x.dtype not in FLOATS:
            got = f"dtype {x.dtype}" if isinstance(x, np.ndarray) else f"a {type(x).__name__}"
            raise ValueError(f"{self!r}: expected a NumPy array of floating-point numbers, got {got}. It becomes one, "
                             "of float32 or float64 (sums overflow in float16), by np.asarray(x, np.float32); divide "
                             "images of integers by 255 as well.")
        for parameter in vars(self).values():                # those in lists would take longer to find
            if isinstance(parameter, Parameter) and parameter.data.dtype != x.dtype:
                have, came = parameter.data.dtype, x.dtype
                raise ValueError(f"{self!r}: expected input of the parameters' dtype {have}, got {came}. Convert the "
                                 f"input, x.astype(np.{have}), or the model, model.astype(np.{came}).")
        if 0 in x.shape:
            raise ValueError(f"{self!r}: expected at least one sample and no empty axis, got shape {x.shape}")
        return self.check_shape(x.shape)

    def check_shape(self, shape: Shape) -> Shape:
        """Return the shape of y for an x of this shape; a ValueError also says which change of its axes would do."""
        try:
            return self.output_shape(shape)
        except ValueError as error:
            for change, changed in changes_of_axes(shape):
                if self._accepts(changed):
                    raise ValueError(f"{str(error).rstrip('.')}. It would fit as {change}.") from None
            raise

    def _accepts(self, shape: Shape) -> bool:
        with suppress(ValueError):
            self.output_shape(shape)
            return True
        return False

    def keep(self, y: Array, *needed: Any) -> Array:
        """Remember what `backward` needs (within `no_backward`: forget the forward before); return y."""
        self._cache = (y.shape, y.dtype, needed) if self.keeps else None
        for array in needed:
            if array is y and self.keeps:
                y.flags.writeable = False
        return y

    def recall(self, dy: Array) -> Any:
        """Check that dy fits the latest forward, and return what was kept there."""
        if self._cache is None:
            raise RuntimeError(f"{self!r}: backward needs a forward before it, outside of no_backward")
        shape, dtype, needed = self._cache
        if not isinstance(dy, np.ndarray) or dy.shape != shape or dy.dtype != dtype:
            got = f"{dy.dtype} of shape {dy.shape}" if isinstance(dy, np.ndarray) else f"a {type(dy).__name__}"
            raise ValueError(f"{self!r}: backward expected dy like y, {dtype} of shape {shape}, got {got}. "
                             "A loss's dy for the model is loss.backward().")
        return needed

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in vars(self).items() if name not in ("_cache", "keeps")}

    # The tree of layers.

    def children(self) -> list[tuple[str, "Layer"]]:
        """Return the layers directly inside this one, with their names, in the order of the forward pass.

        Unless a layer says otherwise, they are those in its attributes, in the order in which these were set.
        """
        found: dict[int, tuple[str, Layer]] = {}
        for name, layer in members(Layer, vars(self).items()):
            found.setdefault(id(layer), (name, layer))   # two attributes may hold the same
        return list(found.values())

    def walk(self, name: str = "") -> Iterator[tuple[str, "Layer"]]:
        """Yield this layer and all layers inside, with their dotted names (this one's is `name`).

        A layer at two places would overwrite its memory of the forward pass: ValueError.
        """
        return self._walk(name, {})

    def _walk(self, name: str, found: dict[int, str]) -> Iterator[tuple[str, "Layer"]]:
        if id(self) in found:
            raise ValueError(f"the same {self!r} object is placed at {found[id(self)]!r} and at {name!r}; make a layer "
                             "for each place")
        found[id(self)] = name
        yield name, self
        for child_name, child in self.children():
            yield from child._walk(f"{name}.{child_name}" if name else child_name, found)

    def _own_parameters(self) -> dict[str, Parameter]:
        return dict(members(Parameter, vars(self).items()))

    def named_parameters(self) -> list[tuple[str, Parameter]]:
        """Return (dotted name, Parameter) of the whole tree, in the order of the forward pass."""
        return [(f"{name}.{own}" if name else own, parameter)
                for name, layer in self.walk() for own, parameter in layer._own_parameters().items()]

    def parameters(self) -> list[Parameter]:
        return [parameter for _, parameter in self.named_parameters()]

    def zero_grad(self) -> None:
        for parameter in self.parameters():
            parameter.grad[...] = 0

    def train(self: Self, mode: bool = True) -> Self:
        """Put the whole tree into training mode; return self."""
        for _, layer in self.walk():
            layer.training = mode
        return self

    def eval(self: Self) -> Self:
        """Put the whole tree into eval mode: batch norm uses its running statistics, dropout nothing; return self."""
        return self.train(False)

    def astype(self: Self, dtype: DTypeLike) -> Self:
        """Convert all parameters and floating-point buffers of the tree, before an optimizer is made; return self."""
        if np.dtype(dtype) not in FLOATS:
            raise ValueError(f"{type(self).__name__}.astype: expected a floating-point dtype, got {np.dtype(dtype)}. "
                             "Layers compute in float32 or float64; sums overflow in float16.")
        for _, layer in self.walk():
            layer._cache = None
            for parameter in layer._own_parameters().values():
                parameter.data = parameter.data.astype(dtype)
                parameter.grad = parameter.grad.astype(dtype)
            for name in layer.buffer_names:
                buffer = getattr(layer, name)
                if buffer.dtype.kind == "f":
                    setattr(layer, name, buffer.astype(dtype))
        return self

    # The state: parameters and buffers by name.

    def _state(self) -> dict[str, Array]:
        state: dict[str, Array] = {}
        for prefix, layer in self.walk():
            own = {name: parameter.data for name, parameter in layer._own_parameters().items()}
            own |= {name: getattr(layer, name) for name in layer.buffer_names}
            state |= {f"{prefix}.{name}" if prefix else name: array for name, array in own.items()}
        return state

    def state_dict(self) -> dict[str, Array]:
        """Return {name: copy of the array} of all parameters and buffers; names and layouts are PyTorch's."""
        return {name: array.copy() for name, array in self._state().items()}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Write the arrays of `state` into the parameters and buffers.

        A ValueError lists all names that are missing or unknown and all arrays that have another shape or are not
        numbers; then nothing is written. Only a `num_batches_tracked` may be missing, as in older files of PyTorch.
        """
        if not isinstance(state, Mapping):
            raise ValueError(f"{type(self).__name__}.load_state_dict: expected {{name: array}}, as state_dict() "
                             f"returns, got a {type(state).__name__}")
        own = self._state()
        given = {name: np.asarray(value) for name, value in state.items()}
        if faults := misfits(own, given, ("num_batches_tracked",)):
            raise ValueError(f"{type(self).__name__}.load_state_dict: {len(faults)} of the names do not fit: "
                             + "; ".join(faults))
        for name in given:
            own[name][...] = given[name]

    # What a reader sees.

    def arguments(self) -> str:
        """Return the constructor's arguments as they would be typed, for `repr` and error messages."""
        return ""

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.arguments()})"

    def summary_rows(self, input_shape: Shape, depth: int = 0) -> list[tuple[str, Shape, int]]:
        """Return (indented layer, shape of one output sample, number of parameters), a row for each layer."""
        count = sum(parameter.data.size for parameter in self.parameters())
        return [("  " * depth + repr(self), self.output_shape(input_shape)[1:], count)]

    def summary(self, input_shape: Shape) -> None:
        """Print each layer, the shape of its output for one sample (like the deck's boxes), and its parameters' number.

        `input_shape` is that of a batch, (N, C, H, W) or (N, features).
        """
        print(self.summary_table(input_shape))

    def summary_table(self, input_shape: Shape) -> str:
        """Return the table that `summary` prints."""
        rows = [("input", tuple(input_shape[1:]), 0), *self.summary_rows(input_shape)]
        return summary(rows, total=sum(parameter.data.size for parameter in self.parameters()))


@contextmanager
def no_backward(model: Layer) -> Iterator[None]:
    """Keep nothing for `backward` in a model's forward within the block, as evaluation and prediction do."""
    before = [(layer, layer.keeps) for _, layer in model.walk()]
    for layer, _ in before:
        layer.keeps, layer._cache = False, None
    try:
        yield
    finally:
        for layer, keeps in before:
            layer.keeps = keeps


@contextmanager
def eval_mode(model: Layer) -> Iterator[None]:
    """Put a model into eval mode within the block, and then each layer back into the mode that it was in."""
    before = [(layer, layer.training) for _, layer in model.walk()]
    model.eval()
    try:
        yield
    finally:
        for layer, training in before:
            layer.training = training


def generators(model: Layer) -> dict[str, np.random.Generator]:
    """Return the random generators of the tree (those of dropout) by the name of their layer."""
    return {name: layer.rng for name, layer in model.walk() if hasattr(layer, "rng")}
