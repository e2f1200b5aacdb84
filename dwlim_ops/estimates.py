"""How the water storage of a day is estimated, by every method, side by side.

`tragnss` inverts the day's stations alone, `dwlim` also the cells that the station LSTMs simulate;
`dwlim_st` is the space-time filter, or its smoother where the days after have come in.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Final

import numpy as np
from numpy.typing import NDArray

from dwlim_ops.invert.daily import Estimate, Inversion, estimate
from dwlim_ops.reconcile import Known, weather_fingerprint
from dwlim_ops.session import Session
from dwlim_ops.simulation import Simulated
from dwlim_ops.space_time import usable_up_mm
from dwlim_ops.state.provenance import fingerprint

Array = NDArray[np.float64]
Progress = Callable[[str, int, int], None]

METHODS: Final = ("tragnss", "dwlim", "dwlim_st")
#: `dwlim_st` as of the day itself, before any later day is known.
NEWEST_DAY: Final = "dwlim_st newest day"
#: Stations are left out in so many groups, each predicted from all other groups by a filter that
#: starts so many days before the first day wanted.
N_FOLDS, WARM_UP_DAYS = 5, 730


@dataclass(frozen=True, eq=False)
class PointData:
    """Displacement that an inversion of one day is given: stations first, then cells, (m,).

    `up_mm` is NaN where absent; `covariance_mm2` (m, m) is what errors share beyond `sigma_mm`.
    """

    up_mm: Array
    sigma_mm: Array
    covariance_mm2: Array | None = None


@dataclass(frozen=True, eq=False)
class DayData:
    """What the inversions of one day are given; `unobserved` marks cells without a station."""

    by_method: dict[str, PointData]
    unobserved: NDArray[np.bool_]
    simulated: Simulated | None


@dataclass(frozen=True, eq=False)
class DayEstimates:
    """What the inversions say about one day; `betas` of those that have one, `remarks` of those
    that use other days' data."""

    data: DayData
    estimates: dict[str, Estimate]
    betas: dict[str, float]
    basin_sigma_mm: dict[str, Array]
    remarks: dict[str, str]


def day_data(session: Session, known: Known, day: date, *, simulated: bool = True) -> DayData:
    """Displacement of the day's stations, and of the cells without one where they are simulated.

    `dwlim` is missing without forcing, and where nobody wants cells `simulated`.
    """
    row, checked = known.row(day), known.checked
    up = usable_up_mm(checked.isel(time=[row]))[0]
    sigma = session.station_sigma_mm(checked)[row]
    cells = _simulate(session, known, day) if simulated else None
    n_cells = session.geometry.cells[0].size if session.simulator is not None else 0
    observed = session.geometry.holding_cell(
        checked["longitude_deg"].values, checked["latitude_deg"].values)[np.isfinite(up)]
    unobserved = ~np.isin(np.arange(n_cells), observed)
    absent = np.full(n_cells, np.nan)
    by_method = {"tragnss": PointData(np.concatenate([up, absent]),
                                      np.concatenate([sigma, absent]))}
    if cells is not None:
        by_method["dwlim"] = _with_cells(session, up, sigma, cells, unobserved)
    return DayData(by_method, unobserved, cells)


def _with_cells(session: Session, up: Array, sigma: Array, simulated: Simulated,
                unobserved: NDArray[np.bool_]) -> PointData:
    """Stations and simulated cells, the latter with the errors that they share.

    With sigma = "unit" (the paper) cells enter as they are.
    """
    simulator, n_stations = session.simulator, up.size
    if session.config.inversion.sigma == "unit" or simulator is None:
        cells = np.where(unobserved, simulated.up_mm[0], np.nan)
        return PointData(np.concatenate([up, cells]), np.concatenate([sigma, np.ones(cells.size)]))
    every = np.arange(unobserved.size)
    observations = simulator.as_observations(simulated.up_mm, every)
    covariance = np.zeros((n_stations + every.size,) * 2)
    covariance[n_stations:, n_stations:] = observations.covariance_mm2
    cells = np.where(unobserved, observations.up_mm[0], np.nan)
    return PointData(np.concatenate([up, cells]), np.concatenate([sigma, np.zeros(every.size)]),
                     covariance)


@dataclass(frozen=True)
class _Solver:
    """What the stations of a day tell of the prior and of their errors, for all methods alike.

    The errors of simulated cells were measured in mm, so the variance of unit weight, which says
    how far the prior and the formal errors are off, is that of the stations and not of the cells.
    The noise that stations share, as the space-time model has it, weighs nothing (the paper's
    errors are independent) but enters the sigma of the water.
    """

    beta: float
    variance_factor: float
    shared_noise_mm2: Array

    @classmethod
    def of(cls, session: Session, known: Known, data: DayData) -> "_Solver":
        """From the stations alone."""
        stations, of_basins = data.by_method["tragnss"], session.basin_inversion(known.checked)
        beta = session.beta(of_basins, stations.up_mm, stations.sigma_mm)
        alone = estimate(of_basins, stations.up_mm, stations.sigma_mm, beta=beta, posterior=False)
        noise = session.space_time(known.checked).model.shared_noise_covariance()
        n_cells = stations.up_mm.size - len(noise)
        return cls(beta, float(alone.variance_factor), np.pad(noise, (0, n_cells)))

    def __call__(self, inversion: Inversion, points: PointData) -> Estimate:
        """Estimate of a method; without a covariance of cells its own misfit scales the errors."""
        if points.covariance_mm2 is None:
            return estimate(inversion, points.up_mm, points.sigma_mm, beta=self.beta,
                            unweighted_covariance_mm2=self.shared_noise_mm2)
        return estimate(inversion, points.up_mm, points.sigma_mm, beta=self.beta,
                        shared_covariance_mm2=points.covariance_mm2 / self.variance_factor,
                        unweighted_covariance_mm2=self.shared_noise_mm2,
                        variance_factor=self.variance_factor)


def estimate_day(session: Session, known: Known, day: date) -> DayEstimates:
    """Estimates of one day for the cells of the grid, with errors of cells and basins."""
    data = day_data(session, known, day)
    estimates, betas, basin_sigma = {}, {}, {}
    solve = _Solver.of(session, known, data)
    for method, points in data.by_method.items():
        betas[method] = solve.beta
        estimates[method] = solve(session.inversion(known.checked), points)
        basin_sigma[method] = solve(session.basin_inversion(known.checked), points).sigma_mm
    run = session.space_time(known.checked)
    space_time = run.estimate(day, wait_days=session.final_wait_days)
    estimates["dwlim_st"], basin_sigma["dwlim_st"] = space_time.cells, space_time.basin_sigma_mm
    remarks = {"dwlim_st": space_time.data}
    return DayEstimates(data, estimates, betas, basin_sigma, remarks)


def _simulate(session: Session, known: Known, day: date) -> Simulated | None:
    simulator = session.simulator
    if simulator is None or known.forcing is None:
        return None
    rows = np.flatnonzero(known.forcing["time"].values == np.datetime64(day, "ns"))
    rows = rows[simulator.usable_rows(known.forcing)[rows]]
    if not rows.size:
        return None
    key = _simulation_key(session, known, day)
    kept = session.cache.get(key)
    if kept is None:
        together = simulator.rows_of_run(known.forcing, int(rows[0]))
        made = simulator.simulate(known.forcing, together.tolist())
        days = known.forcing["time"].values[together].astype("datetime64[D]").tolist()
        for number, of_run in enumerate(days):
            session.cache.put(_simulation_key(session, known, of_run), {
                "up_mm": made.up_mm[[number]], "spread_mm": made.spread_mm[[number]],
                "sigma_mm": made.sigma_mm})
        at = [days.index(day)]
        return Simulated(made.up_mm[at], made.spread_mm[at], made.sigma_mm)
    return Simulated(**kept)


def _simulation_key(session: Session, known: Known, day: date) -> str:
    return fingerprint("simulated", weather_fingerprint(session, known, day), session.bundle_id,
                       session.configuration, session.code)


@dataclass(frozen=True, eq=False)
class MethodSeries:
    """Daily estimates of one method, T days.

    Basin means and their errors (T, n_basins); cells of the grid's domain (T, n_cells) if wanted.
    """

    method: str
    days: list[date]
    basins_mm: Array
    basin_sigma_mm: Array
    cells_mm: Array | None
    cell_sigma_mm: Array | None


@dataclass(frozen=True, eq=False)
class LeftOutSeries:
    """Displacement of every station predicted without it, (T, S), NaN where not made.

    `sigma_mm` is the standard deviation of observed minus predicted, the station's noise included.
    """

    method: str
    days: list[date]
    predicted_mm: Array
    sigma_mm: Array


def estimate_series(session: Session, known: Known, days: Sequence[date], *,
                    methods: Sequence[str] = METHODS, cells: bool = False, progress: Progress
                    ) -> dict[str, MethodSeries]:
    """Estimates of many days, in ascending order, for comparison with the truth or GRACE.

    `dwlim` appears if the region has a bundle, with the days that have weather. `dwlim_st` is
    smoothed with all days of the record within its reach, beside it the filter `NEWEST_DAY`.
    """
    series: dict[str, MethodSeries] = {}
    daily = [method for method in methods if method != "dwlim_st"]
    if daily:
        series |= _daily_series(session, known, days, daily, cells=cells, progress=progress)
    if "dwlim_st" in methods:
        series |= _space_time_series(session, known, days, cells=cells, progress=progress)
    return series


def _daily_series(session: Session, known: Known, days: Sequence[date], methods: Sequence[str], *,
                  cells: bool, progress: Progress) -> dict[str, MethodSeries]:
    inversion = session.inversion(known.checked)
    of_basins = session.basin_inversion(known.checked)
    rows: dict[str, list[tuple[date, Estimate, Estimate | None]]] = {}
    for number, day in enumerate(days, start=1):
        data = day_data(session, known, day, simulated="dwlim" in methods)
        solve = _Solver.of(session, known, data)
        for method, points in data.by_method.items():
            if method not in methods:
                continue
            whole = solve(inversion, points) if cells else None
            rows.setdefault(method, []).append((day, solve(of_basins, points), whole))
        progress(" and ".join(methods), number, len(days))
    return {method: MethodSeries(
        method, [day for day, _, _ in made], np.stack([b.twsa_mm for _, b, _ in made]),
        np.stack([b.sigma_mm for _, b, _ in made]),
        np.stack([w.twsa_mm for _, _, w in made if w is not None]) if cells else None,
        np.stack([w.sigma_mm for _, _, w in made if w is not None]) if cells else None)
        for method, made in rows.items()}


def _space_time_series(session: Session, known: Known, days: Sequence[date], *, cells: bool,
                       progress: Progress) -> dict[str, MethodSeries]:
    run = session.space_time(known.checked)
    made: dict[str, list[tuple[Array, ...]]] = {"dwlim_st": [], NEWEST_DAY: []}
    for number, day in enumerate(days, start=1):
        if cells:
            for name, one in (("dwlim_st", run.smoothed_estimate(day)),
                              (NEWEST_DAY, run.filtered_estimate(day))):
                made[name].append((one.basins_mm, one.basin_sigma_mm, one.cells.twsa_mm,
                                   one.cells.sigma_mm))
        else:
            made["dwlim_st"].append(run.basin_means(day, run.smoothed(day).signal))
            made[NEWEST_DAY].append(run.basin_means(day, run.filtered(day).signal))
        progress("dwlim_st", number, len(days))
    series = {}
    for name, rows in made.items():
        columns = [np.stack(column) for column in zip(*rows, strict=True)]
        series[name] = MethodSeries(name, list(days), columns[0], columns[1],
                                    columns[2] if cells else None, columns[3] if cells else None)
    return series


def left_out_series(session: Session, known: Known, days: Sequence[date], *,
                    methods: Sequence[str] = METHODS, progress: Progress
                    ) -> dict[str, LeftOutSeries]:
    """Displacement of every station predicted from the others, on many days in ascending order.

    `tragnss` and `dwlim` leave out one station at a time, in closed form; `dwlim_st` one group of
    `N_FOLDS` at a time.
    """
    series: dict[str, LeftOutSeries] = {}
    daily = [method for method in methods if method != "dwlim_st"]
    if daily:
        series |= _daily_left_out(session, known, days, daily, progress=progress)
    if "dwlim_st" in methods:
        series |= _space_time_left_out(session, known, days, progress=progress)
    return series


def _daily_left_out(session: Session, known: Known, days: Sequence[date], methods: Sequence[str],
                    *, progress: Progress) -> dict[str, LeftOutSeries]:
    of_basins, n_stations = session.basin_inversion(known.checked), known.checked.sizes["station"]
    rows: dict[str, list[tuple[date, Array, Array]]] = {}
    for number, day in enumerate(days, start=1):
        data = day_data(session, known, day, simulated="dwlim" in methods)
        solve = _Solver.of(session, known, data)
        for method, points in data.by_method.items():
            if method not in methods:
                continue
            one = solve(of_basins, points)
            predicted = (points.up_mm - one.leave_one_out_mm)[:n_stations]
            rows.setdefault(method, []).append((day, predicted, one.leave_one_out_sigma_mm[
                :n_stations]))
        progress(f"{' and '.join(methods)}, left out", number, len(days))
    return {method: LeftOutSeries(method, [day for day, _, _ in made],
                                  np.stack([p for _, p, _ in made]),
                                  np.stack([s for _, _, s in made]))
            for method, made in rows.items()}


def _space_time_left_out(session: Session, known: Known, days: Sequence[date], *,
                         progress: Progress) -> dict[str, LeftOutSeries]:
    whole = session.space_time(known.checked)
    shape = len(days), known.checked.sizes["station"]
    names = "dwlim_st", NEWEST_DAY
    predicted = {name: np.full(shape, np.nan) for name in names}
    sigma = {name: np.full(shape, np.nan) for name in names}
    folds = np.random.default_rng(0).permutation(shape[1]) % N_FOLDS
    for fold in range(N_FOLDS):
        out = folds == fold
        run = whole.without(out, first=whole.row(days[0]) - WARM_UP_DAYS)
        for number, day in enumerate(days):
            for name, result in (("dwlim_st", run.smoothed(day)),
                                 (NEWEST_DAY, run.filtered(day))):
                mean, deviation = whole.predict(day, result.signal, out)
                predicted[name][number, out], sigma[name][number, out] = mean, deviation
            progress("dwlim_st, left out", fold * len(days) + number + 1, N_FOLDS * len(days))
    return {name: LeftOutSeries(name, list(days), predicted[name], sigma[name]) for name in names}
