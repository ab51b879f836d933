"""Adversarial and perceptual loss: gradients, a version in plain loops, and networks that must stay as they are."""
# mypy: disable-error-code="arg-type"
import math

import numpy as np
import pytest
from hypothesis import given, strategies as st

from minidl import (
    BatchNorm2d, Conv2d, Dropout, FeatureLoss, L1Loss, LeakyReLU, Linear, MSELoss, MaxPool2d,
    RelativisticAverageLoss, Sequential, Tanh, check_loss, fold_batchnorm,
)
from minidl.tasks.super_resolution.losses import backward_frozen
from tests.strategies import FEW, MEMORY_ORDERS, seeds, spaced


@st.composite
def judged(draw):
    """Logits (N, 1), (N,) or maps of them (N, 1, h, w), and which are real: at least one, at least one not."""
    N = draw(st.integers(2, 7))
    rng = np.random.default_rng(draw(seeds))
    shape = draw(st.sampled_from([(N,), (N, 1), (N, 1, 2, 3)]))
    target = np.zeros(N, draw(st.sampled_from([int, bool, float])))
    target[rng.permutation(N)[:draw(st.integers(1, N - 1))]] = 1
    return rng.normal(0, 3, shape), target


@FEW
@given(judged(), st.floats(-50, 50))
def test_relativistic_loss_is_that_of_its_definition(case, shift):
    """-E log D(real, fake) - E log(1 - D(fake, real)), with D(a, b) = sigmoid(a - mean of b), image by image."""
    logits, target = case
    loss, before = RelativisticAverageLoss(), logits.copy()
    check_loss(loss, logits, target)
    check_loss(loss, logits, 1 - target.astype(int))
    real = [z for row, t in zip(logits, target) if t for z in row.ravel()]
    fake = [z for row, t in zip(logits, target) if not t for z in row.ravel()]

    def D(a, others):
        return 1 / (1 + math.exp(-(a - sum(others) / len(others))))

    expected = (-sum(math.log(D(r, fake)) for r in real) / len(real)
                - sum(math.log(1 - D(f, real)) for f in fake) / len(fake))
    assert loss(logits, target) == pytest.approx(expected, rel=1e-9)
    assert loss(logits + shift, target) == pytest.approx(expected, rel=1e-9, abs=1e-12)      # only differences count
    assert loss.backward().sum() == pytest.approx(0, abs=1e-12) and np.array_equal(logits, before)


def test_relativistic_loss_by_hand():
    loss = RelativisticAverageLoss()
    for target in ([1, 0], [1, 1, 0], [0, 1, 0, 0]):      # real and fake images look alike: two coin tosses
        assert loss(np.full((len(target), 1), 3.0), target) == pytest.approx(2 * math.log(2))
    loss(np.array([[2.0], [1.0], [-1.0]], np.float32), [0, 0, 1])          # the generator's: the last one is fake
    assert (loss.backward()[:2] > 0).all() and loss.backward()[2] < 0      # it is to rise, the real ones are to fall
    assert loss.backward().dtype == np.float32
    assert loss(np.array([-1e4, 1e4]), [1, 0]) == pytest.approx(4e4) and loss.backward().tolist() == [-2, 2]
    assert loss(np.array([1e4, -1e4]), [1, 0]) == 0 and loss.backward().tolist() == [0, 0]


@pytest.mark.parametrize("target", [[1, 1, 1], [0, 0, 0], [1, 0], [1, 0, 2], [[1], [0], [1]], [0.5, 1, 0], None])
def test_targets_that_do_not_say_which_are_real_are_refused(target):
    with pytest.raises(ValueError, match="expected a target of 3 zeros"):
        RelativisticAverageLoss()(np.zeros((3, 1)), target)


# What is wrong must be noticed

class ForgetsTheMeans(RelativisticAverageLoss):
    """Takes the other group's mean for a constant."""

    def backward(self):
        prediction, is_real, from_real, from_fake = self.recall()
        dlogits = np.empty_like(prediction)
        dlogits[is_real] = -1 / (1 + np.exp(-from_real)) / from_real.size
        dlogits[~is_real] = 1 / (1 + np.exp(-from_fake)) / from_fake.size
        return dlogits


class SameForBoth(RelativisticAverageLoss):
    """Forgets to turn the sign for real images."""

    def backward(self):
        return np.abs(super().backward())


class ComparesWithThePrediction(FeatureLoss):
    """Runs the target last, so that the features remember the wrong image."""

    def forward(self, prediction, target):
        value = super().forward(prediction, target)
        self.features.forward(target)
        return value


LOGITS, IS_REAL = np.array([[0.3], [-1.2], [0.8], [2.0]]), np.array([1, 0, 0, 1])


def encoder(rng=0):
    rng = np.random.default_rng(rng)
    return Sequential(Conv2d(3, 2, 3, padding="same", rng=rng), Tanh(), MaxPool2d(2),
                      Conv2d(2, 4, 3, padding="same", rng=rng)).astype(np.float64)


def images(seed, N=2):
    rng = np.random.default_rng(seed)
    return spaced((N, 3, 4, 6), rng), rng.normal(size=(N, 3, 4, 6))


@pytest.mark.parametrize("distance", [None, MSELoss(), L1Loss("sum")])
def test_feature_gradients(distance):
    for seed in range(3):
        check_loss(FeatureLoss(encoder(seed), distance), *images(seed))


@pytest.mark.parametrize("loss, example", [
    (ForgetsTheMeans(), (LOGITS, IS_REAL)), (SameForBoth(), (LOGITS, IS_REAL)),
    (ComparesWithThePrediction(encoder(), MSELoss()), images(0)),
])
def test_a_wrong_backward_fails(loss, example):
    with pytest.raises(AssertionError, match="<-- wrong"):
        check_loss(loss, *example)


def test_features_of_a_linear_map_are_compared_as_by_hand():
    """With a single 1x1 convolution, features are sums of colors, and the derivative is its transpose."""
    layer = Conv2d(3, 1, 1, rng=0).astype(np.float64)
    layer.weight.data[...] = np.array([1.0, 2.0, 4.0]).reshape(1, 3, 1, 1)
    loss = FeatureLoss(layer, MSELoss())
    a, b = np.zeros((1, 3, 1, 1)), np.ones((1, 3, 1, 1))
    assert loss(a, b) == 49 and loss.backward().ravel().tolist() == [-14, -28, -56]


def test_features_learn_nothing_and_use_batch_norm_and_dropout_as_in_use():
    features = Sequential(Conv2d(3, 2, 3, rng=0), BatchNorm2d(2), Dropout(0.5, rng=0), Tanh()).astype(np.float64)
    features(images(1)[0])                                   # moves the running statistics
    for parameter in features.parameters():
        parameter.grad[...] = 7
    state = features.state_dict()
    check_loss(FeatureLoss(features, MSELoss()), *images(0))
    assert not features.training and all((parameter.grad == 7).all() for parameter in features.parameters())
    assert all(np.array_equal(array, state[name]) for name, array in features.state_dict().items())
    folded = FeatureLoss(fold_batchnorm(features), MSELoss())
    assert folded(*images(0)) == pytest.approx(FeatureLoss(features, MSELoss())(*images(0)), rel=1e-12)


@pytest.mark.parametrize("loss", [RelativisticAverageLoss(), FeatureLoss(encoder())])
def test_losses_need_a_forward_and_floats(loss):
    with pytest.raises(RuntimeError, match="backward needs a forward"):
        loss.backward()
    with pytest.raises(ValueError, match="expected predictions as a non-empty"):
        loss(np.zeros((2, 3, 4, 6), np.uint8), np.array([1, 0]))


# Backward through a frozen network

def test_frozen_backward_gives_the_same_dx_and_no_gradients():
    rng = np.random.default_rng(0)
    model = Sequential(Linear(4, 3, rng=rng), LeakyReLU(0.2), Linear(3, 2, rng=rng)).astype(np.float64)
    before = [rng.normal(size=p.grad.shape) for p in model.parameters()]
    for parameter, grad in zip(model.parameters(), before):
        parameter.grad[...] = grad
    y = model(rng.normal(size=(5, 4)))
    dy = rng.normal(size=y.shape)
    dx = backward_frozen(model, dy)
    assert all(np.array_equal(p.grad, grad) for p, grad in zip(model.parameters(), before))
    assert np.array_equal(dx, model.backward(dy)) and dx.any()
    assert not any(np.array_equal(p.grad, grad) for p, grad in zip(model.parameters(), before))


def test_frozen_backward_leaves_gradients_alone_even_if_it_fails():
    model = Linear(4, 3, rng=0)
    model.weight.grad[...] = 5
    model(np.zeros((2, 4), np.float32))
    with pytest.raises(ValueError, match="backward expected dy like y"):
        backward_frozen(model, np.zeros((1, 3), np.float32))
    assert (model.weight.grad == 5).all()


@pytest.mark.parametrize("order", MEMORY_ORDERS)
def test_memory_orders_make_no_difference(order):
    a, b = images(0)
    loss, other = FeatureLoss(encoder()), FeatureLoss(encoder())
    assert other(MEMORY_ORDERS[order](a), MEMORY_ORDERS[order](b)) == pytest.approx(loss(a, b), rel=1e-12)
    np.testing.assert_allclose(other.backward(), loss.backward(), rtol=1e-12)
    values = RelativisticAverageLoss()(MEMORY_ORDERS[order](LOGITS), IS_REAL)
    assert values == pytest.approx(RelativisticAverageLoss()(LOGITS, IS_REAL), rel=1e-12)
