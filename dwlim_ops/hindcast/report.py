"""The report of an alert hindcast: words, tables, pictures, and all numbers as plain values."""

from typing import Any

import numpy as np

from dwlim_ops.alerts.hazards import HAZARDS, classes_from
from dwlim_ops.hindcast.scores import CHOSEN, DEFAULT, EDGES, Findings, SpanScores
from dwlim_ops.reconcile import Known
from dwlim_ops.session import Session
from dwlim_ops.verification.figures import picture
from dwlim_ops.verify.alert_report import (
    AlertScore,
    alert_value,
    basins_table,
    days_table,
    events_table,
    probabilities_table,
    probability_value,
    thresholds_table,
    tried_value,
)
from dwlim_ops.verify.alert_scores import spells
from dwlim_ops.verify.document import Picture, Section, escaped
from dwlim_ops.verify.figures_alerts import (
    BasinTimeLine,
    Reliability,
    alert_time_lines,
    reliability_diagrams,
)

#: Thresholds whose CSI is at least so large a share of the best are as good as the best.
NEARLY = 0.9


def lead_of(session: Session, known: Known, findings: Findings) -> str:
    """What the report is about, in one paragraph."""
    training, test = findings.training, findings.test
    made_up = "SYNTHETIC EARTH, NO OBSERVATION. " if session.config.region.synthetic else ""
    return (f"{made_up}Made by `dwlim hindcast` from data known at {known.as_of:%Y-%m-%d} UTC, "
            f"code {escaped(session.code[:12])}. Training years {training.first} to "
            f"{training.last} (climatology and thresholds), test years {test.first} to "
            f"{test.last} (scored once).")


def sections_of(session: Session, findings: Findings) -> list[Section]:
    """All sections, in order."""
    return [_method(session, findings), _thresholds(findings), _events(findings), _days(findings),
            _probabilities(findings), _time_lines(session, findings), *_months(findings)]


def to_json(session: Session, known: Known, findings: Findings) -> dict[str, Any]:
    """All numbers as plain values."""
    spans = {"training": findings.training, "test": findings.test}
    monthly = findings.monthly
    return {
        "region": session.config.region.name, "synthetic": session.config.region.synthetic,
        "code": session.code, "as_of": known.as_of.isoformat(), "truth": findings.truth.words,
        "spans": {name: [str(span.first), str(span.last)] for name, span in spans.items()},
        "delay_days": findings.case.delay_days,
        "event": {name: getattr(findings.settings, name) for name in (
            "bridged_days", "shortest_days", "most_flips_per_basin_year")},
        "thresholds": {CHOSEN: vars(findings.chosen), DEFAULT: vars(findings.default)},
        "tried": [tried_value(one) for one in findings.tried],
        "scores": [alert_value(one) for span in findings.scores for one in span.hazards],
        "basins": [{"basin": basin} | alert_value(one) for span in findings.scores
                   for basin, one in span.basins.items()],
        "probabilities": [probability_value(one) for one in findings.probabilities],
        "months": None if monthly is None else {
            "truth": monthly.words, "scores": [alert_value(one) for one in monthly.alerts],
            "probabilities": [probability_value(one) for one in monthly.probabilities]}}


def _method(session: Session, findings: Findings) -> Section:
    settings, alerts = findings.settings, session.config.alerts
    mildest = " and ".join(classes_from(hazard, alerts)[0] for hazard in HAZARDS.values())
    return Section("method", "What is scored", (
        "Each day's basin means are those of the filter (`dwlim_st`) from all days up to itself, "
        "with the final values of the displacement (no gaps of rapid solutions) and with a quality "
        "control that knows the whole record; no veto is applied. They are compared with the "
        "climatology of the training years and go through the alert machine of the daemon. An "
        f"alert is for class {mildest} or beyond.\n\n"
        f"Truth: {escaped(findings.truth.words)}; it has its own climatology of the training "
        "years. A true event is a run of days in the class: gaps of at most "
        f"{settings.bridged_days} days are closed, runs shorter than {settings.shortest_days} days "
        "are no events. An alert is false if it meets no event. The lead is counted from the day "
        f"on which an alert is sent, {findings.case.delay_days} days after the day that decides, "
        "to the first day of the event; negative: the event had begun. An event or alert counts in "
        "the years in which it begins. A flip is the beginning or the end of an alert. Intervals "
        "(90 %) come from resampling basin-years; there are few events, so they are wide."))


def _thresholds(findings: Findings) -> Section:
    tried, limit = findings.tried, findings.settings.most_flips_per_basin_year
    calm = [one for one in tried if one.flips_per_basin_year <= limit]
    best = max((one.csi for one in calm), default=float("nan"))
    near = [one for one in calm if one.csi >= NEARLY * best]
    words = (
        f"{len(tried)} combinations were tried on the training years; {len(calm)} flip at most "
        f"{limit:g} times a basin-year. Chosen: **{findings.chosen}**; configured: "
        f"{findings.default}. {len(near)} of the {len(calm)} reach {NEARLY:.0%} of the best CSI "
        f"({best:.2f}).")
    if near:
        words += (f" Among them `on_probability` goes from "
                  f"{min(one.thresholds.on_probability for one in near):g} to "
                  f"{max(one.thresholds.on_probability for one in near):g}, `off_probability` from "
                  f"{min(one.thresholds.off_probability for one in near):g} to "
                  f"{max(one.thresholds.off_probability for one in near):g}, `dwell_days` from "
                  f"{min(one.thresholds.dwell_days for one in near)} to "
                  f"{max(one.thresholds.dwell_days for one in near)}.")
    return Section("thresholds", "Thresholds, chosen on the training years", (
        f"{words}\n\n{thresholds_table(tried, findings.chosen, findings.default)}"))


def _events(findings: Findings) -> Section:
    of_test = _find(findings, CHOSEN, "test")
    return Section("events", "Events and alerts", (
        f"{events_table(_every(findings))}\n\nThe test years by basin, chosen thresholds, both "
        f"hazards:\n\n{basins_table(of_test.basins)}"))


def _days(findings: Findings) -> Section:
    return Section("days", "Single days", (
        "The same of every basin-day: whether an alert lasted on a day of an event.\n\n"
        f"{days_table(_every(findings))}"))


def _probabilities(findings: Findings) -> Section:
    of_test = {one.hazard: one for one in findings.probabilities if one.years == "test"}
    shown = {name: Reliability(one.curve, one.bars, float(one.base_rate))
             for name, one in of_test.items() if one.bars is not None}
    words = ", ".join(f"{name} {one.brier.skill:.2f}" for name, one in of_test.items())
    return Section("probabilities", "Probabilities", (
        "Of being in the class or beyond, on every basin-day, against the truth of that day. "
        "Brier score = reliability - resolution + uncertainty; skill is against always forecasting "
        "the frequency of those very days. Errors of neighbouring days are alike (1/e after "
        f"{', '.join(f'{one.persistence:.0f} days, {name}' for name, one in of_test.items())}), "
        f"so that few are independent.\n\n"
        f"{probabilities_table(findings.probabilities, 'basin-days')}"), (picture(
            "reliability", lambda: reliability_diagrams(shown, EDGES),
            alternative="Reliability diagrams: observed frequency against forecast probability, "
                        f"with the number of forecasts; Brier skill {words}.",
            caption="Observed frequency of droughts and wet spells where they were forecast with "
                    f"such a probability, test years {findings.test.first} to "
                    f"{findings.test.last}, all basins. Bars: where 90 % of reliable forecasts "
                    "would lie, given how long errors last."),))


def _time_lines(session: Session, findings: Findings) -> Section:
    case, alerted, told = findings.case, findings.alerted, findings.told
    names = session.geometry.basins.name
    lines = [BasinTimeLine(
        name, told.standardized[:, column], findings.truth.standardized[:, column],
        {hazard: spells(alerted[hazard][:, column]) for hazard in HAZARDS},
        {hazard: case.events[hazard][column] for hazard in HAZARDS})
        for column, name in enumerate(names)]
    marked = np.datetime64(max(findings.training.first, findings.test.first), "D")
    shown: Picture = picture(
        "time_lines", lambda: alert_time_lines(case.days, lines, second_first=marked),
        alternative="Time lines of the basins: standardised anomaly as told on the day and as in "
                    "the truth, with alerts and true events as bars, droughts below, wet above.",
        caption=f"Standardised anomaly of the basins, {case.days[0]} to {case.days[-1]}, as the "
                "newest day said (dwlim_st) and in the truth; alerts by the chosen thresholds "
                "(coloured) and true events (hatched), droughts below, wet spells above. Dashed: "
                "the border of training and test years.")
    return Section("time-lines", "Alerts beside the truth", (
        "Every alert by the chosen thresholds and every true event is in `hindcast.html`."),
        (shown,))


def _months(findings: Findings) -> list[Section]:
    monthly = findings.monthly
    if monthly is None:
        return []
    return [Section("months", "Against GRACE, by month", (
        f"Truth: {escaped(monthly.words)}, detrended. It sees the water by gravity, so it is "
        "independent of the stations, but its months are no forecasts' days: a month counts as "
        "alerted if an alert lasted on at least half of its days, its probability is the mean. The "
        "thresholds were not chosen on it; of training years the climatology of the estimates is "
        f"in-sample.\n\n{days_table(monthly.alerts, unit='months ')}\n\n"
        f"{probabilities_table(monthly.probabilities, 'basin-months')}"))]


def _every(findings: Findings) -> list[AlertScore]:
    same = findings.chosen == findings.default
    return [one for span in findings.scores if not (same and span.choice == DEFAULT)
            for one in span.hazards]


def _find(findings: Findings, choice: str, years: str) -> SpanScores:
    return next(one for one in findings.scores if (one.choice, one.years) == (choice, years))
