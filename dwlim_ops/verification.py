"""Scores of the estimates: basins against GRACE, displacement at stations left out."""

import json
import logging
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from dwlim_ops.config import Span
from dwlim_ops.errors import ConfigError
from dwlim_ops.features.sequences import newest_revision
from dwlim_ops.invert.daily import Inversion, estimate
from dwlim_ops.reconcile import Known, day_data
from dwlim_ops.session import Session
from dwlim_ops.simulate.unseen_errors import station_errors
from dwlim_ops.verify.grace import over_spans, score_basins
from dwlim_ops.verify.report import (
    GraceSection,
    LeftOutSection,
    RevisionSection,
    StationScores,
    Tables,
    figure_of_basins,
    to_json,
    to_markdown,
)
from dwlim_ops.workspace import write_atomically

_log = logging.getLogger(__name__)

Array = NDArray[np.float64]
Progress = Callable[[str, int, int], None]

#: Years of the GRACE comparison, and of the stations left out.
GRACE_YEARS = Span(first=date(2009, 1, 1), last=date(2013, 12, 31))
LEFT_OUT_YEARS = Span(first=date(2016, 1, 1), last=date(2017, 6, 24))
MINIMUM_LEFT_OUT_DAYS = 20
#: The newest day is compared with what it became so many days later, on some cells and days.
REVISION_LAG_DAYS, N_REVISION_CELLS, N_REVISION_DAYS = 30, 10, 12
#: The role that is no bundle.
GNSS_ONLY = ""
#: Of the days of a GRACE span that were computed, so many must have an estimate.
MINIMUM_SHARE_OF_MONTH = 0.6


@dataclass(frozen=True)
class VerificationReport:
    """The report in words, and where it was written."""

    text: str
    path: Path


@dataclass(frozen=True, eq=False)
class _Series:
    """Daily estimates of one method: basin means (T, n_basins), and displacement that the others
    predict at each left-out station (T, n_stations)."""

    days: list[date]
    basins_mm: Array
    left_out_mm: Array


def verify(session: Session, known: Known, roles: tuple[str, ...], *, stride_days: int,
           progress: Progress) -> VerificationReport:
    """Score `tragnss` on every day and, for each role of the model store, `dwlim`.

    For a bundle every `stride_days`-th day is computed, in years in which it was neither trained
    nor stopped; `tragnss` beside it on the same days.
    """
    if session.grace is None:
        raise ConfigError("no GRACE to compare with", where=session.config.region.name,
                          remedy="verification runs on the embedded sample")
    against_grace: list[GraceSection] = []
    left_out: list[LeftOutSection] = []
    revisions: list[RevisionSection] = []
    for role in (GNSS_ONLY, *roles):
        stride = 1 if role == GNSS_ONLY else stride_days
        shown = role or "GNSS only"
        with session.serving(role):
            revisions += _revisions(session, known, role)
            if not saw(session, GRACE_YEARS):
                days = _days(session, known, GRACE_YEARS, stride)
                series = _estimate(session, known, days, title=f"{shown}, GRACE", progress=progress)
                against_grace += [_grace_section(session, method, role, one, stride)
                                  for method, one in series.items()]
            if not saw(session, LEFT_OUT_YEARS):
                days = _days(session, known, LEFT_OUT_YEARS, stride)
                series = _estimate(session, known, days, title=f"{shown}, left out",
                                   progress=progress)
                left_out += [LeftOutSection(_label(method, role), len(one.days),
                                            _score_left_out(known, one))
                             for method, one in series.items()]
    return _write(session, Tables(against_grace, left_out, revisions), stride_days)


def _revisions(session: Session, known: Known, role: str) -> list[RevisionSection]:
    """Measured revision of the newest day's features, on some cells and days."""
    simulator, forcing = session.simulator, known.forcing
    if simulator is None or forcing is None:
        return []
    rows = np.flatnonzero(simulator.usable_rows(forcing)[:-REVISION_LAG_DAYS])
    ends = rows[np.linspace(0, rows.size - 1, N_REVISION_DAYS).astype(int)]
    cells = np.linspace(0, forcing.sizes["cell"] - 1, N_REVISION_CELLS).astype(int)
    normalised = simulator.scaler.subset(cells).normalise(
        forcing["temperature_k"].values[:, cells], forcing["pressure_pa"].values[:, cells])
    return [RevisionSection(f"{role}, {name}", newest_revision(
        series, ends, simulator.features, lag_days=REVISION_LAG_DAYS))
        for name, series in zip(("temperature", "pressure"), normalised, strict=True)]


def saw(session: Session, span: Span) -> bool:
    """Whether the serving bundle was trained or stopped in these years."""
    if session.simulator is None:
        return False
    manifest = session.simulator.bundle.manifest
    return any(seen.first <= span.last and seen.last >= span.first
               for seen in (manifest.training, manifest.validation))


def _label(method: str, role: str) -> str:
    if role == GNSS_ONLY:
        return method
    return f"{method}, days of {role}" if method == "tragnss" else f"{method}, {role}"


def _days(session: Session, known: Known, span: Span, stride_days: int) -> list[date]:
    """Every `stride_days`-th day of the span that has enough stations."""
    return [day for day in known.days if span.first <= day <= span.last
            and day.toordinal() % stride_days == 0 and _enough(session, known, day)]


def _estimate(session: Session, known: Known, days: list[date], *, title: str,
              progress: Progress) -> dict[str, _Series]:
    """Both methods on those of the days on which both can be computed."""
    inversion = session.inversion(known.checked)
    of_basins = session.basin_inversion(known.checked)
    collected: dict[str, list[tuple[date, Array, Array]]] = {}
    for number, day in enumerate(days, start=1):
        progress(title, number, len(days))
        data = day_data(session, known, day).by_method
        if session.simulator is not None and "dwlim" not in data:
            continue
        for method, (up, sigma) in data.items():
            beta = session.beta(inversion, up, sigma)
            collected.setdefault(method, []).append(
                (day, *_basins_and_left_out(of_basins, up, sigma, beta=beta,
                                            n_stations=known.checked.sizes["station"])))
    return {method: _Series([r[0] for r in rows], np.stack([r[1] for r in rows]),
                            np.stack([r[2] for r in rows])) for method, rows in collected.items()}


def _enough(session: Session, known: Known, day: date) -> bool:
    usable = known.checked["flag"].values[known.row(day)] == 0
    return int(usable.sum()) >= session.config.inversion.minimum_stations


def _basins_and_left_out(of_basins: Inversion, up: Array, sigma: Array, *, beta: float,
                         n_stations: int) -> tuple[Array, Array]:
    basins = estimate(of_basins, up, sigma, beta=beta)
    return basins.twsa_mm, (up - basins.leave_one_out_mm)[:n_stations]


def _grace_section(session: Session, method: str, role: str, series: _Series, stride_days: int
                   ) -> GraceSection:
    spans = session.grace
    assert spans is not None  # noqa: S101  verify() refuses its absence
    monthly = over_spans(np.array(series.days, dtype="datetime64[D]"), series.basins_mm, spans,
                         minimum_share=MINIMUM_SHARE_OF_MONTH / stride_days)
    return GraceSection(_label(method, role),
                        tuple(score_basins(session.geometry.basins, spans, monthly)), monthly)


def _score_left_out(known: Known, series: _Series) -> StationScores:
    rows = [known.row(day) for day in series.days]
    up = np.where(known.checked["flag"].values[rows] == 0, known.checked["up_mm"].values[rows],
                  np.nan)
    errors = station_errors(up, series.left_out_mm, tested=np.ones(len(rows), dtype=bool),
                            minimum_days=MINIMUM_LEFT_OUT_DAYS)
    return StationScores(errors.rmse_mm, errors.pcc, errors.nse)


def _write(session: Session, tables: Tables, stride_days: int) -> VerificationReport:
    folder = session.workspace.published / "reports"
    spans, names = session.grace, session.geometry.basins.name
    assert spans is not None  # noqa: S101
    text = to_markdown(session.config.region.title, tables, stride_days=stride_days,
                       revision_lag_days=REVISION_LAG_DAYS,
                       grace_years=(GRACE_YEARS.first, GRACE_YEARS.last),
                       left_out_years=(LEFT_OUT_YEARS.first, LEFT_OUT_YEARS.last))
    write_atomically(folder / "verification.md", text.encode())
    write_atomically(folder / "verification.json",
                     json.dumps(to_json(tables), indent=1).encode())
    if tables.against_grace:
        write_atomically(folder / "verification.png",
                         figure_of_basins(tables.against_grace, spans, names))
    return VerificationReport(text, folder / "verification.md")
