"""The filter over a record: the same bits wherever it is taken up; when a day is issued anew."""

from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from dwlim_ops.archive.cache import Cache
from dwlim_ops.geometry import Grid, cell_area_km2
from dwlim_ops.invert.daily import prepare, project
from dwlim_ops.invert.design import design_matrix
from dwlim_ops.invert.modes import noise_modes, spatial_modes
from dwlim_ops.invert.smoothness import Smoothness
from dwlim_ops.invert.spacetime import SpaceTimeModel, SpaceTimeSettings
from dwlim_ops.space_time import KEPT_STATES, SpaceTimeRun

FIRST = date(2015, 1, 15)
N_DAYS, N_STATIONS = 150, 8
SETTINGS = SpaceTimeSettings(smoothing_days=20)


@pytest.fixture(scope="module")
def run() -> SpaceTimeRun:
    return believed(np.random.default_rng(1), SETTINGS, N_DAYS)


def believed(random: np.random.Generator, settings: SpaceTimeSettings, n_days: int
             ) -> SpaceTimeRun:
    """A small network with data as its own model expects them."""
    domain = np.ones((6, 8), bool)
    grid = Grid(130.25 + 0.5 * np.arange(8), -24.75 + 0.5 * np.arange(6), 0.5,
                domain.astype(float), domain)
    places = random.uniform(130.2, 133.8, N_STATIONS), random.uniform(-24.8, -22.2, N_STATIONS)
    inversion = prepare(design_matrix(*places, grid, frame="cf"), Smoothness(domain, 0.01),
                        cell_area_km2(grid.cells[1], 0.5))
    cells, basins = spatial_modes(inversion, np.ones(48, bool),
                                  project(inversion, np.full((1, 48), 1 / 48)), kept_share=1.0)
    model = SpaceTimeModel(cells, noise_modes(inversion, kept_share=1.0), settings)
    up, sigma = drawn(model, random, n_days)
    return SpaceTimeRun(model, basins, days(n_days), up, sigma, "seed")


def days(number: int) -> NDArray[np.datetime64]:
    return np.datetime64(FIRST) + np.arange(number)


def drawn(model: SpaceTimeModel, random: np.random.Generator, number: int
          ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Displacement as the model believes that it comes about, with gaps."""
    settings, modes = model.settings, model.modes.loading.shape[1]

    def process(sigma: float, constant: float, width: int) -> NDArray[np.float64]:
        decay = np.exp(-1.0 / constant)
        values = np.empty((number, width))
        values[0] = sigma * random.standard_normal(width)
        for row in range(1, number):
            values[row] = decay * values[row - 1] + (
                sigma * np.sqrt(1 - decay**2) * random.standard_normal(width))
        return values

    angle = 2 * np.pi * days(number).astype(int)[:, None] / 365.25
    s = settings
    load = (process(s.fast_sigma_mm, s.fast_days, modes)
            + process(s.slow_sigma_mm, s.slow_days, modes))
    for harmonic, sigma in ((1, s.annual_sigma_mm), (2, s.semiannual_sigma_mm)):
        load += (process(sigma, 3650.0, modes) * np.cos(harmonic * angle)
                 + process(sigma, 3650.0, modes) * np.sin(harmonic * angle))
    noise = process(s.regional_noise_sigma_mm, s.regional_noise_days, model.noise_loading.shape[1])
    up = load @ model.modes.loading.T + noise @ model.noise_loading.T
    for sigma, constant in ((s.station_offset_sigma_mm, 1e7),
                            (s.station_slow_sigma_mm, s.station_slow_days)):
        up += process(sigma, constant, N_STATIONS)
    for scale in (np.cos(angle), np.sin(angle)):
        up += process(s.station_annual_sigma_mm, 3650.0, N_STATIONS) * scale
    up += process(s.common_mode_sigma_mm, s.common_mode_days, 1)
    sigma_mm = random.uniform(1.0, 4.0, up.shape)
    white = np.sqrt(s.white_sigma_mm**2 + (s.formal_error_factor * sigma_mm)**2)
    up += white * random.standard_normal(up.shape)
    up[random.random(up.shape) < 0.1] = np.nan
    return up, sigma_mm


def day(number: int) -> date:
    return FIRST + timedelta(days=number)


def fresh(run: SpaceTimeRun, n_days: int = N_DAYS, cache: Cache | None = None) -> SpaceTimeRun:
    return SpaceTimeRun(run.model, run.basins, run.days[:n_days], run.up_mm[:n_days],
                        run.sigma_mm[:n_days], run.seed, cache)


def test_a_run_taken_up_from_disk_gives_the_same_bits(run, tmp_path: Path) -> None:
    cache = Cache(tmp_path)
    yesterday = fresh(run, 140, cache)
    yesterday.filtered(day(139))
    assert list(tmp_path.glob("??/*"))
    resumed, whole = fresh(run, cache=cache), fresh(run)
    assert resumed._nearest(148)[0] == (date(2015, 5, 31) - FIRST).days
    for wanted in (day(149), day(145)):
        a, b = resumed.filtered_estimate(wanted), whole.filtered_estimate(wanted)
        assert a.cells.twsa_mm.tobytes() == b.cells.twsa_mm.tobytes()
        assert a.cells.sigma_mm.tobytes() == b.cells.sigma_mm.tobytes()
    a, b = resumed.smoothed_estimate(day(120)), whole.smoothed_estimate(day(120))
    assert a.basins_mm.tobytes() == b.basins_mm.tobytes()


@pytest.mark.parametrize("name", ["up_mm", "sigma_mm"])
def test_another_past_is_not_taken_up(run, tmp_path: Path, name) -> None:
    cache = Cache(tmp_path)
    fresh(run, cache=cache).filtered(day(149))
    changed = fresh(run, cache=cache)
    values = getattr(changed, name).copy()
    values[3, np.flatnonzero(np.isfinite(changed.up_mm[3]))[0]] = 7.0
    setattr(changed, name, values)
    assert changed._nearest(148)[0] == -1
    assert fresh(run, cache=cache)._nearest(148)[0] > 0


def test_only_the_newest_states_are_kept(run, tmp_path: Path) -> None:
    cache = Cache(tmp_path)
    for number in range(KEPT_STATES + 3):
        cache.put(f"{number:064x}", {"mean": np.zeros(1), "covariance": np.zeros((1, 1))})
    fresh(run, cache=cache).filtered(day(149))
    assert len(list(tmp_path.glob("??/*"))) == KEPT_STATES


@pytest.mark.parametrize(("number", "wait", "through"), [
    (0, 0, (date(2015, 1, 31) - FIRST).days + 20), (16, 0, (date(2015, 1, 31) - FIRST).days + 20),
    (17, 0, (date(2015, 2, 28) - FIRST).days + 20), (149, 0, None), (110, 0, None),
    (90, 0, (date(2015, 4, 30) - FIRST).days + 20), (90, 30, None)])
def test_a_day_is_smoothed_once_its_month_and_more_are_there(run, number, wait, through) -> None:
    assert run.smoothed_through(day(number), wait_days=wait) == through
    one = fresh(run).estimate(day(number), wait_days=wait)
    other = fresh(run)
    expected = (other.filtered_estimate(day(number)) if through is None
                else other.smoothed_estimate(day(number)))
    assert one.data == expected.data
    assert one.cells.twsa_mm.tobytes() == expected.cells.twsa_mm.tobytes()


def test_a_smoothed_day_does_not_depend_on_what_came_later(run) -> None:
    early, late = fresh(run, 130), fresh(run)
    assert early.smoothed_through(day(60), wait_days=0) is not None
    assert (early.smoothed_estimate(day(60)).cells.twsa_mm.tobytes()
            == late.smoothed_estimate(day(60)).cells.twsa_mm.tobytes())
    through = early.smoothed_through(day(60), wait_days=0)
    assert early.digests[through] == late.digests[through]


def test_a_month_that_follows_another_has_the_bits_of_a_run_that_starts_there(run) -> None:
    one_after_the_other = fresh(run)
    for number in (5, 35, 63, 95):
        alone = fresh(run).smoothed(day(number)).signal
        followed = one_after_the_other.smoothed(day(number)).signal
        assert followed.mean.tobytes() == alone.mean.tobytes()
        assert followed.covariance.tobytes() == alone.covariance.tobytes()


def test_smoothing_does_not_lead_the_filter_astray(run, tmp_path: Path) -> None:
    both = fresh(run, cache=Cache(tmp_path))
    for number in (20, 50, 90, 149, 100):
        both.smoothed(day(number))
        alone = fresh(run).filtered(day(number)).signal
        assert both.filtered(day(number)).signal.mean.tobytes() == alone.mean.tobytes()


def test_left_out_stations_lie_within_their_intervals() -> None:
    """Drawn from the model itself, 90 % intervals hold 90 % of the observations."""
    held = [_coverage(np.random.default_rng(10 + seed)) for seed in range(4)]
    assert 0.86 <= np.mean(held) <= 0.94


def _coverage(random: np.random.Generator) -> float:
    whole = believed(random, replace(SETTINGS, station_offset_sigma_mm=0.5), 60)
    inside = []
    for station in range(N_STATIONS):
        out = np.arange(N_STATIONS) == station
        without = whole.without(out)
        for number in range(0, 60, 3):
            mean, deviation = whole.predict(day(number), without.filtered(day(number)).signal, out)
            if np.isfinite(whole.up_mm[number, station]):
                inside.append(abs(whole.up_mm[number, station] - mean[0]) <= 1.6449 * deviation[0])
    return float(np.mean(inside))
