"""What is done with a batch: a step of training, or a prediction."""
import math

import numpy as np

from minidl.batches import as_input
from minidl.layers.base import Layer, eval_mode, no_backward
from minidl.loss import Loss
from minidl.optim import Optimizer
from minidl.runtime.non_finite import explain_non_finite
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
