import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dwlim_ops.qc.neighbours import find_neighbours
from dwlim_ops.qc.robust import robust_scatter, rolling_median


@settings(max_examples=20, derandomize=True, deadline=None)
@given(st.integers(0, 10**6), st.integers(1, 80), st.integers(1, 10), st.booleans())
def test_rolling_median_is_that_of_pandas(seed, window, minimum, rounded):
    rng = np.random.default_rng(seed)
    values = rng.normal(size=(200, 3))
    values = values.round(1) if rounded else values
    values[rng.random(values.shape) < 0.3] = np.nan
    minimum = min(minimum, window)
    expected = pd.DataFrame(values).rolling(window, min_periods=minimum).median().to_numpy()
    found = rolling_median(values, window=window, minimum=minimum)
    np.testing.assert_allclose(found, expected, atol=1e-12)
    np.testing.assert_array_equal(found[:, 1], rolling_median(values[:, 1], window=window,
                                                              minimum=minimum))


def test_scatter_of_normal_errors_and_of_nothing():
    values = np.random.default_rng(5).normal(0.0, 4.0, (20000, 2))
    values[:, 1] = np.nan
    scatter = robust_scatter(values)
    assert abs(scatter[0] - 4.0) < 0.1
    assert np.isnan(scatter[1])


def line_of_stations(values, **changed):
    limits = {"maximum_km": 1000.0, "n_nearest": 3, "minimum": 3, **changed}
    longitude = 120.0 + np.arange(values.shape[1])
    return find_neighbours(longitude, np.full(longitude.size, -20.0), **limits).median(values)


def test_the_median_of_the_nearest_is_robust_and_leaves_the_station_out():
    values = np.array([[1.0, 2.0, 500.0, 3.0, 4.0, -900.0]])
    # Of station 2 the nearest are 1, 3 and, at the same distance as 4, station 0.
    assert line_of_stations(values)[0, 2] in (2.0, 3.0)
    assert line_of_stations(values)[0, 1] == pytest.approx(3.0)


def test_an_absent_neighbour_is_replaced_by_the_next():
    values = np.array([[1.0, np.nan, 0.0, 3.0, 4.0, 5.0]])
    assert line_of_stations(values)[0, 2] in (3.0, 4.0)
    assert np.isnan(line_of_stations(values[:, :3])).all()


def test_stations_beyond_the_largest_distance_are_no_neighbours():
    values = np.arange(6.0)[None]
    assert np.isnan(line_of_stations(values, maximum_km=150.0)).all()
    assert np.isfinite(line_of_stations(values, maximum_km=350.0)).all()


def test_a_station_that_begins_later_changes_nothing_before():
    rng = np.random.default_rng(1)
    values = rng.normal(size=(50, 8))
    later = values.copy()
    values[:, 3] = np.nan
    later[:30, 3] = np.nan
    np.testing.assert_array_equal(line_of_stations(values)[:30], line_of_stations(later)[:30])


def test_a_lone_station_has_no_neighbours():
    assert np.isnan(line_of_stations(np.zeros((4, 1)))).all()
