"""Pairs of small and large images, what looks alike to an encoder, and interpolation between two networks."""
# mypy: disable-error-code="arg-type"
import numpy as np
import pytest

from minidl import Conv2d, ReLU, Sequential, Upsample, rrdb_net
from minidl.course.lesson import Lesson
from minidl.tasks.super_resolution.experiment import Pairs, SuperResolution, cycle
from minidl.tasks.super_resolution.images import METHODS, as_images, block_means, resized, smoothed
from minidl.tasks.super_resolution.map_conv import interpolated_state, with_map
from minidl.tasks.super_resolution.perceptual import feature_distance, train_encoder
from tests.rendered import write_pets
from tests.samples import noise


@pytest.fixture(scope="module")
def task(tmp_path_factory):
    folder = write_pets(tmp_path_factory.mktemp("pets") / "pets", train=6, test=3)
    argv = ["--quick", "--data", str(folder), "--out", str(folder.parent / "out"), "--size", "16", "--batch-size", "2"]
    return SuperResolution(Lesson("16_test", argv=argv), 4)


# Resizing

def test_box_averages_blocks_and_nearest_copies_pixels():
    images = noise()
    small = resized(images, 4, "box")
    means = images.reshape(3, 3, 4, 4, 4, 4).mean(axis=(3, 5))
    assert np.abs(small - means).max() <= 1                             # rounded twice, along rows and columns
    assert np.array_equal(resized(small, 16, "nearest"), small.repeat(4, axis=2).repeat(4, axis=3))


def test_uniform_images_stay_uniform_and_bilinear_is_that_of_the_layer():
    even = np.full((2, 3, 16, 16), 77, np.uint8)
    for method in (*METHODS, "box"):
        assert (resized(even, 4, method) == 77).all() and (resized(even, 32, method) == 77).all()
    images = noise(size=8)
    ours = Upsample(2, "bilinear")(images.astype(np.float64))
    assert np.abs(resized(images, 16, "bilinear") - ours).max() <= 1


@pytest.mark.parametrize("images, method, message", [
    (noise(), "cubic", "expected one of nearest, bilinear, bicubic, box, got 'cubic'"),
    (noise()[0], "box", r"shape \(N, 3, H, W\), got uint8 \(3, 16, 16\)"),
    (noise() / 255, "box", "expected uint8 images"),
])
def test_resized_refuses(images, method, message):
    with pytest.raises(ValueError, match=f"resized: .*{message}"):
        resized(images, 4, method)


def test_outputs_are_rounded_and_clipped_and_maps_averaged():
    y = np.array([-0.1, 0.0, 0.4999 / 255, 0.5001 / 255, 1.0, 1.7], np.float32).reshape(1, 1, 1, 6)
    assert as_images(y).ravel().tolist() == [0, 0, 0, 1, 255, 255]
    maps = np.arange(16.0).reshape(1, 4, 4)
    assert block_means(maps, 2).tolist() == [[[2.5, 4.5], [10.5, 12.5]]]
    smooth = smoothed(maps)
    assert smooth.shape == (1, 4, 4) and smooth[0, 1, 1] == maps[0, :3, :3].mean()
    assert smooth[0, 0, 0] == pytest.approx((4 * 0 + 2 * 1 + 2 * 4 + 5) / 9)
    assert (smoothed(np.full((1, 4, 4), 200, np.uint8)) == 200).all()
    assert (smoothed(np.full((1, 4, 4), 30_000, np.float16)) == 30_000).all()


# Pairs

def test_small_and_large_images_are_turned_alike_in_eight_ways():
    large = noise(1)
    pairs = Pairs(resized(large, 4, "box"), large, 1, np.random.default_rng(0))
    shown = set()
    for _, (x, real) in zip(range(100), cycle(pairs)):
        assert x.dtype == real.dtype == np.float32 and x.shape == (1, 3, 4, 4) and real.shape == (1, 3, 16, 16)
        assert np.abs(real.reshape(1, 3, 4, 4, 4, 4).mean(axis=(3, 5)) - x).max() <= 1.01 / 255
        shown.add(real.tobytes())
    assert len(shown) == 8


def test_every_image_is_shown_at_most_once_per_epoch():
    large = np.arange(7, dtype=np.uint8).reshape(7, 1, 1, 1) * np.ones((7, 3, 8, 8), np.uint8)
    pairs = Pairs(resized(large, 2, "box"), large, 2, np.random.default_rng(0))
    assert len(pairs) == 3
    shown = [round(float(value) * 255) for x, _ in pairs for value in x[:, 0, 0, 0]]
    assert len(shown) == len(set(shown)) == 6                           # one of seven waits for the next epoch
    with pytest.raises(ValueError, match="as many small as large images, got 3 and 2"):
        Pairs(noise(3, 4), noise(2), 1, np.random.default_rng(0))


# The task

def test_a_task_has_pairs_of_both_splits(task):
    assert task.small.shape == (6, 3, 4, 4) and task.train.images.shape == (6, 3, 16, 16)
    assert task.small_test.shape == (3, 3, 4, 4)
    assert np.array_equal(task.small, resized(task.train.images, 4, "bicubic"))
    scores = task.scores(task.test.images)
    assert scores["psnr"] == np.inf and scores["ssim"] == pytest.approx(1)


def test_training_lowers_the_loss_and_resumes(task):
    model = rrdb_net(4, 4, 2, 1, base="bilinear", rng=0)
    history = task.fit(model, "test", epochs=6)
    assert history[-1]["loss"] < history[0]["loss"] and history[-1]["psnr"] > 5
    assert task.enlarged(model).shape == task.test.images.shape and task.enlarged(model).dtype == np.uint8
    task.lesson.resume = True
    again = rrdb_net(4, 4, 2, 1, base="bilinear", rng=1)
    assert task.fit(again, "test", epochs=6) == history
    assert np.array_equal(task.enlarged(again), task.enlarged(model))
    task.lesson.resume = False


def test_a_generator_starts_as_bilinear_enlargement(task):
    small = noise(2, 4).astype(np.float32) / 255
    assert np.allclose(task.generator(rng=0)(small), Upsample(4, "bilinear")(small), atol=1e-6)
    assert task.generator(rng=0, base=None)(small).shape == (2, 3, 16, 16)


def test_another_lesson_loads_a_generator_of_the_same_training(task, capsys, monkeypatch):
    trained, name = task.generator(rng=0), task.lesson.name
    trained.parameters()[-1].data += 0.5
    assert not task.load(task.generator(rng=1), "19_elsewhere") and "no trained network in" in capsys.readouterr().out
    path = task.save(trained)
    loaded = task.generator(rng=1)
    assert task.load(loaded, name) and "loaded" in capsys.readouterr().out
    assert np.array_equal(task.enlarged(loaded), task.enlarged(trained))
    other = task.generator(rng=1, width=6)
    assert not task.load(other, name) and "does not fit" in capsys.readouterr().out
    monkeypatch.setattr(task.lesson, "seed", 3)
    assert not task.load(loaded, name) and "trained with seed 0, here 3" in capsys.readouterr().out
    path.write_bytes(path.read_bytes()[:100])
    assert not task.load(loaded, name) and "does not fit, so one is trained here" in capsys.readouterr().out


def test_sizes_that_do_not_divide_are_refused(tmp_path):
    for size in ("20", "8"):
        with pytest.raises(ValueError, match="--size: expected a size from 16 on that divides by 8"):
            SuperResolution(Lesson("16_test", argv=["--size", size, "--data", str(tmp_path)]), 4)


# Encoder and judge

def test_an_encoder_has_no_batch_norm_and_ends_before_its_activation(task):
    encoder = train_encoder(task, 2, seed=0, epochs=1)
    assert [type(layer).__name__ for layer in encoder] == ["Conv2d", "ReLU", "MaxPool2d"] * 2 + ["Conv2d"]
    features = encoder(np.zeros((1, 3, 16, 16), np.float32))
    assert features.shape == (1, 8, 4, 4) and (features < 0).any()


def encoder():
    rng = np.random.default_rng(0)
    return Sequential(Conv2d(3, 4, 3, padding="same", rng=rng), ReLU(), Conv2d(4, 5, 3, stride=2, padding=1, rng=rng))


def test_feature_distance_is_from_zero_to_four_and_shows_where_images_differ():
    a, b = noise(5), noise(5, seed=1)
    between_two = feature_distance(encoder(), a, b, batch_size=2)
    assert between_two.shape == (5, 16, 16) and 0 < between_two.min() and between_two.max() <= 4
    np.testing.assert_allclose(between_two, feature_distance(encoder(), b, a), rtol=1e-5)
    b = a.copy()
    b[..., :4, :4] = 0
    distance = feature_distance(encoder(), b, a)
    assert distance[:, :4, :4].min() > 0 and not distance[:, 8:, 8:].any()


def test_feature_distance_is_that_of_directions():
    """With one 1x1 convolution that copies the colors, it is 2 - 2 cos(angle between the colors)."""
    copies = Conv2d(3, 3, 1, bias=False)
    copies.weight.data[...] = np.eye(3)[:, :, None, None]
    a, b = np.zeros((2, 1, 3, 2, 2), np.uint8)
    a[0, 0], b[0, 0], b[0, 1] = 200, 100, 100                           # red, and half as bright red and green
    assert feature_distance(Sequential(copies), a, b) == pytest.approx(np.full((1, 2, 2), 2 - 2 / np.sqrt(2)), abs=1e-4)
    for other in (np.zeros((2, 3, 2, 2), np.uint8), np.zeros((1, 3, 2, 2))):
        with pytest.raises(ValueError, match="two uint8 arrays of one shape"):
            feature_distance(encoder(), a, other)


# Between two networks, and maps

def test_interpolated_state():
    zero, one = {"w": np.array([0.0, 4.0])}, {"w": np.array([2.0, 0.0])}
    assert [interpolated_state(zero, one, a)["w"].tolist() for a in (0, 0.25, 1)] == [[0, 4], [0.5, 3], [2, 0]]


def test_a_map_comes_after_the_colors():
    small = noise(2, 4)
    assert np.array_equal(with_map(small, 0.5)[:, :3], small / np.float32(255))
    assert (with_map(small, 0.5)[:, 3] == 0.5).all() and with_map(small, 0.5).dtype == np.float32
    t = np.random.default_rng(0).random((2, 1, 4, 4))
    assert np.array_equal(with_map(small, t)[:, 3:], t.astype(np.float32))
    assert (with_map(small, np.array([0.0, 1.0]).reshape(2, 1, 1, 1))[:, 3].mean(axis=(1, 2)) == [0, 1]).all()
    with pytest.raises(ValueError):
        with_map(small, np.zeros((3, 1, 4, 4)))
