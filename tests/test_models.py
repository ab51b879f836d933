"""The models of the deck, small. (Their full size is in test_slides.py.)"""
import numpy as np
import pytest

from minidl import (
    BatchNorm2d, Conv2d, ConvTranspose2d, CrossEntropyLoss, MaxPool2d, Sequential, Sigmoid, Skip, Softmax, Sum,
    Upsample, check_layer, encoder_decoder, fcn, pixelwise, reshape_segmenter, unet,
)
from minidl.layers import layout
from minidl.models import Pyramid, conv_block, enlarge
from minidl.tasks.segmentation.receptive_field import receptive_field, seen_pixels
from tests.directions import directional_errors
from tests.layers import saboteurs

both = pytest.mark.parametrize("build", [encoder_decoder, unet])
SMALL = (2, 3, 32, 64)


@both
def test_gradients(build):
    rng = np.random.default_rng(0)
    errors = directional_errors(build(2, rng=rng), rng.normal(size=(2, 3, 32, 32)), rng)
    assert max(errors.values()) < 2e-5, errors


def test_the_directional_check_notices_a_wrong_layer():
    rng = np.random.default_rng(0)
    model = unet(2, rng=rng)
    model.layers = tuple(saboteurs.BatchNormWithoutMean(2) if isinstance(layer, BatchNorm2d) else layer
                         for layer in model.layers)
    errors = directional_errors(model, rng.normal(size=(2, 3, 32, 32)), rng)
    assert errors["x"] > 1e-3 and errors["0.weight"] > 1e-3
    assert errors["4.weight"] < 2e-5                     # behind the wrong layer all is well


def test_gradients_of_a_unet_of_one_level_element_by_element():
    rng = np.random.default_rng(0)
    down_and_up = Sequential(MaxPool2d(2), *conv_block(2, 3, rng=rng), Upsample(2))
    check_layer(Sequential(*conv_block(1, 2, rng=rng), Skip(down_and_up), Conv2d(5, 2, 3, padding="same", rng=rng)),
                rng.normal(size=(2, 1, 4, 6)))


@both
@pytest.mark.parametrize("settings", [{}, {"classes": 1}, {"classes": 5, "in_channels": 1}])
def test_logits_have_the_size_of_the_picture_and_a_channel_for_each_class(build, settings):
    model = build(2, **settings, rng=0)
    x = np.random.default_rng(0).normal(size=(2, settings.get("in_channels", 3), 32, 64)).astype(np.float32)
    y = model(x)
    assert y.shape == model.output_shape(x.shape) == (2, settings.get("classes", 3), 32, 64)
    assert y.dtype == np.float32 and layout.is_channel_major(y)
    assert model.backward(y).shape == x.shape


def test_the_unet_is_the_encoder_decoder_with_skips():
    assert repr(encoder_decoder(2, skip=True)) == repr(unet(2))
    kinds = [[type(layer) for _, layer in model.walk()] for model in (encoder_decoder(2), unet(2))]
    assert kinds[0].count(Skip) == 0 and kinds[1].count(Skip) == 5
    assert [kind for kind in kinds[1] if kind not in (Skip, Sequential, Pyramid)] == kinds[0][1:]


@both
@pytest.mark.parametrize("size", [(32, 48), (33, 32), (16, 32), (31, 32)])
def test_sizes_that_do_not_halve_five_times_are_refused(build, size):
    model = build(2, rng=0)
    message = r"halves its input 5 times: expected height and width that divide by 32, got shape \(1, 3, "
    with pytest.raises(ValueError, match=message):
        model.forward(np.zeros((1, 3, *size), np.float32))
    with pytest.raises(ValueError, match=message):
        model.output_shape((1, 3, *size))


@both
def test_summary_refuses_the_sizes_that_forward_refuses(build):
    with pytest.raises(ValueError, match="expected height and width that divide by 32"):
        build(2).summary((1, 3, 48, 33))


@both
def test_other_inputs_are_refused_by_the_first_convolution(build):
    for shape in ((1, 4, 32, 32), (3, 32, 32)):
        with pytest.raises(ValueError, match=r"expected input of shape \(N, 3, H, W\)"):
            build(2).output_shape(shape)
    with pytest.raises(ValueError, match="model.astype"):
        build(2).forward(np.zeros(SMALL))


@both
def test_the_same_seed_gives_the_same_model(build):
    a, b, other = (build(2, rng=rng).state_dict() for rng in (3, np.random.default_rng(3), 4))
    assert list(a) == list(b) and all(np.array_equal(a[name], b[name]) for name in a)
    assert not np.array_equal(a["0.weight"], other["0.weight"])


@both
def test_a_state_moves_to_another_model(build):
    x = np.random.default_rng(0).normal(size=SMALL).astype(np.float32)
    a, b = build(2, rng=0), build(2, rng=1)
    a(x)
    b.load_state_dict(a.state_dict())
    assert np.array_equal(a.eval()(x), b.eval()(x))


@both
@pytest.mark.parametrize("width", [0, -1, 1.5, "64"])
def test_a_width_that_makes_no_sense_is_refused(build, width):
    with pytest.raises(ValueError, match="width: expected an integer of at least 1"):
        build(width)


@both
def test_an_untrained_model_starts_within_reach_of_log_k(build):
    rng = np.random.default_rng(0)
    x, labels = rng.normal(size=SMALL).astype(np.float32), rng.integers(0, 3, (2, 32, 64))
    assert np.log(3) - 0.05 < CrossEntropyLoss()(build(8, rng=0)(x), labels) < 3 * np.log(3)


# Models that keep the resolution, that reshape, and that add scores

@pytest.mark.parametrize("kernels, reach", [((1,), 0), ((5,), 2), ((9, 5), 6), ((3, 3, 3), 3)])
def test_a_pixelwise_model_sees_as_far_as_its_kernels_reach(kernels, reach):
    model = pixelwise(kernels, 3, rng=0)
    assert model.output_shape((1, 3, 17, 20)) == (1, 3, 17, 20)
    seen = np.zeros((17, 20), bool)
    seen[8 - reach:8 + reach + 1, 9 - reach:9 + reach + 1] = True
    assert np.array_equal(seen_pixels(model, (1, 3, 17, 20), 8, 9), seen)
    assert receptive_field(model, (1, 3, 17, 20)) == (2 * reach + 1, 2 * reach + 1)


def test_a_deep_model_sees_far_and_is_left_as_it_was():
    model = unet(2, rng=0)
    state, shallow = model.state_dict(), receptive_field(pixelwise((5,), 2, rng=0), (1, 3, 64, 64))
    assert min(receptive_field(model, (1, 3, 64, 64))) > 40 > max(shallow)
    assert model.training and all(np.array_equal(value, state[name]) for name, value in model.state_dict().items())


def test_pixelwise_without_kernels_is_refused():
    with pytest.raises(ValueError, match="at least one kernel size"):
        pixelwise(())


@pytest.mark.parametrize("size, blocks", [(4, 1), (16, 3), (64, 5)])
def test_the_reshape_model_halves_until_two_pixels_are_left(size, blocks):
    model = reshape_segmenter(2, size, rng=0)
    kinds = [type(layer) for _, layer in model.walk()]
    assert kinds.count(MaxPool2d) == blocks
    x = np.random.default_rng(0).random((2, 3, size, size), np.float32)
    y = model(x)
    assert y.shape == model.output_shape(x.shape) == (2, 3, size, size)
    assert model.backward(y).shape == x.shape


@pytest.mark.parametrize("size", [2, 12, 100, 0])
def test_the_reshape_model_refuses_sizes_that_do_not_halve_to_two(size):
    with pytest.raises(ValueError, match="reshape_segmenter: (expected a size that is a power of 2|size)"):
        reshape_segmenter(2, size)


@pytest.mark.parametrize("stride, sums", [(32, 0), (16, 1), (8, 2)])
def test_the_fcn_adds_as_many_scores_as_its_stride_asks_for(stride, sums):
    model = fcn(stride, 2, rng=0)
    layers = [layer for _, layer in model.walk()]
    assert sum(isinstance(layer, Sum) for layer in layers) == sums
    assert [layer.stride[0] for layer in layers if isinstance(layer, ConvTranspose2d)] == [2] * sums + [stride]
    assert sum(isinstance(layer, MaxPool2d) for layer in layers) == 5
    x = np.random.default_rng(0).random((2, 3, 32, 64)).astype(np.float32)
    y = model(x)
    assert y.shape == model.output_shape(x.shape) == (2, 3, 32, 64)
    assert model.backward(y).shape == x.shape
    with pytest.raises(ValueError, match="divide by 32"):
        model.output_shape((1, 3, 48, 32))


def test_gradients_of_the_new_models():
    rng = np.random.default_rng(0)
    for model in (pixelwise((3, 1), 2, rng=0), reshape_segmenter(2, 32, rng=0), fcn(8, 2, rng=0)):
        errors = directional_errors(model, rng.normal(size=(3, 3, 32, 32)), rng)
        assert max(errors.values()) < 2e-5, errors


@pytest.mark.parametrize("scale", [2, 8])
def test_enlarge_begins_as_bilinear_interpolation(scale):
    layer = enlarge(3, scale)
    x = np.random.default_rng(0).random((2, 3, 5, 4)).astype(np.float32)
    y, expected = layer(x), Upsample(scale, "bilinear")(x)
    assert y.shape == expected.shape
    inside = np.s_[:, :, scale // 2:-scale // 2, scale // 2:-scale // 2]     # beyond, it mixes in the zeros around
    np.testing.assert_allclose(y[inside], expected[inside], atol=1e-6)


def test_an_fcn_of_an_unknown_stride_is_refused():
    with pytest.raises(ValueError, match="expected a stride of 32, 16 or 8, got 4"):
        fcn(4)


@pytest.mark.parametrize("last", [Softmax(), BatchNorm2d(3), Sequential(Sigmoid(), BatchNorm2d(3))], ids=repr)
def test_receptive_field_is_measured_through_any_layer(last):
    model = Sequential(pixelwise((5,), 2, rng=0), last)
    assert receptive_field(model, (1, 3, 16, 16)) == (5, 5)
