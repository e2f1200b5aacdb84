from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import xarray as xr
from hypothesis import given, settings
from hypothesis import strategies as st

from dwlim_ops.correct import hydrological_displacement
from dwlim_ops.errors import ConfigError, ContractError
from dwlim_ops.qc.gnss import check_gnss
from dwlim_ops.qc.settings import GnssQcSettings

DATA = Path(__file__).parent / "data" / "loading"


def station(name):
    table = pd.read_csv(DATA / f"{name}.csv.gz")
    return table.set_index(pd.to_datetime(table["date"].astype(str))).drop(columns="date")


def corrected(table, ntal_mm, ntol_mm):
    return hydrological_displacement(
        table["raw_up_mm"].to_numpy()[:, None], ntal_up_mm=ntal_mm.to_numpy()[:, None],
        ntol_up_mm=ntol_mm.to_numpy()[:, None], series_frame="cf", loading_frame="cf")


def detrended(table, up_mm):
    series = xr.Dataset(
        {"up_mm": (("time", "station"), up_mm),
         "up_sigma_mm": (("time", "station"), table[["raw_up_sigma_mm"]].to_numpy())},
        coords={"time": table.index.values, "station": ["AHID"],
                **{name: ("station", [value]) for name, value in
                   (("longitude_deg", -111.06), ("latitude_deg", 42.77), ("height_m", 1925.0))}})
    span = table.index[0].date(), table.index[-1].date()
    everything = GnssQcSettings(trend="linear", maximum_sigma_mm=50.0, outlier_floor_mm=100.0)
    checked = check_gnss(series, everything, reference=span)
    return checked["up_mm"].sel(time=table.index.values).values[:, 0]


@pytest.mark.parametrize(("sign", "least_mm", "most_mm"), [(1, 0.0, 0.15), (-1, 5.0, 6.5)])
def test_the_producer_of_ahid_subtracted_both_loadings(sign, least_mm, most_mm):
    table = station("ahid")
    done = corrected(table, sign * table["ntal_up_mm"], sign * table["ntol_up_mm"])
    difference = detrended(table, done.up_mm) - 1000.0 * table["processed_up_m"].to_numpy()
    # The level is a convention, and a third of the days has another mean than the whole record.
    assert least_mm <= difference.std() <= most_mm


def test_the_right_sign_quietens_crcn_and_the_wrong_one_disturbs_it():
    table = station("crcn").asfreq("D")

    def day_to_day_variance(sign):
        done = corrected(table, 1000.0 * sign * table["ntal_up_m"],
                         1000.0 * sign * table["ntol_up_m"])
        subsidence = pd.DataFrame(done.up_mm).rolling(61, center=True, min_periods=7).median()
        return np.nanvar(done.up_mm - subsidence.to_numpy())

    right, none, wrong = (day_to_day_variance(sign) for sign in (1, 0, -1))
    assert right < 0.93 * none
    assert wrong > 1.2 * none


UP = np.array([[1.0, 2.0], [3.0, 4.0]])
NTAL = np.array([[0.5, -0.5], [np.nan, 1.0]])
NTOL = np.array([[0.1, 0.2], [0.3, 0.4]])


def test_what_is_already_removed_is_left_alone():
    done = hydrological_displacement(
        UP, ntal_up_mm=NTAL, ntol_up_mm=NTOL, already_removed=frozenset({"ntal", "ntol"}),
        series_frame="cm", loading_frame="cf")
    np.testing.assert_array_equal(done.up_mm, UP)
    assert (done.applied, done.missing) == ((), ())


def test_one_removed_one_given():
    done = hydrological_displacement(
        UP, ntal_up_mm=NTAL, ntol_up_mm=NTOL, already_removed=frozenset({"ntal"}),
        series_frame="cm", loading_frame="cm")
    np.testing.assert_allclose(done.up_mm, UP - NTOL)
    assert (done.applied, done.missing) == (("ntol",), ())


def test_absent_loading_is_recorded_and_an_absent_day_is_absent():
    done = hydrological_displacement(UP, ntal_up_mm=NTAL, series_frame="cf", loading_frame="cf")
    assert (done.applied, done.missing) == (("ntal",), ("ntol",))
    assert np.isnan(done.up_mm).tolist() == [[False, False], [True, False]]


def test_nothing_given_is_no_error():
    done = hydrological_displacement(UP, series_frame="cf")
    assert done.missing == ("ntal", "ntol")
    done.up_mm[0, 0] = 99.0
    assert UP[0, 0] == 1.0


@pytest.mark.parametrize("wrong", [
    {"loading_frame": "cf"}, {"loading_frame": None}, {"series_frame": "itrf"},
    {"loading_frame": "cm", "already_removed": frozenset({"hydrology"})},
])
def test_what_the_configuration_gets_wrong(wrong):
    given = {"ntal_up_mm": NTAL, "series_frame": "cm", "loading_frame": "cm", **wrong}
    with pytest.raises(ConfigError):
        hydrological_displacement(UP, **given)


def test_misaligned_days_are_our_bug():
    with pytest.raises(ContractError, match="days or points"):
        hydrological_displacement(UP, ntal_up_mm=NTAL[:1], series_frame="cf", loading_frame="cf")


@settings(max_examples=20, derandomize=True, deadline=None)
@given(st.lists(st.floats(-50, 50), min_size=3, max_size=3))
def test_adding_the_loading_back_restores_the_series(values):
    up, ntal, ntol = (np.array([[value]]) for value in values)
    done = hydrological_displacement(
        up, ntal_up_mm=ntal, ntol_up_mm=ntol, series_frame="ce", loading_frame="ce")
    np.testing.assert_allclose(done.up_mm + ntal + ntol, up, atol=1e-12)
