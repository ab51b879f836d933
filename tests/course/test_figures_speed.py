"""Memory as lines of cells, and bars of times."""
from typing import Any

import numpy as np
import pytest

from minidl.course.figures.speed import memory_figure, times_figure
from tests.figures import check_layout, words


def test_memory_underlines_each_cell_of_channel_0():
    cells = np.arange(24).reshape(2, 3, 2, 2)
    figure: Any = memory_figure({"in order": cells, "channels first": cells.reshape(3, 2, 2, 2).transpose(1, 0, 2, 3)},
                                "Title")
    check_layout(figure)
    for axes, starts in zip(figure.axes, ((0, 12), (0, 4))):                               # of the pieces of channel 0
        below = sorted(round(bar.get_x() + 0.5) for bar in axes.patches if bar.get_y() < 0)
        assert below == sorted(start + k for start in starts for k in range(4))
        assert len(axes.texts) == 24
    assert {"in order", "channels first", "0", "3"} <= set(words(figure))
    assert figure.get_label() == "Title. in order. channels first"


@pytest.mark.parametrize("addresses", [{}, {"a": np.zeros((2, 2))}, {"a": np.zeros((1, 1, 1, 1)),
                                                                     "b": np.zeros((1, 1, 1, 2))}])
def test_memory_of_other_arrays_is_refused(addresses):
    with pytest.raises(ValueError, match="memory_figure: expected arrays of one shape"):
        memory_figure(addresses)


def test_times_have_a_bar_each_with_its_length():
    runs = {"this run": {"loops": 3.6e6, "product": 61.23}, "another": {"product": 50.0, "library": 40.0}}
    figure: Any = times_figure(runs, "Title", "milliseconds", hatched=["loops"])
    check_layout(figure)
    bars = figure.axes[0].patches
    assert sorted(bar.get_width() for bar in bars) == [40, 50, 61.23, 3.6e6]
    assert [bar.get_width() for bar in bars if bar.get_hatch()] == [3.6e6]
    assert len({bar.get_facecolor() for bar in bars if not bar.get_hatch()}) == 2
    assert {"1 h 00 min", "61.2 ms", "loops", "library", "this run", "another"} <= set(words(figure))
    assert figure.get_label() == ("Title. this run, loops: 1 h 00 min. this run, product: 61.2 ms. another, product: "
                                  "50.0 ms. another, library: 40.0 ms")


def test_times_of_one_run_have_no_legend():
    figure: Any = times_figure({"": {"a": 1.0, "b": 2.0}}, log=False)
    check_layout(figure)
    assert figure.axes[0].get_xscale() == "linear" and figure.axes[0].get_xlim()[0] == 0
    assert not figure.legends and figure.get_label() == "a: 1.00 ms. b: 2.00 ms"


def test_no_times_are_refused():
    with pytest.raises(ValueError, match="times_figure: expected at least one time"):
        times_figure({"run": {}})
