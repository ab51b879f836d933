"""How close the convolutions come to the speed of the matrix product."""
import time
from typing import Any

import numpy as np

from minidl.benchmark.options import say
from minidl.benchmark.steps import Result
from minidl.benchmark.tables import percent, table
from minidl.benchmark.where import Profile
from minidl.layers import Conv2d
from minidl.layers.base import Shape


def forward_flop(layer: Conv2d, input_shape: Shape) -> int:
    """Return the operations of the textbook formula, two (multiply, add) for each weight at each place of y.

    >>> forward_flop(Conv2d(2, 5, 3, padding=1), (1, 2, 4, 4)) == 2 * (5 * 2 * 3 * 3) * (4 * 4)
    True
    """
    N, _, Ho, Wo = layer.output_shape(input_shape)
    return 2 * layer.weight.data.size * N * Ho * Wo


def step_flop(layer: Conv2d, input_shape: Shape, needs_dx: bool) -> int:
    """Return the operations of forward, dw and, where asked for, dx: each has as many as the forward pass."""
    return forward_flop(layer, input_shape) * (3 if needs_dx else 2)


def matmul_peak(sizes: tuple[int, ...] = (1024, 2048, 3072), repeats: int = 4) -> float:
    """Return operations a second of the fastest of several products of large float32 matrices."""
    rng, best = np.random.default_rng(0), 0.0
    for n in sizes:
        a, b, product = (rng.random((n, n), np.float32) for _ in range(3))
        for _ in range(repeats):
            started = time.perf_counter()
            np.matmul(a, b, out=product)
            best = max(best, 2 * n**3 / (time.perf_counter() - started))
    return best


def measure(profile: Profile, quick: bool) -> Result:
    """Return a row of numbers for each convolution of the profile, and one for all of them."""
    say("the matrix product's peak")
    peak = matmul_peak((64, 128)) if quick else matmul_peak()
    rows, flop, seconds = [], 0, 0.0
    for name, layer in profile.layers.items():
        if isinstance(layer, Conv2d):
            shape = profile.input_shapes[name]
            layer_flop = step_flop(layer, shape, needs_dx=profile.of(name, "backward_parameters") == 0)
            layer_seconds = profile.of(name, "")
            channels = f"{layer.in_channels} to {layer.out_channels}"
            rows.append({"layer": channels, "input": list(shape), **_speed(layer_flop, layer_seconds, peak)})
            flop, seconds = flop + layer_flop, seconds + layer_seconds
    return {**profile.config._asdict(), "peak_gflop_per_second": peak / 1e9, "convolutions": rows,
            "total": _speed(flop, seconds, peak)}


def _speed(flop: int, seconds: float, peak: float) -> dict[str, Any]:
    return {"gflop": flop / 1e9, "ms": 1000 * seconds, "gflop_per_second": flop / seconds / 1e9,
            "share_of_peak": flop / seconds / peak}


def show(result: Result) -> str:
    """Return the section as text."""
    def numbers(row: Result) -> list[Any]:
        return [row["gflop"], row["ms"], row["gflop_per_second"], percent(row["share_of_peak"])]

    body = [[row["layer"], " x ".join(map(str, row["input"])), *numbers(row)] for row in result["convolutions"]]
    body.append(["all", None, *numbers(result["total"])])
    return ("## The convolutions against the matrix product\n\nForward and backward of one step. Counted are the "
            "multiplications and additions of the textbook formula; an algorithm that needs fewer may exceed the peak. "
            f"The peak, {result['peak_gflop_per_second']:.0f} GFLOP/s, is the best of several large products.\n\n"
            + table(["channels", "input", "GFLOP", "ms", "GFLOP/s", "of peak"], body))
