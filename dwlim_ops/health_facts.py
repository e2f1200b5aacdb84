"""The facts of the metrics, gathered from durable state: the ledger and the workspace's disk."""

import os
import shutil
import threading
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

from dwlim_ops.errors import StoreError
from dwlim_ops.state.alert_ledger import AlertLedger
from dwlim_ops.state.health_queries import (
    Issued,
    delivery_attempts,
    issued,
    newest_basin_values,
    remembered_drift,
    remembered_revision_errors,
    ticks_by_outcome,
)
from dwlim_ops.state.ledger import Ledger
from dwlim_ops.state.records import Tick
from dwlim_ops.telemetry.facts import (
    AlertFacts,
    Disk,
    Drift,
    Facts,
    LastTick,
    Published,
    RevisionError,
)
from dwlim_ops.telemetry.metrics import VERDICTS
from dwlim_ops.workspace import Workspace


@dataclass(eq=False)
class HealthFacts:
    """Facts of a workspace; what only a tick changes is gathered once a tick."""

    ledger: Ledger
    region: str
    workspace: Workspace
    _of_tick: tuple[int, Facts] | None = None
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def __call__(self) -> Facts:
        """The facts of this moment."""
        newest, _ = ticks_by_outcome(self.ledger)
        with self._lock:
            if self._of_tick is None or self._of_tick[0] != newest:
                self._of_tick = newest, gather(self.ledger, self.region, self.workspace)
            facts = self._of_tick[1]
        beats = self.ledger.heartbeats()
        return replace(
            facts, heartbeats_s={name: at.timestamp() for name, at in beats.items()},
            drift=drift_facts(remembered_drift(self.ledger)),
            disk=_disk(self.workspace, facts.disk),
            alerts=alert_facts(self.ledger, facts.last_tick))


def gather(ledger: Ledger, region: str, workspace: Workspace) -> Facts:
    """What only a tick changes."""
    ticks, streams = ledger.ticks(limit=1), ledger.newest_of_streams()
    refused = Counter(granule.source for granule in ledger.quarantined_now())
    numbers = issued(ledger)
    return Facts(
        region=region, last_tick=last_tick(ticks[0]) if ticks else None,
        ticks=ticks_by_outcome(ledger)[1],
        retrieved_s={key: at.timestamp() for key, (at, _) in streams.items()},
        refused={name: refused[name] for name in {key[0] for key in streams} | set(refused)},
        published=_published(ledger, numbers), revision_error={
            (one["basin"], one["method"], one["lead_days"]):
            RevisionError(one["rms_mm"], one["z_deviation"], one["n_days"])
            for one in remembered_revision_errors(ledger)},
        disk=_disk(workspace, None))


def last_tick(tick: Tick) -> LastTick:
    """What a tick recorded; a tick of an older version recorded less."""
    detail = tick.detail
    stations, innovation = detail.get("stations", {}), detail.get("innovation", {})
    inputs = [((row["source"], row["stream"]), row) for row in detail.get("inputs", [])]
    return LastTick(
        started_s=tick.started_at.timestamp(), as_of_s=tick.as_of.timestamp(),
        outcome=tick.outcome, n_remarks=len(detail.get("degraded", [])),
        stage_s=detail.get("stage_seconds", {}),
        newest_day_s={key: _seconds(date.fromisoformat(row["newest_day"]))
                      for key, row in inputs if row["newest_day"]},
        missed_epochs={key: row["missed_epochs"] for key, row in inputs},
        stations=stations.get("by_state", {}), excluded=stations.get("excluded", {}),
        nis_per_datum=innovation.get("nis_per_datum"),
        n_innovation_data=innovation.get("n_data"),
        credential_expiry_s={name: datetime.fromisoformat(at).timestamp()
                             for name, at in detail.get("credentials", {}).items()})


def _published(ledger: Ledger, numbers: Issued) -> Published:
    """Numbers of the published days, and what the newest one says of the basins."""
    values = newest_basin_values(ledger)
    if numbers.newest_day is None or numbers.newest_as_of is None:
        return Published()
    return Published(
        _seconds(numbers.newest_day), numbers.newest_as_of.timestamp(), numbers.n_revisions,
        numbers.by_tier,
        {tier: _seconds(day) for tier, day in numbers.newest_day_of_tier.items()},
        {key: twsa for key, (twsa, _) in values.items() if twsa is not None},
        {key: sigma for key, (_, sigma) in values.items() if sigma is not None})


def alert_facts(ledger: Ledger, tick: LastTick | None) -> AlertFacts:
    """Alerts in force at the last tick, and what became of their messages."""
    alerts = AlertLedger(ledger)
    at = datetime.min.replace(tzinfo=UTC) if tick is None else datetime.fromtimestamp(
        tick.as_of_s, UTC)
    active = Counter((one.hazard, one.severity, str(one.content["status"]))
                     for one in alerts.active(at=at) if not one.drill)
    deliveries, oldest = alerts.outbox()
    return AlertFacts(active, alerts.n_messages(), deliveries, delivery_attempts(ledger),
                      None if oldest is None else oldest.timestamp())


def drift_facts(report: Mapping[str, Any] | None) -> Drift | None:
    """Verdicts of a kept drift report, counted."""
    if report is None:
        return None
    features = Counter(one["verdict"] for one in report["features"]["features"])
    scatter = Counter(station["verdict"] for part in report["scatter"]
                      for station in part["stations"])
    scatter.update(part["network_verdict"] for part in report["scatter"])
    return Drift(datetime.fromisoformat(report["as_of"]).timestamp(),
                 {name: features[name] for name in VERDICTS},
                 {name: scatter[name] for name in VERDICTS})


def size_of(folder: Path) -> int:
    """Bytes of all files below a folder; a file that goes meanwhile counts for nothing."""
    total = 0
    for place, _, names in os.walk(folder):
        for name in names:
            try:
                total += (Path(place) / name).lstat().st_size
            except OSError:
                continue
    return total


def _disk(workspace: Workspace, before: Disk | None) -> Disk:
    """The disk now; sizes of the parts of the workspace as before where they are known."""
    parts = {"raw": workspace.raw, "cache": workspace.cache, "published": workspace.published,
             "state": workspace.state}
    try:
        usage = shutil.disk_usage(workspace.root)
    except OSError as error:
        raise StoreError("the disk of the workspace cannot be looked at", where=str(workspace.root),
                         got=str(error), remedy="mount it") from error
    sizes = ({name: size_of(folder) for name, folder in parts.items()} if before is None
             else before.workspace_bytes)
    return Disk(usage.free, usage.total, sizes)


def _seconds(day: date) -> float:
    return datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp()
