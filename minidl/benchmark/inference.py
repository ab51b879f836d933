"""Time the U-Net's forward pass in eval mode, beside PyTorch's."""
from collections.abc import Callable
from typing import Any

from minidl.benchmark import pytorch
from minidl.benchmark.options import Config, say
from minidl.benchmark.steps import Result, images, summary
from minidl.benchmark.timing import interleave, refuse_differences
from minidl.layers.folding import fold_batchnorm
from minidl.models import unet
from minidl.runtime.format import table
from minidl.step import predict
from minidl.types import Array

LABELS = pytorch.LABELS | {"folded": "minidl folded"}


def measure(configs: tuple[Config, ...], seconds: float, torch: Any) -> list[Result]:
    """Return a row of numbers for each configuration."""
    rows = []
    for config in configs:
        say(f"inference, {config}")
        candidates = predictors(config, torch)
        refuse_differences(f"logits, {config}", {name: predict() for name, predict in candidates.items()}, 1e-3)
        rows.append({**config._asdict(), **summary(interleave(candidates, seconds))})
    return rows


def predictors(config: Config, torch: Any) -> dict[str, Callable[[], Array]]:
    """Return the functions to compare: each computes the same logits."""
    model, (x, _) = unet(config.width, rng=0), images(config)
    model.forward(x)                                # for running statistics that are not just 0 and 1
    model.eval()
    folded = fold_batchnorm(model)
    candidates = {"ours": lambda: predict(model, x), "folded": lambda: predict(folded, x)}
    for variant in pytorch.VARIANTS if torch else ():
        rival = pytorch.twin(torch, model)
        pytorch.copy_weights(torch, model, rival)
        candidates[variant] = pytorch.predictor(torch, variant, rival, x)
    return candidates


def show(rows: list[Result]) -> str:
    """Return the section as text."""
    names = list(rows[0]["ms"])
    head = ["width", "size", "batch", *(f"{LABELS[name]} ms" for name in names), "ratio"]
    body = [[row["width"], row["size"], row["batch"], *(row["ms"][name] for name in names), row["ratio"]]
            for row in rows]
    return ("## Inference\n\nForward pass in eval mode, medians. The ratio is that of minidl without folding to the "
            f"better PyTorch variant.\n\n{table(head, body)}")
