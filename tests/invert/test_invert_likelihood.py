"""Hyper-parameters found again from data that were drawn with them."""

from dataclasses import replace

import numpy as np
import pytest

from dwlim_ops.invert.daily import project
from dwlim_ops.invert.likelihood import LEAST, log_likelihood, spread_out, tune
from dwlim_ops.invert.modes import noise_modes, spatial_modes
from dwlim_ops.invert.spacetime import SpaceTimeModel, SpaceTimeSettings

TRUTH = SpaceTimeSettings(white_sigma_mm=2.0, formal_error_factor=0.05, station_slow_sigma_mm=0.2,
                          station_offset_sigma_mm=0.2, station_annual_sigma_mm=0.2,
                          regional_noise_sigma_mm=0.2, common_mode_sigma_mm=0.2)


@pytest.fixture(scope="module")
def model(small) -> SpaceTimeModel:
    n_cells = small.design.shape[1]
    cells, _ = spatial_modes(small.inversion, np.ones(n_cells, bool),
                             project(small.inversion, np.full((1, n_cells), 1 / n_cells)))
    return SpaceTimeModel(cells, noise_modes(small.inversion), TRUTH)


def record(model, n_days=40):
    random = np.random.default_rng(4)
    n_stations = len(model.modes.loading)
    decay = np.exp(-1.0 / TRUTH.slow_days)
    load = np.empty((n_days, model.modes.loading.shape[1]))
    load[0] = TRUTH.slow_sigma_mm * random.standard_normal(load.shape[1])
    for row in range(1, n_days):
        load[row] = decay * load[row - 1] + TRUTH.slow_sigma_mm * np.sqrt(
            1 - decay**2) * random.standard_normal(load.shape[1])
    up = load @ model.modes.loading.T + 2.0 * random.standard_normal((n_days, n_stations))
    return 16000 + np.arange(n_days), up, np.ones_like(up)


def test_the_white_noise_is_found_again(model) -> None:
    days, up, sigma = record(model)
    start = replace(TRUTH, white_sigma_mm=4.0)
    told = []
    tuned = tune(lambda settings: replace(model, settings=settings), start, days, up, sigma,
                 sweeps=3, progress=lambda *seen: told.append(seen))
    assert tuned.settings.white_sigma_mm == pytest.approx(2.0, rel=0.25)
    assert tuned.log_likelihood > tuned.first_log_likelihood + 10
    assert tuned.log_likelihood == log_likelihood(
        replace(model, settings=tuned.settings), days, up, sigma)
    assert tuned.settings.smoothing_days == TRUTH.smoothing_days
    assert all(getattr(tuned.settings, name) >= least for name, least in LEAST.items())
    assert told[-1][1] == told[-1][2]


def test_the_network_is_made_again_when_a_length_changes(model) -> None:
    days, up, sigma = record(model, 12)
    lengths = []

    def make(settings):
        lengths.append((settings.correlation_length_km, settings.noise_correlation_length_km))
        return replace(model, settings=settings)

    tune(make, TRUTH, days, up, sigma, sweeps=1)
    assert len(set(lengths)) >= 4


def test_stations_are_chosen_far_apart() -> None:
    longitude = np.array([0.0, 0.1, 10.0, 10.1, 20.0, 20.1])
    share = np.array([1.0, 0.9, 0.9, 0.8, 0.8, 0.2])
    assert spread_out(longitude, np.zeros(6), share, 3).tolist() == [0, 2, 4]
    assert spread_out(longitude, np.zeros(6), share, 99).tolist() == [0, 1, 2, 3, 4]
