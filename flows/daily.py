"""One tick: ingest, plan, make what is out of date, publish."""

from collections.abc import Callable
from datetime import date, datetime
from time import monotonic

from prefect import flow, task
from prefect.cache_policies import NO_CACHE

from dwlim_ops.reconcile import Known, PlannedDay
from dwlim_ops.session import Session
from dwlim_ops.telemetry.progress import progress
from dwlim_ops.telemetry.stopwatch import Stopwatch
from dwlim_ops.tick import TickReport, begin, finish, make_day, observe_and_plan
from flows.ingest import ingest

#: Makes and publishes planned days; returns what hindered each, empty if nothing did.
MakeDays = Callable[[Session, Known, list[PlannedDay]], dict[date, str]]


@task(name="plan", cache_policy=NO_CACHE, persist_result=False)
def plan(session: Session, as_of: datetime, first: date | None,
         last: date | None) -> tuple[Known | None, list[PlannedDay]]:
    """What is known, and which days are out of date."""
    return observe_and_plan(session, as_of, first=first, last=last)


@task(name="make-day", task_run_name="make-{planned.day}", cache_policy=NO_CACHE,
      persist_result=False)
def make(session: Session, known: Known, planned: PlannedDay) -> str:
    """Estimate and publish one day; returns what hindered it, empty if nothing did."""
    return make_day(session, known, planned)


def in_turn(session: Session, known: Known, planned: list[PlannedDay]) -> dict[date, str]:
    """Make one day after the other in this process; returns what hindered each."""
    hindered = {}
    with progress("days", len(planned)) as advance:
        for day in planned:
            hindered[day.day] = make(session, known, day)
            advance(str(day.day))
    return hindered


@flow(name="daily", validate_parameters=False, persist_result=False)
def daily(session: Session, now: datetime, *, as_of: datetime | None = None,
          first: date | None = None, last: date | None = None) -> TickReport:
    """Run one tick; `as_of` pretends another time, `first` and `last` replace the horizon."""
    return one_tick(session, now, as_of=as_of, first=first, last=last, make_days=in_turn)


def one_tick(session: Session, now: datetime, *, as_of: datetime | None, first: date | None,
             last: date | None, make_days: MakeDays) -> TickReport:
    """The stages of a tick, one after the other, within a flow."""
    stopwatch = Stopwatch(monotonic)
    stopwatch.begin("ingest")
    now, remarks = begin(session, now)
    as_of = as_of or now
    reports = ingest(session, as_of, now)
    stopwatch.begin("plan")
    known, planned = plan(session, as_of, first, last)
    stopwatch.begin("estimate")
    hindered = {} if known is None else make_days(session, known, planned)
    stopwatch.begin("publish")
    return finish(session, as_of, known, now=now, reports=reports, hindered=hindered,
                  remarks=remarks, stage_seconds=stopwatch.seconds)
