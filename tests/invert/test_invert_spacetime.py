"""The filter and smoother against conditioning of the whole Gaussian at once, without any state."""

from dataclasses import dataclass

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from dwlim_ops.errors import ContractError
from dwlim_ops.invert.daily import project
from dwlim_ops.invert.modes import SpatialModes, noise_modes, spatial_modes
from dwlim_ops.invert.spacetime import (
    AMPLITUDE_DAYS,
    OFFSET_DAYS,
    YEAR_DAYS,
    Signal,
    SpaceTimeModel,
    SpaceTimeSettings,
    State,
)

Array = NDArray[np.float64]
SETTINGS = SpaceTimeSettings(annual_sigma_mm=35.0, station_offset_sigma_mm=1.5)
DAYS = [17000, 17001, 17002, 17010, 17011, 17040]


@dataclass(frozen=True)
class Case:
    model: SpaceTimeModel
    cells: SpatialModes
    basins: SpatialModes
    prior: Array
    design: Array
    functional: Array
    up_mm: Array
    sigma_mm: Array


@pytest.fixture(scope="module")
def case(small) -> Case:
    n_cells = small.design.shape[1]
    functional = np.zeros((2, n_cells))
    functional[0, :10] = 0.1
    functional[1, 20:] = 1.0 / (n_cells - 20)
    cells, basins = spatial_modes(small.inversion, np.ones(n_cells, bool),
                                  project(small.inversion, functional), kept_share=1.0)
    root = np.linalg.inv(small.laplacian)
    prior = root @ root.T
    prior /= np.diag(prior).mean()
    random = np.random.default_rng(5)
    up = 4.0 * random.standard_normal((len(DAYS), small.design.shape[0]))
    up[random.random(up.shape) < 0.25] = np.nan
    up[3] = np.nan
    noise = noise_modes(small.inversion, kept_share=1.0)
    return Case(SpaceTimeModel(cells, noise, SETTINGS), cells, basins, prior, small.design,
                functional, up, random.uniform(1.0, 4.0, up.shape))


def kernel(sigma: float, constant: float, harmonic: int = 0) -> Array:
    lag = np.abs(np.subtract.outer(DAYS, DAYS)).astype(float)
    return (sigma**2 * np.exp(-lag / constant)
            * np.cos(2.0 * np.pi * harmonic * lag / YEAR_DAYS))


def water_kernel() -> Array:
    s = SETTINGS
    return (kernel(s.fast_sigma_mm, s.fast_days) + kernel(s.slow_sigma_mm, s.slow_days)
            + kernel(s.annual_sigma_mm, AMPLITUDE_DAYS, 1)
            + kernel(s.semiannual_sigma_mm, AMPLITUDE_DAYS, 2))


def of_loads(case: Case) -> Array:
    """Covariance of all that looks like a load at the stations: water and regional noise."""
    seen = case.design @ case.prior @ case.design.T
    noise = kernel(SETTINGS.regional_noise_sigma_mm, SETTINGS.regional_noise_days)
    return np.kron(water_kernel(), seen) + np.kron(noise, seen / np.diag(seen).mean())


def common_kernel() -> Array:
    return kernel(SETTINGS.common_mode_sigma_mm, SETTINGS.common_mode_days)


def conditioned(case: Case, wanted: Array, day: int, known: int) -> tuple[Array, Array]:
    """Mean and variance of functionals of the cells on one day, from the days up to `known`."""
    s = SETTINGS
    n_stations = len(case.design)
    station = (kernel(s.station_offset_sigma_mm, OFFSET_DAYS)
               + kernel(s.station_slow_sigma_mm, s.station_slow_days)
               + kernel(s.station_annual_sigma_mm, AMPLITUDE_DAYS, 1))
    common = common_kernel()
    data = (of_loads(case) + np.kron(station, np.eye(n_stations))
            + np.kron(common, np.ones((n_stations,) * 2)))
    white = s.white_sigma_mm**2 + (s.formal_error_factor * case.sigma_mm)**2
    data += np.diag(white.ravel())
    cross = np.kron(water_kernel()[[day]], wanted @ case.prior @ case.design.T)
    used = np.isfinite(case.up_mm.ravel()) & (np.repeat(np.arange(len(DAYS)), n_stations) <= known)
    gain = np.linalg.solve(data[np.ix_(used, used)], cross[:, used].T).T
    prior = water_kernel()[day, day] * np.diag(wanted @ case.prior @ wanted.T)
    return (gain @ case.up_mm.ravel()[used],
            prior - np.einsum("ij,ij->i", gain, cross[:, used]))


def filtered(case: Case) -> list[Signal]:
    state, signals = case.model.initial(DAYS[0]), []
    for day, up, sigma in zip(DAYS, case.up_mm, case.sigma_mm, strict=True):
        state, _ = case.model.step(state, day, up, sigma)
        signals.append(case.model.signal(state))
    return signals


def smoothed(case: Case, *, factor: float = 1.0, n_wanted: int = len(DAYS)) -> list[Signal]:
    state, updates = case.model.initial(DAYS[0]), []
    for day, up, sigma in zip(DAYS, factor * case.up_mm, case.sigma_mm, strict=True):
        state, update = case.model.forward(state, day, up, sigma)
        updates.append(update)
    return [result.signal for result in case.model.backward(updates, n_wanted)]


def test_the_first_days_alone_are_smoothed_with_the_same_bits(case) -> None:
    every, first = smoothed(case), smoothed(case, n_wanted=3)
    assert len(first) == 3
    for one, other in zip(first, every, strict=False):
        assert one.mean.tobytes() == other.mean.tobytes()
        assert one.covariance.tobytes() == other.covariance.tobytes()


def check(case: Case, signal: Signal, day: int, known: int) -> None:
    prior = case.model.prior_variance(DAYS[day])
    assert prior == pytest.approx(water_kernel()[day, day])
    modes, covariance = signal.water
    for shown, wanted in ((case.cells, np.eye(case.design.shape[1])),
                          (case.basins, case.functional)):
        mean, variance = conditioned(case, wanted, day, known)
        np.testing.assert_allclose(shown.mean(modes), mean, rtol=0, atol=1e-6 * 70)
        np.testing.assert_allclose(shown.sigma(covariance, prior)**2, variance, rtol=1e-6)


@pytest.mark.parametrize("day", range(len(DAYS)))
def test_the_filter_is_the_conditional_mean_of_the_past(case, day) -> None:
    check(case, filtered(case)[day], day, known=day)


@pytest.mark.parametrize("day", range(len(DAYS)))
def test_the_smoother_is_the_conditional_mean_of_all_days(case, day) -> None:
    check(case, smoothed(case)[day], day, known=len(DAYS) - 1)


def test_the_likelihood_is_that_of_the_whole_gaussian(case) -> None:
    state, total = case.model.initial(DAYS[0]), 0.0
    for day, up, sigma in zip(DAYS, case.up_mm, case.sigma_mm, strict=True):
        state, innovation = case.model.step(state, day, up, sigma)
        total += innovation.log_likelihood
        assert innovation.n_data == np.isfinite(up).sum()
    n_stations = len(case.design)
    s = SETTINGS
    data = of_loads(case)
    station = (kernel(s.station_offset_sigma_mm, OFFSET_DAYS)
               + kernel(s.station_slow_sigma_mm, s.station_slow_days)
               + kernel(s.station_annual_sigma_mm, AMPLITUDE_DAYS, 1))
    data += np.kron(station, np.eye(n_stations))
    data += np.kron(common_kernel(), np.ones((n_stations, n_stations)))
    data += np.diag((s.white_sigma_mm**2 + (s.formal_error_factor * case.sigma_mm)**2).ravel())
    used = np.isfinite(case.up_mm.ravel())
    data, up = data[np.ix_(used, used)], case.up_mm.ravel()[used]
    expected = -0.5 * (up @ np.linalg.solve(data, up) + np.linalg.slogdet(data)[1]
                       + up.size * np.log(2.0 * np.pi))
    assert total == pytest.approx(expected, rel=1e-9)


def test_shared_noise_looks_like_a_load_and_has_the_common_mode(case) -> None:
    seen = case.design @ case.prior @ case.design.T
    expected = (SETTINGS.regional_noise_sigma_mm**2 * seen / np.diag(seen).mean()
                + SETTINGS.common_mode_sigma_mm**2)
    np.testing.assert_allclose(case.model.shared_noise_covariance(), expected, rtol=1e-9)


def test_a_cut_run_gives_the_same_bits(case) -> None:
    whole = filtered(case)[-1]
    state = case.model.initial(DAYS[0])
    for day, up, sigma in list(zip(DAYS, case.up_mm, case.sigma_mm, strict=True))[:3]:
        state, _ = case.model.step(state, day, up, sigma)
    kept = State(state.day, state.mean.copy(), state.covariance.copy())
    for day, up, sigma in list(zip(DAYS, case.up_mm, case.sigma_mm, strict=True))[3:]:
        kept, _ = case.model.step(kept, day, up, sigma)
    assert np.array_equal(case.model.signal(kept).mean, whole.mean)
    assert np.array_equal(case.model.signal(kept).covariance, whole.covariance)


def test_resolution_is_that_of_the_resolution_matrix(case) -> None:
    day = len(DAYS) - 1
    signal = filtered(case)[day]
    prior = case.model.prior_variance(DAYS[day])
    identity = np.eye(case.design.shape[1])
    covariance = prior * case.prior.copy()
    cross = case.prior @ case.design.T
    seen = np.linalg.inv(case.design @ cross)
    modes = prior * np.eye(len(signal.water[0])) - signal.water[1]
    explained = case.cells.water @ modes @ case.cells.water.T
    resolution = np.diag(explained @ np.linalg.solve(covariance, identity))
    assert case.cells.cell_area_km2 is not None
    expected = np.sqrt(case.cells.cell_area_km2 / np.maximum(
        resolution, case.cells.cell_area_km2 / 5000.0**2))
    np.testing.assert_allclose(
        case.cells.resolution_km(signal.water[1], prior), expected, rtol=1e-5)
    assert seen.shape[0] == len(case.design)


@given(st.floats(0.1, 10.0))
@settings(derandomize=True, deadline=None, max_examples=8)
def test_estimates_scale_with_the_data(case, factor) -> None:
    signal = smoothed(case)[2]
    scaled = smoothed(case, factor=factor)[2]
    np.testing.assert_allclose(scaled.mean, factor * signal.mean, rtol=1e-9, atol=1e-9)
    np.testing.assert_allclose(scaled.covariance, signal.covariance, rtol=1e-12, atol=1e-12)


def test_more_data_never_make_it_worse(case) -> None:
    prior = case.model.prior_variance(DAYS[2])
    past, all_days = filtered(case)[2], smoothed(case)[2]
    before = case.cells.sigma(past.water[1], prior)
    after = case.cells.sigma(all_days.water[1], prior)
    assert (after <= before * (1 + 1e-9)).all()
    assert (before <= np.sqrt(prior * case.cells.prior_variance) * (1 + 1e-9)).all()


def test_settings_must_be_positive() -> None:
    with pytest.raises(ContractError, match="fast_days"):
        SpaceTimeSettings(fast_days=0.0)
