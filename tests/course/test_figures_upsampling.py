"""Interpolation, drawn along a row and between four centers."""
from typing import Any

import numpy as np
import pytest

from minidl.course.figures.upsampling import between_figure, rows_figure
from tests.figures import check_layout, words

CORNERS = np.array([[1.0, 5.0], [4.0, 8.0]])


def test_new_pixels_stand_at_their_centers():
    figure: Any = rows_figure({"1, 5": ([1, 5], {"nearest": [1, 1, 5, 5], "bilinear": [1, 2, 4, 5]})}, "Title")
    check_layout(figure)
    axes, = figure.axes
    nearest, bilinear, centers = axes.lines
    assert np.allclose(nearest.get_xdata(), [-0.25, 0.25, 0.75, 1.25])
    assert list(nearest.get_ydata()) == [1, 1, 5, 5]
    assert list(bilinear.get_ydata()) == [1, 2, 4, 5] and np.allclose(centers.get_ydata(), [1, 5])
    assert [bar.get_height() for bar in axes.patches] == [1, 5]
    assert figure.get_label() == "Title. 1, 5, nearest: 1, 1, 5, 5. 1, 5, bilinear: 1, 2, 4, 5"


def test_value_between_four_centers_is_written():
    figure: Any = between_figure(CORNERS, 0.75, 0.25, {"copied": CORNERS.repeat(2, 0).repeat(2, 1)}, "Title")
    check_layout(figure)
    assert {"1", "5", "4", "8", "3.25", "7.25", "4.25", "copied"} <= set(words(figure))
    surface, copied = (axes.images[0] for axes in figure.axes)
    assert np.allclose(surface.get_array()[[0, 0, -1, -1], [0, -1, 0, -1]], [1, 5, 4, 8])
    assert surface.get_clim() == copied.get_clim() and copied.get_array().shape == (4, 4)
    assert "On the sides 3.25 and 7.25, between them 4.25" in figure.get_label()


def test_what_cannot_be_drawn_is_refused():
    with pytest.raises(ValueError, match="at least one panel"):
        rows_figure({})
    with pytest.raises(ValueError, match="expected corners of shape"):
        between_figure(np.zeros((3, 2)), 0.5, 0.5, {})
