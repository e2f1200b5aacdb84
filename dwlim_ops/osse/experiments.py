"""Observing-system simulation: all estimates on a synthetic Earth, scored against its truth."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from itertools import product
from typing import Final

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from dwlim_ops.contracts import GNSS_FLAGS
from dwlim_ops.errors import ConfigError
from dwlim_ops.estimates import MethodSeries, estimate_series
from dwlim_ops.osse.boards import (
    NOISES_MM,
    SIZES_DEG,
    BoardScore,
    make_boards,
    since,
    single_days,
    through_time,
)
from dwlim_ops.osse.world import World
from dwlim_ops.reconcile import Known, ingest, observe
from dwlim_ops.session import Session
from dwlim_ops.simulate.bundle import write_bundle
from dwlim_ops.simulate.store import promote
from dwlim_ops.training import train_bundle
from dwlim_ops.verify.scores import annual_amplitudes, coverage, nse, pcc, rmse

Array = NDArray[np.float64]
Progress = Callable[[str, int, int], None]

ROLE: Final = "causal"
LOST_SHARE: Final = 0.3
#: Of the land cells so many are scored, evenly spread.
MOST_CELLS: Final = 1500


@dataclass(frozen=True)
class Effort:
    """How much is computed.

    Every `stride_days`-th day of every `stride_months`-th month is scored; cells in all experiments
    or in the first alone. `n_draws` of noise on a board; `board_cases` are size and noise of the
    boards through time, scored on some days of every third month. The space-time filter starts
    `spin_up_days` before the first scored day.
    """

    stride_days: int
    stride_months: int
    cells_everywhere: bool
    n_draws: int
    board_cases: tuple[tuple[float, float], ...]
    spin_up_days: int

    def days(self, known: Known, first: date) -> list[date]:
        """Days to be scored, from `first` on."""
        return [day for day in known.days if day >= first
                and day.toordinal() % self.stride_days == 0
                and day.month % self.stride_months == 0]


FULL: Final = Effort(10, 1, True, 40, tuple(product(SIZES_DEG, NOISES_MM)), 3653)
QUICK: Final = Effort(7, 3, False, 10, (), 365)


@dataclass(frozen=True)
class Score:
    """One series against its truth; `coverage` is the share of days within the 90 % interval."""

    pcc: float
    nse: float
    rmse_mm: float
    amplitude_ratio: float
    coverage: float


@dataclass(frozen=True, eq=False)
class MethodScores:
    """One estimate of one experiment: a score for every basin and for some land cells."""

    experiment: str
    method: str
    n_days: int
    basins: tuple[Score, ...]
    cells: tuple[Score, ...]


@dataclass(frozen=True)
class NetworkFacts:
    """What the synthetic stations are like after quality control; medians and quartiles."""

    n_stations: int
    n_excluded: int
    n_controls: int
    scatter_mm: float
    correlation_temperature: tuple[float, float, float]
    correlation_pressure: tuple[float, float, float]


@dataclass(frozen=True, eq=False)
class Findings:
    """Everything that one run found out."""

    facts: NetworkFacts
    scores: tuple[MethodScores, ...]
    boards: tuple[BoardScore, ...]


def run_osse(session: Session, world: World, *, effort: Effort, now: datetime,
             progress: Progress) -> Findings:
    """Take in the synthetic files, train, estimate, score.

    Three experiments: the whole network; `LOST_SHARE` of the stations gone from the first scored
    day on; and monuments that expand with the heat, with networks trained on them. Thermal
    expansion is added to the checked displacement, relative to the reference period.
    """
    known = take_in(session, world, now=now, progress=progress)
    days = effort.days(known, world.spans.test_first)
    start = max(known.days[0], world.spans.test_first - timedelta(days=effort.spin_up_days))
    heated = with_expansion(known, world)
    experiments = [("whole network", known, "whole"),
                   (f"{LOST_SHARE:.0%} of the stations lost", without_stations(
                       known, seed=world.earth.nature.settings.seed,
                       first=world.spans.test_first), "whole"),
                   ("thermal expansion", heated, "heated")]
    for name, material in (("whole", known), ("heated", heated)):
        train_role(session, material, name, now=now, progress=progress)
    scores: list[MethodScores] = []
    for title, material, role in experiments:
        with session.serving(role):
            series = estimate_series(
                session, since(material, start), days, progress=_titled(progress, title),
                cells=effort.cells_everywhere or material is known)
            scores += [score_method(world, title, one) for one in series.values()]
    seed, boards = world.earth.nature.settings.seed, make_boards(world, known)
    with session.serving("whole"):
        facts = describe(session, known)
        seen = [*single_days(session, known, boards, n_draws=effort.n_draws, seed=seed),
                *through_time(session, known, boards, seed=seed, cases=effort.board_cases,
                              progress=_titled(progress, "boards"))]
    return Findings(facts, tuple(scores), tuple(seen))


def take_in(session: Session, world: World, *, now: datetime, progress: Progress) -> Known:
    """Ingest every file of the workspace and observe at the end of the record.

    Raises
    ------
    ConfigError
        A file was refused or nothing is there: a bug of the synthetic Earth.
    """
    for name in session.feeds:
        for report in ingest(session, name, as_of=world.spans.as_of, retrieved_at=now,
                             progress=progress):
            if report.failed:
                raise ConfigError("a synthetic file was refused", where=name,
                                  got=report.failed[0])
    known = observe(session, world.spans.as_of)
    if known is None:
        raise ConfigError("no displacement is known", where=str(session.workspace.root))
    return known


def train_role(session: Session, known: Known, role: str, *, now: datetime, progress: Progress
               ) -> str:
    """Train the networks on the record and give them a role; returns the bundle's id."""
    region = session.config.region.name
    bundle = train_bundle(known, session.geometry, session.config.training[ROLE], name=role,
                          region=region, progress=_titled(progress, f"{role} networks"))
    bundle_id = write_bundle(session.model_store, bundle)
    promote(session.model_store, region, bundle_id, role=role, at=now)
    return bundle_id


def _titled(progress: Progress, title: str) -> Progress:
    return lambda stage, done, total: progress(f"{title}: {stage}", done, total)


def without_stations(known: Known, *, seed: int, first: date) -> Known:
    """The same record with a share of the stations silent from a day on."""
    flag = known.checked["flag"].values.copy()
    random = np.random.default_rng([seed, 50])
    lost = random.permutation(flag.shape[1])[:round(LOST_SHARE * flag.shape[1])]
    flag[known.row(first):, lost] |= GNSS_FLAGS["absent"]
    return replace(known, checked=known.checked.assign(flag=(("time", "station"), flag)))


def with_expansion(known: Known, world: World) -> Known:
    """The same record with the thermal expansion of the monuments in it."""
    checked, region = known.checked, world.config.region
    column = {name: number for number, name in enumerate(world.earth.stations.name)}
    order = [column[name] for name in checked["station"].values.tolist()]
    expansion = xr.DataArray(world.earth.thermal_mm[world.rows(known.days)][:, order],
                             dims=("time", "station"), coords={"time": checked["time"]})
    level = expansion.sel(time=slice(str(region.reference_start), str(region.reference_end)))
    up = checked["up_mm"].values + (expansion - level.mean("time")).values
    return replace(known, checked=checked.assign(up_mm=(("time", "station"), up)))


def score_method(world: World, experiment: str, series: MethodSeries) -> MethodScores:
    """Scores of one estimate against the truth, relative to the same reference period."""
    days = np.array(series.days, dtype="datetime64[D]")
    basins = score_columns(days, series.basins_mm, series.basin_sigma_mm,
                           world.basins_mm(series.days))
    cells: tuple[Score, ...] = ()
    if series.cells_mm is not None and series.cell_sigma_mm is not None:
        land = np.flatnonzero(world.geometry.grid.land)
        some = land[np.unique(np.linspace(0, land.size - 1, MOST_CELLS).astype(int))]
        cells = score_columns(days, series.cells_mm[:, some], series.cell_sigma_mm[:, some],
                              world.cells_mm(series.days)[:, some])
    return MethodScores(experiment, series.method, len(series.days), basins, cells)


def score_columns(days: NDArray[np.datetime64], estimate_mm: Array, sigma_mm: Array,
                  truth_mm: Array) -> tuple[Score, ...]:
    """A score for every column of (n_days, n) arrays."""
    amplitudes = annual_amplitudes(days, estimate_mm) / annual_amplitudes(days, truth_mm)
    return tuple(
        Score(pcc(one, truth), nse(one, truth), rmse(one, truth), float(ratio),
              coverage(one, truth, sigma))
        for one, truth, ratio, sigma in zip(estimate_mm.T, truth_mm.T, amplitudes, sigma_mm.T,
                                            strict=True))


def describe(session: Session, known: Known) -> NetworkFacts:
    """Statistics of the stations that the settings of the Earth are meant to give."""
    checked, forcing, simulator = known.checked, known.forcing, session.simulator
    if forcing is None or simulator is None:
        raise ConfigError("a synthetic Earth has weather and networks",
                          where=str(session.workspace.root), got=session.bundle_refusal)
    up = np.where(checked["flag"].values == 0, checked["up_mm"].values, np.nan)
    used = np.flatnonzero(checked["exclusion"].values == "")
    cell = session.geometry.cell_of(checked["longitude_deg"].values,
                                    checked["latitude_deg"].values)
    at = forcing.reindex(time=checked["time"].values)
    correlations = [
        np.percentile([abs(pcc(up[:, station], at[name].values[:, cell[station]]))
                       for station in used], (50, 25, 75)).tolist()
        for name in ("temperature_k", "pressure_pa")]
    return NetworkFacts(
        checked.sizes["station"], checked.sizes["station"] - used.size,
        len(simulator.bundle.manifest.controls.station),
        float(np.median(checked["scatter_mm"].values[used])),
        *(tuple(one) for one in correlations))
