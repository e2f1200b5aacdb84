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
from dwlim_ops.invert.daily import Inversion, estimate
from dwlim_ops.reconcile import Known, day_data
from dwlim_ops.session import Session
from dwlim_ops.simulate.unseen_errors import station_errors
from dwlim_ops.verify.grace import over_spans, score_basins
from dwlim_ops.verify.report import Section, StationScores, figure_of_basins, to_json, to_markdown
from dwlim_ops.workspace import write_atomically

_log = logging.getLogger(__name__)

Array = NDArray[np.float64]
Progress = Callable[[str, int, int], None]

#: Years of the GRACE comparison, and of the stations left out.
GRACE_YEARS = Span(first=date(2009, 1, 1), last=date(2013, 12, 31))
LEFT_OUT_YEARS = Span(first=date(2016, 1, 1), last=date(2017, 6, 24))
MINIMUM_LEFT_OUT_DAYS = 20


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
    """Score `tragnss` and, for each role of the model store, `dwlim`.

    Every `stride_days`-th day of both spans is computed, for all methods the same days. A bundle
    that was trained or stopped in a year is marked as having seen it.
    """
    if session.grace is None:
        raise ConfigError("no GRACE to compare with", where=session.config.region.name,
                          remedy="verification runs on the embedded sample")
    sections: list[Section] = []
    for role in roles:
        with session.serving(role):
            of_role = {
                name: _estimate(session, known, _days(session, known, span, stride_days),
                                title=f"{role}, {name}", progress=progress)
                for name, span in (("GRACE", GRACE_YEARS), ("left out", LEFT_OUT_YEARS))}
            for method in sorted(of_role["GRACE"], reverse=True):
                if method == "tragnss" and sections:
                    continue
                sections.append(_section(session, known, method, role, of_role))
    return _write(session, sections, stride_days)


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


def _section(session: Session, known: Known, method: str, role: str,
             of_role: dict[str, dict[str, _Series]]) -> Section:
    grace, left_out = of_role["GRACE"][method], of_role["left out"][method]
    spans = session.grace
    assert spans is not None  # noqa: S101  verify() refuses its absence
    share = 1.0 / (grace.days[-1] - grace.days[0]).days * len(grace.days)
    monthly = over_spans(np.array(grace.days, dtype="datetime64[D]"), grace.basins_mm, spans,
                         minimum_share=0.6 * share)
    label = method if method == "tragnss" else f"{method}, {role}"
    return Section(label=label, note=_note(session, method),
                   basins=tuple(score_basins(session.geometry.basins, spans, monthly)),
                   monthly_mm=monthly, left_out=_score_left_out(known, left_out))


def _note(session: Session, method: str) -> str:
    if method == "tragnss" or session.simulator is None:
        return "no model"
    manifest = session.simulator.bundle.manifest
    seen = [span for span in (manifest.training, manifest.validation)
            if span.first <= GRACE_YEARS.last and span.last >= GRACE_YEARS.first]
    return "GRACE years seen in training" if seen else "GRACE years unseen"


def _score_left_out(known: Known, series: _Series) -> StationScores:
    rows = [known.row(day) for day in series.days]
    up = np.where(known.checked["flag"].values[rows] == 0, known.checked["up_mm"].values[rows],
                  np.nan)
    errors = station_errors(up, series.left_out_mm, tested=np.ones(len(rows), dtype=bool),
                            minimum_days=MINIMUM_LEFT_OUT_DAYS)
    return StationScores(errors.rmse_mm, errors.pcc, errors.nse)


def _write(session: Session, sections: list[Section], stride_days: int) -> VerificationReport:
    folder = session.workspace.published / "reports"
    spans, names = session.grace, session.geometry.basins.name
    assert spans is not None  # noqa: S101
    text = to_markdown(session.config.region.title, sections, stride_days=stride_days,
                       grace_years=(GRACE_YEARS.first, GRACE_YEARS.last),
                       left_out_years=(LEFT_OUT_YEARS.first, LEFT_OUT_YEARS.last))
    write_atomically(folder / "verification.md", text.encode())
    write_atomically(folder / "verification.json",
                     json.dumps(to_json(sections), indent=1).encode())
    write_atomically(folder / "verification.png", figure_of_basins(sections, spans, names))
    return VerificationReport(text, folder / "verification.md")
