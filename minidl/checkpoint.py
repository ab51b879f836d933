"""Arrays by name in one .npz file: written so that nothing is lost, read so that nothing is trusted."""
import os
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import DTypeLike

from minidl.layers.base import Layer
from minidl.runtime.npz import load_arrays, save_arrays
from minidl.types import Array


def save_weights(path: str | os.PathLike[str], model: Layer, size: tuple[int, int] | None = None,
                 dtype: DTypeLike | None = None) -> Path:
    """Write a model's `state_dict` as .npz.

    Parameters
    ----------
    path : path
    model : Layer
    size : (int, int), optional
        See `save_arrays`.
    dtype : floating-point dtype, optional
        Of the arrays in the file; ``"float16"`` halves it, and keeps 11 bits of each number. Loading converts back.
    """
    state = model.state_dict()
    if dtype is not None:
        state = {name: array.astype(dtype) if array.dtype.kind == "f" else array for name, array in state.items()}
    return save_arrays(path, state, size)


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
    """Return the model's part of the arrays in a training's checkpoint; of plain weights, all."""
    if not any(name.startswith("model/") for name in arrays):
        return dict(arrays)
    return {name[len("model/"):]: array for name, array in arrays.items() if name.startswith("model/")}
