"""What the exporter and the tick's own record ask of the ledger, answered by the database."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Final

import sqlalchemy as sa

from dwlim_ops.state.ledger import Ledger
from dwlim_ops.state.tables import alert_deliveries, basin_values, granules, products, ticks

_DRIFT: Final = ("drift", "report")
_REVISIONS: Final = ("revisions", "errors")


@dataclass(frozen=True)
class Issued:
    """What is published: of each tier the number of days whose newest revision has it, and the
    newest such day; `newest_as_of` is that of the revision that was issued last."""

    by_tier: Mapping[str, int]
    newest_day_of_tier: Mapping[str, date]
    newest_as_of: datetime | None
    n_revisions: int

    @property
    def newest_day(self) -> date | None:
        """The newest published day."""
        return max(self.newest_day_of_tier.values(), default=None)


def issued(ledger: Ledger) -> Issued:
    """Numbers of the published days."""
    p = products.c
    newest = sa.select(p.day, sa.func.max(p.revision).label("revision")).group_by(p.day).subquery()
    by_tier = sa.select(p.tier, sa.func.count().label("n"), sa.func.max(p.day).label("day")).join(
        newest, sa.and_(newest.c.day == p.day, newest.c.revision == p.revision)).group_by(p.tier)
    every = sa.select(sa.func.max(p.as_of), sa.func.count()).select_from(products)
    with ledger._transaction() as connection:
        found = list(connection.execute(by_tier))
        newest_as_of, n_revisions = connection.execute(every).one()
    return Issued({row.tier: row.n for row in found}, {row.tier: row.day for row in found},
                  newest_as_of, n_revisions)


def newest_basin_values(ledger: Ledger) -> dict[tuple[str, str], tuple[float | None, float | None]]:
    """Water storage and its error (mm) by basin and estimate, newest revision of the newest day."""
    p, b = products.c, basin_values.c
    newest = sa.select(p.product_id).order_by(p.day.desc(), p.revision.desc()).limit(1)
    query = sa.select(b.basin, b.method, b.twsa_mm, b.sigma_mm).where(
        b.product_id == newest.scalar_subquery())
    with ledger._transaction() as connection:
        return {(row.basin, row.method): (row.twsa_mm, row.sigma_mm)
                for row in connection.execute(query)}


def newest_days(ledger: Ledger, as_of: datetime) -> dict[tuple[str, str], date]:
    """Of every source and stream the newest day of its usable granules available at `as_of`."""
    c = granules.c
    query = sa.select(c.source, c.stream, sa.func.max(c.valid_to).label("day")).where(
        c.available_at <= as_of, c.quarantine_reason == "").group_by(c.source, c.stream)
    with ledger._transaction() as connection:
        return {(row.source, row.stream): row.day for row in connection.execute(query)}


def first_tick_as_of(ledger: Ledger) -> datetime | None:
    """`as_of` of the earliest tick."""
    with ledger._transaction() as connection:
        found: datetime | None = connection.execute(
            sa.select(sa.func.min(ticks.c.as_of))).scalar()
    return found


def ticks_by_outcome(ledger: Ledger) -> tuple[int, dict[str, int]]:
    """Number of the newest tick (0: none), and how many ticks ended each way."""
    t = ticks.c
    query = sa.select(t.outcome, sa.func.count().label("n"), sa.func.max(t.id).label("newest")
                      ).group_by(t.outcome)
    with ledger._transaction() as connection:
        found = list(connection.execute(query))
    return max((row.newest for row in found), default=0), {row.outcome: row.n for row in found}


def delivery_attempts(ledger: Ledger) -> int:
    """Attempts that were ever made to deliver an alert."""
    query = sa.select(sa.func.sum(alert_deliveries.c.n_attempts))
    with ledger._transaction() as connection:
        return connection.execute(query).scalar() or 0


def remember_revision_errors(ledger: Ledger, errors: Sequence[Mapping[str, Any]]) -> None:
    """Keep how far the newest days moved, in place of what was kept before."""
    ledger.remember(*_REVISIONS, json.dumps(errors, sort_keys=True))


def remembered_revision_errors(ledger: Ledger) -> list[dict[str, Any]]:
    """What was kept last; nothing if nothing was."""
    return list(json.loads(ledger.recall(*_REVISIONS) or "[]"))


def remember_drift(ledger: Ledger, report: Mapping[str, Any]) -> None:
    """Keep a drift report (`DriftReport.to_dict()`) in place of the one before."""
    ledger.remember(*_DRIFT, json.dumps(report, sort_keys=True))


def remembered_drift(ledger: Ledger) -> dict[str, Any] | None:
    """The drift report that was kept last; None if none was."""
    text = ledger.recall(*_DRIFT)
    return None if text is None else dict(json.loads(text))
