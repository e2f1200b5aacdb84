"""How a value stands against its climatology: probabilities that keep what they promise."""

import csv
import io
import json
from datetime import date

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from dwlim_ops.contracts import CATEGORIES, CATEGORY_BOUNDS_PERCENT, BasinRow
from dwlim_ops.products.climatology import Climatology
from dwlim_ops.products.standing import (
    COLUMNS,
    anomaly_field,
    category_of,
    class_probabilities,
    climatology_block,
    distribution_in_words,
    percentile_of,
    standardized_bounds,
    standing_block,
    standing_value,
    standings_of,
    standings_to_csv,
)

FEW = settings(derandomize=True, deadline=None, max_examples=50)
VALUES = st.floats(-300, 300)
SIGMAS = st.floats(0.1, 100)
SPREADS = st.floats(1.0, 100)
INDEPENDENT = st.floats(2.0, 40.0)
DAY = date(2017, 3, 1)


def climatology(*normals, spread_mm=30.0, n_independent=1e6):
    """A constant normal at each point."""
    n = len(normals)
    return Climatology(
        date(2009, 1, 1), date(2013, 12, 31), np.vstack([normals, np.zeros((4, n))]),
        np.vstack([np.full(n, spread_mm**2), np.zeros((2, n))]), np.full(n, 1.5),
        np.full(n, 0.5), n_independent)


def row(twsa_mm, sigma_mm=10.0, *, basin="7", day=DAY, revision=0):
    return BasinRow(day, basin, "dwlim_st", twsa_mm, sigma_mm, "era5t", revision)


@FEW
@given(VALUES, SIGMAS, VALUES, SPREADS, INDEPENDENT)
def test_probabilities_are_shares_of_one(value, sigma, normal, spread, n):
    p = class_probabilities(value, sigma, normal, spread, n)
    assert p.shape == (len(CATEGORIES),)
    assert (p >= 0).all()
    assert p.sum() == pytest.approx(1.0, abs=1e-12)


@FEW
@given(VALUES, SIGMAS, SPREADS, INDEPENDENT)
def test_wet_mirrors_dry(value, sigma, spread, n):
    dry = class_probabilities(-value, sigma, 0.0, spread, n)
    wet = class_probabilities(value, sigma, 0.0, spread, n)
    np.testing.assert_allclose(dry, wet[::-1], atol=1e-9)
    assert percentile_of(-value / spread, n) == pytest.approx(100 - percentile_of(value / spread,
                                                                                  n))


@FEW
@given(VALUES, st.floats(0.1, 100), SIGMAS, SPREADS, INDEPENDENT)
def test_more_water_is_never_drier(value, more, sigma, spread, n):
    before, after = (class_probabilities(v, sigma, 0.0, spread, n).cumsum()
                     for v in (value, value + more))
    assert (after <= before + 1e-12).all()
    assert percentile_of((value + more) / spread, n) >= percentile_of(value / spread, n)
    assert CATEGORIES.index(category_of(float(percentile_of((value + more) / spread, n)))) >= (
        CATEGORIES.index(category_of(float(percentile_of(value / spread, n)))))


@FEW
@given(VALUES, SPREADS, INDEPENDENT)
def test_without_an_error_there_is_the_class_of_the_value(value, spread, n):
    p = class_probabilities(value, 0.0, 0.0, spread, n)
    assert sorted(p.tolist()) == [0.0] * 10 + [1.0]
    distance = np.abs(value / spread - standardized_bounds(n)).min()
    if distance > 1e-9:
        assert CATEGORIES[int(p.argmax())] == category_of(float(percentile_of(value / spread, n)))
        near = class_probabilities(value, 1e-12, 0.0, spread, n)
        np.testing.assert_allclose(near, p, atol=1e-9)


def test_bounds_are_those_of_the_percentiles():
    np.testing.assert_allclose(percentile_of(standardized_bounds(4.0), 4.0),
                               CATEGORY_BOUNDS_PERCENT)
    np.testing.assert_allclose(standardized_bounds(1e9), stats.norm.ppf(
        np.array(CATEGORY_BOUNDS_PERCENT) / 100), atol=1e-6)
    assert [category_of(p) for p in (0, 2, 5, 10, 20, 30, 70, 80, 90, 95, 98, 100)] == [
        *CATEGORIES, "W4"]


def test_unknown_values_have_unknown_probabilities():
    assert np.isnan(class_probabilities(np.nan, 1.0, 0.0, 1.0, 5.0)[1:-1]).all()
    assert np.isnan(class_probabilities(0.0, np.nan, 0.0, 1.0, 5.0)[1:-1]).all()


def test_probabilities_are_those_of_the_posterior_between_the_bounds():
    known = climatology(10.0, spread_mm=30.0, n_independent=4.0)
    (one,) = standings_of(known, ["7"], [row(-30.0, 20.0)])[DAY]
    t = stats.t(df=7.0, scale=30.0 * np.sqrt(1.25), loc=10.0)
    bounds = t.ppf(np.array(CATEGORY_BOUNDS_PERCENT) / 100)
    expected = np.diff(stats.norm(-30.0, 20.0).cdf([-np.inf, *bounds, np.inf]))
    np.testing.assert_allclose(one.probabilities, expected, atol=1e-9)
    assert one.percentile == pytest.approx(100 * t.cdf(-30.0))
    assert one.standardized_anomaly == pytest.approx(-40.0 / 30.0)


def test_classes_are_met_as_often_as_their_names_say():
    random = np.random.default_rng(0)
    rows = [row(value, revision=number)
            for number, value in enumerate(30.0 * random.standard_normal(5000))]
    made = [one.category for one in standings_of(climatology(0.0), ["7"], rows)[DAY]]
    shares = np.diff([0, *CATEGORY_BOUNDS_PERCENT, 100]) / 100
    np.testing.assert_allclose([made.count(name) / len(made) for name in CATEGORIES], shares,
                               atol=0.02)


def test_a_standing_says_how_a_basin_compares():
    vetoes = {(DAY, 3): {"12": "only 4 stations"}}
    rows = [row(-50.0, basin="7", revision=3), row(20.0, basin="12", revision=3),
            row(float("nan"), basin="12", revision=4), row(1.0, float("nan"), basin="7"),
            row(1.0, basin="elsewhere")]
    west, east = standings_of(climatology(10.0, 20.0), ["7", "12"], rows, vetoes=vetoes)[DAY]
    assert (west.basin, west.normal_mm, west.spread_mm, west.veto) == ("7", 10.0, 30.0, "")
    assert west.standardized_anomaly == pytest.approx(-2.0)
    assert west.percentile == pytest.approx(100 * stats.norm.cdf(-2.0), abs=1e-3)
    assert (west.category, east.category) == ("D3", "N")
    assert east.veto == "only 4 stations"
    assert (west.tier, west.revision, west.method) == ("era5t", 3, "dwlim_st")
    assert standings_of(climatology(10.0), ["7"], []) == {}


def test_the_normal_is_that_of_the_day():
    known = climatology(0.0)
    known.normal_terms[1] = 40.0
    winter, summer = (standings_of(known, ["7"], [row(0.0, day=day)])[day][0].normal_mm
                      for day in (date(2017, 1, 1), date(2017, 7, 2)))
    assert winter == pytest.approx(40.0, abs=0.1)
    assert summer == pytest.approx(-40.0, abs=0.1)


def test_cells_off_the_climatology_have_none():
    field = anomaly_field(np.array([40.0, 5.0]), DAY, climatology(10.0, np.nan), method="tragnss")
    assert field.standardized[0] == pytest.approx(1.0)
    assert field.percentile[0] == pytest.approx(84.13, abs=0.01)
    assert np.isnan(field.standardized[1])
    assert np.isnan(field.percentile[1])
    assert (field.period, field.n_harmonics) == ("2009-01-01/2013-12-31", 2)
    assert distribution_in_words(climatology(0.0, n_independent=4.0)).startswith(
        "Student's t with 7.0 degrees of freedom")


def test_blocks_of_a_basins_document():
    known = climatology(10.0, 20.0)
    block = climatology_block(known, 1)
    assert block["normal_mm"] == [20.0] * 366
    assert block["spread_mm"] == [30.0] * 366
    assert (block["first"], block["trend_mm_per_year"], block["trend_sigma_mm_per_year"]) == (
        "2009-01-01", 1.5, 0.5)
    days = [date(2017, 3, 2), DAY]
    made = [standings_of(known, ["7"], [row(-50.0, day=day)])[day][0] for day in days]
    columns = standing_block(made)
    assert columns["date"] == ["2017-03-01", "2017-03-02"]
    assert columns["category"] == ["D3", "D3"]
    assert columns["method"] == "dwlim_st"
    assert len(columns["probabilities"][0]) == len(CATEGORIES)
    one = standing_value(made[1])
    assert one == {name: value if name == "method" else value[0]
                   for name, value in columns.items()}
    assert json.loads(json.dumps(one)) == one
    assert standing_block([]) is None


def test_the_table_is_read_by_any_reader_of_csv():
    (one,) = standings_of(climatology(10.0), ["7"], [row(-50.0)],
                          vetoes={(DAY, 0): {"7": "a, b"}})[DAY]
    (read,) = csv.DictReader(io.StringIO(standings_to_csv([one])))
    assert tuple(read) == COLUMNS
    assert (read["date"], read["basin"], read["category"], read["veto"]) == (
        "2017-03-01", "7", "D3", "a, b")
    assert float(read["probability_D3"]) == pytest.approx(one.probabilities[1], abs=1e-4)
    assert standings_to_csv([]).splitlines() == [",".join(COLUMNS)]
