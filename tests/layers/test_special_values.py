"""NaN, infinity, signed zeros, huge and tiny numbers, and floating types of other sizes, in every layer.

Layers and arguments have PyTorch's names, so that a row of the table makes both.
"""
# mypy: disable-error-code="arg-type"
import numpy as np
import pytest

import minidl
from minidl import Conv2d, LeakyReLU, Linear, MaxPool2d, ReLU, Upsample
from tests.strategies import spaced

MAPS = (2, 3, 5, 6)  # (N, C, H, W)
SPECIAL = [np.nan, np.inf, -np.inf, 0.0, -0.0, 1e100, -1e100, 3e140, 1e-300, -1e-300, 5e-324, 1e-160]

LAYERS = [
    ("Linear", {"in_features": 5, "out_features": 3}, (4, 5)),
    ("ReLU", {}, MAPS), ("ReLU", {}, (4, 5)),
    ("LeakyReLU", {"negative_slope": 0.0}, MAPS), ("LeakyReLU", {"negative_slope": 0.2}, MAPS),
    ("LeakyReLU", {"negative_slope": 1.0}, MAPS),
    ("Sigmoid", {}, MAPS), ("Tanh", {}, MAPS), ("Softmax", {}, MAPS), ("Softmax", {}, (4, 5)),
    ("Conv2d", {"in_channels": 3, "out_channels": 4, "kernel_size": (3, 2), "stride": (2, 1), "padding": 1}, MAPS),
    ("Conv2d", {"in_channels": 3, "out_channels": 1, "kernel_size": 3}, MAPS),
    ("Conv2d", {"in_channels": 3, "out_channels": 1, "kernel_size": (2, 3), "padding": 1, "dilation": (2, 1)}, MAPS),
    ("Conv2d", {"in_channels": 3, "out_channels": 2, "kernel_size": 1}, MAPS),
    ("ConvTranspose2d", {"in_channels": 3, "out_channels": 2, "kernel_size": (3, 2), "stride": (2, 1), "padding": 1,
                         "output_padding": (1, 0)}, MAPS),
    ("ConvTranspose2d", {"in_channels": 3, "out_channels": 2, "kernel_size": (2, 3), "padding": (0, 1), "dilation": 2,
                         "output_padding": 1}, MAPS),
    ("BatchNorm2d", {"num_features": 3}, MAPS),
    ("MaxPool2d", {"kernel_size": 2}, MAPS), ("MaxPool2d", {"kernel_size": (3, 2), "stride": 1, "padding": 1}, MAPS),
    ("AvgPool2d", {"kernel_size": 2}, MAPS), ("AvgPool2d", {"kernel_size": 3, "stride": (1, 2), "padding": 1}, MAPS),
    ("Upsample", {"scale_factor": (2, 3)}, MAPS),
    ("Upsample", {"scale_factor": (3, 2), "mode": "bilinear"}, MAPS),
    ("Upsample", {"scale_factor": 2, "mode": "bilinear", "align_corners": True}, MAPS),
    ("PixelShuffle", {"upscale_factor": 2}, (2, 8, 2, 3)),
    ("Flatten", {}, MAPS),
]
each_layer = pytest.mark.parametrize("name, settings, shape", LAYERS)


def made(name, settings, training=True):
    """A layer in float64 whose parameters are all drawn."""
    layer, rng = getattr(minidl, name)(**settings).astype(np.float64).train(training), np.random.default_rng(0)
    for parameter in layer.parameters():
        parameter.data[...] = rng.normal(size=parameter.data.shape)
    return layer


def with_one(array, index, value):
    array = array.copy()
    array.flat[index] = value
    return array


def places(change):
    """Where a change of one number to a huge, an infinite one or NaN shows: of each the set of places."""
    before, *after = (change(value) for value in (None, 1e3, np.nan, np.inf))
    return (before != after[0]).tolist(), *((~np.isfinite(array)).tolist() for array in after[1:])


@pytest.mark.parametrize("training", [True, False])
@each_layer
@pytest.mark.parametrize("seed", range(3))
def test_nan_goes_where_a_change_goes_and_nowhere_else(name, settings, shape, training, seed):
    if settings.get("negative_slope") == 0:
        pytest.skip("0 times NaN, where no change gets through; as in PyTorch")
    rng = np.random.default_rng(seed)
    x = spaced(shape, rng)
    layer = made(name, settings, training)
    dy = rng.normal(size=layer.output_shape(shape))
    at_x, at_dy = rng.integers(x.size), rng.integers(dy.size)

    def forward(value):
        return layer.forward(x if value is None else with_one(x, at_x, value))

    def weight_gradient(value):
        layer.zero_grad()
        forward(value)
        layer.backward(dy)
        return layer.parameters()[0].grad.copy()

    def backward(value):
        layer.forward(x)
        return layer.backward(dy if value is None else with_one(dy, at_dy, value))

    with np.errstate(all="ignore"):
        changed, nan, infinite = places(forward)
        assert nan == changed
        if name not in ("Sigmoid", "Tanh"):                 # infinity has a finite value there
            assert infinite == changed
        if layer.parameters() and name != "ConvTranspose2d":    # whose x meets the padding of dy; as in PyTorch
            changed, nan, infinite = places(weight_gradient)
            assert nan == infinite == changed
        changed, nan, infinite = places(backward)
        assert nan == infinite == changed


@pytest.mark.parametrize("training", [True, False])
@each_layer
def test_special_values_are_those_of_pytorch(name, settings, shape, training):
    torch = pytest.importorskip("torch")
    if settings.get("mode") == "bilinear":
        pytest.skip("PyTorch multiplies by weights of 0 there, so that NaN goes further")
    theirs = getattr(torch.nn, name)(**settings, **({"dim": 1} if name == "Softmax" else {})).double().train(training)
    for seed in range(12):
        rng = np.random.default_rng(seed)
        layer = made(name, settings, training)
        theirs.load_state_dict({key: torch.tensor(value) for key, value in layer.state_dict().items()})
        theirs.zero_grad()
        arrays = []
        for size in (shape, layer.output_shape(shape)):
            array, few = rng.normal(size=size), rng.choice(SPECIAL, 4)
            which = rng.random(size) < rng.choice([0.03, 0.1, 0.3])
            array[which] = rng.choice(few, np.count_nonzero(which))
            arrays.append(array)
        x, dy = arrays
        x_theirs = torch.tensor(x, requires_grad=True)
        y_theirs = theirs(x_theirs)
        y_theirs.backward(torch.tensor(dy))
        with np.errstate(all="ignore"):
            found = [layer.forward(x), layer.backward(dy), *(p.grad for p in layer.parameters())]
        expected = [y_theirs.detach(), x_theirs.grad, *(p.grad for p in theirs.parameters())]
        for a, b in zip(found, (tensor.numpy() for tensor in expected), strict=True):
            # Where large numbers cancel, what is left depends on the order of the sum.
            rounding = 1e-12 * np.abs(b[np.isfinite(b)]).max(initial=0)
            np.testing.assert_allclose(a, b, rtol=1e-9, atol=rounding + 1e-290)


# By hand. Warnings are errors: none of these may give one.

def test_leaky_relu_of_infinity():
    for slope, left in ((0.0, 0), (0.5, -0.5)):
        layer = LeakyReLU(slope)
        assert layer.forward(np.array([[np.inf, 2, -1]])).tolist() == [[np.inf, 2, left]]
        assert layer.backward(np.array([[np.inf, -np.inf, 1]])).tolist() == [[np.inf, -np.inf, slope]]


def test_relu_stops_an_infinite_gradient_but_not_nan():
    layer = ReLU()
    x, dy = np.array([[-1, 0, 2, np.nan]]), np.array([[np.inf, np.nan, np.inf, 3]])
    np.testing.assert_array_equal(layer.forward(x), [[0, 0, 2, np.nan]])
    assert layer.backward(dy).tolist() == [[0, 0, np.inf, 3]]


@pytest.mark.parametrize("window, dx", [
    ([3, np.nan, 5, 1], [0, 7, 0, 0]), ([np.nan, 5, np.nan, 1], [0, 0, 7, 0]), ([np.inf, 1, np.inf, 2], [7, 0, 0, 0]),
    ([-np.inf] * 4, [7, 0, 0, 0])])
def test_max_pooling_sends_the_gradient_to_the_maximum_nan_or_infinity(window, dx):
    layer = MaxPool2d(2)
    y = layer.forward(np.reshape(window, (1, 1, 2, 2)))
    assert np.array_equal(y.ravel(), [np.max(window)], equal_nan=True)
    assert layer.backward(np.full(y.shape, 7.0)).ravel().tolist() == dx
    assert layer.backward(np.full(y.shape, np.inf)).ravel().tolist() == [np.inf if share else 0 for share in dx]


def test_max_pooling_sends_nothing_to_the_padding_of_minus_infinity():
    layer = MaxPool2d(2, stride=2, padding=1)
    layer.forward(np.full((1, 1, 2, 2), -np.inf))
    assert layer.backward(np.array([1.0, 2, 3, 4]).reshape(1, 1, 2, 2)).ravel().tolist() == [1, 2, 3, 4]


def test_bilinear_upsampling_of_infinity_by_hand():
    y = Upsample(2, "bilinear").forward(np.array([0, 0, 0, np.inf, 0, 0]).reshape(1, 1, 1, 6))
    assert y[0, 0, 0].tolist() == [0] * 5 + [np.inf] * 4 + [0] * 3


# Types

@pytest.mark.parametrize("dtype", [np.float16, ">f4", np.longdouble])
@each_layer
def test_other_floating_types_are_refused_with_an_advice_that_works(name, settings, shape, dtype):
    if np.dtype(dtype) in (np.float32, np.float64):
        pytest.skip("the same type here")
    layer, x = getattr(minidl, name)(**settings), np.ones(shape, dtype)
    with pytest.raises(ValueError, match=r"float32 or float64 \(sums overflow in float16\), by np.asarray\(x, np.flo"):
        layer.forward(x)
    assert layer.forward(np.asarray(x, np.float32)).dtype == np.float32


def test_a_model_becomes_neither_half_nor_extended_precision():
    for dtype in (np.float16, np.complex64, int):
        with pytest.raises(ValueError, match="Layers compute in float32 or float64; sums overflow in float16"):
            Linear(2, 2).astype(dtype)
    half = {name: array.astype(np.float16) for name, array in Conv2d(2, 3, 1, rng=0).state_dict().items()}
    layer = Conv2d(2, 3, 1)
    layer.load_state_dict(half)                             # weights may be stored in half precision
    assert np.array_equal(layer.weight.data, half["weight"]) and layer.weight.data.dtype == np.float32
