"""Thresholds of alerts chosen on training years, and the scores of training and test years."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import product
from typing import Final

import numpy as np
from numpy.typing import NDArray

from dwlim_ops.alerts.hazards import HAZARDS, HazardName
from dwlim_ops.alerts.settings import AlertSettings
from dwlim_ops.config import Span
from dwlim_ops.hindcast.data import ByHazard, Days, Monthly, Progress, Told, Truth, years_of
from dwlim_ops.verify.alert_report import AlertScore, ProbabilityScore, Thresholds, Tried
from dwlim_ops.verify.alert_scores import (
    Spell,
    brier,
    consistency_bars,
    count_events,
    count_flips,
    count_rows,
    lead_rows,
    persistence_rows,
    reliability_curve,
    spells,
)

Array = NDArray[np.float64]
Flags = NDArray[np.bool_]

BOTH: Final = "both"
CHOSEN, DEFAULT = "chosen", "configured"
DAYS_PER_YEAR: Final = 365.25
#: Of probabilities in the reliability diagram.
EDGES: Final = np.arange(11) / 10.0


@dataclass(frozen=True, kw_only=True)
class HindcastSettings:
    """What is tried, and what an event is.

    Parameters
    ----------
    on_probabilities, off_probabilities, dwell_days : tuple
        Every combination with the second below the first is tried.
    most_flips_per_basin_year : float
        Thresholds with more beginnings and endings of alerts than that are not chosen.
    bridged_days, shortest_days : int
        True days in the class are one event where gaps are at most so long, and no event unless
        they last at least so long.
    """

    on_probabilities: tuple[float, ...] = (0.3, 0.4, 0.5, 0.6, 0.7, 0.8)
    off_probabilities: tuple[float, ...] = (0.2, 0.3, 0.4, 0.5)
    dwell_days: tuple[int, ...] = (3, 5, 10)
    most_flips_per_basin_year: float = 4.0
    bridged_days: int = 15
    shortest_days: int = 10

    @property
    def combinations(self) -> list[Thresholds]:
        """What is tried."""
        return [Thresholds(*one) for one in product(
            self.on_probabilities, self.off_probabilities, self.dwell_days) if one[1] < one[0]]


@dataclass(frozen=True, eq=False)
class Case:
    """What is scored: days, the truth of each hazard by day, and as events of each basin.

    Data come in `delay_days` after their day.
    """

    days: Days
    beyond: Mapping[HazardName, Flags]
    events: Mapping[HazardName, Sequence[Sequence[Spell]]]
    delay_days: int

    @classmethod
    def of(cls, truth: Truth, alerts: AlertSettings, settings: HindcastSettings, *,
           delay_days: int) -> "Case":
        """Events of a truth."""
        beyond = truth.beyond(alerts)
        return cls(truth.days, beyond, {
            name: [spells(column, bridged=settings.bridged_days, shortest=settings.shortest_days)
                   for column in of_hazard.T] for name, of_hazard in beyond.items()}, delay_days)

    def within(self, span: Span) -> "Case":
        """As if nothing were known outside of a span."""
        inside = ((self.days >= np.datetime64(span.first, "D"))
                  & (self.days <= np.datetime64(span.last, "D")))
        first, last = np.flatnonzero(inside)[[0, -1]].tolist()
        events = {name: [[Spell(max(one.first, first) - first, min(one.last, last) - first)
                          for one in of_basin if one.last >= first and one.first <= last]
                         for of_basin in of_hazard] for name, of_hazard in self.events.items()}
        return Case(self.days[inside], {name: one[inside] for name, one in self.beyond.items()},
                    events, self.delay_days)


@dataclass(frozen=True, eq=False)
class SpanScores:
    """Alerts by some thresholds in some years: of each hazard and of both, and of each basin."""

    choice: str
    years: str
    hazards: tuple[AlertScore, ...]
    basins: dict[str, AlertScore]


@dataclass(frozen=True, eq=False)
class MonthlyScores:
    """Against GRACE, by month: alerts by the chosen thresholds, and probabilities."""

    words: str
    alerts: tuple[AlertScore, ...]
    probabilities: tuple[ProbabilityScore, ...]


@dataclass(frozen=True, eq=False)
class Findings:
    """Everything that a hindcast found out; `alerted` is by the chosen thresholds."""

    told: Told
    truth: Truth
    training: Span
    test: Span
    settings: HindcastSettings
    case: Case
    tried: list[Tried]
    chosen: Thresholds
    default: Thresholds
    alerted: ByHazard
    scores: list[SpanScores] = field(default_factory=list)
    probabilities: list[ProbabilityScore] = field(default_factory=list)
    monthly: MonthlyScores | None = None


def evaluate(told: Told, truth: Truth, training: Span, test: Span, *, alerts: AlertSettings,
             delay_days: int, basins: Sequence[str], settings: HindcastSettings,
             progress: Progress) -> Findings:
    """Choose thresholds on the training years; score training and test years."""
    case = Case.of(truth, alerts, settings, delay_days=delay_days)
    tried = try_thresholds(told.within(training), case.within(training), alerts, settings,
                           progress=progress)
    default = Thresholds(alerts.on_probability, alerts.off_probability, alerts.dwell_days)
    chosen = choose(tried, default, most_flips=settings.most_flips_per_basin_year)
    alerted = {name: told.alerted(with_thresholds(alerts, thresholds))
               for name, thresholds in ((CHOSEN, chosen), (DEFAULT, default))}
    probability, spans = told.probability(alerts), {"training": training, "test": test}
    scores = [SpanScores(choice, years, *score_span(case, of_choice, span, basins, choice=choice,
                                                    years=years))
              for years, span in spans.items() for choice, of_choice in alerted.items()]
    probabilities = [score_probability(case.days, probability[name], case.beyond[name], span,
                                       hazard=name, years=years)
                     for years, span in spans.items() for name in HAZARDS]
    return Findings(told, truth, training, test, settings, case, tried, chosen, default,
                    alerted[CHOSEN], scores, probabilities)


def with_thresholds(alerts: AlertSettings, thresholds: Thresholds) -> AlertSettings:
    """The configured alerts with other thresholds."""
    return alerts.model_copy(update=vars(thresholds))


def try_thresholds(told: Told, case: Case, alerts: AlertSettings, settings: HindcastSettings, *,
                   progress: Progress) -> list[Tried]:
    """Score every combination on the days at hand, both hazards together."""
    combinations, tried = settings.combinations, []
    block, n_columns = np.zeros(case.days.size, np.intp), len(told.standings)
    basin_years = n_columns * case.days.size / DAYS_PER_YEAR
    for number, thresholds in enumerate(combinations, start=1):
        alerted = told.alerted(with_thresholds(alerts, thresholds))
        counts = sum(count_events(case.events[name][column], spells(one[:, column]), block, 1)[0]
                     for name, one in alerted.items() for column in range(n_columns))
        flips = sum(int(count_flips(one[:, column], block, 1)[0])
                    for one in alerted.values() for column in range(n_columns))
        tried.append(Tried(thresholds, np.asarray(counts), flips / basin_years))
        progress("thresholds", number, len(combinations))
    return tried


def choose(tried: Sequence[Tried], default: Thresholds, *, most_flips: float) -> Thresholds:
    """The largest CSI among those that do not flip too often; of equals the nearest to `default`.

    If all flip too often, those that flip least.
    """
    def distance(one: Thresholds) -> float:
        return (abs(one.on_probability - default.on_probability)
                + abs(one.off_probability - default.off_probability)
                + abs(one.dwell_days - default.dwell_days) / 10.0)

    calm = [one for one in tried if one.flips_per_basin_year <= most_flips]
    if not calm:
        return min(tried, key=lambda one: (one.flips_per_basin_year, -one.csi)).thresholds
    return min(calm, key=lambda one: (-round(one.csi, 6), distance(one.thresholds))).thresholds


def score_span(case: Case, alerted: ByHazard, span: Span, basins: Sequence[str], *, choice: str,
               years: str) -> tuple[tuple[AlertScore, ...], dict[str, AlertScore]]:
    """Scores of each hazard and of both, all basins; and of each basin, both hazards.

    What has begun within the span counts.
    """
    block, of_years = years_of(case.days, span)
    every = {(name, column): _score(case, name, column, alerted[name][:, column],
                                    (block, len(of_years)), choice=choice, years=years)
             for name in HAZARDS for column in range(len(basins))}
    hazards = (*(_merged(name, [every[name, column] for column in range(len(basins))])
                 for name in HAZARDS), _merged(BOTH, list(every.values())))
    return hazards, {basin: _merged(BOTH, [every[name, column] for name in HAZARDS])
                     for column, basin in enumerate(basins)}


def _score(case: Case, name: HazardName, column: int, warned: Flags,
           blocks: tuple[NDArray[np.intp], int], *, choice: str, years: str) -> AlertScore:
    (block, n_blocks), events = blocks, case.events[name][column]
    warnings, true = spells(warned), np.zeros(case.days.size, dtype=bool)
    for one in events:
        true[one.first:one.last + 1] = True
    begun = [one for one in events if block[one.first] >= 0]
    return AlertScore(
        choice, years, name, count_events(events, warnings, block, n_blocks),
        count_rows(warned, true, block, n_blocks), int(count_flips(warned, block, n_blocks).sum()),
        int(count_flips(true, block, n_blocks).sum()),
        float((block >= 0).sum()) / DAYS_PER_YEAR,
        tuple(rows - case.delay_days for rows in lead_rows(begun, warnings)))


def _merged(hazard: str, scores: Sequence[AlertScore]) -> AlertScore:
    """Scores of several basins, or of one basin's hazards; a block is a basin and year."""
    first = scores[0]
    basin_years = {one.hazard: 0.0 for one in scores}
    for one in scores:
        basin_years[one.hazard] += one.basin_years
    by_hazard = [[one for one in scores if one.hazard == name] for name in basin_years]
    events, days = (np.sum([np.concatenate([getattr(one, name) for one in of_hazard])
                            for of_hazard in by_hazard], axis=0) for name in ("events", "days"))
    return AlertScore(
        first.choice, first.years, hazard, events, days, sum(one.flips for one in scores),
        sum(one.true_flips for one in scores), basin_years[first.hazard],
        tuple(lead for one in scores for lead in one.lead_days))


def score_probability(days: Days, probability: Array, beyond: Flags, span: Span, *, hazard: str,
                      years: str, bars: bool = True) -> ProbabilityScore:
    """Probabilities (T, n_basins) of one hazard on the days of a span that have them."""
    inside = (years_of(days, span)[0] >= 0) & np.isfinite(probability).all(axis=1)
    forecast, occurred = probability[inside], beyond[inside]
    persistence = persistence_rows(forecast, occurred)
    return ProbabilityScore(
        years, hazard, forecast.size, brier(forecast, occurred, EDGES),
        reliability_curve(forecast, occurred, EDGES),
        consistency_bars(forecast, EDGES, persistence=persistence) if bars else None, persistence)


def score_months(months: Monthly, alerts: AlertSettings, spans: Mapping[str, Span],
                 settings: HindcastSettings, basins: Sequence[str]) -> MonthlyScores:
    """Alerts and probabilities against the months of GRACE in each span."""
    case = Case.of(months.truth, alerts, replace(settings, bridged_days=0, shortest_days=1),
                   delay_days=0)
    scores: list[AlertScore] = []
    probabilities = []
    for years, span in spans.items():
        if not (years_of(case.days, span)[0] >= 0).any():
            continue
        scores += score_span(case, months.alerted, span, basins, choice=CHOSEN, years=years)[0]
        probabilities += [
            score_probability(case.days, months.probability[name], case.beyond[name], span,
                              hazard=name, years=years, bars=False) for name in HAZARDS]
    return MonthlyScores(months.truth.words, tuple(scores), tuple(probabilities))
