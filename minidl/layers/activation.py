"""Element-wise non-linearities, and softmax. They take arrays of any shape."""
import numpy as np

from minidl.layers import layout
from minidl.layers.base import Layer
from minidl.types import Array, Shape


class ReLU(Layer):
    """y = max(x, 0).

    dx = dy where x > 0, else 0 (at x = 0 too, as in PyTorch; where x is NaN, dy). y is never below 0, so y != 0 says
    where, NaN included; and y is what the next layer keeps anyway.
    """

    def forward(self, x: Array) -> Array:
        y = layout.empty(self.check_input(x), x.dtype)
        np.maximum(layout.by_channel(x), x.dtype.type(0), out=layout.by_channel(y))
        return self.keep(y, y)

    def backward(self, dy: Array) -> Array:
        y, = self.recall(dy)
        dx = layout.empty(y.shape, y.dtype)
        ys, dys, dxs = layout.by_channel(y), layout.by_channel(dy), layout.by_channel(dx)
        for s in layout.channel_chunks(y):
            layout.masked(ys[s] != 0, dys[s], out=dxs[s])
        return dx


class LeakyReLU(Layer):
    """y = x where x > 0, else negative_slope * x.

    dx = dy where x > 0, else negative_slope * dy. The slope must not be negative: then y has the sign of x, and shows
    which case it was.

    References
    ----------
    Maas, Hannun, Ng, "Rectifier Nonlinearities Improve Neural Network Acoustic Models", 2013, eq. 2.
    """

    def __init__(self, negative_slope: float = 0.01) -> None:
        if not 0 <= negative_slope <= 1:
            raise ValueError(f"LeakyReLU: expected a negative_slope from 0 to 1, got {negative_slope}")
        self.negative_slope = float(negative_slope)  # a NumPy scalar would make float32 arrays float64

    def forward(self, x: Array) -> Array:
        self.check_input(x)
        slope = self.negative_slope
        y = np.maximum(x, slope * (x if slope else np.minimum(x, 0)))     # 0 times an infinite x would be NaN
        return self.keep(y, y)

    def backward(self, dy: Array) -> Array:
        y, = self.recall(dy)
        dx = (y > 0).astype(y.dtype)
        np.maximum(dx, self.negative_slope, out=dx)        # 1 or the slope
        dx *= dy
        return dx

    def arguments(self) -> str:
        return f"{self.negative_slope:g}"


class Sigmoid(Layer):
    """y = 1 / (1 + exp(-x)).

    dx = dy * y * (1 - y).
    """

    def forward(self, x: Array) -> Array:
        self.check_input(x)
        y = sigmoid(x)
        return self.keep(y, y)

    def backward(self, dy: Array) -> Array:
        y, = self.recall(dy)
        return dy * (y * (1 - y))


def sigmoid(x: Array) -> Array:
    """Return 1 / (1 + exp(-x)) without overflow: exp is only taken of -|x|.

    >>> sigmoid(np.array([-1000.0, 0.0, 1000.0]))
    array([0. , 0.5, 1. ])
    """
    small = np.exp(-np.abs(x))                             # in (0, 1]
    return np.where(x >= 0, x.dtype.type(1), small) / (1 + small)


class Tanh(Layer):
    """y = tanh(x).

    dx = dy * (1 - y^2).
    """

    def forward(self, x: Array) -> Array:
        self.check_input(x)
        y = np.tanh(x)
        return self.keep(y, y)

    def backward(self, dy: Array) -> Array:
        y, = self.recall(dy)
        return dy * (1 - y * y)


class Softmax(Layer):
    """y_k = exp(x_k) / sum_j exp(x_j) over axis 1, the classes: positive numbers that sum to 1 (slides 9 and 14).

    Notes
    -----
    Shapes: x and y (N, K) or (N, K, H, W).

    Backward. dy_k/dx_j = y_k (1[k = j] - y_j), so dx_j = y_j (dy_j - sum_k dy_k y_k).

    For training use `CrossEntropyLoss` on the logits instead: it contains the softmax, and is exact where a separate
    logarithm of a separate softmax would meet log 0.
    """

    def forward(self, x: Array) -> Array:
        self.check_input(x)
        y = softmax(x)
        return self.keep(y, y)

    def backward(self, dy: Array) -> Array:
        y, = self.recall(dy)
        return y * (dy - (dy * y).sum(axis=1, keepdims=True))

    def output_shape(self, input_shape: Shape) -> Shape:
        if len(input_shape) < 2:
            raise ValueError(f"Softmax(): expected input of shape (N, K) or (N, K, H, W), got {tuple(input_shape)}")
        return tuple(input_shape)


def softmax(x: Array) -> Array:
    """Return exp(x) / sum(exp(x)) over axis 1. Subtracting the maximum changes nothing and avoids overflow.

    >>> softmax(np.array([[0.07, -0.65, 0.81]])).round(3)     # slide 14
    array([[0.279, 0.136, 0.585]])
    """
    y = np.exp(x - x.max(axis=1, keepdims=True))
    y /= y.sum(axis=1, keepdims=True)
    return y


class Dropout(Layer):
    """Set each value to 0 with probability p while training, and divide the others by 1 - p; do nothing in eval mode.

    Dividing keeps the expected value the same, so that eval mode needs no correction.

    Parameters
    ----------
    p : float, in [0, 1)
    rng : numpy.random.Generator, seed or None
        A generator is not used itself: a child of it is spawned, so that the layer's stream is its own and a resumed
        training can restore it.

    Notes
    -----
    y = x * mask with mask 0 or 1 / (1 - p), hence dx = dy * mask.

    References
    ----------
    Srivastava et al., "Dropout", JMLR 15, 2014, section 4 (in the "inverted" form).
    """

    def __init__(self, p: float = 0.5, rng: np.random.Generator | int | None = None) -> None:
        if not 0 <= p < 1:
            raise ValueError(f"Dropout: expected a probability p in [0, 1), got {p}")
        self.p = float(p)
        self.rng = np.random.default_rng(rng).spawn(1)[0]

    def forward(self, x: Array) -> Array:
        self.check_input(x)
        if not self.training:
            return self.keep(x, None)
        mask = layout.channel_major((self.draw(x.shape) >= self.p) * x.dtype.type(1 / (1 - self.p)))
        return self.keep(x * mask, mask)

    def draw(self, shape: Shape) -> Array:
        """Return a random number in [0, 1) for each value."""
        return self.rng.random(shape)

    def backward(self, dy: Array) -> Array:
        mask, = self.recall(dy)
        return dy if mask is None else dy * mask

    def arguments(self) -> str:
        return f"{self.p:g}"
