"""Which raw files may go: none that a published product was computed from, and no newest one."""

import logging
from collections.abc import Collection, Sequence
from datetime import datetime, timedelta
from itertools import groupby

import numpy as np

from dwlim_ops.session import Session
from dwlim_ops.state.ledger import Version

_log = logging.getLogger(__name__)


def prune(session: Session, now: datetime) -> int:
    """Remove the bytes of granules that nothing needs any more; returns how many files went.

    The ledger keeps their record. A file goes after its last mention is marked as dropped, so that
    a crash in between leaves a file too much, never one too few.
    """
    if session.archive.parsed_files is not None:
        session.archive.parsed_files.prune()
    policy = session.config.retention
    gone = not_needed(
        session.ledger.versions(), session.ledger.issues(),
        superseded_before=now - timedelta(days=policy.superseded_days),
        refused_before=now - timedelta(days=policy.refused_days))
    if not gone:
        return 0
    removed = session.ledger.drop([version.number for version in gone], at=now)
    for sha256 in sorted(removed):
        session.archive.store.remove(sha256)
    _log.info("retention: %d raw files removed", len(removed))
    return len(removed)


def not_needed(
    versions: Sequence[Version], issues: Collection[tuple[datetime, int]], *,
    superseded_before: datetime, refused_before: datetime,
) -> list[Version]:
    """Versions that may go.

    Parameters
    ----------
    versions : sequence of Version
        Ordered by source, stream, key, availability and number.
    issues : collection of (as_of, newest granule)
        Of every published product. It was computed from the newest usable version of each key
        with `available_at` <= as_of and number <= newest granule.
    superseded_before, refused_before : datetime
        What was retrieved later stays.
    """
    ordered = sorted(issues)
    as_of = np.array([moment.timestamp() for moment, _ in ordered])
    through = np.array([number for _, number in ordered])
    gone = []
    for _, group in groupby(versions, key=lambda one: (one.source, one.stream, one.key)):
        of_key = list(group)
        usable = [one for one in of_key if not one.refused]
        gone += [one for one in of_key if one.refused and one.retrieved_at < refused_before]
        if len(usable) < 2:
            continue
        seen = np.array([(one.available_at.timestamp() <= as_of) & (one.number <= through)
                         for one in usable])
        last_seen = np.where(seen.any(axis=0), len(usable) - 1 - seen[::-1].argmax(axis=0), -1)
        needed = set(last_seen.tolist()) | {len(usable) - 1}
        gone += [one for place, one in enumerate(usable)
                 if place not in needed and one.retrieved_at < superseded_before]
    return gone
