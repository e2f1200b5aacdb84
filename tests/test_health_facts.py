"""The facts of the metrics: from the ledger and the disk, whatever was killed in between."""

from contextlib import closing
from datetime import UTC, datetime, timedelta

import pytest
import synthetic
from synthetic import AS_OF, DAY

from dwlim_ops.drift import drift_report
from dwlim_ops.errors import StoreError
from dwlim_ops.health_facts import HealthFacts, drift_facts, gather, last_tick, size_of
from dwlim_ops.products.revisions import revision_leads, statistics
from dwlim_ops.reconcile import observe
from dwlim_ops.state.alert_ledger import AlertLedger, Delivery, StoredMessage
from dwlim_ops.state.health_queries import (
    issued,
    newest_basin_values,
    remember_drift,
    remembered_drift,
)
from dwlim_ops.state.ledger import Ledger
from dwlim_ops.state.records import Tick
from dwlim_ops.telemetry.stopwatch import Stopwatch
from dwlim_ops.workspace import Workspace


def facts_of(workspace):
    with closing(Ledger(workspace.ledger_url)) as ledger:
        return HealthFacts(ledger, synthetic.REGION, workspace)()


def test_facts_are_the_same_after_a_restart(served):
    first = facts_of(served)
    assert facts_of(served).last_tick == first.last_tick
    assert facts_of(served).published == first.published
    assert first.ticks == {"done": 2}


def test_the_error_of_the_newest_day_is_that_of_the_revisions(served, open_session):
    session = open_session(served)
    later = AS_OF + timedelta(days=7)
    synthetic.edit(served.root / "inbox/gnss/s001.up",
                   lambda rows: [*rows[:-1], f"{DAY:%Y%m%d} 25.0000 1.0000"])
    synthetic.run_tick(session, later)
    found = gather(session.ledger, synthetic.REGION, served).revision_error
    table = statistics(revision_leads(session.ledger.basin_rows(newest_only=False), as_of=later))
    assert {key: (one.rms_mm, one.n_days) for key, one in found.items()} == {
        (one.basin, one.method, one.lead_days): (one.rms_mm, one.n_days) for one in table}
    assert {key[0] for key in found} == set(synthetic.BASINS)


def test_queries_agree_with_the_records_of_the_ledger(served, open_session):
    ledger = open_session(served).ledger
    newest, every = ledger.newest_revisions(), ledger.products()
    found = issued(ledger)
    tiers = [record.tier for record in newest.values()]
    assert found.by_tier == {tier: tiers.count(tier) for tier in set(tiers)}
    assert found.newest_day == max(newest)
    assert found.newest_as_of == max(record.as_of for record in every)
    assert found.n_revisions == len(every) == 4
    rows = {(row.basin, row.method): (row.twsa_mm, row.sigma_mm)
            for row, _ in ledger.basin_rows() if row.day == DAY}
    assert newest_basin_values(ledger) == rows


def test_a_tick_of_an_older_version_has_less_to_tell():
    tick = Tick(AS_OF, AS_OF, "done", {"as_of": "x", "published": [], "degraded": ["a", "b"]})
    found = last_tick(tick)
    assert (found.outcome, found.n_remarks) == ("done", 2)
    assert found.nis_per_datum is None
    assert not found.missed_epochs
    assert not found.stations


def test_what_only_a_tick_changes_is_gathered_once_a_tick(ticked, open_session, monkeypatch):
    session, gathered = open_session(ticked), []
    monkeypatch.setattr("dwlim_ops.health_facts.gather", lambda *arguments: gathered.append(
        arguments) or gather(*arguments))
    facts = HealthFacts(session.ledger, synthetic.REGION, ticked)
    for _ in range(5):
        facts()
    assert len(gathered) == 1
    session.ledger.beat("daemon", AS_OF)
    assert facts().heartbeats_s["daemon"] == AS_OF.timestamp()
    synthetic.run_tick(session, AS_OF + timedelta(hours=2))
    assert facts().ticks == {"done": 2}
    assert len(gathered) == 2


def test_sizes_are_those_of_the_files(ticked):
    found = facts_of(ticked).disk
    assert found.workspace_bytes["published"] == sum(
        path.stat().st_size for path in ticked.published.rglob("*") if path.is_file())
    assert 0 < found.free_bytes < found.size_bytes
    assert size_of(ticked.root / "nowhere") == 0


def test_a_disk_that_is_gone_is_a_store_error(ticked):
    with closing(Ledger(ticked.ledger_url)) as ledger:
        facts = HealthFacts(ledger, synthetic.REGION, Workspace(ticked.root / "gone"))
        with pytest.raises(StoreError, match="disk"):
            facts()


def test_alerts_and_their_outbox(ticked):
    expires = AS_OF + timedelta(days=30)

    def message(number, kind, severity, *, basin="7", drill=False):
        chain = f"toyland-{basin}-drought{'-drill' * drill}"
        return StoredMessage(f"{chain}-{number}", chain, number, kind, severity, basin, "drought",
                             drill, AS_OF - timedelta(hours=5 - number), expires,
                             {"status": "Exercise" if drill else "Actual"}, "<alert/>")

    said = [message(1, "Alert", "Moderate"), message(2, "Update", "Severe"),
            message(1, "Alert", "Minor", basin="12"), message(2, "Cancel", "Minor", basin="12"),
            message(1, "Alert", "Extreme", basin="100", drill=True)]
    out = [Delivery(f"d{n}", one.identifier, "desk", state, attempts, AS_OF, AS_OF)
           for n, (one, state, attempts) in enumerate(zip(
               said, ("delivered", "pending", "delivered", "sending", "expired"),
               (1, 4, 1, 1, 9), strict=True))]
    with closing(Ledger(ticked.ledger_url)) as ledger:
        AlertLedger(ledger).record([], said, out)
        found = HealthFacts(ledger, synthetic.REGION, ticked)().alerts
    assert found.active == {("drought", "Severe", "Actual"): 1}
    assert found.messages == {"Alert": 3, "Update": 1, "Cancel": 1}
    assert found.deliveries == {"delivered": 2, "pending": 1, "sending": 1, "expired": 1}
    assert found.n_attempts == 16
    assert found.oldest_waiting_s == (AS_OF - timedelta(hours=3)).timestamp()


def test_a_drift_report_is_remembered_and_counted(served, open_session):
    session = open_session(served)
    assert remembered_drift(session.ledger) is None
    assert drift_facts(None) is None
    report = drift_report(session, observe(session, AS_OF))
    remember_drift(session.ledger, report.to_dict())
    found = facts_of(served).drift
    assert found.as_of_s == AS_OF.timestamp()
    assert set(found.features) == set(found.scatter) == {"ok", "watch", "drifted"}
    n_stations = sum(len(part.stations) for part in report.scatter)
    assert sum(found.scatter.values()) == n_stations + len(report.scatter)
    assert found.scatter["drifted"] == sum(
        one.verdict == "drifted" for part in report.scatter for one in part.stations) + sum(
        part.network_verdict == "drifted" for part in report.scatter)


def test_days_are_seconds_of_their_start(ticked):
    found = facts_of(ticked).published
    assert found.newest_day_s == datetime(2016, 12, 31, tzinfo=UTC).timestamp()
    assert datetime.fromtimestamp(found.newest_day_s, UTC).date() == DAY


def test_the_stopwatch_adds_up_what_comes_again():
    times = iter([0.0, 2.0, 2.0, 5.0, 6.0, 10.0])
    watch = Stopwatch(lambda: next(times))
    assert watch.seconds() == {}
    watch.begin("ingest")
    watch.begin("plan")
    watch.begin("ingest")
    assert watch.seconds() == {"ingest": 6.0, "plan": 3.0}
