"""Rapid solutions on the level of the final ones."""

import numpy as np
import pytest
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st

from dwlim_ops.contracts import GNSS, check
from dwlim_ops.sources.datasets import gnss_dataset
from dwlim_ops.sources.formats.sites import Sites
from dwlim_ops.sources.merge import of_stream
from dwlim_ops.sources.splice import STREAMS, splice_rapid

DAY = np.arange("2026-08-01", "2026-11-20", dtype="datetime64[D]")
N = DAY.size


def dataset(names, up_mm, first=0):
    names, up_mm = list(names), np.asarray(up_mm, float)
    day = DAY[first:first + up_mm.shape[0]]
    places = np.arange(len(names), dtype=float)
    sites = Sites(np.array(names), places, places, places)
    return gnss_dataset(day, sites, up_mm, np.where(np.isnan(up_mm), np.nan, 3.0),
                        np.zeros(up_mm.shape, bool))


def truth(seed=0, n_stations=2):
    return np.random.default_rng(seed).normal(0.0, 4.0, (N, n_stations)).round(3)


def test_the_offset_is_found_and_taken_off():
    up = truth()
    noise = np.random.default_rng(1).normal(0.0, 1.0, up.shape)
    final, rapid = dataset("AB", up[:90]), dataset("AB", (up - [7.0, -1003.0] + noise)[50:], 50)
    spliced, offsets = splice_rapid(final, rapid)
    check(spliced, GNSS, where="spliced")
    np.testing.assert_allclose(offsets["offset_mm"], [7.0, -1003.0], atol=0.6)
    assert offsets["n_common_days"].values.tolist() == [40, 40]
    assert (np.abs(offsets["scatter_mm"].values - 1.0) < 0.5).all()
    np.testing.assert_array_equal(spliced["up_mm"][:90], up[:90])
    np.testing.assert_allclose(spliced["up_mm"][90:], (up + noise)[90:], atol=0.6)
    assert (spliced["stream"][:90] == STREAMS["final"]).all()
    assert (spliced["stream"][90:] == STREAMS["rapid"]).all()
    other_place = rapid.assign_coords(height_m=rapid["height_m"] + 1.0)
    assert splice_rapid(final, other_place)[0]["height_m"].values.tolist() == [0.0, 1.0]


def test_a_station_without_enough_common_days_keeps_its_final_values_only():
    up = truth()
    final, rapid = dataset("AB", up[:90]), dataset("AB", up[84:], 84)
    spliced, offsets = splice_rapid(final, rapid)
    assert offsets["n_common_days"].values.tolist() == [6, 6]
    assert np.isnan(offsets["offset_mm"]).all()
    assert np.isnan(spliced["up_mm"][90:]).all()
    assert (spliced["stream"][90:] == STREAMS["absent"]).all()
    spliced, _ = splice_rapid(final, rapid, minimum_common_days=6)
    np.testing.assert_allclose(spliced["up_mm"], up, atol=1e-9)


def test_a_station_without_any_final_value_has_its_rapid_ones():
    up = truth()
    up_final = up[:90].copy()
    up_final[:, 1] = np.nan
    for final in (dataset("A", up[:90, :1]), dataset("AB", up_final)):
        spliced, offsets = splice_rapid(final, dataset("AB", up[50:], 50))
        np.testing.assert_array_equal(spliced["up_mm"].sel(station="B")[50:], up[50:, 1])
        assert np.isnan(spliced["up_mm"].sel(station="B")[:50]).all()
        assert np.isnan(offsets["offset_mm"].sel(station="B"))
        assert (spliced["stream"].sel(station="B")[50:] == STREAMS["rapid"]).all()


def test_a_station_without_rapid_values_is_untouched():
    up = truth()
    spliced, _ = splice_rapid(dataset("AB", up[:90]), dataset("B", up[60:, 1:], 60))
    np.testing.assert_array_equal(spliced["up_mm"].sel(station="A")[:90], up[:90, 0])
    assert np.isnan(spliced["up_mm"].sel(station="A")[90:]).all()


def test_rapid_values_fill_no_gap_between_final_ones():
    up = truth()
    holed = up[:90].copy()
    holed[70] = np.nan
    spliced, _ = splice_rapid(dataset("AB", holed), dataset("AB", up[50:], 50))
    assert np.isnan(spliced["up_mm"][70]).all()
    assert (spliced["stream"][70] == STREAMS["absent"]).all()


def test_marks_of_either_stream_are_kept():
    up = truth()
    final, rapid = of_stream(dataset("AB", up[:90]), 1), of_stream(dataset("AB", up[50:], 50), 0)
    rapid["flag"] = (("time", "station"), np.full((N - 50, 2), 8, np.uint16))
    spliced, _ = splice_rapid(final, rapid)
    assert (spliced["flag"][:90] == 0).all()
    assert (spliced["flag"][90:] == 8).all()
    assert (spliced["up_mm_stream"][:90] == 1).all()
    assert (spliced["up_mm_stream"][90:] == 0).all()


def _holed(draw_seed, up):
    random = np.random.default_rng(draw_seed)
    return np.where(random.random(up.shape) < random.uniform(0.0, 0.9), np.nan, up)


@settings(derandomize=True, deadline=None, max_examples=20)
@given(st.integers(0, 10**6), st.integers(1, N), st.integers(0, N - 1), st.integers(1, 12),
       st.floats(-2000.0, 2000.0))
def test_final_values_stay_and_a_constant_in_the_rapid_ones_changes_nothing(
        seed, n_final, first_rapid, minimum, constant):
    up = truth(seed, 3)
    final = dataset("ABC", _holed(seed, up[:n_final]))
    final["up_mm"][0] = np.where(np.isnan(final["up_mm"][0]), 1.0, final["up_mm"][0])
    rapid = dataset("BCD", _holed(seed + 1, up[first_rapid:]), first_rapid)
    one, offsets = splice_rapid(final, rapid, minimum_common_days=minimum)
    other, shifted = splice_rapid(
        final, rapid.assign(up_mm=rapid["up_mm"] + constant), minimum_common_days=minimum)
    known = final["up_mm"].notnull()
    for name in ("up_mm", "up_sigma_mm"):
        kept = one[name].sel(time=final["time"], station=final["station"])
        xr.testing.assert_identical(kept.where(known).reset_coords(drop=True),
                                    final[name].where(known).reset_coords(drop=True))
    with_final = ["A", "B", "C"]
    np.testing.assert_allclose(other["up_mm"].sel(station=with_final),
                               one["up_mm"].sel(station=with_final), atol=1e-8)
    np.testing.assert_array_equal(other["stream"], one["stream"])
    np.testing.assert_allclose(shifted["offset_mm"], offsets["offset_mm"] - constant, atol=1e-8)
    np.testing.assert_allclose(shifted["scatter_mm"], offsets["scatter_mm"], atol=1e-8)
    assert ((one["stream"] == STREAMS["absent"]) == one["up_mm"].isnull()).all()
    assert (np.diff(one["time"].values) == np.timedelta64(1, "D")).all()


def test_nothing_in_common_at_all():
    up = truth()
    spliced, offsets = splice_rapid(dataset("AB", up[:20]), dataset("AB", up[60:], 60))
    assert offsets["n_common_days"].values.tolist() == [0, 0]
    assert np.isnan(spliced["up_mm"][20:]).all()
    assert float(spliced["up_mm"][0, 0]) == pytest.approx(up[0, 0])
