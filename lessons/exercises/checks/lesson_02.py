"""The checks of lesson 2's exercises."""
from collections.abc import Iterator
from typing import Any

import numpy as np

from minidl.course.exercises.check import Arguments, Check
from minidl.layers.activation import ReLU
from minidl.layers.base import Parameter
from minidl.layers.initialization import initial_weights
from minidl.optim import SGD, Adam
from minidl.types import Array


def relu(x: Array) -> Array:
    return ReLU().forward(x)


def relu_cases(rng: np.random.Generator) -> Iterator[Arguments]:
    yield {"x": np.array([2.0])}
    yield {"x": np.array([-1.5, 0.0, 0.5])}
    for shape in ((2, 3), (3, 2), (2, 3, 2, 4)):
        yield {"x": rng.normal(scale=3.0, size=shape).round(2)}


def relu_backward_cases(rng: np.random.Generator) -> Iterator[Arguments]:
    yield {"dy": np.array([3.0]), "x": np.array([2.0])}
    yield {"dy": np.array([3.0, -2.0]), "x": np.array([-1.0, 1.0])}
    yield {"dy": np.array([[3.0, -2.0]]), "x": np.array([[0.0, 0.0]])}
    for shape in ((2, 3), (3, 2), (2, 3, 2, 4)):
        yield {"dy": rng.normal(size=shape).round(2), "x": rng.integers(-2, 3, size=shape) / 2}


def relu_gradient(dy: Array, x: Array) -> Array:
    layer = ReLU()
    layer.forward(x)
    return layer.backward(dy)


def sizes(rng: np.random.Generator) -> Iterator[Arguments]:
    for fan_in in (1, 2, 3, 8, 64, 75):
        yield {"fan_in": fan_in}


def library_step(optimizer: Any, parameter: Parameter, grad: Array) -> None:
    parameter.grad[...] = grad
    optimizer.step()


def momentum(weight: Array, grad: Array, velocity: Array, lr: float, momentum: float) -> tuple[Array, Array]:
    parameter = Parameter(weight.copy())
    optimizer = SGD([parameter], lr, momentum)
    optimizer.velocity[...] = velocity.ravel()
    library_step(optimizer, parameter, grad)
    return parameter.data, optimizer.velocity.reshape(weight.shape)


def momentum_cases(rng: np.random.Generator) -> Iterator[Arguments]:
    one = np.ones(1)
    yield {"weight": one, "grad": 2 * one, "velocity": 0 * one, "lr": 0.1, "momentum": 0.9}
    yield {"weight": one, "grad": 2 * one, "velocity": -3 * one, "lr": 0.1, "momentum": 0.9}
    for shape, lr, beta in (((3,), 0.5, 0.0), ((2, 3), 0.03, 0.9), ((2, 1, 3, 3), 0.2, 0.5)):
        weight, grad, velocity = rng.normal(size=(3, *shape))
        yield {"weight": weight, "grad": grad, "velocity": velocity, "lr": lr, "momentum": beta}


def other_momentum(velocity_of: Any = None, weight_of: Any = None) -> Any:
    """Return a step in which one of the two formulas is another."""
    def mistake(weight: Array, grad: Array, velocity: Array, lr: float, momentum: float) -> tuple[Array, Array]:
        after = (velocity_of or (lambda g, v, lr, b: b * v + g))(grad, velocity, lr, momentum)
        return (weight_of or (lambda w, g, before, after, lr, b: w - lr * after))(
            weight, grad, velocity, after, lr, momentum), after
    return mistake


def exchanged(**arguments: Any) -> tuple[Array, Array]:
    weight, velocity = momentum(**arguments)
    return velocity, weight


MOMENTUM_MISTAKES = {
    "the step goes up: subtract lr times the velocity":
        other_momentum(weight_of=lambda w, g, before, after, lr, b: w + lr * after),
    "the old velocity moves the weight: take the new one":
        other_momentum(weight_of=lambda w, g, before, after, lr, b: w - lr * before),
    "the weight moves by the gradient alone: take the new velocity":
        other_momentum(weight_of=lambda w, g, before, after, lr, b: w - lr * g),
    "lr is in the velocity (others write it like this): here only the step has it, weight − lr · velocity":
        other_momentum(lambda g, v, lr, b: b * v + lr * g, lambda w, g, before, after, lr, b: w - after),
    "lr is in the velocity and in the step: only the step has it":
        other_momentum(velocity_of=lambda g, v, lr, b: b * v + lr * g),
    "the velocity contains lr and the sign of the step: here velocity = momentum · velocity + grad":
        other_momentum(lambda g, v, lr, b: b * v - lr * g, lambda w, g, before, after, lr, b: w + after),
    "lr is missing: weight − lr · velocity": other_momentum(weight_of=lambda w, g, before, after, lr, b: w - after),
    "the gradient is multiplied by 1 − momentum: here all of it is added":
        other_momentum(velocity_of=lambda g, v, lr, b: b * v + (1 - b) * g),
    "the velocity keeps all of itself: it has to keep `momentum` of itself":
        other_momentum(velocity_of=lambda g, v, lr, b: v + g),
    "`momentum` multiplies the gradient as well: all of the gradient is added":
        other_momentum(velocity_of=lambda g, v, lr, b: b * (v + g)),
    "`momentum` multiplies the gradient: it has to multiply the velocity":
        other_momentum(velocity_of=lambda g, v, lr, b: v + b * g),
    "`momentum` and 1 − `momentum` share out the velocity and the gradient: velocity = momentum · velocity + grad":
        other_momentum(velocity_of=lambda g, v, lr, b: (1 - b) * v + b * g),
    "the velocity contains the sign of the step: velocity = momentum · velocity + grad":
        other_momentum(lambda g, v, lr, b: b * v - g, lambda w, g, before, after, lr, b: w + lr * after),
    "this is Nesterov's form: here the weight moves by the new velocity itself":
        other_momentum(weight_of=lambda w, g, before, after, lr, b: w - lr * (g + b * after)),
    "the velocity is returned first: weight, then velocity": exchanged,
    "the old velocity is returned: return the new one": lambda weight, grad, velocity, lr, momentum: (
        weight - lr * (momentum * velocity + grad), velocity),
}


def adam(weight: Array, grad: Array, m: Array, v: Array, t: int, lr: float, beta1: float = 0.9, beta2: float = 0.999,
         eps: float = 1e-8) -> tuple[Array, Array, Array]:
    parameter = Parameter(weight.copy())
    optimizer = Adam([parameter], lr, (beta1, beta2), eps)
    optimizer.m[...], optimizer.v[...], optimizer.steps = m.ravel(), v.ravel(), t - 1
    library_step(optimizer, parameter, grad)
    return parameter.data, optimizer.m.reshape(weight.shape), optimizer.v.reshape(weight.shape)


def adam_cases(rng: np.random.Generator) -> Iterator[Arguments]:
    one = np.ones(1)
    yield {"weight": one, "grad": 2 * one, "m": 0 * one, "v": 0 * one, "t": 1, "lr": 0.1}
    yield {"weight": one, "grad": 2 * one, "m": -0.5 * one, "v": 3 * one, "t": 2, "lr": 0.1}
    # A gradient of 0 in the first step: the root is 0 too.
    yield {"weight": np.ones(2), "grad": np.array([0.0, 1.0]), "m": np.zeros(2), "v": np.zeros(2), "t": 1, "lr": 0.1}
    for shape, t, settings in (((3,), 2, {}), ((2, 3), 10, {"beta1": 0.8, "beta2": 0.9, "eps": 0.1}),
                               ((2, 1, 3, 3), 100, {"beta1": 0.5, "beta2": 0.99, "eps": 1e-3})):
        weight, grad, m, v = rng.normal(size=(4, *shape))
        yield {"weight": weight, "grad": grad, "m": m, "v": v**2, "t": t, "lr": 0.2, **settings}


def other_adam(m_of: Any = lambda m, g, b: b * m + (1 - b) * g, v_of: Any = lambda v, g, b: b * v + (1 - b) * g * g,
               m_hat: Any = lambda m, b, t: m / (1 - b**t), v_hat: Any = lambda v, b, t: v / (1 - b**t),
               root: Any = np.sqrt, step: Any = lambda w, g, m, root, lr, eps: w - lr * m / (root + eps),
               hats: bool = False, one_beta: bool = False, exchange: bool = False) -> Any:
    """Return a step in which some of the formulas are others."""
    def mistake(weight: Array, grad: Array, m: Array, v: Array, t: int, lr: float, beta1: float = 0.9,
                beta2: float = 0.999, eps: float = 1e-8) -> tuple[Array, Array, Array]:
        if exchange:
            beta1, beta2 = beta2, beta1
        m, v = m_of(m, grad, beta1), beta1 * v + (1 - beta2) * grad**2 if one_beta else v_of(v, grad, beta2)
        corrected = m_hat(m, beta1, t), v_hat(v, beta2, t)
        weight = step(weight, grad, corrected[0], root(corrected[1]), lr, eps)
        return (weight, *(corrected if hats else (m, v)))
    return mistake


def uncorrected(mean: Array, beta: float, t: int) -> Array:
    return mean


def one_less(mean: Array, beta: float, t: int) -> Array:
    return mean / (1 - beta**(t - 1))


def one_more(mean: Array, beta: float, t: int) -> Array:
    return mean / (1 - beta**(t + 1))


def without_t(mean: Array, beta: float, t: int) -> Array:
    return mean / (1 - beta)


ADAM_MISTAKES = {
    "both means are too small at first: divide them by 1 − βᵗ for the step":
        other_adam(m_hat=uncorrected, v_hat=uncorrected),
    "m is too small at first: divide it by 1 − β₁ᵗ for the step": other_adam(m_hat=uncorrected),
    "v is too small at first: divide it by 1 − β₂ᵗ for the step": other_adam(v_hat=uncorrected),
    "t is off by one: it is 1 in the first step, so the power is t, not t − 1":
        other_adam(m_hat=one_less, v_hat=one_less),
    "t is off by one: it is 1 in the first step already, so the power is t, not t + 1":
        other_adam(m_hat=one_more, v_hat=one_more),
    "the power t is missing: divide by 1 − βᵗ, not by 1 − β": other_adam(m_hat=without_t, v_hat=without_t),
    "the root of v is divided by 1 − β₂ᵗ: divide v, then take the root":
        other_adam(v_hat=lambda v, b, t: v / (1 - b**t)**2),
    "ε is missing: where all gradients were 0, this divides 0 by 0": other_adam(
        step=lambda w, g, m, root, lr, eps: w - lr * m / root),
    "ε is inside the root: add it after the root, √v̂ + ε": other_adam(
        step=lambda w, g, m, root, lr, eps: w - lr * m / np.sqrt(root**2 + eps)),
    "ε is added to the weight: write parentheses around √v̂ + ε": other_adam(
        step=lambda w, g, m, root, lr, eps: w - lr * m / root + eps),
    "the root is missing: divide by √v̂ + ε": other_adam(root=lambda v: v),
    "lr is missing in the step: weight − lr · m̂ / (√v̂ + ε)": other_adam(
        step=lambda w, g, m, root, lr, eps: w - m / (root + eps)),
    "the gradient itself is divided by √v̂ + ε: take its running mean, m̂": other_adam(
        step=lambda w, g, m, root, lr, eps: w - lr * g / (root + eps)),
    "the correction divides by βᵗ: divide by 1 − βᵗ": other_adam(
        m_hat=lambda m, b, t: m / b**t, v_hat=lambda v, b, t: v / b**t),
    "the correction has β · t: it has to be the power βᵗ, beta**t": other_adam(
        m_hat=lambda m, b, t: m / (1 - b * t), v_hat=lambda v, b, t: v / (1 - b * t)),
    "v keeps β₁ of itself: it has to keep β₂": other_adam(one_beta=True),
    "the squares are summed over all parameters: each has its own mean of squares": other_adam(
        v_of=lambda v, g, b: b * v + (1 - b) * np.sum(g * g)),
    "v is the mean of the gradients, not of their squares": other_adam(v_of=lambda v, g, b: b * v + (1 - b) * g),
    "v is the mean of |g|: take g²": other_adam(v_of=lambda v, g, b: b * v + (1 - b) * np.abs(g)),
    "1 − β₁ is missing: m ← β₁ m + (1 − β₁) g": other_adam(m_of=lambda m, g, b: b * m + g),
    "1 − β₂ is missing: v ← β₂ v + (1 − β₂) g²": other_adam(v_of=lambda v, g, b: b * v + g * g),
    "β₁ and 1 − β₁ are exchanged: m keeps β₁ of itself": other_adam(m_of=lambda m, g, b: (1 - b) * m + b * g),
    "β₁ and β₂ are exchanged: β₁ belongs to m, β₂ to v": other_adam(exchange=True),
    "the step goes up: subtract it from the weight": other_adam(
        step=lambda w, g, m, root, lr, eps: w + lr * m / (root + eps)),
    "the corrected means are returned: return m and v as they are before the correction": other_adam(hats=True),
}

CHECKS = {
    "relu_forward": Check(
        relu, relu_cases, {
            "this is the absolute value: what is below 0 becomes 0": lambda x: np.abs(x),
            "this is the minimum of x and 0: take the maximum": lambda x: np.minimum(x, 0),
            "what is above 1 is cut off: ReLU has no upper limit": lambda x: np.clip(x, 0, 1),
            "this is 1 where x is above 0: it has to be x there": lambda x: x > 0,
            "what is below 0 is multiplied by 0.01 (this is a leaky ReLU): it becomes 0": lambda x: np.maximum(
                x, 0.01 * x),
            "this is the largest number of x: take the maximum of each number and 0": lambda x: max(x.max(), 0),
            "what is not above 0 was left out: it becomes 0, and the shape stays": lambda x: x[x > 0],
            "np.max takes the largest along an axis: np.maximum compares number by number": lambda x: np.max(x, 0),
        }, "The model", ReLU.forward, (
            "NumPy has a function that takes the larger of two, number by number.", "np.maximum(x, 0)"),
        returns=("y",)),
    "relu_backward": Check(
        relu_gradient, relu_backward_cases, {
            "at x = 0 the gradient passes: there it is 0, so compare by x > 0": lambda dy, x: dy * (x >= 0),
            "the sign of dy decides here: it is x that decides": lambda dy, x: np.maximum(dy, 0),
            "dx is 1 where x is above 0: multiply by dy": lambda dy, x: x > 0,
            "this is y: dx has dy where x is above 0": lambda dy, x: np.maximum(x, 0),
            "at x = 0 half of the gradient passes: there it is 0, so compare by x > 0":
                lambda dy, x: dy * (np.sign(x) + 1) / 2,
            "dy is multiplied by x: ReLU's derivative is 1 where x is above 0": lambda dy, x: dy * np.maximum(x, 0),
            "dy passes everywhere: it stops where x is not above 0": lambda dy, x: dy,
            "dy passes where x is below 0: it is the other way around": lambda dy, x: dy * (x <= 0),
            "negative dy are stopped, too: only x decides": lambda dy, x: np.maximum(dy, 0) * (x > 0),
            "where x is below 0, the sign of dy is reversed (as for |x|): there it is 0":
                lambda dy, x: dy * np.sign(x),
            "what is stopped was left out: it becomes 0, and the shape stays": lambda dy, x: dy[x > 0],
        }, "The model", ReLU.backward, (
            "Where x > 0, y = x, and dx = dy. Elsewhere y = 0 whatever x is, and dx = 0.",
            "x > 0 is an array of booleans; multiplied by dy, True is 1 and False is 0."), returns=("dx",)),
    "he_std": Check(
        lambda fan_in: float(np.sqrt(2 / fan_in)), sizes, {
            "this is the variance 2/n: the standard deviation is its root": lambda fan_in: 2 / fan_in,
            "the 2 is missing: ReLU halves the mean square, and s = √(2/n) makes up for it":
                lambda fan_in: np.sqrt(1 / fan_in),
            "only the 2 is under a root: √(2/n) is the root of both": lambda fan_in: np.sqrt(2) / fan_in,
            "only n is under a root: √(2/n) is the root of both": lambda fan_in: 2 / np.sqrt(fan_in),
            "the fraction is upside down: s falls with n": lambda fan_in: np.sqrt(fan_in / 2),
            "// drops what comes after the decimal point: divide by /": lambda fan_in: np.sqrt(2 // fan_in),
            "√(6/n) is the limit of a uniform distribution: its standard deviation is √(2/n)":
                lambda fan_in: np.sqrt(6 / fan_in),
            "the 2 is under the line of the fraction: n s² / 2 = 1 gives s² = 2/n":
                lambda fan_in: np.sqrt(1 / (2 * fan_in)),
        }, "Where the weights start", initial_weights, (
            "The mean square stays as it is if n s² / 2 is 1. Solve that for s.", "s = √(2/n)"), returns=("s",)),
    "momentum_step": Check(
        momentum, momentum_cases, MOMENTUM_MISTAKES, "Momentum and Adam", SGD, (
            "The velocity first, as a new array; then the weight, with the new velocity.",
            "velocity = momentum * velocity + grad; return weight - lr * velocity, velocity. No += and no -=: those "
            "would change the caller's arrays."), returns=("weight", "velocity")),
    "adam_step": Check(
        adam, adam_cases, ADAM_MISTAKES, "Momentum and Adam", Adam, (
            "m and v first, as new arrays. Give the corrected means names of their own, because m and v are returned.",
            "m_hat = m / (1 - beta1**t), v_hat = v / (1 - beta2**t); the weight moves by "
            "−lr * m_hat / (np.sqrt(v_hat) + eps)."), returns=("weight", "m", "v")),
}
