"""Read the daily temperatures of data/seattle.csv, and cut a series of days into past and future.

References
----------
NOAA National Centers for Environmental Information, daily summaries (public domain, U.S. Government work).
"""
import datetime
import os
from dataclasses import dataclass

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from minidl.datasets.csv_table import number, read_table
from minidl.types import Array

COLDEST, HOTTEST = -90, 60  # degrees Celsius, beyond all that was ever measured; "missing" is often written as -999


@dataclass(frozen=True, eq=False)
class Temperatures:
    """A series of days without a gap."""

    dates: Array      # datetime64[D] (N,)
    highest: Array    # float32 (N,): air temperature in degrees Celsius
    lowest: Array     # likewise

    def __len__(self) -> int:
        return len(self.dates)


def load_temperatures(path: str | os.PathLike[str]) -> Temperatures:
    """Read a table of days.

    Parameters
    ----------
    path : path
        Of a CSV file with the header date,temp_max,temp_min and dates as 2012-01-31, one line for each day.

    Raises
    ------
    ValueError
        If a line is malformed, a temperature is impossible or the day's maximum below its minimum (the line is named),
        or a day is missing, given twice or out of order (the day is named).
    """
    rows = read_table(path, ("date", "temp_max", "temp_min"), _day)
    dates = np.array([date for date, _, _ in rows], "datetime64[D]")
    steps = np.diff(dates) // np.timedelta64(1, "D")
    if np.any(steps != 1):
        k = int(np.argmax(steps != 1))
        raise ValueError(f"{path}: expected each day once and in order, but {dates[k]} is followed by {dates[k + 1]}")
    return Temperatures(dates, *(np.array([row[k] for row in rows], np.float32) for k in (1, 2)))


def _day(values: list[str]) -> tuple[datetime.date, float, float]:
    text, *temperatures = values
    try:
        date = datetime.datetime.strptime(text, "%Y-%m-%d").date()
    except ValueError:
        raise ValueError(f"date: expected a day like 2012-01-31, got {text[:20]!r}") from None
    highest, lowest = (number(name, value, COLDEST, HOTTEST)
                       for name, value in zip(("temp_max", "temp_min"), temperatures))
    if highest < lowest:
        raise ValueError(f"expected temp_max of at least temp_min, got {highest:g} and {lowest:g}")
    return date, highest, lowest


def windows(series: Array, past: int = 64, ahead: int = 3) -> tuple[Array, Array]:
    """Cut a series into all its pairs of `past` values and the `ahead` values that follow them.

    Parameters
    ----------
    series : array of shape (N,)

    Returns
    -------
    x : array of shape (N - past - ahead + 1, past)
    y : array of shape (N - past - ahead + 1, ahead)
        Both are read-only views of the series.

    Examples
    --------
    >>> x, y = windows(np.arange(6), past=3, ahead=2)
    >>> x.tolist(), y.tolist()
    ([[0, 1, 2], [1, 2, 3]], [[3, 4], [4, 5]])
    """
    if series.ndim != 1 or past < 1 or ahead < 1 or len(series) < past + ahead:
        raise ValueError(f"windows: expected a series of shape (N,) with N >= past + ahead, past >= 1 and ahead >= 1, "
                         f"got shape {series.shape}, past={past} and ahead={ahead}")
    both = sliding_window_view(series, past + ahead)     # (n, past + ahead)
    return both[:, :past], both[:, past:]
