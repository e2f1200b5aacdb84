"""Forcing of the cells from gridded providers, and our own loading where the service is silent."""

from datetime import date

import numpy as np
import pytest
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st

from dwlim_ops import atmospheric_loading
from dwlim_ops.atmospheric_loading import atmospheric_loading_up_mm, land_grid
from dwlim_ops.contracts import FORCING, FORCING_FLAGS, LOADING, check
from dwlim_ops.inputs import LEAST_COMMON_DAYS, gridded_forcing, with_own_loading
from dwlim_ops.sources.datasets import loading_dataset
from dwlim_ops.sources.wide_pressure import land_cells, land_share

DAYS = np.arange("2014-01-01", "2016-01-01", dtype="M8[D]")
REFERENCE = date(2014, 1, 1), date(2014, 12, 31)
PHASE = 2 * np.pi * DAYS.astype(float)[:, None] / 365.25
#: GLDAS stops here; the skin temperature goes on.
LAST_GLDAS = 600
GAIN, BIAS_K = np.array([0.8, 1.0, 1.1]), np.array([50.0, -2.0, -30.0])


def skin_k(seed=1):
    noise = np.random.default_rng(seed).normal(0.0, 2.0, (DAYS.size, 3))
    return 285.0 + 8.0 * np.cos(PHASE) + noise


def pressure_pa(seed=2):
    noise = np.random.default_rng(seed).normal(0.0, 300.0, (DAYS.size, 3))
    return 98_000.0 + 400.0 * np.sin(PHASE) + noise


def truth_k():
    return GAIN * skin_k() + BIAS_K


def weather(*without, n_days=DAYS.size):
    """Two years of three cells; GLDAS stops at `LAST_GLDAS`."""
    gldas = np.where(np.arange(DAYS.size)[:, None] < LAST_GLDAS, truth_k(), np.nan)
    fields = {"temperature_k": gldas, "skin_temperature_k": skin_k(), "pressure_pa": pressure_pa()}
    data = xr.Dataset(
        {name: (("time", "cell"), values) for name, values in fields.items()
         if name not in without},
        {"time": DAYS.astype("datetime64[ns]"), "cell": np.arange(3),
         "longitude_deg": ("cell", [10.5, 11.5, 12.5]), "latitude_deg": ("cell", [40.5] * 3)})
    return data.isel(time=slice(0, n_days))


def flagged(made, name):
    return (made.forcing["flag"].values & FORCING_FLAGS[name]) > 0


def test_gldas_wins_and_the_days_after_it_are_bridged():
    made = gridded_forcing(weather(), reference=REFERENCE)
    check(made.forcing, FORCING, where="test")
    found = made.forcing["temperature_k"].values
    np.testing.assert_array_equal(found[:LAST_GLDAS], truth_k()[:LAST_GLDAS])
    np.testing.assert_allclose(found[LAST_GLDAS:], truth_k()[LAST_GLDAS:], atol=1e-6)
    np.testing.assert_array_equal(made.forcing["pressure_pa"], pressure_pa())
    assert made.bridged.tolist() == [False] * LAST_GLDAS + [True] * (DAYS.size - LAST_GLDAS)
    np.testing.assert_allclose(made.bridge.gain, GAIN)
    assert made.bridge.fitted_to == DAYS[LAST_GLDAS - 1].item()
    assert not made.forcing["flag"].values.any()
    for name in ("time", "cell", "longitude_deg", "latitude_deg"):
        np.testing.assert_array_equal(made.forcing[name], weather()[name])


def test_gldas_wins_where_it_contradicts_the_skin():
    data = weather()
    data["temperature_k"][100] = 250.0
    made = gridded_forcing(data, reference=REFERENCE)
    assert (made.forcing["temperature_k"][100] == 250.0).all()
    np.testing.assert_allclose(made.forcing["temperature_k"][LAST_GLDAS:],
                               truth_k()[LAST_GLDAS:], atol=0.1)


def test_a_day_that_gldas_has_in_part_is_not_called_bridged():
    data = weather()
    data["temperature_k"][200, 1:] = np.nan
    made = gridded_forcing(data, reference=REFERENCE)
    assert not made.bridged[200]
    np.testing.assert_allclose(made.forcing["temperature_k"][200], truth_k()[200], atol=1e-6)
    assert not flagged(made, "temperature_absent").any()


@pytest.mark.parametrize(("common", "bridged"), [(59, False), (60, True)])
def test_there_is_no_bridge_without_sixty_common_days(common, bridged):
    data, known = weather(), np.zeros(DAYS.size, bool)
    known[np.arange(common) * 6] = True
    data["temperature_k"][~known] = np.nan
    made = gridded_forcing(data, reference=REFERENCE)
    assert (made.bridge is not None) is bridged
    np.testing.assert_array_equal(made.bridged, ~known & bridged)
    assert (flagged(made, "temperature_absent")[~known] == (not bridged)).all()
    assert not flagged(made, "temperature_absent")[known].any()


def test_absent_values_have_their_climatology_and_are_flagged():
    data = weather()
    data["skin_temperature_k"][650:660, 0] = np.nan
    data["pressure_pa"][300:310, 2] = np.nan
    made = gridded_forcing(data, reference=REFERENCE)
    expected = np.zeros((DAYS.size, 3), bool)
    expected[650:660, 0] = True
    np.testing.assert_array_equal(flagged(made, "temperature_absent"), expected)
    season = GAIN[0] * (285.0 + 8.0 * np.cos(PHASE[650:660, 0])) + BIAS_K[0]
    np.testing.assert_allclose(made.forcing["temperature_k"][650:660, 0], season, atol=1.0)
    expected = np.zeros((DAYS.size, 3), bool)
    expected[300:310, 2] = True
    np.testing.assert_array_equal(flagged(made, "pressure_absent"), expected)
    assert np.isfinite(made.forcing["pressure_pa"]).all()
    assert made.bridged[650:660].all()


@pytest.mark.parametrize(("without", "lacking"), [
    (("pressure_pa",), {"pressure_absent"}),
    (("temperature_k",), {"temperature_absent"}),
    (("skin_temperature_k",), {"temperature_absent"}),
    (("temperature_k", "skin_temperature_k"), {"temperature_absent"}),
    (("temperature_k", "skin_temperature_k", "pressure_pa"),
     {"temperature_absent", "pressure_absent"})])
def test_a_provider_may_lack_any_variable(without, lacking):
    made = gridded_forcing(weather(*without), reference=REFERENCE)
    check(made.forcing, FORCING, where="test")
    assert (made.bridge is not None) == made.bridged.any() == (without == ("pressure_pa",))
    for name in ("temperature_absent", "pressure_absent"):
        first = LAST_GLDAS if without == ("skin_temperature_k",) else 0
        assert flagged(made, name)[first:].all() == (name in lacking)
        assert not flagged(made, name)[:first].any()


@pytest.mark.parametrize("n_days", [380, 500, LAST_GLDAS])
def test_later_days_change_no_value_that_came_in(n_days):
    """Nor any that is filled, since the reference span is over."""
    data = weather()
    data["pressure_pa"][100:120] = np.nan
    whole = gridded_forcing(data, reference=REFERENCE).forcing
    cut = gridded_forcing(data.isel(time=slice(0, n_days)), reference=REFERENCE).forcing
    xr.testing.assert_identical(whole.isel(time=slice(0, n_days)), cut)


def test_later_days_change_a_bridged_value_through_the_fit_only():
    data = weather()
    data["temperature_k"] += np.random.default_rng(8).normal(0.0, 0.5, (DAYS.size, 3))
    whole = gridded_forcing(data, reference=REFERENCE)
    for n_days in (LAST_GLDAS + 1, LAST_GLDAS + 60):
        cut = gridded_forcing(data.isel(time=slice(0, n_days)), reference=REFERENCE)
        xr.testing.assert_identical(whole.forcing.isel(time=slice(0, n_days)), cut.forcing)
    earlier = data.copy(deep=True)
    earlier["temperature_k"][LAST_GLDAS - 100:] = np.nan
    other = gridded_forcing(earlier, reference=REFERENCE)
    later = slice(LAST_GLDAS, None)
    assert not np.array_equal(other.forcing["temperature_k"][later],
                              whole.forcing["temperature_k"][later])
    np.testing.assert_allclose(
        other.bridge.gain * skin_k()[later] + other.bridge.bias_k,
        other.forcing["temperature_k"][later])


GRID = land_grid(*land_share())
LONGITUDE, LATITUDE = np.array([133.9, 11.5]), np.array([-23.7, 48.1])
N_DAYS = 40
LOADING_DAYS = DAYS[:N_DAYS]


def pressure(n_days=N_DAYS, seed=4):
    """A large smooth anomaly that comes and goes, on all land."""
    cells = land_cells()
    strength = np.random.default_rng(seed).normal(0.0, 500.0, (n_days, 2))
    wave = np.stack([np.cos(np.radians(cells.longitude_deg)), np.sin(np.radians(
        cells.latitude_deg))])
    return xr.Dataset(
        {"pressure_pa": (("time", "cell"), 95_000.0 + strength @ wave)},
        {"time": DAYS[:n_days].astype("datetime64[ns]"),
         "cell": np.arange(cells.longitude_deg.size)})


def own_mm():
    values = pressure()["pressure_pa"].values
    return atmospheric_loading_up_mm(values, GRID, LONGITUDE, LATITUDE, frame="cf",
                                     reference=np.ones(N_DAYS, bool))


@pytest.fixture(scope="module", autouse=True)
def _responses_are_computed_once():
    """They depend on the places and the land alone, which all tests share."""
    kept, compute = {}, atmospheric_loading._responses

    def of_places(longitude_deg, latitude_deg, grid, frame):
        key = (longitude_deg.tobytes(), latitude_deg.tobytes(), frame)
        if key not in kept:
            kept[key] = compute(longitude_deg, latitude_deg, grid, frame)
        return kept[key]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(atmospheric_loading, "_responses", of_places)
        yield


@pytest.fixture(scope="module")
def ours():
    return own_mm()


def service(ntal, ntol=None, days=LOADING_DAYS):
    ntol = np.full(ntal.shape, 0.3) if ntol is None else ntol
    return loading_dataset(days, ("ALIC", "WTZR"), ntal, ntol)


def fill(loading, given=None):
    return with_own_loading(loading, pressure() if given is None else given, LONGITUDE, LATITUDE,
                            frame="cf")


def test_absent_days_come_without_a_step(ours):
    expected = ours + np.array([5.0, -2.0])
    ntal = expected.copy()
    ntal[20:27] = np.nan
    ntal[30, 1] = np.nan
    filled, days = fill(service(ntal))
    check(filled, LOADING, where="test")
    np.testing.assert_allclose(filled["ntal_up_mm"], expected, atol=1e-9)
    assert days.astype("M8[D]").tolist() == [*LOADING_DAYS[20:27].tolist(),
                                             LOADING_DAYS[30].item()]
    assert np.ptp(expected[20:27, 0]) > 0.5


def test_a_day_that_the_service_does_not_even_name_is_filled(ours):
    filled, days = fill(service(ours[:30] + 1.0, days=LOADING_DAYS[:30]))
    np.testing.assert_allclose(filled["ntal_up_mm"], ours + 1.0, atol=1e-9)
    assert days.astype("M8[D]").tolist() == LOADING_DAYS[30:].tolist()


def test_one_bad_common_day_does_not_move_the_level(ours):
    ntal = ours + 3.0
    ntal[4] += 50.0
    ntal[30:] = np.nan
    filled, _ = fill(service(ntal))
    np.testing.assert_allclose(filled["ntal_up_mm"][30:], (ours + 3.0)[30:], atol=1e-9)
    np.testing.assert_array_equal(filled["ntal_up_mm"][:30], ntal[:30])


@pytest.mark.parametrize(("common", "filled_there"), [(LEAST_COMMON_DAYS - 1, False),
                                                      (LEAST_COMMON_DAYS, True)])
def test_a_station_with_too_few_common_days_stays_absent(ours, common, filled_there):
    ntal = ours + 1.0
    ntal[common:, 0] = np.nan
    ntal[35:, 1] = np.nan
    filled, days = fill(service(ntal))
    assert np.isfinite(filled["ntal_up_mm"][common:, 0]).all() == filled_there
    assert np.isnan(filled["ntal_up_mm"][common:, 0]).all() == (not filled_there)
    np.testing.assert_allclose(filled["ntal_up_mm"][:, 1], ours[:, 1] + 1.0, atol=1e-9)
    assert LEAST_COMMON_DAYS == 7
    assert days.size == (N_DAYS - common if filled_there else 5)


def test_the_ocean_of_a_filled_day_is_held_at_its_median(ours):
    ntal, ntol = ours.copy(), np.random.default_rng(5).normal(0.0, 0.4, ours.shape)
    ntal[30:], ntol[30:] = np.nan, np.nan
    ntol[31] = 0.7
    ntol[5] = np.nan
    filled, _ = fill(service(ntal, ntol))
    level = np.nanmedian(ntol, axis=0)
    rows = [30, *range(32, N_DAYS)]
    np.testing.assert_allclose(filled["ntol_up_mm"][rows], np.tile(level, (len(rows), 1)))
    np.testing.assert_array_equal(filled["ntol_up_mm"][31], [0.7, 0.7])
    np.testing.assert_array_equal(filled["ntol_up_mm"][:30], ntol[:30])


def test_a_station_without_any_ocean_stays_without(ours):
    ntal, ntol = ours.copy(), np.full(ours.shape, 0.3)
    ntal[30:], ntol[:, 1] = np.nan, np.nan
    filled, _ = fill(service(ntal, ntol))
    assert np.isnan(filled["ntol_up_mm"][:, 1]).all()
    assert np.isfinite(filled["ntal_up_mm"]).all()


def test_without_pressure_nothing_changes(ours):
    ntal = ours.copy()
    ntal[30:] = np.nan
    loading = service(ntal)
    holed = pressure()
    holed["pressure_pa"][:, 7] = np.nan
    filled, days = fill(loading, holed)
    xr.testing.assert_identical(filled, loading)
    assert days.size == 0


def test_a_day_whose_pressure_lacks_a_cell_is_left_absent(ours):
    ntal = ours.copy()
    ntal[30:] = np.nan
    holed = pressure()
    holed["pressure_pa"][35, 100] = np.nan
    filled, days = fill(service(ntal), holed)
    assert np.isnan(filled["ntal_up_mm"][35]).all()
    assert days.size == N_DAYS - 31


@settings(derandomize=True, deadline=None, max_examples=15)
@given(st.integers(0, 10**6), st.floats(0.0, 0.9), st.integers(5, N_DAYS))
def test_values_of_the_service_never_change(seed, share, n_pressure):
    random = np.random.default_rng(seed)
    ntal, ntol = random.normal(0.0, 3.0, (2, N_DAYS, 2))
    ntal[random.random(ntal.shape) < share] = np.nan
    ntol[random.random(ntol.shape) < share] = np.nan
    loading = service(ntal, ntol)
    filled, days = fill(loading, pressure(n_pressure))
    for name in ("ntal_up_mm", "ntol_up_mm"):
        there = np.isfinite(loading[name].values)
        np.testing.assert_array_equal(filled[name].values[there], loading[name].values[there])
    new = np.isfinite(filled["ntal_up_mm"].values) & np.isnan(ntal)
    np.testing.assert_array_equal(LOADING_DAYS[new.any(axis=1)].astype("datetime64[ns]"), days)
    common = np.isfinite(ntal[:n_pressure]).sum(axis=0)
    assert (new.any(axis=0) <= (common >= LEAST_COMMON_DAYS)).all()


def test_a_day_filled_before_moves_with_the_level_only(ours):
    """The pressure's own mean, which later days change, drops out."""
    ntal = ours + 2.0
    ntal[10:13] = np.nan
    early, _ = fill(service(ntal[:20], days=LOADING_DAYS[:20]), pressure(20))
    late, _ = fill(service(ntal))
    np.testing.assert_allclose(late["ntal_up_mm"][:20], early["ntal_up_mm"], atol=1e-9)
