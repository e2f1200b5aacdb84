"""The state of a workspace in plain facts, derived from the ledger and the inputs."""

from datetime import datetime
from typing import Any

from dwlim_ops.qc.screening import days_since_last_value
from dwlim_ops.reconcile import observe, plan
from dwlim_ops.session import Session

SILENT_DAYS = 30


def collect(session: Session, as_of: datetime) -> dict[str, Any]:
    """What is fresh, out of date, refused, and why, as known at `as_of`."""
    known = observe(session, as_of)
    published = session.ledger.newest_revisions()
    stale = plan(session, known) if known is not None else []
    ticks = session.ledger.ticks(limit=1)
    facts: dict[str, Any] = {
        "region": session.config.region.name,
        "newest published day": max(published) if published else None,
        "published days": len(published),
        "bundle": session.bundle_id or "none: GNSS-only",
        "last tick": f"{ticks[0].as_of:%Y-%m-%d %H:%M} UTC, {ticks[0].outcome}" if ticks else None,
    }
    if known is not None:
        excluded = known.checked["exclusion"].values
        facts["newest input"] = ", ".join(f"{k} {v}" for k, v in known.newest_day.items())
        facts["stations"] = f"{int((excluded == '').sum())} used of {excluded.size}"
        silent = days_since_last_value(known.checked)
        facts["stations silent for 30 days"] = [
            f"{name}: {age} days" for name, age in
            zip(known.checked["station"].values, silent, strict=True) if age >= SILENT_DAYS]
        facts["excluded stations"] = [
            f"{name}: {reason}" for name, reason in
            zip(known.checked["station"].values, excluded, strict=True) if reason]
    facts["out of date"] = [f"{day.day}: {day.reason}" for day in stale]
    facts["quarantined"] = [g.quarantine_reason for g in session.ledger.quarantined()]
    facts["degraded"] = list(ticks[0].detail.get("degraded", [])) if ticks else []
    return facts
