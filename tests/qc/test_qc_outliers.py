import numpy as np
import pytest

from dwlim_ops.qc.outliers import find_outliers

RULE = {"window_days": 61, "n_sigma": 3.0, "floor_mm": 5.0, "run_days": 3}


def noise(n_days=800, n_stations=3, sigma_mm=3.0):
    return np.random.default_rng(5).normal(0.0, sigma_mm, (n_days, n_stations))


def test_gross_errors_are_flagged_and_few_others():
    up = noise()
    wrong = np.array([100, 250, 251, 600])
    up[wrong, 1] += 40.0
    outlier, _ = find_outliers(up, **RULE)
    assert outlier[wrong, 1].all()
    assert outlier.sum() - wrong.size < 0.01 * up.size


def test_small_departures_of_a_quiet_station_stay():
    up = noise(sigma_mm=0.1)
    up[400, 0] += 4.0
    outlier, _ = find_outliers(up, **RULE)
    assert not outlier.any()


def test_a_slow_signal_is_no_outlier():
    season = 5.0 * np.sin(2 * np.pi * np.arange(800) / 365.25)
    outlier, _ = find_outliers(noise(sigma_mm=1.0) + season[:, None], **RULE)
    assert outlier.mean() < 0.01


def test_a_load_that_lasts_is_withheld_for_two_days_only():
    up = noise(n_stations=1, sigma_mm=1.0)
    onset = 760
    up[onset:] -= 20.0
    outlier, _ = find_outliers(up, **RULE)
    assert outlier[onset:onset + 2].all()
    assert not outlier[onset + 2:].any()


def test_errors_on_alternating_sides_are_no_run():
    up = noise(n_stations=1, sigma_mm=1.0)
    up[770:776, 0] = [20.0, -20.0, 20.0, -20.0, 20.0, -20.0]
    outlier, _ = find_outliers(up, **RULE)
    assert outlier[770:776].all()


@pytest.mark.parametrize("end", [5, 50, 400, 799])
def test_a_decision_is_final(end):
    up = noise()
    up[::7, 1] = np.nan
    up[300:330, 2] += 15.0
    whole, residual = find_outliers(up, **RULE)
    then, residual_then = find_outliers(up[:end], **RULE)
    np.testing.assert_array_equal(then, whole[:end])
    np.testing.assert_array_equal(residual_then, residual[:end])


def test_a_lone_value_after_an_outage_is_judged_by_the_record_so_far():
    up = noise(n_stations=2)
    up[600:] = np.nan
    up[-1] = [300.0, 2.0]
    outlier, residual = find_outliers(up, **RULE)
    assert outlier[-1].tolist() == [True, False]
    assert np.isfinite(residual[-1]).all()


def test_absent_values_are_no_outliers():
    up = noise()
    up[::3] = np.nan
    outlier, residual = find_outliers(up, **RULE)
    assert not outlier[::3].any()
    assert np.isnan(residual[::3]).all()
