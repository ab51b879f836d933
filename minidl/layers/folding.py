"""fold_batchnorm: batch norm in use is a scale and a shift, and a convolution can do both."""
import copy
from typing import TypeVar

import numpy as np

from minidl.layers.base import Layer, Parameter
from minidl.layers.containers import Sequential
from minidl.layers.conv import Conv2d, ConvTranspose2d
from minidl.layers.normalization import BatchNorm2d

Model = TypeVar("Model", bound=Layer)


def fold_batchnorm(model: Model) -> Model:
    """Return a copy of a model, in eval mode, whose convolutions do the work of the batch norms after them.

    For inference: it computes the same in less time. Not for training: the batch's own statistics play no part in it.

    The copy is without the BatchNorm2d that directly follow a Conv2d or a ConvTranspose2d in a Sequential; others stay.
    Layers keep their order, but the names in the `state_dict` count without those that are gone.

    Notes
    -----
    In eval mode mean and variance are constants, and so batch norm is a scale and a shift of each channel,

        y = s * z + t      with s = weight / sqrt(running_var + eps)  and  t = bias - running_mean * s

    After a convolution, z = w * x + b, this is the convolution y = (s w) * x + (s b + t).

    Examples
    --------
    >>> from minidl import ReLU
    >>> fold_batchnorm(Sequential(Conv2d(3, 8, 3, bias=False), BatchNorm2d(8), ReLU()))
    Sequential(Conv2d(3, 8, 3), ReLU())
    """
    model = copy.deepcopy(model).eval()
    for _, container in model.walk():
        if isinstance(container, Sequential):
            kept: list[Layer] = []
            for layer in container.layers:
                if kept and isinstance(layer, BatchNorm2d) and isinstance(kept[-1], (Conv2d, ConvTranspose2d)):
                    _fold(kept[-1], layer)
                else:
                    kept.append(layer)
            container.layers = tuple(kept)
    return model


def _fold(convolution: Conv2d | ConvTranspose2d, norm: BatchNorm2d) -> None:
    """Give the convolution the work of the batch norm that follows it."""
    scale = norm.weight.data / np.sqrt(norm.running_var + norm.eps)                    # (O,)
    shift = norm.bias.data - norm.running_mean * scale
    # A Conv2d's weight is (O, C, kh, kw), a ConvTranspose2d's (C, O, kh, kw).
    by_output = scale[:, None, None] if isinstance(convolution, ConvTranspose2d) else scale[:, None, None, None]
    convolution.weight = Parameter(convolution.weight.data * by_output)
    convolution.bias = Parameter(shift + (0 if convolution.bias is None else convolution.bias.data * scale))
