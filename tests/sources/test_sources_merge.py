"""Merging parsed files."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dwlim_ops.contracts import GNSS, WEATHER, check
from dwlim_ops.errors import ContractError
from dwlim_ops.sources.datasets import gnss_dataset, weather_dataset
from dwlim_ops.sources.formats.sites import Sites
from dwlim_ops.sources.merge import day_streams, merge_gnss, merge_weather, of_stream


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


STREAMS = ("preview", "rapid", "final")


def test_the_stream_of_a_day_is_that_of_most_of_its_values_and_of_two_the_weaker():
    names, n = ["AAAA", "BBBB", "CCCC", "DDDD"], np.nan
    days = ["2009-01-01", "2009-01-02", "2009-01-03", "2009-01-04"]
    merged = merge_gnss([
        of_stream(gnss(days, names, [[1, 1, 1, 1]] * 3 + [[n, n, n, n]]), 0),
        of_stream(gnss(days, names, [[n, 2, 2, n], [n, n, n, 2], [2, 2, 2, 2], [n, n, n, n]]), 1),
        of_stream(gnss(days[2:3], names[:3], [[3, 3, 3]]), 2)])
    check(merged, GNSS, where="merge")
    assert day_streams(merged, "up_mm", STREAMS).tolist() == ["preview", "preview", "final", ""]


@settings(derandomize=True, deadline=None, max_examples=40)
@given(st.lists(st.lists(st.lists(st.one_of(st.just(np.nan), st.integers(-50, 50)), min_size=3,
                                  max_size=3), min_size=4, max_size=4), min_size=1, max_size=3))
def test_a_value_and_its_stream_are_those_of_the_best_stream_that_has_one(fields):
    days = np.arange("2009-01-01", "2009-01-05", dtype="M8[D]")
    parts = [of_stream(gnss(days, ["AAAA", "BBBB", "CCCC"], field), number)
             for number, field in enumerate(fields)]
    merged = merge_gnss(parts)
    assert len(parts) == 1 or merge_gnss([merge_gnss(parts[:-1]), parts[-1]]).identical(merged)
    for row in range(4):
        having = [[number for number, field in enumerate(fields) if not np.isnan(field[row][place])]
                  for place in range(3)]
        for place, numbers in enumerate(having):
            value = merged["up_mm"].values[row, place]
            if not numbers:
                assert np.isnan(value)
                continue
            assert value == fields[numbers[-1]][row][place]
            assert merged["up_mm_stream"].values[row, place] == numbers[-1]
        best = [numbers[-1] for numbers in having if numbers]
        counts = [best.count(number) for number in range(len(fields))]
        expected = STREAMS[counts.index(max(counts))] if best else ""
        assert day_streams(merged, "up_mm", STREAMS[:len(fields)])[row] == expected


def test_variables_of_one_dataset_have_each_its_own_stream():
    day = np.array(["2015-01-01"], "datetime64[D]")
    first = weather_dataset(day, places(["A"]), np.array([[300.0]]), np.array([[101000.0]]))
    second = weather_dataset(day, places(["A"]), np.array([[np.nan]]), np.array([[102000.0]]))
    merged = merge_weather([of_stream(first, 0), of_stream(second, 1)])
    assert day_streams(merged, "temperature_k", STREAMS[:2]).tolist() == ["preview"]
    assert day_streams(merged, "pressure_pa", STREAMS[:2]).tolist() == ["rapid"]
