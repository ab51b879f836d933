"""Sequential, Skip, Residual and Sum: with these containers, every graph of the deck is built."""
from collections import deque
from collections.abc import Iterator
from typing import overload

from minidl.layers import layout
from minidl.layers.base import Layer
from minidl.types import Array, Shape


class Container(Layer):
    """A layer made of layers.

    It refuses to hold one layer object at two places, which would overwrite each other's memory of the forward pass.
    `forward` checks the shapes of all layers inside, once, so that a refused input leaves no trace.
    """

    joined = ""    # in `summary`: how the results of layers that have the same input are joined; "" for a chain

    def __init__(self, *layers: Layer) -> None:
        for layer in layers:
            if not isinstance(layer, Layer):
                raise ValueError(f"{type(self).__name__}: expected layers (a list of them as *layers), got {layer!r}")
        self.layers = tuple(layers)
        deque(self.walk(), maxlen=0)                     # refuses one object at two places

    def forward(self, x: Array) -> Array:
        self.check_input(x)
        return self.forward_checked(x)

    def children(self) -> list[tuple[str, Layer]]:
        chain: list[tuple[str, Layer]] = [(str(i), layer) for i, layer in enumerate(self.layers)]
        return chain + [(name, layer) for name, layer in super().children() if layer not in self.layers]

    def arguments(self) -> str:
        return ", ".join(map(repr, self.layers))

    def summary_rows(self, input_shape: Shape, depth: int = 0) -> list[tuple[str, Shape, int]]:
        output_shape = self.output_shape(input_shape)            # refuses what forward would
        rows: list[tuple[str, Shape, int]] = []
        for layer in self.layers:
            rows += layer.summary_rows(input_shape, depth + bool(self.joined))
            if not self.joined:
                input_shape = layer.output_shape(input_shape)
        if self.joined:
            name, indent = type(self).__name__, "  " * depth
            rows = [(f"{indent}{name}:", (), 0), *rows, (f"{indent}end of {name}: {self.joined}", output_shape[1:], 0)]
        return rows


class Sequential(Container):
    """Layers one after the other: y = f_n(... f_2(f_1(x))).

    The derivative of a chain is the chain of the derivatives, from last to first.

    Examples
    --------
    >>> import numpy as np
    >>> from minidl import Conv2d, ReLU, Sequential
    >>> model = Sequential(Conv2d(3, 8, 3, padding="same"), ReLU(), Conv2d(8, 3, 1))
    >>> model(np.zeros((2, 3, 16, 16), np.float32)).shape
    (2, 3, 16, 16)
    >>> [name for name, parameter in model.named_parameters()]
    ['0.weight', '0.bias', '2.weight', '2.bias']
    """

    def forward_checked(self, x: Array) -> Array:
        for layer in self.layers:
            x = layer.forward_checked(x)
        return x

    def backward(self, dy: Array) -> Array:
        for layer in reversed(self.layers):
            dy = layer.backward(dy)
        return dy

    def backward_parameters(self, dy: Array) -> None:
        for layer in reversed(self.layers[1:]):
            dy = layer.backward(dy)
        if self.layers:
            self.layers[0].backward_parameters(dy)

    def output_shape(self, input_shape: Shape) -> Shape:
        for layer in self.layers:
            input_shape = layer.output_shape(input_shape)
        return tuple(input_shape)

    def __len__(self) -> int:
        return len(self.layers)

    @overload
    def __getitem__(self, index: int) -> Layer: ...

    @overload
    def __getitem__(self, index: slice) -> "Sequential": ...

    def __getitem__(self, index: int | slice) -> Layer:
        """Return a layer, or for a slice a chain of these very layers."""
        return Sequential(*self.layers[index]) if isinstance(index, slice) else self.layers[index]

    def __iter__(self) -> Iterator[Layer]:
        return iter(self.layers)


class _Around(Container):
    """What Skip and Residual share: one inner layer, whose output is joined with its input."""

    joined = "joined with its input"

    def __init__(self, inner: Layer) -> None:
        super().__init__(inner)

    @property
    def inner(self) -> Layer:
        return self.layers[0]

    def children(self) -> list[tuple[str, Layer]]:
        (_, inner), *others = super().children()
        return [("inner", inner), *others]


class Skip(_Around):
    """Concatenate on the channel axis: y = [inner(x), x]   (the skip connection of the U-Net).

    Notes
    -----
    x goes two ways, so its derivative is the sum of two: the one that comes back through `inner`, and the channels
    of dy that were x. "Concatenations split, forks add."

    References
    ----------
    Ronneberger, Fischer, Brox, "U-Net", MICCAI 2015, section 2; slides 34-36.
    """

    def forward_checked(self, x: Array) -> Array:
        inside = self.inner.forward_checked(x)
        N, C, H, W = inside.shape
        y = layout.empty((N, C + x.shape[1], H, W), x.dtype)
        y[:, :C] = inside
        y[:, C:] = x
        return self.keep(y, C)

    def backward(self, dy: Array) -> Array:
        C, = self.recall(dy)
        return self.inner.backward(dy[:, :C]) + dy[:, C:]

    def output_shape(self, input_shape: Shape) -> Shape:
        if len(input_shape) != 4:
            raise ValueError(f"Skip: expected input of shape (N, C, H, W), got {tuple(input_shape)}")
        N, C, *size = input_shape
        inside = self.inner.output_shape(input_shape)
        if inside[2:] != tuple(size):
            raise ValueError(f"Skip: expected an inner layer that keeps height and width, but it makes {inside} of "
                             f"{tuple(input_shape)}, which cannot be concatenated. Where the inner layer halves and "
                             "doubles, height and width must divide by 2 at each level.")
        return (N, inside[1] + C, *size)


class Residual(_Around):
    """Add: y = x + scale * inner(x).

    Notes
    -----
    dx = dy + scale * (inner's dx for dy), as both ways add.

    References
    ----------
    He et al., "Deep Residual Learning", CVPR 2016, eq. 1; `scale` as in Wang et al., "ESRGAN", 2018, section 3.1.
    """

    def __init__(self, inner: Layer, scale: float = 1.0) -> None:
        super().__init__(inner)
        self.scale = float(scale)

    def forward_checked(self, x: Array) -> Array:
        return self.keep(x + self.scale * self.inner.forward_checked(x))

    def backward(self, dy: Array) -> Array:
        self.recall(dy)
        return dy + self.inner.backward(self.scale * dy)

    def output_shape(self, input_shape: Shape) -> Shape:
        inside = self.inner.output_shape(input_shape)
        if inside != tuple(input_shape):
            raise ValueError(f"Residual: expected an inner layer that keeps the shape {tuple(input_shape)}, "
                             f"but it makes {inside}, which cannot be added")
        return inside

    def arguments(self) -> str:
        return super().arguments() + (f", scale={self.scale:g}" if self.scale != 1 else "")


class Sum(Container):
    """Add the results of several layers that get the same input: y = f_1(x) + f_2(x) + ...

    Notes
    -----
    The results are added, so each layer gets all of dy; x goes several ways, so dx is the sum of the layers' own.

    References
    ----------
    Long, Shelhamer, Darrell, "Fully Convolutional Networks", CVPR 2015, section 4.2; slide 24.

    Examples
    --------
    >>> import numpy as np
    >>> Sum(Identity(), Identity())(np.array([[1.0, 2.0]]))
    array([[2., 4.]])
    """

    def __init__(self, *layers: Layer) -> None:
        if not layers:
            raise ValueError("Sum: expected at least one layer, got none")
        super().__init__(*layers)
        self.joined = f"{len(layers)} results added"

    def forward_checked(self, x: Array) -> Array:
        first, *others = (layer.forward_checked(x) for layer in self.layers)
        return self.keep(sum(others, first))

    def backward(self, dy: Array) -> Array:
        self.recall(dy)
        first, *others = (layer.backward(dy) for layer in self.layers)
        return sum(others, first)

    def output_shape(self, input_shape: Shape) -> Shape:
        shapes = [layer.output_shape(input_shape) for layer in self.layers]
        if len(set(shapes)) > 1:
            raise ValueError(f"Sum: expected layers whose results have one shape, got {' and '.join(map(str, shapes))} "
                             f"for an input of shape {tuple(input_shape)}")
        return shapes[0]


class Identity(Layer):
    """y = x: a placeholder where a network wants a layer."""

    def forward(self, x: Array) -> Array:
        self.check_input(x)
        return self.keep(x)

    def backward(self, dy: Array) -> Array:
        self.recall(dy)
        return dy
