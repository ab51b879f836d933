"""The receptive field is measured, and equals what the kernel sizes predict."""
import numpy as np
import pytest

from minidl import BatchNorm2d, Sequential, Sigmoid, Softmax, pixelwise, unet
from minidl.tasks.segmentation.receptive_field import receptive_field, seen_pixels


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
