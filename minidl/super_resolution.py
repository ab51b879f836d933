"""What lesson 16 needs around its models: pairs of small and large pictures, and what looks alike to a network."""
from collections.abc import Iterator, Mapping

import numpy as np

from minidl.datasets.batches import Augment, Batches, as_input
from minidl.folding import fold_batchnorm
from minidl.image_metrics import psnr, ssim
from minidl.layers import Conv2d, Layer, MaxPool2d, Sequential, Upsample
from minidl.loss import CrossEntropyLoss, L1Loss
from minidl.models import conv_block
from minidl.optim import Adam, CosineSchedule
from minidl.report import Lesson
from minidl.slabs import Array
from minidl.training import History, fit, predict

METHODS = ("nearest", "bilinear", "bicubic")     # of enlarging that need no training


def resized(images: Array, size: int, method: str) -> Array:
    """Resize pictures with Pillow, from 8 bits to 8 bits, as an image program does.

    Made smaller, each pixel becomes a weighted mean of all the pixels it covers (and, with "bicubic", some around
    them); nothing is skipped, as would be with "nearest".

    Parameters
    ----------
    images : uint8 array (N, 3, H, W)
    size : int
        Height and width of the result.
    method : {"nearest", "box", "bilinear", "bicubic"}

    Returns
    -------
    uint8 array (N, 3, size, size)
    """
    from PIL import Image
    filters = {"nearest": Image.Resampling.NEAREST, "box": Image.Resampling.BOX,
               "bilinear": Image.Resampling.BILINEAR, "bicubic": Image.Resampling.BICUBIC}
    if method not in filters:
        raise ValueError(f"resized: expected one of {', '.join(filters)}, got {method!r}")
    if images.ndim != 4 or images.shape[1] != 3 or images.dtype != np.uint8:
        raise ValueError(f"resized: expected uint8 pictures of shape (N, 3, H, W), got {images.dtype} {images.shape}")
    result = np.empty((len(images), 3, size, size), np.uint8)
    for i, picture in enumerate(images):
        rows = np.ascontiguousarray(picture.transpose(1, 2, 0))                    # (H, W, 3)
        result[i] = np.asarray(Image.fromarray(rows).resize((size, size), filters[method])).transpose(2, 0, 1)
    return result


def as_pictures(y: Array) -> Array:
    """Turn a network's output (N, 3, H, W) into uint8 pictures: what lies outside [0, 1] is cut off, then rounded."""
    return (y * 255).round().clip(0, 255).astype(np.uint8)


class Pairs:
    """Batches of (small pictures, large pictures), float32 in [0, 1], in a new random order each epoch.

    Each pair is shown in one of the eight positions that turning and mirroring can bring it into.

    Parameters
    ----------
    small, large : uint8 arrays (N, 3, h, w) and (N, 3, H, W), squares
    batch_size : int
    rng : numpy.random.Generator
        Kept as `rng`, so that `fit` can save its state.
    """

    def __init__(self, small: Array, large: Array, batch_size: int, rng: np.random.Generator) -> None:
        if len(small) != len(large) or not len(small):
            raise ValueError(f"Pairs: expected as many small as large pictures, got {len(small)} and {len(large)}")
        self.small, self.large, self.batch_size, self.rng = small, large, batch_size, rng

    def __len__(self) -> int:
        """Batches an epoch; pictures that fill no batch wait for the next epoch."""
        return max(1, len(self.small) // self.batch_size)

    def __iter__(self) -> Iterator[tuple[Array, Array]]:
        order = self.rng.permutation(len(self.small))
        for i in range(len(self)):
            chosen = order[i * self.batch_size:(i + 1) * self.batch_size]
            turns, mirror = int(self.rng.integers(0, 4)), self.rng.random() < 0.5
            yield self._turned(self.small[chosen], turns, mirror), self._turned(self.large[chosen], turns, mirror)

    def _turned(self, images: Array, turns: int, mirror: bool) -> Array:
        images = np.rot90(images, turns, axes=(2, 3))
        return as_input(images[..., ::-1] if mirror else images)


class SuperResolution:
    """The pets of a lesson's `--data` as pairs, small and large, and the training that a generator gets.

    Parameters
    ----------
    lesson : Lesson
        Gives data, size (that of the large pictures), batch size, learning rate, seed and budget.
    scale : int
        How many times smaller the small pictures are, on each side; reduced with Pillow's bicubic filter.

    Attributes
    ----------
    train, test : Pets
        Large pictures, `images`, (N, 3, S, S) uint8; the trimaps are for `train_encoder` only.
    small, small_test : uint8 arrays (N, 3, S / scale, S / scale)
    epochs : int
    """

    def __init__(self, lesson: Lesson, scale: int) -> None:
        if lesson.size % (2 * scale) or lesson.size < 16:
            raise ValueError(f"--size: expected a size from 16 on that divides by {2 * scale}, got {lesson.size}")
        self.lesson, self.scale = lesson, scale
        self.train, self.test = lesson.pets("train"), lesson.pets("test")
        self.small = resized(self.train.images, lesson.size // scale, "bicubic")
        self.small_test = resized(self.test.images, lesson.size // scale, "bicubic")
        self.epochs = lesson.epochs(len(self.train))

    def pairs(self, seed: int) -> Pairs:
        """Return the training pairs in the order that belongs to a seed."""
        return Pairs(self.small, self.train.images, self.lesson.batch_size, np.random.default_rng(seed))

    def fit(self, model: Layer, name: str, epochs: int | None = None) -> History:
        """Train a generator on the L1 distance: Adam, the learning rate along a cosine, a checkpoint each epoch."""
        epochs = epochs or self.epochs
        pairs = self.pairs(self.lesson.seed)
        optimizer = Adam(model.parameters(), self.lesson.lr)
        steps = epochs * len(pairs)
        return fit(model, pairs, L1Loss(), optimizer, epochs, evaluate=lambda model: self.scores(self.enlarged(model)),
                   schedule=CosineSchedule(optimizer, steps, warmup=min(50, steps // 4)),
                   evaluate_every=max(1, epochs // 8),
                   checkpoint=self.lesson.out / "checkpoints" / name, resume=self.lesson.resume)

    def enlarged(self, model: Layer) -> Array:
        """Return the held-out small pictures as a generator enlarges them, uint8."""
        return as_pictures(predict(model, self.small_test))

    def scores(self, pictures: Array) -> dict[str, float]:
        """Return mean PSNR (dB) and SSIM of uint8 pictures against the held-out large ones."""
        return {"psnr": float(psnr(pictures, self.test.images).mean()),
                "ssim": float(ssim(pictures, self.test.images).mean())}


def endless(pairs: Pairs) -> Iterator[tuple[Array, Array]]:
    """Yield batches epoch after epoch, for trainings that are counted in steps."""
    while True:
        yield from pairs


# What a trained network sees

def train_encoder(task: SuperResolution, width: int, seed: int, epochs: int) -> Sequential:
    """Train an encoder to tell pet, border and background apart, and return it without its head.

    Three conv blocks, pooled twice; the head enlarges the classes' scores four times.

    Returns
    -------
    Sequential
        Three convolutions (batch norm is folded into them) with ReLUs and poolings between them, nothing behind the
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


def feature_distance(encoder: Sequential, pictures: Array, truth: Array, batch_size: int = 50) -> Array:
    """Return how different two sets of pictures look to an encoder, at each pixel.

    The output of each convolution (before its activation) is scaled to length 1 at each place, so that only its
    direction counts, and compared by its squared distance; the mean over all convolutions is the result. This is LPIPS
    without the weights that the original learns from people's judgements.

    Parameters
    ----------
    encoder : Sequential
        As from `train_encoder`.
    pictures, truth : uint8 arrays (N, 3, H, W)

    Returns
    -------
    (N, H, W) float32
        From 0 (equal) to 4.

    References
    ----------
    Zhang et al., "The Unreasonable Effectiveness of Deep Features as a Perceptual Metric", CVPR 2018.
    """
    if pictures.shape != truth.shape or pictures.dtype != np.uint8 or truth.dtype != np.uint8:
        raise ValueError("feature_distance: expected two uint8 arrays of one shape, got "
                         f"{pictures.dtype} {pictures.shape} and {truth.dtype} {truth.shape}")
    N, _, H, W = pictures.shape
    total = np.zeros((N, H, W), np.float32)
    for i in range(0, N, batch_size):
        seen = [_directions(encoder, as_input(images[i:i + batch_size])) for images in (pictures, truth)]
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


# Between two networks

def interpolated(zero: Mapping[str, Array], one: Mapping[str, Array], alpha: float) -> dict[str, Array]:
    """Return the weights (1 - alpha) zero + alpha one of two networks of the same build."""
    return {name: (1 - alpha) * zero[name] + alpha * one[name] for name in zero}


def with_map(small: Array, t: Array | float) -> Array:
    """Put a map behind the colors of small pictures: (N, 3, h, w) becomes (N, 4, h, w) float32, in [0, 1].

    `t` is a number, or an array of numbers that fits (N, 1, h, w).
    """
    x = as_input(small)
    N, _, h, w = x.shape
    return np.concatenate([x, np.broadcast_to(np.asarray(t, np.float32), (N, 1, h, w))], axis=1)


def block_means(maps: Array, side: int) -> Array:
    """Return (N, H / side, W / side): the means of maps (N, H, W) over squares of side x side pixels."""
    N, H, W = maps.shape
    return maps.reshape(N, H // side, side, W // side, side).mean(axis=(2, 4))


def smoothed(maps: Array) -> Array:
    """Return maps (N, h, w) of which each value is the mean of its 3 x 3 neighborhood (edges are repeated)."""
    _, h, w = maps.shape
    wide = np.pad(maps, ((0, 0), (1, 1), (1, 1)), mode="edge")
    return np.asarray(sum(wide[:, i:i + h, j:j + w] for i in range(3) for j in range(3)) / 9)
