"""The models of the deck, small. (Their full size is in test_slides.py.)"""
# mypy: disable-error-code="arg-type"
from typing import Any

import numpy as np
import pytest

from minidl import (
    Adam, BatchNorm2d, Conv2d, ConvTranspose2d, CrossEntropyLoss, Flatten, Linear, MaxPool2d, ReLU, Sequential, Skip,
    Sum, Upsample, check_layer, classifier, detector, discriminator, encoder_decoder, fcn, localizer, mlp,
    pixelwise, reshape_segmenter, unet,
)
from minidl.layers import layout
from minidl.models import Pyramid, conv_block, enlarge
from minidl.step import train_step
from tests.directions import directional_errors
from tests.layers import saboteurs

both = pytest.mark.parametrize("build", [encoder_decoder, unet])

# What to build, the input's shape, and the output's.
EVERY: list[Any] = [
    (lambda rng: mlp(48, (5, 4), 3, rng=rng), (6, 3, 4, 4), (6, 3)),
    (lambda rng: classifier(2, rng=rng), (2, 3, 128, 128), (2, 2)),
    (lambda rng: classifier(2, 10, 8, blocks=2, in_channels=1, rng=rng), (4, 1, 8, 8), (4, 10)),
    (lambda rng: pixelwise((3, 1), 2, rng=rng), (3, 3, 17, 20), (3, 3, 17, 20)),
    (lambda rng: reshape_segmenter(2, 32, rng=rng), (3, 3, 32, 32), (3, 3, 32, 32)),
    (lambda rng: fcn(8, 2, rng=rng), (2, 3, 32, 64), (2, 3, 32, 64)),
    (lambda rng: encoder_decoder(2, rng=rng), (2, 3, 32, 64), (2, 3, 32, 64)),
    (lambda rng: unet(2, 5, in_channels=1, rng=rng), (2, 1, 32, 64), (2, 5, 32, 64)),
    (lambda rng: localizer(2, 32, rng=rng), (3, 3, 32, 32), (3, 4)),
    (lambda rng: detector(2, 3, rng=rng), (2, 3, 32, 48), (2, 8, 4, 6)),
]
every = pytest.mark.parametrize("build, shape, output_shape", EVERY, ids=[
    "mlp", "classifier", "classifier of 8 x 8", "pixelwise", "reshape_segmenter", "fcn", "encoder_decoder", "unet",
    "localizer", "detector"])


def random(*shape):
    return np.random.default_rng(0).random(shape, np.float32)


# All models

@every
def test_shapes_and_types(build, shape, output_shape):
    model = build(0)
    y = model(random(*shape))
    assert y.shape == model.output_shape(shape) == output_shape
    assert y.dtype == np.float32 and np.isfinite(y).all()
    assert layout.is_channel_major(y) or not isinstance(model.layers[-1], (Conv2d, ConvTranspose2d))
    assert model.backward(y).shape == shape


@every
def test_gradients(build, shape, output_shape):
    rng = np.random.default_rng(0)
    model = build(rng)
    for parameter in model.parameters():
        parameter.data += rng.normal(0, 0.1, parameter.data.shape).astype(np.float32)     # away from weights of 0
    errors = directional_errors(model, rng.normal(size=shape), rng)
    assert max(errors.values()) < 2e-5, errors


@every
def test_the_same_seed_gives_the_same_model(build, shape, output_shape):
    a, b, other = build(3), build(np.random.default_rng(3)), build(4)
    state, same = a.state_dict(), b.state_dict()
    assert list(state) == list(same) and all(np.array_equal(state[name], same[name]) for name in state)
    first = other.named_parameters()[0][0]
    assert not np.array_equal(state[first], other.state_dict()[first])
    a(random(*shape))                                    # changes running statistics
    other.load_state_dict(a.state_dict())
    assert np.array_equal(a.eval()(random(*shape)), other.eval()(random(*shape)))


@pytest.mark.parametrize("build", [
    classifier, lambda width: pixelwise((1,), width), reshape_segmenter, lambda width: fcn(8, width), encoder_decoder,
    unet, localizer, detector])
@pytest.mark.parametrize("width", [0, 1.5, "64"])
def test_impossible_widths_are_refused(build, width):
    with pytest.raises(ValueError, match="width: expected an integer of at least 1"):
        build(width)


@pytest.mark.parametrize("call, message", [
    (lambda: classifier(classes=0), "classifier: classes: expected an integer of at least 1"),
    (lambda: classifier(blocks=0), "classifier: blocks: expected an integer of at least 1"),
    (lambda: classifier(size=48), r"a size that divides by 32 \(5 halvings\), got 48"),
    (lambda: classifier(size=10, blocks=2), r"divides by 4 \(2 halvings\), got 10"),
    (lambda: classifier(size=64.0), "classifier: size: expected an integer"),
    (lambda: pixelwise(()), "at least one kernel size"),
    (lambda: reshape_segmenter(2, 2), "expected a size that is a power of 2 from 4 on, got 2"),
    (lambda: reshape_segmenter(2, 100), "expected a size that is a power of 2 from 4 on, got 100"),
    (lambda: fcn(4), "expected a stride of 32, 16 or 8, got 4"),
    (lambda: localizer(2, 40), "divides by 16"),
])
def test_impossible_settings_are_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call()


@pytest.mark.parametrize("build", [encoder_decoder, unet, lambda width: fcn(8, width)])
@pytest.mark.parametrize("size", [(32, 48), (33, 32), (16, 32)])
def test_sizes_that_do_not_halve_five_times_are_refused(build, size):
    model = build(2)
    for refuse in (model.output_shape, model.summary, lambda shape: model(np.zeros(shape, np.float32))):
        with pytest.raises(ValueError, match=r"halves its input 5 times: expected height and width that divide by 32, "
                                             r"got shape \(1, 3, "):
            refuse((1, 3, *size))


@pytest.mark.parametrize("build", [classifier, localizer, reshape_segmenter, discriminator])
@pytest.mark.parametrize("H, W", [(64, 64), (16, 64)])        # 16 x 64 has as many pixels as 32 x 32
def test_models_with_a_dense_layer_take_one_size(build, H, W):
    with pytest.raises(ValueError, match=r"built for images of 32 x 32 pixels, got shape \(1, 3, "):
        build(2, size=32).output_shape((1, 3, H, W))


@both
def test_other_inputs_are_refused_by_the_first_convolution(build):
    for shape in ((1, 4, 32, 32), (3, 32, 32)):
        with pytest.raises(ValueError, match=r"expected input of shape \(N, 3, H, W\)"):
            build(2).output_shape(shape)
    with pytest.raises(ValueError, match="model.astype"):
        build(2).forward(np.zeros((2, 3, 32, 64)))


def test_the_directional_check_notices_a_wrong_layer():
    rng = np.random.default_rng(0)
    model = unet(2, rng=rng)
    model.layers = tuple(saboteurs.BatchNormWithoutMean(2) if isinstance(layer, BatchNorm2d) else layer
                         for layer in model.layers)
    errors = directional_errors(model, rng.normal(size=(2, 3, 32, 32)), rng)
    assert errors["x"] > 1e-3 and errors["0.weight"] > 1e-3
    assert errors["4.weight"] < 2e-5                     # after the wrong layer all is well


# The classifier

def test_the_classifiers_shapes_are_those_of_the_slides():
    model = classifier(64, 37, 128)
    shape: tuple[int, ...] = (1, 3, 128, 128)
    shapes = []
    for layer in model.layers:
        shape = layer.output_shape(shape)
        if isinstance(layer, (MaxPool2d, Flatten, Linear)):
            shapes.append(shape[1:])
    assert shapes == [(64, 64, 64), (128, 32, 32), (256, 16, 16), (512, 8, 8), (512, 4, 4), (512 * 4 * 4,), (37,)]
    assert [type(layer) for layer in model.layers[:4]] == [Conv2d, BatchNorm2d, ReLU, MaxPool2d]
    # Each block is the encoder-decoder's, so its weights have the same names and shapes.
    theirs = {name: array.shape for name, array in encoder_decoder(64).state_dict().items()}
    ours = {name: array.shape for name, array in model.state_dict().items() if int(name.split(".")[0]) < 20}
    assert len(ours) == 5 * 7 and ours == {name: theirs[name] for name in ours}


def test_gradients_of_a_classifier_element_by_element():
    rng = np.random.default_rng(0)
    check_layer(classifier(2, 3, 4, blocks=2, in_channels=1, rng=0), rng.normal(size=(4, 1, 4, 4)))


def test_a_classifier_memorizes_a_small_batch():
    x, labels = random(6, 1, 8, 8), np.arange(6) % 3
    model = classifier(4, 3, 8, blocks=2, in_channels=1, rng=0)
    optimizer, loss = Adam(model.parameters(), 1e-2), CrossEntropyLoss()
    losses = [train_step(model, loss, optimizer, x, labels) for _ in range(60)]
    assert losses[-1] < 0.05 < losses[0]


# Encoder-decoder and U-Net

def test_gradients_of_a_unet_of_one_level_element_by_element():
    rng = np.random.default_rng(0)
    down_and_up = Sequential(MaxPool2d(2), *conv_block(2, 3, rng=rng), Upsample(2))
    check_layer(Sequential(*conv_block(1, 2, rng=rng), Skip(down_and_up), Conv2d(5, 2, 3, padding="same", rng=rng)),
                rng.normal(size=(2, 1, 4, 6)))


def test_the_unet_is_the_encoder_decoder_with_skips():
    assert repr(encoder_decoder(2, skip=True)) == repr(unet(2))
    kinds = [[type(layer) for _, layer in model.walk()] for model in (encoder_decoder(2), unet(2))]
    assert kinds[0].count(Skip) == 0 and kinds[1].count(Skip) == 5
    assert [kind for kind in kinds[1] if kind not in (Skip, Sequential, Pyramid)] == kinds[0][1:]


@both
def test_the_loss_of_an_untrained_model_is_near_log_k(build):
    rng = np.random.default_rng(0)
    x, labels = rng.normal(size=(2, 3, 32, 64)).astype(np.float32), rng.integers(0, 3, (2, 32, 64))
    assert np.log(3) - 0.05 < CrossEntropyLoss()(build(8, rng=0)(x), labels) < 3 * np.log(3)


# The other models

@pytest.mark.parametrize("size, blocks", [(4, 1), (16, 3), (64, 5)])
def test_the_reshape_model_halves_until_two_pixels_are_left(size, blocks):
    model = reshape_segmenter(2, size, rng=0)
    assert [type(layer) for _, layer in model.walk()].count(MaxPool2d) == blocks
    assert model(random(2, 3, size, size)).shape == (2, 3, size, size)


@pytest.mark.parametrize("stride, sums", [(32, 0), (16, 1), (8, 2)])
def test_the_fcn_adds_scores_until_its_stride(stride, sums):
    model = fcn(stride, 2, rng=0)
    layers = [layer for _, layer in model.walk()]
    assert sum(isinstance(layer, Sum) for layer in layers) == sums
    assert [layer.stride[0] for layer in layers if isinstance(layer, ConvTranspose2d)] == [2] * sums + [stride]
    assert sum(isinstance(layer, MaxPool2d) for layer in layers) == 5
    assert model(random(2, 3, 32, 64)).shape == (2, 3, 32, 64)


@pytest.mark.parametrize("scale", [2, 8])
def test_enlarge_starts_as_bilinear_interpolation(scale):
    layer, x = enlarge(3, scale), random(2, 3, 5, 4)
    y, expected = layer(x), Upsample(scale, "bilinear")(x)
    assert y.shape == expected.shape
    inside = np.s_[:, :, scale // 2:-scale // 2, scale // 2:-scale // 2]     # beyond, it mixes in the zeros around
    np.testing.assert_allclose(y[inside], expected[inside], atol=1e-6)


def test_an_untrained_detector_finds_little_and_a_localizer_returns_zeros():
    y = detector(2, 3, rng=0)(random(2, 3, 32, 48))
    assert 0.005 < float((1 / (1 + np.exp(-y[:, 0]))).mean()) < 0.06         # the probability of a pet per cell
    assert not localizer(2, 32, rng=0)(random(3, 3, 32, 32)).any()
    with pytest.raises(ValueError, match="divide by 8"):
        detector(2).output_shape((1, 3, 30, 32))
