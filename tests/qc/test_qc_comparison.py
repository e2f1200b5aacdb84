import numpy as np
import pytest
from bench.steps import synthetic_network
from hypothesis import given, settings
from hypothesis import strategies as st

from dwlim_ops.qc.comparison import (
    Comparison,
    annual_phasors,
    drifting,
    reversed_phase,
    thermal_residual,
)

YEAR = 365.25
DAY = np.arange(14610.0, 14610.0 + 6 * 365)  # from 2010-01-01
PHASE = {"limit_mm": 1.0, "minimum_mm": 0.5}
THERMAL = {"limit_mm": 2.5, "least_correlation": 0.5}
DRIFT = {"limit_mm": 10.0, "significance": 5.0}


def annual(amplitude_mm, lag_days, n_stations=1):
    return np.repeat(amplitude_mm * np.cos(2 * np.pi * (DAY - lag_days) / YEAR)[:, None],
                     n_stations, axis=1)


def noisy(values, sigma_mm=2.0, seed=4):
    return values + np.random.default_rng(seed).normal(0.0, sigma_mm, values.shape)


@settings(max_examples=10, derandomize=True, deadline=None)
@given(st.floats(0.5, 20.0), st.floats(0.0, 365.0), st.floats(-100.0, 100.0))
def test_amplitude_and_day_of_the_maximum(amplitude_mm, lag_days, level_mm):
    phasors = annual_phasors(DAY, annual(amplitude_mm, lag_days) + level_mm)[:, 0]
    assert phasors.size == 5  # the sixth year has not ended
    np.testing.assert_allclose(np.abs(phasors), amplitude_mm, rtol=1e-9)
    lag = np.angle(phasors) / (2 * np.pi) * YEAR
    np.testing.assert_allclose((lag - lag_days + 100.0) % YEAR, 100.0, atol=1e-6)


def test_a_year_with_few_values_has_no_phasor():
    values = annual(5.0, 0.0)
    values[100:300] = np.nan
    assert np.isnan(annual_phasors(DAY, values)[:, 0]).tolist() == [True] + 4 * [False]


@pytest.mark.parametrize(("lag_days", "amplitude_mm", "reversed_"), [
    (0.0, 5.0, False), (80.0, 5.0, False), (180.0, 5.0, True), (140.0, 5.0, True),
    (180.0, 0.5, False)])
def test_only_an_opposite_season_of_some_size_is_reversed(lag_days, amplitude_mm, reversed_):
    comparison = Comparison.between(DAY, noisy(annual(amplitude_mm, lag_days)), annual(4.0, 0.0))
    reason, = reversed_phase(comparison, **PHASE)
    assert bool(reason) == reversed_
    if reversed_:
        assert f"{lag_days:.0f}"[:2] in reason


def test_neighbours_without_a_season_decide_nothing():
    comparison = Comparison.between(DAY, noisy(annual(5.0, 180.0)), annual(0.2, 0.0))
    assert reversed_phase(comparison, **PHASE) == [""]


def test_a_verdict_stands_until_half_of_the_limit():
    own = annual(-1.5, 0.0)
    own[DAY >= 14610 + 4 * 365] *= 0.2
    wavering = Comparison.between(DAY, noisy(own, 0.1), annual(4.0, 0.0))
    assert reversed_phase(wavering, limit_mm=1.3, minimum_mm=0.5) != [""]
    assert reversed_phase(wavering, limit_mm=1.6, minimum_mm=0.5) == [""]


@pytest.mark.parametrize(("gain_mm_per_k", "thermal"), [(0.5, True), (-0.5, False), (0.1, False)])
def test_uplift_in_the_warm_season_beyond_the_neighbours_looks_thermal(gain_mm_per_k, thermal):
    warmth = annual(8.0, 20.0)
    load = annual(6.0, 200.0)
    comparison = Comparison.between(DAY, noisy(load + gain_mm_per_k * warmth), load)
    assert bool(thermal_residual(comparison, 290.0 + warmth, **THERMAL)[0]) == thermal


def test_a_drift_is_found_within_its_first_20_mm_and_ends():
    own = noisy(np.zeros((DAY.size, 2)))
    rise = np.clip((np.arange(DAY.size) - 1000) * 0.05, 0.0, 20.0)
    own[:, 0] += np.where(np.arange(DAY.size) < 1800, rise, 0.0)
    within = np.repeat((np.arange(DAY.size) < 800)[:, None], 2, axis=1)
    drifts, remarks = drifting(Comparison.between(DAY, own, np.zeros_like(own)), within, **DRIFT)
    found = np.flatnonzero(drifts[:, 0])
    assert 1200 < found[0] < 1300
    assert 1800 < found[-1] < 1860
    assert not drifts[:, 1].any()
    assert remarks[0].endswith(str(np.datetime64(int(DAY[found[-1]]), "D")))
    assert remarks[1] == ""


@settings(max_examples=8, derandomize=True, deadline=None)
@given(st.integers(900, 2100))
def test_a_day_of_drift_is_final(end):
    own = noisy(np.zeros((DAY.size, 1)))
    own[1000:1600] += 18.0
    within = (np.arange(DAY.size) < 800)[:, None]
    whole, then = (drifting(Comparison.between(DAY[:n], own[:n], 0.0 * own[:n]), within[:n],
                            **DRIFT)[0] for n in (DAY.size, end))
    np.testing.assert_array_equal(whole[:end], then)


def test_a_clean_network_passes():
    network = synthetic_network(3)
    day = 14610.0 + np.arange(network.up_mm.shape[0])
    up = network.up_mm - np.nanmedian(network.up_mm, axis=0)
    comparison = Comparison.between(day, up, network.neighbours.median(up))
    warmth = 290.0 + 8.0 * np.cos(2 * np.pi * (day[:, None] - 20.0) / YEAR) + 0.0 * up
    assert not any(reversed_phase(comparison, **PHASE))
    assert not any(thermal_residual(comparison, warmth, **THERMAL))
    drifts, _ = drifting(comparison, np.repeat((day < day[1100])[:, None], 36, axis=1), **DRIFT)
    assert drifts.mean() < 0.01


def test_nothing_to_compare():
    empty = np.full((DAY.size, 2), np.nan)
    for comparison in (Comparison.between(DAY, empty, empty),
                       Comparison.between(DAY[:0], empty[:0], empty[:0])):
        n = comparison.day.size
        assert reversed_phase(comparison, **PHASE) == ["", ""]
        assert thermal_residual(comparison, empty[:n], **THERMAL) == ["", ""]
        assert not drifting(comparison, np.ones((n, 2), bool), **DRIFT)[0].any()
