import numpy as np
import pytest

from dwlim_ops.products.checks import problems, summary
from dwlim_ops.products.daily import DayProduct


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
