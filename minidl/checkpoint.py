"""Arrays by name in one .npz file: written so that nothing is lost, read so that nothing is trusted."""
import json
import os
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import DTypeLike

from minidl.layers.base import Layer
from minidl.runtime.npz import load_arrays, save_arrays
from minidl.types import Array


def save_weights(path: str | os.PathLike[str], model: Layer, image_size: tuple[int, int] | None = None,
                 dtype: DTypeLike | None = None) -> Path:
    """Write a model's `state_dict` as .npz, and how the model was built (see `how_built`).

    Parameters
    ----------
    path : path
    model : Layer
    image_size : (int, int), optional
        Height and width of the images that it was trained on.
    dtype : floating-point dtype, optional
        Of the arrays in the file; ``"float16"`` halves it, and keeps 11 bits of each number. Loading converts back.
    """
    state = model.state_dict()
    if dtype is not None:
        state = {name: array.astype(dtype) if array.dtype.kind == "f" else array for name, array in state.items()}
    return save_arrays(path, state | how_built(model, image_size))


def how_built(model: Layer, image_size: tuple[int, int] | None = None) -> dict[str, Array]:
    """Return what a file says about a model beside its weights: {"built_by": a JSON text}.

    The text names the function of `minidl.models` that built the model, its arguments, and the size of the images:

        {"builder": "unet", "arguments": {"width": 16, "classes": 3, "in_channels": 3}, "image_size": [64, 64]}

    Empty for a model of other origin, and for one whose layers were changed afterwards: the builder would not build it.
    """
    built_by = getattr(model, "built_by", None)
    if built_by is None or built_by.layers != repr(model):
        return {}
    text = {"builder": built_by.builder, "arguments": built_by.arguments}
    if image_size is not None:
        text["image_size"] = list(image_size)
    return {"built_by": np.array(json.dumps(text))}


def load_weights(path: str | os.PathLike[str], model: Layer) -> None:
    """Read weights that `save_weights` wrote, or those in a training's checkpoint, into the model.

    Raises
    ------
    OSError, ValueError
        As `load_arrays`; also ValueError if the weights are of another model (the names that do not fit are listed).
    """
    state = model_arrays(load_arrays(path))
    try:
        with np.errstate(over="ignore", invalid="ignore"):      # what float32 cannot hold becomes infinite
            model.load_state_dict(state)
    except ValueError as error:
        raise ValueError(f"{path}: these are the weights of another model. {error}") from error


def model_arrays(arrays: Mapping[str, Array]) -> dict[str, Array]:
    """Return the `state_dict` in a file of weights or in a training's checkpoint."""
    if not any(name.startswith("model/") for name in arrays):
        return {name: array for name, array in arrays.items() if name != "built_by"}
    return {name[len("model/"):]: array for name, array in arrays.items() if name.startswith("model/")}
