"""The parts that figures are made of."""
import numpy as np
import pytest

from minidl.plotting import canvas


@pytest.mark.parametrize("colormap, on_low, on_high", [
    ("gray", "white", canvas.INK), ("gray_r", canvas.INK, "white"),
])
def test_a_grid_has_squares_of_the_size_asked_for_and_readable_numbers(colormap, on_low, on_high):
    figure = canvas.blank(200, 200)
    axes = canvas.draw_grid(figure, 20, 40, np.array([[0.0, 1, 2], [2, 1, 0]]), 30, "a title", colormap, numbers=".1f")
    box = axes.get_window_extent()
    assert (round(box.width), round(box.height)) == (90, 60) and (round(box.x0), round(box.y1)) == (20, 160)
    assert [text.get_text() for text in axes.texts] == ["0.0", "1.0", "2.0", "2.0", "1.0", "0.0"]
    assert axes.texts[0].get_color() == on_low and axes.texts[2].get_color() == on_high
    assert [text.get_text() for text in figure.texts] == ["a title"]


def test_a_grid_without_numbers_takes_given_limits():
    axes = canvas.draw_grid(canvas.blank(100, 100), 0, 20, np.ones((2, 2)), 20, limits=(-1, 3))
    assert not axes.texts and axes.images[0].get_clim() == (-1, 3)
