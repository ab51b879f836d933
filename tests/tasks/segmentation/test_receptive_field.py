"""The receptive field is measured, and equals what the kernel sizes predict."""
import numpy as np
import pytest

from minidl import BatchNorm2d, Conv2d, Sequential, Sigmoid, Softmax, pixelwise, unet
from minidl.tasks.segmentation.receptive_field import (
    effective_receptive_field, influence, receptive_field, seen_pixels,
)


@pytest.mark.parametrize("kernels, extent", [((1,), 0), ((5,), 2), ((9, 5), 6), ((3, 3, 3), 3)])
def test_it_is_as_large_as_the_kernels_predict(kernels, extent):
    model = pixelwise(kernels, 3, rng=0)
    expected = np.zeros((17, 20), bool)
    expected[8 - extent:8 + extent + 1, 9 - extent:9 + extent + 1] = True
    assert np.array_equal(seen_pixels(model, (1, 3, 17, 20), 8, 9), expected)
    assert receptive_field(model, (1, 3, 17, 20)) == (2 * extent + 1, 2 * extent + 1)


def test_a_deep_models_is_large_and_the_model_is_not_changed():
    model = unet(2, rng=0)
    state = model.state_dict()
    assert min(receptive_field(model, (1, 3, 64, 64))) > 40
    assert model.training and all(np.array_equal(value, state[name]) for name, value in model.state_dict().items())


@pytest.mark.parametrize("last", [Softmax(), BatchNorm2d(3), Sequential(Sigmoid(), BatchNorm2d(3))], ids=repr)
def test_it_is_measured_through_any_layer(last):
    model = Sequential(pixelwise((5,), 2, rng=0), last)
    assert receptive_field(model, (1, 3, 16, 16)) == (5, 5)


def weighted(middle, ring):
    """Return a convolution whose 3 x 3 kernel has these weights in the middle and around it, for the first class."""
    layer = Conv2d(1, 2, 3, padding="same", rng=0)
    layer.weight.data[0], layer.weight.data[1] = ring, 0
    layer.weight.data[0, 0, 1, 1] = middle
    return layer


@pytest.mark.parametrize("middle, ring, side", [(1, 0, 1), (8, 0.1, 1), (8, 0.2, 3), (0, 1, 3)])
def test_effective_field_holds_most_of_the_gradient(middle, ring, side):
    images = np.random.default_rng(0).random((3, 1, 12, 10)).astype(np.float32)
    assert effective_receptive_field(weighted(middle, ring), images) == side
    assert effective_receptive_field(weighted(middle, ring), images, share=0.05) == (1 if middle else 3)


def test_effective_field_is_at_most_the_real_one_and_the_model_stays():
    images = np.random.default_rng(0).integers(0, 256, (2, 3, 32, 32), dtype=np.uint8)
    model = pixelwise((9, 5), 3, rng=0)
    state = model.state_dict()
    assert 1 < effective_receptive_field(model, images) <= effective_receptive_field(model, images, 0.999) <= 13
    assert model.training and all(np.array_equal(value, state[name]) for name, value in model.state_dict().items())
    nothing = pixelwise((3,), 3, rng=0)
    for parameter in nothing.parameters():
        parameter.data[:] = 0
    assert effective_receptive_field(nothing, images) == 0
    with pytest.raises(ValueError, match="share between 0 and 1, got 1"):
        effective_receptive_field(model, images, 1)


def test_influence_is_the_kernel_of_a_single_convolution():
    images = np.random.default_rng(0).random((3, 1, 16, 14)).astype(np.float32)
    model = weighted(8, 0.2)
    kernel = np.abs(model.weight.data[0, 0]) / np.abs(model.weight.data[0, 0]).sum()
    assert np.allclose(influence(model, images, 1), kernel, atol=1e-6)
    assert np.allclose(influence(model, images, 3)[2:5, 2:5], kernel, atol=1e-6)
    with pytest.raises(ValueError, match=r"reach that fits into images of \(16, 14\), got 4"):
        influence(model, images, 4)
