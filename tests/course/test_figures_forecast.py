"""Drawings of days and forecasts show what they are given, and say it."""
from typing import Any

import numpy as np

from minidl.course.figures.forecast import forecast_figure, split_figure, two_tasks_figure

DATES = np.arange("2014-01-01", "2014-02-10", dtype="datetime64[D]")           # (40,)


def test_split_figure_colors_each_part():
    values = np.arange(40.0)
    figure: Any = split_figure(DATES, values, {"first": DATES[10:20], "second": DATES[20:]}, window=2, past=5, ahead=3,
                               title="Parts")
    above, below = figure.axes
    first = above.lines[1].get_ydata()
    assert np.isnan(first[:10]).all() and first[10:20].tolist() == values[10:20].tolist() and np.isnan(first[20:]).all()
    assert [len(line.get_xdata()) for line in below.lines] == [5, 3]
    assert "2014-01-07" in below._left_title.get_text()                          # the last day known
    assert figure.get_label() == "Parts. 40 days in the parts first, second; below, one window of 5 + 3 days"


def test_two_tasks_figure_draws_outputs_and_truths():
    figure: Any = two_tasks_figure(np.zeros((8, 8)), 2, np.full(4, 0.25), DATES[:6], np.arange(6.0),
                                   np.array([1.0, 2.0, 3.0]), np.full(3, 1.5), ("loss A", "loss B"))
    _, _, classes, numbers = figure.axes
    assert [bar.get_height() for bar in classes.patches] == [0.25] * 4 + [0, 0, 1, 0]
    assert [bar.get_height() for bar in numbers.patches] == [1.5] * 3 + [1, 2, 3]
    assert classes._left_title.get_text() == "loss A" and figure.get_label() == "loss A. loss B"


def test_forecast_figure_draws_every_third_forecast():
    ahead = DATES[1:11, None] + np.arange(3)                                     # (10, 3)
    truth = np.ones((10, 3))
    figure: Any = forecast_figure(ahead, truth, truth + 2, truth[:, 0], slice(0, 9), title="A year")
    above, below = figure.axes
    assert above.lines[1].get_ydata().tolist() == [3] * 10
    assert len(below.lines) == 1 + 2 * 3                                         # days 0, 3 and 6: a line and its dots
    assert below.lines[1].get_ydata().tolist() == [1, 3, 3, 3]
    assert figure.get_label().endswith("root of the mean squared error 2.00 °C")
