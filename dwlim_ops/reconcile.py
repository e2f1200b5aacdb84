"""Reconciliation: what is known, and which published days are out of date.

With `estimates`, the only module that knows the order of the stages: correct, qc, features,
simulate, invert. A tick compares the fingerprint of what each day would be computed from with
the fingerprint of what is published, and makes the days that differ.
"""

import logging
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from functools import cached_property

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from dwlim_ops.archive.archive import IngestReport, Progress
from dwlim_ops.contracts import TIERS, Tier, tier_of
from dwlim_ops.correct import hydrological_displacement
from dwlim_ops.geometry import distance_deg
from dwlim_ops.inputs import OWN, PROXY, gridded_forcing, with_own_loading
from dwlim_ops.qc.bridge import Bridge
from dwlim_ops.qc.forcing import grid_forcing
from dwlim_ops.qc.gnss import check_gnss
from dwlim_ops.qc.screening import usable
from dwlim_ops.session import Session
from dwlim_ops.sources.merge import day_streams
from dwlim_ops.sources.ngl_steps import as_given
from dwlim_ops.state.provenance import fingerprint

_log = logging.getLogger(__name__)

Array = NDArray[np.float64]
Names = NDArray[np.str_]

ONE_DAY = timedelta(days=1)
#: Inputs whose newest day says nothing.
HELPERS = frozenset({"wide_pressure", "steps"})
#: Inputs that no product is computed from.
COMPARISON_ONLY = frozenset({"grace"})


@dataclass(frozen=True, eq=False)
class Known:
    """What is known at `as_of`: checked displacement, forcing of the cells, ages of the inputs.

    `streams` names for each quantity the stream that gave most of a day's values, (time,) of
    `checked`, empty where there is none. `newest_granule` is the last one that counts. `bridge` is
    how the temperature of cells is made up for while it is late.
    """

    as_of: datetime
    newest_granule: int
    checked: xr.Dataset
    forcing: xr.Dataset | None
    streams: dict[str, NDArray[np.str_]]
    newest_day: dict[str, date]
    remaining_loading: tuple[str, ...]
    bridge: Bridge | None = None

    def row(self, day: date) -> int:
        """Index of a day in `checked`."""
        since_first = np.datetime64(day, "D") - self.checked["time"].values[0]
        return int(since_first / np.timedelta64(1, "D"))

    @property
    def days(self) -> list[date]:
        """All days from the first to the newest."""
        return [t.item() for t in self.checked["time"].values.astype("datetime64[D]")]

    def streams_of(self, day: date) -> dict[str, str]:
        """Stream of each quantity on a day."""
        return {name: str(of_day[self.row(day)]) for name, of_day in self.streams.items()}

    def tier_of(self, day: date) -> Tier:
        """What the streams of a day allow."""
        return tier_of(self.streams_of(day))

    @cached_property
    def forcing_digests(self) -> NDArray[np.bytes_]:
        """A digest of the forcing of each of its days, (time of `forcing`,)."""
        if self.forcing is None:
            return np.zeros(0, "S64")
        fields = [self.forcing[name].values for name in ("temperature_k", "pressure_pa", "flag")]
        return np.array([fingerprint(*(field[row] for field in fields))
                         for row in range(self.forcing.sizes["time"])], dtype="S64")


@dataclass(frozen=True)
class PlannedDay:
    """A day to be made, and why.

    `parts` are the fingerprints of what it is computed from, by name.
    """

    day: date
    parts: dict[str, str]
    tier: Tier
    revision: int
    reason: str


def ingest(session: Session, name: str, *, as_of: datetime, retrieved_at: datetime,
           progress: Progress = lambda *_: None) -> list[IngestReport]:
    """Take in what every stream of one input offers at `as_of`."""
    return [session.archive.ingest(source, as_of=as_of, retrieved_at=retrieved_at,
                                   progress=progress)
            for source in session.feeds[name].sources]


def observe(session: Session, as_of: datetime, *, through: int | None = None) -> Known | None:
    """Everything that is known at `as_of`, corrected and checked; None without any displacement.

    `through`: the last granule of the ledger that counts; default: the newest.
    """
    newest_granule = session.ledger.newest_granule() if through is None else through
    inputs = {name: _read(session, name, as_of, newest_granule) for name in session.feeds
              if name not in COMPARISON_ONLY}
    gnss = inputs["gnss"]
    if gnss is None:
        return None
    config, streams = session.config, _streams(session, inputs)
    hydrological, remaining = _correct(session, gnss, inputs, streams)
    outside = session.geometry.distance_outside_deg(
        gnss["longitude_deg"].values, gnss["latitude_deg"].values)
    reference = config.region.reference_start, config.region.reference_end
    forcing, bridge = _forcing(session, inputs.get("weather"), gnss["time"].values, streams)
    checked = check_gnss(hydrological, config.qc, reference=reference,
                         given_steps=_given_steps(session, gnss, inputs.get("steps")),
                         region_distance_deg=outside,
                         temperature_k=_at_stations(forcing, gnss))
    newest = {name: data["time"].values[-1].astype("datetime64[D]").item()
              for name, data in inputs.items() if data is not None and name not in HELPERS}
    return Known(as_of, newest_granule, checked, forcing, streams, newest, remaining, bridge)


def _forcing(session: Session, weather: xr.Dataset | None, days: NDArray[np.datetime64],
             streams: dict[str, Names]) -> tuple[xr.Dataset | None, Bridge | None]:
    """Forcing of the cells; days with a bridged temperature are named in `streams`."""
    region = session.config.region
    reference = region.reference_start, region.reference_end
    if weather is None:
        return None, None
    if "cell" not in weather.dims:
        return grid_forcing(weather, *session.geometry.cells, session.config.forcing,
                            reference=reference), None
    settings = session.config.sources.weather
    made = gridded_forcing(weather, reference=reference,
                           skin_serves=settings is not None and settings.kind == "grids")
    bridged = np.isin(days, weather["time"].values[made.bridged])
    streams["temperature_k"][bridged] = PROXY
    return made.forcing, made.bridge


def _at_stations(forcing: xr.Dataset | None, gnss: xr.Dataset) -> xr.DataArray | None:
    """Temperature of the cell nearest to each station, (time, station)."""
    if forcing is None:
        return None
    nearest = distance_deg(
        gnss["longitude_deg"].values, gnss["latitude_deg"].values,
        forcing["longitude_deg"].values, forcing["latitude_deg"].values).argmin(axis=1)
    return xr.DataArray(
        forcing["temperature_k"].values[:, nearest], dims=("time", "station"),
        coords={"time": forcing["time"].values, "station": gnss["station"].values})


def _given_steps(session: Session, gnss: xr.Dataset, listed: xr.Dataset | None
                 ) -> tuple[tuple[date, str], ...]:
    """Steps of the configured table, and of the provider's list for the stations at hand."""
    stations = set(gnss["station"].values.tolist())
    return (*session.given_steps,
            *(step for step in as_given(listed) if step[1] in stations))


def _read(session: Session, name: str, as_of: datetime, through: int) -> xr.Dataset | None:
    feed = session.feeds[name]
    by_stream = {source.stream: session.archive.read(
        source, feed.merge, as_of=as_of, through=through) for source in feed.sources}
    return feed.combine({stream: data for stream, data in by_stream.items() if data is not None})


def _streams(session: Session, inputs: dict[str, xr.Dataset | None]) -> dict[str, Names]:
    """Stream of every quantity on every day that has displacement."""
    gnss = inputs["gnss"]
    days = gnss["time"].values if gnss is not None else np.zeros(0, "datetime64[ns]")
    streams = {}
    for name, data in inputs.items():
        feed = session.feeds[name]
        for quantity in feed.quantities:
            streams[quantity] = np.full(days.size, "", "U16")
            if data is None or quantity not in data:
                continue
            _, here, there = np.intersect1d(days, data["time"].values, return_indices=True)
            streams[quantity][here] = day_streams(data, quantity, feed.streams)[there]
    return streams


def _correct(
    session: Session, gnss: xr.Dataset, inputs: dict[str, xr.Dataset | None],
    streams: dict[str, Names],
) -> tuple[xr.Dataset, tuple[str, ...]]:
    """Subtract modelled loading; without a model the loading stays and is named.

    Days that only our own Green's functions serve are named in `streams`.
    """
    sources, loading = session.config.sources, inputs.get("loading")
    removed = frozenset(sources.gnss.already_removed) & {"ntal", "ntol"}
    models = {}
    if loading is not None and sources.loading is not None:
        aligned = loading.reindex(time=gnss["time"].values, station=gnss["station"].values)
        pressure = inputs.get("wide_pressure")
        if pressure is not None:
            places = gnss["longitude_deg"].values, gnss["latitude_deg"].values
            aligned, filled = with_own_loading(aligned, pressure, *places,
                                               frame=sources.loading.frame)
            aligned = aligned.reindex(time=gnss["time"].values)
            ours = np.isin(gnss["time"].values, filled) & (streams["ntal_up_mm"] == "")
            streams["ntal_up_mm"][ours] = OWN
        models = {name: aligned[name].values for name in ("ntal_up_mm", "ntol_up_mm")}
    done = hydrological_displacement(
        gnss["up_mm"].values, already_removed=removed, series_frame=sources.gnss.frame,
        loading_frame=sources.loading.frame if sources.loading else None, **models)
    return gnss.assign(up_mm=(("time", "station"), done.up_mm)), done.missing


def plan(session: Session, known: Known, *, first: date | None = None, last: date | None = None
         ) -> list[PlannedDay]:
    """Days whose inputs are not those of the newest published revision, oldest first.

    Without limits: the days of the horizon before the newest day, and those since the newest
    published one. A day that was published with later knowledge, or at a higher tier than the
    inputs now allow, stays as it is.
    """
    newest = known.days[-1]
    last = min(last or newest, newest)
    published = session.ledger.newest_revisions()
    if first is None:
        horizon = newest - (session.config.schedule.horizon_days - 1) * ONE_DAY
        first = min(horizon, max(published) + ONE_DAY) if published else horizon
    first = max(first, known.days[0])
    enough = usable(known.checked).sum(axis=1) >= session.config.inversion.minimum_stations
    planned = []
    for offset in range((last - first).days + 1):
        day = first + offset * ONE_DAY
        if not enough[known.row(day)]:
            continue
        wanted, tier = fingerprints(session, known, day), known.tier_of(day)
        record = published.get(day)
        if record is None:
            planned.append(PlannedDay(day, wanted, tier, 0, "not published yet"))
        elif dict(record.parts) != wanted and record.as_of <= known.as_of:
            if TIERS.index(tier) < TIERS.index(record.tier):
                _log.warning("%s stays at tier %s: the inputs now allow %s only", day,
                             record.tier, tier)
                continue
            planned.append(PlannedDay(day, wanted, tier, record.revision + 1,
                                      explain(dict(record.parts), wanted)))
    return planned


def fingerprints(session: Session, known: Known, day: date) -> dict[str, str]:
    """What the product of a day is computed from, by name: digests, or words where they are short.
    """
    row, checked = known.row(day), known.checked
    flag = checked["flag"].values[row]
    displacement = [flag, *(np.where(flag == 0, checked[name].values[row], np.nan)
                            for name in ("up_mm", "up_sigma_mm"))]
    places = [checked[name].values for name in ("station", "longitude_deg", "latitude_deg")]
    streams = {f"stream of {name}": stream for name, stream in known.streams_of(day).items()}
    return {
        "displacement": fingerprint(*displacement), "stations": fingerprint(*places),
        "later days": _later_days(session, known, day),
        "climatology": climatology_digest(session, known),
        "weather": weather_fingerprint(session, known, day), **streams,
        "loading left in": ", ".join(known.remaining_loading), "bundle": session.bundle_id,
        "configuration": session.configuration, "code": session.code,
    }


def climatology_method(session: Session, known: Known) -> str:
    """The estimate that is published as long as the inputs are those of now."""
    wanted = session.config.products.published_method
    served = session.simulator is not None and known.forcing is not None
    return wanted if wanted != "dwlim" or served else "tragnss"


def climatology_absence(session: Session, known: Known) -> str:
    """Why there is no climatology yet, in words; empty if nothing hinders."""
    first, last = session.config.climatology_period
    if last >= known.days[-1]:
        return f"the period {first}/{last} is not over on {known.days[-1]}"
    n_days = (last - max(first, known.days[0])).days + 1
    wanted = session.config.climatology.minimum_years
    if n_days < 365 * wanted:
        return (f"{max(n_days, 0)} days of the period {first}/{last} are known, {wanted} years "
                "needed")
    return ""


def climatology_digest(session: Session, known: Known) -> str:
    """Of the record through the end of the climatology's period; empty without a climatology."""
    if climatology_absence(session, known):
        return ""
    _, last = session.config.climatology_period
    method = climatology_method(session, known)
    record = session.space_time(known.checked).digests[known.row(last)]
    if method != "dwlim" or known.forcing is None:
        return fingerprint(method, record)
    before = known.forcing["time"].values <= np.datetime64(last, "ns")
    return fingerprint(method, record, known.forcing_digests[before])


def _later_days(session: Session, known: Known, day: date) -> str:
    """Digest of all days that the smoother uses; empty while a day is the filter's."""
    run = session.space_time(known.checked)
    through = run.smoothed_through(day, wait_days=session.final_wait_days)
    return "" if through is None else run.digests[through]


def weather_fingerprint(session: Session, known: Known, day: date) -> str:
    """Of the weather that the simulation of a day reads; empty where there is none."""
    simulator = session.simulator
    if simulator is None or known.forcing is None:
        return ""
    end, days = np.datetime64(day, "ns"), known.forcing["time"].values
    (record_days,) = simulator.rule.record_days(np.array([end]))
    window = (days > end - np.timedelta64(record_days, "D")) & (days <= end)
    return fingerprint(str(day), days[window].astype(np.int64), known.forcing_digests[window])


def explain(before: dict[str, str], after: dict[str, str]) -> str:
    """Why a day is out of date, in words.

    >>> explain({"stream of pressure_pa": "era5t", "code": "a"},
    ...         {"stream of pressure_pa": "era5", "code": "a"})
    'pressure_pa era5t -> era5'
    """
    if not before:
        return "published by a version that recorded no parts"
    changed = [name for name in after if before.get(name) != after[name]]
    words = []
    for name in changed:
        old, new = before.get(name) or "none", after[name] or "none"
        told = name.startswith("stream of ") or name in ("bundle", "loading left in")
        words.append(f"{name.removeprefix('stream of ')} {old} -> {new}" if told
                     else f"{name} changed")
    return ", ".join(words) or "a part is gone"
