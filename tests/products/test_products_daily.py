from dataclasses import replace
from datetime import datetime

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dwlim_ops.errors import ContractError
from dwlim_ops.geometry import distance_deg
from dwlim_ops.products.attributes import change_rms_mm
from dwlim_ops.products.contents import QualityLimits
from dwlim_ops.products.daily import (
    MOST_STANDARDIZED,
    QUALITY_FLAGS,
    STEP,
    build,
    quality_flag,
)


def test_values_stand_on_published_land_only(region):
    product = region.product()
    published = region.grid.on_grid(region.grid.land.astype(float), fill=0.0) > 0
    twsa = product.root["twsa"].values[0]
    assert product.root["twsa"].dims == ("time", "lat", "lon")
    np.testing.assert_array_equal(np.isfinite(twsa), published)
    truth = region.grid.on_grid(region.both()[1].twsa_mm)[published]
    np.testing.assert_allclose(twsa[published], truth, atol=STEP / 2 + 1e-5)
    np.testing.assert_array_equal(twsa, product.root["twsa_dwlim"].values[0])
    difference = (product.root["twsa_dwlim"] - product.root["twsa_tragnss"]).values[0][published]
    np.testing.assert_allclose(difference, 5.0, atol=STEP + 1e-5)


def test_day_and_cells_are_bounded(region):
    root = region.product().root
    np.testing.assert_array_equal(root["time_bnds"].values.astype("M8[D]").astype(str),
                                  [["2017-06-01", "2017-06-02"]])
    np.testing.assert_allclose(root["lat_bnds"].mean("bnds"), root["lat"])
    np.testing.assert_allclose(np.diff(root["lon_bnds"]), region.grid.spacing_deg)


def test_absent_dwlim_is_missing_and_flagged(region):
    gnss_only = replace(region.provenance, published_method="tragnss")
    product = build(region.grid, region.both()[:1], region.stations, None, gnss_only)
    assert np.isnan(product.root["twsa_dwlim"]).all()
    land = np.isfinite(product.root["twsa"].values)
    flag = product.root["quality_flag"].values
    assert (flag[land] & QUALITY_FLAGS["dwlim_absent"] > 0).all()
    assert (flag[~land] == QUALITY_FLAGS["outside_land"]).all()
    assert product.simulated_cells.sizes["cell"] == 0
    assert not (region.product().root["quality_flag"].values & QUALITY_FLAGS["dwlim_absent"]).any()


def test_nearest_used_station_decides_the_flag(region):
    limits = QualityLimits(station_distance_km=60.0, n_stations=1)
    table = replace(region.stations, flag=np.array([0, 2] * 15, np.uint8))
    flag = quality_flag(region.grid, region.both()[0], table, dwlim_absent=False, limits=limits)
    lon, lat = region.grid.cells
    used = table.used
    assert used.sum() == 14
    distance_km = np.radians(distance_deg(
        lon, lat, table.longitude_deg[used], table.latitude_deg[used])).min(axis=1) * 6371.0
    truth = np.where(region.grid.land, (distance_km > 60.0) * QUALITY_FLAGS["no_station_nearby"],
                     QUALITY_FLAGS["outside_land"])
    np.testing.assert_array_equal(flag[region.grid.domain], truth)
    assert 0 < (truth[region.grid.land] > 0).mean() < 1


@pytest.mark.parametrize(("name", "limits"), [
    ("low_resolution", QualityLimits(resolution_km=249.0)),
    ("large_uncertainty", QualityLimits(sigma_mm=19.0)),
    ("few_stations", QualityLimits(n_stations=30)),
])
def test_each_limit_sets_its_bit_alone(region, name, limits):
    product = build(region.grid, region.both(), region.stations, region.simulated,
                    region.provenance, limits=limits)
    land = np.isfinite(product.root["twsa"].values)
    assert (product.root["quality_flag"].values[land] == QUALITY_FLAGS[name]).all()


def test_undefined_resolution_counts_as_low(region):
    n_cells = region.both()[1].twsa_mm.size
    endless = replace(region.both()[1], resolution_km=np.full(n_cells, np.inf))
    product = build(region.grid, [region.both()[0], endless], region.stations, None,
                    region.provenance)
    land = np.isfinite(product.root["twsa"].values)
    assert (product.root["quality_flag"].values[land] & QUALITY_FLAGS["low_resolution"] > 0).all()
    assert np.isnan(product.root["resolution_km"].values).all()


def test_no_station_at_all_is_far_from_any(region):
    none = replace(region.stations, up_mm=np.full(30, np.nan))
    flag = quality_flag(region.grid, region.both()[0], none, dwlim_absent=False,
                        limits=QualityLimits(n_stations=1))
    assert set(flag[region.grid.domain][region.grid.land]) == {
        QUALITY_FLAGS["no_station_nearby"] + QUALITY_FLAGS["few_stations"]}


@settings(derandomize=True, deadline=None, max_examples=10)
@given(change=st.floats(-300, 300))
def test_uniform_change_is_its_own_rms(region, change):
    before = region.product()
    shifted = [replace(r, twsa_mm=r.twsa_mm + change) for r in region.both()]
    after = build(region.grid, shifted, region.stations, region.simulated,
                  replace(region.provenance, revision=2), previous=before)
    rms = after.root.attrs["change_from_previous_revision_rms_mm"]
    assert rms == pytest.approx(abs(change), abs=2 * STEP)
    assert "change_from_previous_revision_rms_mm" not in before.root.attrs


def test_change_between_two_grids_counts_common_cells(region):
    before = region.product()
    smaller = region.product().root.isel(lat=slice(5, None))
    smaller["twsa"] = smaller["twsa"] + 6.0
    assert change_rms_mm(smaller, before.root) == pytest.approx(6.0, abs=1e-5)
    elsewhere = smaller.assign_coords(lat=smaller["lat"] + 40.0)
    assert np.isnan(change_rms_mm(elsewhere, before.root))


def test_estimates_that_do_not_fit_are_refused(region):
    with pytest.raises(ContractError, match="dwlim"):
        build(region.grid, region.both()[:1], region.stations, None, region.provenance)
    with pytest.raises(ContractError, match="unknown estimate"):
        build(region.grid, [*region.both(), region.result("magic", 1.0)], region.stations, None,
              region.provenance)
    short = replace(region.both()[1], sigma_mm=np.ones(3))
    with pytest.raises(ContractError, match=r"dwlim\.sigma_mm"):
        build(region.grid, [short], region.stations, None, region.provenance)


def test_provenance_needs_a_zone_and_an_id_without_blanks(region):
    with pytest.raises(ContractError, match="zone"):
        replace(region.provenance, as_of=datetime(2017, 6, 3))  # noqa: DTZ001
    with pytest.raises(ContractError, match="blanks"):
        replace(region.provenance, product_id="a b")


def test_space_time_estimate_gets_its_own_variable(region):
    product = build(region.grid, [*region.both(), region.result("dwlim_st", 3.0)], region.stations,
                    region.simulated, replace(region.provenance, published_method="dwlim_st"))
    assert np.nanmax(product.root["twsa"]) == np.nanmin(product.root["twsa_dwlim_st"]) == 3.0
    assert "twsa_dwlim_st" not in region.product().root
    assert product.root.attrs["dwlim_st_n_data"] == 30


def test_standing_of_the_published_estimate_is_in_the_file(region):
    root = region.product(anomaly=region.anomaly()).root
    land = np.isfinite(root["twsa"].values)
    for name in ("twsa_standardized_anomaly", "twsa_percentile"):
        np.testing.assert_array_equal(np.isfinite(root[name].values), land)
        low, high = root[name].attrs["valid_range"]
        assert ((root[name].values[land] >= low) & (root[name].values[land] <= high)).all()
    np.testing.assert_allclose(root["twsa_standardized_anomaly"].values[land],
                               root["twsa"].values[land] / 40.0, atol=STEP)
    assert root.attrs["climatology_period"] == "2010-01-01/2016-12-31"
    assert root.attrs["climatology_method"] == "dwlim"
    assert root.attrs["percentile_distribution"] == "Student's t"


def test_an_anomaly_beyond_the_range_stands_at_its_end(region):
    wild = replace(region.anomaly(), standardized=np.full(region.grid.land.size, -70.0))
    values = region.product(anomaly=wild).root["twsa_standardized_anomaly"].values
    assert np.nanmin(values) == np.nanmax(values) == -MOST_STANDARDIZED


def test_without_a_climatology_the_reason_is_told(region):
    root = region.product(climatology_absence="the period is not over").root
    assert root.attrs["climatology_absence"] == "the period is not over"
    assert not {"twsa_percentile", "twsa_standardized_anomaly"} & set(root)
    assert "climatology_period" not in root.attrs
    assert "climatology_absence" not in region.product().root.attrs
