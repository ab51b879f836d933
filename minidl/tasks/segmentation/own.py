"""The U-Net on layers that the reader wrote: `python lessons/17_unet.py --mine`.

Each layer below is the library's, but for the calculation: that is done by the reader's answers to the exercises. Those
that are not there yet, or not right, leave the library's layer in its place.
"""
import math
import time
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from minidl import plotting
from minidl.batches import Batches
from minidl.course.exercises.answers import passed_answers
from minidl.datasets.pets import CLASSES
from minidl.layers.activation import ReLU
from minidl.layers.base import Layer
from minidl.layers.containers import Container, Skip
from minidl.layers.conv import Conv2d
from minidl.layers.normalization import BatchNorm2d
from minidl.layers.pooling import MaxPool2d
from minidl.layers.upsampling import Upsample
from minidl.loss import CrossEntropyLoss, Loss
from minidl.models import unet
from minidl.optim import Adam, CosineSchedule
from minidl.runtime.interrupt import stop_on_ctrl_c
from minidl.runtime.progress import Progress, duration
from minidl.step import predict_classes, train_step
from minidl.tasks.segmentation.experiment import SHOWN, Segmentation, segmentation_scores
from minidl.types import Array

Answers = Mapping[str, Callable[..., Any]]
LESSONS = (2, 4, 9, 15, 17)                             # whose exercises the U-Net is made of
SIZES = ((32, 4), (32, 8), (64, 8), (64, 16))           # of images and of the first block, from the fastest


class _Own(Layer):
    """A layer of the library, whose forward and backward are the reader's.

    Attributes
    ----------
    names : tuple of str
        The exercises that it is made of; all have to be right.
    """

    names: tuple[str, ...] = ()

    def __init__(self, layer: Layer, answers: Answers) -> None:
        vars(self).update(vars(layer))                  # the same parameters and settings
        self.answers = {name: answers[name] for name in self.names}

    def forward(self, x: Array) -> Array:
        shape = self.check_input(x)
        y = np.asarray(self.compute(x), x.dtype)
        if y.shape != shape:
            raise ValueError(f"{self.names[0]}: expected a result of shape {shape} for x {x.shape}, got {y.shape}")
        return self.keep(y, x)

    def backward(self, dy: Array) -> Array:
        x, = self.recall(dy)
        return np.asarray(self.gradient(dy, x), dy.dtype)

    def backward_parameters(self, dy: Array) -> None:
        self.backward(dy)

    def compute(self, x: Array) -> Array:
        raise NotImplementedError

    def gradient(self, dy: Array, x: Array) -> Array:
        """Return dx, and add to the gradients of the parameters."""
        raise NotImplementedError


class OwnConv2d(_Own, Conv2d):
    """The reader's convolution."""

    names = ("conv_forward", "conv_backward")

    def compute(self, x: Array) -> Array:
        assert self.bias is not None
        return self.answers["conv_forward"](x, self.weight.data, self.bias.data, 1, self.kernel_size[0] // 2)

    def gradient(self, dy: Array, x: Array) -> Array:
        assert self.bias is not None
        dx, dweight, dbias = self.answers["conv_backward"](dy, x, self.weight.data, 1, self.kernel_size[0] // 2)
        self.weight.grad += dweight
        self.bias.grad += dbias
        return dx


class OwnBatchNorm2d(_Own, BatchNorm2d):
    """The reader's batch norm; in eval mode, and for its running statistics, the library's."""

    names = ("batch_norm_forward", "batch_norm_backward")

    def forward(self, x: Array) -> Array:
        return super().forward(x) if self.training else BatchNorm2d.forward(self, x)

    def compute(self, x: Array) -> Array:
        m = x.size // x.shape[1]
        self.track(x.mean(axis=(0, 2, 3)), x.var(axis=(0, 2, 3)) * (m / (m - 1)))
        return self.answers["batch_norm_forward"](x, self.weight.data, self.bias.data, self.eps)

    def gradient(self, dy: Array, x: Array) -> Array:
        dx, dgamma, dbeta = self.answers["batch_norm_backward"](dy, x, self.weight.data, self.eps)
        self.weight.grad += dgamma
        self.bias.grad += dbeta
        return dx


class OwnReLU(_Own, ReLU):
    """The reader's ReLU."""

    names = ("relu_forward", "relu_backward")

    def compute(self, x: Array) -> Array:
        return self.answers["relu_forward"](x)

    def gradient(self, dy: Array, x: Array) -> Array:
        return self.answers["relu_backward"](dy, x)


class OwnMaxPool2d(_Own, MaxPool2d):
    """The reader's max pooling, 2 x 2."""

    names = ("max_pool_forward", "max_pool_backward")

    def compute(self, x: Array) -> Array:
        return self.answers["max_pool_forward"](x)

    def gradient(self, dy: Array, x: Array) -> Array:
        return self.answers["max_pool_backward"](dy, x)


class OwnUpsample(_Own, Upsample):
    """The reader's nearest-neighbor upsampling."""

    names = ("nearest_forward", "nearest_backward")

    def compute(self, x: Array) -> Array:
        return self.answers["nearest_forward"](x, self.scale_factor[0])

    def gradient(self, dy: Array, x: Array) -> Array:
        return self.answers["nearest_backward"](dy, self.scale_factor[0])


class OwnSkip(Skip):
    """The reader's skip connection, around an inner layer."""

    names = ("skip_forward", "skip_backward")

    def __init__(self, layer: Skip, answers: Answers) -> None:
        super().__init__(layer.inner)
        self.answers = {name: answers[name] for name in self.names}

    def forward_checked(self, x: Array) -> Array:
        inside = self.inner.forward_checked(x)
        return self.keep(np.asarray(self.answers["skip_forward"](inside, x), x.dtype), inside.shape[1])

    def backward(self, dy: Array) -> Array:
        channels, = self.recall(dy)
        dinside, dx = self.answers["skip_backward"](dy, channels)
        return self.inner.backward(np.asarray(dinside, dy.dtype)) + np.asarray(dx, dy.dtype)


class OwnCrossEntropy(Loss):
    """The reader's cross entropy per pixel."""

    names = ("pixel_cross_entropy", "pixel_cross_entropy_gradient")

    def __init__(self, answers: Answers) -> None:
        super().__init__()
        self.answers = {name: answers[name] for name in self.names}

    def forward(self, prediction: Array, target: Array) -> float:
        self._cache = prediction, target
        return float(self.answers["pixel_cross_entropy"](prediction, target))

    def backward(self) -> Array:
        prediction, target = self.recall()
        return np.asarray(self.answers["pixel_cross_entropy_gradient"](prediction, target), prediction.dtype)


class OwnAdam(Adam):
    """The reader's Adam."""

    names = ("adam_step",)
    answers: Answers = {}

    def update(self, block: slice, gradient: Array) -> None:
        self.data[block], self.m[block], self.v[block] = self.answers["adam_step"](
            self.data[block], gradient, self.m[block], self.v[block], self.steps, self.lr, *self.betas, self.eps)


OWN: dict[type[Layer], type[Any]] = {Conv2d: OwnConv2d, BatchNorm2d: OwnBatchNorm2d, ReLU: OwnReLU,
                                     MaxPool2d: OwnMaxPool2d, Upsample: OwnUpsample, Skip: OwnSkip}
PARTS: dict[str, type[Any]] = {**{kind.__name__: own for kind, own in OWN.items()},
                               "cross entropy": OwnCrossEntropy, "Adam": OwnAdam}


def can_have(part: type[Any], answers: Answers) -> bool:
    """Return whether all exercises that a part is made of are there."""
    return all(name in answers for name in part.names)


def with_answers(layer: Layer, answers: Answers) -> Layer:
    """Return a layer, and all layers inside, with the reader's calculations in place of the library's."""
    if isinstance(layer, Container):
        layer.layers = tuple(with_answers(one, answers) for one in layer.layers)
    own = OWN.get(type(layer))
    return own(layer, answers) if own is not None and can_have(own, answers) else layer


class Training:
    """A U-Net, its loss and its optimizer, the reader's as far as there are answers, and its steps.

    Parameters
    ----------
    task : Segmentation
        Of the lesson: learning rate, seed, and augmentation.
    size, width : int
    answers : dict
        {} for the library's.
    steps : int
    """

    def __init__(self, task: Segmentation, size: int, width: int, answers: Answers, steps: int) -> None:
        lesson = task.lesson
        self.steps, self.seconds = steps, 0.0
        self.train, self.test = lesson.pets("train", size=size), lesson.pets("test", size=size)
        self.model = with_answers(unet(width, rng=lesson.seed), answers)
        self.loss = OwnCrossEntropy(answers) if can_have(OwnCrossEntropy, answers) else CrossEntropyLoss()
        self.optimizer = (OwnAdam if can_have(OwnAdam, answers) else Adam)(self.model.parameters(), lesson.lr)
        if isinstance(self.optimizer, OwnAdam):
            self.optimizer.answers = answers
        self.schedule = CosineSchedule(self.optimizer, steps)
        self.batches = Batches(self.train.images, self.train.trimaps, lesson.batch_size, augment=task.augment,
                               rng=np.random.default_rng(lesson.seed))

    def run(self, what: str) -> None:
        """Train; Ctrl-C ends it after the step under way."""
        line, done, value = Progress(self.steps, what), 0, math.nan
        started = time.perf_counter()
        with stop_on_ctrl_c() as stop:
            while done < self.steps and not stop.is_set():
                for x, labels in self.batches:
                    value = train_step(self.model, self.loss, self.optimizer, x, labels)
                    self.schedule.step()
                    done += 1
                    line.update(done, f"loss {value:.4f}")
                    if done == self.steps or stop.is_set():
                        break
        self.seconds = time.perf_counter() - started
        line.line(done, f"loss {value:.4f}")

    def seconds_per_step(self) -> float:
        """Return how long the second step takes; the first also makes what later ones use again."""
        batch = next(iter(self.batches))
        train_step(self.model, self.loss, self.optimizer, *batch)
        started = time.perf_counter()
        train_step(self.model, self.loss, self.optimizer, *batch)
        return time.perf_counter() - started


def train_mine(task: Segmentation, minutes: float) -> dict[str, Any]:
    """Train the U-Net on the reader's layers and, with the same images, on the library's; draw the masks of both.

    Size and width are the largest with which the reader's layers can do the lesson's number of steps within so many
    minutes; if even the smallest are too slow for that, the number of steps is smaller.
    """
    lesson = task.lesson
    answers = passed_answers(lesson.root, LESSONS)
    mine = [name for name, part in PARTS.items() if can_have(part, answers)]
    for name, part in PARTS.items():
        missing = [one for one in part.names if one not in answers]
        print(f"{name:<14} " + ("yours" if not missing else f"the library's; yours needs {', '.join(missing)}"))
    if not mine:
        raise SystemExit("No part of the U-Net is yours yet: python -m lessons.exercises shows what to write.")
    size, width, steps = affordable(task, answers, 60 * minutes)
    print(f"{size} x {size} pixels, width {width}, {steps} steps")
    results = {}
    for name, given in (("yours", answers), ("the library's", {})):
        training = Training(task, size, width, given, steps)
        training.run(name)
        results[name] = training
    scores = {name: segmentation_scores(one.model, one.test.images, one.test.trimaps, CLASSES)
              for name, one in results.items()}
    shown = next(iter(results.values())).test[:SHOWN]
    predictions = {name: predict_classes(one.model, shown.images) for name, one in results.items()}
    lesson.figure(plotting.prediction_grid(
        shown.images, shown.trimaps, predictions,
        columns=2, title="The U-Net on your own layers, and on the library's"), "mine")
    for name, one in results.items():
        print(f"{name:<14} mean IoU {scores[name]['mean_iou']:.3f}, {duration(one.seconds)}")
    return {"mine": mine, "size": size, "width": width, "steps": steps,
            "yours": scores["yours"], "library": scores["the library's"]}


def affordable(task: Segmentation, answers: Answers, seconds: float) -> tuple[int, int, int]:
    """Return image size, width and number of steps that fit into so many seconds of the reader's layers.

    Timed is the smallest. Larger ones take longer in proportion to their pixels and, at most, to their width squared.
    """
    lesson = task.lesson
    steps = task.epochs * len(task.new_batches(lesson.seed))
    smallest, narrowest = SIZES[0]
    one = Training(task, smallest, narrowest, answers, 2).seconds_per_step()
    best = None
    for size, width in SIZES:
        if size <= lesson.size and width <= lesson.width:
            if one * steps * (size / smallest) ** 2 * (width / narrowest) ** 2 <= seconds or best is None:
                best = size, width
    assert best is not None
    return *best, min(steps, max(1, int(seconds / one)))
