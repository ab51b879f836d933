"""Figures of super-resolution: details where there is something to see, and colors that mean numbers."""
import numpy as np

from minidl.tasks.super_resolution.figures import busiest_square, colored, comparison
from tests.figures import check_layout, words
from tests.samples import noise


def test_the_busiest_square_is_found():
    image = np.full((3, 32, 32), 100, np.uint8)
    image[:, 10:14, 18:22] = noise(1, 4)[0]
    assert busiest_square(image, 8) == (8, 16)
    assert busiest_square(np.zeros((3, 32, 32), np.uint8), 8) == (0, 0)


def test_colored_maps():
    t = np.array([[0.0, 1.0], [0.5, 0.5]]).reshape(1, 1, 2, 2)
    shown = colored(t, 8)
    assert shown.shape == (1, 3, 8, 8) and shown.dtype == np.uint8
    assert shown[0, :, 0, 0].tolist() == [68, 1, 84] and shown[0, :, 3, 7].tolist() == [253, 231, 37]


def test_a_comparison_has_an_image_and_a_detail_for_each_column():
    truth = noise(2, 32)
    figure = comparison({"a": noise(2, 32, seed=1), "b": truth}, truth, "title", scored=["a", "b"])
    assert len(figure.axes) == 2 * 2 * 3
    check_layout(figure)
    assert words(figure)[0] == "title" and words(figure).count("truth") == words(figure).count("b  inf dB") == 2
