"""The tables of the verification report, in Markdown and as plain values."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from dwlim_ops.verify.document import escaped
from dwlim_ops.verify.grace import BasinScore
from dwlim_ops.verify.scores import TREATMENTS, Treatment

Array = NDArray[np.float64]

#: How the treatments are called in the report.
TREATED: Final[dict[Treatment, str]] = {
    "mean": "as it is", "detrend": "detrended", "deseasonalise": "deseasonalised"}


@dataclass(frozen=True, eq=False)
class StationScores:
    """Scores at stations left out, (n_stations,), NaN without a score; `coverage` is the share of
    all values inside the 90 % interval.
    """

    rmse_mm: Array
    pcc: Array
    nse: Array
    spread: Array
    coverage: float


@dataclass(frozen=True, eq=False)
class GraceSection:
    """One estimate against GRACE: scores per basin, monthly means (n_months, n_basins)."""

    label: str
    method: str
    basins: tuple[BasinScore, ...]
    monthly_mm: Array


@dataclass(frozen=True, eq=False)
class LeftOutSection:
    """One estimate at the stations left out, on `n_days` days."""

    label: str
    method: str
    n_days: int
    scores: StationScores


@dataclass(frozen=True, eq=False)
class RevisionSection:
    """How much a feature's newest day is revised, per component, in its standard deviations."""

    label: str
    revision: Array


@dataclass(frozen=True)
class RevisionDeviation:
    """Changes of basin means from their first issue, `lead_days` later, over `n` days and basins.

    `z_deviation` is their standard deviation in units of the first issue's sigma.
    """

    method: str
    lead_days: int
    n: int
    rms_mm: float
    z_deviation: float


@dataclass(frozen=True, eq=False)
class Tables:
    """What the report shows in numbers."""

    against_grace: Sequence[GraceSection]
    left_out: Sequence[LeftOutSection]
    revisions: Sequence[RevisionSection]
    revised: Sequence[RevisionDeviation]


def table(header: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """A Markdown table; cells are plain text and are escaped, but for `**bold**` marks of ours."""
    lines = [_line(header), "|---" * len(header) + "|", *(_line(row) for row in rows)]
    return "\n".join(lines)


def _line(cells: Sequence[object]) -> str:
    return "| " + " | ".join(_cell(str(cell)) for cell in cells) + " |"


def _cell(text: str) -> str:
    bold = len(text) > 4 and text.startswith("**") and text.endswith("**")
    return f"**{escaped(text[2:-2])}**" if bold else escaped(text)


def grace_table(sections: Sequence[GraceSection]) -> str:
    """Every basin as it is, then medians and quartiles over the basins."""
    rows: list[list[object]] = []
    for section in sections:
        rows += [_basin_row(section.label, score) for score in section.basins]
        values = [score.agreement["mean"] for score in section.basins]
        rows.append([f"**{section.label}**", "**all**", "",
                     f"**{quartiles([one.pcc for one in values])}**",
                     f"**{quartiles([one.nse for one in values])}**",
                     f"**{quartiles([one.rmse_mm for one in values], 0)}**", "", ""])
    return table(["estimate", "basin", "months", "PCC", "NSE", "RMSE mm", "amplitude mm (GRACE)",
                  "day (GRACE)"], rows)


def _basin_row(label: str, score: BasinScore) -> list[object]:
    agreement = score.agreement["mean"]
    return [label, score.basin, score.n_months, f"{agreement.pcc:.2f}", f"{agreement.nse:.2f}",
            f"{agreement.rmse_mm:.0f}",
            f"{score.cycle.amplitude:.0f} ({score.grace_cycle.amplitude:.0f})",
            f"{score.cycle.phase_days:.0f} ({score.grace_cycle.phase_days:.0f})"]


def treatment_table(sections: Sequence[GraceSection]) -> str:
    """Median and quartiles over the basins, by treatment of both series."""
    rows = []
    for section in sections:
        for treatment in TREATMENTS:
            values = [score.agreement[treatment] for score in section.basins]
            rows.append([section.label, TREATED[treatment],
                         quartiles([one.pcc for one in values]),
                         quartiles([one.nse for one in values]),
                         quartiles([one.rmse_mm for one in values], 0)])
    return table(["estimate", "both series", "PCC", "NSE", "RMSE mm"], rows)


def left_out_table(sections: Sequence[LeftOutSection]) -> str:
    """Median and quartiles over the stations, and how honest the intervals are."""
    return table(
        ["estimate", "days", "stations", "PCC", "NSE", "RMSE mm", "RMSE below 6 mm",
         "inside 90 % interval"],
        ([one.label, one.n_days, int(np.isfinite(one.scores.rmse_mm).sum()),
          quartiles(one.scores.pcc), quartiles(one.scores.nse), quartiles(one.scores.rmse_mm),
          _percent(_share_below(one.scores.rmse_mm, 6.0)), _percent(one.scores.coverage)]
         for one in sections))


def _share_below(values: Array, bound: float) -> float:
    known = values[np.isfinite(values)]
    return float((known < bound).mean()) if known.size else math.nan


def _percent(share: float) -> str:
    return f"{100 * share:.1f} %" if math.isfinite(share) else "-"


def feature_revision_table(revisions: Sequence[RevisionSection]) -> str:
    """Components in columns, the series itself first."""
    names = ["series", *(str(k) for k in range(1, max(one.revision.size for one in revisions)))]
    return table(["features", *names], (
        [one.label, *(f"{value:.2f}" for value in one.revision),
         *[""] * (len(names) - one.revision.size)] for one in revisions))


def revised_table(revised: Sequence[RevisionDeviation]) -> str:
    """What became of the first issues."""
    return table(["estimate", "days later", "days and basins", "rms change mm",
                  "standard deviation of change / sigma"],
                 ([one.method, one.lead_days, one.n, f"{one.rms_mm:.1f}", f"{one.z_deviation:.2f}"]
                  for one in revised))


def quartiles(values: Iterable[float] | Array, decimals: int = 2) -> str:
    """Median and quartiles of the finite values.

    >>> quartiles([1.0, 2.0, 3.0, float("nan")])
    '2.00 [1.50, 2.50]'
    """
    finite = [value for value in values if math.isfinite(value)]
    if not finite:
        return "-"
    low, middle, high = np.percentile(finite, [25, 50, 75])
    return f"{middle:.{decimals}f} [{low:.{decimals}f}, {high:.{decimals}f}]"


def to_json(tables: Tables) -> dict[str, Any]:
    """The same as plain values; NaN becomes null."""
    return {
        "against_grace": [{"estimate": section.label,
                           "basins": [_basin_values(score) for score in section.basins]}
                          for section in tables.against_grace],
        "left_out_stations": [{
            "estimate": section.label, "n_days": section.n_days,
            "share_inside_90_percent_interval": _number(section.scores.coverage),
            **{name: [_number(float(value)) for value in getattr(section.scores, name)]
               for name in ("pcc", "nse", "rmse_mm", "spread")},
        } for section in tables.left_out],
        "newest_day_revision": {section.label: [_number(float(value)) for value in section.revision]
                                for section in tables.revisions},
        "revision_after_first_issue": [{
            "estimate": one.method, "lead_days": one.lead_days, "n": one.n,
            "rms_mm": _number(one.rms_mm), "z_deviation": _number(one.z_deviation),
        } for one in tables.revised],
    }


def _basin_values(score: BasinScore) -> dict[str, Any]:
    def scores(treatment: Treatment) -> Mapping[str, float | None]:
        one = score.agreement[treatment]
        return {"pcc": _number(one.pcc), "nse": _number(one.nse), "rmse_mm": _number(one.rmse_mm)}

    return {
        "basin": score.basin, "n_months": score.n_months, **scores("mean"),
        "detrended": scores("detrend"), "deseasonalised": scores("deseasonalise"),
        "annual_amplitude_mm": _number(score.cycle.amplitude),
        "annual_phase_days": _number(score.cycle.phase_days),
        "grace_annual_amplitude_mm": _number(score.grace_cycle.amplitude),
        "grace_annual_phase_days": _number(score.grace_cycle.phase_days),
    }


def _number(value: float) -> float | None:
    return round(value, 6) if math.isfinite(value) else None
