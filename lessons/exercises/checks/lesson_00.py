"""The checks of lesson 0's exercises."""
from collections.abc import Iterator
from typing import Any

import numpy as np

from minidl import gradcheck
from minidl.course.exercises.check import Arguments, Check, differences
from minidl.layers.linear import Linear
from minidl.types import Array


def linear(x: Array, weight: Array, bias: Array) -> Array:
    return x @ weight.T + bias


def linear_cases(rng: np.random.Generator) -> Iterator[Arguments]:
    for N, inputs, outputs in ((1, 1, 1), (1, 2, 1), (1, 1, 2), (2, 1, 1), (2, 2, 2), (3, 3, 3), (4, 3, 2), (5, 2, 6)):
        yield {"x": rng.normal(size=(N, inputs)), "weight": rng.normal(size=(outputs, inputs)),
               "bias": rng.normal(size=outputs)}


def backward_cases(rng: np.random.Generator) -> Iterator[Arguments]:
    for case in linear_cases(rng):
        bias = case.pop("bias")
        dy = rng.normal(size=(len(case["x"]), len(bias)))
        yield {"dy": dy, **case, "dweight": np.zeros_like(case["weight"]), "dbias": np.zeros_like(bias)}
    yield {**case, "dy": dy, "dweight": rng.normal(size=case["weight"].shape), "dbias": rng.normal(size=bias.shape)}


def linear_gradients(dy: Array, x: Array, weight: Array, dweight: Array, dbias: Array) -> Array:
    dx, dw, db = differences(linear, "x", "weight", "bias")(dy=dy, x=x, weight=weight, bias=np.zeros(len(weight)))
    dweight += dw
    dbias += db
    return dx


def backward(**changed: Any) -> Any:
    """Return a backward pass in which some of the three formulas are others."""
    def mistake(dy: Array, x: Array, weight: Array, dweight: Array, dbias: Array) -> Array:
        results = {"dx": dy @ weight, "dweight": dy.T @ x, "dbias": dy.sum(axis=0)}
        results |= {name: formula(dy, x, weight) for name, formula in changed.items()}
        dweight += results["dweight"]
        dbias += results["dbias"]
        return results["dx"]
    return mistake


def overwritten(dy: Array, x: Array, weight: Array, dweight: Array, dbias: Array) -> Array:
    dweight[...], dbias[...] = dy.T @ x, dy.sum(axis=0)
    return dy @ weight


def gradient_cases(rng: np.random.Generator) -> Iterator[Arguments]:
    def squares(x: Array) -> float:
        """the sum of x ** 2"""
        return float(np.sum(x ** 2))

    def mixed(x: Array) -> float:
        """the sum of sin(x) times the sum of x"""
        return float(np.sin(x).sum() * x.sum())
    for f in (squares, mixed):
        for shape in ((1,), (3,), (2, 3), (2, 2, 2)):
            yield {"f": f, "x": rng.normal(size=shape)}


def quotients(f: Any, x: Array, below: float = 1.0, width: float = 2.0, h: float = 1e-5) -> Array:
    """Return (f(x + h) - f(x - below h)) / (width h) for each number."""
    dx = np.zeros_like(x)
    for place in np.ndindex(x.shape):
        step = np.zeros_like(x)
        step[place] = h
        dx[place] = (f(x + step) - f(x - below * step)) / (width * h)
    return dx


def forgets_to_put_back(f: Any, x: Array) -> Array:
    dx, x = np.zeros_like(x), x.copy()
    for place in np.ndindex(x.shape):
        x[place] += 1e-5
        above = f(x)
        x[place] -= 2e-5
        dx[place] = (above - f(x)) / 2e-5
    return dx


CHECKS = {
    "linear_forward": Check(
        linear, linear_cases, {
            "the bias is missing: y = x Wᵀ + b": lambda x, weight, bias: x @ weight.T,
            "W is not transposed: y = x Wᵀ, as a row of W belongs to an output":
                lambda x, weight, bias: x @ weight + bias,
            "the bias is subtracted": lambda x, weight, bias: x @ weight.T - bias,
            "x and W are multiplied number by number, not as matrices (@)": lambda x, weight, bias: x * weight + bias,
        }, "Many numbers: the layer `Linear`", Linear.forward, (
            "Write down the shapes: x is (N, in), y is (N, out). Which product of x and weight has the shape of y?",
            "x @ weight.T is (N, in) times (in, out). NumPy adds the bias to every row by itself.")),
    "linear_backward": Check(
        linear_gradients, backward_cases, {
            "the gradients are overwritten: add to them, dweight += ...": overwritten,
            "dW is transposed: it has to be dyᵀ x, of W's shape": backward(dweight=lambda dy, x, weight: x.T @ dy),
            "W is transposed in dx: dx = dy W": backward(dx=lambda dy, x, weight: dy @ weight.T),
            "db is the mean over the samples, where every sample's part has to be added":
                backward(dbias=lambda dy, x, weight: dy.mean(axis=0)),
            "dW is divided by the number of samples; the mean is the loss's part":
                backward(dweight=lambda dy, x, weight: dy.T @ x / len(x)),
            "dweight is as it was: `dweight = dweight + ...` makes a new array, `dweight += ...` changes this one":
                lambda dy, x, weight, dweight, dbias: dy @ weight,
        }, "Many numbers: the layer `Linear`", Linear.backward, (
            "Every gradient has the shape of its array. Which products of dy, x and weight have those shapes?",
            "dx = dy @ weight, dW = dy.T @ x, db = the sum of dy over the samples. Add the last two with +=."),
        returns=("dx",), changes=("dweight", "dbias")),
    "numeric_gradient": Check(
        quotients, gradient_cases, {
            "the difference is divided by h, but the two places are 2h apart": lambda f, x: quotients(f, x, width=1.0),
            "only one side is moved, so the error is of order h: move to both, f(x + h) and f(x − h)":
                lambda f, x: quotients(f, x, below=0.0, width=1.0),
            "only one side is moved: the two places are f(x + h) and f(x − h)":
                lambda f, x: quotients(f, x, below=0.0),
            "x[i] is not put back before the next number is moved": forgets_to_put_back,
            "h is too small: rounding dominates": lambda f, x: quotients(f, x, h=1e-13),
        }, "Is a gradient right? Move one number, and look", gradcheck.numeric_gradient, (
            "Loop over all places: `for place in np.ndindex(x.shape)`. Move x[place] alone, and put it back after.",
            "Work on a copy of x. value = x[place]; x[place] = value + h; above = f(x); x[place] = value − h; "
            "dx[place] = (above − f(x)) / (2h); x[place] = value."), returns=("the gradient",)),
}
