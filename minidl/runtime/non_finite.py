"""Where NaN or infinity came from, when a loss is one of them."""
from collections.abc import Callable
from typing import Any

import numpy as np

from minidl.types import Array


def explain_non_finite(model: Any, optimizer: Any, x: Array, value: float) -> None:
    """Raise the error that says where NaN or infinity first appeared."""
    if not np.isfinite(x).all():
        sample = int(np.argwhere(~np.isfinite(x))[0][0])
        raise ValueError(f"step {optimizer.steps}: sample {sample} of the batch contains NaN or infinite values")
    raise FloatingPointError(f"the loss is {value} at step {optimizer.steps} with learning rate {optimizer.lr:g}; NaN "
                             f"or infinity first appeared in {first_non_finite(model, x)}. A lower learning rate often "
                             "helps.")


def first_non_finite(model: Any, x: Array) -> str:
    """Return which parameter, or else which layer's output, is the first to hold NaN or infinity for this x."""
    for name, parameter in model.named_parameters():
        if not np.isfinite(parameter.data).all():
            return f"the parameter {name}"
    found: list[str] = []
    leaves = [(name, layer) for name, layer in model.walk() if not layer.children()]

    def watch(name: str, layer: Any) -> Callable[[Array], Array]:
        def forward(x: Array) -> Array:
            y = type(layer).forward(layer, x)
            if not np.isfinite(y).all():
                found.append(f"the output of layer {name}, {layer!r}" if name else f"the output of {layer!r}")
            return y
        return forward

    for name, layer in leaves:
        vars(layer)["forward"] = watch(name, layer)     # for this one pass, instead of the class's method
    try:
        model.forward(x)
    finally:
        for _, layer in leaves:
            del vars(layer)["forward"]
    return found[0] if found else "the loss itself"
