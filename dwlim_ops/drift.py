"""Drift report of a workspace: features against training, scatter per station against last year."""

import logging
import math
from collections.abc import Callable
from dataclasses import asdict, dataclass
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any, Final

import numpy as np
import pandas as pd
import xarray as xr
from numpy.typing import NDArray

from dwlim_ops.contracts import GNSS_FLAGS
from dwlim_ops.products.contents import METHODS
from dwlim_ops.products.daily import station_used
from dwlim_ops.products.encode import STATIONS_GROUP
from dwlim_ops.qc.outliers import trailing_median
from dwlim_ops.reconcile import Known
from dwlim_ops.session import Session
from dwlim_ops.simulation import CellSimulator
from dwlim_ops.state.records import ProductRecord
from dwlim_ops.verify.drift import (
    DRIFTED_GROWTH,
    LEAST_DAYS_BEFORE,
    LEAST_DAYS_RECENT,
    WATCH_GROWTH,
    FeatureDrift,
    StationGrowth,
    Verdict,
    Window,
    feature_drift,
    recent_window,
    sample_rows,
    scatter_growth,
    too_few,
    training_windows,
)

_log = logging.getLogger(__name__)

Array = NDArray[np.float64]
Progress = Callable[[str, int, int], None]

#: Days before the recent ones against which stations are compared: every season once.
DAYS_BEFORE: Final = 365


@dataclass(frozen=True)
class FeatureSection:
    """Features of the control stations' cells; `reason` says why there are none."""

    reason: str = ""
    recent: Window | None = None
    n_windows: int = 0
    n_windows_of_season: int = 0
    features: tuple[FeatureDrift, ...] = ()


@dataclass(frozen=True)
class StationSection:
    """Scatter of one quantity at the stations; `reason` says why it is not told.

    `network_growth` is the median over the stations of recent over before, by which the growth of
    each station is divided.
    """

    quantity: str
    reason: str = ""
    network_growth: float = math.nan
    stations: tuple[StationGrowth, ...] = ()

    @property
    def network_verdict(self) -> Verdict:
        """Whether all stations together have become noisier."""
        growth = self.network_growth
        return ("drifted" if growth > DRIFTED_GROWTH else
                "watch" if growth > WATCH_GROWTH else "ok")


@dataclass(frozen=True)
class DriftReport:
    """What has drifted at `as_of`, and what could not be told."""

    as_of: datetime
    region: str
    bundle: str
    features: FeatureSection
    scatter: tuple[StationSection, ...]

    @property
    def drifted(self) -> tuple[str, ...]:
        """Names of what has drifted."""
        return self._named("drifted")

    @property
    def watched(self) -> tuple[str, ...]:
        """Names of what is suspicious."""
        return self._named("watch")

    @property
    def verdict(self) -> Verdict:
        """The worst verdict of any line."""
        return "drifted" if self.drifted else "watch" if self.watched else "ok"

    def _named(self, verdict: Verdict) -> tuple[str, ...]:
        features = [one.feature for one in self.features.features if one.verdict == verdict]
        network = [f"{part.quantity} of all stations" for part in self.scatter
                   if part.network_verdict == verdict]
        stations = [one.station for part in self.scatter for one in part.stations
                    if one.verdict == verdict]
        return (*features, *network, *dict.fromkeys(stations))

    def to_dict(self) -> dict[str, Any]:
        """Plain values; numbers that are not known are None."""
        features = [asdict(one) | {"verdict": one.verdict} for one in self.features.features]
        scatter = [asdict(part) | {"network_verdict": part.network_verdict}
                   for part in self.scatter]
        return _plain(asdict(self) | {
            "verdict": self.verdict, "drifted": self.drifted, "watched": self.watched,
            "features": asdict(self.features) | {"features": features}, "scatter": scatter})


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _plain(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(one) for one in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value.isoformat() if isinstance(value, date) else value


def drift_report(session: Session, known: Known, *, recent_days: int = 90,
                 days_per_window: int = 3, seed: int = 0,
                 progress: Progress = lambda *_: None) -> DriftReport:
    """Compare the recent days with the bundle's training years, and with the year before.

    Parameters
    ----------
    session, known
        An open workspace, and what is known of it.
    recent_days : int
        Length of the recent window, and of the windows of the training years.
    days_per_window : int
        Days of each window whose features are computed. A day brings its whole sequence, so that
        three sequences of 30 days say most of 90 days.
    seed : int
        Of the choice of these days.
    progress : callable
        Called with the stage, the steps done and all steps.

    Notes
    -----
    Residuals are those of the newest published revisions: observed minus modelled displacement of
    the stations that were used. They tell of the model and the station together; the scatter of
    the displacement about its trailing median tells of the station alone. Seasons weigh equally in
    the year before but not in the recent days; what all stations share is therefore divided out.
    """
    features = _features(session, known, recent_days=recent_days, n=days_per_window, seed=seed,
                         progress=progress)
    scatter = (*_residuals(session, recent_days, progress), _displacement(session, known,
                                                                         recent_days))
    return DriftReport(known.as_of, session.config.region.name, session.bundle_id, features,
                       scatter)


def _features(session: Session, known: Known, *, recent_days: int, n: int, seed: int,
              progress: Progress) -> FeatureSection:
    simulator, forcing = session.simulator, known.forcing
    if simulator is None:
        return FeatureSection(session.bundle_refusal or "no bundle serves: the region is GNSS-only")
    if forcing is None:
        return FeatureSection("no weather is known")
    days = forcing["time"].values.astype("datetime64[D]")
    usable = np.flatnonzero(simulator.usable_rows(forcing))
    recent = recent_window(known.days[-1], recent_days)
    span = simulator.bundle.manifest.training
    windows = training_windows(recent, span.first, span.last)
    rows = [_rows_within(days, usable, window, n, seed) for window in (recent, *windows)]
    if rows[0].size < n:
        return FeatureSection(
            f"features can be computed for {rows[0].size} of the days from {recent.first} to "
            f"{recent.last}, {n} are needed: weather is missing, or its record is too short",
            recent)
    kept = [(window, of_window) for window, of_window in zip(windows, rows[1:], strict=True)
            if of_window.size == n]
    seasons = [window.season for window, _ in kept]
    if reason := too_few(seasons):
        return FeatureSection(reason, recent, len(kept), seasons.count(0))
    computed = _as_of_features(simulator, forcing, [rows[0], *(r for _, r in kept)], progress)
    drifts = feature_drift(simulator.features.names, computed[0], computed[1:], seasons)
    return FeatureSection("", recent, len(kept), seasons.count(0), drifts)


def _rows_within(days: NDArray[np.datetime64], usable: NDArray[np.intp], window: Window, n: int,
                 seed: int) -> NDArray[np.intp]:
    of_window = usable[(days[usable] >= np.datetime64(window.first))
                       & (days[usable] <= np.datetime64(window.last))]
    return sample_rows(of_window, n, (seed, window.last.toordinal()))


def _as_of_features(simulator: CellSimulator, forcing: xr.Dataset,
                    windows: list[NDArray[np.intp]], progress: Progress
                    ) -> list[NDArray[np.float32]]:
    """Features of the control stations' cells for each window, (n_values, n_cells, n_features)."""
    controls = simulator.bundle.manifest.controls
    cells = np.unique(simulator.geometry.cell_of(
        np.array(controls.longitude_deg), np.array(controls.latitude_deg)))
    computed = []
    for number, rows in enumerate(windows, start=1):
        sequences = simulator.newest_features(forcing, rows.tolist(), cells)
        computed.append(sequences.swapaxes(1, 2).reshape(-1, cells.size, sequences.shape[-1]))
        progress("features", number, len(windows))
    return computed


def _residuals(session: Session, recent_days: int, progress: Progress) -> list[StationSection]:
    """Growth of the published residuals, one section for each estimate that has any."""
    newest = session.ledger.newest_revisions()
    last = max(newest, default=date.min + timedelta(days=DAYS_BEFORE + recent_days))
    recent = recent_window(last, recent_days)
    before = recent_window(recent.first - timedelta(days=1), DAYS_BEFORE)
    n_before, n_recent = (sum(window.first <= day <= window.last for day in newest)
                          for window in (before, recent))
    if n_before < LEAST_DAYS_BEFORE or n_recent < LEAST_DAYS_RECENT:
        return [StationSection("published residual", (
            f"{n_recent} days of the last {recent_days} and {n_before} of the year before are "
            f"published, {LEAST_DAYS_RECENT} and {LEAST_DAYS_BEFORE} are needed"))]
    records = [newest[day] for day in sorted(newest) if before.first <= day <= recent.last]
    by_method = _residual_tables(session, records, progress)
    sections = []
    for method, table in by_method.items():
        growth = scatter_growth(*_split(table, before, recent))
        reason = "" if growth[1] else "no station has enough days"
        sections.append(StationSection(f"residual {method}", reason, *growth))
    return sections


def _residual_tables(session: Session, records: list[ProductRecord], progress: Progress
                     ) -> dict[str, xr.DataArray]:
    """Residual of every used station and day by estimate, (time, station), mm."""
    by_method: dict[str, dict[np.datetime64, pd.Series]] = {method: {} for method in METHODS}
    for number, record in enumerate(records, start=1):
        progress("published residuals", number, len(records))
        table = _stations_of(session.workspace.published / record.path)
        if table is None:
            continue
        used = station_used(table)
        names, day = table["station"].values[used].astype(str), np.datetime64(record.day, "ns")
        for method, days in by_method.items():
            if (name := f"residual_{method}_mm") in table:
                days[day] = pd.Series(table[name].values[used], index=names)
    frames = {method: pd.DataFrame.from_dict(days, orient="index").sort_index(axis=1)
              for method, days in by_method.items() if days}
    return {method: xr.DataArray(
        frame.to_numpy(float), dims=("time", "station"),
        coords={"time": frame.index.to_numpy("datetime64[ns]"), "station": list(frame.columns)})
        for method, frame in frames.items()}


def _stations_of(path: Path) -> xr.Dataset | None:
    """The product's table of stations alone: ten times faster than the whole product."""
    try:
        with xr.open_dataset(path, group=STATIONS_GROUP, engine="netcdf4") as table:
            return table.load()
    except (OSError, KeyError, ValueError) as error:
        _log.warning("%s is left out, it cannot be read: %r", path, error)
        return None


def _displacement(session: Session, known: Known, recent_days: int) -> StationSection:
    """Growth of the scatter of the checked displacement about its trailing median.

    Outliers count here: what quality control withholds is noise of the station, too.
    """
    checked = known.checked
    counts = (checked["flag"].values & ~np.uint8(GNSS_FLAGS["outlier"])) == 0
    up = np.where(counts, checked["up_mm"].values, np.nan)
    residual = checked["up_mm"].copy(
        data=up - trailing_median(up, session.config.qc.outlier_window_days))
    recent = recent_window(known.days[-1], recent_days)
    before = recent_window(recent.first - timedelta(days=1), DAYS_BEFORE)
    network, stations = scatter_growth(*_split(residual, before, recent))
    reason = "" if stations else "no station has enough days in both spans"
    return StationSection("displacement", reason, network, stations)


def _split(table: xr.DataArray, before: Window, recent: Window) -> tuple[list[str], Array, Array]:
    spans = [table.sel(time=slice(str(window.first), str(window.last))).values.astype(float)
             for window in (before, recent)]
    return [str(name) for name in table["station"].values], spans[0], spans[1]


