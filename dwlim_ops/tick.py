"""The steps of one tick that a flow strings together, and what the tick reports."""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime

from dwlim_ops.archive.archive import IngestReport
from dwlim_ops.errors import DwlimError
from dwlim_ops.publication import publish_day, write_status
from dwlim_ops.reconcile import Known, PlannedDay, estimate_day, observe, plan
from dwlim_ops.session import Session
from dwlim_ops.state.ledger import Tick

_log = logging.getLogger(__name__)

#: From the best to the worst.
OUTCOMES = ("done", "degraded", "failed")


@dataclass(frozen=True)
class TickReport:
    """How a tick ended; `degraded` says in words what was missing."""

    as_of: datetime
    outcome: str
    published: tuple[date, ...]
    degraded: tuple[str, ...]


def observe_and_plan(session: Session, as_of: datetime, *, first: date | None,
                     last: date | None) -> tuple[Known | None, list[PlannedDay]]:
    """What is known at `as_of`, and which days are out of date."""
    known = observe(session, as_of)
    if known is None:
        return None, []
    planned = plan(session, known, first=first, last=last)
    for day in planned:
        _log.debug("%s: %s", day.day, day.reason)
    return known, planned


def make_day(session: Session, known: Known, planned: PlannedDay, *, pictures: bool) -> str:
    """Estimate and publish one day; returns what hindered it, empty if nothing did.

    Errors with a cause outside the code hinder this day only; bugs go up.
    """
    try:
        estimates = estimate_day(session, known, planned.day)
        record = publish_day(session, known, planned, estimates, pictures=pictures)
    except DwlimError as error:
        _log.error("%s: %s", planned.day, error)
        return str(error)
    return "" if record else "the product fails its checks"


def finish(session: Session, as_of: datetime, known: Known | None, *,
           reports: Sequence[IngestReport], planned: Sequence[PlannedDay],
           hindered: Mapping[date, str]) -> TickReport:
    """Record the tick and refresh `status.json`."""
    published = tuple(day.day for day in planned if not hindered.get(day.day))
    degraded = [*session.archive.damaged.values(),
                *(f"{r.source}: {text}" for r in reports for text in (*r.quarantined, *r.failed)),
                *(f"{day}: {text}" for day, text in hindered.items() if text)]
    if known is not None:
        degraded += [f"{name} is neither removed by the producer nor modelled"
                     for name in known.remaining_loading]
        degraded += _without_simulation(session, known)
    if known is None:
        outcome = "failed"
        degraded.append(f"no displacement is known at {as_of:%Y-%m-%d %H:%M} UTC")
    elif planned and not published:
        outcome = "failed"
    else:
        outcome = "degraded" if degraded else "done"
    detail = {"as_of": as_of.isoformat(), "published": [str(day) for day in published],
              "degraded": degraded[:50]}
    session.ledger.add_tick(Tick(as_of, outcome, detail))
    write_status(session, known, outcome, detail)
    return TickReport(as_of, outcome, published, tuple(degraded))


def _without_simulation(session: Session, known: Known) -> list[str]:
    """Why the newest day has no simulated cells although the region is made for them."""
    if session.simulator is None:
        refusal = session.bundle_refusal
        return [f"GNSS-only, the bundle is refused: {refusal}"] if refusal else []
    weather, displacement = known.newest_day.get("weather"), known.newest_day["gnss"]
    if weather is not None and weather >= displacement:
        return []
    return [f"dwlim is absent: displacement is known to {displacement}, weather to {weather}"]


def combine(reports: Sequence[TickReport]) -> TickReport:
    """Several ticks as one: the worst outcome, all days, every remark once."""
    worst = max((report.outcome for report in reports), key=OUTCOMES.index, default="done")
    days = dict.fromkeys(day for report in reports for day in report.published)
    remarks = dict.fromkeys(text for report in reports for text in report.degraded)
    return TickReport(reports[-1].as_of, worst, tuple(days), tuple(remarks))
