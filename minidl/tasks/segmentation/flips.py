"""Test-time flips: ask the model about the mirrored image as well, and average its two answers."""
import numpy as np

from minidl.layers.activation import softmax
from minidl.layers.base import Layer
from minidl.step import predict
from minidl.types import Array


def flipped_probabilities(model: Layer, images: Array, batch_size: int = 32) -> Array:
    """Return each pixel's class probabilities, the mean over the image and its mirror image, (N, K, H, W).

    Parameters
    ----------
    model : Layer
        Gives logits (N, K, H, W).
    images : array (N, C, H, W)
        As for `minidl.step.predict`: uint8, or floating-point.
    batch_size : int
        Images at a time.

    Notes
    -----
    The prediction for the mirror image is mirrored back before the mean. Their ``.argmax(axis=1)`` are the classes. It
    takes twice the time of one prediction.
    """
    images = np.asarray(images)
    probabilities = softmax(predict(model, images, batch_size))
    probabilities += softmax(predict(model, images[..., ::-1], batch_size))[..., ::-1]
    probabilities /= 2
    return probabilities
