"""Ticks of past days, each with what was known then."""

from datetime import UTC, date, datetime, time, timedelta

from prefect import flow

from dwlim_ops.session import Session
from dwlim_ops.telemetry.progress import progress
from dwlim_ops.tick import TickReport, combine
from flows.daily import daily

END_OF_DAY = time(23, 59, tzinfo=UTC)


@flow(name="replay", validate_parameters=False, persist_result=False)
def replay(session: Session, first: date, last: date, now: datetime) -> TickReport:
    """Publish the days `first` to `last`, one tick a day, until the newest has come in."""
    wait = session.first_issue_delay_days
    n_ticks = (last - first).days + 1
    reports = []
    with progress("replay", n_ticks) as advance:
        for number in range(n_ticks):
            day = first + timedelta(days=number)
            as_of = datetime.combine(day + timedelta(days=wait), END_OF_DAY)
            reports.append(daily(session, now, as_of=as_of, first=first, last=day))
            advance(str(day))
    return combine(reports)
