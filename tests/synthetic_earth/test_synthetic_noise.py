"""The disturbances have the spectra and the shares that they are said to have."""

import numpy as np
import pytest
from scipy.signal import welch

from dwlim_ops.synthetic.noise import disturb, power_law_noise, thermal_expansion_mm
from dwlim_ops.synthetic.settings import EarthSettings

N_DAYS = 4096
DAY = np.arange(N_DAYS, dtype=float)
PLACES = np.linspace(110.0, 150.0, 40), np.linspace(-35.0, -15.0, 40)


def _slope(series):
    frequency, power = welch(series, nperseg=1024, axis=0)
    band = (frequency > 0.005) & (frequency < 0.1)
    return np.polyfit(np.log(frequency[band]), np.log(power[band].mean(axis=1)), 1)[0]


@pytest.mark.parametrize("index", [0.0, -1.0, -2.0])
def test_power_law_noise_has_the_slope_of_its_index(index):
    noise = power_law_noise(np.random.default_rng(4), N_DAYS, 60, index=index)
    assert _slope(noise) == pytest.approx(index, abs=0.12)


def test_the_first_value_is_the_white_noise_itself():
    noise = power_law_noise(np.random.default_rng(4), N_DAYS, 3, index=-1.0)
    white = np.random.default_rng(4).standard_normal((N_DAYS, 3))
    np.testing.assert_allclose(noise[0], white[0], atol=1e-9)
    np.testing.assert_allclose(noise[1], white[1] + 0.5 * white[0], atol=1e-9)


def _only(**values):
    silent = {"white_mm": 0.0, "flicker_mm_per_year_quarter": 0.0, "common_mode_mm": 0.0,
              "rate_mm_per_year": 0.0, "steps_per_year": 0.0, "outlier_share": 0.0,
              "absent_share": 0.0, "gap_share": 0.0}
    return EarthSettings(**(silent | values))


def test_each_part_can_be_switched_off():
    nothing = disturb(DAY, *PLACES, _only())
    assert (nothing.error_mm == 0).all()
    assert not nothing.absent.any()
    assert nothing.steps == ()
    assert (nothing.sigma_mm > 0).all()


def test_white_noise_has_its_size():
    error = disturb(DAY, *PLACES, _only(white_mm=2.0)).error_mm
    assert np.median(error.std(axis=0)) == pytest.approx(2.0, rel=0.15)
    assert _slope(error) == pytest.approx(0.0, abs=0.1)


def test_the_common_mode_is_shared_by_neighbours_and_fades_with_distance():
    error = disturb(DAY, *PLACES, _only(common_mode_mm=2.0)).error_mm
    correlation = np.corrcoef(error.T)
    assert correlation[0, 1] > 0.9
    assert abs(correlation[0, -1]) < 0.5


def test_a_step_lifts_everything_after_it():
    found = disturb(DAY, *PLACES, _only(steps_per_year=0.2))
    assert found.steps
    jumps = np.argwhere(np.diff(found.error_mm, axis=0) != 0)
    assert {(row + 1, column) for row, column in jumps.tolist()} == set(found.steps)


def test_gaps_and_outliers_have_their_shares():
    found = disturb(DAY, *PLACES, _only(absent_share=0.1, outlier_share=0.02))
    assert found.absent.mean() == pytest.approx(0.1, abs=0.01)
    outlying = np.abs(found.error_mm) > 0
    assert outlying.mean() == pytest.approx(0.02, abs=0.004)
    assert np.abs(found.error_mm[outlying]).min() >= 15.0


def test_monuments_grow_in_summer_and_no_more_than_the_largest():
    days = np.arange(3 * 365.25)
    warm = 290.0 + 10.0 * np.cos(2 * np.pi * (days - 200.0) / 365.25)
    temperature = warm[:, None] + np.random.default_rng(3).standard_normal((days.size, 300))
    grown = thermal_expansion_mm(np.random.default_rng(2), temperature, 3.9)
    angle = 2 * np.pi * days / 365.25
    amplitude = 2 * np.hypot(np.cos(angle) @ grown, np.sin(angle) @ grown) / days.size
    assert amplitude.max() <= 3.9 * 1.02
    assert amplitude.max() > 3.0
    assert np.median(amplitude) == pytest.approx(3.9 / 4, rel=0.3)
    assert np.corrcoef(grown[:, np.argmax(amplitude)], warm)[0, 1] > 0.9
