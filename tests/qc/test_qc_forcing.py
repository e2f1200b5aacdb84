from dataclasses import replace
from datetime import date
from functools import partial

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st

from dwlim_ops.contracts import FORCING, FORCING_FLAGS, check
from dwlim_ops.errors import ContractError
from dwlim_ops.qc import forcing as qc_forcing
from dwlim_ops.qc.forcing import Covariance, ForcingSettings, fill_with_climatology

DAYS = pd.date_range("2010-01-01", "2013-12-31", freq="D")
LONGITUDE = np.array([120.0, 124.0, 128.0, 133.0, 138.0, 142.0, 146.0, 150.0])
LATITUDE = np.array([-32.0, -20.0, -25.0, -13.0, -30.0, -17.0, -36.0, -28.0])
EXACT = Covariance(length_km=1500.0, noise_ratio=1e-9)
SETTINGS = ForcingSettings(temperature=EXACT, pressure=EXACT, climatology=EXACT)
REFERENCE = date(2010, 1, 1), date(2012, 12, 31)
grid_forcing = partial(qc_forcing.grid_forcing, reference=REFERENCE)
site_exclusion = partial(qc_forcing.site_exclusion, reference=REFERENCE)


def climatology(latitude):
    """Mean and annual term linear in latitude, as the regression can represent."""
    phase = 2 * np.pi * ((DAYS - pd.Timestamp("1970-01-01")).days.to_numpy() / 365.25)
    temperature = 310.0 + 0.6 * latitude + np.cos(phase)[:, None] * (2.0 - 0.2 * latitude)
    return temperature, 101000.0 + 20.0 * latitude + 300.0 * np.sin(phase)[:, None]


def weather(seed=4):
    temperature, pressure = climatology(LATITUDE)
    rng = np.random.default_rng(seed)
    both = ("time", "site")
    return xr.Dataset(
        {"temperature_k": (both, temperature + rng.normal(0.0, 3.0, temperature.shape)),
         "pressure_pa": (both, pressure + rng.normal(0.0, 500.0, pressure.shape))},
        coords={"time": DAYS.values, "site": [f"S{i}" for i in range(LATITUDE.size)],
                "longitude_deg": ("site", LONGITUDE), "latitude_deg": ("site", LATITUDE)})


def has(forcing, name):
    return (forcing["flag"].values & FORCING_FLAGS[name]) > 0


def test_a_cell_at_a_site_has_the_value_of_the_site():
    forcing = grid_forcing(weather(), LONGITUDE, LATITUDE, SETTINGS)
    check(forcing, FORCING, where="test")
    np.testing.assert_allclose(forcing["temperature_k"], weather()["temperature_k"], atol=1e-4)
    np.testing.assert_allclose(forcing["pressure_pa"], weather()["pressure_pa"], atol=1e-2)
    assert not forcing["flag"].values.any()


def test_without_anomalies_every_cell_has_its_climatology():
    temperature, pressure = climatology(LATITUDE)
    series = weather().assign(temperature_k=(("time", "site"), temperature),
                              pressure_pa=(("time", "site"), pressure))
    latitude = np.array([-15.0, -22.0, -34.0])
    forcing = grid_forcing(series, np.array([121.0, 135.0, 149.0]), latitude, SETTINGS)
    expected_temperature, expected_pressure = climatology(latitude)
    np.testing.assert_allclose(forcing["temperature_k"], expected_temperature, atol=1e-6)
    np.testing.assert_allclose(forcing["pressure_pa"], expected_pressure, atol=1e-3)


def test_far_cells_tend_to_the_climatology_and_are_flagged():
    forcing = grid_forcing(weather(), np.array([-60.0, 128.0]), np.array([-25.0, -25.5]), SETTINGS)
    assert has(forcing, "far_from_any_site").all(axis=0).tolist() == [True, False]
    expected = climatology(np.array([-25.0]))[0]
    assert np.abs(forcing["temperature_k"].values[:, :1] - expected).max() < 1.0


def gappy():
    series = weather()
    hidden = np.random.default_rng(9).random(series["pressure_pa"].shape) < 0.2
    return series.assign(pressure_pa=series["pressure_pa"].where(~hidden))


@pytest.mark.parametrize("end", [1096, 1097, 1250])
def test_later_days_do_not_change_a_day(end):
    cells = np.linspace(118.0, 152.0, 23), np.linspace(-38.0, -12.0, 23)
    settings = replace(SETTINGS, pressure=Covariance(length_km=2000.0, noise_ratio=0.01))
    full = grid_forcing(gappy(), *cells, settings)
    cut = grid_forcing(gappy().isel(time=slice(0, end)), *cells, settings)
    xr.testing.assert_identical(full.isel(time=slice(0, end)), cut)


def test_days_with_few_sites_have_the_climatology_and_are_flagged():
    series = weather()
    series["pressure_pa"][50, 2:] = np.nan
    series["pressure_pa"][51, 3:] = np.nan
    forcing = grid_forcing(series, np.array([130.0]), np.array([-25.0]), SETTINGS)
    expected = climatology(np.array([-25.0]))[1]
    departure = np.abs(forcing["pressure_pa"].values - expected)[:, 0]
    assert departure[50] < 60.0 < np.median(departure)
    assert np.flatnonzero(has(forcing, "pressure_absent")).tolist() == [50]
    assert not has(forcing, "temperature_absent").any()
    assert np.isfinite(forcing["temperature_k"]).all()


def test_impossible_values_are_absent():
    series = weather()
    clean = grid_forcing(
        series.assign(temperature_k=series["temperature_k"].where(
            series["temperature_k"] != series["temperature_k"][70, 1])),
        LONGITUDE, LATITUDE, SETTINGS)
    series["temperature_k"][70, 1] = 25.0
    xr.testing.assert_identical(grid_forcing(series, LONGITUDE, LATITUDE, SETTINGS), clean)


def test_sites_with_little_reference_data_are_not_used():
    series = weather()
    series["pressure_pa"][300:, 0] = np.nan
    reasons = site_exclusion(series, SETTINGS)
    assert reasons["pressure_pa"].tolist() == ["only 300 days in the reference span"] + [""] * 7
    assert not (reasons["temperature_k"] != "").any()
    forcing = grid_forcing(series, LONGITUDE, LATITUDE, SETTINGS)
    without = grid_forcing(series.isel(site=slice(1, None)), LONGITUDE, LATITUDE, SETTINGS)
    np.testing.assert_array_equal(forcing["pressure_pa"], without["pressure_pa"])


def test_no_weather_at_all_is_no_error():
    series = weather()
    empty = series.assign({name: series[name] * np.nan for name in series.data_vars})
    forcing = grid_forcing(empty, LONGITUDE, LATITUDE, SETTINGS)
    assert np.isnan(forcing["temperature_k"]).all()
    assert (forcing["flag"] == sum(FORCING_FLAGS.values())).all()


def test_a_field_known_between_the_sites_is_better_than_the_climatology():
    """A travelling pressure wave of 3000 km, seen by the sites, predicted between them."""
    def wave(longitude):
        phase = 2 * np.pi * (longitude / 30.0 - np.arange(DAYS.size)[:, None] / 6.0)
        return climatology(np.full(longitude.size, -25.0))[1] + 800.0 * np.sin(phase)

    series = weather().assign(pressure_pa=(("time", "site"), wave(LONGITUDE)))
    cells = np.array([126.0, 131.0, 136.0])
    forcing = grid_forcing(series, cells, np.full(3, -25.0), SETTINGS)
    error = forcing["pressure_pa"].values - wave(cells)
    assert np.sqrt(np.mean(error**2)) < 0.5 * 800.0 / np.sqrt(2.0)


def test_malformed_input_breaks_the_contract():
    with pytest.raises(ContractError, match="latitude_deg"):
        grid_forcing(weather().drop_vars("latitude_deg"), LONGITUDE, LATITUDE, SETTINGS)


YEARS = np.arange("2010-01-01", "2014-01-01", dtype="M8[D]")


def seasonal(days, coefficients):
    """Mean, annual and semi-annual terms, one column a cell."""
    since_1970 = days.astype("datetime64[D]").astype(float)
    phase = 2 * np.pi * since_1970[:, None] / 365.25
    return sum(np.asarray(c, float) * term for c, term in zip(coefficients, (
        np.ones_like(phase), np.cos(phase), np.sin(phase), np.cos(2 * phase), np.sin(2 * phase)),
        strict=True))


PURE = seasonal(YEARS, [[280.0, 290.0, 1e5], [8, 0, 300], [-3, 1, 0], [2, 0, -50], [0.5, -1, 20]])


def test_a_seasonal_signal_with_gaps_is_filled_exactly():
    hidden = np.random.default_rng(3).random(PURE.shape) < 0.3
    hidden[500:900] = True
    filled = fill_with_climatology(YEARS, np.where(hidden, np.nan, PURE), reference=REFERENCE)
    np.testing.assert_allclose(filled, PURE, rtol=1e-10)


@settings(derandomize=True, deadline=None, max_examples=40)
@given(st.integers(0, 10**6), st.integers(1, 400), st.floats(0.0, 1.0))
def test_filling_keeps_what_is_there_and_its_own_argument(seed, n_days, share):
    random = np.random.default_rng(seed)
    values = random.normal(280.0, 5.0, (n_days, 4))
    values[random.random(values.shape) < share] = np.nan
    values[:, 3] = np.nan
    before = values.copy()
    filled = fill_with_climatology(YEARS[:n_days], values, reference=REFERENCE)
    np.testing.assert_array_equal(values, before)
    there = np.isfinite(values)
    np.testing.assert_array_equal(filled[there], values[there])
    assert (np.isfinite(filled).all(axis=0) == there.any(axis=0)).all()


def test_filling_a_filled_record_changes_nothing():
    values = np.where(np.random.default_rng(5).random(PURE.shape) < 0.4, np.nan, PURE)
    once = fill_with_climatology(YEARS, values, reference=REFERENCE)
    np.testing.assert_array_equal(fill_with_climatology(YEARS, once, reference=REFERENCE), once)


def test_fewer_than_three_hundred_days_give_their_mean():
    few = np.full(PURE.shape, np.nan)
    chosen = np.arange(0, 299 * 4, 4)
    few[chosen] = PURE[chosen]
    few[0, 1:] = np.nan
    few[:, 2] = np.nan
    few[299 * 4] = np.nan, PURE[299 * 4, 1], np.nan
    filled = fill_with_climatology(YEARS, few, reference=REFERENCE)
    absent = np.isnan(few)
    for cell in (0, 1):
        mean = np.nanmean(few[:, cell])
        np.testing.assert_allclose(filled[absent[:, cell], cell], mean, rtol=1e-12)
    assert np.isnan(filled[:, 2]).all()
    few[299 * 4, 0] = PURE[299 * 4, 0]
    filled = fill_with_climatology(YEARS, few, reference=REFERENCE)
    np.testing.assert_allclose(filled[:, 0], PURE[:, 0], rtol=1e-8)


def test_the_climatology_is_that_of_the_reference_span_where_it_holds_enough():
    inside = (np.datetime64(REFERENCE[0]) <= YEARS) & (np.datetime64(REFERENCE[1]) >= YEARS)
    warmer = PURE + np.where(inside, 0.0, 10.0)[:, None]
    values = warmer.copy()
    values[::7] = np.nan
    filled = fill_with_climatology(YEARS, values, reference=REFERENCE)
    np.testing.assert_allclose(filled[::7], PURE[::7], rtol=1e-10)
    only_later = np.where(inside[:, None], np.nan, warmer)
    only_later[np.flatnonzero(inside)[:29]] = PURE[np.flatnonzero(inside)[:29]]
    filled = fill_with_climatology(YEARS, only_later, reference=REFERENCE)
    everything = fill_with_climatology(YEARS, only_later, reference=(YEARS[0].item(),
                                                                     YEARS[-1].item()))
    np.testing.assert_array_equal(filled, everything)


def test_days_after_the_reference_span_do_not_change_what_is_filled():
    values = np.where(np.random.default_rng(6).random(PURE.shape) < 0.2, np.nan, PURE + 1.0)
    for end in (1096, 1200):
        np.testing.assert_array_equal(
            fill_with_climatology(YEARS, values, reference=REFERENCE)[:end],
            fill_with_climatology(YEARS[:end], values[:end], reference=REFERENCE))
