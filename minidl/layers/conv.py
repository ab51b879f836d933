"""Conv2d and ConvTranspose2d: a small window of weights, the same at every position."""
import numpy as np

from minidl.layers import layout
from minidl.layers.arguments import Pair, pair, positive, short
from minidl.layers.base import Layer, Parameter
from minidl.layers.im2col import add_weight_gradient, col2im_matmul, columns, matmul_im2col
from minidl.layers.initialization import initial_weights
from minidl.layers.window import Window
from minidl.types import Array, Rng, Shape

SWAP_COST = 2  # copying a weight into the other order takes as long as writing about two numbers of the columns


class _Convolution(Layer):
    """What Conv2d and ConvTranspose2d share: their arguments, their bias, and how backward begins."""

    window: Window

    def __init__(self, in_channels: int, out_channels: int, kernel_size: int | Pair, stride: int | Pair,
                 dilation: int | Pair) -> None:
        name = type(self).__name__
        self.in_channels = positive(f"{name}: in_channels", in_channels)
        self.out_channels = positive(f"{name}: out_channels", out_channels)
        self.kernel_size = pair(f"{name}: kernel_size", kernel_size)
        self.stride = pair(f"{name}: stride", stride)
        self.dilation = pair(f"{name}: dilation", dilation)

    def _initialize(self, first: int, second: int, fan_channels: int, bias: bool, init: str, rng: Rng) -> None:
        """Draw the weight, (first, second, kh, kw), and the bias."""
        kh, kw = self.kernel_size
        weight, b = initial_weights((first, second, kh, kw), (self.out_channels,), fan_channels * kh * kw, init, rng)
        self.weight = Parameter(weight)
        self.bias = Parameter(b) if bias else None

    def backward(self, dy: Array) -> Array:
        dx = layout.empty(self.recall(dy)[0].shape, dy.dtype)
        self._backward(dy, dx)
        return dx

    def backward_parameters(self, dy: Array) -> None:
        self._backward(dy, None)

    def _backward(self, dy: Array, dx: Array | None) -> None:
        """Add to the parameters' gradients; write dx, if it is asked for."""
        raise NotImplementedError

    def _add_bias_gradient(self, dy: Array) -> None:
        if self.bias is not None:
            self.bias.grad += layout.rows(dy).sum(axis=1)    # (O,); the bias is added at every position

    def _check_channels(self, shape: Shape) -> None:
        if len(shape) != 4 or shape[1] != self.in_channels:
            hint = (" If the images are (N, H, W, C), pass x.transpose(0, 3, 1, 2)."
                    if len(shape) == 4 and shape[3] == self.in_channels else "")
            raise ValueError(f"{self!r}: expected input of shape (N, {self.in_channels}, H, W), "
                             f"got {tuple(shape)}.{hint}")

    def arguments(self) -> str:
        text = f"{self.in_channels}, {self.out_channels}, {short(self.kernel_size)}"
        for name in ("stride", "padding", "output_padding", "dilation"):
            value, default = getattr(self, name, (0, 0)), (0, 0) if "padding" in name else (1, 1)
            text += "" if value == default else f", {name}=" + (repr(value) if value == "same" else short(value))
        return text + (", bias=False" if self.bias is None else "")


class Conv2d(_Convolution):
    """Slide a window of weights over the image and sum (2-D cross-correlation: the kernel is not flipped).

    y[n, o, p, q] = bias[o] + sum_{c, i, j} weight[o, c, i, j] * x[n, c, p*stride + i*dilation - padding, ...]

    Parameters
    ----------
    in_channels, out_channels : int
    kernel_size, stride, dilation : int or pair (for rows, for columns)
    padding : int, pair or "same"
        Zeros around the image. "same" (stride 1 only) keeps height and width; where the padding is odd,
        as for even kernels, the extra zero is at the bottom and at the right.
    bias : bool
    init : {"kaiming", "torch"}
        See `minidl.layers.initialization.initial_weights`.
    rng : numpy.random.Generator, seed or None

    Attributes
    ----------
    weight : Parameter, (out_channels, in_channels, kh, kw)
    bias : Parameter, (out_channels,), or None

    Notes
    -----
    Shapes: x (N, C, H, W), y (N, O, Ho, Wo) with Ho = floor((H + 2 padding - dilation (kh - 1) - 1) / stride) + 1.

    Forward. With columns = im2col(x), (C*kh*kw, N*Ho*Wo), and the weights as w, (O, C*kh*kw),

        y = w @ columns + bias

    and y, (O, N*Ho*Wo), is channel-major as it stands.

    Backward. y is linear in w and in the columns, and col2im is im2col's adjoint:

        dw = dy @ columns.T         db = sum of dy over images and positions
        dx = col2im(w.T @ dy)

    Columns are the costly part: kh*kw times the size of their image. Where C > O it is cheaper to have them on
    y's side. A convolution from many channels to few *is* the adjoint ("transposed") convolution of the one from few to
    many, w'[c, (o, i, j)] = weight[o, c, i, j], whose window is flipped (it numbers its pixels from the last row and
    column) and whose padding is dilation * (k - 1) - padding. With columns' = im2col(dy), (O*kh*kw, N*H*W),

        y = col2im(w'.T @ x)        dw' = x @ columns'.T        dx = w' @ columns'

    which is the first form read from right to left. (Stride 1 only: the product w'.T @ x is made at every pixel.)

    References
    ----------
    Chellapilla, Puri, Simard, "High Performance Convolutional Neural Networks for Document Processing", 2006
    (convolution as a matrix product); slides 15-21.
    """

    def __init__(self, in_channels: int, out_channels: int, kernel_size: int | Pair, stride: int | Pair = 1,
                 padding: int | Pair | str = 0, dilation: int | Pair = 1, bias: bool = True, *,
                 init: str = "kaiming", rng: Rng = None) -> None:
        super().__init__(in_channels, out_channels, kernel_size, stride, dilation)
        if isinstance(padding, str):
            if padding != "same" or self.stride != (1, 1):
                raise ValueError('Conv2d: expected padding of an integer, a pair, or "same" with stride 1, '
                                 f"got padding={padding!r}, stride={stride!r}")
            extent = Window(self.kernel_size, dilation=self.dilation).extent
            before = (extent[0] // 2, extent[1] // 2)
            after = (extent[0] - before[0], extent[1] - before[1])
        else:
            padding = before = after = pair("Conv2d: padding", padding, least=0)
        self.padding = padding
        self.window = Window(self.kernel_size, self.stride, before, after, self.dilation)    # how it slides over x
        self._initialize(out_channels, in_channels, in_channels, bias, init, rng)

    def adjoint_window(self, positions: int) -> Window | None:
        """How the kernel, flipped, slides over y; None where columns belong on x's side (see Notes).

        On y's side they have fewer rows, but the weights must be copied into another order first. That pays where the
        `positions` (pixels of all images) are many, not for small images and large weights.
        """
        window, extent = self.window, self.window.extent
        before = (extent[0] - window.before[0], extent[1] - window.before[1])
        after = (extent[0] - window.after[0], extent[1] - window.after[1])
        fewer, weights = self.in_channels - self.out_channels, self.in_channels * self.out_channels
        if self.stride != (1, 1) or min(before + after) < 0 or fewer * positions <= SWAP_COST * weights:
            return None
        return Window(self.kernel_size, (1, 1), before, after, self.dilation, flipped=True)

    def forward(self, x: Array) -> Array:
        y = layout.empty(self.check_input(x), x.dtype)
        x = layout.channel_major(x)
        adjoint = self.adjoint_window(y[:, 0].size)
        if adjoint is None:
            w = self.weight.data.reshape(self.out_channels, -1)                # (O, C*kh*kw)
            cols = matmul_im2col(w, x, self.window, out=y)
        else:
            col2im_matmul(swapped(self.weight.data).T, x, adjoint, out=y)
            cols = None
        if self.bias is not None:
            y += self.bias.data[:, None, None]
        return self.keep(y, x, cols)

    def _backward(self, dy: Array, dx: Array | None) -> None:
        x, cols = self.recall(dy)
        dy = layout.channel_major(dy)
        adjoint = self.adjoint_window(dy[:, 0].size)
        if adjoint is None:
            self._add_weight_gradient(x, dy, cols)
            if dx is not None:
                w = self.weight.data.reshape(self.out_channels, -1)            # (O, C*kh*kw)
                col2im_matmul(w.T, dy, self.window, out=dx)
        else:
            w = swapped(self.weight.data)                                      # (C, O*kh*kw)
            dw = np.zeros_like(w)
            backward_by_columns_of_dy(w, dw, x, dy, adjoint, dx)
            if np.isfinite(dw).all():
                by_position = dw.reshape(self.in_channels, self.out_channels, *self.kernel_size)
                self.weight.grad += by_position.transpose(1, 0, 2, 3)          # (O, C, kh, kw)
            else:                            # an infinite x may have met the zeros around dy, which no pixel of y has
                self._add_weight_gradient(x, dy, None)
        self._add_bias_gradient(dy)

    def _add_weight_gradient(self, x: Array, dy: Array, cols: Array | None) -> None:
        """Add dy @ columns.T to the weight's gradient; `cols` are the columns of x, if they are at hand."""
        dw = self.weight.grad.reshape(self.out_channels, -1)                   # (O, C*kh*kw), a view
        kept = None if cols is None else [(slice(0, len(x)), cols)]
        for part, cols in kept or columns(x, self.window, 4 * dw.nbytes):
            add_weight_gradient(dw, dy[part], cols)

    def output_shape(self, input_shape: Shape) -> Shape:
        self._check_channels(input_shape)
        N, _, H, W = input_shape
        Ho, Wo = self.window.output_size(H, W)
        if min(Ho, Wo) < 1:
            extent = self.window.extent
            raise ValueError(f"{self!r}: expected images, with their padding, of at least {extent[0] + 1} x "
                             f"{extent[1] + 1} pixels, the size of the window, got shape {tuple(input_shape)}")
        return (N, self.out_channels, Ho, Wo)


def swapped(weight: Array) -> Array:
    """Return w'[c, (o, i, j)] = weight[o, c, i, j], shape (C, O*kh*kw): see the notes of Conv2d."""
    return weight.transpose(1, 0, 2, 3).reshape(weight.shape[1], -1)


def backward_by_columns_of_dy(w: Array, dw: Array, x: Array, dy: Array, window: Window, dx: Array | None) -> None:
    """Add x @ columns.T to dw and write w @ columns to dx, with columns = im2col(dy): both need the same columns."""
    for part, cols in columns(dy, window, 4 * dw.nbytes):
        add_weight_gradient(dw, x[part], cols)
        if dx is not None:
            np.matmul(w, cols, out=layout.rows(dx[part]))


class ConvTranspose2d(_Convolution):
    """The adjoint of a convolution: each input pixel paints its kernel, weighted, onto the output.

    With stride 2 it doubles height and width, which makes it an upsampling whose weights are learned.

    Parameters
    ----------
    in_channels, out_channels : int
    kernel_size, stride, padding, dilation : int or pair
        Those of the convolution (from output to input) that this layer is the adjoint of.
    output_padding : int or pair
        Rows and columns added at the bottom and right of the output. With a stride, several sizes shrink to the same
        one; this says which is meant. Smaller than the stride or the dilation.
    bias : bool
    init, rng
        As for `Conv2d`.

    Attributes
    ----------
    weight : Parameter, (in_channels, out_channels, kh, kw)
    bias : Parameter, (out_channels,), or None

    Notes
    -----
    Shapes: x (N, C, H, W), y (N, O, Ho, Wo) with
    Ho = (H - 1) stride - 2 padding + dilation (kh - 1) + output_padding + 1.

    Forward and backward are those of Conv2d with the roles of x and y exchanged. With w = weight as (C, O*kh*kw)
    and columns = im2col(dy), (O*kh*kw, N*H*W):

        y = col2im(w.T @ x) + bias      dw = x @ columns.T      dx = w @ columns

    References
    ----------
    Dumoulin, Visin, "A guide to convolution arithmetic for deep learning", 2016, chapter 4; slide 24.
    """

    def __init__(self, in_channels: int, out_channels: int, kernel_size: int | Pair, stride: int | Pair = 1,
                 padding: int | Pair = 0, output_padding: int | Pair = 0, dilation: int | Pair = 1,
                 bias: bool = True, *, init: str = "kaiming", rng: Rng = None) -> None:
        super().__init__(in_channels, out_channels, kernel_size, stride, dilation)
        self.padding = pair("ConvTranspose2d: padding", padding, least=0)
        self.output_padding = pair("ConvTranspose2d: output_padding", output_padding, least=0)
        if any(extra >= max(s, d) for extra, s, d in zip(self.output_padding, self.stride, self.dilation)):
            raise ValueError("ConvTranspose2d: expected output_padding smaller than stride or dilation, got "
                             f"output_padding={output_padding}, stride={stride}, dilation={dilation}")
        after = (self.padding[0] - self.output_padding[0], self.padding[1] - self.output_padding[1])
        self.window = Window(self.kernel_size, self.stride, self.padding, after, self.dilation)    # slides over y
        # PyTorch counts the fan of a transposed convolution on the weight's second axis, and so do its bounds.
        self._initialize(in_channels, out_channels, out_channels if init == "torch" else in_channels, bias, init, rng)

    def forward(self, x: Array) -> Array:
        y = layout.empty(self.check_input(x), x.dtype)
        x = layout.channel_major(x)
        w = self.weight.data.reshape(self.in_channels, -1)                     # (C, O*kh*kw)
        col2im_matmul(w.T, x, self.window, out=y)
        if self.bias is not None:
            y += self.bias.data[:, None, None]
        return self.keep(y, x)

    def _backward(self, dy: Array, dx: Array | None) -> None:
        x, = self.recall(dy)
        dy = layout.channel_major(dy)
        w = self.weight.data.reshape(self.in_channels, -1)                     # (C, O*kh*kw)
        backward_by_columns_of_dy(w, self.weight.grad.reshape(w.shape), x, dy, self.window, dx)
        self._add_bias_gradient(dy)

    def output_shape(self, input_shape: Shape) -> Shape:
        self._check_channels(input_shape)
        N, _, *size = input_shape
        window = self.window
        Ho, Wo = ((size[k] - 1) * self.stride[k] - 2 * window.before[k] + window.extent[k] + self.output_padding[k] + 1
                  for k in (0, 1))
        if min(Ho, Wo) < 1:
            raise ValueError(f"{self!r}: the padding leaves nothing of the output: {Ho} x {Wo} pixels for an "
                             f"input of shape {tuple(input_shape)}")
        return (N, self.out_channels, Ho, Wo)
