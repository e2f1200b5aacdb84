"""The state of a workspace in plain facts, derived from the ledger and the inputs."""

from datetime import datetime
from typing import Any

from dwlim_ops.qc.screening import days_since_last_value
from dwlim_ops.reconcile import Known, observe, plan
from dwlim_ops.session import Session

SILENT_DAYS = 30


def collect(session: Session, as_of: datetime) -> dict[str, Any]:
    """What is fresh, out of date, refused, and why, as known at `as_of`."""
    known = observe(session, as_of)
    published = session.ledger.newest_revisions()
    ticks = session.ledger.ticks(limit=1)
    facts: dict[str, Any] = {
        "region": session.config.region.name,
        "newest published day": max(published) if published else None,
        "published days": len(published),
        "days by tier": _by_tier([record.tier for record in published.values()]),
        "bundle": session.bundle_id or "none: GNSS-only",
        "last tick": f"{ticks[0].as_of:%Y-%m-%d %H:%M} UTC, {ticks[0].outcome}" if ticks else None,
        "alive": {name: f"{at:%Y-%m-%d %H:%M:%S} UTC"
                  for name, at in session.ledger.heartbeats().items()},
    }
    if known is not None:
        facts |= _inputs(known)
        facts["out of date"] = [f"{day.day}: stale, {day.reason}" if day.revision
                                else f"{day.day}: {day.reason}" for day in plan(session, known)]
    facts["quarantined"] = [f"{g.source}/{g.stream}: {g.quarantine_reason}"
                            for g in session.ledger.quarantined_now()]
    facts["damaged"] = list(session.archive.damaged.values())
    facts["degraded"] = list(ticks[0].detail.get("degraded", [])) if ticks else []
    return facts


def _inputs(known: Known) -> dict[str, Any]:
    station, excluded, remark = (
        known.checked[name].values for name in ("station", "exclusion", "remark"))
    silent = days_since_last_value(known.checked)
    return {
        "newest input": ", ".join(f"{name} {day}" for name, day in known.newest_day.items()),
        "streams of the newest day": known.streams_of(known.days[-1]),
        "stations": f"{int((excluded == '').sum())} used of {excluded.size}",
        "stations silent for 30 days": [
            f"{name}: {age} days" for name, age in zip(station, silent, strict=True)
            if age >= SILENT_DAYS],
        "excluded stations": [f"{name}: {reason}" for name, reason in
                              zip(station, excluded, strict=True) if reason],
        "stations with a remark": [f"{name}: {text}" for name, text in
                                   zip(station, remark, strict=True) if text],
        "screening": known.checked.attrs["screening"],
    }


def _by_tier(tiers: list[str]) -> dict[str, int]:
    return {tier: tiers.count(tier) for tier in dict.fromkeys(sorted(tiers))}
