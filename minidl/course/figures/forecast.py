"""Drawings of days: years cut into parts, a classification beside a forecast, forecasts beside what was measured."""
from collections.abc import Mapping

import numpy as np

from minidl.plotting.canvas import GRID, INK, LEGEND, LINE_COLORS, QUIET, TEXT, describe, subplots
from minidl.types import Array

from matplotlib.axes import Axes
from matplotlib.dates import AutoDateLocator, ConciseDateFormatter
from matplotlib.figure import Figure

KNOWN, FORECAST = QUIET, LINE_COLORS[1]


def over_dates(axes: Axes, head: str) -> None:
    """Give axes a horizontal axis of dates, and a head."""
    locator = AutoDateLocator(minticks=4, maxticks=9)
    axes.xaxis.set_major_locator(locator)
    axes.xaxis.set_major_formatter(ConciseDateFormatter(locator, show_offset=False))
    axes.set_title(head, loc="left", fontsize=TEXT, color=INK)


def split_figure(dates: Array, values: Array, parts: Mapping[str, Array], window: int, past: int = 64,
                 ahead: int = 3, title: str | None = None) -> Figure:
    """Draw a series of days in the colors of its parts, and below it one window: days known, and days to forecast.

    Parameters
    ----------
    dates, values : (N,)
        Days, and degrees Celsius.
    parts : {name: array of dates}
        The days to forecast that belong to each part.
    window : int
        First day of the window: the days from there to window + past are known, the next `ahead` are to be forecast.
    title : str, optional
        Headline.
    """
    figure, (above, below) = subplots(900, 420, rows=2, title=title)
    above.plot(dates, values, color=KNOWN, linewidth=0.8, label="never forecast")
    for (name, days), color in zip(parts.items(), LINE_COLORS):
        above.plot(dates, np.where(np.isin(dates, days), values, np.nan), color=color, linewidth=0.8, label=name)
    now, end = window + past, window + past + ahead
    above.axvspan(dates[window], dates[end - 1], color=GRID, zorder=0)
    above.legend(loc="upper left", ncols=len(parts) + 1, **LEGEND)
    above.set_ylim(top=float(np.max(values)) + 12)                    # room for the legend
    over_dates(above, "highest temperature of each day in °C")
    below.plot(dates[window:now], values[window:now], ".-", color=KNOWN, linewidth=1)
    below.plot(dates[now:end], values[now:end], "o-", color=FORECAST, linewidth=1, markersize=5)
    over_dates(below, f"one window (shaded above): the {past} days until {dates[now - 1]} are known, the next {ahead} "
               "are to be forecast (orange)")
    describe(figure, title, f"{len(dates)} days in the parts {', '.join(parts)}; below, one window of {past} + {ahead} "
             "days")
    return figure


def two_tasks_figure(image: Array, label: int, probabilities: Array, dates: Array, past: Array, truth: Array,
                     forecast: Array, losses: tuple[str, str], title: str | None = None) -> Figure:
    """Draw a classification and a forecast side by side: the input above; output and truth below, with the loss.

    Parameters
    ----------
    image : (H, W)
        0 is white, the largest value black.
    label : int
        True class.
    probabilities : (K,)
    dates, past : (n,)
        The days known.
    truth, forecast : (m,)
        Of the days after them.
    losses : pair of strings
        Written over the two outputs.
    title : str, optional
        Headline.
    """
    figure, (left, right, classes, numbers) = subplots(900, 430, 2, title, rows=2)
    left.imshow(image, "gray_r")
    left.set_axis_off()
    left.set_anchor("W")
    left.set_title("classification: one image in", loc="left", fontsize=TEXT, color=INK)
    right.plot(dates, past, ".-", color=KNOWN, linewidth=1)
    over_dates(right, f"forecast: {len(past)} days in, in °C")
    ahead = [f"day {k + 1}" for k in range(len(truth))]
    for axes, output, target, names, loss in (
            (classes, probabilities, np.eye(len(probabilities))[label], list(map(str, range(len(probabilities)))),
             losses[0]),
            (numbers, forecast, truth, ahead, losses[1])):
        x = np.arange(len(output))
        axes.bar(x, output, 0.6, color=LINE_COLORS[0], label="output")
        axes.bar(x, target, 0.78, fill=False, edgecolor=INK, label="truth")
        axes.set_xticks(x, names)
        axes.set_ylim(0, 1.1 * max(np.max(output), np.max(target)))
        axes.set_title(loss, loc="left", fontsize=TEXT, color=INK)
    figure.legend(*classes.get_legend_handles_labels(), loc="outside lower left", ncols=2,
                  **LEGEND | {"borderaxespad": 0.8})
    describe(figure, title, *losses)
    return figure


def forecast_figure(dates: Array, truth: Array, forecast: Array, today: Array, part: slice,
                    title: str | None = None) -> Figure:
    """Draw what was measured and what was forecast: one day ahead over all days, all days ahead over a part of them.

    Parameters
    ----------
    dates, truth, forecast : (n, m)
        For n days, the m days after each, what was measured there and what was forecast.
    today : (n,)
        What was measured on the day of the forecast.
    part : slice
        Of the n days, those drawn below, with a line for every m-th forecast.
    title : str, optional
        Headline.
    """
    figure, (above, below) = subplots(900, 470, rows=2, title=title)
    n, m = truth.shape
    above.plot(dates[:, 0], truth[:, 0], color=KNOWN, linewidth=1, label="measured")
    above.plot(dates[:, 0], forecast[:, 0], color=FORECAST, linewidth=1.4, label="forecast")
    over_dates(above, "each day, as forecast the day before, in °C")
    days = range(n)[part]
    below.plot(dates[part, 0], truth[part, 0], ".-", color=KNOWN, linewidth=1, markersize=5)
    for k in days[:len(days) - m + 1:m]:                               # from the last day known, m days ahead
        drawn = np.append(dates[k, 0] - np.timedelta64(1, "D"), dates[k])
        below.plot(drawn, [today[k], *forecast[k]], color=FORECAST, linewidth=1)
        below.plot(dates[k], forecast[k], "o", color=FORECAST, markersize=3.5)
    over_dates(below, f"a part of it: {m} days ahead, starting from the last day known")
    figure.legend(*above.get_legend_handles_labels(), loc="outside lower left", ncols=2,
                  **LEGEND | {"borderaxespad": 0.8})
    error = float(np.sqrt(np.mean((forecast - truth) ** 2)))
    describe(figure, title, f"{n} days, {m} forecasts for each; root of the mean squared error {error:.2f} °C")
    return figure
