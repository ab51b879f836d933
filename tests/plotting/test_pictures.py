"""Images, classes and predictions: each pixel a square of its color, texts beside the images, wrong input refused."""
import numpy as np
import pytest
from matplotlib.colors import to_rgb

from minidl import plotting
from tests.figures import area, check_layout, render, words

N, H, W = 3, 24, 32
RNG = np.random.default_rng(0)
IMAGES = RNG.integers(0, 256, size=(N, 3, H, W), dtype=np.uint8)
LABELS = RNG.integers(0, 3, size=(N, H, W))
GUESSES = RNG.integers(0, 3, size=(N, H, W))
PALETTE = np.round(255 * np.array([to_rgb(color) for color in plotting.CLASS_COLORS])).astype(np.uint8)  # (3, 3)


def grid(images=IMAGES, labels=LABELS, predictions=GUESSES, **options):
    return plotting.prediction_grid(images, labels, {"U-Net": predictions}, **options)


@pytest.mark.parametrize("dpi", [100, 200])
@pytest.mark.parametrize("figure", [
    lambda: grid(),
    lambda: grid(notes={"U-Net": ["mean IoU 0.71", "", "0.5 " * 30]}, columns=2, title="Tests " * 40),
    lambda: plotting.prediction_grid(
        IMAGES / 255, LABELS, {"U-Net": GUESSES, "without any skip connections": LABELS},
        {"U-Net": ["IoU 0.2"] * N, "without any skip connections": ["IoU 1.0 " * 9] * N}),
    lambda: plotting.image_strip(IMAGES, ["one", "two", "three " * 20], title="Three"),
])
def test_layout(figure, dpi):
    check_layout(figure(), dpi)


def test_colorize():
    image = plotting.colorize(np.array([[0, 1], [2, 0]], np.uint8))
    assert image.shape == (2, 2, 3) and image.dtype == np.float64
    assert np.array_equal(image[1, 0], to_rgb(plotting.CLASS_COLORS[2]))
    assert np.array_equal(image[0, 0], image[1, 1]) and not np.array_equal(image[0, 0], image[0, 1])
    assert plotting.colorize(np.array([[3]]), ["k", "k", "k", "r"]).tolist() == [[[1, 0, 0]]]


def test_class_colors_differ_in_lightness():
    luminance = np.sort(PALETTE @ [0.2126, 0.7152, 0.0722])
    assert np.diff(luminance).min() > 50                    # of 255: told apart even in grays


def test_overlay_mixes_image_and_class_colors():
    image = np.zeros((3, 1, 2), np.uint8)
    image[:, 0, 1] = 255, 51, 0
    labels = np.array([[1, 1]])
    color = np.array(to_rgb(plotting.CLASS_COLORS[1]))
    mixed = plotting.overlay(image, labels, alpha=0.25)
    np.testing.assert_allclose(mixed, [[0.25 * color, 0.75 * np.array([1, 0.2, 0]) + 0.25 * color]])
    np.testing.assert_allclose(plotting.overlay(image / 255, labels, alpha=0.25), mixed)
    assert np.array_equal(plotting.overlay(image, labels, alpha=1), plotting.colorize(labels))


@pytest.mark.parametrize("call, message", [
    (lambda: plotting.colorize(np.zeros((2, 2))), r"integer labels of shape \(H, W\), got float64"),
    (lambda: plotting.colorize(np.zeros(2, int)), r"got int\d+ \(2,\)"),
    (lambda: plotting.colorize(np.array([[0, 255]])), r"lie in 0\.\.2 .* got 255"),
    (lambda: plotting.colorize(np.array([[0, -1]])), r"got -1"),
    (lambda: plotting.overlay(IMAGES[0], LABELS[0, 1:]), r"height and width \(24, 32\), got \(23, 32\)"),
    (lambda: plotting.overlay(IMAGES, LABELS), r"image of shape \(3, H, W\), got \(3, 3, 24, 32\)"),
    (lambda: plotting.overlay(IMAGES[0], LABELS[0], alpha=2), r"alpha must lie in \[0, 1\], got 2"),
    (lambda: plotting.overlay(IMAGES[0] * 1.0, LABELS[0]), r"floats in \[0, 1\], got values from 0 to 255"),
    (lambda: plotting.overlay(IMAGES[0] * np.nan, LABELS[0]), r"floats in \[0, 1\], got values from nan"),
    (lambda: plotting.overlay(IMAGES[0].astype(int), LABELS[0]), r"uint8, or of floats in \[0, 1\], got int"),
    (lambda: plotting.image_strip(IMAGES[0, 0]), r"shape \(N, 3, H, W\), got \(24, 32\)"),
    (lambda: plotting.image_strip(np.zeros((2, 4, 5, 5))), r"got \(2, 4, 5, 5\)"),
    (lambda: plotting.image_strip(np.zeros((0, 3, 5, 5))), r"got \(0, 3, 5, 5\)"),
    (lambda: plotting.image_strip(LABELS[:0]), "at least one image and one column, got 0 and 8"),
    (lambda: plotting.image_strip(IMAGES, ["a"]), "expected 3 titles"),
    (lambda: plotting.image_strip(IMAGES, columns=0), "at least one image and one column, got 3 and 0"),
    (lambda: grid(IMAGES[0]), r"images of shape \(N, 3, H, W\), got \(3, 24, 32\)"),
    (lambda: grid(IMAGES.transpose(0, 2, 3, 1)), r"images of shape \(N, 3, H, W\), got \(3, 24, 32, 3\)"),
    (lambda: grid(IMAGES[:0], LABELS[:0], GUESSES[:0]), r"got \(0, 3, 24, 32\)"),
    (lambda: grid(labels=LABELS[:2]), r"labels of shape \(3, 24, 32\), got \(2, 24, 32\)"),
    (lambda: grid(predictions=GUESSES[:, 1:]), r"predictions of 'U-Net' of shape .* got \(3, 23, 32\)"),
    (lambda: grid(labels=LABELS + 1), r"labels must lie in 0\.\.2"),
    (lambda: grid(notes={"other": ["a"] * 3}), r"expected notes for \['U-Net'\], got notes for \['other'\]"),
    (lambda: grid(notes={"U-Net": ["a"]}), "expected 3 notes for 'U-Net'"),
    (lambda: grid(columns=0), "at least one image and one column"),
    (lambda: grid(class_names="abcd"), "4 class names and 3 colors"),
])
def test_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call()


@pytest.mark.parametrize("dpi", [100, 200])
def test_each_pixel_of_a_label_map_is_a_square_of_its_class_color(dpi):
    figure = grid(notes={"U-Net": ["a", "b", "c"]}, columns=2, title="headline")
    pixels = render(figure, dpi)
    assert len(figure.axes) == 3 * N                        # image, truth, prediction of one sample after another
    scale = 4 * dpi // 100                                  # 4 * 32 = 128 is the multiple nearest to 136
    for n in range(N):
        expected = IMAGES[n].transpose(1, 2, 0), PALETTE[LABELS[n]], PALETTE[GUESSES[n]]
        for axes, colors in zip(figure.axes[3 * n:3 * n + 3], expected):
            assert np.array_equal(area(pixels, axes), colors.repeat(scale, axis=0).repeat(scale, axis=1))


def test_grid_names_its_columns_and_classes():
    figure = plotting.prediction_grid(
        IMAGES, LABELS, {"U-Net": GUESSES, "$x_3$": LABELS, "third": LABELS}, columns=2, title="Pets",
        class_names=("pet", "rest", "edge"), notes={"U-Net": ["u1", "u2", "u3"], "$x_3$": ["p1", "p2", "p3"]})
    written = words(figure)
    assert written[0] == "Pets" and len(figure.axes) == 5 * N
    for head in ["image", "truth", "U-Net", "$x_3$", "third"]:
        assert written.count(head) == 2, head               # over both columns of samples
    for text in ["u1", "u2", "u3", "p1", "p2", "p3", "pet", "rest", "edge"]:
        assert written.count(text) == 1, text


def test_strip_of_images():
    figure = plotting.image_strip(IMAGES, ["a", "b", "c"], columns=2)
    assert np.array_equal(area(render(figure), figure.axes[2]), IMAGES[2].transpose(1, 2, 0).repeat(3, 0).repeat(3, 1))
    lefts = [axes.get_position().x0 for axes in figure.axes]
    assert lefts[0] == lefts[2] < lefts[1]                  # two side by side, the third below the first
    assert words(figure) == ["a", "b", "c"]


VALUES = np.array([[[-1.0, 0.0]], [[1.0, 3.0]]])


@pytest.mark.parametrize("maps, options, expected", [
    (VALUES, {}, [[0, 64], [128, 255]]),                    # one scale for all: 255 * (0, 1/4), 255 * (2/4, 1), rounded
    (VALUES[:, None], {}, [[0, 64], [128, 255]]),
    (VALUES, {"limits": (0, 1)}, [[0, 0], [255, 255]]),
    (np.array([[[0, 200]]], np.uint8), {"colormap": "gray"}, [[0, 255]]),
    (np.array([[[1, 0]]]), {}, [PALETTE[[1, 0], 0].tolist()]),       # integers: class colors
])
def test_strip_of_maps(maps, options, expected):
    figure = plotting.image_strip(maps, cell=2, **options)
    pixels = render(figure)
    assert [area(pixels, axes)[0, :, 0].tolist() for axes in figure.axes] == expected
