"""Linear: every output sums over every input."""
from minidl.layers.arguments import positive
from minidl.layers.base import Layer, Parameter
from minidl.layers.initialization import initial_weights
from minidl.types import Array, Rng, Shape


class Linear(Layer):
    """y = x @ weight.T + bias.

    Parameters
    ----------
    in_features, out_features : int
    bias : bool
    init : {"kaiming", "torch"}
        See `minidl.layers.initialization.initial_weights`.
    rng : numpy.random.Generator, seed or None

    Attributes
    ----------
    weight : Parameter, (out_features, in_features)
    bias : Parameter, (out_features,), or None

    Notes
    -----
    Shapes: x (N, in_features), y (N, out_features).

    Backward. From y[n, o] = sum_i x[n, i] w[o, i] + b[o] follow

        dL/dw[o, i] = sum_n dy[n, o] x[n, i]      dw = dy.T @ x
        dL/db[o]    = sum_n dy[n, o]
        dL/dx[n, i] = sum_o dy[n, o] w[o, i]      dx = dy @ w
    """

    def __init__(self, in_features: int, out_features: int, bias: bool = True, *, init: str = "kaiming",
                 rng: Rng = None) -> None:
        self.in_features = positive("Linear: in_features", in_features)
        self.out_features = positive("Linear: out_features", out_features)
        weight, b = initial_weights((out_features, in_features), (out_features,), in_features, init, rng)
        self.weight = Parameter(weight)
        self.bias = Parameter(b) if bias else None

    def forward(self, x: Array) -> Array:
        self.check_input(x)
        y = x @ self.weight.data.T                       # (N, out)
        if self.bias is not None:
            y += self.bias.data
        return self.keep(y, x)

    def backward(self, dy: Array) -> Array:
        self.backward_parameters(dy)
        return dy @ self.weight.data                     # (N, in)

    def backward_parameters(self, dy: Array) -> None:
        x, = self.recall(dy)
        self.weight.grad += dy.T @ x                     # (out, in)
        if self.bias is not None:
            self.bias.grad += dy.sum(axis=0)             # (out,)

    def output_shape(self, input_shape: Shape) -> Shape:
        if len(input_shape) != 2 or input_shape[1] != self.in_features:
            raise ValueError(f"{self!r}: expected input of shape (N, {self.in_features}), got {tuple(input_shape)}. "
                             "Flatten() makes rows of feature maps.")
        return (input_shape[0], self.out_features)

    def arguments(self) -> str:
        return f"{self.in_features}, {self.out_features}" + ("" if self.bias is not None else ", bias=False")
