"""Focal and Dice loss: gradients, versions in plain loops and of PyTorch, their limits, parts of a batch."""
# mypy: disable-error-code="arg-type"
import math

import numpy as np
import pytest
from hypothesis import given, strategies as st

from minidl import Adam, Conv2d, CrossEntropyLoss, DataParallel, DiceLoss, FocalLoss, Sequential, check_loss
from minidl.parallel import why_not_in_parts
from tests.strategies import FEW, MEMORY_ORDERS, seeds, shapes

GAMMAS = st.sampled_from([0.0, 0.5, 1.0, 2.0, 3.3])
each_reduction = pytest.mark.parametrize("reduction", ["mean", "sum"])
each_loss = pytest.mark.parametrize("loss", [FocalLoss(), DiceLoss()], ids=["focal", "dice"])


@st.composite
def label_maps(draw):
    """Logits (N, K, H, W), labels of which some may be ignored, and which number says so."""
    N, K, H, W = draw(shapes(channels=st.integers(1, 4)))
    rng = np.random.default_rng(draw(seeds))
    labels = rng.integers(0, K, (N, H, W))
    ignore_index = draw(st.sampled_from([None, 255, -100, 0]))
    if ignore_index is not None:
        labels[rng.random(labels.shape) < 0.3] = ignore_index
        if (labels == ignore_index).all():
            ignore_index, labels = None, np.zeros_like(labels)
    return rng.normal(0, 3, (N, K, H, W)), labels, ignore_index


# Gradients

@each_reduction
@FEW
@given(label_maps(), GAMMAS, st.booleans())
def test_focal_gradients(reduction, case, gamma, weighted):
    logits, labels, ignore_index = case
    weight = np.arange(1.0, 1 + logits.shape[1]) if weighted else None
    check_loss(FocalLoss(gamma, weight, ignore_index, reduction), logits, labels)


@each_reduction
@FEW
@given(label_maps(), st.sampled_from([0.1, 1.0, 20.0]))
def test_dice_gradients(reduction, case, smooth):
    logits, labels, ignore_index = case
    check_loss(DiceLoss(smooth, ignore_index, reduction), logits, labels)


class FactorTakenForAConstant(FocalLoss):
    """Multiplies cross entropy's derivative by q^gamma alone."""

    def forward(self, prediction, target):
        value = super().forward(prediction, target)
        exp, exp_sum, safe, share, cross_entropy = self.recall()
        q = 1 - np.take_along_axis(exp, safe, axis=1) / exp_sum
        self._cache = (exp, exp_sum, safe, q ** self.gamma / cross_entropy.size, cross_entropy)
        return value


class DenominatorTakenForAConstant(DiceLoss):
    def backward(self):
        p, truth, sizes, dice, share = self.recall()
        self._cache = (p, truth, sizes, np.zeros_like(dice), share)
        return super().backward()


class WithoutSoftmax(DiceLoss):
    def backward(self):
        p, truth, sizes, dice, _ = self.recall()
        return 2 * (dice[:, :, None, None] * p - truth) / sizes[:, :, None, None] / dice.size


MAPS = np.random.default_rng(0).normal(size=(2, 3, 3, 4))
LABELS = np.random.default_rng(1).integers(0, 3, (2, 3, 4))


@pytest.mark.parametrize("loss", [FactorTakenForAConstant(), DenominatorTakenForAConstant(), WithoutSoftmax()],
                         ids=lambda loss: type(loss).__name__)
def test_a_wrong_backward_fails(loss):
    with pytest.raises(AssertionError, match="<-- wrong"):
        check_loss(loss, MAPS, LABELS)


# Values, by plain loops, by PyTorch and by hand

def softmax_at(logits, n, i, j):
    exp = [math.exp(z) for z in logits[n, :, i, j]]
    return [value / math.fsum(exp) for value in exp]


@FEW
@given(label_maps(), GAMMAS)
def test_focal_forward(case, gamma):
    logits, labels, ignore_index = case
    found = []
    for n, i, j in np.ndindex(labels.shape):
        if labels[n, i, j] != ignore_index:
            p = softmax_at(logits, n, i, j)[labels[n, i, j]]
            found.append(max(0.0, 1 - p) ** gamma * -math.log(p))
    value = FocalLoss(gamma, ignore_index=ignore_index)(logits, labels)
    assert value == pytest.approx(math.fsum(found) / len(found), rel=1e-9, abs=1e-12)


@FEW
@given(label_maps(), st.sampled_from([0.1, 1.0]))
def test_dice_forward(case, smooth):
    logits, labels, ignore_index = case
    N, K, H, W = logits.shape
    images = []
    for n in range(N):
        both, p_squares, g_squares = [0.0] * K, [0.0] * K, [0] * K
        for i, j in np.ndindex(H, W):
            if labels[n, i, j] != ignore_index:
                for k, p in enumerate(softmax_at(logits, n, i, j)):
                    both[k] += p * (labels[n, i, j] == k)
                    p_squares[k] += p * p
                    g_squares[k] += labels[n, i, j] == k
        if (labels[n] != ignore_index).any():
            images.append(1 - sum((2 * both[k] + smooth) / (p_squares[k] + g_squares[k] + smooth)
                                  for k in range(K)) / K)
    value = DiceLoss(smooth, ignore_index)(logits, labels)
    assert value == pytest.approx(sum(images) / len(images), rel=1e-9, abs=1e-12)


@FEW
@given(label_maps())
def test_formulas_in_pytorch_give_the_same(case):
    torch = pytest.importorskip("torch")
    F = torch.nn.functional
    logits, labels, ignore_index = case
    if ignore_index is not None:
        labels, ignore_index = np.where(labels == ignore_index, 0, labels), None
    target = torch.tensor(labels)

    def focal(z):
        log_p = F.log_softmax(z, 1).gather(1, target[:, None])
        return (-(1 - log_p.exp()) ** 2 * log_p).mean()

    def dice(z):
        p, g = z.softmax(1), F.one_hot(target, z.shape[1]).permute(0, 3, 1, 2)
        sums = [a.sum(dim=(2, 3)) for a in (p * g, p * p, g * g)]
        return (1 - (2 * sums[0] + 1) / (sums[1] + sums[2] + 1)).mean()

    for loss, theirs in ((FocalLoss(2), focal), (DiceLoss(1), dice)):
        z = torch.tensor(logits, requires_grad=True)
        value = theirs(z)
        value.backward()
        assert loss(logits, labels) == pytest.approx(value.item(), rel=1e-9, abs=1e-12)
        np.testing.assert_allclose(loss.backward(), z.grad.numpy(), rtol=1e-7, atol=1e-10)


def test_focal_by_hand():
    logits = np.log([[0.5, 0.5], [0.1, 0.9]])                              # q = 0.5 and 0.9
    assert FocalLoss(2)(logits, np.array([0, 0])) == pytest.approx((0.25 * math.log(2) + 0.81 * math.log(10)) / 2)
    assert FocalLoss(1, reduction="sum")(logits, np.array([0, 1])) == pytest.approx(
        0.5 * math.log(2) + 0.1 * -math.log(0.9))
    weighted = FocalLoss(2, weight=[1, 3])(logits, np.array([0, 1]))
    assert weighted == pytest.approx((0.25 * math.log(2) + 3 * 0.01 * -math.log(0.9)) / 4)


def test_dice_by_hand():
    """Two pixels of classes 0 and 1, with p_0 = 0.8 and 0.4."""
    logits = np.log([[[0.8, 0.4]], [[0.2, 0.6]]])[None]                    # (1, 2, 1, 2)
    labels = np.array([[[0, 1]]])
    D0 = (2 * 0.8 + 1) / (0.64 + 0.16 + 1 + 1)
    D1 = (2 * 0.6 + 1) / (0.04 + 0.36 + 1 + 1)
    assert DiceLoss()(logits, labels) == pytest.approx(1 - (D0 + D1) / 2)


# Limits

@FEW
@given(label_maps(), st.booleans())
def test_gamma_0_is_cross_entropy(case, weighted):
    logits, labels, ignore_index = case
    weight = np.arange(1.0, 1 + logits.shape[1]) if weighted else None
    focal, plain = FocalLoss(0, weight, ignore_index), CrossEntropyLoss(weight, ignore_index)
    assert focal(logits, labels) == pytest.approx(plain(logits, labels), rel=1e-12, abs=1e-15)
    np.testing.assert_allclose(focal.backward(), plain.backward(), rtol=1e-12, atol=1e-16)


def test_focal_factor_is_as_the_docstring_says():
    p = np.array([0.9, 0.5, 0.1])
    focal, plain = FocalLoss(reduction="sum"), CrossEntropyLoss(reduction="sum")
    logits = np.log([p, 1 - p]).T
    for loss in (focal, plain):
        loss(logits, np.zeros(3, int))
    ratio = focal.backward() / plain.backward()                            # (3, 2)
    np.testing.assert_allclose(ratio[:, 0], ratio[:, 1])
    assert ratio[:, 0].round(2).tolist() == [0.03, 0.60, 1.22]


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("gamma", [0, 0.5, 1, 2, 5])
def test_focal_with_huge_logits(gamma, dtype):
    loss = FocalLoss(gamma, reduction="sum")
    logits = np.array([[1e4, -1e4, 0], [-3e4, 3e4, 0]], dtype)
    assert loss(logits, np.array([0, 0])) == 6e4                           # sure and right, sure and wrong
    assert loss.backward().tolist() == [[0, 0, 0], [-1, 1, 0]] and loss.backward().dtype == dtype


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("gamma", [0, 0.5, 1, 2])
def test_focal_is_exact_near_certainty(gamma, dtype):
    """There q is exp(-z) and C is q, to first order: the loss is q^(1 + gamma), its slope (1 + gamma) times that."""
    loss, q = FocalLoss(gamma), math.exp(-20)
    assert loss(np.array([[20, 0]], dtype), np.array([0])) == pytest.approx(q ** (1 + gamma), rel=1e-5)
    assert loss.backward()[0, 1] == pytest.approx((1 + gamma) * q ** (1 + gamma), rel=1e-5)


def sure(labels, K):
    return np.where(labels[:, None] == np.arange(K)[:, None, None], 1e4, -1e4)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_dice_of_sure_predictions(dtype):
    loss = DiceLoss(smooth=1e-6)
    assert loss(sure(LABELS, 3).astype(dtype), LABELS) == pytest.approx(0, abs=1e-12)
    assert not loss.backward().any() and loss.backward().dtype == dtype
    assert loss(sure((LABELS + 1) % 3, 3).astype(dtype), LABELS) == pytest.approx(1, abs=1e-6)
    assert not loss.backward().any()                                       # sure and wrong: no way out


def test_dice_of_sure_predictions_is_that_of_the_metrics():
    from minidl import metrics
    labels, predictions = LABELS[:1], np.random.default_rng(2).integers(0, 3, (1, 3, 4))
    expected = metrics.mean_dice(metrics.confusion_matrix(labels, predictions, 3))
    assert DiceLoss(smooth=1e-9)(sure(predictions, 3), labels) == pytest.approx(1 - expected)


def test_a_class_that_is_absent_and_not_predicted_costs_nothing():
    labels = np.zeros((1, 4, 5), int)
    assert DiceLoss()(sure(labels, 3), labels) == 0


# Labels, and what is refused

def test_ignored_pixels_take_no_part_whatever_the_logits():
    labels = LABELS.copy()
    labels[0], labels[1, 0] = 255, 255
    for kind in (FocalLoss, DiceLoss):
        loss = kind(ignore_index=255)
        expected = loss(MAPS, labels)
        for garbage in (np.nan, np.inf, -np.inf, 7):
            logits = MAPS.copy()
            logits[0], logits[1, :, 0] = garbage, garbage
            assert loss(logits, labels) == pytest.approx(expected, rel=1e-12)
            d = loss.backward()
            assert not d[0].any() and not d[1, :, 0].any() and d[1, :, 1:].all()
    assert DiceLoss(ignore_index=255)(MAPS, labels) == pytest.approx(DiceLoss()(MAPS[1:, :, 1:], labels[1:, 1:]))


@each_loss
@pytest.mark.parametrize("labels, message", [
    ([[0, 3], [1, 9]], r"Loss: expected labels 0\.\.2, got 3 at \(0, 0, 1\)"),
    ([[0, -1], [1, 1]], r"Loss: expected labels 0\.\.2, got -1 at \(0, 0, 1\)"),
    ([[0.0, 0], [0, 0]], r"Loss: expected integer labels, got dtype float64.*astype\(int\)"),
    ([0, 1, 1], r"Loss: expected logits .* got logits \(1, 3, 2, 2\) with labels \(1, 3\)"),
    ([[[0, 0], [0, 1]]] * 3, r"They would fit as labels\.argmax\(axis=1\) if they are one-hot"),
])
def test_labels_that_do_not_fit_are_refused(loss, labels, message):
    with pytest.raises(ValueError, match=message) as error:
        loss(np.zeros((1, 3, 2, 2)), np.array([labels]))
    assert str(error.value).startswith(type(loss).__name__)


@pytest.mark.parametrize("make, message", [
    (lambda: FocalLoss(-1), "FocalLoss: expected a finite gamma"), (lambda: FocalLoss(math.nan), "gamma"),
    (lambda: FocalLoss(weight=[1, -1]), "FocalLoss: expected weight"),
    (lambda: FocalLoss(weight=[1, 1])(MAPS, LABELS), "FocalLoss: expected 3 class weights"),
    (lambda: FocalLoss(ignore_index=0)(MAPS, 0 * LABELS), "FocalLoss: no label is left"),
    (lambda: DiceLoss(0), "DiceLoss: expected a finite smooth above 0"), (lambda: DiceLoss(math.inf), "smooth"),
    (lambda: DiceLoss(ignore_index=0)(MAPS, 0 * LABELS), "DiceLoss: no label is left"),
    (lambda: DiceLoss()(np.zeros((2, 3)), np.zeros(2, int)), r"DiceLoss: expected logits \(N, K, H, W\)"),
    (lambda: DiceLoss(reduction="median"), "DiceLoss: expected reduction"),
    (lambda: DiceLoss()(MAPS.astype(np.float16), LABELS), "float32 or float64, got float16"),
    (lambda: FocalLoss().backward(), "needs a forward"), (lambda: DiceLoss().backward(), "needs a forward"),
])
def test_what_makes_no_sense_is_refused(make, message):
    with pytest.raises((ValueError, RuntimeError), match=message):
        make()


# Types and memory

@each_loss
@pytest.mark.parametrize("order", MEMORY_ORDERS)
def test_any_memory_order_gives_the_same_and_is_only_read(loss, order):
    exact, dexact = loss(MAPS, LABELS), loss.backward()
    prediction, target = MEMORY_ORDERS[order](MAPS.copy()), MEMORY_ORDERS[order](LABELS.copy())
    prediction.flags.writeable = target.flags.writeable = False
    assert loss(prediction, target) == pytest.approx(exact, rel=1e-13)
    np.testing.assert_allclose(loss.backward(), dexact, rtol=1e-11, atol=1e-15)


@each_loss
def test_single_precision_stays_single_and_agrees_with_double(loss):
    exact, dexact = loss(MAPS, LABELS), loss.backward()
    value = loss(MAPS.astype(np.float32), LABELS)
    d = loss.backward()
    assert type(value) is float and value == pytest.approx(exact, rel=1e-5)
    assert d.dtype == np.float32 and dexact.dtype == np.float64
    np.testing.assert_allclose(d, dexact, rtol=1e-4, atol=1e-6)


@each_loss
def test_backward_can_be_repeated_and_the_prediction_written_to(loss):
    prediction, target = MAPS.copy(), LABELS.copy()
    loss(prediction, target)
    first = loss.backward()
    kept = first.copy()
    first *= 2
    prediction -= 3
    target[...] = 0
    assert np.array_equal(loss.backward(), kept)


# Parts of a batch

@each_reduction
@pytest.mark.parametrize("kind", [FocalLoss, DiceLoss])
@pytest.mark.parametrize("cut", [1, 2, 4])
def test_parts_make_up_the_whole_batch(kind, cut, reduction):
    rng = np.random.default_rng(0)
    logits, labels = rng.normal(size=(5, 3, 3, 4)), rng.integers(0, 3, (5, 3, 4))
    labels[0], labels[3, 0] = 255, 255                                     # the first part may have nothing to count
    loss = kind(ignore_index=255, reduction=reduction)
    value, gradient = loss(logits, labels), loss.backward()
    loss.is_part = True
    found = []
    for part in (slice(0, cut), slice(cut, 5)):
        one = loss(logits[part], labels[part])
        found.append((one, loss.count, loss.denominator(loss.count), loss.backward()))
    whole = loss.denominator(sum(count for _, count, _, _ in found))
    assert sum(one * own for one, _, own, _ in found) / whole == pytest.approx(value, rel=1e-12)
    np.testing.assert_allclose(np.concatenate([d * (own / whole) for _, _, own, d in found]), gradient, rtol=1e-10,
                               atol=1e-16)


@each_loss
def test_two_processes_train_as_one(loss):
    rng = np.random.default_rng(0)
    x, labels = rng.random((5, 3, 8, 8), np.float32), rng.integers(0, 3, (5, 8, 8))
    found = []
    for workers in (1, 2):
        model = Sequential(Conv2d(3, 3, 3, padding="same", rng=0))
        optimizer = Adam(model.parameters(), 1e-2)
        assert why_not_in_parts(model, loss, optimizer) == ""
        with DataParallel(model, loss, optimizer, workers=workers) as team:
            found.append([team.step(x, labels) for _ in range(3)])
    assert found[1] == pytest.approx(found[0], rel=1e-5) and found[0][2] < found[0][0]
