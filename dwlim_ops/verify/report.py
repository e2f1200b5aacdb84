"""The verification report: tables in Markdown, the same in JSON, one figure."""

import io
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from dwlim_ops.verify.grace import BasinScore, MonthlyBasins

Array = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class StationScores:
    """Scores at stations left out, (n_stations,), NaN without a score."""

    rmse_mm: Array
    pcc: Array
    nse: Array


@dataclass(frozen=True, eq=False)
class GraceSection:
    """One estimate against GRACE: scores per basin, monthly means (n_months, n_basins)."""

    label: str
    basins: tuple[BasinScore, ...]
    monthly_mm: Array


@dataclass(frozen=True, eq=False)
class LeftOutSection:
    """One estimate at the stations left out, on `n_days` days."""

    label: str
    n_days: int
    scores: StationScores


@dataclass(frozen=True, eq=False)
class RevisionSection:
    """How much a feature's newest day is revised, per component, in its standard deviations."""

    label: str
    revision: Array


@dataclass(frozen=True, eq=False)
class Tables:
    """What the report shows."""

    against_grace: Sequence[GraceSection]
    left_out: Sequence[LeftOutSection]
    revisions: Sequence[RevisionSection]


def to_markdown(title: str, tables: Tables, *, stride_days: int, revision_lag_days: int,
                grace_years: tuple[date, date], left_out_years: tuple[date, date]) -> str:
    """The report in words and tables."""
    which = "every day" if stride_days == 1 else f"one day in {stride_days}"
    lines = [
        f"# Verification: {title}", "",
        f"`tragnss`: every day; with a model: {which}, in years that the model never saw, and "
        "`tragnss` on the same days.", "",
        f"## Basins against GRACE, {grace_years[0]} to {grace_years[1]}", "",
        "Monthly means about their mean over the common months. GRACE: CSR RL06, DDK3, degrees 0-1 "
        "omitted, no leakage correction. Amplitude and day of the maximum of the annual term; last "
        "line: median and quartiles over the basins.", "",
        "| estimate | basin | months | PCC | NSE | RMSE mm | amplitude mm (GRACE) | day (GRACE) |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for section in tables.against_grace:
        lines += [_basin_row(section.label, score) for score in section.basins]
        lines.append(_basin_summary(section))
    lines += [
        "", f"## Stations left out, {left_out_years[0]} to {left_out_years[1]}", "",
        "Each station's displacement predicted from all others of the same day; median and "
        "quartiles over the stations.", "",
        "| estimate | days | stations | PCC | NSE | RMSE mm |", "|---|---|---|---|---|---|",
    ]
    lines += [_station_row(section) for section in tables.left_out]
    return "\n".join([*lines, *_revision_lines(tables.revisions, revision_lag_days), ""])


def _revision_lines(revisions: Sequence[RevisionSection], lag_days: int) -> list[str]:
    if not revisions:
        return []
    names = ["series", *(str(k) for k in range(1, revisions[0].revision.size))]
    return [
        "", "## Revision of the newest day's features", "",
        f"RMS change of each component's newest value once {lag_days} more days are known, in "
        "units of its standard deviation, fastest component first.", "",
        f"| features | {' | '.join(names)} |", "|---|" + "---|" * len(names),
        *(f"| {section.label} | {' | '.join(f'{value:.2f}' for value in section.revision)} |"
          for section in revisions),
    ]


def _basin_row(label: str, score: BasinScore) -> str:
    return (f"| {label} | {score.basin} | {score.n_months} | {score.pcc:.2f} | {score.nse:.2f} | "
            f"{score.rmse_mm:.0f} | "
            f"{score.cycle.amplitude:.0f} ({score.grace_cycle.amplitude:.0f}) | "
            f"{score.cycle.phase_days:.0f} ({score.grace_cycle.phase_days:.0f}) |")


def _basin_summary(section: GraceSection) -> str:
    values = {name: [getattr(score, name) for score in section.basins]
              for name in ("pcc", "nse", "rmse_mm")}
    return (f"| **{section.label}** | **all** | | **{_quartiles(values['pcc'], 2)}** | "
            f"**{_quartiles(values['nse'], 2)}** | **{_quartiles(values['rmse_mm'], 0)}** | | |")


def _station_row(section: LeftOutSection) -> str:
    scores = section.scores
    return (f"| {section.label} | {section.n_days} | {int(np.isfinite(scores.rmse_mm).sum())} | "
            f"{_quartiles(scores.pcc, 2)} | {_quartiles(scores.nse, 2)} | "
            f"{_quartiles(scores.rmse_mm, 2)} |")


def _quartiles(values: Iterable[float], decimals: int) -> str:
    finite = [value for value in values if math.isfinite(value)]
    if not finite:
        return "-"
    low, middle, high = np.percentile(finite, [25, 50, 75])
    return f"{middle:.{decimals}f} [{low:.{decimals}f}, {high:.{decimals}f}]"


def to_json(tables: Tables) -> dict[str, Any]:
    """The same as plain values; NaN becomes null."""
    return {
        "against_grace": [{
            "estimate": section.label,
            "basins": [{
                "basin": score.basin, "n_months": score.n_months, "pcc": _number(score.pcc),
                "nse": _number(score.nse), "rmse_mm": _number(score.rmse_mm),
                "annual_amplitude_mm": _number(score.cycle.amplitude),
                "annual_phase_days": _number(score.cycle.phase_days),
                "grace_annual_amplitude_mm": _number(score.grace_cycle.amplitude),
                "grace_annual_phase_days": _number(score.grace_cycle.phase_days),
            } for score in section.basins],
        } for section in tables.against_grace],
        "left_out_stations": [{
            "estimate": section.label, "n_days": section.n_days,
            **{name: [_number(float(value)) for value in getattr(section.scores, name)]
               for name in ("rmse_mm", "pcc", "nse")},
        } for section in tables.left_out],
        "newest_day_revision": {section.label: [_number(float(v)) for v in section.revision]
                                for section in tables.revisions},
    }


def _number(value: float) -> float | None:
    return round(value, 4) if math.isfinite(value) else None


def figure_of_basins(sections: Sequence[GraceSection], grace: MonthlyBasins,
                     names: Sequence[str]) -> bytes:
    """PNG: monthly series of every basin, each estimate beside GRACE."""
    n_rows = math.ceil(len(names) / 2)
    figure = Figure(figsize=(11.0, 2.1 * n_rows + 0.6), layout="constrained")
    panels = figure.subplots(n_rows, 2, squeeze=False, sharex=True).ravel()
    known = np.isfinite(sections[0].monthly_mm).any(axis=1)
    for column, (axes, name) in enumerate(zip(panels, names, strict=False)):
        axes.plot(grace.middle[known], _centred(grace.twsa_mm[known, column]), "o-", color="black",
                  markersize=3, linewidth=0.8, label="GRACE")
        for section, colour in zip(sections, ("#d55e00", "#0072b2", "#009e73", "#cc79a7"),
                                   strict=False):
            axes.plot(grace.middle[known], _centred(section.monthly_mm[known, column]),
                      color=colour, linewidth=1.2, label=section.label)
        axes.set_title(name, loc="left", fontsize=10)
        axes.axhline(0.0, color="0.8", linewidth=0.6, zorder=0)
        axes.set_ylabel("mm of water", fontsize=8)
        axes.tick_params(labelsize=8)
    for axes in panels[len(names):]:
        axes.set_visible(False)
    panels[0].legend(fontsize=8, ncols=2, frameon=False)
    stream = io.BytesIO()
    figure.savefig(stream, format="png", dpi=110, metadata={"Software": None})
    return stream.getvalue()


def _centred(values: Array) -> Array:
    centred: Array = values - np.nanmean(values)
    return centred
