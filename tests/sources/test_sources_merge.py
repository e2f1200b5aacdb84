"""Merging parsed files."""

import numpy as np
import pytest
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st

from dwlim_ops.contracts import GNSS, GRACE, WEATHER, check
from dwlim_ops.errors import ContractError
from dwlim_ops.sources.datasets import gnss_dataset, weather_dataset
from dwlim_ops.sources.formats.sites import Sites
from dwlim_ops.sources.merge import (
    day_streams,
    merge_gnss,
    merge_grace,
    merge_gridded_weather,
    merge_weather,
    of_stream,
)


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


N = np.nan
CELLS = np.array([0, 1, 2])


def gridded(days, height=None, **fields):
    """Weather of three cells; a field is given by one value a day."""
    days = np.array(days, "datetime64[D]").astype("datetime64[ns]")
    data = xr.Dataset(
        {name: (("time", "cell"), np.repeat(np.array(values, float)[:, None], 3, axis=1))
         for name, values in fields.items()},
        {"time": days, "cell": CELLS, "longitude_deg": ("cell", CELLS + 10.5),
         "latitude_deg": ("cell", CELLS + 40.5)})
    if height is not None:
        data["pressure_pa"].attrs["height"] = height
    return data


def of_first_cell(merged, name):
    return merged[name].values[:, 0].tolist()


def test_gridded_datasets_may_lack_variables_and_each_has_its_own_streams():
    days = ["2015-01-01", "2015-01-02", "2015-01-03"]
    skin = gridded(days, pressure_pa=[1e5, 1e5, 1e5], skin_temperature_k=[280, 281, 282])
    gldas = gridded(days[:1], temperature_k=[290])
    better = gridded(days[1:2], pressure_pa=[9e4])
    merged = merge_gridded_weather([of_stream(part, n) for n, part in
                                    enumerate((skin, better, gldas))])
    assert of_first_cell(merged, "pressure_pa") == [1e5, 9e4, 1e5]
    assert of_first_cell(merged, "skin_temperature_k") == [280, 281, 282]
    np.testing.assert_array_equal(of_first_cell(merged, "temperature_k"), [290, N, N])
    assert day_streams(merged, "pressure_pa", STREAMS).tolist() == ["preview", "rapid", "preview"]
    assert day_streams(merged, "temperature_k", STREAMS).tolist() == ["final", "", ""]
    assert day_streams(merged, "skin_temperature_k", STREAMS).tolist() == ["preview"] * 3
    assert merged["longitude_deg"].values.tolist() == [10.5, 11.5, 12.5]
    assert "height" not in merged["pressure_pa"].attrs
    with pytest.raises(ContractError, match="nothing to merge"):
        merge_gridded_weather([])


@pytest.mark.parametrize("height", ["cell", "model ground"])
def test_the_height_of_pressure_is_kept_while_all_agree(height):
    parts = [gridded(["2015-01-01"], height, pressure_pa=[1e5]),
             gridded(["2015-01-02"], height, pressure_pa=[9e4]),
             gridded(["2015-01-03"], temperature_k=[290])]
    merged = merge_gridded_weather([of_stream(part, n) for n, part in enumerate(parts)])
    assert merged["pressure_pa"].attrs["height"] == height
    np.testing.assert_array_equal(of_first_cell(merged, "pressure_pa"), [1e5, 9e4, N])
    again = merge_gridded_weather([merged, merged])
    assert again.identical(merged)


@pytest.mark.parametrize("swapped", [False, True])
def test_pressures_at_different_heights_are_never_one_series(swapped):
    days = ["2015-01-01", "2015-01-02"]
    ground = gridded(days, "model ground", pressure_pa=[8e4, 8e4], skin_temperature_k=[280, 281])
    cell = gridded(days[1:], "cell", pressure_pa=[1e5])
    parts = [of_stream(part, n) for n, part in enumerate((ground, cell))]
    merged = merge_gridded_weather(parts[::-1] if swapped else parts)
    np.testing.assert_array_equal(of_first_cell(merged, "pressure_pa"), [N, 1e5])
    assert merged["pressure_pa"].attrs["height"] == "cell"
    assert of_first_cell(merged, "skin_temperature_k") == [280, 281]
    assert day_streams(merged, "pressure_pa", STREAMS[:2]).tolist() == ["", "rapid"]
    assert ground["pressure_pa"].values[0, 0] == 8e4


def test_pressure_of_unknown_height_gives_way_to_that_of_the_cells():
    merged = merge_gridded_weather([gridded(["2015-01-02"], pressure_pa=[8e4]),
                                    gridded(["2015-01-01"], "cell", pressure_pa=[1e5])])
    np.testing.assert_array_equal(of_first_cell(merged, "pressure_pa"), [1e5, N])


@settings(derandomize=True, deadline=None, max_examples=60)
@given(st.lists(st.tuples(st.sampled_from(["cell", "model ground", None]), st.integers(0, 3)),
                min_size=1, max_size=6))
def test_merging_bit_by_bit_ends_at_one_height(items):
    """Every pressure in the result is of the height that its attribute names."""
    day = np.datetime64("2015-01-01", "D")
    value = {"cell": 1e5, "model ground": 8e4}
    parts = [gridded([day + d], height, pressure_pa=[value[height]]) if height
             else gridded([day + d], temperature_k=[290]) for height, d in items]
    merged = merge_gridded_weather(parts)
    step_by_step = parts[0]
    for part in parts[1:]:
        step_by_step = merge_gridded_weather([step_by_step, part])
    for found in (merged, step_by_step):
        heights = {height for height, _ in items if height}
        if not heights:
            assert "pressure_pa" not in found
            continue
        height = heights.pop() if len(heights) == 1 else "cell"
        assert found["pressure_pa"].attrs["height"] == height
        values = found["pressure_pa"].values
        assert set(values[np.isfinite(values)].tolist()) == {value[height]}
        expected = {d for h, d in items if h == height}
        first = found["time"].values[0].astype("datetime64[D]")
        days = first + np.flatnonzero(np.isfinite(values[:, 0]))
        assert set((days - day).astype(int).tolist()) == expected


def mascons(step_deg, middles, value):
    """Months on a grid over 10..14 E, 40..44 N; `value` is a number, or a function of lat, lon."""
    lat = np.arange(40 + step_deg / 2, 44, step_deg)
    lon = np.arange(10 + step_deg / 2, 14, step_deg)
    time = np.array(middles, "datetime64[ns]")
    field = value(lat[:, None], lon[None, :]) if callable(value) else np.full(
        (lat.size, lon.size), float(value))
    ends = np.stack([time - np.timedelta64(15, "D"), time + np.timedelta64(15, "D")], axis=1)
    return xr.Dataset(
        {"twsa_mm": (("time", "lat", "lon"), np.repeat(field[None], time.size, axis=0))},
        {"time": time, "lat": lat, "lon": lon, "time_bounds": (("time", "side"), ends)})


def test_grace_is_the_mean_of_what_is_there_on_the_first_grid():
    fine = mascons(0.25, ["2015-01-16T12", "2015-02-15", "2015-03-16T12"], 10.0)
    coarse = mascons(0.5, ["2015-01-16", "2015-02-26", "2015-04-16"], 30.0)
    coarse["twsa_mm"][0, 0, 0] = N
    merged = check(merge_grace([fine, coarse]), GRACE, where="merge")
    assert merged.sizes == fine.sizes
    expected = np.full(merged["twsa_mm"].shape, 10.0)
    expected[0] = 20.0
    expected[0, :2, :2] = 10.0
    np.testing.assert_array_equal(merged["twsa_mm"], expected)
    xr.testing.assert_identical(merged["time_bounds"], fine["time_bounds"])
    other = merge_grace([coarse, fine])
    assert other.sizes == coarse.sizes
    assert other["twsa_mm"].values[:, 1, 1].tolist() == [20.0, 30.0, 30.0]
    assert other["twsa_mm"].values[0, 0, 0] == 10.0


@pytest.mark.parametrize(("days", "matched"), [(0, True), (9, True), (10, True), (11, False),
                                               (-10, True), (-11, False)])
def test_grace_months_are_matched_within_ten_days(days, matched):
    middle = np.datetime64("2015-01-16", "D")
    merged = merge_grace([mascons(0.5, [middle], 10.0), mascons(0.5, [middle + days], 30.0)])
    assert (merged["twsa_mm"] == (20.0 if matched else 10.0)).all()


def test_grace_cells_are_matched_by_their_nearest_centre():
    def tilted(lat, lon):
        return 10.0 * lat + lon

    fine, coarse = (mascons(step, ["2015-01-16"], tilted) for step in (0.25, 0.5))
    departure = merge_grace([fine, coarse])["twsa_mm"].values - fine["twsa_mm"].values
    assert np.abs(departure).max() == pytest.approx(0.5 * (10 + 1) * 0.125)
    assert departure.mean() == pytest.approx(0.0, abs=1e-9)


def test_grace_of_one_solution_is_itself_and_an_empty_cell_stays_empty():
    one = mascons(0.5, ["2015-01-16"], 10.0)
    one["twsa_mm"][0, 3, 3] = N
    xr.testing.assert_identical(merge_grace([one]), one)
    merged = merge_grace([one, one])
    np.testing.assert_array_equal(merged["twsa_mm"], one["twsa_mm"])
    with pytest.raises(ContractError, match="nothing to merge"):
        merge_grace([])


def test_streams_are_numbered_beside_each_quantity_and_nothing_else_changes():
    data = gridded(["2015-01-01"], "cell", pressure_pa=[1e5], skin_temperature_k=[280])
    data = data.assign(expver=("time", ["1"]))
    numbered = of_stream(data, 2)
    added = {"pressure_pa_stream", "skin_temperature_k_stream"}
    assert set(numbered.data_vars) - set(data.data_vars) == added
    assert all((numbered[name] == 2).all() for name in added)
    assert all(numbered[name].dtype == np.uint16 for name in added)
    xr.testing.assert_identical(numbered.drop_vars(added), data)
    up = of_stream(gnss(["2009-01-01"], ["AAAA"], [[1]]), 1)
    assert [name for name in up.data_vars if str(name).endswith("_stream")] == ["up_mm_stream"]
