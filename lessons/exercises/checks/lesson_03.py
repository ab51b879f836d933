"""The checks of lesson 3's exercises."""
from collections.abc import Iterator

import numpy as np

from minidl.course.exercises.check import Arguments, Check, differences
from minidl.layers.base import Parameter
from minidl.loss import MSELoss
from minidl.optim import SGD, Optimizer
from minidl.types import Array


def library_mse(predictions: Array, targets: Array) -> float:
    return MSELoss().forward(predictions, targets)


def cases(rng: np.random.Generator) -> Iterator[Arguments]:
    yield {"predictions": np.array([[3.0]]), "targets": np.array([[1.0]])}
    yield {"predictions": np.array([[1.0, -2.0]]), "targets": np.array([[0.5, 1.0]])}
    yield {"predictions": np.array([[1.0], [-2.0]]), "targets": np.array([[4.0], [0.0]])}
    yield {"predictions": np.array([2.06, -4.36, -0.65]), "targets": np.array([11.18, 11.66, 8.97])}     # the slide's
    for shape in ((2, 3), (4, 2), (2, 1, 3, 2)):
        predictions, targets = rng.normal(scale=2.0, size=(2, *shape)).round(2)
        yield {"predictions": predictions, "targets": targets}


def rows(array: Array) -> int:
    return len(array)


def step(weight: Array, grad: Array, lr: float, decay: float) -> Array:
    parameter = Parameter(weight.copy())
    optimizer = SGD([parameter], lr, weight_decay=decay)
    parameter.grad[...] = grad
    optimizer.step()
    return parameter.data


def step_cases(rng: np.random.Generator) -> Iterator[Arguments]:
    yield {"weight": np.array([2.0]), "grad": np.array([0.0]), "lr": 0.5, "decay": 0.1}
    yield {"weight": np.array([2.0]), "grad": np.array([-0.1]), "lr": 0.1, "decay": 0.2}
    yield {"weight": np.array([-3.0]), "grad": np.array([1.0]), "lr": 0.1, "decay": 0.0}
    for shape, lr, decay in (((3,), 0.2, 0.1), ((2, 3), 0.03, 0.5), ((2, 1, 3, 3), 0.3, 0.01)):
        weight, grad = rng.normal(size=(2, *shape))
        yield {"weight": weight, "grad": grad, "lr": lr, "decay": decay}


CHECKS = {
    "mse": Check(
        library_mse, cases, {
            "this is the sum of the squares, not the mean: divide by the number of numbers":
                lambda predictions, targets: ((predictions - targets) ** 2).sum(),
            "the sum is divided by the number of samples: divide by the number of all numbers, predictions.size":
                lambda predictions, targets: ((predictions - targets) ** 2).sum() / rows(predictions),
            "each output has its own mean here: the mean goes over all numbers, without an axis":
                lambda predictions, targets: ((predictions - targets) ** 2).mean(axis=0),
            "each sample has its own mean here: the mean goes over all numbers, without an axis":
                lambda predictions, targets: ((predictions - targets) ** 2).mean(axis=1),
            "the squares themselves are subtracted: square the difference":
                lambda predictions, targets: (predictions**2 - targets**2).mean(),
            "this is the length of the difference, the root of the sum: take the mean of the squares, without a root":
                lambda predictions, targets: np.sqrt(((predictions - targets) ** 2).sum()),
            "this is the root of the mean squared error: leave the root out":
                lambda predictions, targets: np.sqrt(((predictions - targets) ** 2).mean()),
            "this is the mean absolute error: square the differences":
                lambda predictions, targets: np.abs(predictions - targets).mean(),
            "the mean is squared, so that errors above and below cancel: square first, then take the mean":
                lambda predictions, targets: (predictions - targets).mean() ** 2,
            "the differences are not squared": lambda predictions, targets: (predictions - targets).mean(),
            "this has a factor 1/2: the mean squared error of the lesson has none":
                lambda predictions, targets: ((predictions - targets) ** 2).mean() / 2,
            "these are the squares, not their mean": lambda predictions, targets: (predictions - targets) ** 2,
            "this is the variance of the errors: nothing has to be subtracted from them":
                lambda predictions, targets: (predictions - targets).var(),
        }, "Two tasks side by side", MSELoss, (
            "Three steps: the difference, its square, the mean of all.", "np.mean((predictions - targets) ** 2)"),
        returns=("the error",)),
    "mse_gradient": Check(
        differences(library_mse, "predictions"), cases, {
            "the 2 is missing: the derivative of e² is 2e":
                lambda predictions, targets: (predictions - targets) / predictions.size,
            "this is not divided by the number of numbers: the mean has that 1/n, and so has its gradient":
                lambda predictions, targets: 2 * (predictions - targets),
            "this is not divided by the number of numbers, and the 2 is missing":
                lambda predictions, targets: predictions - targets,
            "this is divided by the number of samples: divide by the number of all numbers, predictions.size":
                lambda predictions, targets: 2 * (predictions - targets) / rows(predictions),
            "this is divided by the number of outputs: divide by the number of all numbers, predictions.size":
                lambda predictions, targets: 2 * (predictions - targets) / predictions.shape[1],
            "this is divided by the number of samples, and the 2 is missing: 2 (ŷ − y) / predictions.size":
                lambda predictions, targets: (predictions - targets) / rows(predictions),
            "the samples are averaged: each prediction has a gradient of its own":
                lambda predictions, targets: 2 * (predictions - targets).mean(axis=0),
            "the sign is wrong: ŷ − y, predictions minus targets":
                lambda predictions, targets: 2 * (targets - predictions) / predictions.size,
            "this is the gradient of the absolute error: 2 (ŷ − y) grows with the error":
                lambda predictions, targets: np.sign(predictions - targets) / predictions.size,
            "the difference is squared: the derivative of e² is 2e":
                lambda predictions, targets: 2 * (predictions - targets) ** 2 / predictions.size,
            "this is one number, a sum or a mean: each prediction has a gradient of its own":
                lambda predictions, targets: np.mean(2 * (predictions - targets)),
        }, "Two tasks side by side", MSELoss.backward, (
            "One prediction occurs in one term of the mean: (ŷ − y)² / n, with n the number of all numbers.",
            "2 * (predictions - targets) / predictions.size"), returns=("the gradient",)),
    "weight_decay_step": Check(
        step, step_cases, {
            "the decay is not multiplied by lr: λ p is a part of the gradient, and lr multiplies all of it":
                lambda weight, grad, lr, decay: weight - lr * grad - decay * weight,
            "the penalty pushes the weight away from 0: add λ p to the gradient, do not subtract it":
                lambda weight, grad, lr, decay: weight - lr * (grad - decay * weight),
            "λ is added to the gradient: it has to be λ p":
                lambda weight, grad, lr, decay: weight - lr * (grad + decay),
            "there is a 2 too many: the penalty is λ p² / 2, and its gradient λ p":
                lambda weight, grad, lr, decay: weight - lr * (grad + 2 * decay * weight),
            "there is a 1/2 too many: the penalty is λ p² / 2, and its gradient λ p":
                lambda weight, grad, lr, decay: weight - lr * (grad + decay * weight / 2),
            "the penalty itself is added: add its gradient, λ p":
                lambda weight, grad, lr, decay: weight - lr * (grad + decay * weight**2 / 2),
            "λ p² is added: the gradient of λ p² / 2 is λ p":
                lambda weight, grad, lr, decay: weight - lr * (grad + decay * weight**2),
            "every weight is pulled with the same force (the penalty is λ |p|): the gradient of λ p² / 2 is λ p":
                lambda weight, grad, lr, decay: weight - lr * (grad + decay * np.sign(weight)),
            "the weight decay is missing: add λ p to the gradient": lambda weight, grad, lr, decay: weight - lr * grad,
            "the gradient is missing: the weight only decays":
                lambda weight, grad, lr, decay: weight - lr * decay * weight,
            "the weight after the step decays: take λ times the weight before it":
                lambda weight, grad, lr, decay: (weight - lr * grad) * (1 - lr * decay),
            "the step goes up: subtract lr times the gradient":
                lambda weight, grad, lr, decay: weight + lr * (grad + decay * weight),
        }, "Three remedies, and a smaller model", Optimizer.update_share, (
            "First make the gradient of loss and penalty together; then take a step of gradient descent.",
            "weight - lr * (grad + decay * weight). It is the same as (1 − lr λ) p − lr g: the weight shrinks, and "
            "makes its usual step."), returns=("weight",)),
}
