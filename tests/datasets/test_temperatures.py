"""The days of data/seattle.csv, tables that look like it, and the windows cut from a series."""
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from minidl.datasets.temperatures import load_temperatures, windows

TABLE = Path(__file__).resolve().parents[2] / "data" / "seattle.csv"
HEADER = "date,temp_max,temp_min\n"


def test_the_table_of_the_project():
    days = load_temperatures(TABLE)
    assert len(days) == 1461                             # four years, one of them a leap year
    assert str(days.dates[0]) == "2012-01-01" and str(days.dates[-1]) == "2015-12-31"
    assert days.highest.shape == days.lowest.shape == (1461,) and days.highest.dtype == np.float32
    assert (days.highest >= days.lowest).all()
    assert [round(float(value), 1) for value in (days.highest[0], days.lowest[0], days.highest[-1])] == [12.8, 5, 5.6]
    assert 16 < days.highest.mean() < 17 and days.highest[days.dates == np.datetime64("2015-12-30")] == np.float32(5.6)


@pytest.mark.parametrize("lines, message", [
    ("2012-01-03,5,1", "expected each day once and in order, but 2012-01-01 is followed by 2012-01-03"),
    ("2012-01-01,5,1", "2012-01-01 is followed by 2012-01-01"),
    ("2011-12-31,5,1", "2012-01-01 is followed by 2011-12-31"),
    ("2012-01-02,5,1\n2012-01-04,5,1", "2012-01-02 is followed by 2012-01-04"),
    ("2012-02-30,5,1", "line 3: date: expected a day like 2012-01-31, got '2012-02-30'"),
    ("02.01.2012,5,1", "line 3: date"),
    ("2012-01-02,5", "line 3: expected 3 values"),
    ("2012-01-02,-999,-999", "line 3: temp_max: expected a number from -90 to 60, got '-999'"),
    ("2012-01-02,5,", "line 3: temp_min: expected a number"),
    ("2012-01-02,1,5", "line 3: expected temp_max of at least temp_min, got 1 and 5"),
])
def test_malformed_days_are_refused(tmp_path, lines, message):
    path = tmp_path / "days.csv"
    path.write_text(f"{HEADER}2012-01-01,5.0,1.0\n{lines}\n", encoding="utf-8")
    with pytest.raises(ValueError, match=message):
        load_temperatures(path)


@given(st.integers(1, 9), st.integers(1, 9), st.integers(0, 9))
def test_windows_are_all_pairs_of_past_and_future(past, ahead, more):
    N = past + ahead + more
    x, y = windows(np.arange(N), past, ahead)
    assert x.shape == (more + 1, past) and y.shape == (more + 1, ahead)
    for k in range(more + 1):
        assert [*x[k], *y[k]] == list(range(k, k + past + ahead))
    with pytest.raises(ValueError, match="N >= past"):
        windows(np.arange(past + ahead - 1), past, ahead)


@pytest.mark.parametrize("series, past, ahead", [(np.zeros((9, 2)), 2, 2), (np.zeros(9), 0, 2), (np.zeros(9), 2, 0)])
def test_windows_that_make_no_sense_are_refused(series, past, ahead):
    with pytest.raises(ValueError, match="windows: expected a series of shape"):
        windows(series, past, ahead)
