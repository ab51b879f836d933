"""Test-time flips: the mean of two predictions, mirrored back."""
import numpy as np
import pytest

from minidl import BatchNorm2d, Conv2d, Sequential
from minidl.layers.activation import softmax
from minidl.step import predict
from minidl.tasks.segmentation.flips import flipped_probabilities

IMAGES = np.random.default_rng(0).integers(0, 256, (5, 3, 4, 6), np.uint8)


def model(symmetric=False):
    conv = Conv2d(3, 4, 3, padding="same", rng=0)
    if symmetric:
        conv.weight.data[...] += conv.weight.data[..., ::-1].copy()
    return Sequential(conv, BatchNorm2d(4))


def test_a_symmetric_model_says_the_same():
    net = model(symmetric=True)
    np.testing.assert_allclose(flipped_probabilities(net, IMAGES), softmax(predict(net, IMAGES)), rtol=1e-5)
    assert not np.allclose(flipped_probabilities(model(), IMAGES), softmax(predict(model(), IMAGES)), rtol=1e-2)


def test_probabilities_are_the_mean_of_both_predictions():
    net = model()
    found = flipped_probabilities(net, IMAGES, batch_size=2)
    assert found.shape == (5, 4, 4, 6) and found.dtype == np.float32 and net.training
    np.testing.assert_allclose(found.sum(axis=1), 1, rtol=1e-6)
    mirrored = np.stack([image[:, :, ::-1] for image in IMAGES])
    for n in range(5):
        a, b = (softmax(predict(net, images[n:n + 1]))[0] for images in (IMAGES, mirrored))
        np.testing.assert_allclose(found[n], (a + np.flip(b, axis=2)) / 2, rtol=1e-5)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_floating_point_images_are_used_as_they_are(dtype):
    net, before = model().astype(dtype), IMAGES.copy()
    found = flipped_probabilities(net, (IMAGES / 255).astype(dtype))
    assert found.dtype == dtype and np.array_equal(IMAGES, before)
    np.testing.assert_allclose(found, flipped_probabilities(model(), IMAGES), rtol=1e-4)


def test_mirrored_images_give_the_mirrored_result():
    net = model()
    mirrored = flipped_probabilities(net, IMAGES[..., ::-1])
    np.testing.assert_allclose(mirrored[..., ::-1], flipped_probabilities(net, IMAGES), rtol=1e-5)
