"""From a file of weights to the model that they belong to.

The file says which function of `minidl.models` built the model, and with which arguments (`minidl.runtime.built_by`).
Weights from PyTorch do not say it; then the caller does. No code is read from the file.
"""
import inspect
import json
import math
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from minidl.checkpoint import model_arrays
from minidl.layers import Layer
from minidl.models import encoder_decoder, fcn, pixelwise, unet
from minidl.runtime.npz import load_arrays
from minidl.types import Array

PETS = Path(__file__).resolve().parent / "weights" / "unet_pets.npz"    # comes with minidl
SIZE = 64                # of the images a model was trained on if its file does not say: the lessons' own
CLASSES_MOST = 255       # a mask has one byte per pixel, and 0 is not a class there
KERNEL_MOST, KERNELS_MOST = 99, 16
BUILDERS: dict[str, Callable[..., Layer]] = {"unet": unet, "encoder_decoder": encoder_decoder, "fcn": fcn,
                                             "pixelwise": pixelwise}    # all that segment images of any size


def open_model(path: str | os.PathLike[str] = PETS, builder: str | None = None, **arguments: Any) -> tuple[Layer, int]:
    """Build the model that a file's weights belong to, and load them.

    Parameters
    ----------
    path : path
        An .npz file: from `save_weights`, a training's checkpoint (``last.npz``), or a PyTorch `state_dict` of the
        same layers, saved with ``numpy.savez``. By default, the weights that come with minidl.
    builder : {"unet", "encoder_decoder", "fcn", "pixelwise"}, optional
        For a file that does not say which model it belongs to.
    **arguments
        Of the builder, such as ``width=16, classes=3``.

    Returns
    -------
    model : Layer
        In eval mode. Takes (N, 3, H, W), returns logits (N, classes, H, W).
    size : int
        Side of the images it was trained on, in pixels; 64 if the file does not say.

    Raises
    ------
    OSError, ValueError
        As `load_arrays`.
    ValueError
        If neither the file nor the caller says which model it is, or the weights are another's or not finite.
    """
    arrays = load_arrays(path)
    try:
        said = read_text(arrays)
        if builder is None and not said:
            raise ValueError("the file does not say which model its weights belong to. Give --model unet --width 16 "
                             '--classes 3, or open_model(path, "unet", width=16, classes=3) in a program; the models '
                             f"are {', '.join(BUILDERS)}")
        if builder is None:
            builder, arguments = said["builder"], said["arguments"]
        state = model_arrays(arrays)
        model = build(builder, arguments, state)                 # `load_state_dict` lists what does not fit
        with np.errstate(over="ignore", invalid="ignore"):       # what float32 cannot hold becomes infinite,
            model.load_state_dict(state)
        broken = [name for name, array in model.state_dict().items() if not np.isfinite(array).all()]
        if broken:                                               # and is refused here
            raise ValueError(f"expected finite weights, got NaN or infinity in {', '.join(broken[:5])}")
        return model.eval(), said.get("image_size", SIZE)
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from error


def read_text(arrays: Mapping[str, Array]) -> dict[str, Any]:
    """Return builder, arguments and image_size (one side) as the text in a file says them; {} if it has no text."""
    if "built_by" not in arrays:
        return {}
    text = str(arrays["built_by"])
    try:
        said = json.loads(text)
        H, W = said.get("image_size", (SIZE, SIZE))
        if not (type(H) is type(W) is int and 1 <= H <= 10**5 and 1 <= W <= 10**5):
            raise ValueError("image_size")
        return {"builder": str(said["builder"]), "arguments": dict(said["arguments"]),
                "image_size": round(math.sqrt(H * W))}
    except (AttributeError, KeyError, RecursionError, TypeError, ValueError) as error:
        raise ValueError("expected a text on the model with builder, arguments and image_size, as save_weights "
                         f"writes it, got {text[:200]!r}") from error


def build(name: str, arguments: dict[str, Any], state: Mapping[str, Array]) -> Layer:
    """Build a model, unless its first or last weights do not fit the file: forged numbers must not fill the memory."""
    if name not in BUILDERS:
        raise ValueError(f"expected a model that segments images of any size, one of {', '.join(BUILDERS)}; got {name}")
    try:
        bound = inspect.signature(BUILDERS[name]).bind(**arguments)
        bound.apply_defaults()
        full = bound.arguments | {"rng": 0}
        kernels = full.get("kernel_sizes", ())
        if full["in_channels"] != 3 or not 2 <= full["classes"] <= CLASSES_MOST:
            raise ValueError(f"expected a model with 3 input channels and 2 to {CLASSES_MOST} classes")
        if len(kernels) > KERNELS_MOST or max(kernels, default=0) > KERNEL_MOST:
            raise ValueError(f"expected at most {KERNELS_MOST} kernel sizes of at most {KERNEL_MOST}")
        layers = {int(layer): array for layer, array in ((key.split(".")[0], array) for key, array in state.items())
                  if layer.isdecimal()}
        ends = [len(np.atleast_1d(layers[layer])) for layer in (min(layers, default=0), max(layers, default=0))
                if layers]
        if [full["width"], full["classes"]] != ends:
            raise ValueError("expected width and classes to be the outputs of the file's first and last layers, "
                             f"{' and '.join(map(str, ends))}")
        return BUILDERS[name](**full)
    except (TypeError, ValueError) as error:
        raise ValueError(f"{name} with the arguments {arguments!r:.200}: {error}") from error
