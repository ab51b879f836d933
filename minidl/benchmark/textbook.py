"""A convolution as most courses teach it: one row for each position of the window, all arrays (N, C, H, W) in memory.

It is here to be compared with `minidl.layers.Conv2d`, which does the same sums. Stride 1, square or not, zero padding.

    rows      (N*Ho*Wo, C*kh*kw): a row for each position of the window, with the values in it
    forward   y = rows @ weight.T + bias, then transposed from (N, Ho, Wo, O) to (N, O, Ho, Wo)
    backward  dw = dy.T @ rows,  drows = dy @ weight,  and each row of drows is added to the pixels it came from
"""
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from minidl.benchmark import pytorch
from minidl.benchmark.options import say
from minidl.benchmark.steps import Result, summary
from minidl.benchmark.timing import interleave, refuse_differences
from minidl.layers import Conv2d, layout
from minidl.runtime.format import table
from minidl.types import Array, Shape


def im2rows(x: Array, kh: int, kw: int, padding: int) -> Array:
    """Return the values in the window at each position: x (N, C, H, W) becomes (N*Ho*Wo, C*kh*kw)."""
    N, C, H, W = x.shape
    Ho, Wo = H + 2 * padding - kh + 1, W + 2 * padding - kw + 1
    x = np.pad(x, ((0, 0), (0, 0), (padding, padding), (padding, padding)))
    windows = np.empty((N, C, kh, kw, Ho, Wo), x.dtype)
    for i in range(kh):
        for j in range(kw):
            windows[:, :, i, j] = x[:, :, i:i + Ho, j:j + Wo]
    return windows.transpose(0, 4, 5, 1, 2, 3).reshape(N * Ho * Wo, C * kh * kw)


def rows2im(rows: Array, x_shape: Shape, kh: int, kw: int, padding: int) -> Array:
    """Add each row to the pixels of its window: (N*Ho*Wo, C*kh*kw) becomes (N, C, H, W)."""
    N, C, H, W = x_shape
    Ho, Wo = H + 2 * padding - kh + 1, W + 2 * padding - kw + 1
    windows = rows.reshape(N, Ho, Wo, C, kh, kw).transpose(0, 3, 4, 5, 1, 2)    # (N, C, kh, kw, Ho, Wo)
    x = np.zeros((N, C, H + 2 * padding, W + 2 * padding), rows.dtype)
    for i in range(kh):
        for j in range(kw):
            x[:, :, i:i + Ho, j:j + Wo] += windows[:, :, i, j]
    return x[:, :, padding:padding + H, padding:padding + W]


def forward(x: Array, weight: Array, bias: Array, padding: int) -> tuple[Array, Array]:
    """Return y (N, O, Ho, Wo) for x (N, C, H, W), weight (O, C, kh, kw) and bias (O,); and the rows for `backward`."""
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


Gradients = tuple[Array, Array]    # dx and dweight


class Case(NamedTuple):
    """A 3x3 convolution that keeps height and width, and its input."""

    N: int
    C: int
    O: int  # noqa: E741
    size: int


CASES = (Case(8, 64, 128, 64), Case(8, 16, 32, 32))
QUICK = (Case(2, 3, 4, 8),)


def candidates(case: Case, torch: Any) -> dict[str, Callable[[], Gradients]]:
    """Return the functions to compare; each computes y from x, and dx, dweight and dbias from dy."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(case.N, case.C, case.size, case.size)).astype(np.float32)
    dy = rng.normal(size=(case.N, case.O, case.size, case.size)).astype(np.float32)
    layer = Conv2d(case.C, case.O, 3, padding=1, init="torch", rng=rng)
    assert layer.bias is not None
    weight, bias = layer.weight.data, layer.bias.data
    our_x, our_dy = layout.channel_major(x), layout.channel_major(dy)    # as neighboring layers leave them

    def of_textbook() -> Gradients:
        _, rows = forward(x, weight, bias, padding=1)
        return backward(dy, rows, x.shape, weight, padding=1)[:2]

    def ours() -> Gradients:
        layer.zero_grad()
        layer.forward(our_x)
        return layer.backward(our_dy), layer.weight.grad

    found: dict[str, Callable[[], Gradients]] = {"textbook": of_textbook, "ours": ours}
    for variant in pytorch.VARIANTS if torch else ():
        found[variant] = _torch_candidate(torch, variant, layer, x, dy)
    return found


def _torch_candidate(torch: Any, variant: str, layer: Conv2d, x: Array, dy: Array) -> Callable[[], Gradients]:
    rival = pytorch.twin(torch, layer)
    pytorch.copy_weights(torch, layer, rival)
    rival, inputs = pytorch.as_variant(torch, variant, rival, x)
    _, upstream = pytorch.as_variant(torch, variant, rival, dy)
    inputs.requires_grad_()

    def run() -> Gradients:
        dx, dweight, _ = torch.autograd.grad(rival(inputs), [inputs, rival.weight, rival.bias], upstream)
        return dx.numpy(), dweight.numpy()

    return run


def measure(seconds: float, torch: Any, cases: tuple[Case, ...] = CASES) -> list[Result]:
    """Return a row of numbers for each case."""
    rows = []
    for case in cases:
        say(f"textbook convolution, {case.N} images, {case.C} to {case.O} channels, {case.size} x {case.size} pixels")
        functions = candidates(case, torch)
        gradients = {name: function() for name, function in functions.items()}
        for i, what in enumerate(("dx", "dweight")):
            refuse_differences(f"{what}, {case}", {name: pair[i] for name, pair in gradients.items()}, 1e-4)
        found = summary(interleave(functions, seconds))
        rows.append({**case._asdict(), **found, "textbook_ratio": found["ms"]["textbook"] / found["ms"]["ours"]})
    return rows


def show(rows: list[Result]) -> str:
    """Return the section as text."""
    labels = pytorch.LABELS | {"textbook": "textbook"}
    names = list(rows[0]["ms"])
    head = ["channels", "input", *(f"{labels[name]} ms" for name in names), "textbook / minidl", "ratio"]
    body = [[f"{row['C']} to {row['O']}", " x ".join(str(row[k]) for k in ("N", "C", "size", "size")),
             *(row["ms"][name] for name in names), row["textbook_ratio"], row["ratio"]] for row in rows]
    return ("## A convolution, and the textbook's\n\nOne 3x3 convolution, forward and backward, medians. The ratio is "
            f"minidl's time divided by that of the better PyTorch variant.\n\n{table(head, body)}")
