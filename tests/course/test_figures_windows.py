"""Windows around pixels: what is in them, and which positions are refused."""
from typing import Any

import numpy as np
import pytest

from minidl.course.figures.windows import random_positions, windows_figure
from tests.figures import check_layout, words

RNG = np.random.default_rng(0)


def test_each_window_shows_its_pixels():
    image = RNG.integers(0, 256, (3, 20, 24), dtype=np.uint8)
    positions = [(8, 9), (12, 6), (7, 16)]
    figure: Any = windows_figure(image, positions, (1, 13), "Windows")
    check_layout(figure)
    shapes = [axes.get_images()[0].get_array().shape[:2] for axes in figure.axes]
    assert sorted(shapes) == [(1, 1)] * 3 + [(13, 13)] * 3 + [(20, 24)]
    for axes in figure.axes:
        if axes.get_title(loc="left") == "b, 13 × 13":
            assert np.allclose(axes.get_images()[0].get_array(), image[:, 6:19, :13].transpose(1, 2, 0) / 255)
    assert {"Windows", "a, 1 × 1", "c, 13 × 13"} <= set(words(figure))
    assert "row 12, column 6" in figure.get_label() and "1 × 1 and 13 × 13" in figure.get_label()


def test_positions_are_of_each_class_and_not_at_the_edges():
    labels = np.zeros((16, 16), int)
    labels[:, 8:] = 2
    positions = random_positions(labels, 6, 3, np.random.default_rng(0))
    assert sorted(labels[position] for position in positions) == [0, 0, 0, 2, 2, 2]
    assert all(6 <= at < 10 for position in positions for at in position) and len(set(positions)) == 6


@pytest.mark.parametrize("positions, sides, message", [
    ([], (5,), "expected positions"), ([(8, 8)], (4,), "odd sides"), ([(8, 8)], (), "odd sides"),
    ([(1, 8)], (5,), "lie in the image"), ([(8, 14)], (1, 5), "windows of 5 pixels")])
def test_refused(positions, sides, message):
    with pytest.raises(ValueError, match=message):
        windows_figure(np.zeros((3, 16, 16)), positions, sides)
