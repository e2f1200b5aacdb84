"""The climatology finds what a series was made of, and is honest about what it cannot know."""

from datetime import date

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dwlim_ops.contracts import CATEGORY_BOUNDS_PERCENT
from dwlim_ops.errors import ConfigError, ContractError
from dwlim_ops.products.climatology import (
    DAYS_PER_YEAR,
    LEAST_SPREAD_MM,
    N_CALENDAR_DAYS,
    ClimatologySettings,
    calendar_index,
    calendar_indices,
    fit_climatology,
)
from dwlim_ops.products.standing import percentile_of

EVERY = np.arange(N_CALENDAR_DAYS)
ANGLE = 2 * np.pi * (EVERY + 0.5) / N_CALENDAR_DAYS
NORMAL_MM = 12.0 + 40.0 * np.cos(ANGLE - 1.0) + 9.0 * np.sin(2 * ANGLE)
SPREAD_MM = np.sqrt(400.0 + 200.0 * np.cos(ANGLE - 2.0))
TREND = 3.0
FORGETFUL = ClimatologySettings(persistence_days=2.5)
FIRST, LAST = date(2001, 1, 1), date(2020, 12, 31)


def sampled(first: date, last: date) -> np.ndarray:
    return np.arange(np.datetime64(first), np.datetime64(last) + 1, 5)


def noise_of(n_days: int, n_points: int, *, persistence_days: float, seed: int) -> np.ndarray:
    """Unit variance, autocorrelation exp(-lag / persistence) at steps of 5 days."""
    random = np.random.default_rng(seed)
    keep = np.exp(-5.0 / persistence_days)
    series = random.standard_normal((n_days, n_points))
    for row in range(1, n_days):
        series[row] = keep * series[row - 1] + np.sqrt(1 - keep**2) * series[row]
    return series


@pytest.fixture(scope="module")
def found():
    days = sampled(FIRST, LAST)
    index = calendar_indices(days)
    years = (days - days[0]).astype(float) / DAYS_PER_YEAR
    noise = noise_of(days.size, 200, persistence_days=0.1, seed=0)
    values = (NORMAL_MM[index] + TREND * (years - years.mean()))[:, None] + (
        SPREAD_MM[index][:, None] * noise)
    return fit_climatology(days, values, first=FIRST, last=LAST, settings=FORGETFUL)


def test_the_normal_is_found(found):
    mean = found.normal_mm(EVERY).mean(axis=1)
    np.testing.assert_allclose(mean, NORMAL_MM, atol=0.5)
    assert found.n_harmonics == 2


def test_the_trend_is_beside_the_normal_and_in_the_spread(found):
    assert found.trend_mm_per_year.mean() == pytest.approx(TREND, abs=0.05)
    within = TREND**2 * 20**2 / 12
    np.testing.assert_allclose(found.spread_mm(EVERY).mean(axis=1),
                               np.sqrt(SPREAD_MM**2 + within), rtol=0.03)


def test_some_points_can_be_taken(found):
    assert found.take(np.array([3, 5])).normal_terms.shape == (5, 2)
    assert found.take(np.array([3])).trend_mm_per_year[0] == found.trend_mm_per_year[3]


@pytest.mark.parametrize("persistence_days", [30.0, 120.0])
def test_the_error_of_the_trend_allows_for_persistence(persistence_days):
    days = sampled(date(2001, 1, 1), date(2015, 12, 31))
    values = 20.0 * noise_of(days.size, 300, persistence_days=persistence_days, seed=1)
    found = fit_climatology(days, values, first=days[0].item(), last=days[-1].item(),
                            settings=ClimatologySettings(persistence_days=persistence_days))
    z = found.trend_mm_per_year / found.trend_sigma_mm_per_year
    assert z.std() == pytest.approx(1.0, abs=0.2)


@pytest.mark.parametrize("n_years", [3, 5, 10])
def test_new_years_fall_into_the_classes_as_often_as_these_say(n_years):
    """Few years tell little of the normal: percentiles of later days are uniform even so."""
    last = date(2000 + n_years, 12, 31)
    days = sampled(FIRST, LAST)
    values = 30.0 * noise_of(days.size, 250, persistence_days=235.0, seed=n_years)
    found = fit_climatology(days, values, first=FIRST, last=last,
                            settings=ClimatologySettings(n_harmonics=1))
    later = days > np.datetime64("2012-01-01")
    index = calendar_indices(days[later])
    standardized = (values[later] - found.normal_mm(index)) / found.spread_mm(index)
    percentile = percentile_of(standardized, found.n_independent)
    naive = percentile_of(standardized, 1e6)
    for bound in CATEGORY_BOUNDS_PERCENT[:5]:
        share = 50 * np.mean((percentile < bound) | (percentile > 100 - bound))
        assert share == pytest.approx(bound, rel=0.35, abs=0.9)
    assert 50 * np.mean((naive < 2) | (naive > 98)) > 3.0


def test_a_date_has_one_place_whatever_the_year():
    assert calendar_index(date(2016, 12, 31)) == calendar_index(date(2017, 12, 31)) == 365
    assert calendar_index(date(2016, 2, 29)) == 59
    assert calendar_index(date(2017, 2, 28)) == 58
    assert calendar_index(date(1900, 3, 1)) == calendar_index(date(2000, 3, 1)) == 60
    days = np.array(["2015-01-01", "2016-07-01"], "datetime64[ns]")
    assert calendar_indices(days).tolist() == [0, 182]


@settings(derandomize=True, deadline=None, max_examples=25)
@given(seed=st.integers(0, 10**6), scale=st.sampled_from([0.0, 1e-6, 1.0, 300.0]),
       summer_only=st.booleans())
def test_the_spread_is_never_below_its_least(seed, scale, summer_only):
    days = sampled(date(2001, 1, 1), date(2004, 12, 31))
    values = scale * np.random.default_rng(seed).standard_normal((days.size, 3))
    if summer_only:
        values[np.cos(ANGLE[calendar_indices(days)]) < 0.5] = 0.0
    found = fit_climatology(days, values, first=days[0].item(), last=days[-1].item(),
                            settings=ClimatologySettings())
    spread = found.spread_mm(EVERY)
    assert (spread >= LEAST_SPREAD_MM * (1 - 1e-9)).all()
    assert np.isfinite(spread).all()


def test_days_outside_of_the_period_do_not_count():
    days = sampled(FIRST, LAST)
    values = noise_of(days.size, 4, persistence_days=30.0, seed=5)
    period = {"first": date(2004, 1, 1), "last": date(2008, 12, 31)}
    one = fit_climatology(days, values, settings=FORGETFUL, **period)
    outside = (days < np.datetime64("2004-01-01")) | (days > np.datetime64("2008-12-31"))
    values[outside] = np.nan
    other = fit_climatology(days, values, settings=FORGETFUL, **period)
    assert one.normal_terms.tobytes() == other.normal_terms.tobytes()
    assert one.n_independent == pytest.approx(5 * 365.25 / 5.0, rel=0.01)


@pytest.mark.parametrize(("years", "exists"), [(2, False), (3, True)])
def test_too_few_years_give_none(years, exists):
    days = sampled(date(2001, 1, 1), date(2000 + years, 12, 31))
    found = fit_climatology(days, np.ones((days.size, 2)), first=FIRST, last=LAST,
                            settings=ClimatologySettings())
    assert (found is not None) == exists
    thinned = fit_climatology(days[::2], np.ones((days[::2].size, 2)), first=FIRST, last=LAST,
                              settings=ClimatologySettings())
    assert thinned is None


def test_an_absent_value_is_refused():
    days = sampled(FIRST, LAST)
    with pytest.raises(ContractError, match="absent"):
        fit_climatology(days, np.full((days.size, 1), np.nan), first=FIRST, last=LAST,
                        settings=ClimatologySettings())


@pytest.mark.parametrize("wrong", [
    {"stride_days": 0}, {"n_harmonics": 0}, {"minimum_years": 0}, {"persistence_days": -1.0},
    {"low_quality_share": 1.5}, {"first": date(2010, 1, 1), "last": date(2009, 1, 1)}])
def test_settings_are_checked(wrong):
    with pytest.raises(ConfigError, match=r"climatology\."):
        ClimatologySettings(**wrong)
