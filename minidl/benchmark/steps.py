"""Time a training step of the deck's U-Net, beside PyTorch's."""
import copy
import functools
from collections.abc import Callable
from typing import Any

import numpy as np

from minidl.benchmark import pytorch
from minidl.benchmark.options import Config, say
from minidl.benchmark.timing import Timing, interleave, refuse_differences
from minidl.layers import Layer
from minidl.loss import CrossEntropyLoss
from minidl.models import unet
from minidl.optim import Adam
from minidl.parallel import DataParallel
from minidl.runtime.format import table
from minidl.runtime.threads import blas_threads, get_num_threads
from minidl.step import train_step
from minidl.types import Array

Result = dict[str, Any]
LABELS = {"one": "minidl, one process"} | pytorch.LABELS
# Relative, of the first loss, which proves the forward pass, and the second, which proves backward pass and optimizer.
# There, rounding counts for more: Adam takes steps of the same size along gradients that are almost 0.
LOSS_TOLERANCES = (1e-4, 1e-3)


def images(config: Config) -> tuple[Array, Array]:
    """Return a batch of noise (N, 3, H, W) and random labels (N, H, W): the time does not depend on the values."""
    rng = np.random.default_rng(0)
    shape = (config.batch, config.size, config.size)
    return rng.random((config.batch, 3, config.size, config.size), np.float32), rng.integers(0, 3, shape)


def trainer(model: Layer, x: Array, labels: Array) -> Callable[[], float]:
    """Return a function that does one training step with cross entropy and Adam, and returns the loss before it."""
    loss, optimizer = CrossEntropyLoss(), Adam(model.parameters(), 1e-3)
    return lambda: train_step(model, loss, optimizer, x, labels)


def team_of(model: Layer, workers: int) -> DataParallel:
    """Return a team that trains with cross entropy and Adam, as `trainer` does."""
    return DataParallel(model, CrossEntropyLoss(), Adam(model.parameters(), 1e-3), workers)


def measure(configs: tuple[Config, ...], seconds: float, torch: Any) -> list[Result]:
    """Return a row of numbers for each configuration."""
    rows = []
    for config in configs:
        say(f"training steps, {config}")
        model, (x, labels), threads = unet(config.width, rng=0), images(config), get_num_threads()
        candidates = {"one": with_blas_threads(threads, trainer(copy.deepcopy(model), x, labels))}
        for variant in pytorch.VARIANTS if torch else ():
            rival = pytorch.twin(torch, model)
            pytorch.copy_weights(torch, model, rival)
            candidates[variant] = pytorch.trainer(torch, variant, rival, x, labels)
        with team_of(model, min(threads, config.batch)) as team:
            candidates = {"ours": functools.partial(team.step, x, labels)} | candidates
            losses = {name: [step(), step()] for name, step in candidates.items()}
            for i, tolerance in enumerate(LOSS_TOLERANCES):
                refuse_differences(f"loss of step {i + 1}, {config}", {name: pair[i] for name, pair in losses.items()},
                                   tolerance)
            times = interleave(candidates, seconds)
        rows.append({**config._asdict(), "first_losses": losses, **summary(times),
                     "images_per_second": {name: config.batch / t.median for name, t in times.items()}})
    return rows


def with_blas_threads(threads: int, step: Callable[[], float]) -> Callable[[], float]:
    """Return a function that does the step with its matrix products in so many threads."""
    def run() -> float:
        with blas_threads(threads):
            return step()
    return run


def summary(times: dict[str, Timing]) -> Result:
    """Return medians and quartiles in ms, the number of calls, and the ratio to the best of PyTorch's variants."""
    others = [times[name].median for name in pytorch.VARIANTS if name in times]
    return {"ms": {name: 1000 * t.median for name, t in times.items()},
            "quartiles_ms": {name: [1000 * t.low, 1000 * t.high] for name, t in times.items()},
            "calls": {name: t.count for name, t in times.items()},
            "ratio": times["ours"].median / min(others) if others else None}


def show(rows: list[Result], title: str = "A training step of the U-Net") -> str:
    """Return the section as text."""
    names = list(rows[0]["ms"])
    rates = ["minidl images/s", *(["best PyTorch images/s"] if len(names) > 2 else [])]
    head = ["width", "size", "batch", *(f"{LABELS[name]} ms" for name in names), "ratio", *rates, "first loss"]
    body: list[list[Any]] = []
    for row in rows:
        ours, _, *others = (row["images_per_second"][name] for name in names)
        body.append([row["width"], row["size"], row["batch"], *(row["ms"][name] for name in names), row["ratio"], ours,
                     *([max(others)] if others else []), f"{row['first_losses']['ours'][0]:.5f}"])
    agree = f" The first two losses of all agree, to {LOSS_TOLERANCES[0]:g} and {LOSS_TOLERANCES[1]:g}."
    return (f"## {title}\n\nMedians. minidl trains with a process for each thread; \"one process\" has its matrix "
            "products in as many threads. The ratio is minidl's time divided by that of the better PyTorch variant: "
            f"below 1, minidl is faster.{agree}\n\n{table(head, body)}")
