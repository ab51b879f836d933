"""Which model are these weights of? Their names and shapes tell.

A file of weights holds names and arrays, and nothing about the layers between them. But each of the deck's models has
names of its own: a `Skip` puts an "inner" into them, a pooling or an upsampling leaves out a number. So each is tried,
until one has just the names and shapes of the file. No code is read from the file, and none could be.
"""
import os
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from pathlib import Path

import numpy as np

from minidl.checkpoint import model_arrays
from minidl.layers import Layer
from minidl.models import encoder_decoder, fcn, pixelwise, unet
from minidl.runtime.npz import load_arrays, trained_size
from minidl.types import Array

PETS = Path(__file__).resolve().parent / "weights" / "unet_pets.npz"    # comes with minidl
SIZE = 64                # of the pictures a model was trained on if its file does not tell: the lessons' own
CLASSES_MOST = 255       # a mask has a byte a pixel, and 0 is no class there
KERNEL_MOST = 99         # nobody has larger kernels; it keeps `shapes_at` from making enormous ones

Shapes = dict[str, tuple[int, ...]]


def open_model(path: str | os.PathLike[str] = PETS) -> tuple[Layer, int]:
    """Build the model that a file's weights belong to, and load them.

    Parameters
    ----------
    path : path
        An .npz file: from `save_weights`, a training's checkpoint (``last.npz``), or a PyTorch `state_dict` of the
        same layers, saved with ``numpy.savez``. By default, the weights that come with minidl.

    Returns
    -------
    model : Layer
        In eval mode. Takes (N, 3, H, W), returns logits (N, classes, H, W).
    size : int
        Side of the pictures it was trained on, in pixels; 64 if the file does not tell.

    Raises
    ------
    OSError, ValueError
        As `load_arrays`; also ValueError if the weights are of none of the models that are known, or not finite.
    """
    state = model_arrays(load_arrays(path))
    shapes = {name: array.shape for name, array in state.items()}
    try:
        model = build(shapes)
        with np.errstate(over="ignore", invalid="ignore"):       # what float32 cannot hold becomes infinite,
            model.load_state_dict(state)
        refuse_infinite(model.state_dict())                      # and is refused here
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from error
    trained = trained_size(path)
    return model.eval(), SIZE if trained is None else round((trained[0] * trained[1]) ** 0.5)


def build(shapes: Shapes) -> Layer:
    """Build the model of the deck whose `state_dict` has these names and shapes; ValueError if there is none."""
    first = shapes.get("0.weight", ())
    if len(first) != 4 or first[1] != 3 or not first[0]:
        raise ValueError(f"expected the weights of a model that begins with a convolution of 3 channels, 0.weight of "
                         f"shape (width, 3, k, k), got {first or 'no 0.weight'} among {len(shapes)} arrays")
    width, classes = first[0], last_channels(shapes)
    if not 2 <= classes <= CLASSES_MOST:
        raise ValueError(f"expected a model that ends in 2 to {CLASSES_MOST} classes, got {classes}")
    for builder in builders(shapes):
        if shapes_at(builder, width, classes) == shapes:
            return builder(width, classes)
    raise ValueError("these are the weights of none of the models unet, encoder_decoder, fcn and pixelwise (as "
                     "minidl.models builds them). Those of another model can be loaded by minidl.checkpoint."
                     "load_weights, and used with minidl.predict.segment")


def last_channels(shapes: Shapes) -> int:
    """Return how many channels leave the last layer that has a weight: as many as there are classes."""
    last = max((int(name[:-len(".weight")]) for name in shapes if name.endswith(".weight")
                and name[:-len(".weight")].isdecimal()), default=-1)
    shape = shapes.get(f"{last}.weight", ())
    return shape[0] if shape else 0


def builders(shapes: Shapes) -> Iterator[Callable[..., Layer]]:
    """Yield functions of width and classes that build a model, each with its other settings filled in."""
    yield unet
    yield encoder_decoder
    for stride in (8, 16, 32):
        yield partial(fcn, stride)
    kernels = [shape[2:] for name, shape in shapes.items() if name.endswith(".weight") and len(shape) == 4]
    if kernels[1:] and all(kh == kw <= KERNEL_MOST for kh, kw in kernels):
        yield partial(pixelwise, [k for k, _ in kernels[:-1]])   # the last convolution, 1 x 1, is no block


def shapes_at(builder: Callable[..., Layer], width: int, classes: int) -> Shapes:
    """Return the names and shapes of a model's `state_dict`, without building it.

    Every side of every weight is a linear function of the width: two narrow models tell its two coefficients. So a file
    that claims a width of a million costs no memory.
    """
    one, two = (builder(narrow, classes).state_dict() for narrow in (1, 2))
    return {name: tuple(a + (width - 1) * (b - a) for a, b in zip(one[name].shape, two[name].shape)) for name in one}


def refuse_infinite(state: Mapping[str, Array]) -> None:
    """Raise a ValueError if some weight is NaN or infinite."""
    broken = [name for name, array in state.items() if not np.isfinite(array).all()]
    if broken:
        raise ValueError(f"expected finite weights, got NaN or infinity in {', '.join(broken[:5])}"
                         + (", ..." if len(broken) > 5 else ""))
