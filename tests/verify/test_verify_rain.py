"""Rain of basins from gauges."""

import numpy as np
import pytest

from dwlim_ops.geometry import Basins
from dwlim_ops.verify.rain import basin_rain, monthly_sums

DAYS = np.arange("2012-01-01", "2012-04-01", dtype="datetime64[D]")


def test_a_month_is_the_sum_of_its_days():
    rain = np.ones((DAYS.size, 1)) * np.array([[1.0, 2.0]])
    months, sums = monthly_sums(DAYS, rain)
    assert [str(month) for month in months] == ["2012-01-01", "2012-02-01", "2012-03-01"]
    assert sums == pytest.approx(np.array([[31, 62], [29, 58], [31, 62]]))


def test_few_absent_days_get_the_mean_and_many_none():
    rain = np.full((DAYS.size, 2), 2.0)
    rain[:6, 0] = np.nan
    rain[:7, 1] = np.nan
    _, sums = monthly_sums(DAYS, rain)
    assert sums[0, 0] == pytest.approx(62)
    assert np.isnan(sums[0, 1])
    assert sums[1:] == pytest.approx(np.array([[58, 58], [62, 62]]))


def test_a_cell_has_the_rain_of_the_nearest_gauge_that_reports():
    basins = Basins(("1", "2"), ("A", "B"), np.array([[0.5, 0.5, 0.0], [0.0, 0.25, 0.75]]))
    distance = np.array([[0.1, 5.0], [2.0, 1.0], [5.0, 0.2]])
    sums = np.array([[10.0, 30.0], [np.nan, 30.0], [np.nan, np.nan]])
    rain = basin_rain(sums, distance, basins)
    assert rain[0] == pytest.approx([20.0, 30.0])
    assert rain[1] == pytest.approx([30.0, 30.0])
    assert np.isnan(rain[2]).all()
