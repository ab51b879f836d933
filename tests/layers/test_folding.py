"""fold_batchnorm: the same results without the batch norms."""
import numpy as np
import pytest

from minidl import (
    BatchNorm2d, Conv2d, ConvTranspose2d, MaxPool2d, ReLU, Residual, Sequential, Skip, encoder_decoder, fold_batchnorm,
    unet,
)
from minidl.step import predict
from tests.strategies import assert_close


def lived_in(model, seed=0, dtype=np.float64):
    """Give all parameters and statistics of a model other values than the initial ones."""
    rng = np.random.default_rng(seed)
    for _, layer in model.astype(dtype).walk():
        if isinstance(layer, BatchNorm2d):
            layer.running_mean[...] = rng.normal(size=layer.num_features)
            layer.running_var[...] = rng.uniform(0.2, 3, layer.num_features)
        for parameter in layer._own_parameters().values():
            parameter.data[...] = rng.normal(size=parameter.data.shape) / 3
    return model


def norms(model):
    return [layer for _, layer in model.walk() if isinstance(layer, BatchNorm2d)]


@pytest.mark.parametrize("model", [
    Sequential(Conv2d(3, 4, 3, padding=1), BatchNorm2d(4), ReLU(), Conv2d(4, 2, 1, bias=False), BatchNorm2d(2, eps=1)),
    Sequential(ConvTranspose2d(3, 5, 2, 2), BatchNorm2d(5), ConvTranspose2d(5, 2, 3, bias=False), BatchNorm2d(2)),
    Sequential(Residual(Sequential(Conv2d(3, 3, 3, padding=1), BatchNorm2d(3))), Skip(Conv2d(3, 2, 1))),
    Sequential(Sequential(Conv2d(3, 4, 1), BatchNorm2d(4)), Sequential()),
    Sequential(Conv2d(3, 4, 3), BatchNorm2d(4), BatchNorm2d(4)),
    unet(2), encoder_decoder(2),
])
def test_the_folded_model_computes_the_same_without_batch_norm(model):
    lived_in(model).eval()
    x = np.random.default_rng(1).normal(size=(2, 3, 32, 32))
    expected = model(x)
    state = model.state_dict()
    folded = fold_batchnorm(model)
    assert_close(folded(x), expected)
    assert not norms(folded) and norms(model)
    assert all(np.array_equal(value, state[name]) for name, value in model.state_dict().items())


@pytest.mark.parametrize("model", [
    Sequential(BatchNorm2d(3), Conv2d(3, 2, 1)), Sequential(Conv2d(3, 3, 1), MaxPool2d(2), BatchNorm2d(3)),
    Sequential(Conv2d(3, 3, 1), ReLU(), BatchNorm2d(3)), BatchNorm2d(3),
])
def test_a_batch_norm_that_follows_no_convolution_stays(model):
    lived_in(model).eval()
    x = np.random.default_rng(1).normal(size=(2, 3, 4, 4))
    folded = fold_batchnorm(model)
    assert len(norms(folded)) == 1
    assert np.array_equal(folded(x), model(x))


def test_a_model_in_training_is_left_in_training():
    model = lived_in(unet(2), dtype=np.float32)
    x = np.random.default_rng(1).random((2, 3, 32, 32), np.float32)
    dy = model(x)
    folded = fold_batchnorm(model)
    assert model.training and not folded.training
    model.backward(dy)                                       # what the model kept is still its own
    assert folded(x).dtype == np.float32
    np.testing.assert_allclose(folded(x), predict(model, x), rtol=1e-3, atol=1e-4)


def test_the_identity_notices_a_forgotten_shift():
    model = lived_in(Sequential(Conv2d(3, 4, 3), BatchNorm2d(4)))
    x = np.random.default_rng(1).normal(size=(2, 3, 5, 5))
    folded = fold_batchnorm(model)
    norm = norms(model)[0]
    folded.named_parameters()[1][1].data += norm.running_mean       # the bias, as if it had not been subtracted
    with pytest.raises(AssertionError):
        assert_close(folded(x), model.eval()(x))
