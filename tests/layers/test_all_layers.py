"""The rules that hold for every layer, tried on every layer; at the end each is turned on layers that break it."""
# mypy: disable-error-code="arg-type"
import numpy as np
import pytest

from minidl import (
    AvgPool2d, BatchNorm2d, Conv2d, ConvTranspose2d, Dropout, Flatten, Identity, LeakyReLU, Linear, MaxPool2d,
    PixelShuffle, ReLU, Reshape, Residual, Sequential, Skip, Softmax, Sum, Tanh, Upsample, check_layer,
)
from minidl.layers import layout
from minidl.layers.base import no_backward
from tests.layers import saboteurs
from tests.layers.every_layer import LAYERS, MAPS, each_layer
from tests.strategies import MEMORY_ORDERS, assert_close, spaced

WITH_PARAMETERS = [(make, shape) for make, shape in LAYERS if make().parameters()]
each_with_parameters = pytest.mark.parametrize("make, shape", [
    pytest.param(make, shape, id=repr(make())) for make, shape in WITH_PARAMETERS])


def run(layer, x, seed=0):
    """Forward, then backward with a random dy: y, dx and the gradients of all parameters."""
    layer.zero_grad()
    y = layer.forward(x)
    dy = np.random.default_rng(seed).normal(size=y.shape).astype(x.dtype)
    return y, layer.backward(dy), *(p.grad.copy() for p in layer.parameters())


def probe(shape, dtype=np.float32, seed=0):
    return spaced(shape, np.random.default_rng(seed)).astype(dtype)


# Shapes, types and memory

@each_layer
def test_gradients_are_those_of_finite_differences(make, shape):
    check_layer(make(), probe(shape))


@each_layer
def test_output_shape_is_the_shape_of_forward(make, shape):
    layer, x = make(), probe(shape)
    assert layer.output_shape(shape) == layer.forward(x).shape
    assert layer.output_shape(list(shape)) == layer.eval().forward(x).shape


@each_layer
def test_single_precision_stays_single_and_agrees_with_double(make, shape):
    x = probe(shape)
    single, double = run(make(), x), run(make().astype(np.float64), x.astype(np.float64))
    for a, b in zip(single, double, strict=True):
        assert a.dtype == np.float32 and b.dtype == np.float64
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-5)
    assert make().eval().forward(x).dtype == np.float32


@pytest.mark.parametrize("mode", ["train", "eval"])
@pytest.mark.parametrize("make", [
    lambda: LeakyReLU(np.float64(0.2)), lambda: Dropout(np.float64(0.2)), lambda: BatchNorm2d(3, eps=np.float64(1e-5)),
    lambda: BatchNorm2d(3, momentum=np.float64(0.1)), lambda: Residual(Tanh(), scale=np.float64(0.2)),
], ids=["LeakyReLU", "Dropout", "BatchNorm2d eps", "BatchNorm2d momentum", "Residual"])
def test_settings_of_double_precision_do_not_make_single_double(make, mode):
    layer = make()
    getattr(layer, mode)()
    y = layer.forward(probe(MAPS))
    assert y.dtype == np.float32
    if mode == "train":
        assert layer.backward(y).dtype == np.float32
    assert all(array.dtype in (np.float32, np.int64) for array in layer.state_dict().values())


@pytest.mark.parametrize("order", MEMORY_ORDERS)
@each_layer
def test_any_memory_order_gives_the_same_and_is_only_read(make, shape, order):
    rearranged = MEMORY_ORDERS[order]
    expected = run(make().astype(np.float64), probe(shape, np.float64))
    layer = make().astype(np.float64)
    x = rearranged(probe(shape, np.float64))
    y = layer.forward(x)
    dy = rearranged(np.random.default_rng(0).normal(size=y.shape))
    x.flags.writeable = dy.flags.writeable = False
    got = (y, layer.backward(dy), *(p.grad for p in layer.parameters()))
    for a, b in zip(got, expected, strict=True):
        assert_close(a, b)
    evaluated = make().astype(np.float64).eval()
    assert_close(evaluated.forward(x), evaluated.forward(probe(shape, np.float64)))


@pytest.mark.parametrize("mode", ["train", "eval"])
@each_layer
def test_maps_are_laid_out_channel_major(make, shape, mode):
    layer, x = make(), probe(shape)
    getattr(layer, mode)()
    computes = (Conv2d, ConvTranspose2d, BatchNorm2d, MaxPool2d, AvgPool2d, Upsample, PixelShuffle, Skip)
    y = layer.forward(x)
    if isinstance(layer, computes):
        assert layout.is_channel_major(y)
    if y.ndim == 4 and not isinstance(layer, Reshape):  # whatever comes, channel-major stays channel-major
        y = layer.forward(layout.channel_major(x))
        assert layout.is_channel_major(y)
        if mode == "train":
            assert layout.is_channel_major(layer.backward(layout.channel_major(probe(y.shape, seed=1))))


# What a layer remembers

@each_with_parameters
def test_backward_adds_to_the_gradients(make, shape):
    once, twice = make(), make()
    run(once, probe(shape))
    assert any(p.grad.any() for p in once.parameters())
    y = twice.forward(probe(shape))
    for _ in range(2):
        twice.backward(np.random.default_rng(0).normal(size=y.shape).astype(np.float32))
    for a, b in zip(once.parameters(), twice.parameters(), strict=True):
        np.testing.assert_allclose(b.grad, 2 * a.grad, rtol=1e-5, atol=1e-5)
    twice.zero_grad()
    assert not any(p.grad.any() for p in twice.parameters())


@each_layer
def test_backward_can_be_repeated(make, shape):
    layer = make()
    y = layer.forward(probe(shape))
    dy = probe(y.shape, seed=1)
    first = layer.backward(dy).copy()
    assert np.array_equal(layer.backward(dy), first)


@each_layer
def test_backward_belongs_to_the_latest_forward(make, shape):
    layer, fresh = make(), make()
    layer.forward(probe((shape[0] + 1, *shape[1:]), seed=5))
    expected = run(fresh, probe(shape))
    if "Dropout" not in repr(layer):  # which has drawn another mask by now
        for a, b in zip(run(layer, probe(shape)), expected, strict=True):
            assert np.array_equal(a, b)


@each_layer
def test_backward_before_forward_is_refused(make, shape):
    layer = make()
    dy = np.zeros(layer.output_shape(shape), np.float32)
    with pytest.raises(RuntimeError, match="needs a forward before it"):
        layer.backward(dy)
    with pytest.raises(RuntimeError, match="needs a forward before it"):
        layer.backward_parameters(dy)


@each_layer
def test_nothing_is_kept_within_no_backward(make, shape):
    layer = make()
    y = layer.forward(probe(shape))
    with no_backward(layer):
        assert all(part._cache is None for _, part in layer.walk())
        layer.forward(probe(shape))
        assert all(part._cache is None and part.training for _, part in layer.walk())
    with pytest.raises(RuntimeError, match="needs a forward before it"):
        layer.backward(y)
    run(layer, probe(shape))


@each_layer
def test_gradients_in_eval_mode(make, shape):
    layer = make().eval()
    for _, part in layer.walk():
        if isinstance(part, BatchNorm2d):
            part.running_mean[...], part.running_var[...] = 0.3, 1.7
    check_layer(layer, probe(shape))


@each_layer
def test_eval_mode_is_repeatable_and_changes_no_state(make, shape):
    layer = make().eval()
    before = layer.state_dict()
    y = layer.forward(probe(shape))
    assert np.array_equal(layer.forward(probe(shape)), y)
    after = layer.state_dict()
    assert all(np.array_equal(after[name], before[name]) for name in before)


@each_with_parameters
def test_backward_parameters_gives_the_same_gradients(make, shape):
    a, b = make(), make()
    run(a, probe(shape))
    y = b.forward(probe(shape))
    b.backward_parameters(np.random.default_rng(0).normal(size=y.shape).astype(np.float32))
    for p, q in zip(a.parameters(), b.parameters(), strict=True):
        np.testing.assert_allclose(q.grad, p.grad, rtol=1e-6, atol=1e-6)


# What a layer refuses

@each_layer
def test_dy_of_another_shape_or_type_is_refused(make, shape):
    layer = make()
    y = layer.forward(probe(shape))
    for dy in (y[:1], y[..., None], y.astype(np.float64), y.astype(int), y.tolist(), None):
        with pytest.raises(ValueError, match=r"backward expected dy like y, float32 of shape"):
            layer.backward(dy)


@each_layer
def test_input_that_is_not_an_array_of_floats_is_refused(make, shape):
    layer = make()
    for x in (np.zeros(shape, int), np.zeros(shape, np.uint8), np.zeros(shape, bool), np.zeros(shape, complex),
              np.zeros(shape, object), np.full(shape, "1")):
        with pytest.raises(ValueError, match=f"expected a NumPy array of floating-point numbers, got dtype {x.dtype}"):
            layer.forward(x)
    with pytest.raises(ValueError, match="got a list"):
        layer.forward(probe(shape).tolist())
    with pytest.raises(ValueError, match="got a NoneType"):
        layer.forward(None)


@each_layer
def test_empty_batch_is_refused(make, shape):
    for empty in ((0, *shape[1:]), (*shape[:-1], 0)):
        with pytest.raises(ValueError, match="expected at least one sample and no empty axis"):
            make().forward(np.zeros(empty, np.float32))


@each_with_parameters
def test_input_of_another_precision_is_refused_and_both_ways_out_are_named(make, shape):
    with pytest.raises(ValueError, match=r"x\.astype\(np\.float32\), or the model, model\.astype\(np\.float64\)"):
        make().forward(probe(shape, np.float64))
    with pytest.raises(ValueError, match=r"x\.astype\(np\.float64\), or the model, model\.astype\(np\.float32\)"):
        make().astype(np.float64).forward(probe(shape))


WRONG_SHAPES = [
    (lambda: Linear(5, 3), (4, 6)), (lambda: Linear(5, 3), (4, 5, 1)), (lambda: Linear(5, 3), (5,)),
    (lambda: Softmax(), (4,)),
    (lambda: Conv2d(3, 4, 3), (2, 4, 5, 5)), (lambda: Conv2d(3, 4, 3), (3, 5, 5)),
    (lambda: Conv2d(3, 4, (3, 1)), (2, 3, 2, 5)), (lambda: Conv2d(3, 4, 2, dilation=(1, 5)), (2, 3, 9, 5)),
    (lambda: ConvTranspose2d(3, 4, 3), (2, 4, 5, 5)), (lambda: ConvTranspose2d(3, 4, 3), (2, 3, 5)),
    (lambda: ConvTranspose2d(3, 4, 1, padding=2), (2, 3, 4, 9)),
    (lambda: BatchNorm2d(3), (2, 4, 5, 5)), (lambda: BatchNorm2d(3), (2, 3)), (lambda: BatchNorm2d(3), (1, 3, 1, 1)),
    (lambda: MaxPool2d((1, 3)), (2, 3, 5, 2)), (lambda: MaxPool2d(2), (3, 5, 5)),
    (lambda: AvgPool2d((3, 1)), (2, 3, 2, 5)), (lambda: AvgPool2d(2), (2, 3, 5, 5, 5)),
    (lambda: Upsample(2), (3, 5, 5)), (lambda: Upsample(2, mode="bilinear"), (5, 5)),
    (lambda: Flatten(), (4,)), (lambda: Reshape((2, 3)), (4, 7)), (lambda: Reshape((2, 3)), (6,)),
    (lambda: PixelShuffle(2), (2, 6, 3, 3)), (lambda: PixelShuffle(2), (4, 3, 3)),
    (lambda: Skip(Linear(5, 5)), (4, 5)), (lambda: Skip(Identity()), (4,)), (lambda: Skip(MaxPool2d(2)), (2, 3, 4, 4)),
    (lambda: Skip(Sequential(MaxPool2d(2), Upsample(2))), (2, 3, 5, 4)),
    (lambda: Skip(Sequential(MaxPool2d(2), Upsample(2))), (2, 3, 4, 5)),
    (lambda: Residual(Conv2d(3, 4, 1)), (2, 3, 4, 4)), (lambda: Residual(Linear(5, 4)), (2, 5)),
    (lambda: Sum(Conv2d(3, 4, 1), Identity()), (2, 3, 4, 4)), (lambda: Sum(Identity(), MaxPool2d(2)), (2, 3, 4, 4)),
]
each_wrong_shape = pytest.mark.parametrize("make, shape", [
    pytest.param(make, shape, id=f"{make()!r} {shape}") for make, shape in WRONG_SHAPES])


@each_wrong_shape
def test_shapes_that_do_not_fit_are_refused_alike_by_forward_and_output_shape(make, shape):
    layer = make()
    with pytest.raises(ValueError, match=r"expected|leaves nothing") as predicted:
        layer.output_shape(shape)
    with pytest.raises(ValueError) as met:
        layer.forward(np.zeros(shape, np.float32))
    assert str(met.value).startswith(str(predicted.value).rstrip("."))      # and may name a shape that would fit
    assert str(shape) in str(met.value)
    assert all(part._cache is None for _, part in layer.walk())  # refused before anything was computed


def test_inside_a_chain_the_layer_that_does_not_fit_is_named():
    chain = Sequential(ReLU(), Conv2d(3, 4, 1), Conv2d(5, 6, 1))
    message = r"Conv2d\(5, 6, 1\): expected input of shape \(N, 5, H, W\), got \(2, 4, 8, 9\)"
    with pytest.raises(ValueError, match=message):
        chain.output_shape((2, 3, 8, 9))
    with pytest.raises(ValueError, match=message):
        chain.forward(np.zeros((2, 3, 8, 9), np.float32))


def test_a_shape_with_channels_last_gets_a_hint():
    with pytest.raises(ValueError, match=r"x\.transpose\(0, 3, 1, 2\)"):
        Conv2d(3, 4, 3).forward(np.zeros((2, 8, 8, 3), np.float32))


@pytest.mark.parametrize("make, name", [
    (lambda: Linear(0, 3), "in_features"), (lambda: Linear(3, 2.0), "out_features"),
    (lambda: Conv2d(3, -1, 3), "out_channels"), (lambda: Conv2d(True, 4, 3), "in_channels"),
    (lambda: Conv2d(3, 4, 0), "kernel_size"), (lambda: Conv2d(3, 4, (3, 3, 3)), "kernel_size"),
    (lambda: Conv2d(3, 4, 3, stride=0), "stride"), (lambda: Conv2d(3, 4, 3, padding=-1), "padding"),
    (lambda: Conv2d(3, 4, 3, padding="valid"), "padding"), (lambda: Conv2d(3, 4, 3, 2, "same"), "padding"),
    (lambda: Conv2d(3, 4, 3, dilation=1.5), "dilation"), (lambda: Conv2d(3, 4, 3, init="zeros"), "init"),
    (lambda: ConvTranspose2d(3, 4, 3, output_padding=1), "output_padding"),
    (lambda: ConvTranspose2d(3, 4, 3, (2, 1), output_padding=(0, 1)), "output_padding"),
    (lambda: BatchNorm2d(0), "num_features"), (lambda: MaxPool2d(3, padding=2), "padding"),
    (lambda: AvgPool2d((1, 4), padding=1), "padding"), (lambda: AvgPool2d(2, stride=(1, 0)), "stride"),
    (lambda: Upsample(0), "scale_factor"), (lambda: Upsample(1.5), "scale_factor"),
    (lambda: Upsample(2, mode="bicubic"), "mode"), (lambda: Upsample(2, align_corners=True), "align_corners"),
    (lambda: Reshape((2, -1)), "shape"), (lambda: PixelShuffle(0), "upscale_factor"),
    (lambda: LeakyReLU(-0.1), "negative_slope"), (lambda: LeakyReLU(1.5), "negative_slope"),
    (lambda: Dropout(1.0), "p "), (lambda: Dropout(-0.1), "p "), (lambda: Sequential(ReLU), "layers"),
    (lambda: Sum(), "at least one layer"), (lambda: Sum(ReLU(), 3), "layers"),
    (lambda: Skip(None), "layers"), (lambda: Residual("conv"), "layers"),
])
def test_settings_that_make_no_sense_are_refused_by_name(make, name):
    with pytest.raises(ValueError, match=name):
        make()


# As they are printed

@pytest.mark.parametrize("text", [
    "Linear(3, 2, bias=False)", "Conv2d(3, 8, 3)", "Conv2d(3, 8, (3, 1), padding='same', bias=False)",
    "Conv2d(3, 8, 3, stride=2, padding=(1, 0), dilation=2)",
    "ConvTranspose2d(3, 8, 4, stride=2, padding=1, output_padding=(1, 0))", "BatchNorm2d(3, eps=0.01, momentum=0.5)",
    "MaxPool2d(2)", "MaxPool2d(3, stride=(2, 1), padding=(1, 0))", "AvgPool2d((3, 2), stride=1)", "LeakyReLU(0.2)",
    "Upsample(2, 'nearest')", "Upsample((1, 2), 'bilinear', align_corners=True)", "Flatten()", "Reshape((1, 6, 6))",
    "Reshape((4,))", "PixelShuffle(3)", "Dropout(0.2)", "Sum(ReLU(), Identity())",
    "Sequential(ReLU(), Skip(Tanh()), Residual(Identity(), scale=0.2), Residual(Identity()))",
])
def test_repr_is_what_one_would_type(text):
    assert repr(eval(text)) == text


# The rules, turned on layers that break them

@pytest.mark.parametrize("rule, make, shape, settings", [
    (test_gradients_are_those_of_finite_differences, lambda: saboteurs.SoftmaxOfZeros(), (4, 5), []),
    (test_output_shape_is_the_shape_of_forward, lambda: saboteurs.TanhWrongShape(), MAPS, []),
    (test_single_precision_stays_single_and_agrees_with_double, lambda: saboteurs.SigmoidDoublePrecision(), MAPS, []),
    (test_single_precision_stays_single_and_agrees_with_double, lambda: saboteurs.SigmoidSinglePrecision(), MAPS, []),
    (test_any_memory_order_gives_the_same_and_is_only_read,
     lambda: saboteurs.ConvTrustsContiguity(3, 4, 3, rng=0), MAPS, ["Fortran"]),
    (test_any_memory_order_gives_the_same_and_is_only_read,
     lambda: saboteurs.ConvTrustsContiguity(3, 4, 3, rng=0), MAPS, ["channel-major"]),
    (test_maps_are_laid_out_channel_major, lambda: saboteurs.ConvImagesOutermost(3, 4, 3, rng=0), MAPS, ["train"]),
    (test_backward_adds_to_the_gradients, lambda: saboteurs.LinearOverwritesGradient(5, 3, rng=0), (4, 5), []),
    (test_backward_adds_to_the_gradients, lambda: saboteurs.ConvOverwritesGradient(3, 4, 3, rng=0), MAPS, []),
    (test_backward_can_be_repeated, lambda: saboteurs.ReLUForgets(), MAPS, []),
    (test_nothing_is_kept_within_no_backward, lambda: saboteurs.ReLUAlwaysKeeps(), MAPS, []),
    (test_gradients_in_eval_mode, lambda: saboteurs.BatchNormForgetsTheMode(3), MAPS, []),
    (test_backward_parameters_gives_the_same_gradients,
     lambda: saboteurs.LinearParametersDiffer(5, 3, rng=0), (4, 5), []),
    (test_dy_of_another_shape_or_type_is_refused, lambda: saboteurs.ReLUAllowsAnyDy(), MAPS, []),
    (test_shapes_that_do_not_fit_are_refused_alike_by_forward_and_output_shape,
     lambda: saboteurs.ShapeNeverRefused(5, 3), (4, 6), []),
])
def test_the_rules_notice(rule, make, shape, settings):
    with pytest.raises((AssertionError, pytest.fail.Exception)):
        rule(make, shape, *settings)


@pytest.mark.parametrize("rule, make, settings, message", [
    (test_any_memory_order_gives_the_same_and_is_only_read, lambda: saboteurs.ReLUWritesIntoDy(), ["C"], "read-only"),
    (test_any_memory_order_gives_the_same_and_is_only_read, lambda: saboteurs.ReLUWritesIntoX(), ["C"], "read-only"),
    (test_backward_belongs_to_the_latest_forward, lambda: saboteurs.ReLURemembersTheFirst(), [], "expected dy like y"),
])
def test_the_rules_run_into_an_error(rule, make, settings, message):
    with pytest.raises(ValueError, match=message):
        rule(make, MAPS, *settings)


def test_a_memory_order_misread_goes_unnoticed_in_c_order():
    test_any_memory_order_gives_the_same_and_is_only_read(
        lambda: saboteurs.ConvTrustsContiguity(3, 4, 3, rng=0), MAPS, "C")
