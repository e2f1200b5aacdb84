from dataclasses import replace
from datetime import date
from functools import partial

import numpy as np
import pandas as pd
import pytest
import xarray as xr

from dwlim_ops.contracts import GNSS_CHECKED, GNSS_FLAGS, check
from dwlim_ops.errors import ContractError
from dwlim_ops.qc import gnss as qc_gnss
from dwlim_ops.qc.screening import days_since_last_value, usable
from dwlim_ops.qc.settings import GnssQcSettings

SETTINGS = GnssQcSettings()
REFERENCE = date(2010, 1, 1), date(2011, 12, 31)
check_gnss = partial(qc_gnss.check_gnss, reference=REFERENCE)
DAYS = pd.date_range("2010-01-01", "2014-12-31", freq="D")


def network(n_stations=3, sigma_mm=2.0):
    rng = np.random.default_rng(11)
    season = 6.0 * np.cos(2 * np.pi * np.arange(DAYS.size) / 365.25)
    up = 50.0 + season[:, None] + rng.normal(0.0, sigma_mm, (DAYS.size, n_stations))
    return xr.Dataset(
        {"up_mm": (("time", "station"), up),
         "up_sigma_mm": (("time", "station"), np.full(up.shape, 3.0))},
        coords={"time": DAYS.values, "station": [f"ST{i:02d}" for i in range(n_stations)],
                "longitude_deg": ("station", np.linspace(120.0, 150.0, n_stations)),
                "latitude_deg": ("station", np.linspace(-35.0, -15.0, n_stations)),
                "height_m": ("station", np.full(n_stations, 100.0))})


def has(checked, name):
    return (checked["flag"].values & GNSS_FLAGS[name]) > 0


def test_clean_series_are_referred_and_used():
    series = network()
    before = series.copy(deep=True)
    checked = check_gnss(series, SETTINGS)
    check(checked, GNSS_CHECKED, where="test")
    assert usable(checked).mean() > 0.98
    assert (checked["exclusion"] == "").all()
    reference = checked["up_mm"].sel(time=slice("2010-01-01", "2011-12-31"))
    np.testing.assert_allclose(reference.mean("time"), 0.0, atol=0.1)
    np.testing.assert_allclose(checked["scatter_mm"], 2.0, rtol=0.1)
    xr.testing.assert_identical(series, before)


def test_a_gap_in_one_season_does_not_shift_the_reference():
    series = network()
    truth = series["up_mm"].sel(time="2013").values - 50.0
    season = series["time.month"].isin([1, 2, 3, 11, 12]) & (series["time.year"] <= 2011)
    gappy = series.assign(up_mm=series["up_mm"].where(~season))
    settings = replace(SETTINGS, minimum_reference_days=300)
    after = check_gnss(gappy, settings)["up_mm"].sel(time="2013").values
    np.testing.assert_allclose(after - truth, 0.0, atol=0.7)


@pytest.mark.parametrize(("start", "end"), [("2012-06-01", "2013-12-31"),
                                            ("2013-06-01", "2014-05-31")])
def test_without_reference_data_earlier_years_or_the_first_days_are_the_reference(start, end):
    late = network().sel(time=slice(start, None))
    checked = check_gnss(late, SETTINGS)
    basis = checked["up_mm"].where(checked["flag"] == 0).sel(time=slice(start, end))
    np.testing.assert_allclose(basis.mean("time"), 0.0, atol=0.1)


def troubled_network():
    """A reversed station, a thermal one, one with a drift, one with two steps; and temperature."""
    series = network(n_stations=10)
    angle = 2 * np.pi * np.arange(DAYS.size) / 365.25
    series["up_mm"][:, 2] -= 11.0 * np.cos(angle)
    temperature_k = 290.0 + 8.0 * np.cos(angle - 1.5)
    series["up_mm"][:, 4] += 0.6 * (temperature_k - 290.0)
    series["up_mm"][1100:, 6] += 0.05 * np.arange(DAYS.size - 1100)
    series["up_mm"][900:, 7] += 25.0
    series["up_mm"][1700:, 7] -= 40.0
    at_stations = xr.DataArray(
        np.repeat(temperature_k[:, None], 10, axis=1), dims=("time", "station"),
        coords={"time": series["time"], "station": series["station"]})
    return series, at_stations


@pytest.mark.parametrize("start", ["2010-01-01", "2012-06-01"])
@pytest.mark.parametrize("settings", [
    SETTINGS, replace(SETTINGS, step_mode="detect", trend="linear", thermal_screening="exclude")],
    ids=["default", "everything"])
def test_new_days_change_nothing(start, settings):
    series, temperature_k = troubled_network()
    series = series.sel(time=slice(start, None))
    before, after = (
        check_gnss(series.sel(time=slice(None, end)), settings, temperature_k=temperature_k,
                   given_steps=[(date(2012, 6, 19), "ST07")])
        for end in ("2014-07-31", "2014-12-31"))
    same = after.sel(time=slice(None, "2014-07-31"))
    np.testing.assert_array_equal(before["exclusion"], same["exclusion"])
    np.testing.assert_array_equal(before["up_mm"], same["up_mm"])
    np.testing.assert_array_equal(before["flag"], same["flag"])


def test_simple_flags():
    series = network()
    series["up_mm"][10, 0] = np.nan
    series["up_sigma_mm"][11, 0] = 99.0
    series["up_sigma_mm"][12, 0] = np.nan
    series["up_mm"][200, 1] += 60.0
    checked = check_gnss(series, SETTINGS)
    assert has(checked, "absent")[10, 0]
    assert has(checked, "formal_sigma_too_large")[11:13, 0].all()
    assert has(checked, "outlier")[200, 1]
    assert checked["up_mm"].values[200, 1] > 50.0


def test_days_missing_from_the_axis_are_absent():
    series = network().isel(time=np.r_[0:100, 130:DAYS.size])
    checked = check_gnss(series, SETTINGS)
    assert checked.sizes["time"] == DAYS.size
    assert has(checked, "absent")[100:130].all()


def test_flags_of_the_input_are_taken_over():
    series = network()
    flag = np.zeros(series["up_mm"].shape, dtype=np.uint8)
    flag[5, 2] = GNSS_FLAGS["duplicated_epoch"]
    checked = check_gnss(series.assign(flag=(("time", "station"), flag)), SETTINGS)
    assert has(checked, "duplicated_epoch").sum() == 1
    assert not usable(checked)[5, 2]


def test_a_trend_is_removed_only_when_asked():
    series = network()
    years = np.arange(DAYS.size) / 365.25
    series["up_mm"] = series["up_mm"] - (20.0 * years)[:, None]
    slopes = [np.polyfit(years, check_gnss(series, replace(SETTINGS, trend=trend))["up_mm"], 1)[0]
              for trend in ("none", "linear")]
    np.testing.assert_allclose(slopes[0], -20.0, atol=0.5)
    np.testing.assert_allclose(slopes[1], 0.0, atol=0.5)


@pytest.mark.parametrize(("mode", "left_mm"), [("none", 30.0), ("given", 0.0), ("detect", 0.0)])
def test_a_given_step_is_corrected(mode, left_mm):
    series = network()
    series["up_mm"][1000:, 1] += 30.0
    checked = check_gnss(series, replace(SETTINGS, step_mode=mode),
                         given_steps=[(DAYS[1000].date(), "ST01"), (DAYS[5].date(), "GONE")])
    clean = check_gnss(network(), SETTINGS)
    left = (checked["up_mm"] - clean["up_mm"]).values[1010:, 1].mean()
    assert abs(left - left_mm) < 1.5
    near = has(checked, "near_step")
    assert near[997:1003, 1].all() == (mode != "none")
    assert not near[:, [0, 2]].any()


def test_an_unknown_step_is_corrected_only_in_mode_detect():
    series = network(n_stations=8)
    series["up_mm"][1000:, 1] += 30.0
    corrected, left = (check_gnss(series, replace(SETTINGS, step_mode=mode))["up_mm"].values
                       for mode in ("detect", "given"))
    assert abs(corrected[1010:, 1].mean() - corrected[:990, 1].mean()) < 1.5
    assert left[1010:, 1].mean() - left[:990, 1].mean() > 28.0


@pytest.mark.parametrize("n_after", [4, 29])
def test_values_after_a_step_are_withheld_until_its_size_is_known(n_after):
    series = network()
    series["up_mm"][-n_after:, 1] += 30.0
    checked = check_gnss(series, SETTINGS, given_steps=[(DAYS[-n_after].date(), "ST01")])
    assert has(checked, "near_step")[-n_after:, 1].all()


def test_a_step_changes_nothing_before_it():
    series = network(n_stations=8)
    stepped = series.copy(deep=True)
    stepped["up_mm"][1700:, 1] += 30.0
    detect = replace(SETTINGS, step_mode="detect")
    before, after = (check_gnss(one, detect).isel(time=slice(None, 1690))
                     for one in (series, stepped))
    for name in ("up_mm", "flag"):
        np.testing.assert_array_equal(before[name], after[name])


def test_reasons_of_exclusion():
    series = network(n_stations=6)
    rng = np.random.default_rng(2)
    series["up_mm"][100:, 0] = np.nan
    series["up_mm"][400:, 1] = np.nan
    series["up_mm"][:, 2] += rng.normal(0.0, 15.0, DAYS.size)
    series["up_sigma_mm"][:, 3] = 9.0
    distance = np.array([0.0, 0.0, 0.0, 0.0, 5.0, 0.0])
    checked = check_gnss(series, SETTINGS, region_distance_deg=distance)
    reasons = checked["exclusion"].values.tolist()
    for reason, words in zip(
            reasons, ["usable days", "record of only 400", "scatter", "formal error", "5.0 deg"],
            strict=False):
        assert words in reason
    assert reasons[5] == ""
    assert not usable(checked)[:, :5].any()
    assert usable(checked)[:, 5].mean() > 0.98


@pytest.mark.parametrize("mode", ["given", "detect"])
def test_a_good_station_does_not_depend_on_single_others(mode):
    series = network(n_stations=8)
    others = series.isel(station=[0, 1, 2, 3, 4, 6])
    settings = replace(SETTINGS, step_mode=mode)
    together, without = (check_gnss(one, settings).sel(station=["ST01"]) for one in
                         (series, others))
    xr.testing.assert_identical(together, without)


def test_a_stopped_station_is_used_and_its_age_known():
    series = network()
    series["up_mm"][-40:, 0] = np.nan
    checked = check_gnss(series, SETTINGS)
    assert checked["exclusion"].values[0] == ""
    assert days_since_last_value(checked).tolist()[0] == 40


@pytest.mark.parametrize("n_days", [0, 1, 20])
def test_hardly_any_data_is_no_error(n_days):
    checked = check_gnss(network().isel(time=slice(0, n_days)), replace(SETTINGS, trend="linear"))
    assert checked.sizes["time"] == n_days
    assert not usable(checked).any()
    assert (days_since_last_value(checked) == -1).all()


def test_a_station_without_data_is_excluded():
    series = network()
    series["up_mm"][:, 0] = np.nan
    assert check_gnss(series, SETTINGS)["exclusion"].values[0] == "only 0 usable days"


def test_values_beyond_the_contract_after_reference_are_absent():
    series = network()
    series["up_mm"][300, 0] = -990.0
    checked = check_gnss(series, SETTINGS)
    assert np.isnan(checked["up_mm"].values[300, 0])
    assert has(checked, "absent")[300, 0]


def test_stations_that_do_not_move_with_water_are_named():
    series, temperature_k = troubled_network()
    settings = replace(SETTINGS, step_mode="detect")
    checked = check_gnss(series, settings, temperature_k=temperature_k)
    exclusion, remark = (dict(zip(checked["station"].values.tolist(),
                                  checked[name].values.tolist(), strict=True))
                         for name in ("exclusion", "remark"))
    assert {name for name, reason in exclusion.items() if reason} == {"ST02"}
    assert "days from that of its neighbours" in exclusion["ST02"]
    assert {name for name, found in remark.items() if found} == {"ST04", "ST06"}
    assert "in phase with the year's temperature" in remark["ST04"]
    assert "departed from its neighbours" in remark["ST06"]
    assert checked.attrs["screening"] == "phase, thermal, drift"
    assert not usable(checked)[-100:, 6].any()
    assert usable(checked)[:1200, 6].mean() > 0.97


def test_without_temperature_the_thermal_test_is_not_made_and_that_is_said():
    checked = check_gnss(troubled_network()[0], SETTINGS)
    assert "thermal not made" in checked.attrs["screening"]
    assert checked["remark"].values[4] == ""
    off = replace(SETTINGS, phase_screening="none", thermal_screening="none",
                  drift_screening="none")
    checked = check_gnss(troubled_network()[0], off)
    assert checked.attrs["screening"] == ""
    assert (checked["exclusion"] == "").all()


def test_a_remark_excludes_nothing():
    series, temperature_k = troubled_network()
    only = replace(SETTINGS, phase_screening="remark", drift_screening="remark")
    checked = check_gnss(series, only, temperature_k=temperature_k)
    assert (checked["exclusion"] == "").all()
    assert checked["remark"].values[2] != ""
    assert not has(checked, "station_excluded").any()


def test_malformed_input_breaks_the_contract():
    with pytest.raises(ContractError, match="up_sigma_mm"):
        check_gnss(network().drop_vars("up_sigma_mm"), SETTINGS)
