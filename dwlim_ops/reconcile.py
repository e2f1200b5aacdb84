"""Reconciliation: what is known, which published days are out of date, and how a day is made.

The only module that knows the order of the stages: correct, qc, features, simulate, invert,
products, publish. A tick compares the fingerprint of what each day would be computed from with
the fingerprint of what is published, and makes the days that differ.
"""

import logging
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from dwlim_ops.archive.archive import IngestReport
from dwlim_ops.correct import hydrological_displacement
from dwlim_ops.invert.daily import Estimate, estimate
from dwlim_ops.qc.forcing import grid_forcing
from dwlim_ops.qc.gnss import check_gnss
from dwlim_ops.qc.screening import usable
from dwlim_ops.session import Session
from dwlim_ops.simulation import Simulated
from dwlim_ops.state.provenance import fingerprint

_log = logging.getLogger(__name__)

Array = NDArray[np.float64]

ONE_DAY = timedelta(days=1)


@dataclass(frozen=True, eq=False)
class Known:
    """What is known at `as_of`: checked displacement, forcing of the cells, ages of the inputs."""

    as_of: datetime
    checked: xr.Dataset
    forcing: xr.Dataset | None
    newest_day: dict[str, date]
    remaining_loading: tuple[str, ...]

    def row(self, day: date) -> int:
        """Index of a day in `checked`."""
        since_first = np.datetime64(day, "D") - self.checked["time"].values[0]
        return int(since_first / np.timedelta64(1, "D"))

    @property
    def days(self) -> list[date]:
        """All days from the first to the newest."""
        return [t.item() for t in self.checked["time"].values.astype("datetime64[D]")]


@dataclass(frozen=True)
class PlannedDay:
    """A day to be made, and why."""

    day: date
    fingerprint: str
    revision: int
    reason: str


def ingest(session: Session, name: str, *, as_of: datetime, retrieved_at: datetime) -> IngestReport:
    """Take in what one source offers at `as_of`."""
    source = session.feeds[name].source
    return session.archive.ingest(source, as_of=as_of, retrieved_at=retrieved_at)


def observe(session: Session, as_of: datetime) -> Known | None:
    """Everything that is known at `as_of`, corrected and checked; None without any displacement."""
    inputs = {name: _read(session, name, as_of) for name in session.feeds}
    gnss = inputs["gnss"]
    if gnss is None:
        return None
    config = session.config
    hydrological, remaining = _correct(session, gnss, inputs.get("loading"))
    outside = session.geometry.distance_outside_deg(
        gnss["longitude_deg"].values, gnss["latitude_deg"].values)
    reference = config.region.reference_start, config.region.reference_end
    checked = check_gnss(hydrological, config.qc, reference=reference,
                         given_steps=session.given_steps, region_distance_deg=outside)
    weather = inputs.get("weather")
    forcing = None if weather is None else grid_forcing(
        weather, *session.geometry.cells, config.forcing, reference=reference)
    newest = {name: data["time"].values[-1].astype("datetime64[D]").item()
              for name, data in inputs.items() if data is not None}
    return Known(as_of, checked, forcing, newest, remaining)


def _read(session: Session, name: str, as_of: datetime) -> xr.Dataset | None:
    feed = session.feeds[name]
    data = session.archive.read(feed.source, feed.merge, as_of=as_of)
    if data is None:
        return None
    visible = data.sel(time=slice(None, np.datetime64(feed.source.newest_visible_day(as_of))))
    return visible if visible.sizes["time"] else None


def _correct(
    session: Session, gnss: xr.Dataset, loading: xr.Dataset | None
) -> tuple[xr.Dataset, tuple[str, ...]]:
    """Subtract modelled loading; without a model the loading stays and is named."""
    sources = session.config.sources
    removed = frozenset(sources.gnss.already_removed) & {"ntal", "ntol"}
    models = {}
    if loading is not None:
        aligned = loading.reindex(time=gnss["time"].values, station=gnss["station"].values)
        models = {name: aligned[name].values for name in ("ntal_up_mm", "ntol_up_mm")}
    done = hydrological_displacement(
        gnss["up_mm"].values, already_removed=removed, series_frame=sources.gnss.frame,
        loading_frame=sources.loading.frame if sources.loading else None, **models)
    return gnss.assign(up_mm=(("time", "station"), done.up_mm)), done.missing


def plan(session: Session, known: Known, *, first: date | None = None, last: date | None = None
         ) -> list[PlannedDay]:
    """Days whose inputs are not those of the newest published revision, oldest first.

    Without limits: the days of the horizon before the newest day.
    """
    newest = known.days[-1]
    last = min(last or newest, newest)
    horizon = newest - (session.config.schedule.horizon_days - 1) * ONE_DAY
    first = max(first or horizon, known.days[0])
    published = session.ledger.newest_revisions()
    station_days = usable(known.checked).sum(axis=1)
    planned = []
    for offset in range((last - first).days + 1):
        day = first + offset * ONE_DAY
        if station_days[known.row(day)] < session.config.inversion.minimum_stations:
            continue
        wanted = _fingerprint(session, known, day)
        record = published.get(day)
        if record is None:
            planned.append(PlannedDay(day, wanted, 0, "not published yet"))
        elif record.fingerprint != wanted:
            planned.append(PlannedDay(day, wanted, record.revision + 1,
                                      f"inputs differ from those of r{record.revision:02d}"))
    return planned


def _fingerprint(session: Session, known: Known, day: date) -> str:
    """SHA-256 over everything that the product of a day is computed from."""
    row = known.row(day)
    checked = known.checked
    flag = checked["flag"].values[row]
    displacement = [flag, *(np.where(flag == 0, checked[name].values[row], np.nan)
                            for name in ("up_mm", "up_sigma_mm"))]
    places = [checked[name].values for name in ("station", "longitude_deg", "latitude_deg")]
    weather: list[Any] = []
    simulator = session.simulator
    if simulator is not None and known.forcing is not None:
        end = np.datetime64(day, "ns")
        start = end - np.timedelta64(simulator.features.window_days - 1, "D")
        window = known.forcing.sel(time=slice(start, end))
        weather = [window["time"].values, window["temperature_k"].values,
                   window["pressure_pa"].values]
    return fingerprint(str(day), *displacement, *places, *weather, session.bundle_id,
                       session.configuration, session.code, list(known.remaining_loading))


@dataclass(frozen=True, eq=False)
class DayData:
    """What the inversion of one day is given: per method displacement and sigma of all points,
    stations first, then cells, NaN where absent, (m,). `unobserved` marks cells without a station.
    """

    by_method: dict[str, tuple[Array, Array]]
    unobserved: NDArray[np.bool_]
    simulated: Simulated | None


@dataclass(frozen=True, eq=False)
class DayEstimates:
    """What the inversion says about one day."""

    data: DayData
    estimates: dict[str, Estimate]
    betas: dict[str, float]
    basin_sigma_mm: dict[str, Array]


def day_data(session: Session, known: Known, day: date) -> DayData:
    """Displacement of the day's stations, and of the cells without one where they are simulated.

    `tragnss` has the stations alone, `dwlim` both; the latter is missing without forcing.
    """
    row, checked = known.row(day), known.checked
    up = np.where(checked["flag"].values[row] == 0, checked["up_mm"].values[row], np.nan)
    sigma = session.station_sigma_mm(checked)[row]
    simulated = _simulate(session, known, day, up)
    n_cells = session.geometry.cells[0].size if session.simulator is not None else 0
    observed = session.geometry.holding_cell(
        checked["longitude_deg"].values, checked["latitude_deg"].values)[np.isfinite(up)]
    unobserved = ~np.isin(np.arange(n_cells), observed)
    absent = np.full(n_cells, np.nan)
    by_method = {"tragnss": (np.concatenate([up, absent]), np.concatenate([sigma, absent]))}
    if simulated is not None:
        unit = session.config.inversion.sigma == "unit"
        by_method["dwlim"] = (
            np.concatenate([up, np.where(unobserved, simulated.up_mm[0], np.nan)]),
            np.concatenate([sigma, np.ones(n_cells) if unit else simulated.sigma_mm]))
    return DayData(by_method, unobserved, simulated)


def estimate_day(session: Session, known: Known, day: date) -> DayEstimates:
    """Invert the data of one day for the cells of the grid, with errors of cells and basins."""
    data = day_data(session, known, day)
    inversion = session.inversion(known.checked)
    of_basins = session.basin_inversion(known.checked)
    estimates, betas, basin_sigma = {}, {}, {}
    for method, (up, sigma) in data.by_method.items():
        beta = betas[method] = session.beta(inversion, up, sigma)
        one = estimates[method] = estimate(inversion, up, sigma, beta=beta)
        basin_sigma[method] = estimate(of_basins, up, sigma, beta=beta,
                                       variance_factor=float(one.variance_factor)).sigma_mm
    return DayEstimates(data, estimates, betas, basin_sigma)


def _simulate(session: Session, known: Known, day: date, up_mm: Array) -> Simulated | None:
    simulator = session.simulator
    if simulator is None or known.forcing is None:
        return None
    rows = np.flatnonzero(known.forcing["time"].values == np.datetime64(day, "ns"))
    rows = rows[simulator.usable_rows(known.forcing)[rows]]
    if not rows.size:
        return None
    places = known.checked["longitude_deg"].values, known.checked["latitude_deg"].values
    simulated = simulator.simulate(known.forcing, rows.tolist())
    return simulator.with_residual(simulated, *places, up_mm[None])
