"""The deck's own numbers, worked out with the library. The number in a test's name is the slide's."""
import numpy as np
import pytest

from minidl import (
    BatchNorm2d, Conv2d, ConvTranspose2d, CrossEntropyLoss, Flatten, Linear, MaxPool2d, MSELoss, PixelShuffle, ReLU,
    Reshape, Sequential, Skip, Softmax, Upsample, encoder_decoder, fcn, pixelwise, unet,
)
from minidl import models


def one_hot(labels, classes):
    """(N, H, W) -> (N, classes, H, W), or (N,) -> (N, classes)."""
    return np.moveaxis(np.eye(classes)[labels], -1, 1)


def test_slide_9_softmax_regression():
    """L = -sum_i y_i log yhat_i with y one-hot, for one feature and three classes."""
    model = Linear(1, 3, rng=0).astype(np.float64)
    model.parameters()[1].data[...] = [0.1, -0.2, 0.3]   # the bias
    x, labels = np.array([[1.4], [4.7], [6.0], [1.3]]), np.array([0, 1, 2, 0])
    z = model(x)                                         # (4, 3)
    yhat = Softmax()(z)
    np.testing.assert_allclose(yhat.sum(axis=1), 1)
    y = one_hot(labels, 3)
    each = -(y * np.log(yhat)).sum(axis=1)
    loss = CrossEntropyLoss()
    assert loss(z, labels) == pytest.approx(each.mean(), rel=1e-12)
    for n in range(4):
        assert CrossEntropyLoss()(z[n:n + 1], labels[n:n + 1]) == pytest.approx(each[n], rel=1e-12)
    np.testing.assert_allclose(loss.backward(), (yhat - y) / 4, rtol=1e-12)


def test_slide_10_cross_entropy_of_a_multilayer_perceptron():
    y, yhat = np.array([[0, 1, 0]]), np.array([[0.1, 0.6, 0.3]])
    value = CrossEntropyLoss()(np.log(yhat), np.array([1]))
    assert value == pytest.approx(-np.log(0.6)) and round(value, 3) == 0.511
    assert f"{value:.1f}" == "0.5"                       # as printed
    assert value == pytest.approx(-(y * np.log(yhat)).sum())


def test_slide_11_mean_squared_error_of_a_forecast():
    y, first_prediction = np.array([[11.18, 11.66, 8.97]]), np.array([[2.06, -4.36, -0.65]])
    value = MSELoss()(first_prediction, y)
    assert round(value, 2) == 144.12                     # from the printed figures
    # Each printed figure may be off by 0.005, so each difference by 0.01. The slide's 144.2637 lies within.
    towards, apart = first_prediction + 0.005, first_prediction - 0.005
    least, most = MSELoss()(towards, y - 0.005), MSELoss()(apart, y + 0.005)
    assert (round(least, 2), round(most, 2)) == (143.89, 144.35)
    assert least < 144.2637 < most


def test_slide_12_from_three_maps_to_labels():
    scores = np.array([[[2.0, 0.1], [0.3, 0.2]], [[0.5, 0.4], [0.1, 1.5]], [[0.1, 3.0], [2.2, 0.6]]])[None]
    assert Conv2d(3, 3, 1).output_shape((1, 3, 2, 2)) == scores.shape  # a model keeps the image's 2 x 2
    assert scores.argmax(axis=1)[0].tolist() == [[0, 2], [2, 1]]
    assert Softmax()(scores).argmax(axis=1)[0].tolist() == [[0, 2], [2, 1]]


def test_slide_13_one_hot_of_the_ground_truth_and_its_cross_entropy():
    truth = np.array([[[1, 0], [2, 0]]])                 # (1, 2, 2)
    y = one_hot(truth, 3)
    assert y[0].tolist() == [[[0, 1], [0, 1]], [[1, 0], [0, 0]], [[0, 0], [1, 0]]]
    z = np.random.default_rng(0).normal(size=(1, 3, 2, 2))
    loss = CrossEntropyLoss()
    p = Softmax()(z)
    assert loss(z, truth) == pytest.approx(-(y * np.log(p)).sum() / 4, rel=1e-12)
    np.testing.assert_allclose(loss.backward(), (p - y) / 4, rtol=1e-12, atol=1e-16)
    confident = 100 * y
    assert loss(confident, truth) < 1e-15 and (confident.argmax(axis=1) == truth).all()


def test_slide_14_softmax_and_cross_entropy_of_a_pixel():
    z = np.array([0.07, -0.65, 0.81]).reshape(1, 3, 1, 1)
    p = Softmax()(z)
    assert p.ravel().round(3).tolist() == [0.279, 0.136, 0.585]       # the slide: 0.27, 0.13, 0.60
    label = np.array([[[2]]])                            # (0, 0, 1)
    assert CrossEntropyLoss()(z, label) == pytest.approx(-np.log(p[0, 2, 0, 0]))
    value = CrossEntropyLoss()(np.log([[0.60, 0.13, 0.27]]), np.array([0]))
    assert value == pytest.approx(-np.log(0.6)) and f"{value:.1f}" == "0.5"


def test_slide_14_total_loss_is_the_mean_over_pixels():
    rng = np.random.default_rng(0)
    H, W = 6, 5
    z, labels = rng.normal(size=(1, 3, H, W)), rng.integers(0, 3, (1, H, W))
    total = sum(CrossEntropyLoss()(z[:, :, j, k], labels[:, j, k]) for j in range(H) for k in range(W)) / (H * W)
    assert CrossEntropyLoss()(z, labels) == pytest.approx(total, rel=1e-12)


# Slides 15 to 24, at full size: shapes only, nothing is computed

@pytest.mark.parametrize("kernels", [(1,), (5,), (9, 5)])
def test_slides_15_to_20_pixelwise_models_keep_the_resolution(kernels):
    model = pixelwise(kernels, width=64, rng=0)
    convolutions = [layer for layer in model if isinstance(layer, Conv2d)]
    assert [layer.kernel_size[0] for layer in convolutions] == [*kernels, 1]
    assert all(layer.padding == "same" or layer.kernel_size == (1, 1) for layer in convolutions)
    assert [type(layer) for layer in model] == [Conv2d, BatchNorm2d, ReLU] * len(kernels) + [Conv2d]
    assert shapes_after(model, FULL, Conv2d) == [(64, 128, 128)] * len(kernels) + [(3, 128, 128)]


def test_slides_21_and_23_encode_then_reshape_a_dense_layer_to_the_image(monkeypatch):
    made = []

    class Dense(Linear):                                 # 2048 * 49,152 weights need not be drawn to be counted
        def __init__(self, in_features, out_features, **settings):
            made.append((in_features, out_features))
            super().__init__(1, 1, rng=0)

        def output_shape(self, input_shape):
            assert input_shape[1:] == made[0][:1]
            return (input_shape[0], made[0][1])

    monkeypatch.setattr(models, "Linear", Dense)
    model = models.reshape_segmenter(64, 128, rng=0)
    assert shapes_after(model, FULL, MaxPool2d) == [(64, 64, 64), (128, 32, 32), (256, 16, 16), (512, 8, 8),
                                                    (512, 4, 4), (512, 2, 2)]
    assert shapes_after(model, FULL, Flatten) == [(512 * 2 * 2,)] and made == [(512 * 2 * 2, 3 * 128 * 128)]
    assert shapes_after(model, FULL, Dense) == [(3 * 128 * 128,)]
    assert shapes_after(model, FULL, Reshape) == [(3, 128, 128)] and model.output_shape(FULL) == (8, 3, 128, 128)
    assert (made[0][0] + 1) * made[0][1] == 100_712_448  # parameters of the dense layer alone


def test_slide_24_fcn_scores_the_pooled_maps():
    for stride in (32, 16, 8):
        model = fcn(stride, width=64, rng=0)
        assert model.output_shape(FULL) == (8, 3, 128, 128)
        assert shapes_after(model, FULL, MaxPool2d)[:3] == [(64, 64, 64), (128, 32, 32), (256, 16, 16)]


# Slide 22

MAPS = [[1, 2, 5, 1, 4, 3, 4, 2, 0], [7, 4, 1, 2, 5, 5, 9, 3, 6],
        [0, 3, 4, 9, 9, 4, 7, 4, 5], [5, 6, 6, 2, 4, 9, 5, 3, 1]]
RESHAPED = [[1, 2, 5, 1, 4, 3], [4, 2, 0, 7, 4, 1], [2, 5, 5, 9, 3, 6],
            [0, 3, 4, 9, 9, 4], [7, 4, 5, 5, 6, 6], [2, 4, 9, 5, 3, 1]]


def test_slide_22_reshape_reads_the_maps_one_after_the_other():
    x = np.array(MAPS, np.float32).reshape(1, 4, 3, 3)
    layer = Reshape((1, 6, 6))
    y = layer(x)
    assert y.shape == (1, 1, 6, 6) and y[0, 0].tolist() == RESHAPED
    assert np.array_equal(layer.backward(y), x)


def test_slide_22_pixel_shuffle_puts_the_maps_between_each_other_instead():
    x = np.array(MAPS, np.float32).reshape(1, 4, 3, 3)
    y = PixelShuffle(2)(x)
    assert y.shape == (1, 1, 6, 6) and y[0, 0].tolist() != RESHAPED
    assert y[0, 0, :2].tolist() == [[1, 7, 2, 4, 5, 1], [0, 5, 3, 6, 4, 6]]
    for k in range(4):
        assert np.array_equal(y[0, 0, k // 2::2, k % 2::2], x[0, k])


# Slides 27 to 29

CORNERS = np.array([[[[1.0, 5.0], [4.0, 8.0]]]])


def test_slide_27_bilinear_by_hand():
    """At a quarter of the way down and between 3/4 and 1/4 across: first along two columns, then between them."""
    columns = Upsample((2, 1), mode="bilinear")(CORNERS)[0, 0]         # 1, 1.75, 3.25, 4 and 5, 5.75, 7.25, 8
    assert columns[2].tolist() == [3.25, 7.25]
    whole = Upsample(2, mode="bilinear")(CORNERS)[0, 0]
    assert whole[2, 1] == 0.75 * 3.25 + 0.25 * 7.25 == 4.25


def test_slide_28_nearest_neighbor():
    y = Upsample(2, mode="nearest")(CORNERS)[0, 0]
    assert y.tolist() == [[1, 1, 5, 5], [1, 1, 5, 5], [4, 4, 8, 8], [4, 4, 8, 8]]


def test_slide_29_bilinear():
    y = Upsample(2, mode="bilinear", align_corners=False)(CORNERS)[0, 0]
    assert y.tolist() == [[1, 2, 4, 5], [1.75, 2.75, 4.75, 5.75], [3.25, 4.25, 6.25, 7.25], [4, 5, 7, 8]]


def test_slide_29_is_what_a_transposed_convolution_with_bilinear_weights_computes_inside():
    layer = ConvTranspose2d(1, 1, 4, stride=2, padding=1, bias=False).astype(np.float64)
    tent = np.array([0.25, 0.75, 0.75, 0.25])
    layer.weight.data[...] = np.outer(tent, tent)
    x = np.random.default_rng(0).normal(size=(1, 1, 5, 6))
    inside = np.s_[:, :, 1:-1, 1:-1]                     # at the edge it mixes in the zeros beyond
    np.testing.assert_allclose(layer(x)[inside], Upsample(2, mode="bilinear")(x)[inside])


# Slides 31 to 36, at full size: shapes only, nothing is computed

FULL = (8, 3, 128, 128)
DOWN = [(64, 64, 64), (128, 32, 32), (256, 16, 16), (512, 8, 8), (512, 4, 4)]
UP = [(512, 8, 8), (256, 16, 16), (128, 32, 32), (64, 64, 64), (3, 128, 128)]


def shapes_after(layer, shape, kind):
    """The shapes, without N, after each layer of a kind, inside containers too, in the order of the forward pass."""
    found = []
    if isinstance(layer, Skip):
        found += shapes_after(layer.inner, shape, kind)
    elif isinstance(layer, Sequential):
        for part in layer:
            found += shapes_after(part, shape, kind)
            shape = part.output_shape(shape)
        return found
    return found + [layer.output_shape(shape)[1:]] * isinstance(layer, kind)


@pytest.fixture(scope="module", params=[encoder_decoder, unet])
def model(request):
    return request.param(width=64, classes=3, rng=0)


def test_slides_31_to_35_feature_maps(model):
    assert model.output_shape(FULL) == (8, 3, 128, 128)
    assert shapes_after(model, FULL, MaxPool2d) == DOWN
    encoded, decoded = (shapes_after(model, FULL, Conv2d)[:5], shapes_after(model, FULL, Conv2d)[5:])
    assert encoded == [(64, 128, 128), (128, 64, 64), (256, 32, 32), (512, 16, 16), (512, 8, 8)]
    assert decoded == UP
    assert [size for _, *size in shapes_after(model, FULL, Upsample)] == [list(size) for _, *size in UP]


def test_slides_33_every_convolution_is_3_by_3_same_stride_1_and_every_pooling_halves(model):
    for _, layer in model.walk():
        if isinstance(layer, Conv2d):
            assert (layer.kernel_size, layer.stride, layer.padding) == ((3, 3), (1, 1), "same")
        if isinstance(layer, MaxPool2d):
            assert layer.kernel_size == layer.stride == (2, 2)
        if isinstance(layer, Upsample):
            assert layer.scale_factor == (2, 2)


def test_slides_34_and_35_maps_from_before_each_pooling_are_concatenated_after_the_upsampling_to_their_size():
    shapes = shapes_after(unet(width=64), FULL, Skip)
    # upsampled channels + the encoder's, innermost first
    assert shapes == [(512 + 512, 8, 8), (512 + 512, 16, 16), (256 + 256, 32, 32), (128 + 128, 64, 64),
                      (64 + 64, 128, 128)]
    assert shapes_after(encoder_decoder(width=64), FULL, Skip) == []


def test_numbers_of_parameters():
    # five encoder blocks and four decoder blocks with a batch norm each (2 numbers per channel), one last convolution
    channels = [3, 64, 128, 256, 512, 512, 512, 256, 128, 64, 3]
    expected = sum((9 * C + 1) * O for C, O in zip(channels, channels[1:])) + 2 * sum(channels[1:-1])
    extra = 9 * sum(C * O for C, O in zip([512, 512, 256, 128, 64], channels[6:]))   # skips: more input channels
    assert (expected, expected + extra) == (7_825_923, 11_735_235)
    for build, count in ((encoder_decoder, expected), (unet, expected + extra)):
        assert sum(p.data.size for p in build(width=64).parameters()) == count


# Slides 7 to 11: outputs that are not images

def test_slides_7_and_9_to_11_shapes_from_input_to_output():
    classifier = Linear(1, 3, rng=0)                     # slide 9: one feature, three classes
    assert Softmax().output_shape(classifier.output_shape((5, 1))) == (5, 3)
    forecaster = Sequential(Linear(64, 64, rng=0), ReLU(), Linear(64, 3, rng=0))     # slide 11
    assert shapes_after(forecaster, (5, 64), Linear) == [(64,), (3,)]
    assert sum(p.data.size for p in forecaster.parameters()) == 64 * 64 + 64 + 64 * 3 + 3
