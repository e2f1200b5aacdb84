"""Daily basin series against monthly GRACE."""

from datetime import date

import numpy as np
import pytest
import xarray as xr
from shapely.geometry import box

from dwlim_ops.geometry import Basins, make_grid
from dwlim_ops.verify.grace import (
    MonthlyBasins,
    grace_of_basins,
    in_gap,
    over_spans,
    score_basins,
)

MONTHS = np.arange("2010-01", "2013-01", dtype="datetime64[M]").astype("datetime64[D]")
ENDS = np.arange("2010-02", "2013-02", dtype="datetime64[M]").astype("datetime64[D]")


@pytest.fixture
def grid():
    return make_grid(box(10, 40, 14, 42), 0.5, 0.0)


@pytest.fixture
def basins(grid):
    lon, _ = grid.cells
    weight = np.stack([lon < 12, lon > 12]).astype(float)
    return Basins(("1", "2"), ("West", "East"), weight / weight.sum(axis=1, keepdims=True))


def grace_of(values, lat=(40.5, 41.5), lon=(10.5, 11.5, 12.5, 13.5)):
    return xr.Dataset(
        {"twsa_mm": (("time", "lat", "lon"), values),
         "time_bounds": (("time", "bounds"), np.stack([MONTHS, ENDS], axis=1).astype("M8[ns]"))},
        {"time": MONTHS.astype("M8[ns]"), "lat": list(lat), "lon": list(lon)})


def test_a_cell_takes_the_grace_cell_that_contains_it(grid, basins):
    values = np.zeros((36, 2, 4))
    values[:, 0] = np.arange(36)[:, None] * np.array([1.0, 3.0, 10.0, 20.0])
    means = grace_of_basins(grace_of(values), grid, basins,
                            reference=(date(2010, 1, 1), date(2012, 12, 31)))
    expected = np.arange(36)[:, None] * np.array([1.0, 7.5])
    assert means.twsa_mm == pytest.approx(expected - expected.mean(axis=0))
    assert np.array_equal(means.start, MONTHS)
    assert np.array_equal(means.end, ENDS)


def test_the_order_of_latitudes_does_not_matter(grid, basins):
    values = np.random.default_rng(1).normal(size=(36, 2, 4))
    period = date(2010, 1, 1), date(2012, 12, 31)
    up = grace_of_basins(grace_of(values), grid, basins, reference=period)
    upside_down = grace_of(values[:, ::-1], lat=(41.5, 40.5))
    down = grace_of_basins(upside_down, grid, basins, reference=period)
    assert np.array_equal(up.twsa_mm, down.twsa_mm)


def test_the_level_is_that_of_the_months_wholly_in_the_reference_period(grid, basins):
    values = np.broadcast_to(np.arange(36.0)[:, None, None], (36, 2, 4))
    means = grace_of_basins(grace_of(values), grid, basins,
                            reference=(date(2010, 1, 1), date(2010, 12, 31)))
    assert means.twsa_mm[:, 0] == pytest.approx(np.arange(36) - 5.5)
    cut = grace_of_basins(grace_of(values), grid, basins,
                          reference=(date(2010, 1, 2), date(2010, 12, 30)))
    assert cut.twsa_mm[:, 0] == pytest.approx(np.arange(36) - 5.5)
    outside = grace_of_basins(grace_of(values), grid, basins,
                              reference=(date(1990, 1, 1), date(1991, 1, 1)))
    assert outside.twsa_mm[:, 0] == pytest.approx(np.arange(36) - 17.5)


def spans(n_basins=1):
    return MonthlyBasins(MONTHS, ENDS, np.zeros((36, n_basins)))


def test_the_middle_of_a_span_is_half_way():
    assert spans().middle[0] == np.datetime64("2010-01-16")
    assert spans().middle[1] == np.datetime64("2010-02-15")


def test_daily_values_are_averaged_over_each_span():
    days = np.arange("2010-01-01", "2013-01-01", dtype="datetime64[D]")
    month = days.astype("datetime64[M]").astype(int) % 12
    means = over_spans(days, month[:, None].astype(float), spans())
    assert means[:, 0] == pytest.approx(np.tile(np.arange(12), 3))


def test_a_span_with_too_few_days_has_no_mean():
    days = np.arange("2010-01-01", "2010-02-01", dtype="datetime64[D]")
    values = np.ones((31, 2))
    values[18:, 0] = np.nan
    values[19:, 1] = np.nan
    means = over_spans(days, values, spans(2), minimum_share=0.6)
    assert np.isnan(means[0, 0])
    assert means[0, 1] == 1.0
    assert np.isnan(means[1:]).all()


def test_scores_are_about_the_means_of_the_common_months(basins):
    random = np.random.default_rng(3)
    truth = 50 * np.cos(2 * np.pi * np.arange(36) / 12)[:, None] + random.normal(0, 5, (36, 2))
    grace = MonthlyBasins(MONTHS, ENDS, truth)
    ours = truth + np.array([300.0, 0.0])
    ours[:, 1] *= 2.0
    ours[30:, 0] = np.nan
    west, east = score_basins(basins.name, grace, ours)
    assert (west.basin, west.n_months) == ("West", 30)
    of_west, of_east = (one.agreement["mean"] for one in (west, east))
    assert (of_west.pcc, of_west.nse, of_west.rmse_mm) == pytest.approx((1, 1, 0), abs=1e-9)
    assert east.n_months == 36
    assert of_east.pcc == pytest.approx(1)
    assert of_east.nse == pytest.approx(0, abs=1e-9)
    assert of_east.rmse_mm == pytest.approx(truth[:, 1].std())
    assert east.cycle.amplitude == pytest.approx(2 * east.grace_cycle.amplitude)
    assert east.cycle.phase_days == pytest.approx(east.grace_cycle.phase_days)


def test_no_common_month_is_no_score(basins):
    grace = MonthlyBasins(MONTHS, ENDS, np.zeros((36, 2)))
    for score in score_basins(basins.name, grace, np.full((36, 2), np.nan)):
        assert score.n_months == 0
        for one in score.agreement.values():
            assert np.isnan([one.pcc, one.nse, one.rmse_mm]).all()


def test_a_shared_season_does_not_help_the_deseasonalised_score():
    random = np.random.default_rng(5)
    season = 80 * np.cos(2 * np.pi * np.arange(36) / 12)[:, None]
    grace = MonthlyBasins(MONTHS, ENDS, season + random.normal(0, 10, (36, 1)))
    (score,) = score_basins(("Basin",), grace, season + random.normal(0, 10, (36, 1)))
    assert score.agreement["mean"].pcc > 0.95
    assert abs(score.agreement["deseasonalise"].pcc) < 0.5
    assert score.agreement["deseasonalise"].rmse_mm < 20


def test_detrending_takes_the_same_line_out_of_both():
    line = np.arange(36.0)[:, None]
    noise = np.random.default_rng(6).normal(0, 5, (36, 1))
    grace = MonthlyBasins(MONTHS, ENDS, noise + 4 * line)
    (score,) = score_basins(("Basin",), grace, noise)
    assert score.agreement["mean"].nse < 0.1
    assert score.agreement["detrend"].nse == pytest.approx(1, abs=1e-3)


def test_months_of_the_gap_between_the_satellites_are_masked(grid, basins):
    months = np.arange("2017-01", "2019-01", dtype="datetime64[M]").astype("datetime64[D]")
    ends = np.arange("2017-02", "2019-02", dtype="datetime64[M]").astype("datetime64[D]")
    values = np.ones((24, 2, 4))
    values[6:17] = 1000.0
    filled = xr.Dataset(
        {"twsa_mm": (("time", "lat", "lon"), values),
         "time_bounds": (("time", "bounds"), np.stack([months, ends], axis=1).astype("M8[ns]"))},
        {"time": months.astype("M8[ns]"), "lat": [40.5, 41.5], "lon": [10.5, 11.5, 12.5, 13.5]})
    means = grace_of_basins(filled, grid, basins, reference=(date(2017, 1, 1), date(2018, 12, 31)))
    absent = np.isnan(means.twsa_mm).all(axis=1)
    assert means.start[absent][0] == np.datetime64("2017-07-01")
    assert means.start[absent][-1] == np.datetime64("2018-05-01")
    assert absent.sum() == 11
    assert means.twsa_mm[~absent] == pytest.approx(0)
    assert np.array_equal(in_gap(months, ends), absent)
