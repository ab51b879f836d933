"""The plain-loop references: a case worked out by hand for each, or another reference that must agree."""
import math
from typing import Any

import numpy as np
import pytest

from tests import reference as ref


def maps(rows):
    """One image of one channel, (1, 1, H, W), that cannot be written into."""
    x = np.array(rows, float)[None, None]
    x.flags.writeable = False
    return x


def normal(*shape):
    x = np.random.default_rng(0).normal(size=shape)
    x.flags.writeable = False
    return x


# Convolutions. The kernel [[1, 10], [100, 1000]] writes the four values under it as digits, right to left.

DIGITS = maps([[1, 10], [100, 1000]])
NINE = maps([[1, 2, 3], [4, 5, 6], [7, 8, 9]])


@pytest.mark.parametrize("settings, expected", [
    ({}, [[5421, 6532], [8754, 9865]]),                                       # not flipped
    ({"stride": (2, 1), "padding": (1, 0)}, [[2100, 3200], [8754, 9865]]),     # zeros above the first row
    ({"dilation": (1, 2)}, [[6431], [9764]]),                                  # columns 0 and 2
])
def test_conv2d(settings, expected):
    assert ref.conv2d(NINE, DIGITS, **settings).tolist() == [[expected]]


def test_conv2d_sums_over_input_channels_and_adds_a_bias():
    x = np.array([[[[2.0]], [[3.0]]]])                      # (1, 2, 1, 1)
    weight = np.array([[[[1.0]], [[10.0]]], [[[4.0]], [[-1.0]]], [[[0.0]], [[2.0]]]])  # (3, 2, 1, 1)
    # 2*1 + 3*10 + 0.5 = 32.5;  2*4 - 3*1 - 1 = 4;  3*2 + 0 = 6
    assert ref.conv2d(x, weight, np.array([0.5, -1, 0])).ravel().tolist() == [32.5, 4, 6]


def test_conv_transpose2d_stamps_kernels_and_adds_a_bias():
    # 1*[[1, 10], [100, 1000]] at column 0, 2*[[1, 10], [100, 1000]] at column 1, and 0.5 everywhere
    assert ref.conv_transpose2d(maps([[1, 2]]), DIGITS, np.array([0.5])).tolist() == [
        [[[1.5, 12.5, 20.5], [100.5, 1200.5, 2000.5]]]]


@pytest.mark.parametrize("settings, left_over", [           # rows and columns that no window reaches
    ({}, (0, 0)), ({"padding": (0, 1)}, (0, 0)), ({"dilation": (1, 2)}, (0, 0)), ({"stride": (2, 3)}, (0, 2)),
    ({"stride": (2, 3), "padding": (1, 2), "dilation": (2, 1)}, (1, 0)),
])
def test_conv_transpose2d_is_the_adjoint_of_conv2d(settings, left_over):
    weight, x = normal(2, 3, 2, 3), normal(2, 3, 6, 8)      # conv2d reads (O, C, kh, kw), the other (C, O, kh, kw)
    y = ref.conv2d(x, weight, **settings)
    dy = np.random.default_rng(1).normal(size=y.shape)
    dx = ref.conv_transpose2d(dy, weight, output_padding=left_over, **settings)
    assert np.vdot(y, dy) == pytest.approx(np.vdot(x, dx), rel=1e-12)


def test_linear_is_a_convolution_of_single_pixels():
    x, weight, bias = normal(4, 3), normal(2, 3), normal(2)
    for b in (bias, None):
        expected = ref.conv2d(x[:, :, None, None], weight[:, :, None, None], b)[:, :, 0, 0]
        np.testing.assert_allclose(ref.linear(x, weight, b), expected, rtol=1e-14)


PAIRS: Any = {"kernel": (2, 3), "stride": (2, 1), "padding": (1, 0)}


@pytest.mark.parametrize("function, pairs", [
    (lambda x, **pairs: ref.conv2d(x, maps([[1, 10], [10, 1000]]), **pairs),
     {"stride": (2, 1), "padding": (1, 0), "dilation": (1, 2)}),
    (lambda x, **pairs: ref.max_pool2d(x, **pairs)[0], PAIRS),
    (ref.avg_pool2d, PAIRS), (ref.upsample_nearest, {"scale": (2, 3)}), (ref.upsample_bilinear, {"scale": (2, 3)}),
], ids=["conv2d", "max_pool2d", "avg_pool2d", "nearest", "bilinear"])
def test_rows_and_columns_exchanged_exchange_the_result(function, pairs):
    x = normal(2, 1, 5, 4)
    y = function(x, **pairs)
    exchanged = function(x.swapaxes(2, 3), **{name: pair[::-1] for name, pair in pairs.items()})
    np.testing.assert_allclose(exchanged.swapaxes(2, 3), y, rtol=1e-14)


# Normalization and pooling

def test_batch_norm():
    # channel 0: 1 3 5 7, channel 1: 10 10 10 14
    x = np.array([1.0, 3, 10, 10, 5, 7, 10, 14]).reshape(2, 2, 2, 1)
    y, mean, biased, unbiased = ref.batch_norm(x, np.array([2.0, 1]), np.array([0.5, 0]), eps=4.0)
    # channel 0: mean 16/4, squares 9 + 1 + 1 + 9 = 20; channel 1: mean 44/4, squares 1 + 1 + 1 + 9 = 12
    assert (mean.tolist(), biased.tolist(), unbiased.tolist()) == ([4, 11], [5, 3], [20 / 3, 4])
    # channel 0: 2*(x - 4)/sqrt(5 + 4) + 0.5; channel 1: (x - 11)/sqrt(3 + 4)
    np.testing.assert_allclose(y[:, 0].ravel(), [-1.5, -1 / 6, 7 / 6, 2.5], rtol=1e-14)
    np.testing.assert_allclose(y[:, 1].ravel() * math.sqrt(7), [-1, -1, -1, 3], rtol=1e-14)


def test_max_pool2d_takes_the_first_of_tied_maxima_and_drops_what_does_not_fit():
    x = maps([[1, 5, 5, 0, 9],
              [5, 2, 1, 7, 9],
              [8, 8, 8, 8, 8]])
    y, where = ref.max_pool2d(x, (2, 2))                    # Ho = 3 // 2 = 1, Wo = 5 // 2 = 2
    assert y.tolist() == [[[[5, 7]]]]
    assert where.tolist() == [[[[[0, 1], [1, 3]]]]]


def test_max_pool2d_pads_with_minus_infinity():
    y, where = ref.max_pool2d(maps([[-3, -1, -2]]), (1, 2), (1, 1), padding=(0, 1))
    assert y.tolist() == [[[[-3, -1, -1, -2]]]]             # (pad, -3), (-3, -1), (-1, -2), (-2, pad)
    assert where.tolist() == [[[[[0, 0], [0, 1], [0, 1], [0, 2]]]]]


@pytest.mark.parametrize("stride, padding", [((1, 1), (0, 0)), ((2, 3), (0, 1))])
def test_avg_pool2d_is_a_convolution_of_each_channel_with_equal_weights(stride, padding):
    x = normal(2, 3, 5, 4)
    expected = ref.conv2d(x.reshape(6, 1, 5, 4), np.full((1, 1, 2, 2), 0.25), None, stride, padding)
    np.testing.assert_allclose(ref.avg_pool2d(x, (2, 2), stride, padding).reshape(expected.shape), expected, rtol=1e-13)
    assert np.array_equal(ref.avg_pool2d(x, (2, 2)), ref.avg_pool2d(x, (2, 2), (2, 2)))


# Upsampling and rearranging

def test_upsample_nearest_is_a_transposed_convolution_with_ones():
    x, scale = normal(2, 1, 3, 2), (2, 3)
    assert np.array_equal(ref.upsample_nearest(x, scale), ref.conv_transpose2d(x, np.ones((1, 1, 2, 3)), stride=scale))


def test_upsample_bilinear_aligns_edges():
    # sources at -0.25 -> 0, 0.25, 0.75, 1.25 -> 1 (beyond the last center): weights 0, 1/4, 3/4, 1 in each
    # direction. First row: 1, 1 + 4/4, 1 + 3*4/4, 5. First column: 1, 1 + 3/4, 1 + 3*3/4, 4. The value 16 more
    # at the lower right adds 16 times the product of the two weights.
    assert ref.upsample_bilinear(maps([[1, 5], [4, 24]]), (2, 2)).tolist() == [[[
        [1, 2, 4, 5], [1.75, 2.75 + 1, 4.75 + 3, 5.75 + 4], [3.25, 4.25 + 3, 6.25 + 9, 7.25 + 12], [4, 9, 19, 24]]]]


def test_upsample_bilinear_aligns_corners():
    # six positions over two gaps, steps of 2/5: 4*(0, 0.4, 0.8, 1.2, 1.6, 2)
    y = ref.upsample_bilinear(maps([[0, 4, 8]]), (1, 2), align_corners=True)
    np.testing.assert_allclose(y[0, 0], [[0, 1.6, 3.2, 4.8, 6.4, 8]], rtol=1e-14)


def test_pixel_shuffle():
    x = np.arange(16.0).reshape(1, 8, 2, 1)                 # 8 channels of one column: (0, 1), ... (14, 15)
    # output channel 0 from channels 0 to 3: their upper values, 0 2 / 4 6, above their lower ones
    assert ref.pixel_shuffle(x, 2).tolist() == [[[[0, 2], [4, 6], [1, 3], [5, 7]],
                                                 [[8, 10], [12, 14], [9, 11], [13, 15]]]]


# Activations

def test_softmax():
    x = np.log(np.array([[1.0, 2, 5], [3, 6, 15]]))         # powers 1 2 5 / 3 6 15
    for shift in (0, 1e4):
        np.testing.assert_allclose(ref.softmax(x + shift), [[1 / 8, 2 / 8, 5 / 8]] * 2, rtol=1e-11)
    assert np.array_equal(ref.softmax(x.T.reshape(1, 3, 2))[0].T, ref.softmax(x))


def test_sigmoid_is_a_softmax_of_two_and_tanh_a_sigmoid():
    x = np.array([-1000.0, -2, 0, 0.5, 1000])
    np.testing.assert_allclose(ref.sigmoid(x), ref.softmax(np.stack([0 * x, x], axis=1))[:, 1], rtol=1e-14)
    np.testing.assert_allclose(ref.tanh(x), 2 * ref.sigmoid(2 * x) - 1, rtol=1e-14)


# Losses

LOGITS = np.log(np.array([[1.0, 2, 5], [3, 6, 15], [8, 1, 1]]))  # probabilities 1 2 5 /8, 1 2 5 /8, 8 1 1 /10


def test_cross_entropy():
    first, second, third = math.log(4), math.log(8 / 5), math.log(5 / 4)      # -log(2/8), -log(5/8), -log(8/10)
    labels, weight = np.array([1, 2, 0]), np.array([3.0, 1, 2])
    close: Any = {"rel": 1e-14}
    assert ref.cross_entropy(LOGITS, labels) == pytest.approx((first + second + third) / 3, **close)
    # the labels' weights are 1, 2 and 3: the mean is divided by their sum, 6, and without class 2 by 4
    assert ref.cross_entropy(LOGITS, labels, weight) == pytest.approx((first + 2 * second + 3 * third) / 6, **close)
    assert ref.cross_entropy(LOGITS, labels, weight, 2) == pytest.approx((first + 3 * third) / 4, **close)
    # the three rows as three pixels
    assert ref.cross_entropy(LOGITS.T.reshape(1, 3, 1, 3), labels.reshape(1, 1, 3)) == ref.cross_entropy(LOGITS, labels)
    assert ref.cross_entropy(np.array([[0.0, 1000]]), np.array([0])) == 1000


def test_binary_cross_entropy_is_a_cross_entropy_of_two_classes():
    z, labels = np.array([1000.0, -1000, 0.3, -2, 0.5]), np.array([0, 0, 1, 1, 0])
    both = [ref.bce_with_logits(z, t.astype(float)) for t in (labels, 1 - labels)]
    assert both[0] == pytest.approx(ref.cross_entropy(np.stack([0 * z, z], axis=1), labels), rel=1e-14)
    assert ref.bce_with_logits(z, np.full(5, 0.5)) == pytest.approx(sum(both) / 2, rel=1e-14)


def test_mse_l1_and_smooth_l1():
    prediction, target = np.array([[1.0, 2], [3, 4]]), np.array([[1.0, 4], [0, 5]])
    assert ref.mse(prediction, target) == (0 + 4 + 9 + 1) / 4
    assert ref.l1(prediction, target) == (0 + 2 + 3 + 1) / 4
    assert ref.smooth_l1(prediction, target, beta=2) == (0 + 1 + 2 + 1 / 4) / 4


# Optimizers

def test_sgd_step():
    # decay 0.25: g = 2 + 0.25*4 = 3; momentum 0.5: v = 0.5*6 + 3 = 6; p = 4 - 0.5*6 = 1
    assert ref.sgd_step([4.0], [2.0], [6.0], 0.5, momentum=0.5, weight_decay=0.25) == ([1.0], [6.0])


def test_adam_step():
    settings: Any = {"lr": 0.5, "betas": (0.5, 0.75), "eps": 4.0}
    # first step: m/(1 - b1) = g = -4 and v/(1 - b2) = g**2 = 16, so p moves up by lr*4/(4 + eps)
    p, m, v = ref.adam_step([1.0], [-4.0], [0.0], [0.0], 1, weight_decay=0.0, **settings)
    assert p == pytest.approx([1 + 0.5 * 4 / (4 + 4)], rel=1e-14)
    assert (m, v) == ([-2.0], [4.0])                        # 0.5*0 + 0.5*-4, 0.75*0 + 0.25*16
    # second step, decay 2: g = -0.5 + 2*1.25 = 2, m = 0.5*-2 + 0.5*2 = 0, v = 0.75*4 + 0.25*4 = 4: no move
    p, m, v = ref.adam_step(p, [-0.5], m, v, 2, weight_decay=2.0, **settings)
    assert (p, m, v) == ([1.25], [0.0], [4.0])
    # third step: g = 7, m = 3.5, v = 0.75*4 + 0.25*49 = 15.25; m/(1 - 1/8) = 4, v/(1 - 27/64) = 976/37
    p, m, v = ref.adam_step(p, [7.0], m, v, 3, weight_decay=0.0, **settings)
    assert (m, v) == ([3.5], [15.25])
    assert p == pytest.approx([1.25 - 0.5 * 4 / (math.sqrt(976 / 37) + 4)], rel=1e-14)
