"""Merging parsed files."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dwlim_ops.contracts import GNSS, WEATHER, check
from dwlim_ops.errors import ContractError
from dwlim_ops.sources.datasets import gnss_dataset, weather_dataset
from dwlim_ops.sources.formats.sites import Sites
from dwlim_ops.sources.merge import merge_gnss, merge_weather


def places(names):
    number = np.array([ord(name[0]) - 64.0 for name in names])
    return Sites(np.array(names), number, -number, 10 * number)


def gnss(days, names, up, duplicated=False):
    up = np.array(up, float)
    return gnss_dataset(np.array(days, "datetime64[D]"), places(names), up,
                        np.where(np.isnan(up), np.nan, 3.0), np.full(up.shape, duplicated))


def test_later_values_win_unless_they_are_nan_and_gaps_are_filled_with_days():
    merged = merge_gnss([
        gnss(["2009-01-01", "2009-01-02"], ["BBBB", "AAAA"], [[1, 2], [3, 4]], duplicated=True),
        gnss(["2009-01-02", "2009-01-05"], ["BBBB", "CCCC"], [[np.nan, 5], [6, 7]]),
        gnss(["2009-01-01"], ["AAAA"], [[8]]),
    ])
    check(merged, GNSS, where="merge")
    assert merged["station"].values.tolist() == ["AAAA", "BBBB", "CCCC"]
    n = np.nan
    np.testing.assert_array_equal(
        merged["up_mm"].values, [[8, 1, n], [4, 3, 5], [n, n, n], [n, n, n], [n, 6, 7]])
    assert merged["flag"].values[:2].tolist() == [[0, 8, 0], [8, 8, 0]]
    assert merged["flag"].dtype == np.uint16
    assert merged["longitude_deg"].values.tolist() == [1, 2, 3]


def test_weather_variables_are_merged_each_by_itself():
    day = np.array(["2015-01-01"], "datetime64[D]")
    first = weather_dataset(day, places(["A"]), np.array([[300.0]]), np.array([[101000.0]]))
    second = weather_dataset(day, places(["A"]), np.array([[np.nan]]), np.array([[102000.0]]))
    merged = check(merge_weather([first, second]), WEATHER, where="merge")
    assert merged["temperature_k"].values.tolist() == [[300.0]]
    assert merged["pressure_pa"].values.tolist() == [[102000.0]]


def test_nothing_cannot_be_merged():
    with pytest.raises(ContractError, match="nothing to merge"):
        merge_gnss([])


@settings(derandomize=True, deadline=None, max_examples=40)
@given(st.lists(st.tuples(st.integers(0, 8), st.sampled_from("ABCD"),
                          st.one_of(st.just(np.nan), st.integers(-50, 50))),
                min_size=1, max_size=12))
def test_merging_agrees_with_writing_one_value_after_another(items):
    day = np.datetime64("2009-01-01", "D")
    merged = merge_gnss([gnss([day + d], [name], [[value]]) for d, name, value in items])
    expected = {}
    for d, name, value in items:
        if not np.isnan(value):
            expected[(d, name)] = value
    first = min(d for d, _, _ in items)
    found = {}
    for row, column in np.argwhere(np.isfinite(merged["up_mm"].values)):
        name = str(merged["station"].values[column])
        found[(first + int(row), name)] = merged["up_mm"].values[row, column]
    assert found == expected
    again = merge_gnss([merged, merged])
    assert again.identical(merged)
