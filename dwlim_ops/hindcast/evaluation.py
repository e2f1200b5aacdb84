"""Hindcast of alerts: what the daemon would have said in past years, and whether it was true.

Every day is seen as of itself (the filter), against the climatology of the training years, and
goes through the daemon's own machine. Thresholds are chosen on the training years; the test years
are scored once, with these and with the configured ones.
"""

import json
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path

from dwlim_ops.config import Span
from dwlim_ops.errors import ConfigError
from dwlim_ops.hindcast.data import (
    LATER_DAYS,
    Progress,
    filter_days,
    grace_months,
    standings_told,
    synthetic_truth,
    truth_of,
)
from dwlim_ops.hindcast.report import lead_of, sections_of, to_json
from dwlim_ops.hindcast.scores import Findings, HindcastSettings, evaluate, score_months
from dwlim_ops.reconcile import Known, ingest, observe
from dwlim_ops.session import Session
from dwlim_ops.verify.document import to_html, to_markdown
from dwlim_ops.workspace import write_atomically


@dataclass(frozen=True)
class HindcastReport:
    """The report in words, and where it was written as a page with figures."""

    text: str
    path: Path


def take_in(session: Session, *, as_of: datetime, now: datetime, progress: Progress) -> Known:
    """Take in what every input offers, and what is known of it.

    Raises
    ------
    ConfigError
        There is no displacement.
    """
    for name in session.feeds:
        ingest(session, name, as_of=as_of, retrieved_at=now, progress=progress)
    known = observe(session, as_of)
    if known is None:
        raise ConfigError("no displacement to look back on", where=str(session.workspace.root))
    return known


def default_training(session: Session, known: Known) -> Span:
    """The period of the climatology, as far as it is known."""
    first, last = session.config.climatology_period
    return Span(first=max(first, known.days[0]), last=min(last, known.days[-1]))


def default_test(known: Known, training: Span) -> Span:
    """All days after the training years.

    Raises
    ------
    ConfigError
        There is none.
    """
    after = [day for day in known.days if day > training.last]
    if not after:
        raise ConfigError("no day is left to test on", where="hindcast",
                          expected=f"displacement after {training.last}",
                          got=f"displacement until {known.days[-1]}",
                          remedy="name training and test years, see `dwlim hindcast --help`")
    return Span(first=after[0], last=after[-1])


def hindcast(session: Session, known: Known, training: Span, test: Span, *,
             settings: HindcastSettings, progress: Progress) -> HindcastReport:
    """Score the alerts of past years; write `reports/hindcast.html`, `.md`, `.json`.

    Raises
    ------
    ConfigError
        The years overlap or lie outside of the record, the training years are too few, or the
        truth of a synthetic Earth is not there.
    """
    _check(known, training, test)
    run = session.space_time(known.checked)
    first, stop = (run.row(min(training.first, test.first)),
                   run.row(max(training.last, test.last)) + 1)
    made_up = synthetic_truth(session, run.days[first:stop])
    filtered, smoothed = filter_days(run, first, stop, later=made_up is None, progress=progress)
    told = standings_told(session, known, filtered, training)
    true = smoothed if made_up is None else made_up
    assert true is not None  # noqa: S101  without a made-up truth the smoother was asked for
    truth = truth_of(true, training, session.config.climatology, words=(
        "the true basin means of the synthetic Earth, independent of all estimates"
        if made_up is not None else
        f"what the smoother says of the same days from {LATER_DAYS} days more or as many as there "
        "are; it knows the same stations, so it is not independent"))
    alerts, basins = session.config.alerts, session.geometry.basins.name
    findings = evaluate(told, truth, training, test, alerts=alerts, settings=settings,
                        delay_days=session.first_issue_delay_days, basins=basins,
                        progress=progress)
    months = grace_months(session, told.days, training, told.probability(alerts), findings.alerted)
    if months is not None:
        findings = replace(findings, monthly=score_months(
            months, alerts, {"training": training, "test": test}, settings, basins))
    return _write(session, known, findings)


def _check(known: Known, training: Span, test: Span) -> None:
    first, last = known.days[0], known.days[-1]
    for name, span in (("training", training), ("test", test)):
        if not first <= span.first <= span.last <= last:
            raise ConfigError(f"{name} years outside of the record", where="hindcast",
                              expected=f"days within {first} to {last}, the first before the last",
                              got=f"{span.first} to {span.last}")
    if training.first <= test.last and test.first <= training.last:
        raise ConfigError("training and test years overlap", where="hindcast",
                          expected="test years that nothing was chosen on",
                          got=f"{training.first} to {training.last}, {test.first} to {test.last}")


def _write(session: Session, known: Known, findings: Findings) -> HindcastReport:
    folder = session.workspace.published / "reports"
    title = f"Hindcast of alerts: {session.config.region.title}"
    lead = lead_of(session, known, findings)
    sections = sections_of(session, findings)
    text = to_markdown(title, lead, [replace(one, pictures=()) for one in sections])
    content = to_json(session, known, findings)
    write_atomically(folder / "hindcast.md", text.encode())
    write_atomically(folder / "hindcast.json",
                     json.dumps(content, indent=1, allow_nan=False).encode())
    write_atomically(folder / "hindcast.html", to_html(title, lead, sections).encode())
    return HindcastReport(text, folder / "hindcast.html")

