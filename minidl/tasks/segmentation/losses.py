"""Losses for classes that few pixels belong to, such as the border between object and background.

In the mean over all pixels each pixel counts the same, so a rare class counts little. Three ways to change that:

    CrossEntropyLoss(weight)   a pixel counts as much as its class says
    FocalLoss                  a pixel counts as much as its prediction is wrong
    DiceLoss                   not pixels are averaged but classes, each with its overlap of prediction and truth
"""
import numpy as np

from minidl.layers import layout
from minidl.layers.activation import softmax
from minidl.loss import CrossEntropyLoss, Loss
from minidl.types import Array


class FocalLoss(CrossEntropyLoss):
    """Cross entropy in which pixels that are predicted well count little: -(1 - p_y)^gamma log p_y.

    Parameters
    ----------
    gamma : float
        At least 0. With 0 this is `CrossEntropyLoss`; the larger, the less a well predicted pixel counts.
    weight : array (K,), optional
        How much each class counts (the paper's alpha).
    ignore_index, reduction
        As in `CrossEntropyLoss`. "mean" divides by the number of pixels (or by the sum of their class weights), however
        little each of them counts; the paper divides by the number of its objects.

    Raises
    ------
    ValueError
        If gamma is negative or not finite, or as in `CrossEntropyLoss`.

    Notes
    -----
    Shapes: logits (N, K) with labels (N,), or logits (N, K, H, W) with labels (N, H, W).

    With p = softmax(z), y the true class, q = 1 - p_y and the cross entropy C = -log p_y, the loss at one pixel is

        L = q^gamma C

    Backward. Both factors depend on p_y alone: dC/dp_y = -1 / p_y and dq/dp_y = -1, so

        dL/dp_y   = -q^gamma / p_y - gamma q^(gamma-1) C
        dp_y/dz_k = p_y (1[k = y] - p_k)
        dL/dz_k   = f (p_k - 1[k = y])      with f = q^gamma (1 + gamma p_y C / q)

    This is cross entropy's derivative, "softmax minus one-hot", times a factor per pixel. So `backward` is cross
    entropy's, once `forward` has multiplied each pixel's share by f. With gamma = 2, f is 0.03 at p_y = 0.9, 0.60 at
    0.5, 1 near 0.3, at most 1.22 (near 0.1), and 1 at p_y = 0: easy pixels hardly count, hard ones about as before.

    q is summed over the other classes: 1 - p_y would lose its digits for p_y near 1. There C is -log(1 - q), and C / q
    goes to 1.

    References
    ----------
    Lin, Goyal, Girshick, He, Dollár, "Focal Loss for Dense Object Detection", ICCV 2017, equations 4 and 5 (there for
    two classes, with a sigmoid).

    Examples
    --------
    >>> loss = FocalLoss(gamma=2)
    >>> round(loss(np.log([[0.1, 0.6, 0.3]]), np.array([1])), 4)     # 0.4^2 * 0.5108
    0.0817
    """

    def __init__(self, gamma: float = 2.0, weight: Array | None = None, ignore_index: int | None = None,
                 reduction: str = "mean") -> None:
        super().__init__(weight, ignore_index, reduction)
        if not 0 <= gamma < np.inf:
            raise ValueError(f"FocalLoss: expected a finite gamma of at least 0, got {gamma!r}")
        self.gamma = float(gamma)

    def forward(self, prediction: Array, target: Array) -> float:
        super().forward(prediction, target)
        exp, exp_sum, safe, share, cross_entropy = self.recall()           # (N, K, H, W), then (N, 1, H, W) each
        others = exp.copy()
        np.put_along_axis(others, safe, 0, axis=1)
        q = others.sum(axis=1, keepdims=True) / exp_sum
        C = np.where(q < 0.5, -np.log1p(-np.minimum(q, 0.5)), cross_entropy)
        p = np.take_along_axis(exp, safe, axis=1) / exp_sum
        f = q ** self.gamma * (1 + self.gamma * p * np.divide(C, q, out=np.ones_like(q), where=q > 0))
        self._cache = (exp, exp_sum, safe, share * f, cross_entropy)
        return float((q ** self.gamma * C * share).sum(dtype=np.float64))


class DiceLoss(Loss):
    """One minus the soft Dice coefficient, of each class in each image, averaged over classes and images.

    Parameters
    ----------
    smooth : float
        Pixels, above 0, added to numerator and denominator: a class that an image does not have, and that is not
        predicted there, then has the coefficient 1, and not 0 / 0.
    ignore_index : int, optional
        Pixels of this label belong to no sum; an image of nothing else does not count.
    reduction : {"mean", "sum"}
        Over images. Over classes it is always the mean, all K of them, background included.

    Raises
    ------
    ValueError
        If smooth is not above 0, or as in `CrossEntropyLoss`.

    Notes
    -----
    Shapes: logits (N, K, H, W) with labels (N, H, W).

    With p = softmax(z) and g the one-hot truth, for class k of one image, all sums over its pixels:

        D_k = (2 sum p_k g_k + s) / (sum p_k^2 + sum g_k^2 + s)      L = 1 - mean_k D_k

    As g^2 = g, 1 - D_k = sum (p_k - g_k)^2 / (the same denominator): the squared error, measured by the sizes of
    prediction and truth. `forward` calculates this, which has no rounding errors of a difference from 1.

    For a p of zeros and ones, and without s, D_k is that image's Dice coefficient, as `minidl.metrics.dice`. Each class
    has the same 1/K of the loss, however few its pixels are.

    Backward. Call the denominator A_k. By the quotient rule, at one pixel,

        dD_k/dp_k = (2 g_k A_k - (2 sum p_k g_k + s) 2 p_k) / A_k^2 = 2 (g_k - D_k p_k) / A_k
        dL/dp_k   = 2 (D_k p_k - g_k) / (A_k K)
        dL/dz_k   = p_k (dL/dp_k - sum_j p_j dL/dp_j)                  through the softmax

    Where the softmax is near 0 and 1, this is near 0, for wrong pixels as for right ones: unlike cross entropy's, the
    derivative fades out where a prediction is sure and wrong.

    Images do not depend on each other here, so that a batch can be cut into parts. With sums over the whole batch,
    another common form, it could not.

    References
    ----------
    Milletari, Navab, Ahmadi, "V-Net: Fully Convolutional Neural Networks for Volumetric Medical Image Segmentation",
    3DV 2016, section 3: the squares in the denominator are theirs; they take the foreground only, and no s.

    Examples
    --------
    One pixel of class 0, both classes equally probable: D = (2 * 0.5 + 1) / (0.25 + 1 + 1) and 1 / (0.25 + 1).

    >>> loss = DiceLoss(smooth=1)
    >>> round(loss(np.zeros((1, 2, 1, 1)), np.array([[[0]]])), 4)     # 1 - (0.8889 + 0.8) / 2
    0.1556
    """

    count = 0.0

    def __init__(self, smooth: float = 1.0, ignore_index: int | None = None, reduction: str = "mean") -> None:
        super().__init__(reduction)
        if not 0 < smooth < np.inf:
            raise ValueError(f"DiceLoss: expected a finite smooth above 0, got {smooth!r}")
        self.smooth, self.ignore_index = float(smooth), ignore_index

    def forward(self, prediction: Array, target: Array) -> float:
        logits, labels = prediction, np.asarray(target)
        self.check_labels(logits, labels, self.ignore_index)
        if logits.ndim != 4:
            raise ValueError(f"DiceLoss: expected logits (N, K, H, W) with labels (N, H, W), got {logits.shape}")
        K = logits.shape[1]
        counts = np.ones(labels.shape, bool) if self.ignore_index is None else labels != self.ignore_index
        self.count = float(counts.any(axis=(1, 2)).sum())
        if self.count == 0 and not self.is_part:
            raise ValueError("DiceLoss: no label is left to count (all are ignore_index)")
        counts = counts[:, None]                                           # (N, 1, H, W)
        truth = (labels[:, None] == np.arange(K)[:, None, None]) & counts  # (N, K, H, W)
        p = softmax(layout.masked(counts, logits)) * counts                # (N, K, H, W), 0 where ignored
        wrong = ((p - truth) ** 2).sum(axis=(2, 3), dtype=np.float64)      # (N, K)
        sizes = (p * p).sum(axis=(2, 3), dtype=np.float64) + truth.sum(axis=(2, 3)) + self.smooth
        share = 1 / (self.denominator(self.count) or 1)                    # of an image
        self._cache = (p, truth, sizes, 1 - wrong / sizes, share)
        return float((wrong / sizes).mean(axis=1).sum()) * share

    def backward(self) -> Array:
        p, truth, sizes, dice, share = self.recall()
        slope = (2 * share / (sizes * dice.shape[1]))[:, :, None, None]    # (N, K, 1, 1)
        dp = p * (slope * dice[:, :, None, None]).astype(p.dtype)
        dp -= truth * slope.astype(p.dtype)                                # (N, K, H, W)
        return p * (dp - (dp * p).sum(axis=1, keepdims=True))              # softmax's backward
