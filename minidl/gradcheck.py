"""Gradient checks: is `backward` really the derivative of `forward`?

The derivative says how much the output moves when an input moves a little. So move one number at a time a little to
both sides and look, in float64:

    dL/dx_k  ~  (L(x_k + h) - L(x_k - h)) / 2h         with L = sum(dy * y)

The error of this "central difference" is of order h^2 from the curvature and 1e-16 / h from rounding; h = 1e-5 keeps
both near 1e-10. The upstream gradient dy is random: with dy of ones, the true dx of a softmax or a batch norm is 0, and
a backward that returns zeros would pass.

NaN and infinity have no differences; what layers and losses make of them is compared with PyTorch in the tests. They
are at the same places, except where this makes more sense:

    what                                             PyTorch                       here
    -----------------------------------------------  ----------------------------  -----------------------------------
    bilinear Upsample, beside NaN or infinity        also where their weight is 0  only where they have a weight
    CrossEntropyLoss, logits NaN, label ignored      derivatives NaN               0
    BCEWithLogitsLoss, infinite logit, right side    NaN                           0, the limit
    BCEWithLogitsLoss, -infinity, target above 0     NaN                           infinity, the limit
    L1Loss, error NaN                                derivative 0                  NaN
    float16                                          computed with                 refused: sums would overflow
"""
import copy
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from minidl.layers.base import Layer, generators
from minidl.loss import Loss
from minidl.types import Array


@dataclass(frozen=True)
class GradientReport:
    """What a check found: for "x" and each parameter, the largest relative error."""

    what: str
    errors: dict[str, float]
    tolerance: float

    @property
    def worst(self) -> float:
        return max(self.errors.values())

    @property
    def passed(self) -> bool:
        return self.worst < self.tolerance

    def __str__(self) -> str:
        verdict = "ok" if self.passed else "WRONG"
        lines = [f"{self.what}: {verdict} (largest relative error, allowed {self.tolerance:g})"]
        width = max(len(name) for name in self.errors)
        for name, error in self.errors.items():
            lines.append(f"  d{name:<{width}}  {error:.1e}" + ("" if error < self.tolerance else "  <-- wrong"))
        return "\n".join(lines)


def check_layer(layer: Layer, x: Array, dy: Array | None = None, *, rng: np.random.Generator | int | None = 0,
                h: float = 1e-5, tolerance: float = 1e-6, strict: bool = True) -> GradientReport:
    """Compare a layer's `backward` with central differences, for every element of x and of each parameter.

    Works on a float64 copy of the layer, in the layer's mode; the layer itself is not changed.

    Parameters
    ----------
    layer : Layer
    x : array
        Converted to float64. Keep it away from kinks (0 for ReLU, ties for max pooling), where no derivative exists.
    dy : array of y's shape, optional
        Upstream gradient; by default standard normal from `rng`.
    strict : bool
        True: raise AssertionError with the report if the check fails. False: only return the report.

    Returns
    -------
    GradientReport
        Print it to see the largest relative error of each gradient.

    Raises
    ------
    AssertionError
        If a relative error reaches `tolerance`, dx has another shape or dtype than x, x or dy were written to, a
        parameter's gradient was overwritten instead of added to, or `output_shape` is wrong.

    Notes
    -----
    The relative error of one element is |backward - difference| / max(|both|, floor). The floor, a thousandth of the
    gradient's largest element (and 1e-4 of max|dy| * max|y|, for gradients that are 0 throughout), keeps elements near
    0 from being compared by their rounding errors.

    Examples
    --------
    >>> from minidl import Linear
    >>> report = check_layer(Linear(3, 2, rng=0), np.array([[1.0, -2.0, 0.5]]))
    >>> report.passed, sorted(report.errors)
    (True, ['bias', 'weight', 'x'])
    """
    layer = copy.deepcopy(layer).astype(np.float64)
    rng = np.random.default_rng(rng).spawn(1)[0]   # not the stream of the same seed, which x may have been drawn from
    x = np.array(x, dtype=np.float64, order="K")
    x_copy = x.copy()
    rng_states = {name: g.bit_generator.state for name, g in generators(layer).items()}

    def forward() -> Array:
        for name, g in generators(layer).items():  # dropout must draw the same mask each time
            g.bit_generator.state = rng_states[name]
        return layer.forward(x)

    y = forward()
    _require(layer.output_shape(x.shape) == y.shape, f"{layer!r}: output_shape says {layer.output_shape(x.shape)}")
    dy = rng.normal(size=y.shape) if dy is None else np.asarray(dy, dtype=np.float64)
    parameters = dict(layer.named_parameters())
    before = {name: rng.normal(size=p.data.shape) for name, p in parameters.items()}
    for name, p in parameters.items():
        p.grad[...] = before[name]                 # backward must add to what is there
    dy_copy = dy.copy()
    dx = layer.backward(dy)
    _require(dx.shape == x.shape and dx.dtype == x.dtype,
             f"{layer!r}: dx is {dx.dtype} {dx.shape}, x {x.dtype} {x.shape}")
    _require(np.array_equal(x, x_copy) and np.array_equal(dy, dy_copy), f"{layer!r}: wrote into x or dy")

    analytic = {"x": dx} | {name: p.grad - before[name] for name, p in parameters.items()}
    arrays = {"x": x} | {name: p.data for name, p in parameters.items()}
    scale = float(np.abs(dy).max() * np.abs(y).max())
    errors = {name: relative_error(analytic[name], numeric_gradient(forward, array, dy, h), scale)
              for name, array in arrays.items()}
    return _verdict(GradientReport(repr(layer), errors, tolerance), strict)


def check_loss(loss: Loss, prediction: Array, target: Array, *, h: float = 1e-5, tolerance: float = 1e-6,
               strict: bool = True) -> GradientReport:
    """Compare a loss's `backward` with central differences, for every element of the prediction (in float64)."""
    prediction = np.array(prediction, dtype=np.float64, order="K")
    value = loss.forward(prediction, target)
    analytic = loss.backward()
    numeric = numeric_gradient(lambda: np.array(loss.forward(prediction, target)), prediction, np.ones(()), h)
    _require(analytic.shape == prediction.shape and analytic.dtype == prediction.dtype,
             f"{type(loss).__name__}: backward returned {analytic.dtype} {analytic.shape} for a prediction "
             f"{prediction.dtype} {prediction.shape}")
    errors = {"prediction": relative_error(analytic, numeric, abs(value) / prediction.size)}
    return _verdict(GradientReport(type(loss).__name__, errors, tolerance), strict)


def numeric_gradient(forward: Callable[[], Array], array: Array, dy: Array, h: float = 1e-5) -> Array:
    """Return the central differences of sum(dy * forward()) for each element of `array`, which forward() reads.

    Each element is moved in place and put back. The difference is taken before the sum, so that outputs that did not
    move add no rounding error.
    """
    gradient = np.empty(array.shape)
    for index in np.ndindex(array.shape):
        old = array[index]
        array[index] = old + h
        above = forward().copy()                   # a layer may return a view of what it read
        array[index] = old - h
        below = forward()
        gradient[index] = np.sum((above - below) * dy) / (2 * h)
        array[index] = old
    return gradient


def relative_error(a: Array, b: Array, scale: float = 0.0) -> float:
    """Return the largest |a - b| / max(|a|, |b|, floor); NaN counts as inf. For the floor see `check_layer`."""
    if a.size == 0:
        return 0.0
    floor = max(1e-3 * float(np.abs(b).max()), 1e-4 * scale, 1e-30)
    error = float((np.abs(a - b) / np.maximum(np.maximum(np.abs(a), np.abs(b)), floor)).max())
    return error if np.isfinite(error) else float("inf")


def _require(condition: bool, otherwise: str) -> None:
    """Raise an AssertionError unless the condition holds; an assert statement would vanish under ``python -O``."""
    if not condition:
        raise AssertionError(otherwise)


def _verdict(report: GradientReport, strict: bool) -> GradientReport:
    if strict and not report.passed:
        raise AssertionError(str(report))
    return report
