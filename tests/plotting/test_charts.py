"""Charts and sheets show what they are given, name it for those who cannot see it, and refuse what they cannot draw."""
from typing import Any

import numpy as np
import pytest

from minidl.plotting import array_sheet, bar_chart, image_rows, line_chart
from minidl.plotting.charts import as_line, value_colors


def texts(figure):
    """Return all that is written in a figure."""
    found = [*figure.texts, *(text for legend in figure.legends for text in legend.get_texts())]
    for axes in figure.axes:
        found += [*axes.texts, axes.xaxis.label, axes.yaxis.label, *axes.get_xticklabels()]
        found += [axes.title, axes._left_title]
    return {text.get_text() for text in found}


def test_line_chart_draws_each_line_with_its_name():
    figure: Any = line_chart({"a": [3.0, 2.0, 1.0], "b": (np.array([0, 10]), np.array([1.0, 4.0]))}, title="Two",
                             xlabel="epoch", ylabel="loss", dashed=["b"])
    axes, = figure.axes
    assert {"Two", "a", "b", "epoch", "loss"} <= texts(figure) | {figure._suptitle.get_text()}
    assert axes.lines[0].get_xdata().tolist() == [1, 2, 3] and axes.lines[2].get_ydata().tolist() == [1, 4]
    assert axes.lines[2].get_linestyle() == "--"
    assert figure.get_label() == "Two. a: 3.00 first, 1.00 last. b: 1.00 first, 4.00 last"


def test_line_chart_has_a_panel_for_each_group():
    figure: Any = line_chart({"loss": {"a": [1, 2]}, "accuracy": {"a": [0.1, 5.0]}}, limits=(0, 1), log="x")
    assert [axes._left_title.get_text() for axes in figure.axes] == ["loss", "accuracy"]
    assert all(axes.get_xscale() == "log" and axes.get_ylim() == (0, 1) for axes in figure.axes)
    assert figure.axes[1].lines[0].get_ydata().max() == 1                          # beyond the limit: at the limit
    assert "accuracy, a: 0.100 first, 5.00 last" in figure.get_label()


@pytest.mark.parametrize("line", [[], ([1, 2], [1.0]), np.zeros((2, 2))])
def test_a_line_needs_equally_many_numbers(line):
    with pytest.raises(ValueError, match="expected a line"):
        as_line(line)


@pytest.mark.parametrize("chart", [line_chart, bar_chart])
def test_nothing_to_draw_is_refused(chart):
    with pytest.raises(ValueError, match="got none"):
        chart({"empty": {}})


def test_bar_of_several_seeds_is_their_mean():
    figure: Any = bar_chart({"moved": {"CNN": [0.8, 0.9, 1.0], "MLP": 0.5}, "still": {"MLP": 0.25}}, values=".2f")
    axes, = figure.axes
    assert [round(float(bar.get_height()), 6) for bar in axes.patches] == [0.9, 0.5, 0.25]
    assert len(axes.lines[0].get_ydata()) == 3                                     # a dot for each seed
    assert {"0.90", "0.50", "0.25", "moved", "still", "CNN", "MLP"} <= texts(figure)


def test_array_sheet_writes_numbers_where_there_is_room():
    fine, negative = np.zeros((20, 20)), np.array([[-1.5]])
    figure: Any = array_sheet([{"x": np.array([[1, 2], [3, 4]]), "fine": fine}, {"w": negative}])
    assert {"1.0", "4.0", "-1.5", "x", "fine", "w"} <= texts(figure)
    assert sum(len(axes.texts) for axes in figure.axes) == 4 + 1                   # none in squares of 6 pixels
    assert value_colors(np.array([[-2.0, 1.0]])) == ("RdBu_r", -2.5, 2.5)
    with pytest.raises(ValueError, match=r"'y' \(3,\)"):
        array_sheet([{"y": np.zeros(3)}])


def test_image_rows_are_named_at_their_left():
    rows = {"image": np.zeros((2, 3, 8, 8)), "truth": np.zeros((2, 8, 8), int), "gradient": np.full((2, 8, 8), -1.0)}
    figure: Any = image_rows(rows, ["first", "second"], "Title", captions={"truth": ["a", "b"]})
    assert {"image", "truth", "gradient", "first", "second", "a", "b", "Title"} <= texts(figure)
    assert len(figure.axes) == 6 and figure.axes[5].images[0].get_clim() == (-1, 1)
    with pytest.raises(ValueError, match=r"'truth' \(3, 8, 8\)"):
        image_rows(rows | {"truth": np.zeros((3, 8, 8), int)})
    with pytest.raises(ValueError, match="expected 2 captions for 'truth'"):
        image_rows(rows, captions={"truth": ["a"]})
