"""Clouds of points with the ways of K-means' centers."""
from typing import Any

import numpy as np
import pytest

from minidl.course.figures.kmeans import walks_figure
from tests.figures import check_layout, words


def test_each_center_goes_from_a_white_dot_to_a_dark_one():
    points = np.random.default_rng(0).random((50, 2))
    walks = np.array([[[0.1, 0.2], [0.5, 0.5]], [[0.3, 0.2], [0.6, 0.75]]])                # 2 steps, 2 centers
    figure: Any = walks_figure({"cloud": (points, points[:, [0, 1, 1]], None), "walks": (points, "gray", walks)},
                               "Title", "red", "blue")
    check_layout(figure)
    cloud, with_walks = figure.axes
    assert not cloud.lines and len(with_walks.lines) == 2 * 3
    path, first, last = with_walks.lines[3:]
    assert np.allclose(path.get_xydata(), walks[:, 1])
    assert np.allclose(first.get_xydata(), walks[:1, 1]) and first.get_markerfacecolor() == "white"
    assert np.allclose(last.get_xydata(), walks[1:, 1]) and last.get_markerfacecolor() != "white"
    assert {"cloud", "walks", "red", "blue"} <= set(words(figure))
    assert figure.get_label() == ("Title. cloud: 50 points. walks: 50 points; centers end at (0.30, 0.20), "
                                  "(0.60, 0.75)")


def test_no_panel_is_refused():
    with pytest.raises(ValueError, match="at least one panel"):
        walks_figure({})
