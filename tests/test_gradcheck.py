"""The check of gradients itself: it passes what is right and fails each layer that is wrong."""
import copy
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from minidl import (
    BatchNorm2d, Conv2d, CrossEntropyLoss, Dropout, Linear, ReLU, Sequential, Sigmoid, Softmax, check_layer, check_loss,
)
from minidl.gradcheck import GradientReport, numeric_gradient, relative_error
from tests.layers import saboteurs

ROOT = Path(__file__).resolve().parents[1]
RNG = np.random.default_rng(1)
MAPS = RNG.normal(2, 1, (2, 3, 4, 5))
ROWS = RNG.normal(size=(3, 4))
LABELS = np.array([1, 0, 3])


# The check itself must not be fooled

@pytest.mark.parametrize("layer, x", [
    (saboteurs.SoftmaxOfZeros(), ROWS),
    (saboteurs.SoftmaxWrongSign(), ROWS),
    (saboteurs.SoftmaxWrongSign(), MAPS),
    (saboteurs.ConvNoBiasGradient(3, 2, 2, rng=0), MAPS),
    (saboteurs.ConvNoBiasGradient(3, 4, 2, rng=0), MAPS),
    (saboteurs.ConvTransposedKernel(3, 2, 2, rng=0), MAPS),
    (saboteurs.ConvTransposedKernel(3, 4, 2, rng=0), MAPS),
    (saboteurs.ConvOverwritesGradient(3, 2, 2, rng=0), MAPS),
    (saboteurs.LinearOverwritesGradient(4, 2, rng=0), ROWS),
    (saboteurs.ReLUWritesIntoDy(), ROWS),
    (saboteurs.ReLUWritesIntoX(), ROWS),
    (saboteurs.TanhOfAbsoluteInPlace(), ROWS),
    (saboteurs.UpsampleClearsX(2), MAPS),
    (saboteurs.ReLUPassesAll(), ROWS),
    (saboteurs.SigmoidSlightlyWrong(), ROWS),
    (saboteurs.SigmoidSinglePrecision(), ROWS),
    (saboteurs.SigmoidWrongShape(), ROWS),
    (saboteurs.BatchNormOfZeros(3), MAPS),
    (saboteurs.BatchNormWithoutMean(3), MAPS),
    (saboteurs.TanhWrongShape(), ROWS),
    (saboteurs.UpsampleAverages(2), MAPS),
    (Sequential(Conv2d(3, 2, 2, rng=0), saboteurs.SoftmaxWrongSign()), MAPS),
], ids=lambda value: repr(value) if not isinstance(value, np.ndarray) else f"{value.ndim}-D")
def test_a_wrong_layer_fails(layer, x):
    with pytest.raises(AssertionError):
        check_layer(layer, x)


def test_a_layer_that_is_wrong_in_one_memory_order_fails_in_that_order():
    layer = saboteurs.ConvTrustsContiguity(3, 4, 2, rng=0)
    dy = RNG.normal(size=layer.output_shape(MAPS.shape))
    check_layer(layer, MAPS, dy)
    with pytest.raises(AssertionError):
        check_layer(layer, MAPS, np.asfortranarray(dy))


def test_the_check_holds_without_asserts():
    """`python -O` drops assert statements: a layer that writes into dy must fail there as well."""
    program = ("import numpy as np\nfrom minidl import check_layer\n"
               "from tests.layers.saboteurs import ReLUWritesIntoDy\n"
               "check_layer(ReLUWritesIntoDy(), np.array([[-1.0, 2.0]]), np.array([[1.0, 1.0]]))")
    run = subprocess.run([sys.executable, "-O", "-c", program], cwd=ROOT, capture_output=True, text=True)
    assert run.returncode and "wrote into x or dy" in run.stderr


@pytest.mark.parametrize("loss", [saboteurs.CrossEntropyForgetsTheMean(), saboteurs.CrossEntropyWithoutOneHot()])
def test_a_wrong_loss_fails(loss):
    with pytest.raises(AssertionError, match="dprediction .* <-- wrong"):
        check_loss(loss, ROWS, LABELS)
    assert not check_loss(loss, ROWS, LABELS, strict=False).passed


@pytest.mark.parametrize("right, zeros, x", [(Softmax(), saboteurs.SoftmaxOfZeros(), ROWS),
                                             (BatchNorm2d(3), saboteurs.BatchNormOfZeros(3), MAPS)])
def test_dy_of_ones_is_blind_where_a_random_one_is_not(right, zeros, x):
    """All x moved alike change neither a softmax nor a batch norm: with dy of ones the true dx is 0."""
    ones = np.ones(x.shape)
    assert check_layer(zeros, x, dy=ones, tolerance=1e-4).passed
    assert check_layer(right, x, dy=ones, tolerance=1e-4).passed
    assert check_layer(zeros, x, strict=False).errors["x"] == 1
    assert check_layer(right, x).passed


def test_the_default_dy_is_not_an_x_of_the_same_seed():
    """Batch norm sends dy = x back as 0, so if both came from one seed the check would be blind again."""
    x = np.random.default_rng(0).normal(2, 1, (2, 3, 4, 5))
    assert check_layer(saboteurs.BatchNormOfZeros(3), x, rng=0, strict=False).errors["x"] == 1
    check_layer(BatchNorm2d(3), x, rng=0)
    rng = np.random.default_rng(5)
    check_layer(BatchNorm2d(3), np.random.default_rng(5).normal(2, 1, (2, 3, 4, 5)), rng=rng)


def test_the_report_names_what_is_wrong_and_only_that():
    report = check_layer(saboteurs.ConvNoBiasGradient(3, 2, 2, rng=0), MAPS, strict=False)
    assert not report.passed and report.worst == report.errors["bias"] > 0.5
    assert max(report.errors["x"], report.errors["weight"]) < 1e-6
    lines = str(report).splitlines()
    assert "WRONG" in lines[0] and [line for line in lines if "<-- wrong" in line] == [lines[3]]
    assert lines[3].split()[0] == "dbias"
    good = check_layer(Conv2d(3, 2, 2, rng=0), MAPS)
    assert good.passed and "ok" in str(good) and "wrong" not in str(good)
    assert sorted(good.errors) == ["bias", "weight", "x"]


def test_an_error_of_one_in_ten_thousand_is_measured_as_such():
    report = check_layer(saboteurs.SigmoidSlightlyWrong(), ROWS, strict=False)
    assert 0.99e-4 < report.worst < 1.01e-4
    assert check_layer(saboteurs.SigmoidSlightlyWrong(), ROWS, tolerance=2e-4).passed


# What it leaves alone

def test_the_layer_checked_is_not_changed():
    dropout = Dropout(0.5, rng=0)
    model = Sequential(Linear(4, 3, rng=0), dropout, ReLU()).eval()
    state = dropout.rng.bit_generator.state
    model.parameters()[0].grad[...] = 5
    twin = copy.deepcopy(model)
    check_layer(model, ROWS)
    for p, q in zip(model.parameters(), twin.parameters(), strict=True):
        assert np.array_equal(p.data, q.data) and np.array_equal(p.grad, q.grad) and p.data.dtype == np.float32
    assert not any(layer.training or layer._cache for _, layer in model.walk())
    assert dropout.rng.bit_generator.state == state
    bn = BatchNorm2d(3)
    before = bn.state_dict()
    check_layer(bn, MAPS)
    assert all(np.array_equal(value, before[name]) for name, value in bn.state_dict().items())


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_the_arrays_given_are_not_changed(dtype):
    x, dy = ROWS.astype(dtype), np.ones((3, 4), dtype)
    x.flags.writeable = dy.flags.writeable = False
    check_layer(Sigmoid(), x, dy)
    check_loss(CrossEntropyLoss(), x, LABELS)
    assert np.array_equal(x, ROWS.astype(dtype))


def test_the_same_seed_gives_the_same_report():
    layer = Conv2d(3, 2, 2, rng=0)
    assert check_layer(layer, MAPS, rng=3) == check_layer(layer, MAPS, rng=3) != check_layer(layer, MAPS, rng=4)


# Its parts

def test_numeric_gradient_of_a_known_function():
    x = np.array([[1.0, 2.0], [3.0, -4.0]])
    dy = np.array([[1.0, 10.0], [100.0, 1000.0]])
    np.testing.assert_allclose(numeric_gradient(lambda: x ** 2, x, dy), 2 * x * dy, rtol=1e-8)
    assert x.tolist() == [[1, 2], [3, -4]]               # put back


def test_numeric_gradient_of_a_view_of_what_is_moved():
    x = np.array([[1.0, 2.0], [3.0, -4.0]])
    np.testing.assert_allclose(numeric_gradient(lambda: x[::-1], x, np.array([[5.0, 6], [7, 8]])), [[7, 8], [5, 6]])


def test_relative_error():
    assert relative_error(np.array([1.0, 2.0]), np.array([1.0, 2.0])) == 0
    assert relative_error(np.array([1.0, 3.0]), np.array([1.0, 2.0])) == pytest.approx(1 / 3)
    assert relative_error(np.array([0.0]), np.array([1e-9])) == 1
    assert relative_error(np.array([0.0]), np.array([1e-9]), scale=1.0) == pytest.approx(1e-5)
    assert relative_error(np.array([np.nan]), np.array([1.0])) == np.inf
    assert relative_error(np.zeros(0), np.zeros(0)) == 0


def test_a_nan_is_never_a_pass():
    assert not GradientReport("layer", {"x": float("inf")}, 1e-6).passed

    class Nan(Sigmoid):
        def backward(self, dy):
            return super().backward(dy) * np.nan
    with pytest.raises(AssertionError):
        check_layer(Nan(), ROWS)
