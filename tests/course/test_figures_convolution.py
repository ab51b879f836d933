"""The drawings of the convolution lesson show the numbers they are given, and refuse what they cannot draw."""
from typing import Any

import numpy as np
import pytest

from minidl.course.figures.convolution import feature_maps_figure, im2col_figure

IMAGE = np.arange(16).reshape(4, 4)
KERNEL = np.array([[1, 0, -1], [2, 0, -2], [1, 0, -1]])


def test_im2col_figure_outlines_each_window_and_its_column():
    figure: Any = im2col_figure(IMAGE, KERNEL, "title")
    image, weight, columns, row, y = figure.axes
    assert [len(axes.patches) for axes in (image, columns, row, y)] == [4, 4, 4, 4]
    assert [text.get_text() for text in columns.texts[::4]] == ["0", "1", "2", "4", "5", "6", "8", "9", "10"]
    assert {text.get_text() for text in y.texts} == {"-8"}                         # rises by 1 per column, everywhere
    assert [patch.get_edgecolor() for patch in image.patches] == [patch.get_edgecolor() for patch in columns.patches]
    assert figure.get_label().startswith("title. An image of 4 × 4 pixels with 4 windows of 3 × 3")


def test_im2col_figure_refuses_more_windows_than_colors():
    with pytest.raises(ValueError, match="got 16 of 1 x 1"):
        im2col_figure(IMAGE, [[1]])


def test_feature_maps_share_one_scale():
    maps = {"large": np.full((2, 4, 4), 0.5), "small\npooled": np.full((2, 2, 2), 3.0)}
    figure: Any = feature_maps_figure(np.eye(8), np.stack([KERNEL, -KERNEL]), maps)
    image, *rest = figure.axes
    scales = [axes.images[0].get_clim() for axes in rest]
    assert scales == [(-2, 2)] * 2 + [(0, 3)] * 4 and image.images[0].get_clim() == (0, 1)
    assert "black 0, bright 3.0" in figure.texts[-1].get_text()
    assert "large, small, pooled" in figure.get_label()


def test_rows_of_other_numbers_of_maps_are_refused():
    with pytest.raises(ValueError, match="expected 2 maps in each row"):
        feature_maps_figure(np.eye(8), np.zeros((2, 3, 3)), {"maps": np.zeros((3, 4, 4))})
