"""Tables of colors: each color's value stands at its place, and wrong lengths are refused."""
from typing import Any

import numpy as np
import pytest

from minidl.course.figures.color_tables import color_tables
from tests.figures import check_layout


def test_red_grows_to_the_right_and_green_upward():
    steps = 4
    blue, green, red = np.meshgrid(*[np.arange(steps) / steps] * 3, indexing="ij")
    figure = color_tables({"red": red.ravel(), "green": green.ravel(), "blue": blue.ravel()}, "three tables", slices=2)
    check_layout(figure)
    rows: list[Any] = [axes.get_images()[0].get_array() for axes in figure.axes if axes.get_images()]
    assert len(rows) == 2 * 4 and rows[0].shape == (steps, steps, 3)
    colors, reds, greens, blues = rows[::2]                                # of the first value of blue
    assert np.array_equal(reds, red[0, ::-1]) and np.array_equal(greens, green[0, ::-1])
    assert np.allclose(colors[..., 0], red[0] + 1 / 8) and np.allclose(colors[..., 1], green[0, ::-1] + 1 / 8)
    assert np.allclose(colors[..., 2], blues + 1 / 8)
    assert "three tables" in str(figure.get_label()) and "red: mean 0.375" in str(figure.get_label())


def test_unknown_colors_stay_empty():
    figure = color_tables({"none": np.full(8, np.nan), "some": [0.5, *[np.nan] * 7]})
    assert "none" not in str(figure.get_label()) and "some: mean 0.500" in str(figure.get_label())


@pytest.mark.parametrize("tables", [{}, {"a": np.zeros(9)}, {"a": np.zeros(8), "b": np.zeros(27)}])
def test_tables_that_are_no_cubes_are_refused(tables):
    with pytest.raises(ValueError, match="color_tables: expected tables of steps"):
        color_tables(tables)
