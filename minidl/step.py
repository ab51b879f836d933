"""What is done with a batch: a step of training, or a prediction."""
import math
from collections.abc import Callable

import numpy as np

from minidl.batches import as_input
from minidl.layers.base import Layer, eval_mode, no_backward
from minidl.loss import Loss
from minidl.optim import Optimizer
from minidl.runtime.threads import blas_threads, get_num_threads
from minidl.types import Array


def train_step(model: Layer, loss: Loss, optimizer: Optimizer, x: Array, target: Array) -> float:
    """Do one step: the whole of training, in six lines."""
    optimizer.zero_grad()
    value = loss.forward(model.forward(x), target)
    if not math.isfinite(value):
        explain_non_finite(model, optimizer, x, value)
    model.backward_parameters(loss.backward())
    optimizer.step()
    return value


def explain_non_finite(model: Layer, optimizer: Optimizer, x: Array, value: float) -> None:
    """Raise the error that says where NaN or infinity first appeared."""
    if not np.isfinite(x).all():
        sample = int(np.argwhere(~np.isfinite(x))[0][0])
        raise ValueError(f"step {optimizer.steps}: sample {sample} of the batch contains NaN or infinite values")
    raise FloatingPointError(f"the loss is {value} at step {optimizer.steps} with learning rate {optimizer.lr:g}; NaN "
                             f"or infinity first appeared in {first_non_finite(model, x)}. A lower learning rate often "
                             "helps.")


def first_non_finite(model: Layer, x: Array) -> str:
    """Return which parameter, or else which layer's output, is the first to hold NaN or infinity for this x."""
    for name, parameter in model.named_parameters():
        if not np.isfinite(parameter.data).all():
            return f"the parameter {name}"
    found: list[str] = []
    leaves = [(name, layer) for name, layer in model.walk() if not layer.children()]

    def watch(name: str, layer: Layer) -> Callable[[Array], Array]:
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


def predict(model: Layer, images: Array, batch_size: int = 32) -> Array:
    """Return the model's output for all images, computed in eval mode a batch at a time.

    Parameters
    ----------
    model : Layer
        Each of its layers is left in the mode it was found in.
    images : array (N, C, H, W)
        uint8 images are scaled to [0, 1]; floating-point ones are used as they are.
    batch_size : int
        Images at a time, those of all threads together.

    Notes
    -----
    Images do not depend on each other here, so each thread takes some of them through the whole model, with its matrix
    products in one thread: 1.6 times faster on two cores than products in two threads.
    """
    from concurrent.futures import ThreadPoolExecutor      # here, so that `import minidl` stays light
    images = np.asarray(images)
    if len(images) == 0:
        raise ValueError("predict: expected at least one image, got none")
    threads = min(get_num_threads(), len(images))
    most = -(-min(batch_size, len(images)) // threads)                      # rounded up
    errors = np.geterr()                                                    # a thread begins with NumPy's defaults

    def output(start: int) -> Array:
        with np.errstate(**errors):
            return model.forward(as_input(images[start:start + most]))

    with eval_mode(model), no_backward(model):
        model.check_shape(images.shape)                                     # of all: one image alone would be cut up
        if threads == 1:
            return np.concatenate([output(i) for i in range(0, len(images), most)])
        with blas_threads(1), ThreadPoolExecutor(threads) as pool:
            return np.concatenate(list(pool.map(output, range(0, len(images), most))))


def predict_classes(model: Layer, images: Array, batch_size: int = 32) -> Array:
    """Return the class of the largest output at each pixel (or of each image), (N, H, W) (or (N,)).

    The dtype is the smallest that can hold the classes: uint8 for up to 256 of them.
    """
    def classes(logits: Array) -> Array:
        return logits.argmax(axis=1).astype(np.min_scalar_type(logits.shape[1] - 1))

    return np.concatenate([classes(predict(model, images[i:i + batch_size], batch_size))
                           for i in range(0, max(1, len(images)), batch_size)])
