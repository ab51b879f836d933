"""Maps of several sizes side by side."""
from typing import Any

import numpy as np
import pytest

from minidl.course.figures.encoder_decoder import maps_figure
from tests.figures import check_layout, words

rng = np.random.default_rng(0)


def test_columns_have_heads_names_shapes_and_whole_pixels():
    figure: Any = maps_figure({
        "input": ((3, 64, 64), {"image": rng.random((3, 64, 64)), "truth": rng.integers(0, 3, (64, 64))}),
        "block 1": ((16, 8, 8), {"channel 4": rng.random((8, 8)), "channel 11": rng.normal(size=(8, 8))}),
        "block 2": ((128, 2, 2), {"channel 100": rng.random((2, 2)), "channel 7": np.zeros((2, 2))}),
    }, "Title")
    check_layout(figure)
    assert {"input", "block 1", "image", "truth", "channel 11", "channel 100", "(3,64,64)", "(16,8,8)", "12,288",
            "1,024", "512"} <= set(words(figure))
    assert len(figure.axes) == 6
    sizes = figure.get_size_inches() * 100
    for axes, side in zip(figure.axes, (64, 64, 8, 8, 2, 2)):
        width = axes.get_position().width * sizes[0]
        assert round(width) % side == 0 and axes.get_images()[0].get_array().shape[:2] == (side, side)
    assert figure.get_label().startswith("Title. input, (3,64,64): image, truth; block 1, (16,8,8): channel 4")


@pytest.mark.parametrize("columns", [{}, {"a": ((1, 2, 2), {})}, {
    "a": ((1, 2, 2), {"x": np.zeros((2, 2))}), "b": ((1, 2, 2), {"x": np.zeros((2, 2)), "y": np.zeros((2, 2))})}])
def test_columns_of_different_length_are_refused(columns):
    with pytest.raises(ValueError, match="maps_figure: expected columns of equally many images"):
        maps_figure(columns)
