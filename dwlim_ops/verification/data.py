"""What the verification report is made of: every estimate's series, scored."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from dwlim_ops.config import Span
from dwlim_ops.estimates import LeftOutSeries, MethodSeries, estimate_series, left_out_series
from dwlim_ops.features.sequences import newest_revision
from dwlim_ops.qc.screening import usable
from dwlim_ops.reconcile import Known
from dwlim_ops.session import Session
from dwlim_ops.verify.grace import MonthlyBasins, over_spans, score_basins
from dwlim_ops.verify.report import (
    GraceSection,
    LeftOutSection,
    RevisionDeviation,
    RevisionSection,
    StationScores,
)
from dwlim_ops.verify.scores import coverage, nse, pcc, rmse, spread_ratio

Array = NDArray[np.float64]
Progress = Callable[[str, int, int], None]

#: The role that is no bundle.
GNSS_ONLY: Final = ""
#: The space-time estimates change slowly: so often they are computed at least.
SPACE_TIME_STRIDE_DAYS: Final = 5
#: What is shown as maps beside `tragnss`, which is computed every so many days for them.
MAPPED: Final = ("dwlim_st", "dwlim")
MAP_STRIDE_DAYS: Final = 10
#: Of the days of a GRACE span that were computed, so many must have an estimate.
MINIMUM_SHARE_OF_MONTH: Final = 0.6
#: Days for the scores of a left-out station, and the length of the years that they come from.
MINIMUM_LEFT_OUT_DAYS: Final = 20
LEFT_OUT_DAYS: Final = 540
#: The newest day is compared with what it became so many days later, on some cells and days.
REVISION_LAG_DAYS, N_REVISION_CELLS, N_REVISION_DAYS = 30, 10, 12


@dataclass(frozen=True, eq=False)
class Compared:
    """One estimate in the GRACE years, every so many days."""

    section: GraceSection
    role: str
    stride_days: int
    series: MethodSeries


@dataclass(frozen=True, eq=False)
class LeftOut:
    """One estimate at stations left out."""

    section: LeftOutSection
    role: str
    series: LeftOutSeries


def grace_years(known: Known, grace: MonthlyBasins) -> Span | None:
    """From the first to the last day that both GRACE and displacement have; None without any."""
    with_value = np.isfinite(grace.twsa_mm).any(axis=1)
    if not with_value.any():
        return None
    first = max(known.days[0], grace.start[with_value][0].item())
    last = min(known.days[-1], grace.end[with_value][-1].item() - timedelta(days=1))
    return Span(first=first, last=last) if first <= last else None


def left_out_years(known: Known) -> Span:
    """The newest days that have displacement and, if there is any, weather."""
    last = known.days[-1]
    if known.forcing is not None and known.forcing.sizes["time"]:
        last = min(last, known.forcing["time"].values[-1].astype("datetime64[D]").item())
    return Span(first=last - timedelta(days=LEFT_OUT_DAYS), last=last)


def saw(session: Session, span: Span) -> bool:
    """Whether the serving bundle was trained or stopped in these years."""
    if session.simulator is None:
        return False
    manifest = session.simulator.bundle.manifest
    return any(seen.first <= span.last and seen.last >= span.first
               for seen in (manifest.training, manifest.validation))


def days_of(session: Session, known: Known, span: Span, stride_days: int) -> list[date]:
    """Every `stride_days`-th day of the span that has enough stations."""
    enough = usable(known.checked).sum(axis=1) >= session.config.inversion.minimum_stations
    return [day for day, many in zip(known.days, enough, strict=True)
            if many and span.first <= day <= span.last and day.toordinal() % stride_days == 0]


def label_of(method: str, role: str) -> str:
    """How an estimate is called in tables."""
    if role == GNSS_ONLY:
        return method
    return f"{method}, days of {role}" if method == "tragnss" else f"{method}, {role}"


def compare_with_grace(session: Session, known: Known, role: str, years: Span, *,
                       methods: Sequence[str], stride_days: int, cells: bool, progress: Progress
                       ) -> list[Compared]:
    """Estimates of every `stride_days`-th day against GRACE; `cells`: with maps."""
    spans = session.grace
    assert spans is not None  # noqa: S101  verify() refuses its absence
    made = estimate_series(session, known, days_of(session, known, years, stride_days),
                           methods=methods, cells=cells,
                           progress=titled(progress, role or "GNSS only", "GRACE"))
    compared = []
    for method, series in _on_common_days(made).items():
        monthly = over_spans(np.array(series.days, dtype="datetime64[D]"), series.basins_mm, spans,
                             minimum_share=MINIMUM_SHARE_OF_MONTH / stride_days)
        section = GraceSection(
            label_of(method, role), method,
            tuple(score_basins(session.geometry.basins.name, spans, monthly)), monthly)
        compared.append(Compared(section, role, stride_days, series))
    return compared


def _on_common_days(made: dict[str, MethodSeries]) -> dict[str, MethodSeries]:
    """All on the days that the shortest has: `dwlim` lacks those without weather."""
    if not made:
        return {}
    kept = set.intersection(*(set(series.days) for series in made.values()))

    def cut(series: MethodSeries) -> MethodSeries:
        rows = [row for row, day in enumerate(series.days) if day in kept]
        cells, sigma = (None if field is None else field[rows]
                        for field in (series.cells_mm, series.cell_sigma_mm))
        return MethodSeries(series.method, sorted(kept), series.basins_mm[rows],
                            series.basin_sigma_mm[rows], cells, sigma)

    return {method: cut(series) for method, series in made.items()}


def titled(progress: Progress, *words: str) -> Progress:
    """Progress that says which part of the report it belongs to."""
    return lambda title, done, total: progress(", ".join((*words, title)), done, total)


def leave_out(session: Session, known: Known, role: str, years: Span, *, methods: Sequence[str],
              stride_days: int, progress: Progress) -> list[LeftOut]:
    """Displacement of every station predicted from the others, scored on common days."""
    made = left_out_series(session, known, days_of(session, known, years, stride_days),
                           methods=methods,
                           progress=titled(progress, role or "GNSS only"))
    kept = set.intersection(*(set(series.days) for series in made.values())) if made else set()
    return [LeftOut(LeftOutSection(label_of(method, role), method, len(kept),
                                   score_left_out(known, series, kept)), role, series)
            for method, series in made.items()]


def score_left_out(known: Known, series: LeftOutSeries, days: set[date]) -> StationScores:
    """Scores of every station on some of the days, NaN with too few."""
    rows = [row for row, day in enumerate(series.days) if day in days]
    observed = observed_mm(known, [series.days[row] for row in rows])
    predicted, sigma = series.predicted_mm[rows], series.sigma_mm[rows]
    enough = (np.isfinite(observed) & np.isfinite(predicted)).sum(axis=0) >= MINIMUM_LEFT_OUT_DAYS
    scores = {name: np.array([score(predicted[:, s], observed[:, s]) if enough[s] else np.nan
                              for s in range(enough.size)])
              for name, score in (("rmse_mm", rmse), ("pcc", pcc), ("nse", nse),
                                  ("spread", spread_ratio))}
    return StationScores(**scores, coverage=coverage(predicted, observed, sigma))


def observed_mm(known: Known, days: Sequence[date]) -> Array:
    """Displacement of the stations that are used on these days, NaN elsewhere, (T, S)."""
    rows = [known.row(day) for day in days]
    return np.where(usable(known.checked)[rows], known.checked["up_mm"].values[rows], np.nan)


def feature_revisions(session: Session, known: Known, role: str) -> list[RevisionSection]:
    """Measured revision of the newest day's features, on some cells and days."""
    simulator, forcing = session.simulator, known.forcing
    if simulator is None or forcing is None:
        return []
    rows = np.flatnonzero(simulator.usable_rows(forcing)[:-REVISION_LAG_DAYS])
    if not rows.size:
        return []
    ends = rows[np.linspace(0, rows.size - 1, N_REVISION_DAYS).astype(int)]
    cells = np.linspace(0, forcing.sizes["cell"] - 1, N_REVISION_CELLS).astype(int)
    normalised = simulator.scaler.subset(cells).normalise(
        forcing["temperature_k"].values[:, cells], forcing["pressure_pa"].values[:, cells])
    return [RevisionSection(f"{role}, {name}", newest_revision(
        series, ends, simulator.features, lag_days=REVISION_LAG_DAYS))
        for name, series in zip(("temperature", "pressure"), normalised, strict=True)]


def revised_after_first_issue(session: Session) -> list[RevisionDeviation]:
    """How published values moved, from `basins/revisions.csv`; empty without that file."""
    path = session.workspace.published / "basins" / "revisions.csv"
    if not path.is_file():
        return []
    leads = pd.read_csv(path)
    key = ["day", "basin", "method"]
    first = leads.loc[leads["lead_days"] == 0, [*key, "twsa_mm", "sigma_mm"]]
    later = leads[leads["lead_days"] > 0].merge(first, on=key, suffixes=("", "_first"))
    later["change_mm"] = later["twsa_mm"] - later["twsa_mm_first"]
    later = later[np.isfinite(later["change_mm"]) & (later["sigma_mm_first"] > 0)]
    later["z"] = later["change_mm"] / later["sigma_mm_first"]
    return [RevisionDeviation(method, int(lead), len(group),
                              float(np.sqrt((group["change_mm"]**2).mean())),
                              float(group["z"].std(ddof=0)))
            for (method, lead), group in later.groupby(["method", "lead_days"])]


def maps_of(session: Session, known: Known, years: Span, compared: Sequence[Compared], *,
            progress: Progress) -> dict[str, MethodSeries]:
    """One estimate a method with its cells: the first of those that have them, and `tragnss`."""
    days = days_of(session, known, years, MAP_STRIDE_DAYS)
    made = estimate_series(session, known, days, methods=("tragnss",), cells=True,
                           progress=titled(progress, "maps"))
    return made | {one.section.method: one.series for one in reversed(compared)
                   if one.series.cells_mm is not None and one.section.method in MAPPED}
