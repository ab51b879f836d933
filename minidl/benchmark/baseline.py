"""Time single convolutions, forward and backward: the textbook's, minidl's and PyTorch's."""
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from minidl import slabs
from minidl.benchmark import rivals, textbook
from minidl.benchmark.options import say
from minidl.benchmark.steps import Result, summary
from minidl.benchmark.tables import table
from minidl.benchmark.timing import interleave
from minidl.layers import Conv2d
from minidl.slabs import Array

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
    our_x, our_dy = slabs.channel_major(x), slabs.channel_major(dy)    # as the layers before and behind leave them

    def of_textbook() -> Gradients:
        _, rows = textbook.forward(x, weight, bias, padding=1)
        return textbook.backward(dy, rows, x.shape, weight, padding=1)[:2]

    def ours() -> Gradients:
        layer.zero_grad()
        layer.forward(our_x)
        return layer.backward(our_dy), layer.weight.grad

    found: dict[str, Callable[[], Gradients]] = {"textbook": of_textbook, "ours": ours}
    for variant in rivals.VARIANTS if torch else ():
        found[variant] = _torch_candidate(torch, variant, layer, x, dy)
    return found


def _torch_candidate(torch: Any, variant: str, layer: Conv2d, x: Array, dy: Array) -> Callable[[], Gradients]:
    rival = rivals.twin(torch, layer)
    rivals.copy_weights(torch, layer, rival)
    rival, inputs = rivals.as_variant(torch, variant, rival, x)
    _, upstream = rivals.as_variant(torch, variant, rival, dy)
    inputs.requires_grad_()

    def run() -> Gradients:
        dx, dweight, _ = torch.autograd.grad(rival(inputs), [inputs, rival.weight, rival.bias], upstream)
        return dx.numpy(), dweight.numpy()

    return run


def measure(seconds: float, torch: Any, cases: tuple[Case, ...] = CASES) -> list[Result]:
    """Return a row of numbers for each case."""
    rows = []
    for case in cases:
        say(f"textbook convolution, {case.N} pictures, {case.C} to {case.O} channels, {case.size} x {case.size} pixels")
        functions = candidates(case, torch)
        refuse_differences(case, {name: function() for name, function in functions.items()})
        found = summary(interleave(functions, seconds))
        rows.append({**case._asdict(), **found, "textbook_ratio": found["ms"]["textbook"] / found["ms"]["ours"]})
    return rows


def refuse_differences(case: Case, found: dict[str, Gradients]) -> None:
    """Raise RuntimeError unless all gradients agree: the times of different computations cannot be compared."""
    for name, gradients in found.items():
        for what, a, b in zip(("dx", "dweight"), gradients, found["ours"]):
            if not np.abs(a - b).max() <= 1e-4 * np.abs(b).max():
                raise RuntimeError(f"{case}: {what} of {name} differs from minidl's")


def show(rows: list[Result]) -> str:
    """Return the section as text."""
    labels = rivals.LABELS | {"textbook": "textbook"}
    names = list(rows[0]["ms"])
    head = ["channels", "input", *(f"{labels[name]} ms" for name in names), "textbook / minidl", "ratio"]
    body = [[f"{row['C']} to {row['O']}", " x ".join(str(row[k]) for k in ("N", "C", "size", "size")),
             *(row["ms"][name] for name in names), row["textbook_ratio"], row["ratio"]] for row in rows]
    return ("## A convolution, and the textbook's\n\nOne 3x3 convolution, forward and backward, medians. The ratio is "
            f"minidl's time divided by that of the better PyTorch variant.\n\n{table(head, body)}")
