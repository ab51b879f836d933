"""A convolution as most courses teach it: one row for each place of the window, all arrays (N, C, H, W) in memory.

It is here to be compared with `minidl.layers.Conv2d`, which does the same sums. Stride 1, square or not, zero padding.

    rows      (N*Ho*Wo, C*kh*kw): a row for each place, with what the window sees there
    forward   y = rows @ weight.T + bias, then transposed from (N, Ho, Wo, O) to (N, O, Ho, Wo)
    backward  dw = dy.T @ rows,  drows = dy @ weight,  and each row of drows is added to the pixels it came from
"""
import numpy as np

from minidl.slabs import Array

Shape = tuple[int, ...]


def im2rows(x: Array, kh: int, kw: int, padding: int) -> Array:
    """Return what the window sees at each place: x (N, C, H, W) becomes (N*Ho*Wo, C*kh*kw)."""
    N, C, H, W = x.shape
    Ho, Wo = H + 2 * padding - kh + 1, W + 2 * padding - kw + 1
    x = np.pad(x, ((0, 0), (0, 0), (padding, padding), (padding, padding)))
    windows = np.empty((N, C, kh, kw, Ho, Wo), x.dtype)
    for i in range(kh):
        for j in range(kw):
            windows[:, :, i, j] = x[:, :, i:i + Ho, j:j + Wo]
    return windows.transpose(0, 4, 5, 1, 2, 3).reshape(N * Ho * Wo, C * kh * kw)


def rows2im(rows: Array, x_shape: Shape, kh: int, kw: int, padding: int) -> Array:
    """Add each row to the pixels that its window saw: (N*Ho*Wo, C*kh*kw) becomes (N, C, H, W)."""
    N, C, H, W = x_shape
    Ho, Wo = H + 2 * padding - kh + 1, W + 2 * padding - kw + 1
    windows = rows.reshape(N, Ho, Wo, C, kh, kw).transpose(0, 3, 4, 5, 1, 2)    # (N, C, kh, kw, Ho, Wo)
    x = np.zeros((N, C, H + 2 * padding, W + 2 * padding), rows.dtype)
    for i in range(kh):
        for j in range(kw):
            x[:, :, i:i + Ho, j:j + Wo] += windows[:, :, i, j]
    return x[:, :, padding:padding + H, padding:padding + W]


def forward(x: Array, weight: Array, bias: Array, padding: int) -> tuple[Array, Array]:
    """Return y (N, O, Ho, Wo), and the rows, which `backward` needs.

    Parameters
    ----------
    x : array (N, C, H, W)
    weight : array (O, C, kh, kw)
    bias : array (O,)
    padding : int
        Zeros around the picture.
    """
    O, _, kh, kw = weight.shape  # noqa: E741
    N, _, H, W = x.shape
    Ho, Wo = H + 2 * padding - kh + 1, W + 2 * padding - kw + 1
    rows = im2rows(x, kh, kw, padding)
    y = rows @ weight.reshape(O, -1).T + bias                                   # (N*Ho*Wo, O)
    return np.ascontiguousarray(y.reshape(N, Ho, Wo, O).transpose(0, 3, 1, 2)), rows


def backward(dy: Array, rows: Array, x_shape: Shape, weight: Array, padding: int) -> tuple[Array, Array, Array]:
    """Return dx, dweight and dbias for dy (N, O, Ho, Wo)."""
    O, _, kh, kw = weight.shape  # noqa: E741
    flat = dy.transpose(0, 2, 3, 1).reshape(-1, O)                              # (N*Ho*Wo, O)
    dweight = (flat.T @ rows).reshape(weight.shape)
    drows = flat @ weight.reshape(O, -1)                                        # (N*Ho*Wo, C*kh*kw)
    return rows2im(drows, x_shape, kh, kw, padding), dweight, flat.sum(axis=0)
