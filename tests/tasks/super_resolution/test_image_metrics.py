"""PSNR and SSIM: values calculated by hand, a version in plain loops, and what they refuse."""
import math

import numpy as np
import pytest
from hypothesis import given, strategies as st

from minidl.tasks.super_resolution.image_metrics import K1, K2, psnr, ssim
from tests.strategies import FEW, seeds

each_metric = pytest.mark.parametrize("metric", [psnr, ssim])


def looped_ssim(a, b, peak):
    """SSIM of two images (H, W), window by window, with variances in two passes."""
    offsets = range(-5, 6)
    weights = {(i, j): math.exp(-(i * i + j * j) / (2 * 1.5**2)) for i in offsets for j in offsets}
    total = sum(weights.values())
    c1, c2 = (K1 * peak) ** 2, (K2 * peak) ** 2
    values = []
    for row in range(5, a.shape[0] - 5):
        for column in range(5, a.shape[1] - 5):
            def mean(f, row=row, column=column):
                return sum(w * f(a[row + i, column + j], b[row + i, column + j])
                           for (i, j), w in weights.items()) / total
            ma, mb = mean(lambda x, y: x), mean(lambda x, y: y)
            va, vb = mean(lambda x, y, m=ma: (x - m) ** 2), mean(lambda x, y, m=mb: (y - m) ** 2)
            cov = mean(lambda x, y, m=ma, k=mb: (x - m) * (y - k))
            values.append((2 * ma * mb + c1) * (2 * cov + c2) / ((ma**2 + mb**2 + c1) * (va + vb + c2)))
    return sum(values) / len(values)


@FEW
@given(st.integers(11, 14), st.integers(11, 14), st.booleans(), seeds)
def test_ssim_is_that_of_plain_loops(H, W, bytes_, seed):
    rng = np.random.default_rng(seed)
    a = rng.uniform(0, 1, (1, 2, H, W))
    b = (a + rng.normal(0, 0.3, a.shape)).clip(0, 1)
    if bytes_:
        a, b = (a * 255).astype(np.uint8), (b * 255).astype(np.uint8)
    peak = 255.0 if bytes_ else 1.0
    expected = [looped_ssim(a[0, c].astype(float), b[0, c].astype(float), peak) for c in range(2)]
    assert ssim(a, b)[0] == pytest.approx(np.mean(expected), abs=1e-12)


def test_psnr_of_known_errors():
    truth = np.zeros((3, 3, 4, 5))
    prediction = truth.copy()
    prediction[0] += 0.1                                  # MSE 0.01
    prediction[1, 0, 0, 0] = math.sqrt(60 * 1e-4)         # one of 60 numbers: MSE 1e-4
    assert psnr(prediction, truth).tolist() == [pytest.approx(20), pytest.approx(40), math.inf]
    dark, light = np.full((1, 3, 4, 4), 10, np.uint8), np.full((1, 3, 4, 4), 13, np.uint8)
    assert psnr(dark, light)[0] == psnr(light, dark)[0] == pytest.approx(20 * math.log10(255 / 3))


def test_ssim_of_equal_negative_and_uniform_images():
    a = np.random.default_rng(0).integers(0, 256, (2, 3, 16, 12), dtype=np.uint8)
    assert ssim(a, a) == pytest.approx([1, 1], abs=1e-12) and (ssim(a, 255 - a) < -0.5).all()
    for u, v in ((0.2, 0.4), (0.0, 1.0), (0.5, 0.5)):      # of uniform ones only their means are compared
        expected = (2 * u * v + 1e-4) / (u * u + v * v + 1e-4)
        assert ssim(np.full((1, 3, 12, 13), u), np.full((1, 3, 12, 13), v))[0] == pytest.approx(expected, abs=1e-12)


@each_metric
def test_each_image_has_its_own_score_whatever_its_type_and_order(metric):
    a, b = np.random.default_rng(0).integers(0, 256, (2, 4, 3, 12, 12), dtype=np.uint8)
    scores = metric(a, b)
    assert scores.shape == (4,)
    for same in (metric(b, a), metric(a / 255, b / 255), metric(np.float32(a / 255), np.float32(b / 255)),
                 np.concatenate([metric(a[i:i + 1], b[i:i + 1]) for i in range(4)])):
        assert same == pytest.approx(scores, rel=1e-5) and same.dtype == np.float64


@each_metric
@pytest.mark.parametrize("a, b, message", [
    (np.zeros((1, 3, 12, 12)), np.zeros((1, 3, 12, 13)), "of one shape"),
    (np.zeros((3, 12, 12)), np.zeros((3, 12, 12)), "of one shape"),
    (np.zeros((0, 3, 12, 12)), np.zeros((0, 3, 12, 12)), "of one shape"),
    (np.zeros((1, 3, 12, 12)), np.zeros((1, 3, 12, 12), np.uint8), "both uint8 or both floating-point"),
    (np.zeros((1, 3, 12, 12), int), np.zeros((1, 3, 12, 12), int), "both uint8 or both floating-point"),
])
def test_arrays_that_cannot_be_compared_are_refused(metric, a, b, message):
    with pytest.raises(ValueError, match=f"{metric.__name__}: .*{message}"):
        metric(a, b)


@each_metric
@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_floats_from_0_to_255_need_their_peak(metric, dtype):
    a, b = np.random.default_rng(0).integers(0, 256, (2, 2, 3, 12, 12), dtype=np.uint8)
    x, y = a.astype(dtype), b.astype(dtype)
    for wrong in ((x, y), (x, y / 255), (x / 255, y), (x / 255, 2 * y / 255 - 1)):
        with pytest.raises(ValueError, match=rf"{metric.__name__}: expected floating-point images in \[0, 1\], .*255"):
            metric(*(image.astype(dtype) for image in wrong))
    assert metric(x, y, peak=255) == pytest.approx(metric(a, b), rel=1e-12)
    for peak in (0, -1, np.inf, np.nan):
        with pytest.raises(ValueError, match="expected a finite peak above 0"):
            metric(x, y, peak)


@each_metric
def test_a_network_may_overshoot_and_nan_gives_nan(metric):
    truth = np.random.default_rng(0).uniform(0, 1, (2, 1, 12, 12))
    prediction = 1.4 * truth - 0.2
    assert np.isfinite(metric(prediction, truth)).all()
    prediction[1, 0, 3, 3] = np.nan
    assert np.isnan(metric(prediction, truth)).tolist() == [False, True]


def test_ssim_refuses_images_smaller_than_its_window():
    with pytest.raises(ValueError, match="at least 11 x 11"):
        ssim(np.zeros((1, 3, 10, 20)), np.zeros((1, 3, 10, 20)))
