"""Losses for images that should look right, not only be near: adversarial, and on the features of a trained network.

Both send their derivative back *through* a network that is not trained at that moment. `backward_frozen` does that.

References
----------
Wang et al., "ESRGAN: Enhanced Super-Resolution Generative Adversarial Networks", ECCV workshops 2018, section 3.
"""
import numpy as np

from minidl.layers.activation import sigmoid
from minidl.layers.base import Layer, no_backward
from minidl.loss import L1Loss, Loss
from minidl.types import Array


def backward_frozen(layer: Layer, dy: Array) -> Array:
    """Return dx of a layer that is not to learn from this dy: its parameters' gradients stay what they were.

    "Frozen" is not a mode: it only means that what `backward` adds to the gradients is taken away again.
    """
    before = [parameter.grad.copy() for parameter in layer.parameters()]
    try:
        return layer.backward(dy)
    finally:
        for parameter, grad in zip(layer.parameters(), before):
            parameter.grad[...] = grad


class RelativisticAverageLoss(Loss):
    """The adversarial loss of ESRGAN: is a real image more realistic than fake ones are on average, and vice versa?

    A discriminator gives each image of a batch one logit (or a map of them). `target` says which of them are real.
    For the discriminator's step it does; for the generator's, whose aim is the opposite, pass ``1 - target``.

    Notes
    -----
    Shapes: logits (N, ...), target (N,) of 0 (fake) and 1 (real), at least one of each.

    Let r_i be the logits of real and f_j those of fake images, n and m of them, with means r and f. With
    softplus(z) = log(1 + exp(z)) = -log(sigmoid(-z)),

        L = mean_i softplus(-(r_i - f)) + mean_j softplus(f_j - r)

    Backward. Each logit acts twice, by itself and through its group's mean. softplus' = sigmoid, so with

        p_i = sigmoid(-(r_i - f))      how far real image i is from being recognized as real
        q_j = sigmoid(f_j - r)         how far fake image j is from being recognized as fake

    (p, q their means) the derivatives are

        dL/dr_i = -(p_i + q) / n       -p_i by itself; each of the m terms with r gives -q_j / m, times dr/dr_i = 1 / n
        dL/df_j =  (q_j + p) / m

    So real *and* fake images contribute to the generator's gradient, unlike in the usual loss; it reaches the generator
    through the fake ones. The sum over all logits is 0: adding the same number to all changes nothing ("relativistic").

    References
    ----------
    Wang et al., "ESRGAN", 2018, section 3.2; Jolicoeur-Martineau, "The relativistic discriminator", ICLR
    2019.

    Examples
    --------
    >>> loss = RelativisticAverageLoss()
    >>> logits, is_real = np.array([3.0, 1.0]), np.array([1, 0])
    >>> round(loss(logits, is_real), 3), round(loss(logits, 1 - is_real), 3)     # the discriminator's, the generator's
    (0.254, 4.254)
    """

    def __init__(self) -> None:
        super().__init__("mean")

    def forward(self, prediction: Array, target: Array) -> float:
        self.check_prediction(prediction)
        target = np.asarray(target)
        fits = target.shape == prediction.shape[:1] and np.isin(target, (0, 1)).all()
        if not fits or target.all() or not target.any():
            raise ValueError(f"RelativisticAverageLoss: expected a target of {len(prediction)} zeros (fake) and ones "
                             f"(real), at least one of each, for logits of shape {prediction.shape}, got {target!r}")
        is_real = target.astype(bool)
        real, fake = prediction[is_real], prediction[~is_real]
        from_real, from_fake = fake.mean() - real, fake - real.mean()      # each should be far below 0
        self._cache = (prediction, is_real, from_real, from_fake)
        return float(softplus(from_real).mean(dtype=np.float64) + softplus(from_fake).mean(dtype=np.float64))

    def backward(self) -> Array:
        prediction, is_real, from_real, from_fake = self.recall()
        p, q = sigmoid(from_real), sigmoid(from_fake)
        dlogits = np.empty_like(prediction)
        dlogits[is_real] = -(p + q.mean()) / p.size
        dlogits[~is_real] = (q + p.mean()) / q.size
        return dlogits


def softplus(z: Array) -> Array:
    """Return log(1 + exp(z)), without overflow: max(z, 0) + log(1 + exp(-|z|)).

    >>> softplus(np.array([-1000.0, 0.0, 1000.0])).round(3)
    array([0.00e+00, 6.93e-01, 1.00e+03])
    """
    return np.asarray(np.maximum(z, 0) + np.log1p(np.exp(-np.abs(z))))


class FeatureLoss(Loss):
    """Perceptual loss: compare the features that a trained network extracts from two images, not their pixels.

    Parameters
    ----------
    features : Layer
        From images to feature maps, frozen: a trained encoder, cut before an activation (after it, most features are
        0 and say nothing). It is put into eval mode.
    distance : Loss, optional
        Between the features (default: L1Loss).

    Notes
    -----
    Shapes: prediction and target (N, C, H, W).

    With the features' map phi, L = distance(phi(prediction), phi(target)). By the chain rule dL/dprediction is the
    distance's derivative sent back through phi, at the prediction. The target is constant, and so is phi: what its
    backward would add to its parameters' gradients is not kept.

    References
    ----------
    Johnson, Alahi, Fei-Fei, "Perceptual Losses for Real-Time Style Transfer and Super-Resolution", ECCV 2016;
    Wang et al., "ESRGAN", 2018, section 3.3 (before the activation).
    """

    def __init__(self, features: Layer, distance: Loss | None = None) -> None:
        super().__init__("mean")
        self.features = features.eval()
        self.distance = L1Loss() if distance is None else distance
        self.count = self.distance.count

    def forward(self, prediction: Array, target: Array) -> float:
        self.check_prediction(prediction)
        with no_backward(self.features):
            wanted = self.features.forward(target)
        value = self.distance.forward(self.features.forward(prediction), wanted)
        self.count = self.distance.count
        self._cache = (value,)
        return value

    def denominator(self, count: float | None) -> float:
        return self.distance.denominator(count)

    def backward(self) -> Array:
        self.recall()
        return backward_frozen(self.features, self.distance.backward())
