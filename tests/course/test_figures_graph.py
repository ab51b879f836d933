"""The drawing of a calculation shows every value, every slope, and what comes back along each arrow."""
from typing import Any

import pytest

from minidl.course.figures.graph import graph_figure

VALUE, SLOPE = {"x": 3.0, "y": 4.0, "p": 12.0, "z": 15.0}, {"x": 5.0, "y": 3.0, "p": 1.0, "z": 1.0}


def test_graph_shows_values_and_slopes():
    figure: Any = graph_figure([("*", "p", "x", "y"), ("+", "z", "p", "x")], VALUE, SLOPE, title="A fork")
    axes, = figure.axes
    texts = [text.get_text() for text in axes.texts]
    assert {"x = 3", "y = 4", "p = x · y = 12", "z = p + x = 15", "slope 5", "slope 3"} <= set(texts)
    assert sorted(text for text in texts if text.isdigit()) == ["1", "1", "3", "4"]        # 4 + 1 arrive at x
    assert "A fork" in figure.get_label() and "x: value 3, slope 5" in figure.get_label()


def test_a_square_has_two_arrows_from_one_value():
    figure: Any = graph_figure([("*", "z", "x", "x")], {"x": 3.0, "z": 9.0}, {"x": 6.0, "z": 1.0})
    assert [text.get_text() for text in figure.axes[0].texts].count("3") == 2


def test_an_operation_that_cannot_be_drawn_is_refused():
    with pytest.raises(ValueError, match="expected the operations"):
        graph_figure([("/", "z", "x", "y")], {"x": 1.0, "y": 2.0, "z": 0.5}, {})
