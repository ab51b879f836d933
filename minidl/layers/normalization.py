"""BatchNorm2d: every channel to mean 0 and variance 1, then a learned scale and shift."""
import numpy as np

from minidl.layers import layout
from minidl.layers.arguments import positive
from minidl.layers.base import Layer, Parameter
from minidl.types import Array, Shape


class BatchNorm2d(Layer):
    """y = weight * (x - mean) / sqrt(var + eps) + bias, with one mean and variance per channel.

    Parameters
    ----------
    num_features : int
        Channels C.
    eps : float
        Keeps a constant channel from dividing by 0.
    momentum : float
        Weight of the *new* batch in the running statistics (as in PyTorch).

    Attributes
    ----------
    weight, bias : Parameter, (C,)
        Called gamma and beta in the paper; initialized to 1 and 0.
    running_mean, running_var : array (C,)
        Used in eval mode. In training mode the batch's own statistics are used, and
        running = (1 - momentum) * running + momentum * batch, where the batch's variance is the unbiased one
        (divided by m - 1), while the one that normalizes is biased (divided by m).
    num_batches_tracked : int64 array ()

    Notes
    -----
    Shapes: x and y (N, C, H, W); m = N*H*W values per channel, in training mode at least two.

    Backward. Write std = sqrt(var + eps), xhat = (x - mean) / std, and g = weight * dy for dL/dxhat. Each x acts on the
    loss in three ways, and the chain rule adds them up:

        directly               g / std
        through the mean       dL/dmean = -sum(g) / std                 times dmean/dx = 1 / m
        through the variance   dL/dvar = -sum(g * xhat) / (2 std^2)     times dvar/dx = 2 std * xhat / m

    (var depends on the mean, too, but its derivative is -2 mean(x - mean) = 0). Together

        dx = (g - mean(g) - xhat * mean(g * xhat)) / std

    and dweight = sum(dy * xhat), dbias = sum(dy), so mean(g) = weight * dbias / m and
    mean(g * xhat) = weight * dweight / m: the two sums serve both. In eval mode mean and std are constants, and only
    the direct way is left: dx = g / std.

    The variance is computed in two passes, mean((x - mean)^2): E[x^2] - E[x]^2 loses all digits where the mean is
    large.

    References
    ----------
    Ioffe, Szegedy, "Batch Normalization", ICML 2015, algorithm 1 and section 3; slides 15-36.
    """

    buffer_names = ("running_mean", "running_var", "num_batches_tracked")

    def __init__(self, num_features: int, eps: float = 1e-5, momentum: float = 0.1) -> None:
        self.num_features = positive("BatchNorm2d: num_features", num_features)
        self.eps, self.momentum = float(eps), float(momentum)  # NumPy scalars would make float32 arrays float64
        self.weight = Parameter(np.ones(num_features, np.float32))
        self.bias = Parameter(np.zeros(num_features, np.float32))
        self.running_mean = np.zeros(num_features, np.float32)
        self.running_var = np.ones(num_features, np.float32)
        self.num_batches_tracked = np.zeros((), np.int64)

    def forward(self, x: Array) -> Array:
        y = layout.empty(self.check_input(x), x.dtype)
        x = layout.channel_major(x)
        if not self.training:
            std = np.sqrt(self.running_var + self.eps)
            scale = self.weight.data / std
            np.multiply(x, scale[:, None, None], out=y)
            y += (self.bias.data - self.running_mean * scale)[:, None, None]
            return self.keep(y, x, self.running_mean.copy(), 1 / std, None)
        xs, ys = layout.rows(x), layout.rows(y)                      # (C, m)
        mean, squares = np.empty(len(xs), x.dtype), np.empty(len(xs), x.dtype)
        for s in layout.channel_chunks(x):
            mean[s] = xs[s].mean(axis=1)
            centered = np.subtract(xs[s], mean[s, None], out=ys[s])
            squares[s] = np.einsum("ij,ij->i", centered, centered)     # the sum of squares, without an array for them
        m, batch_mean, var = self.moments(xs.shape[1], mean, squares)
        std = np.sqrt(var + self.eps)
        scale = self.weight.data / std
        shift = self.bias.data + (mean - batch_mean) * scale
        for s in layout.channel_chunks(x):
            ys[s] *= scale[s, None]
            ys[s] += shift[s, None]
        self.track(batch_mean, var * (m / (m - 1)))
        return self.keep(y, x, batch_mean, 1 / std, m)

    def moments(self, m: float, mean: Array, squares: Array) -> tuple[float, Array, Array]:
        """Return m, mean and variance of the batch, of which x has m values per channel (see `minidl.parallel`).

        mean (C,) is that of x, and squares (C,) the sum of the squared differences from it.
        """
        return m, mean, squares / m

    def sums(self, dbias: Array, dweight: Array) -> tuple[Array, Array]:
        """Return what dbias and dweight, (C,) each, are for the whole batch."""
        return dbias, dweight

    def track(self, mean: Array, unbiased_var: Array) -> None:
        """Move the running statistics towards the batch's."""
        for running, batch in ((self.running_mean, mean), (self.running_var, unbiased_var)):
            running += self.momentum * (batch - running)
        self.num_batches_tracked += 1

    def backward(self, dy: Array) -> Array:
        x, mean, inverse_std, m = self.recall(dy)
        dy = layout.channel_major(dy)
        dx = layout.empty(x.shape, x.dtype)
        xs, dys, dxs = layout.rows(x), layout.rows(dy), layout.rows(dx)         # (C, m)
        dbias, dweight = np.empty(len(xs), x.dtype), np.empty(len(xs), x.dtype)
        for s in layout.channel_chunks(x):
            xhat = np.subtract(xs[s], mean[s, None], out=dxs[s])
            xhat *= inverse_std[s, None]
            dbias[s] = dys[s].sum(axis=1)
            dweight[s] = np.einsum("ij,ij->i", dys[s], xhat)
        self.bias.grad += dbias
        self.weight.grad += dweight
        scale = self.weight.data * inverse_std
        if m is None:
            np.multiply(dy, scale[:, None, None], out=dx)
            return dx
        mean_dy, mean_product = (of_batch / m for of_batch in self.sums(dbias, dweight))
        for s in layout.channel_chunks(x):
            dxs[s] *= -mean_product[s, None]                               # xhat's memory becomes dx
            dxs[s] += dys[s]
            dxs[s] -= mean_dy[s, None]
            dxs[s] *= scale[s, None]
        return dx

    def output_shape(self, input_shape: Shape) -> Shape:
        if len(input_shape) != 4 or input_shape[1] != self.num_features:
            raise ValueError(f"{self!r}: expected input of shape (N, {self.num_features}, H, W), "
                             f"got {tuple(input_shape)}")
        N, _, H, W = input_shape
        if self.training and N * H * W == 1:
            raise ValueError(f"{self!r}: expected more than one value per channel in training mode, "
                             f"got shape {tuple(input_shape)}; use more images in a batch, or eval()")
        return tuple(input_shape)

    def arguments(self) -> str:
        text = f"{self.num_features}"
        text += f", eps={self.eps:g}" if self.eps != 1e-5 else ""
        return text + (f", momentum={self.momentum:g}" if self.momentum != 0.1 else "")
