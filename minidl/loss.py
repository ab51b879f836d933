"""Losses: one number that says how wrong a prediction is, and its derivative with respect to the prediction.

    value = loss.forward(prediction, target)      # a float (also: loss(prediction, target))
    dprediction = loss.backward()                 # goes into model.backward
"""
from typing import Any

import numpy as np

from minidl.layers import layout
from minidl.layers.activation import sigmoid
from minidl.runtime.hints import to_classes
from minidl.types import FLOATS, Array


class Loss:
    """What all losses share. A loss remembers its latest forward; `backward` without one is refused.

    Attributes
    ----------
    count : float or None
        What the latest forward counted, over which it averaged (see `denominator`); None, even before the first, for a
        loss that relates all samples of a batch to each other, and cannot be computed in parts.
    is_part : bool
        Whether forward gets only a part of a batch, in which there may be nothing to count.
    """

    count: float | None = None
    is_part = False
    _cache: tuple[Any, ...] | None = None

    def __init__(self, reduction: str = "mean") -> None:
        if reduction not in ("mean", "sum"):
            raise ValueError(f'{type(self).__name__}: expected reduction "mean" or "sum", got {reduction!r}')
        self.reduction = reduction

    def forward(self, prediction: Array, target: Array) -> float:
        raise NotImplementedError

    def backward(self) -> Array:
        raise NotImplementedError

    def __call__(self, prediction: Array, target: Array) -> float:
        return self.forward(prediction, target)

    def denominator(self, count: float | None) -> float:
        """Return what a batch with this count divides its sum by; 0 if nothing counts.

        The loss of a batch in parts is the sum of value * denominator(count), over denominator(sum of the counts).
        """
        if count is None:
            return 1.0
        return count if self.reduction == "mean" else float(count > 0)

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in vars(self).items() if name != "_cache"}

    def recall(self) -> Any:
        if self._cache is None:
            raise RuntimeError(f"{type(self).__name__}: backward needs a forward before it")
        return self._cache

    def check_prediction(self, prediction: Array) -> None:
        if not isinstance(prediction, np.ndarray) or prediction.dtype not in FLOATS or prediction.size == 0:
            got = (f"{prediction.dtype} of shape {prediction.shape}" if isinstance(prediction, np.ndarray)
                   else f"a {type(prediction).__name__}")
            raise ValueError(f"{type(self).__name__}: expected predictions as a non-empty NumPy array of "
                             f"floating-point numbers, float32 or float64, got {got}")

    def check_labels(self, logits: Array, labels: Array, ignore_index: int | None = None) -> None:
        self.check_prediction(logits)
        name = type(self).__name__
        if logits.ndim not in (2, 4) or labels.shape != logits.shape[:1] + logits.shape[2:]:
            raise ValueError(f"{name}: expected logits (N, K) with labels (N,), or logits (N, K, H, W) with "
                             f"labels (N, H, W), got logits {logits.shape} with labels {labels.shape}"
                             + to_classes(labels.shape, logits.shape[:1] + logits.shape[2:]))
        K = logits.shape[1]
        if labels.dtype.kind not in "iu":
            raise ValueError(f"{name}: expected integer labels, got dtype {labels.dtype}. Whole numbers "
                             "become integers by labels.astype(int).")
        outside = (labels < 0) | (labels >= K)
        if ignore_index is not None:
            outside &= labels != ignore_index
        if outside.any():
            at = tuple(int(i) for i in np.argwhere(outside)[0])
            raise ValueError(f"{name}: expected labels 0..{K - 1}, got {labels[at]} at {at}")


class CrossEntropyLoss(Loss):
    """Cross entropy between the softmax of the logits and the true classes: -log of the true class's probability.

    Parameters
    ----------
    weight : array (K,), optional
        How much each class counts.
    ignore_index : int, optional
        Labels of this value are left out, whatever the logits there (even NaN): the derivatives there are 0.
    reduction : {"mean", "sum"}
        "mean" divides by the sum of the weights of all labels that count: without `weight`, by their number, which for
        label maps is N*H*W (slide 14).

    Raises
    ------
    ValueError
        If shapes do not fit, labels are not integers or outside 0..K-1 (the first such label and its position are
        named), or no label is left to count.

    Notes
    -----
    Shapes: logits (N, K) with labels (N,), or logits (N, K, H, W) with labels (N, H, W).

    With p = softmax(z) over the classes and y the true class, the loss at one position is

        L = -log p_y = log(sum_k exp(z_k)) - z_y

    which needs no logarithm of a small p: shifted by the largest z it is exact for all logits.
    Backward: dL/dz_k = p_k - 1[k = y], "softmax minus one-hot", times the position's share in the mean.

    References
    ----------
    Slides 9, 10 and 12-14.

    Examples
    --------
    >>> loss = CrossEntropyLoss()
    >>> round(loss(np.log([[0.1, 0.6, 0.3]]), np.array([1])), 3)     # slide 10: -ln 0.6
    0.511
    >>> loss.backward().round(1)
    array([[ 0.1, -0.4,  0.3]])
    """

    count = 0.0

    def __init__(self, weight: Array | None = None, ignore_index: int | None = None, reduction: str = "mean") -> None:
        super().__init__(reduction)
        self.weight = None if weight is None else np.asarray(weight)
        if self.weight is not None and (self.weight.ndim != 1
                                        or not np.all((self.weight >= 0) & (self.weight < np.inf))):
            raise ValueError(f"{type(self).__name__}: expected weight as one finite number >= 0 per class, got "
                             f"{weight!r}")
        self.ignore_index = ignore_index

    def forward(self, prediction: Array, target: Array) -> float:
        logits, labels = prediction, np.asarray(target)
        self.check_labels(logits, labels, self.ignore_index)
        if self.weight is not None and len(self.weight) != logits.shape[1]:
            raise ValueError(f"{type(self).__name__}: expected {logits.shape[1]} class weights, as many as logits, "
                             f"got {len(self.weight)}")
        counts = np.ones(labels.shape, bool) if self.ignore_index is None else labels != self.ignore_index
        safe = np.where(counts, labels, 0)[:, None]                        # (N, 1, H, W), any class where ignored
        share = counts.astype(logits.dtype)[:, None]                       # (N, 1, H, W), weight of each position
        if self.weight is not None:
            share *= self.weight.astype(logits.dtype)[safe]
        self.count = float(share.sum(dtype=np.float64))
        if self.count == 0 and not self.is_part:
            raise ValueError(f"{type(self).__name__}: no label is left to count (all are ignore_index or of weight 0)")
        share /= self.denominator(self.count) or 1
        if not counts.all():
            logits = layout.masked(counts[:, None], logits)                # NaN times a share of 0 would be NaN
        shifted = logits - logits.max(axis=1, keepdims=True)               # (N, K, H, W)
        exp = np.exp(shifted)
        exp_sum = exp.sum(axis=1, keepdims=True)                           # (N, 1, H, W)
        losses = np.log(exp_sum) - np.take_along_axis(shifted, safe, axis=1)
        self._cache = (exp, exp_sum, safe, share, losses)
        return float((losses * share).sum(dtype=np.float64))

    def backward(self) -> Array:
        exp, exp_sum, safe, share, _ = self.recall()
        dlogits = exp / exp_sum                                            # softmax (N, K, H, W)
        at_label = np.take_along_axis(dlogits, safe, axis=1) - 1           # minus one-hot
        np.put_along_axis(dlogits, safe, at_label, axis=1)
        dlogits *= share
        return dlogits


class _ElementwiseLoss(Loss):
    """A loss that compares prediction and target number by number, then averages (or sums).

    Prediction and target have the same, arbitrary shape.
    """

    count = 0.0

    def values(self, prediction: Array, target: Array) -> Array:
        """Return the loss of each element."""
        raise NotImplementedError

    def derivatives(self, prediction: Array, target: Array) -> Array:
        """Return the derivative of each element's loss with respect to its prediction."""
        raise NotImplementedError

    def forward(self, prediction: Array, target: Array) -> float:
        self.check_prediction(prediction)
        if not isinstance(target, np.ndarray) or target.shape != prediction.shape or target.dtype.kind not in "fiub":
            got = f"{target.dtype} {target.shape}" if isinstance(target, np.ndarray) else f"a {type(target).__name__}"
            raise ValueError(f"{type(self).__name__}: expected targets of the predictions' shape {prediction.shape}, "
                             f"got {got}")
        target = target.astype(prediction.dtype, copy=False)
        total = float(self.values(prediction, target).sum(dtype=np.float64))
        self._cache = (prediction.copy(order="K"), target.copy(order="K"))      # writing into y does no harm
        self.count = prediction.size
        return total / self.denominator(self.count)

    def backward(self) -> Array:
        prediction, target = self.recall()
        return self.derivatives(prediction, target) / self.denominator(prediction.size)


class MSELoss(_ElementwiseLoss):
    """Mean squared error: the mean of (prediction - target)^2, in the target's unit squared.

    Derivative: 2 (prediction - target), divided by the number of elements.

    References
    ----------
    Slide 11.

    Examples
    --------
    >>> round(MSELoss()(np.array([2.06, -4.36, -0.65]), np.array([11.18, 11.66, 8.97])), 2)
    144.12
    """

    def values(self, prediction: Array, target: Array) -> Array:
        return (prediction - target) ** 2

    def backward(self) -> Array:
        prediction, target = self.recall()
        return (prediction - target) / (self.denominator(prediction.size) / 2)     # doubling might overflow


class L1Loss(_ElementwiseLoss):
    """Mean absolute error: the mean of |prediction - target|, in the target's unit.

    Derivative: the sign of prediction - target (0 where they are equal), divided by the number of elements.
    """

    def values(self, prediction: Array, target: Array) -> Array:
        return np.abs(prediction - target)

    def derivatives(self, prediction: Array, target: Array) -> Array:
        return np.sign(prediction - target)


class SmoothL1Loss(_ElementwiseLoss):
    """Squared error for small errors, absolute error for large ones, joined smoothly.

    Parameters
    ----------
    reduction : {"mean", "sum"}
    beta : float
        The error, above 0, at which one becomes the other.

    Notes
    -----
    With e = prediction - target:

        L = e^2 / (2 beta)     if |e| < beta        derivative: e / beta
        L = |e| - beta/2       otherwise            derivative: the sign of e

    At |e| = beta both have the value beta/2 and the slope 1. No target, however far off, pulls harder than with slope 1
    (unlike in MSELoss), and the pull fades out as the prediction gets there (unlike in L1Loss).

    References
    ----------
    Girshick, "Fast R-CNN", ICCV 2015, equation 3 (with beta = 1, where this is Huber's loss).

    Examples
    --------
    >>> loss = SmoothL1Loss("sum")
    >>> loss(np.array([0.5, 3.0]), np.array([0.0, 0.0]))     # 0.125 + 2.5
    2.625
    >>> loss.backward()
    array([0.5, 1. ])
    """

    def __init__(self, reduction: str = "mean", beta: float = 1.0) -> None:
        super().__init__(reduction)
        if not 0 < beta < np.inf:
            raise ValueError(f"SmoothL1Loss: expected a finite beta above 0, got {beta!r}")
        self.beta = float(beta)

    def values(self, prediction: Array, target: Array) -> Array:
        error = np.abs(prediction - target)
        near = np.minimum(error, self.beta)                                # both cases in one; e^2 might overflow
        return near / self.beta * (error - near / 2)

    def derivatives(self, prediction: Array, target: Array) -> Array:
        return ((prediction - target) / self.beta).clip(-1, 1)


class BCEWithLogitsLoss(_ElementwiseLoss):
    """Binary cross entropy between sigmoid(prediction) and targets in [0, 1].

    Notes
    -----
    With p = sigmoid(z): L = -t log p - (1 - t) log(1 - p) = max(z, 0) - t z + log(1 + exp(-|z|)): no overflow. Far out
    only |z| times the distance of t from the right side (1 for z > 0, else 0) is left; where that is 0, so is L.
    Derivative: p - t, the two-class form of "softmax minus one-hot".

    Raises
    ------
    ValueError
        Also if a target is outside [0, 1].
    """

    def values(self, prediction: Array, target: Array) -> Array:
        if not (target.min() >= 0 and target.max() <= 1):
            raise ValueError(f"BCEWithLogitsLoss: expected targets in [0, 1], got {target.min():g} to {target.max():g}")
        size = np.abs(prediction)
        off = np.abs(target - (prediction > 0))                            # from the side that z is on
        far = np.multiply(size, off, out=np.zeros_like(size), where=off > 0)       # 0 * inf would be NaN
        return far + np.log1p(np.exp(-size))

    def derivatives(self, prediction: Array, target: Array) -> Array:
        return sigmoid(prediction) - target
