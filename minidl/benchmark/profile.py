"""Where the time of a training step goes: each layer's own time, without that of the layers inside it."""
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from minidl.benchmark.options import Config, say
from minidl.benchmark.steps import Result, images
from minidl.layers import Conv2d, Layer, Sequential
from minidl.loss import CrossEntropyLoss, Loss
from minidl.models import unet
from minidl.optim import Adam, Optimizer
from minidl.runtime.format import percent, table
from minidl.step import train_step
from minidl.types import Shape


@dataclass
class Stopwatch:
    """The own time of functions that call each other: that in a method, but not in watched methods that it called."""

    clock: Callable[[], float] = time.perf_counter
    seconds: dict[tuple[str, str], float] = field(default_factory=lambda: defaultdict(float))    # by (name, method)
    input_shapes: dict[str, Shape] = field(default_factory=dict)    # of the last array that went forward into a layer
    inside: list[float] = field(default_factory=list)               # for each call under way: time in calls it made

    def watch(self, name: str, method: str, function: Callable[..., Any]) -> Callable[..., Any]:
        """Return a function that does the same and takes its own time."""
        def watched(*arguments: Any) -> Any:
            if method.startswith("forward"):
                self.input_shapes[name] = arguments[0].shape
            self.inside.append(0.0)
            started = self.clock()
            try:
                return function(*arguments)
            finally:
                gone = self.clock() - started
                self.seconds[name, method] += gone - self.inside.pop()
                if self.inside:
                    self.inside[-1] += gone
        return watched


@contextmanager
def watched(stopwatch: Stopwatch, model: Layer, loss: Loss, optimizer: Optimizer) -> Iterator[None]:
    """Have the stopwatch watch every layer's forward and backward, the loss and the optimizer, for a while."""
    objects: list[tuple[str, Any]] = [*model.walk("model"), ("loss", loss), ("optimizer", optimizer)]
    methods = {name: ("zero_grad", "step") if name == "optimizer" else
               tuple(m for m in dir(thing) if m.startswith(("forward", "backward"))) for name, thing in objects}
    try:
        for name, thing in objects:
            for method in methods[name]:
                vars(thing)[method] = stopwatch.watch(name, method, getattr(thing, method))
        yield
    finally:
        for name, thing in objects:
            for method in methods[name]:
                vars(thing).pop(method, None)    # the class's method comes back to light


@dataclass(frozen=True)
class Profile:
    """Mean seconds of a step and of its parts; `layers` has the layers by name, and "loss" and "optimizer"."""

    config: Config
    layers: dict[str, Any]
    step: float
    seconds: dict[tuple[str, str], float]
    input_shapes: dict[str, Shape]

    def of(self, name: str, direction: str) -> float:
        """Return the own seconds of a layer's methods of one direction: "forward", "backward", or "" for all."""
        return sum(s for (owner, method), s in self.seconds.items() if owner == name and method.startswith(direction))


def measure(config: Config, seconds: float) -> Profile:
    """Do training steps under watch for `seconds`, at least two, after two without."""
    say(f"where the time goes, {config}")
    model, (x, labels) = unet(config.width, rng=0), images(config)
    loss, optimizer, stopwatch, steps = CrossEntropyLoss(), Adam(model.parameters()), Stopwatch(), 0
    for _ in range(2):
        train_step(model, loss, optimizer, x, labels)
    started = time.perf_counter()
    with watched(stopwatch, model, loss, optimizer):
        while steps < 2 or time.perf_counter() - started < seconds:
            train_step(model, loss, optimizer, x, labels)
            steps += 1
    step = (time.perf_counter() - started) / steps
    layers: dict[str, Any] = dict(model.walk("model")) | {"loss": loss, "optimizer": optimizer}
    return Profile(config, layers, step, {key: s / steps for key, s in stopwatch.seconds.items()},
                   stopwatch.input_shapes)


def by_kind(profile: Profile) -> list[Result]:
    """Return ms forward, backward and in all for each kind of layer, the loss, the optimizer and all the rest."""
    kinds: dict[str, Result] = {}
    for name, layer in profile.layers.items():
        if isinstance(layer, Sequential):
            continue                             # only hands arrays on: part of the rest
        kind = name if name in ("loss", "optimizer") else type(layer).__name__
        row = kinds.setdefault(kind, {"kind": kind, "forward_ms": 0.0, "backward_ms": 0.0, "ms": 0.0})
        row["forward_ms"] += 1000 * profile.of(name, "forward")
        row["backward_ms"] += 1000 * profile.of(name, "backward")
        row["ms"] += 1000 * profile.of(name, "")
    kinds["optimizer"] |= {"forward_ms": None, "backward_ms": None}
    rows = sorted(kinds.values(), key=lambda row: 0 if row["kind"] in ("loss", "optimizer") else -row["ms"])
    rest = 1000 * profile.step - sum(row["ms"] for row in rows)
    rows.append({"kind": "rest", "forward_ms": None, "backward_ms": None, "ms": rest})
    return [row | {"share": row["ms"] / (1000 * profile.step)} for row in rows]


def as_result(profile: Profile) -> Result:
    return {**profile.config._asdict(), "step_ms": 1000 * profile.step, "kinds": by_kind(profile)}


def show(result: Result) -> str:
    """Return the section as text."""
    body = [[row["kind"], row["forward_ms"], row["backward_ms"], row["ms"], percent(row["share"], 1)]
            for row in result["kinds"]]
    body.append(["whole step", None, None, result["step_ms"], percent(1, 1)])
    config = Config(result["width"], result["size"], result["batch"])
    return (f"## Where the time goes\n\nminidl, {config}. Each kind of layer's own time: Skip's is that of its "
            "concatenation, without the layers inside.\n\n"
            + table(["kind", "forward ms", "backward ms", "both ms", "share"], body))


def step_flop(layer: Conv2d, input_shape: Shape, needs_dx: bool) -> int:
    """Return the operations of forward, dw and, where asked for, dx, by the textbook formula.

    Each has two (multiply, add) for each weight at each position of y.

    >>> step_flop(Conv2d(2, 5, 3, padding=1), (1, 2, 4, 4), needs_dx=True) == 3 * 2 * (5 * 2 * 3 * 3) * (4 * 4)
    True
    """
    N, _, Ho, Wo = layer.output_shape(input_shape)
    return (3 if needs_dx else 2) * 2 * layer.weight.data.size * N * Ho * Wo


def matmul_peak(sizes: tuple[int, ...] = (1024, 2048, 3072), repeats: int = 4) -> float:
    """Return operations per second of the fastest of several products of large float32 matrices."""
    rng, best = np.random.default_rng(0), 0.0
    for n in sizes:
        a, b, product = (rng.random((n, n), np.float32) for _ in range(3))
        for _ in range(repeats):
            started = time.perf_counter()
            np.matmul(a, b, out=product)
            best = max(best, 2 * n**3 / (time.perf_counter() - started))
    return best


def measure_convolutions(profile: Profile, quick: bool) -> Result:
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


def show_convolutions(result: Result) -> str:
    """Return the section as text."""
    def numbers(row: Result) -> list[Any]:
        return [row["gflop"], row["ms"], row["gflop_per_second"], percent(row["share_of_peak"], 1)]

    body = [[row["layer"], " x ".join(map(str, row["input"])), *numbers(row)] for row in result["convolutions"]]
    body.append(["all", None, *numbers(result["total"])])
    return ("## The convolutions against the matrix product\n\nForward and backward of one step. Counted are the "
            "multiplications and additions of the textbook formula; an algorithm that needs fewer may exceed the peak. "
            f"The peak, {result['peak_gflop_per_second']:.0f} GFLOP/s, is the best of several large products.\n\n"
            + table(["channels", "input", "GFLOP", "ms", "GFLOP/s", "of peak"], body))
