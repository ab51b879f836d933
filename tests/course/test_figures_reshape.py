"""Arrays whose numbers have the color of their source."""
from typing import Any

import numpy as np
import pytest
from matplotlib.colors import to_rgb

from minidl.course.figures.reshape import PALE, cells_figure
from tests.figures import check_layout, words


def test_each_number_has_its_sources_color():
    numbers, sources = np.array([[1, 2, np.nan], [5, 6, 7]]), np.array([[0, 1, 0], [3, 2, 1]])
    figure: Any = cells_figure({"left": (numbers, sources), "right": (numbers[:1], sources[:1])}, "Title")
    check_layout(figure)
    left, right = figure.axes
    colors = left.get_images()[0].get_array()
    assert np.allclose(colors[0, 2], 1)                                                    # an empty square is white
    for i, j in np.argwhere(~np.isnan(numbers)):
        assert np.allclose(colors[i, j], to_rgb(PALE[sources[i, j]]))
    assert [text.get_text() for text in left.texts] == ["1", "2", "5", "6", "7"] and len(right.texts) == 2
    assert {"left", "right", "1", "7"} <= set(words(figure))
    assert figure.get_label() == "Title. left: rows 1 2 , 5 6 7. right: rows 1 2 "


@pytest.mark.parametrize("panels", [{}, {"a": (np.zeros(3), np.zeros(3, int))},
                                    {"a": (np.zeros((2, 2)), np.zeros((2, 3), int))}])
def test_panels_that_are_not_pairs_of_arrays_are_refused(panels):
    with pytest.raises(ValueError, match="cells_figure: expected panels of two arrays"):
        cells_figure(panels)
