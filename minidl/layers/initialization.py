"""Where the weights start."""
import math

import numpy as np

from minidl.types import Array, Rng


def initial_weights(shape: tuple[int, ...], bias_shape: tuple[int, ...], fan_in: int, init: str,
                    rng: Rng) -> tuple[Array, Array]:
    """Draw a layer's first weight and bias, float32.

    Parameters
    ----------
    shape, bias_shape : tuple
    fan_in : int
        How many inputs one output sums over.
    init : {"kaiming", "torch"}
        "kaiming": weight ~ Normal(0, 2 / fan_in), bias 0. Half of a ReLU's outputs are 0; the factor 2 makes up for it,
        so that the signal keeps its size from layer to layer.
        "torch": weight and bias ~ Uniform(-1 / sqrt(fan_in), 1 / sqrt(fan_in)), which is what PyTorch's layers do.
    rng : numpy.random.Generator, seed or None
        None draws fresh entropy.

    References
    ----------
    He et al., "Delving Deep into Rectifiers", ICCV 2015, eq. 10.
    """
    rng = np.random.default_rng(rng)
    if init == "kaiming":
        weight, bias = rng.normal(0.0, math.sqrt(2.0 / fan_in), shape), np.zeros(bias_shape)
    elif init == "torch":
        bound = 1.0 / math.sqrt(fan_in)
        weight, bias = rng.uniform(-bound, bound, shape), rng.uniform(-bound, bound, bias_shape)
    else:
        raise ValueError(f'init: expected "kaiming" or "torch", got {init!r}')
    return weight.astype(np.float32), bias.astype(np.float32)
