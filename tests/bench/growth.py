"""`python -m tests.bench.growth`: how cost grows with stations and cells, and the exponents."""

import math
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import shapely
from numpy.typing import NDArray

from dwlim_ops.geometry import KM_PER_DEGREE, cell_area_km2, make_grid
from dwlim_ops.invert.daily import estimate, prepare, project
from dwlim_ops.invert.design import design_matrix
from dwlim_ops.invert.modes import noise_modes, spatial_modes
from dwlim_ops.invert.smoothness import Smoothness
from dwlim_ops.invert.spacetime import SpaceTimeModel, SpaceTimeSettings
from dwlim_ops.telemetry.logs import configure_logging
from dwlim_ops.telemetry.progress import stages
from flows.runtime import single_threaded
from tests.bench.measure import seconds, timed
from tests.bench.problems import BETA

Array = NDArray[np.float64]

#: A tile of the global grid: a core of 20 deg, 5 deg more on each side.
TILE = shapely.box(100.0, 20.0, 130.0, 50.0)
N_STATIONS, SPACINGS_DEG = (50, 100, 200, 400), (1.0, 0.5, 0.25)
USUAL_STATIONS, USUAL_SPACING_DEG = 200, 0.25
N_DAYS = 5


@dataclass(frozen=True)
class Cost:
    """CPU seconds of one size, and the largest arrays in bytes."""

    n_stations: int
    n_cells: int
    n_states: int
    setup_s: float
    day_s: float
    filter_s: float
    smoother_s: float
    array_bytes: int


def measure(n_stations: int, spacing_deg: float) -> Cost:
    """Set-up with modes, a day with errors, a day of the filter, and of filter and smoother."""
    random = np.random.default_rng(6)
    west, south, east, north = TILE.bounds
    grid = make_grid(TILE, spacing_deg, 0.0)
    longitude, latitude = (random.uniform(low + 1.0, high - 1.0, n_stations)
                           for low, high in ((west, east), (south, north)))
    settings = SpaceTimeSettings()
    spacing_km = spacing_deg * KM_PER_DEGREE * math.sqrt(math.cos(math.radians(35.0)))
    area = cell_area_km2(grid.cells[1], spacing_deg)

    def set_up() -> tuple[Array, SpaceTimeModel]:
        design = design_matrix(longitude, latitude, grid, frame="cf")
        water, noise = (prepare(design, Smoothness(grid.domain, (spacing_km / length)**2), area)
                        for length in (settings.correlation_length_km,
                                       settings.noise_correlation_length_km))
        strips = 10 * np.arange(len(area)) // len(area) == np.arange(10)[:, None]
        modes, _ = spatial_modes(water, grid.land, project(
            water, strips / strips.sum(axis=1, keepdims=True)))
        return design, SpaceTimeModel(modes, noise_modes(noise), settings)

    setup, (design, model) = timed(set_up)
    inversion = prepare(design, Smoothness(grid.domain), area)
    up, sigma = random.normal(0.0, 5.0, (N_DAYS, n_stations)), np.full((N_DAYS, n_stations), 3.0)
    day, _ = timed(lambda: estimate(inversion, up[0], sigma[0], beta=BETA))
    first = model.initial(0)

    def filtered() -> None:
        state = first
        for number in range(N_DAYS):
            state, _ = model.step(state, number + 1, up[number], sigma[number])

    def smoothed() -> None:
        state, updates = first, []
        for number in range(N_DAYS):
            state, update = model.forward(state, number + 1, up[number], sigma[number])
            updates.append(update)
        model.backward(updates, N_DAYS)

    n_states = first.mean.size
    return Cost(n_stations, len(area), n_states, setup.cpu_s, day.cpu_s,
                timed(filtered)[0].cpu_s / N_DAYS, timed(smoothed)[0].cpu_s / N_DAYS,
                8 * (2 * n_stations * len(area) + 3 * n_states**2))


def exponent(sizes: Sequence[int], costs: Sequence[float]) -> float:
    """Slope of the logarithms."""
    return float(np.polyfit(np.log(sizes), np.log(costs), 1)[0])


def main() -> None:
    configure_logging()
    single_threaded()
    with stages() as progress:
        sizes = [*((number, USUAL_SPACING_DEG) for number in N_STATIONS),
                 *((USUAL_STATIONS, spacing) for spacing in SPACINGS_DEG[:-1])]
        costs = []
        for number, size in enumerate(sizes, start=1):
            costs.append(measure(*size))
            progress("growth", number, len(sizes))
    by_stations = costs[:len(N_STATIONS)]
    by_cells = [*costs[len(N_STATIONS):], costs[N_STATIONS.index(USUAL_STATIONS)]]
    sys.stdout.write(_table(costs) + "\n" + "\n".join((
        _exponents("stations", by_stations, lambda cost: cost.n_stations),
        _exponents("cells", by_cells, lambda cost: cost.n_cells))) + "\n")


def _table(costs: Sequence[Cost]) -> str:
    lines = ["| stations | cells | states | set-up with modes | a day of `tragnss` with errors "
             "| filter, a day | filter and smoother, a day | largest arrays |",
             "|--:|--:|--:|--:|--:|--:|--:|--:|"]
    lines += [f"| {c.n_stations} | {c.n_cells:,} | {c.n_states:,} | {seconds(c.setup_s)} "
              f"| {seconds(c.day_s)} | {seconds(c.filter_s)} | {seconds(c.smoother_s)} "
              f"| {c.array_bytes / 2**20:,.0f} MiB |" for c in costs]
    return "\n".join(lines) + "\n"


def _exponents(name: str, costs: Sequence[Cost], size: Callable[[Cost], int]) -> str:
    found = {stage: exponent([size(c) for c in costs], [getattr(c, stage) for c in costs])
             for stage in ("setup_s", "day_s", "filter_s", "smoother_s")}
    return f"Exponents with {name}: " + ", ".join(
        f"{stage.removesuffix('_s')} {value:.1f}" for stage, value in found.items())


if __name__ == "__main__":
    main()
