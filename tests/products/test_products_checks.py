from dataclasses import replace

import numpy as np
import pytest

from dwlim_ops.products.checks import basin_vetoes, problems, summary
from dwlim_ops.products.contents import QualityLimits
from dwlim_ops.products.daily import DayProduct, build


def test_good_product_has_no_problem(region):
    assert problems(region.product()) == ()


@pytest.mark.parametrize(("name", "value", "word"), [
    ("twsa", np.nan, "have a value"),
    ("twsa", 1200.0, "median size"),
    ("twsa", 7.0, "differs from the published estimate"),
    ("twsa_dwlim", 7.0, "differs from the published estimate"),
    ("twsa_sigma", 0.0, "not positive"),
    ("twsa_sigma", np.nan, "not positive"),
    ("twsa_sigma", -3.0, "not positive"),
])
def test_each_defect_is_named(broken, name, value, word):
    assert any(word in problem for problem in problems(broken(name, value)))


def _with(product: DayProduct, root) -> DayProduct:
    return DayProduct(root, product.stations, product.simulated_cells)


def test_one_absurd_cell_is_enough(region):
    product = region.product()
    root = product.root.copy(deep=True)
    inside = tuple(np.argwhere(np.isfinite(root["twsa"].values))[10])
    for name in ("twsa", "twsa_dwlim"):
        root[name].values[inside] = -5200.0
    assert [p for p in problems(_with(product, root)) if "5200" in p]
    assert len(problems(_with(product, root))) == 1


def test_value_at_sea_wrong_day_and_lost_estimate(region):
    product = region.product()
    sea = product.root.copy(deep=True)
    sea["twsa"].values[0, 0, 0] = sea["twsa_dwlim"].values[0, 0, 0] = 1.0
    assert problems(_with(product, sea)) == ("twsa: values outside the published land cells",)
    late = product.root.assign_coords(time=product.root["time"] + np.timedelta64(1, "D"))
    assert problems(_with(product, late)) == (
        "time: 2017-06-02 is not the day 2017-06-01 of the attributes",)
    lost = product.root.drop_vars("twsa_dwlim")
    assert "twsa_dwlim is not in the product" in problems(_with(product, lost))[0]


def test_product_without_land_is_not_publishable(region):
    product = region.product()
    root = product.root.copy(deep=True)
    root["quality_flag"].values[:] = 32
    assert problems(_with(product, root)) == ("twsa: no land cell in the product",)


def test_summary_counts(region):
    numbers = summary(region.product())
    assert numbers["n_stations"] == 30
    assert numbers["n_stations_used"] == 29
    assert numbers["n_simulated_cells"] == 3
    assert numbers["n_land_cells"] == 120  # 6 by 5 degrees in cells of half a degree
    assert numbers["median_sigma_mm"] == 20.0
    assert numbers["share_low_resolution"] == 0.0


@pytest.mark.parametrize("value", [np.nan, -1.0, 101.0])
def test_a_percentile_that_is_none_is_named(region, value):
    product = region.product(anomaly=region.anomaly())
    assert problems(product) == ()
    product.root["twsa_percentile"].values[np.isfinite(product.root["twsa"].values)] = value
    assert problems(product) == (
        "twsa_percentile: not between 0 and 100 in 120 cells with a value",)


def vetoes(region, most_flagged=0.5, resolution_km=250.0, sigma_mm=20.0, n_stations=10):
    published = replace(region.both()[1], resolution_km=resolution_km + np.zeros(
        region.grid.land.size), sigma_mm=sigma_mm + np.zeros(region.grid.land.size))
    product = build(region.grid, [region.both()[0], published], region.stations, region.simulated,
                    region.provenance, limits=QualityLimits(n_stations=n_stations))
    return basin_vetoes(product, region.grid, region.basins, most_flagged=most_flagged)


def test_no_alert_comes_of_a_basin_that_the_data_hardly_see(region):
    assert vetoes(region) == {}
    lon, _ = region.grid.cells
    coarse = np.where(lon < 122.0, 5000.0, 100.0)  # two thirds of the west
    assert vetoes(region, resolution_km=coarse) == {"7": "low resolution in 67% of the basin"}
    assert vetoes(region, resolution_km=coarse, most_flagged=0.7) == {}
    assert vetoes(region, sigma_mm=500.0) == dict.fromkeys(
        ("7", "12"), "large uncertainty in 100% of the basin")
    assert vetoes(region, n_stations=30, resolution_km=coarse) == {
        "7": "only 29 stations; low resolution in 67% of the basin", "12": "only 29 stations"}
