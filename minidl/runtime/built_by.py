"""How a model was built: noted when that is done, and written into files of weights."""
import functools
import inspect
import json
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple, ParamSpec, TypeVar

import numpy as np

from minidl.types import Array

Given = ParamSpec("Given")
Model = TypeVar("Model")


class BuiltBy(NamedTuple):
    """Which function built a model, and how."""

    builder: str
    arguments: dict[str, Any]    # all but `rng`, as JSON knows them
    layers: str                  # the model's `repr` at that time; it differs after a layer was changed


def builder(function: Callable[Given, Model]) -> Callable[Given, Model]:
    """Make the models that a function builds remember how, as `model.built_by`.

    It goes into files of weights, so that a program that finds the file can build the model.
    """
    signature = inspect.signature(function)

    @functools.wraps(function)
    def build(*args: Given.args, **kwargs: Given.kwargs) -> Model:
        model = function(*args, **kwargs)
        bound = signature.bind(*args, **kwargs)
        bound.apply_defaults()
        arguments = {name: np.asarray(value).tolist() for name, value in bound.arguments.items() if name != "rng"}
        setattr(model, "built_by", BuiltBy(function.__name__, arguments, repr(model)))
        return model

    return build


def how_built(model: object, image_size: tuple[int, int] | None = None) -> dict[str, Array]:
    """Return what a file says about a model beside its weights: {"built_by": a JSON text}.

    The text names the function that built the model, its arguments, and the size of the images:

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


def builder_in(arrays: Mapping[str, Array]) -> str:
    """Return how the model of a file was built, as a part of a sentence; "" if the file does not say so."""
    try:
        built_by = json.loads(str(arrays["built_by"]))
        arguments = ", ".join(f"{name}={value!r}" for name, value in built_by["arguments"].items())
        return f", {built_by['builder']}({arguments})"
    except (AttributeError, LookupError, RecursionError, TypeError, ValueError):
        return ""
