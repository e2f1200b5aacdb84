"""Wavelet coherence of series whose relation is known."""

import numpy as np
import pytest

from dwlim_ops.verify.coherence import monthly, wavelet_coherence

N = 120
MIDDLE = np.arange("2003-01", "2013-01", dtype="datetime64[M]").astype("datetime64[D]") + 14
MONTH = np.arange(N)


def noise(seed, size=N):
    return np.random.default_rng(seed).standard_normal(size)


def season(lag_months=0.0, period=12.0):
    return 3 * np.cos(2 * np.pi * (MONTH - lag_months) / period)


def coherence(ours, theirs, n_surrogates=20):
    return wavelet_coherence(MIDDLE[:len(ours)], ours, theirs, n_surrogates=n_surrogates)


def test_a_series_is_wholly_coherent_with_itself_and_with_its_multiple():
    series = noise(0)
    for other in (series, 5.0 * series + 7.0):
        found = coherence(series, other)
        assert found.squared == pytest.approx(1)
        assert found.phase_deg == pytest.approx(0, abs=1e-6)


def test_the_negative_is_coherent_and_in_opposite_phase():
    found = coherence(noise(0), -noise(0))
    assert found.squared == pytest.approx(1)
    assert np.abs(found.phase_deg) == pytest.approx(180)


@pytest.mark.parametrize("lag_months", [-3.0, 0.0, 1.0, 2.5])
def test_a_known_lag_at_one_year_is_found(lag_months):
    ours, theirs = season() + 0.2 * noise(1), season(lag_months) + 0.2 * noise(2)
    squared, lag = coherence(ours, theirs).at(12.0)
    assert squared > 0.95
    assert lag == pytest.approx(lag_months, abs=0.2)


def test_independent_noise_is_rarely_above_its_level():
    shares = []
    for seed in range(10, 16):
        found = coherence(noise(seed), noise(seed + 100), n_surrogates=30)
        above = found.squared > np.nan_to_num(found.significant, nan=np.inf)[:, None]
        shares.append(above[found.trusted].mean())
    assert 0.0 < np.mean(shares) < 0.12
    assert coherence(noise(3), noise(4)).at(12.0)[0] < 0.8


def test_a_shared_season_is_significant_and_shared_noise_is_not_needed():
    found = coherence(season() + noise(5), season() + noise(6), n_surrogates=40)
    row = int(np.abs(found.period_months - 12).argmin())
    assert (found.squared[row] > found.significant[row])[found.trusted[row]].all()


def test_what_the_ends_touch_is_not_trusted():
    found = coherence(noise(1), noise(2))
    assert not found.trusted[:, 0].any()
    assert not found.trusted[found.period_months > 50].any()
    middle = found.trusted[:, N // 2]
    assert middle[found.period_months < 40].all()
    allowed = found.period_months[found.trusted[:, 20]].max()
    assert allowed == pytest.approx(1.033 / np.sqrt(2) * 20.5, rel=0.06)


def test_what_leans_on_a_long_gap_is_not_trusted():
    ours, theirs = noise(1), noise(2)
    theirs[60:71] = np.nan
    found = coherence(ours, theirs)
    assert found.filled[60:71].all()
    assert found.filled.sum() == 11
    assert not found.trusted[:, 60:71].any()
    assert found.trusted[found.period_months < 4, 50].all()
    assert not found.trusted[found.period_months > 12, 50].any()


def test_single_months_are_interpolated_and_trusted():
    ours, theirs = season(), season()
    theirs[40] = np.nan
    found = coherence(ours, theirs)
    assert found.filled[40]
    assert found.filled.sum() == 1
    assert found.trusted[:, 40].any()


def test_months_are_regular_whatever_the_days_of_the_solutions():
    days = MIDDLE + np.random.default_rng(0).integers(-6, 7, N)
    since = (days - days[0]).astype(float)
    months, values, filled = monthly(days, np.column_stack([since, -since]))
    assert np.array_equal(months, np.arange("2003-01", "2013-01", dtype="datetime64[M]"))
    assert not filled.any()
    at = (months.astype("datetime64[D]") + 14 - days[0]).astype(float)
    assert values[1:-1, 0] == pytest.approx(at[1:-1])


@pytest.mark.parametrize("series", [np.zeros(N), np.full(N, np.nan), noise(1)[:20]])
def test_without_enough_months_or_variation_there_is_no_answer(series):
    assert coherence(series, noise(2)[:len(series)]) is None


def test_the_answer_repeats_itself():
    first, second = (coherence(noise(1), noise(2)) for _ in range(2))
    assert np.array_equal(first.significant, second.significant, equal_nan=True)
