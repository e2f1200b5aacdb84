"""Every way of breaking a contract is found, and named."""

import numpy as np
import pytest
import xarray as xr

from dwlim_ops.contracts import CEILINGS, FORCING, GNSS, GRACE, TIERS, check, tier_of
from dwlim_ops.errors import ContractError


@pytest.fixture
def gnss():
    shape = (3, 2)
    return xr.Dataset(
        {"up_mm": (("time", "station"), np.full(shape, 1.0)),
         "up_sigma_mm": (("time", "station"), np.full(shape, 2.0))},
        {"time": np.arange("2020-01-01", "2020-01-04", dtype="datetime64[D]").astype("M8[ns]"),
         "station": np.array(["ALBY", "DARW"]),
         "longitude_deg": ("station", [117.0, 130.0]), "latitude_deg": ("station", [-35.0, -12.0]),
         "height_m": ("station", [0.0, np.nan])})


def test_a_good_dataset_comes_back_as_it_is(gnss):
    assert check(gnss, GNSS, where="test") is gnss
    gnss["up_mm"][0, 0] = np.nan
    assert check(gnss, GNSS, where="test") is gnss
    assert check(gnss.isel(time=slice(0, 0)), GNSS, where="test").sizes["time"] == 0


def _with(dataset, name, value):
    changed = dataset.copy(deep=True)
    changed[name][dict.fromkeys(changed[name].dims, 0)] = value
    return changed


@pytest.mark.parametrize(("change", "name", "words"), [
    (lambda d: d.drop_vars("up_sigma_mm"), "up_sigma_mm", "missing"),
    (lambda d: d.drop_vars("height_m"), "height_m", "missing"),
    (lambda d: d.transpose("station", "time"), "up_mm", "dimensions"),
    (lambda d: d.assign(up_mm=d["up_mm"].astype(int)), "up_mm", "wrong type"),
    (lambda d: d.assign_coords(station=[1, 2]), "station", "wrong type"),
    (lambda d: _with(d, "up_mm", 1000.1), "up_mm", "out of range"),
    (lambda d: _with(d, "up_sigma_mm", -0.1), "up_sigma_mm", "out of range"),
    (lambda d: _with(d, "longitude_deg", 230.0), "longitude_deg", "out of range"),
    (lambda d: _with(d, "up_mm", np.inf), "up_mm", "infinite"),
    (lambda d: d.isel(time=[0, 0, 1]), "time", "repeated or unsorted"),
    (lambda d: d.isel(time=[1, 0, 2]), "time", "repeated or unsorted"),
])
def test_each_violation_names_stage_contract_and_variable(gnss, change, name, words):
    with pytest.raises(ContractError, match=words) as caught:
        check(change(gnss), GNSS, where="a stage")
    assert f"a stage: gnss.{name}" in str(caught.value)


def test_a_bit_mask_is_an_unsigned_integer():
    shape = (1, 1)
    forcing = xr.Dataset(
        {"temperature_k": (("time", "cell"), np.full(shape, 280.0)),
         "pressure_pa": (("time", "cell"), np.full(shape, 1e5)),
         "flag": (("time", "cell"), np.zeros(shape, np.uint8))},
        {"time": np.array(["2020-01-01"], "M8[ns]"), "cell": [0], "longitude_deg": ("cell", [1.0]),
         "latitude_deg": ("cell", [2.0])})
    check(forcing, FORCING, where="test")
    with pytest.raises(ContractError, match=r"forcing\.flag"):
        check(forcing.assign(flag=forcing["flag"].astype(np.int64)), FORCING, where="test")
    with pytest.raises(ContractError, match=r"forcing\.pressure_pa.*1000"):
        check(forcing.assign(pressure_pa=forcing["pressure_pa"] / 100), FORCING, where="test")


def test_single_days_have_no_order():
    grace = xr.Dataset({"twsa_mm": (("time", "lat", "lon"), np.zeros((1, 2, 2)))},
                       {"time": np.array(["2020-01-01"], "M8[ns]")})
    assert check(grace, GRACE, where="test") is grace


@pytest.mark.parametrize(("streams", "tier"), [
    ({}, "preview"),
    ({"up_mm": "final"}, "definitive"),
    ({"up_mm": "rapid"}, "era5t"),
    ({"up_mm": "final", "pressure_pa": "", "temperature_k": "final"}, "preview"),
    ({"up_mm": "rapid", "pressure_pa": "era5", "temperature_k": "final"}, "era5t"),
    ({"up_mm": "final", "pressure_pa": "era5t", "temperature_k": "era5t"}, "final_gnss"),
    ({"up_mm": "final", "pressure_pa": "era5", "temperature_k": "gldas_ep"}, "gldas_ep"),
    ({"up_mm": "final", "pressure_pa": "era5", "temperature_k": "gldas_da",
      "ntal_up_mm": "analysis"}, "definitive"),
    ({"up_mm": "final", "ntal_up_mm": "forecast"}, "preview"),
])
def test_the_tier_of_a_day_is_that_of_its_weakest_stream(streams, tier):
    assert tier_of(streams) == tier


@pytest.mark.parametrize("quantity", CEILINGS)
def test_a_better_stream_never_allows_less(quantity):
    allowed = [TIERS.index(tier) for tier in CEILINGS[quantity].values()]
    assert allowed == sorted(allowed)
    assert allowed[-1] == len(TIERS) - 1
