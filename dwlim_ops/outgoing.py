"""All that leaves the house after a tick, in its order; each part follows from the ledger.

Tables, pictures and the pointer first; the cube; the catalogue, which names what is there; alerts;
the page, which reads all of it. What one part cannot do is told and does not hinder the others.
"""

import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from dwlim_ops import alerting, publication
from dwlim_ops.errors import DwlimError, MalformedInputError, StoreError
from dwlim_ops.normals import in_force
from dwlim_ops.outlets import catalogue, cube, page, precipitation
from dwlim_ops.session import Session

_log = logging.getLogger(__name__)


@dataclass
class Sent:
    """What could not be done, in words; `broken`: the workspace could not be read or written."""

    remarks: list[str] = field(default_factory=list)
    broken: bool = False

    def add(self, part: Callable[[], list[str]]) -> None:
        """Do one part."""
        try:
            self.remarks += part()
        except (DwlimError, OSError) as error:
            _log.error("%s", error)
            self.remarks.append(str(error))
            self.broken = True


def send(session: Session, *, as_of: datetime, now: datetime) -> Sent:
    """Bring everything that is published up to date, evaluate and deliver alerts.

    `as_of` is the tick's time; by `now`, the wall clock, deliveries are due.
    """
    sent, newest = Sent(), session.ledger.newest_revisions()
    sent.add(lambda: publication.refresh(session, as_of=as_of))
    for outlet in (cube, catalogue, precipitation):
        sent.add(lambda outlet=outlet: outlet.refresh(session, newest, as_of=as_of))  # type: ignore[misc]
    sent.add(lambda: _alerts(session, as_of=as_of, now=now))
    sent.add(lambda: page.refresh(session, newest, as_of=as_of))
    return sent


def _alerts(session: Session, *, as_of: datetime, now: datetime) -> list[str]:
    """From the days since the last that was evaluated; without a climatology nothing is new.

    That it cannot be read is told with the tables.
    """
    newest = session.ledger.newest_revisions()
    try:
        against = in_force(session, newest) if newest else None
    except (StoreError, MalformedInputError):
        against = None
    before = alerting.evaluated_through(session)
    first = None if before is None else before + timedelta(days=1)
    fresh = [one for one in (against.every if against else ())
             if first is None or one.day >= first]
    return alerting.attend(session, fresh, as_of=as_of, now=now)
