import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from dwlim_ops.verify.scores import (
    annual_amplitudes,
    annual_cycle,
    coverage,
    nse,
    pcc,
    rmse,
    spread_ratio,
    treated,
)

_series = arrays(float, 20, elements=st.floats(-100, 100, allow_nan=False))
_fast = settings(max_examples=30, deadline=None, derandomize=True)


@_fast
@given(_series, _series)
def test_correlation_agrees_with_numpy(x, y):
    if x.std() < 1e-3 or y.std() < 1e-3:
        return
    assert pcc(x, y) == pytest.approx(np.corrcoef(x, y)[0, 1], abs=1e-10)


@_fast
@given(_series, _series)
def test_nse_divides_by_the_observed_variance(simulated, observed):
    if observed.std() < 1e-3:
        return
    assert nse(simulated, observed) == pytest.approx(
        1 - rmse(simulated, observed) ** 2 / observed.var(), rel=1e-9, abs=1e-9)


def test_nse_is_not_symmetric():
    one, other = [0.0, 0.0, 0.5], [1.0, 2.0, 3.0]
    assert nse(one, other) != pytest.approx(nse(other, one))


def test_absent_days_do_not_count():
    assert rmse([1.0, np.nan, 3.0, 5.0], [1.0, 2.0, np.nan, 5.0]) == 0.0


@pytest.mark.parametrize("score", [pcc, nse, rmse])
def test_no_common_day_is_not_a_number(score):
    assert np.isnan(score([np.nan, 1.0], [1.0, np.nan]))


def test_shapes_must_agree():
    with pytest.raises(ValueError, match="shapes differ"):
        rmse([1.0], [1.0, 2.0])


@pytest.mark.parametrize(("amplitude", "phase_days"), [(40.0, 60.0), (3.0, 300.0)])
def test_annual_cycle_finds_what_was_put_in(amplitude, phase_days):
    days = np.arange("2005-01-01", "2012-01-01", dtype="datetime64[D]")
    since = (days - np.datetime64("2000-01-01")).astype(float)
    values = 7 + 0.01 * since + amplitude * np.cos(2 * np.pi * (since - phase_days) / 365.25)
    cycle = annual_cycle(days, values)
    assert cycle.amplitude == pytest.approx(amplitude, rel=1e-6)
    assert cycle.phase_days == pytest.approx(phase_days, abs=1e-4)


DAYS = np.arange("2009-01-15", "2013-12-15", 30, dtype="datetime64[D]")


@_fast
@given(st.tuples(*[st.floats(-80, 80) for _ in range(5)]), st.integers(0, 20))
def test_pure_seasons_leave_nothing(terms, n_absent):
    angle = 2 * np.pi * (DAYS - np.datetime64("2000-01-01")).astype(float) / 365.25
    mean, *seasons = terms
    values = mean + sum(size * wave for size, wave in zip(seasons, (
        np.cos(angle), np.sin(angle), np.cos(2 * angle), np.sin(2 * angle)), strict=True))
    values[:n_absent] = np.nan
    left = treated(DAYS, values, "deseasonalise")
    assert np.array_equal(np.isnan(left), np.isnan(values))
    assert np.nanmax(np.abs(left)) < 1e-9


def test_a_straight_line_leaves_nothing_and_a_season_stays():
    line = 3.0 - 0.02 * (DAYS - DAYS[0]).astype(float)
    assert treated(DAYS, line, "detrend") == pytest.approx(0, abs=1e-9)
    assert treated(DAYS, line, "mean") == pytest.approx(line - line.mean())
    season = np.cos(2 * np.pi * (DAYS - DAYS[0]).astype(float) / 365.25)
    assert treated(DAYS, season, "detrend").std() > 0.6


def test_too_few_values_leave_nothing_to_compare():
    values = np.full(DAYS.size, np.nan)
    values[:5] = 1.0
    assert np.isnan(treated(DAYS, values, "deseasonalise")).all()


def test_coverage_of_normal_errors_is_ninety_percent():
    random = np.random.default_rng(0)
    sigma = random.uniform(0.5, 4.0, 100_000)
    error = sigma * random.standard_normal(sigma.size)
    assert coverage(np.zeros(sigma.size), error, sigma) == pytest.approx(0.9, abs=0.003)
    assert coverage(np.zeros(sigma.size), error, sigma / 2) == pytest.approx(0.589, abs=0.01)
    assert np.isnan(coverage([np.nan], [1.0], [1.0]))


def test_the_ratio_of_spreads_ignores_absent_days():
    assert spread_ratio([2.0, 4.0, 9.0], [1.0, 2.0, np.nan]) == pytest.approx(2)
    assert np.isnan(spread_ratio([1.0, 2.0], [1.0, 1.0]))


def test_amplitudes_of_columns_are_those_of_each_alone():
    random = np.random.default_rng(2)
    values = random.normal(size=(DAYS.size, 4))
    values[3:9, 2] = np.nan
    values[:, 3] = np.nan
    together = annual_amplitudes(DAYS, values)
    alone = [annual_cycle(DAYS, column).amplitude for column in values.T]
    assert together == pytest.approx(alone, nan_ok=True)
    assert np.isnan(together[3])
