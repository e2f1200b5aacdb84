"""The steps of one tick that a flow strings together, and what the tick reports."""

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Final

from dwlim_ops.archive.archive import IngestReport
from dwlim_ops.errors import DwlimError, StoreError
from dwlim_ops.estimates import DayEstimates, estimate_day
from dwlim_ops.normals import normals_of
from dwlim_ops.outgoing import send
from dwlim_ops.publication import publish_day, settle, write_status
from dwlim_ops.reconcile import Known, PlannedDay, observe, plan
from dwlim_ops.retention import prune
from dwlim_ops.session import Session
from dwlim_ops.state.health_queries import remember_revision_errors
from dwlim_ops.state.records import Tick
from dwlim_ops.tick_facts import revision_errors, tick_facts

_log = logging.getLogger(__name__)

#: From the best to the worst.
OUTCOMES = ("done", "degraded", "failed")
#: A clock that is behind the ledger by less than this is bridged.
TOLERATED_CLOCK_STEP: Final = timedelta(days=1)


@dataclass(frozen=True)
class TickReport:
    """How a tick ended; `degraded` says in words what was missing."""

    as_of: datetime
    outcome: str
    published: tuple[date, ...]
    degraded: tuple[str, ...]


def begin(session: Session, now: datetime) -> tuple[datetime, tuple[str, ...]]:
    """Make good what a killed process left; returns the time to go by, and remarks on it.

    Time in the ledger never runs backwards: while the clock is behind it the ledger's is used.

    Raises
    ------
    StoreError
        The clock is behind the ledger by more than `TOLERATED_CLOCK_STEP`, or the workspace cannot
        be written.
    """
    settle(session)
    newest = session.ledger.newest_wall_time()
    if newest is None or newest <= now:
        return now, ()
    behind = newest - now
    if behind > TOLERATED_CLOCK_STEP:
        raise StoreError(
            "the clock is behind the ledger", where=str(session.workspace.root),
            expected=f"{newest:%Y-%m-%d %H:%M} UTC or later", got=f"{now:%Y-%m-%d %H:%M} UTC",
            remedy="set the clock of the machine; see dwlim doctor")
    return newest, (f"the clock is {behind.total_seconds():.0f} s behind the ledger, whose time "
                    "is used",)


def observe_and_plan(session: Session, as_of: datetime, *, first: date | None,
                     last: date | None) -> tuple[Known | None, list[PlannedDay]]:
    """What is known at `as_of`, and which days are out of date."""
    known = observe(session, as_of)
    if known is None:
        return None, []
    planned = plan(session, known, first=first, last=last)
    for day in planned:
        _log.debug("%s: %s", day.day, day.reason)
    if planned:
        normals_of(session, known)  # its pass of the filter ends before the first day to be made
    return known, planned


def make_day(session: Session, known: Known, planned: PlannedDay,
             made: DayEstimates | None = None) -> str:
    """Estimate and publish one day; returns what hindered it, empty if nothing did.

    Errors with a cause outside the code hinder this day only; bugs go up. `made` are estimates of
    the day that are there already.
    """
    try:
        estimates = made or estimate_day(session, known, planned.day)
        record = publish_day(session, known, planned, estimates)
    except (DwlimError, OSError) as error:
        _log.error("%s: %s", planned.day, error)
        return str(error)
    return "" if record else "the product fails its checks"


def finish(session: Session, as_of: datetime, known: Known | None, *, now: datetime,
           reports: Sequence[IngestReport], hindered: Mapping[date, str],
           remarks: Sequence[str] = (),
           stage_seconds: Callable[[], Mapping[str, float]] = dict) -> TickReport:
    """Bring what follows from the ledger up to date, record the tick, refresh `status.json`.

    `stage_seconds` tells how long each stage has taken; the ledger keeps it.
    """
    made = tuple(day for day, text in hindered.items() if not text)
    degraded = [*remarks, *session.archive.damaged.values(),
                *(f"refused: {one.quarantine_reason}" for one in session.ledger.quarantined_now()),
                *(f"{r.source}/{r.stream}: {text}" for r in reports for text in r.failed),
                *(f"{day}: {text}" for day, text in hindered.items() if text)]
    if known is None:
        degraded.append(f"no displacement is known at {as_of:%Y-%m-%d %H:%M} UTC")
    else:
        degraded += [f"{name} is neither removed by the producer nor modelled"
                     for name in known.remaining_loading]
        degraded += _without_simulation(session, known)
    sent = send(session, as_of=as_of, now=now)
    degraded += sent.remarks
    failed = sent.broken or known is None or (bool(hindered) and all(hindered.values()))
    outcome = "failed" if failed else "degraded" if degraded else "done"
    published = [str(record.day) for record in session.ledger.products() if record.as_of == as_of]
    detail = {"as_of": as_of.isoformat(), "published": published, "degraded": degraded[:50]}
    facts = tick_facts(session, as_of) | {"stage_seconds": dict(stage_seconds())}
    remember_revision_errors(session.ledger, revision_errors(session))
    session.ledger.add_tick(Tick(as_of, now, outcome, detail | facts))
    session.ledger.beat("tick", now)
    write_status(session, known, outcome, detail)
    prune(session, now)
    return TickReport(as_of, outcome, made, tuple(degraded))


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
