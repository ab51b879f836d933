"""The losses: gradients, references, exactness far out, and what they refuse."""
# mypy: disable-error-code="arg-type"
import math

import numpy as np
import pytest
from hypothesis import given, strategies as st

from minidl import BCEWithLogitsLoss, CrossEntropyLoss, L1Loss, MSELoss, SmoothL1Loss, check_loss
from tests import reference as ref
from tests.strategies import FEW, MEMORY_ORDERS, seeds, shapes, spaced

BETA = 0.7123                              # no error of the tests is just as large: the two pieces meet there
ELEMENTWISE = {"mse": (MSELoss, ref.mse), "l1": (L1Loss, ref.l1), "bce": (BCEWithLogitsLoss, ref.bce_with_logits),
               "smooth l1": (lambda reduction="mean": SmoothL1Loss(reduction, BETA),
                             lambda prediction, target: ref.smooth_l1(prediction, target, BETA))}
each_elementwise = pytest.mark.parametrize("name", ELEMENTWISE)
each_reduction = pytest.mark.parametrize("reduction", ["mean", "sum"])


@st.composite
def classifications(draw):
    """Logits (N, K) or (N, K, H, W), fitting labels of which some may be ignored, and settings of the loss."""
    N, K, H, W = draw(shapes(channels=st.integers(1, 4)))
    rng = np.random.default_rng(draw(seeds))
    rank = draw(st.sampled_from([2, 4]))
    logits = rng.normal(0, 3, (N, K, H, W)[:rank])
    labels = rng.integers(0, K, (N, H, W)[:1 if rank == 2 else 3])
    ignore_index = draw(st.sampled_from([None, 255, -100, 0]))
    if ignore_index is not None:
        labels[rng.random(labels.shape) < 0.3] = ignore_index
        labels.flat[0] = K - 1 if ignore_index != 0 or K > 1 else 0
    weight = draw(st.sampled_from([None, rng.uniform(0.1, 3, K)]))
    if (labels == ignore_index).all():
        ignore_index = None                              # K = 1 and class 0 ignored: nothing would be left
    return logits, labels, {"weight": weight, "ignore_index": ignore_index}


@each_reduction
@FEW
@given(classifications())
def test_cross_entropy_gradients(reduction, case):
    logits, labels, settings = case
    check_loss(CrossEntropyLoss(**settings, reduction=reduction), logits, labels)


@FEW
@given(classifications())
def test_cross_entropy_forward(case):
    logits, labels, settings = case
    mean = ref.cross_entropy(logits, labels, **settings)
    assert CrossEntropyLoss(**settings).forward(logits, labels) == pytest.approx(mean, rel=1e-12, abs=1e-14)
    counted = labels[labels != settings["ignore_index"]]
    total = len(counted) if settings["weight"] is None else settings["weight"][counted].sum()
    value = CrossEntropyLoss(**settings, reduction="sum").forward(logits, labels)
    assert value == pytest.approx(mean * total, rel=1e-12, abs=1e-13)


@st.composite
def predictions(draw):
    """Predictions and targets of any rank that differ by more than a gradient check's step."""
    shape = draw(shapes() | st.tuples(st.integers(1, 6)) | st.tuples(st.integers(1, 4), st.integers(1, 4)))
    rng = np.random.default_rng(draw(seeds))
    target = rng.uniform(0, 1, shape)
    return target + spaced(shape, rng), target


@each_reduction
@each_elementwise
@FEW
@given(predictions())
def test_elementwise_gradients(name, reduction, case):
    check_loss(ELEMENTWISE[name][0](reduction=reduction), *case)


@each_elementwise
@FEW
@given(predictions())
def test_elementwise_forward(name, case):
    kind, expected = ELEMENTWISE[name]
    prediction, target = case
    mean = expected(10 * prediction, target)
    assert kind()(10 * prediction, target) == pytest.approx(mean, rel=1e-12)
    assert kind(reduction="sum")(10 * prediction, target) == pytest.approx(mean * target.size, rel=1e-12)


# NaN, infinity, huge and tiny numbers. Warnings are errors: none of these may give one.

def test_ignored_labels_take_no_part_whatever_the_logits():
    for garbage in ([np.nan, np.nan], [np.inf, 0], [np.inf, np.inf], [-np.inf, -np.inf], [-np.inf, 0]):
        for dtype in (np.float32, np.float64):
            loss = CrossEntropyLoss(ignore_index=255)
            logits = np.array([garbage, [1, 2]], dtype)
            assert loss(logits, np.array([255, 1], np.uint8)) == pytest.approx(0.3133, abs=1e-4)
            assert loss.backward()[0].tolist() == [0, 0]
            maps = np.stack([logits, logits], axis=-1)[..., None]            # (2, 2, 2, 1)
            assert loss(maps, np.array([[255, 255], [1, 255]])[..., None]) == pytest.approx(0.3133, abs=1e-4)


@pytest.mark.parametrize("logit, target, value, slope", [
    (np.inf, 0, np.inf, 1), (np.inf, 0.5, np.inf, 0.5), (np.inf, 1, 0, 0), (-np.inf, 0, 0, 0), (-np.inf, 1, np.inf, -1),
    (-np.inf, 0.5, np.inf, -0.5), (1e308, 0, 1e308, 1), (-1e308, 1, 1e308, -1), (1e308, 1, 0, 0),
    (5e-324, 0, math.log(2), 0.5), (-0.0, 1, math.log(2), -0.5), (np.nan, 1, np.nan, np.nan)])
def test_binary_cross_entropy_far_out(logit, target, value, slope):
    loss = BCEWithLogitsLoss()
    assert loss(np.array([logit]), np.array([target])) == pytest.approx(value, nan_ok=True)
    assert loss.backward() == pytest.approx(np.array([slope]), nan_ok=True)


@pytest.mark.parametrize("dtype, huge", [(np.float32, 2e38), (np.float64, 1e308)])
def test_huge_and_infinite_errors(dtype, huge):
    error, zero = np.array([huge, -np.inf, 1], dtype), np.zeros(3, dtype)
    smooth = SmoothL1Loss("sum", beta=2)
    assert smooth(error[[0]], zero[[0]]) == pytest.approx(huge)
    assert smooth(error, zero) == np.inf and smooth.backward().tolist() == [1, -1, 0.5]
    squared = MSELoss()
    with np.errstate(over="ignore"):
        assert squared(error, zero) == np.inf
    np.testing.assert_allclose(squared.backward(), np.array([huge / 3 * 2, -np.inf, 2 / 3], dtype))


SPECIAL = [np.nan, np.inf, -np.inf, 0.0, -0.0, 1e100, -1e100, 1e300, -1e300, 1e-300, -1e-300, 5e-324, 1e-160]


@each_reduction
@pytest.mark.parametrize("name", ["mse_loss", "l1_loss", "smooth_l1_loss", "binary_cross_entropy_with_logits",
                                  "cross_entropy"])
def test_special_values_are_those_of_pytorch(name, reduction):
    torch = pytest.importorskip("torch")
    ours = dict(zip(["mse_loss", "l1_loss", "smooth_l1_loss", "binary_cross_entropy_with_logits", "cross_entropy"],
                    [MSELoss, L1Loss, SmoothL1Loss, BCEWithLogitsLoss, CrossEntropyLoss]))[name](reduction=reduction)
    for seed in range(60):
        rng = np.random.default_rng(seed)
        x, t = rng.normal(size=(2, 3, 4))
        few = rng.choice(SPECIAL, 3)
        for array, share in ((x, rng.choice([0.1, 0.3])), (t, rng.choice([0, 0.1]))):
            which = rng.random(array.shape) < share
            array[which] = rng.choice(few, np.count_nonzero(which))
        if name == "cross_entropy":
            t = rng.integers(0, 4, 3)
        elif "binary" in name:                            # PyTorch has NaN at minus infinity, we the limit
            t, x = rng.choice([0, 0.3, 1], t.shape), np.where(np.isinf(x), 1e100, x)
        x_theirs = torch.tensor(x, requires_grad=True)
        value = getattr(torch.nn.functional, name)(x_theirs, torch.tensor(t), reduction=reduction)
        value.backward()
        with np.errstate(all="ignore"):
            np.testing.assert_allclose(ours(x, t), value.item(), rtol=1e-9)
            d, expected = ours.backward(), x_theirs.grad.numpy()
        if name == "l1_loss":                             # PyTorch has the slope 0 at NaN
            d[np.isnan(d)] = 0
        np.testing.assert_allclose(d, expected, rtol=1e-9, atol=1e-290)


# Types

@pytest.mark.parametrize("loss", [CrossEntropyLoss(), MSELoss(), L1Loss(), SmoothL1Loss(), BCEWithLogitsLoss()])
def test_other_floating_types_are_refused(loss):
    prediction = np.zeros((4, 3, 128, 128), np.float16)   # whose mean in float16 would be 0
    target = np.zeros((4, 128, 128), int) if isinstance(loss, CrossEntropyLoss) else prediction
    with pytest.raises(ValueError, match="float32 or float64, got float16 of shape"):
        loss(prediction, target)
    assert math.isfinite(loss(prediction.astype(np.float32), target))


# Memory, and what is remembered

RNG = np.random.default_rng(0)
MAPS, LABELS, TARGETS = RNG.normal(size=(2, 3, 4, 5)), RNG.integers(0, 3, (2, 4, 5)), RNG.uniform(0, 1, (2, 3, 4, 5))
each_loss = pytest.mark.parametrize("loss, prediction, target", [
    (CrossEntropyLoss(weight=[1, 2.5, 0.5], ignore_index=255), MAPS, LABELS),
    *((kind(), MAPS, TARGETS) for kind, _ in ELEMENTWISE.values())], ids=["cross entropy", *ELEMENTWISE])


@each_loss
def test_single_precision_stays_single_and_agrees_with_double(loss, prediction, target):
    exact, dexact = loss(prediction, target), loss.backward()
    value = loss(prediction.astype(np.float32), target)
    d = loss.backward()
    assert type(value) is float and value == pytest.approx(exact, rel=1e-5)
    assert d.dtype == np.float32 and dexact.dtype == np.float64
    np.testing.assert_allclose(d, dexact, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("order", MEMORY_ORDERS)
@each_loss
def test_any_memory_order_gives_the_same_and_is_only_read(loss, prediction, target, order):
    exact, dexact = loss(prediction, target), loss.backward()
    prediction, target = (MEMORY_ORDERS[order](array.copy()) for array in (prediction, target))
    prediction.flags.writeable = target.flags.writeable = False
    assert loss(prediction, target) == pytest.approx(exact, rel=1e-14)
    np.testing.assert_allclose(loss.backward(), dexact, rtol=1e-12, atol=1e-16)


@each_loss
def test_backward_needs_a_forward_and_can_be_repeated(loss, prediction, target):
    with pytest.raises(RuntimeError, match="backward needs a forward"):
        type(loss)().backward()
    loss.forward(prediction, target)
    first = loss.backward()
    kept = first.copy()
    first *= 2                                           # what the caller does to it is the caller's
    assert np.array_equal(loss.backward(), kept)


# Cross entropy far out

@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("label, expected", [(0, 0.0), (1, 40.0)])
def test_cross_entropy_is_exact_where_log_of_softmax_is_not(dtype, label, expected):
    assert CrossEntropyLoss()(np.array([[40, 0]], dtype), np.array([label])) == expected


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_no_overflow_with_huge_logits(dtype):
    z = np.array([[1e4, -1e4, 0], [-3e4, 3e4, 0]], dtype)
    loss = CrossEntropyLoss(reduction="sum")
    assert loss(z, np.array([0, 0])) == 6e4
    assert loss.backward().tolist() == [[0, 0, 0], [-1, 1, 0]]
    bce = BCEWithLogitsLoss(reduction="sum")
    assert bce(np.array([1e4, -1e4, 1e4], dtype), np.array([1, 0, 0])) == 1e4
    assert bce.backward().tolist() == [0, 0, 1]


@pytest.mark.parametrize("dtype", [np.uint8, np.int32, np.int64])
def test_labels_of_any_integer_type(dtype):
    z = np.random.default_rng(0).normal(size=(3, 4))
    labels = np.array([1, 0, 3], dtype)
    assert CrossEntropyLoss(ignore_index=-1)(z, labels) == CrossEntropyLoss()(z, [1, 0, 3])


def test_l1_has_no_slope_where_prediction_and_target_are_equal():
    loss = L1Loss(reduction="sum")
    assert loss(np.array([1.0, 2, 3]), np.array([1.0, 5, 1])) == 5
    assert loss.backward().tolist() == [0, -1, 1]


def test_smooth_l1_by_hand():
    loss = SmoothL1Loss("sum", beta=2)
    assert loss(np.array([0.0, 1, 2, 3, -5]), np.zeros(5)) == 0 + 1 / 4 + 1 + 2 + 4
    assert loss.backward().tolist() == [0, 0.5, 1, 1, -1]
    assert SmoothL1Loss()(np.array([1.0]), np.array([0.0])) == 0.5                       # where both pieces meet


# What is refused

@pytest.mark.parametrize("labels, settings, message", [
    ([[0, 3], [1, 9]], {}, r"expected labels 0\.\.2, got 3 at \(0, 0, 1\)"),
    ([[0, -1], [1, 1]], {}, r"got -1 at \(0, 0, 1\)"),
    ([[7, 0], [8, 1]], {"ignore_index": 7}, r"got 8 at \(0, 1, 0\)"),
    ([[7, 7], [7, 7]], {"ignore_index": 7}, "no label is left to count"),
    ([[0, 0], [0, 0]], {"weight": [0, 1, 1]}, "no label is left to count"),
    ([[0, 0], [0, 0]], {"weight": [1, 1]}, "expected 3 class weights, as many as logits, got 2"),
    ([[0.0, 0], [0, 0]], {}, "expected integer labels, got dtype float64"),
    ([[True, False], [True, True]], {}, "expected integer labels, got dtype bool"),
    ([0, 1, 1], {}, r"got logits \(1, 3, 2, 2\) with labels \(1, 3\)"),
])
def test_cross_entropy_refuses_labels(labels, settings, message):
    with pytest.raises(ValueError, match=message):
        CrossEntropyLoss(**settings)(np.zeros((1, 3, 2, 2)), np.array([labels]))


@pytest.mark.parametrize("shape", [(3,), (2, 3, 4), (2, 3, 4, 5, 6)])
def test_cross_entropy_refuses_logits_of_other_ranks(shape):
    with pytest.raises(ValueError, match=r"expected logits \(N, K\) with labels \(N,\)"):
        CrossEntropyLoss()(np.zeros(shape), np.zeros(shape[:1] + shape[2:], int))


@each_loss
def test_predictions_that_are_not_floats_are_refused(loss, prediction, target):
    for wrong in (prediction.astype(int), prediction.tolist(), prediction[:0], prediction.astype(object), None):
        with pytest.raises(ValueError, match="expected predictions as a non-empty NumPy array of floating-point"):
            loss(wrong, target)


@each_elementwise
def test_targets_of_another_shape_are_not_broadcast(name):
    loss = ELEMENTWISE[name][0]()
    for target in (np.zeros((4, 1)), np.zeros(4), 0.0, [[0.0] * 4] * 4, np.zeros((4, 4), complex)):
        with pytest.raises(ValueError, match=r"expected targets of the predictions' shape \(4, 4\)"):
            loss(np.zeros((4, 4)), target)


@pytest.mark.parametrize("target", [-0.1, 1.1, np.nan])
def test_binary_cross_entropy_refuses_targets_that_are_not_probabilities(target):
    with pytest.raises(ValueError, match=r"expected targets in \[0, 1\]"):
        BCEWithLogitsLoss()(np.zeros(3), np.array([0, target, 1]))


@pytest.mark.parametrize("make, message", [
    (lambda: MSELoss("median"), 'expected reduction "mean" or "sum"'), (lambda: L1Loss(None), "reduction"),
    (lambda: CrossEntropyLoss(weight=[1, -1]), "weight"), (lambda: CrossEntropyLoss(weight=[[1, 1]]), "weight"),
    (lambda: CrossEntropyLoss(weight=[1, np.nan]), "weight"), (lambda: SmoothL1Loss(beta=0), "beta above 0"),
    (lambda: SmoothL1Loss(beta=math.nan), "beta"), (lambda: SmoothL1Loss(beta=math.inf), "beta"),
])
def test_settings_that_make_no_sense_are_refused(make, message):
    with pytest.raises(ValueError, match=message):
        make()
