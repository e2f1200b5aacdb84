"""Scores of alerts as tables, in Markdown, and as plain values."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from dwlim_ops.verify.alert_scores import Brier, Counts, ReliabilityCurve, ratio_intervals, ratios
from dwlim_ops.verify.report import table

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Thresholds:
    """What decides whether a class holds, see `AlertSettings`."""

    on_probability: float
    off_probability: float
    dwell_days: int

    def __str__(self) -> str:
        return f"on {self.on_probability:g}, off {self.off_probability:g}, {self.dwell_days} d"


@dataclass(frozen=True, eq=False)
class Tried:
    """Thresholds tried on the training years, both hazards together."""

    thresholds: Thresholds
    counts: Counts
    flips_per_basin_year: float

    @property
    def csi(self) -> float:
        """Of events; 0 where there was neither an event nor an alert."""
        return float(np.nan_to_num(ratios(self.counts)[2]))


@dataclass(frozen=True, eq=False)
class AlertScore:
    """Alerts of one hazard, or of both, in some years.

    Attributes
    ----------
    choice, years, hazard : str
        Which thresholds, "training" or "test", "drought", "wet" or "both".
    events, days : ndarray (n_blocks, 4)
        Occurred, detected, warned, false, by basin and year.
    flips, true_flips : int
        Beginnings and endings of alerts, and of true events.
    basin_years : float
    lead_days : tuple of int
        Of the detected events, the delay of the data taken off.
    """

    choice: str
    years: str
    hazard: str
    events: Counts
    days: Counts
    flips: int
    true_flips: int
    basin_years: float
    lead_days: tuple[int, ...] = field(default=())

    @cached_property
    def intervals(self) -> tuple[Array, Array]:
        """90 % intervals of POD, FAR and CSI of events and of days, (3, 2) each."""
        return ratio_intervals(self.events), ratio_intervals(self.days)

    @property
    def flips_per_basin_year(self) -> float:
        """Beginnings and endings of alerts."""
        return self.flips / self.basin_years

    @property
    def lead_quartiles(self) -> tuple[float, float, float]:
        """Quartiles of the lead; NaN where nothing was detected."""
        if not self.lead_days:
            return (math.nan,) * 3
        low, middle, high = np.percentile(self.lead_days, (25, 50, 75)).tolist()
        return low, middle, high


@dataclass(frozen=True, eq=False)
class ProbabilityScore:
    """Probabilities of one hazard in some years; `n` basin-days or basin-months."""

    years: str
    hazard: str
    n: int
    brier: Brier
    curve: ReliabilityCurve
    bars: Array | None
    persistence: float

    @property
    def base_rate(self) -> float:
        """How often it occurred."""
        return float(np.nansum(self.curve.frequency * self.curve.count)) / self.n


def thresholds_table(tried: Sequence[Tried], chosen: Thresholds, default: Thresholds, *,
                     n_shown: int = 8) -> str:
    """The best of what was tried, the chosen and the default, by CSI."""
    ranked = sorted(tried, key=lambda one: -one.csi)
    shown = [one for rank, one in enumerate(ranked)
             if rank < n_shown or one.thresholds in (chosen, default)]
    marks = {default: "default", chosen: "chosen"}
    return table(
        ["thresholds", "", "events", "detected", "alerts", "false", "CSI", "flips a basin-year"],
        [[one.thresholds, marks.get(one.thresholds, ""), *one.counts.tolist(), f"{one.csi:.2f}",
          f"{one.flips_per_basin_year:.1f}"] for one in shown])


def events_table(scores: Sequence[AlertScore]) -> str:
    """Events and alerts: counts, scores with 90 % intervals, lead, flips."""
    rows = []
    for one in scores:
        total, (intervals, _) = one.events.sum(axis=0), one.intervals
        rows.append([
            one.years, one.choice, one.hazard, *total.tolist(), *_ratios(total, intervals),
            _lead(one), f"{one.flips_per_basin_year:.1f} "
                        f"({one.true_flips / one.basin_years:.1f})"])
    return table(["years", "thresholds", "hazard", "events", "detected", "alerts", "false", "POD",
                  "FAR", "CSI", "lead, days", "flips a basin-year (truth)"], rows)


def days_table(scores: Sequence[AlertScore], *, unit: str = "") -> str:
    """The same of single basin-days, or of another unit."""
    rows = []
    for one in scores:
        total, (_, intervals) = one.days.sum(axis=0), one.intervals
        rows.append([one.years, one.choice, one.hazard, *total.tolist(),
                     *_ratios(total, intervals)])
    return table(["years", "thresholds", "hazard", f"{unit}in an event", "of these alerted",
                  f"{unit}alerted", "of these false", "POD", "FAR", "CSI"], rows)


def basins_table(by_basin: Mapping[str, AlertScore]) -> str:
    """Events of each basin, both hazards."""
    rows = [[name, *(total := one.events.sum(axis=0)).tolist(),
             *(_number(value) for value in ratios(total)), _lead(one),
             f"{one.flips_per_basin_year:.1f}"] for name, one in by_basin.items()]
    return table(["basin", "events", "detected", "alerts", "false", "POD", "FAR", "CSI",
                  "lead, days", "flips a year"], rows)


def probabilities_table(scores: Sequence[ProbabilityScore], unit: str) -> str:
    """Brier score and its parts."""
    rows = []
    for one in scores:
        parts = one.brier
        rows.append([one.years, one.hazard, one.n, f"{one.base_rate:.1%}", f"{parts.score:.4f}",
                     f"{parts.reliability:.4f}", f"{parts.resolution:.4f}",
                     f"{parts.uncertainty:.4f}", _number(parts.skill)])
    return table(["years", "hazard", unit, "occurred", "Brier score", "reliability", "resolution",
                  "uncertainty", "skill"], rows)


def alert_value(score: AlertScore) -> dict[str, Any]:
    """Everything of an alert score as plain values; null where there is none."""
    value: dict[str, Any] = {"thresholds": score.choice, "years": score.years,
                             "hazard": score.hazard}
    for name, counts, intervals in zip(("events", "days"), (score.events, score.days),
                                       score.intervals, strict=True):
        total = counts.sum(axis=0)
        value[name] = dict(zip(("occurred", "detected", "warned", "false"), total.tolist(),
                               strict=True)) | {
            ratio: {"value": plain_number(middle), "interval_90": [plain_number(x) for x in ends]}
            for ratio, middle, ends in zip(("pod", "far", "csi"), ratios(total), intervals,
                                           strict=True)}
    return value | {
        "lead_days": list(score.lead_days), "basin_years": score.basin_years,
        "flips": score.flips, "true_flips": score.true_flips,
        "flips_per_basin_year": plain_number(score.flips_per_basin_year)}


def probability_value(score: ProbabilityScore) -> dict[str, Any]:
    """Everything of a probability score as plain values."""
    parts, curve = score.brier, score.curve
    bars = np.full((2, curve.count.size), np.nan) if score.bars is None else score.bars
    return {
        "years": score.years, "hazard": score.hazard, "n": score.n,
        "base_rate": plain_number(score.base_rate),
        "brier": {name: plain_number(getattr(parts, name)) for name in (
            "score", "reliability", "resolution", "uncertainty", "skill")},
        "reliability_curve": {
            "n": curve.count.tolist(),
            **{name: [plain_number(x) for x in values] for name, values in (
                ("mean_probability", curve.mean_probability), ("frequency", curve.frequency),
                ("consistent_from", bars[0]), ("consistent_to", bars[1]))}},
        "persistence": plain_number(score.persistence)}


def tried_value(one: Tried) -> dict[str, Any]:
    """One set of thresholds as plain values."""
    return vars(one.thresholds) | {
        "occurred": int(one.counts[0]), "detected": int(one.counts[1]),
        "warned": int(one.counts[2]), "false": int(one.counts[3]), "csi": plain_number(one.csi),
        "flips_per_basin_year": plain_number(one.flips_per_basin_year)}


def plain_number(value: float) -> float | None:
    """Six significant digits; None in place of NaN."""
    return float(f"{value:.6g}") if math.isfinite(value) else None


def _ratios(total: Counts, intervals: Array) -> list[str]:
    return [_number(middle) + (f" [{low:.2f}, {high:.2f}]" if math.isfinite(low) else "")
            for middle, (low, high) in zip(ratios(total), intervals, strict=True)]


def _number(value: float) -> str:
    return f"{value:.2f}" if math.isfinite(value) else "-"


def _lead(score: AlertScore) -> str:
    low, middle, high = score.lead_quartiles
    return f"{middle:+.0f} ({low:+.0f} to {high:+.0f})" if math.isfinite(middle) else "-"

