"""What looks alike to a trained network: an encoder, and a distance between its features."""
import numpy as np

from minidl.batches import Batches, as_input
from minidl.datasets.augment import Augment
from minidl.layers import Conv2d, Layer, MaxPool2d, Sequential, Upsample
from minidl.layers.folding import fold_batchnorm
from minidl.loss import CrossEntropyLoss
from minidl.models import conv_block
from minidl.optim import Adam, CosineSchedule
from minidl.tasks.super_resolution.experiment import SuperResolution
from minidl.training import fit
from minidl.types import Array


def train_encoder(task: SuperResolution, width: int, seed: int, epochs: int) -> Sequential:
    """Train an encoder to tell pet, border and background apart, and return it without its head.

    Three conv blocks, pooled twice; the head enlarges the classes' scores four times.

    Returns
    -------
    Sequential
        Three convolutions (batch norm is folded into them) with ReLUs and poolings between them, nothing after the
        last: features *before* their activation, (N, 4 width, H / 4, W / 4).
    """
    rng = np.random.default_rng(seed)
    layers: list[Layer] = [*conv_block(3, width, rng=rng), MaxPool2d(2), *conv_block(width, 2 * width, rng=rng),
                           MaxPool2d(2), *conv_block(2 * width, 4 * width, rng=rng)]
    model = Sequential(*layers, Conv2d(4 * width, 3, 1, rng=rng), Upsample(4, "bilinear"))
    batches = Batches(task.train.images, task.train.trimaps, task.lesson.batch_size, rng=rng,
                      augment=Augment(flip=0.5, crop=(1, 1), shift=0, color=0))
    optimizer = Adam(model.parameters(), task.lesson.lr)
    fit(model, batches, CrossEntropyLoss(), optimizer, epochs,
        schedule=CosineSchedule(optimizer, epochs * len(batches)), progress=False,
        checkpoint=task.lesson.out / "checkpoints" / f"encoder-{seed}", resume=task.lesson.resume)
    return fold_batchnorm(Sequential(*layers[:-1]))


def feature_distance(encoder: Sequential, images: Array, truth: Array, batch_size: int = 50) -> Array:
    """Return how different two sets of images look to an encoder, at each pixel.

    The output of each convolution (before its activation) is scaled to length 1 at each place, so that only its
    direction counts, and compared by its squared distance; the mean over all convolutions is the result. This is LPIPS
    without the weights that the original learns from people's judgements.

    Parameters
    ----------
    encoder : Sequential
        As from `train_encoder`.
    images, truth : uint8 arrays (N, 3, H, W)

    Returns
    -------
    (N, H, W) float32
        From 0 (equal) to 4.

    References
    ----------
    Zhang et al., "The Unreasonable Effectiveness of Deep Features as a Perceptual Metric", CVPR 2018.
    """
    if images.shape != truth.shape or images.dtype != np.uint8 or truth.dtype != np.uint8:
        raise ValueError("feature_distance: expected two uint8 arrays of one shape, got "
                         f"{images.dtype} {images.shape} and {truth.dtype} {truth.shape}")
    N, _, H, W = images.shape
    total = np.zeros((N, H, W), np.float32)
    for i in range(0, N, batch_size):
        seen = [_directions(encoder, as_input(part[i:i + batch_size])) for part in (images, truth)]
        for a, b in zip(*seen):
            distance = ((a - b) ** 2).sum(axis=1)                                  # (n, h, w)
            fold = H // distance.shape[1]
            total[i:i + batch_size] += distance.repeat(fold, axis=1).repeat(fold, axis=2) / len(seen[0])
    return total


def _directions(encoder: Sequential, x: Array) -> list[Array]:
    """Return the output (N, C, h, w) of each convolution, of length 1 at each place."""
    found = []
    for layer in encoder.eval():
        x = layer.forward(x)
        if isinstance(layer, Conv2d):
            found.append(x / np.sqrt((x * x).sum(axis=1, keepdims=True) + 1e-8))
    return found
