"""Upsample: more pixels, by nearest neighbor or by bilinear interpolation."""
import numpy as np

from minidl.layers import layout
from minidl.layers.arguments import Pair, pair
from minidl.layers.base import Layer
from minidl.types import Array, Shape


class Upsample(Layer):
    """Enlarge height and width by whole factors (slides 25-30).

    Parameters
    ----------
    scale_factor : int or pair (for rows, for columns)
    mode : {"nearest", "bilinear"}
    align_corners : bool
        Bilinear only. False: pixels are squares, and the image's edges stay in place. True: pixels are points, and
        the outermost ones stay in place.

    Notes
    -----
    Shapes: x (N, C, H, W), y (N, C, H * sh, W * sw).

    Both modes are linear, y = A x B.T for each channel's image x, with A (Ho, H) and B (Wo, W) the matrices of
    `interpolation_matrix`. Hence dx = A.T dy B: for "nearest", whose matrices only copy, that is the sum over each
    block of sh x sw copies. Most entries of the matrices are 0; NaN and infinity must not meet these.
    """

    def __init__(self, scale_factor: int | Pair = 2, mode: str = "nearest", align_corners: bool = False) -> None:
        self.scale_factor = pair("Upsample: scale_factor", scale_factor)
        if mode not in ("nearest", "bilinear"):
            raise ValueError(f'Upsample: expected mode "nearest" or "bilinear", got {mode!r}')
        if align_corners and mode == "nearest":
            raise ValueError('Upsample: expected align_corners=True with mode "bilinear" only, got mode "nearest"')
        self.mode, self.align_corners = mode, align_corners

    def forward(self, x: Array) -> Array:
        y = layout.empty(self.check_input(x), x.dtype)
        x = layout.channel_major(x)
        if self.mode == "nearest":
            self._copy_pixels(x, y)
        else:
            A, B = self._matrices(x.shape, x.dtype)
            _each_image(A, x, B, y)
        return self.keep(y, x.shape)

    def backward(self, dy: Array) -> Array:
        x_shape, = self.recall(dy)
        dy = layout.channel_major(dy)
        if self.mode == "bilinear":
            A, B = self._matrices(x_shape, dy.dtype)
            return _each_image(A.T, dy, B.T, layout.empty(x_shape, dy.dtype))
        return self._add_copies(dy, layout.empty(x_shape, dy.dtype))

    def _copy_pixels(self, x: Array, y: Array) -> None:
        """Write each pixel of x into its sh x sw pixels of y: first along the rows, then whole rows at a time."""
        sh, sw = self.scale_factor
        for s in layout.channel_chunks(y):
            first_rows = y[:, s, ::sh]                             # (N, n, H, Wo)
            for j in range(sw):
                first_rows[..., j::sw] = x[:, s]
            for i in range(1, sh):
                y[:, s, i::sh] = first_rows

    def _add_copies(self, dy: Array, dx: Array) -> Array:
        """Write the sums over blocks of sh x sw pixels of dy into dx: first of whole rows, then along the rows."""
        sh, sw = self.scale_factor
        for s in layout.channel_chunks(dy):
            rows = dy[:, s, ::sh].copy(order="K")                  # (N, n, H, Wo)
            for i in range(1, sh):
                rows += dy[:, s, i::sh]
            dx[:, s] = rows[..., ::sw]
            for j in range(1, sw):
                dx[:, s] += rows[..., j::sw]
        return dx

    def _matrices(self, x_shape: Shape, dtype: np.dtype) -> tuple[Array, Array]:
        A, B = (interpolation_matrix(size, scale, self.mode, self.align_corners).astype(dtype)
                for size, scale in zip(x_shape[2:], self.scale_factor))
        return A, B

    def output_shape(self, input_shape: Shape) -> Shape:
        if len(input_shape) != 4:
            raise ValueError(f"{self!r}: expected input of shape (N, C, H, W), got {tuple(input_shape)}")
        N, C, H, W = input_shape
        return (N, C, H * self.scale_factor[0], W * self.scale_factor[1])

    def arguments(self) -> str:
        sh, sw = self.scale_factor
        text = f"{sh if sh == sw else (sh, sw)}, {self.mode!r}"
        return text + (", align_corners=True" if self.align_corners else "")


def _each_image(A: Array, x: Array, B: Array, y: Array) -> Array:
    """Write A x B.T of each channel's image into y, channel-major as x is, and return it."""
    images, out = x.transpose(1, 0, 2, 3), y.transpose(1, 0, 2, 3)
    if np.isfinite(x).all():
        np.matmul(A, images @ B.T, out=out)
        return y
    along_rows = np.stack([images[..., row != 0] @ row[row != 0] for row in B], axis=-1)
    for i, row in enumerate(A):
        out[..., i, :] = row[row != 0] @ along_rows[..., row != 0, :]
    return y


def interpolation_matrix(size: int, scale: int, mode: str = "bilinear", align_corners: bool = False) -> Array:
    """Return the (size * scale, size) matrix that enlarges a row of `size` pixels; each of its rows sums to 1.

    Notes
    -----
    Output pixel i lies, in units of input pixels, at (i + 1/2) / scale - 1/2, or with `align_corners` at
    i * (size - 1) / (size * scale - 1). "bilinear" mixes the two neighbors by their nearness; before the first and
    after the last pixel there is only one. "nearest" copies pixel floor(i / scale).

    Examples
    --------
    >>> interpolation_matrix(2, 2)                      # slide 29: 1, 5 become 1, 2, 4, 5
    array([[1.  , 0.  ],
           [0.75, 0.25],
           [0.25, 0.75],
           [0.  , 1.  ]])
    """
    i = np.arange(size * scale)
    matrix = np.zeros((size * scale, size))
    if mode == "nearest":
        matrix[i, i // scale] = 1
        return matrix
    at = i * (size - 1) / max(1, size * scale - 1) if align_corners else (i + 0.5) / scale - 0.5
    at = at.clip(0, size - 1)
    left = np.floor(at).astype(int)
    right = np.minimum(left + 1, size - 1)
    np.add.at(matrix, (i, left), 1 - (at - left))       # left and right may be the same pixel: add, not assign
    np.add.at(matrix, (i, right), at - left)
    return matrix
