"""The plain-loop references, on numbers worked out by hand."""
import math

import numpy as np
import pytest

from tests import reference as ref


def maps(rows):
    """One picture of one channel: shape (1, 1, H, W)."""
    return np.array(rows, float)[None, None]


SIX = maps([[1, 2, 3], [4, 5, 6]])  # H = 2, W = 3


# Convolution. The kernel [[1, 10], [100, 1000]] writes the four values under it as digits, right to left.

DIGITS = maps([[1, 10], [100, 1000]])


def test_conv2d_does_not_flip_the_kernel():
    # 1*1 + 10*2 + 100*4 + 1000*5 = 5421, and one column further 2 + 30 + 500 + 6000 = 6532
    assert ref.conv2d(SIX, DIGITS).tolist() == [[[[5421, 6532]]]]


def test_conv2d_adds_the_bias_of_the_output_channel_and_sums_over_input_channels():
    x = np.array([[[[2.0]], [[3.0]]]])                      # (1, 2, 1, 1)
    weight = np.array([[[[1.0]], [[10.0]]], [[[4.0]], [[-1.0]]], [[[0.0]], [[2.0]]]])  # (3, 2, 1, 1)
    # 2*1 + 3*10 + 0.5 = 32.5;  2*4 - 3*1 - 1 = 4;  3*2 + 0 = 6
    assert ref.conv2d(x, weight, np.array([0.5, -1, 0])).ravel().tolist() == [32.5, 4, 6]


def test_conv2d_padding_is_zeros_and_differs_for_rows_and_columns():
    # rows padded by 1: windows over rows (-, 1), (1, 2), (2, -); Ho = (2 + 2 - 1 - 1)/1 + 1 = 3
    expected = [[[[2100, 3200], [5421, 6532], [54, 65]]]]
    assert ref.conv2d(SIX, DIGITS, padding=(1, 0)).tolist() == expected
    # columns padded by 1: 1000*4 + 10*1 = 4010 on the left, 3 + 100*6 = 603 on the right
    assert ref.conv2d(SIX, DIGITS, padding=(0, 1)).tolist() == [[[[4010, 5421, 6532, 603]]]]


def test_conv2d_stride_and_dilation_differ_for_rows_and_columns():
    x = maps(np.arange(1, 10).reshape(3, 3))                # 1 2 3 / 4 5 6 / 7 8 9
    # stride (2, 1) fits once in rows: windows at columns 0 and 1: 1 + 20 + 400 + 5000, 2 + 30 + 500 + 6000
    assert ref.conv2d(x, DIGITS, stride=(2, 1)).tolist() == [[[[5421, 6532]]]]
    # stride (1, 2) fits once in columns: 1 + 20 + 400 + 5000, 4 + 50 + 700 + 8000
    assert ref.conv2d(x, DIGITS, stride=(1, 2)).tolist() == [[[[5421], [8754]]]]
    # dilation (2, 1): rows 0 and 2, adjacent columns: 1 + 20 + 700 + 8000, 2 + 30 + 800 + 9000
    assert ref.conv2d(x, DIGITS, dilation=(2, 1)).tolist() == [[[[8721, 9832]]]]
    # dilation (1, 2): adjacent rows, columns 0 and 2: 1 + 30 + 400 + 6000, 4 + 60 + 700 + 9000
    assert ref.conv2d(x, DIGITS, dilation=(1, 2)).tolist() == [[[[6431], [9764]]]]


def test_conv_transpose2d_stamps_kernels_that_overlap_and_add():
    x = maps([[1, 2]])
    # 1*[[1, 10], [100, 1000]] at column 0 plus 2*[[1, 10], [100, 1000]] at column 1
    assert ref.conv_transpose2d(x, DIGITS).tolist() == [[[[1, 12, 20], [100, 1200, 2000]]]]
    # stride 2 in rows: one below the other, no overlap
    assert ref.conv_transpose2d(maps([[1], [2]]), DIGITS, stride=(2, 1)).tolist() == [
        [[[1, 10], [100, 1000], [2, 20], [200, 2000]]]]
    # stride 2 in columns: side by side, no overlap; the bias 0.5 is added once everywhere
    assert ref.conv_transpose2d(x, DIGITS, np.array([0.5]), stride=(1, 2)).tolist() == [
        [[[1.5, 10.5, 2.5, 20.5], [100.5, 1000.5, 200.5, 2000.5]]]]


def test_conv_transpose2d_padding_crops_and_output_padding_extends():
    x = maps([[1, 2]])
    # padding (0, 1): [[1, 12, 20], [100, 1200, 2000]] without its first and last column
    assert ref.conv_transpose2d(x, DIGITS, padding=(0, 1)).tolist() == [[[[12], [1200]]]]
    # padding (1, 0), two rows of input: rows 1 10, 100 + 2 1000 + 20, 200 2000 without the first and the last
    assert ref.conv_transpose2d(maps([[1], [2]]), DIGITS, padding=(1, 0)).tolist() == [[[[102, 1020]]]]
    # an output padding of (1, 0) with stride (2, 1) adds a row of zeros below, (0, 1) a column on the right
    assert ref.conv_transpose2d(x, DIGITS, stride=(2, 1), output_padding=(1, 0)).tolist() == [
        [[[1, 12, 20], [100, 1200, 2000], [0, 0, 0]]]]
    assert ref.conv_transpose2d(x, DIGITS, stride=(1, 2), output_padding=(0, 1)).tolist() == [
        [[[1, 10, 2, 20, 0], [100, 1000, 200, 2000, 0]]]]


def test_conv_transpose2d_dilation_spreads_the_stamp():
    # dilation (2, 1): kernel rows go to rows 0 and 2; (1, 2): kernel columns to columns 0 and 2
    assert ref.conv_transpose2d(maps([[3]]), DIGITS, dilation=(2, 1)).tolist() == [
        [[[3, 30], [0, 0], [300, 3000]]]]
    assert ref.conv_transpose2d(maps([[3]]), DIGITS, dilation=(1, 2)).tolist() == [
        [[[3, 0, 30], [300, 0, 3000]]]]


def test_conv_transpose2d_weight_is_input_channels_first():
    x = np.array([[[[2.0]], [[3.0]]]])                      # (1, 2, 1, 1)
    weight = np.array([[1, 10, 100], [4, 5, 6]], float).reshape(2, 3, 1, 1)
    # 2*1 + 3*4 = 14;  2*10 + 3*5 = 35;  2*100 + 3*6 = 218
    assert ref.conv_transpose2d(x, weight).ravel().tolist() == [14, 35, 218]


def test_linear():
    x = np.array([[1.0, 2, 3], [0, -1, 1]])
    weight = np.array([[1.0, 10, 100], [2, 0, -1]])
    # 1 + 20 + 300 + 0.5, 2 - 3 - 1;  -10 + 100 + 0.5, -1 - 1
    assert ref.linear(x, weight, np.array([0.5, -1])).tolist() == [[321.5, -2], [90.5, -2]]
    assert ref.linear(x, weight).tolist() == [[321, -1], [90, -1]]


def test_batch_norm():
    # channel 0: 1 3 5 7, channel 1: 10 10 10 14
    x = np.array([1.0, 3, 10, 10, 5, 7, 10, 14]).reshape(2, 2, 1, 2)
    y, mean, biased, unbiased = ref.batch_norm(x, np.array([2.0, 1]), np.array([0.5, 0]), eps=4.0)
    # channel 0: mean 16/4, squares 9 + 1 + 1 + 9 = 20; channel 1: mean 44/4, squares 1 + 1 + 1 + 9 = 12
    assert mean.tolist() == [4, 11]
    assert biased.tolist() == [5, 3]
    assert unbiased.tolist() == [20 / 3, 4]
    # channel 0: 2*(x - 4)/sqrt(5 + 4) + 0.5; channel 1: (x - 11)/sqrt(3 + 4)
    np.testing.assert_allclose(y[:, 0].ravel(), [-1.5, -1 / 6, 7 / 6, 2.5], rtol=1e-14)
    np.testing.assert_allclose(y[:, 1].ravel() * math.sqrt(7), [-1, -1, -1, 3], rtol=1e-14)


def test_batch_norm_default_eps():
    y, _, _, _ = ref.batch_norm(maps([[0, 2e-3]]), np.ones(1), np.zeros(1))
    # variance 1e-6, so 1e-3 / sqrt(1e-6 + 1e-5) = 1 / sqrt(11)
    np.testing.assert_allclose(y.ravel(), [-1 / math.sqrt(11), 1 / math.sqrt(11)], rtol=1e-14)


# Pooling

def test_max_pool2d_takes_the_first_of_tied_maxima_and_drops_what_does_not_fit():
    x = maps([[1, 5, 5, 0, 9],
              [5, 2, 1, 7, 9],
              [8, 8, 8, 8, 8]])
    y, where = ref.max_pool2d(x, (2, 2))                    # Ho = 3 // 2 = 1, Wo = 5 // 2 = 2
    assert y.tolist() == [[[[5, 7]]]]
    assert where.tolist() == [[[[[0, 1], [1, 3]]]]]


def test_max_pool2d_pads_with_minus_infinity():
    y, where = ref.max_pool2d(maps([[-3, -1, -2]]), (1, 2), (1, 2), padding=(0, 1))
    # windows (pad, -3) and (-1, -2): zeros in the padding would win
    assert y.tolist() == [[[[-3, -1]]]]
    assert where.tolist() == [[[[[0, 0], [0, 1]]]]]
    # stride 1: (pad, -3), (-3, -1), (-1, -2), (-2, pad)
    y, where = ref.max_pool2d(maps([[-3, -1, -2]]), (1, 2), (1, 1), padding=(0, 1))
    assert y.tolist() == [[[[-3, -1, -1, -2]]]]
    assert where.tolist() == [[[[[0, 0], [0, 1], [0, 1], [0, 2]]]]]
    y, where = ref.max_pool2d(maps([[-3], [-1], [-2]]), (2, 1), (1, 1), padding=(1, 0))
    assert y.tolist() == [[[[-3], [-1], [-1], [-2]]]]
    assert where.tolist() == [[[[[0, 0]], [[1, 0]], [[1, 0]], [[2, 0]]]]]
    y, where = ref.max_pool2d(maps([[-3], [-1], [-2]]), (2, 1), (2, 1), padding=(1, 0))
    assert y.tolist() == [[[[-3], [-1]]]]
    assert where.tolist() == [[[[[0, 0]], [[1, 0]]]]]


def test_max_pool2d_kernel_and_stride_differ_for_rows_and_columns():
    x = maps(np.arange(12).reshape(3, 4))                   # 0 1 2 3 / 4 5 6 7 / 8 9 10 11
    assert ref.max_pool2d(x, (2, 3), (1, 1))[0].tolist() == [[[[6, 7], [10, 11]]]]
    assert ref.max_pool2d(x, (1, 2), (2, 1))[0].tolist() == [[[[1, 2, 3], [9, 10, 11]]]]


def test_avg_pool2d():
    x = maps([[1, 2, 3, 4, 100], [5, 6, 7, 8, 100]])
    # (1 + 2 + 5 + 6)/4 and (3 + 4 + 7 + 8)/4; the fifth column does not fit
    assert ref.avg_pool2d(x, (2, 2)).tolist() == [[[[3.5, 5.5]]]]
    # kernel (1, 2), stride (1, 3): (1 + 2)/2, (4 + 100)/2; (5 + 6)/2, (8 + 100)/2
    assert ref.avg_pool2d(x, (1, 2), (1, 3)).tolist() == [[[[1.5, 52], [5.5, 54]]]]


def test_avg_pool2d_counts_the_padding():
    # windows (0, 6), (6, 9), (9, 0): divided by 2, not by the number of values inside
    assert ref.avg_pool2d(maps([[6, 9]]), (1, 2), (1, 1), padding=(0, 1)).tolist() == [[[[3, 7.5, 4.5]]]]
    assert ref.avg_pool2d(maps([[6], [9]]), (2, 1), (1, 1), padding=(1, 0)).tolist() == [[[[3], [7.5], [4.5]]]]
    assert ref.avg_pool2d(maps([[6, 9]]), (1, 2), (1, 2), padding=(0, 1)).tolist() == [[[[3, 4.5]]]]
    assert ref.avg_pool2d(maps([[6], [9]]), (2, 1), (2, 1), padding=(1, 0)).tolist() == [[[[3], [4.5]]]]


# Upsampling and rearranging

def test_upsample_nearest():
    assert ref.upsample_nearest(SIX, 2).tolist() == [[[[1, 1, 2, 2, 3, 3], [1, 1, 2, 2, 3, 3],
                                                       [4, 4, 5, 5, 6, 6], [4, 4, 5, 5, 6, 6]]]]


def test_upsample_bilinear_aligns_edges():
    # sources at -0.25 -> 0, 0.25, 0.75, 1.25 -> 1 (beyond the last center): weights 0, 1/4, 3/4, 1 in each
    # direction. First row: 1, 1 + 4/4, 1 + 3*4/4, 5. First column: 1, 1 + 3/4, 1 + 3*3/4, 4.
    # Inside: 0.75*(1, 5) + 0.25*(4, 8) = (1.75, 5.75), again in quarters: 1.75, 2.75, 4.75, 5.75.
    assert ref.upsample_bilinear(maps([[1, 5], [4, 8]]), 2).tolist() == [[[[1, 2, 4, 5],
                                                                          [1.75, 2.75, 4.75, 5.75],
                                                                          [3.25, 4.25, 6.25, 7.25],
                                                                          [4, 5, 7, 8]]]]


def test_upsample_bilinear_is_not_only_additive():
    # a corner value 16 at the lower right: weights (0, 1/4, 3/4, 1) of rows times those of columns, times 16
    assert ref.upsample_bilinear(maps([[0, 0], [0, 16]]), 2).tolist() == [[[[0, 0, 0, 0], [0, 1, 3, 4],
                                                                            [0, 3, 9, 12], [0, 4, 12, 16]]]]


def test_upsample_bilinear_aligns_corners():
    # two values, four places: sources 0, 1/3, 2/3, 1
    y = ref.upsample_bilinear(maps([[3, 6], [9, 12]]), 2, align_corners=True)
    expected = [[3, 4, 5, 6], [5, 6, 7, 8], [7, 8, 9, 10], [9, 10, 11, 12]]
    np.testing.assert_allclose(y[0, 0], expected, rtol=1e-14)


def test_upsample_bilinear_one_row_three_columns():
    # scale 2, sources 0, 0.25, 0.75, 1.25, 1.75, 2.25 -> the last value; a single row stays constant
    row = [0, 1, 3, 5, 7, 8]
    assert ref.upsample_bilinear(maps([[0, 4, 8]]), 2).tolist() == [[[row, row]]]
    # aligned corners: 6 places over 2 gaps, steps of 2/5: 4*(0, 0.4, 0.8, 1.2, 1.6, 2)
    y = ref.upsample_bilinear(maps([[0, 4, 8]]), 2, align_corners=True)
    np.testing.assert_allclose(y[0, 0], [[0, 1.6, 3.2, 4.8, 6.4, 8]] * 2, rtol=1e-14)
    assert ref.upsample_bilinear(maps([[7, 9]]), 1, align_corners=True).tolist() == [[[[7, 9]]]]


def test_pixel_shuffle():
    x = np.arange(16.0).reshape(1, 8, 1, 2)                 # 8 channels of one row: (0, 1), ... (14, 15)
    # output channel 0 from channels 0 to 3: 0 and 1 alternate in the upper row, 2 and 3 in the lower one
    assert ref.pixel_shuffle(x, 2).tolist() == [[[[0, 2, 1, 3], [4, 6, 5, 7]],
                                                 [[8, 10, 9, 11], [12, 14, 13, 15]]]]
    x = np.arange(24.0).reshape(1, 4, 2, 3)                 # 0 1 2 / 3 4 5, 6 7 8 / 9 10 11, and so on
    assert ref.pixel_shuffle(x, 2).tolist() == [[[[0, 6, 1, 7, 2, 8], [12, 18, 13, 19, 14, 20],
                                                  [3, 9, 4, 10, 5, 11], [15, 21, 16, 22, 17, 23]]]]


# Activations

def test_sigmoid_and_tanh():
    third = math.log(3)                                     # exp(log 3) = 3
    # 1/(1 + 1/3) = 3/4, 1/(1 + 3) = 1/4; tanh(log 3) = (3 - 1/3)/(3 + 1/3) = 8/10
    x = np.array([[0.0, third, -third]])
    np.testing.assert_allclose(ref.sigmoid(x), [[0.5, 0.75, 0.25]], rtol=1e-14)
    np.testing.assert_allclose(ref.tanh(x), [[0, 0.8, -0.8]], rtol=1e-14)
    assert ref.sigmoid(np.array([1000.0, -1000.0])).tolist() == [1, 0]
    assert ref.tanh(np.array([1000.0, -1000.0])).tolist() == [1, -1]


def test_softmax():
    # exp(0.07) = 1.0725, exp(-0.65) = 0.5220, exp(0.81) = 2.2479, sum 3.8424
    y = ref.softmax(np.array([[0.07, -0.65, 0.81]]))
    np.testing.assert_allclose(y, [[0.279, 0.136, 0.585]], atol=5e-4)
    x = np.log(np.array([[1.0, 2, 5], [3, 6, 15]]))         # powers 1 2 5 / 3 6 15
    np.testing.assert_allclose(ref.softmax(x), [[1 / 8, 2 / 8, 5 / 8]] * 2, rtol=1e-14)
    np.testing.assert_allclose(ref.softmax(x, axis=0), [[1 / 4] * 3, [3 / 4] * 3], rtol=1e-14)
    np.testing.assert_allclose(ref.softmax(x + 1e4), [[1 / 8, 2 / 8, 5 / 8]] * 2, rtol=1e-11)


# Losses

LOGITS = np.log(np.array([[1.0, 2, 5], [3, 6, 15], [8, 1, 1]]))  # probabilities 1 2 5 /8, 1 2 5 /8, 8 1 1 /10


def test_cross_entropy():
    # -log(2/8), -log(5/8), -log(8/10)
    losses = [math.log(4), math.log(8 / 5), math.log(5 / 4)]
    labels = np.array([1, 2, 0])
    assert ref.cross_entropy(LOGITS, labels) == pytest.approx(sum(losses) / 3, rel=1e-14)
    # weights 3, 1, 2 of classes 0, 1, 2: the mean is divided by 1 + 2 + 3, not by 3
    weighted = (1 * losses[0] + 2 * losses[1] + 3 * losses[2]) / 6
    assert ref.cross_entropy(LOGITS, labels, np.array([3.0, 1, 2])) == pytest.approx(weighted, rel=1e-14)
    # without class 2: (1 * first + 3 * third) / (1 + 3)
    rest = (1 * losses[0] + 3 * losses[2]) / 4
    assert ref.cross_entropy(LOGITS, labels, np.array([3.0, 1, 2]), 2) == pytest.approx(rest, rel=1e-14)
    assert ref.cross_entropy(LOGITS, np.array([1, -100, 0]), None, -100) == pytest.approx(
        (losses[0] + losses[2]) / 2, rel=1e-14)
    assert math.isnan(ref.cross_entropy(LOGITS, np.array([7, 7, 7]), ignore_index=7))
    assert ref.cross_entropy(np.array([[0.0, 1000]]), np.array([0])) == 1000


def test_cross_entropy_of_maps():
    logits = LOGITS.T.reshape(1, 3, 1, 3)                   # the three rows of LOGITS become three pixels
    labels = np.array([1, 2, 0]).reshape(1, 1, 3)
    expected = (math.log(4) + math.log(8 / 5) + math.log(5 / 4)) / 3
    assert ref.cross_entropy(logits, labels) == pytest.approx(expected, rel=1e-14)


def test_mse_and_l1():
    prediction, target = np.array([[1.0, 2], [3, 4]]), np.array([[1.0, 4], [0, 5]])
    assert ref.mse(prediction, target) == (0 + 4 + 9 + 1) / 4
    assert ref.l1(prediction, target) == (0 + 2 + 3 + 1) / 4
    assert ref.smooth_l1(prediction, target, beta=2) == (0 + 1 + 2 + 1 / 4) / 4


def test_bce_with_logits():
    # sigmoid(log 3) = 3/4: -log(3/4) for target 1, -log(1/4) for target 0, and a half of each for 0.5
    z = math.log(3)
    first, second = math.log(4 / 3), math.log(4)
    assert ref.bce_with_logits(np.array([z]), np.array([1.0])) == pytest.approx(first, rel=1e-14)
    assert ref.bce_with_logits(np.array([[z, z, -z]]), np.array([[0.0, 0.5, 0.0]])) == pytest.approx(
        (second + (first + second) / 2 + first) / 3, rel=1e-14)
    assert ref.bce_with_logits(np.array([1000.0, -1000.0]), np.array([0.0, 1.0])) == 1000


# Optimizers

def test_sgd_step():
    # plain: 1 - 0.5*2 = 0, -3 - 0.5*4 = -5
    assert ref.sgd_step([1.0, -3.0], [2.0, 4.0], [0.0, 0.0], lr=0.5) == ([0.0, -5.0], [2.0, 4.0])
    # decay 0.25: g = 2 + 0.25*4 = 3; momentum 0.5: v = 0.5*6 + 3 = 6; p = 4 - 0.5*6 = 1
    assert ref.sgd_step([4.0], [2.0], [6.0], 0.5, momentum=0.5, weight_decay=0.25) == ([1.0], [6.0])


def test_adam_step():
    # first step: m/(1 - b1) = g = -4 and v/(1 - b2) = g**2 = 16, so p moves up by lr*4/(4 + eps)
    p, m, v = ref.adam_step([1.0], [-4.0], [0.0], [0.0], 1, lr=0.5, betas=(0.5, 0.75), eps=4.0)
    assert p == pytest.approx([1 + 0.5 * 4 / (4 + 4)], rel=1e-14)
    assert (m, v) == ([-2.0], [4.0])                        # 0.5*0 + 0.5*-4, 0.75*0 + 0.25*16
    # second step, decay 2: g = -0.5 + 2*1.25 = 2, m = 0.5*-2 + 0.5*2 = 0, v = 0.75*4 + 0.25*4 = 4: no move
    p, m, v = ref.adam_step(p, [-0.5], m, v, 2, lr=0.5, betas=(0.5, 0.75), eps=4.0, weight_decay=2.0)
    assert (p, m, v) == ([1.25], [0.0], [4.0])
    # third step: g = 7, m = 3.5, v = 0.75*4 + 0.25*49 = 15.25; m/(1 - 1/8) = 4, v/(1 - 27/64) = 976/37
    p, m, v = ref.adam_step(p, [7.0], m, v, 3, lr=0.5, betas=(0.5, 0.75), eps=4.0)
    assert (m, v) == ([3.5], [15.25])
    assert p == pytest.approx([1.25 - 0.5 * 4 / (math.sqrt(976 / 37) + 4)], rel=1e-14)


def test_adam_step_defaults():
    # lr 1e-3, eps 1e-8: a gradient of 1e-8 moves half the rate; moments 0.1*g and 0.001*g**2
    p, m, v = ref.adam_step([0.0], [1e-8], [0.0], [0.0], 1)
    assert p == pytest.approx([-0.5e-3], rel=1e-12)
    assert m == pytest.approx([1e-9], rel=1e-12)
    assert v == pytest.approx([1e-19], rel=1e-12)


def test_references_leave_their_inputs_alone():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(1, 4, 3, 4))
    weight = rng.normal(size=(4, 4, 2, 2))
    before = x.copy(), weight.copy()
    ref.conv2d(x, weight)
    ref.conv_transpose2d(x, weight)
    ref.batch_norm(x, np.ones(4), np.zeros(4))
    ref.max_pool2d(x, (2, 2))
    ref.avg_pool2d(x, (2, 2))
    ref.softmax(x)
    ref.cross_entropy(x, np.zeros((1, 3, 4), int))
    assert np.array_equal(x, before[0]) and np.array_equal(weight, before[1])
