"""What `dwlim status` tells: fresh, out of date, refused, alive, and why."""

import json
import shutil
from datetime import date, timedelta

import synthetic
from synthetic import AS_OF, DAY, run_tick

from dwlim_ops import status
from dwlim_ops.reconcile import observe
from dwlim_ops.status import SILENT_DAYS, collect

ONE_DAY = timedelta(days=1)
FINAL_DAYS = 14
#: What scripts read; the rest of the table depends on whether anything is known.
ALWAYS = {"region", "newest published day", "published days", "days by tier", "bundle", "last tick",
          "alive", "quarantined", "damaged", "degraded"}
OF_INPUTS = {"newest input", "streams of the newest day", "stations", "stations silent for 30 days",
             "excluded stations", "stations with a remark", "screening", "out of date"}


def with_rapid(workspace):
    """The same stations also as rapid solutions; the final ones come late."""
    shutil.copytree(workspace.root / "inbox/gnss", workspace.root / "inbox/rapid")
    content = synthetic.configuration()
    content["schedule"]["horizon_days"] = 1
    content["sources"]["gnss"] |= {
        "latency_days": FINAL_DAYS, "rapid_folder": "inbox/rapid",
        "rapid_latency_days": synthetic.LATENCY_DAYS}
    synthetic.write_config(workspace.root, content)
    return workspace


def test_before_the_first_tick_little_is_known(workspace, open_session):
    facts = collect(open_session(workspace), AS_OF)
    assert set(facts) == ALWAYS
    assert facts["newest published day"] is None
    assert (facts["published days"], facts["days by tier"], facts["alive"]) == (0, {}, {})
    assert (facts["last tick"], facts["degraded"]) == (None, [])


def test_after_a_tick_all_is_told(ticked, open_session):
    session = open_session(ticked)
    session.ledger.beat("daemon", AS_OF + timedelta(seconds=90))
    facts = collect(session, AS_OF)
    assert set(facts) == ALWAYS | OF_INPUTS
    assert facts["region"] == synthetic.REGION
    assert facts["newest published day"] == DAY
    assert facts["days by tier"] == {"definitive": 2}
    assert facts["last tick"] == "2017-01-02 18:00 UTC, done"
    assert facts["alive"] == {"daemon": "2017-01-02 18:01:30 UTC",
                              "tick": "2017-01-02 18:00:00 UTC"}
    assert facts["newest input"] == "gnss 2016-12-31, weather 2016-12-31"
    assert facts["streams of the newest day"] == {
        "up_mm": "final", "temperature_k": "final", "pressure_pa": "final"}
    assert facts["out of date"] == facts["quarantined"] == facts["damaged"] == []


def test_a_station_that_is_kept_with_a_remark_is_named(ticked, open_session, monkeypatch):
    session = open_session(ticked)
    known = observe(session, AS_OF)
    remark = known.checked["remark"].values.astype("U40")
    remark[3] = "goes with the temperature"
    known.checked["remark"] = ("station", remark)
    monkeypatch.setattr(status, "observe", lambda *_: known)
    facts = collect(session, AS_OF)
    name = known.checked["station"].values[3]
    assert facts["stations with a remark"] == [f"{name}: goes with the temperature"]
    assert facts["screening"].startswith("phase, thermal")


def test_a_better_stream_makes_a_day_stale_and_says_which(workspace, open_session):
    session = open_session(with_rapid(workspace))
    run_tick(session)
    assert collect(session, AS_OF)["out of date"] == []
    assert collect(session, AS_OF)["days by tier"] == {"era5t": 1}
    finals_in = AS_OF + (FINAL_DAYS - synthetic.LATENCY_DAYS) * ONE_DAY
    for source in session.feeds["gnss"].sources:
        session.archive.ingest(source, as_of=finals_in, retrieved_at=finals_in)
    assert collect(session, finals_in)["out of date"] == [
        f"{DAY}: stale, up_mm rapid -> final"]
    run_tick(session, finals_in)
    facts = collect(session, finals_in)
    assert facts["out of date"] == []
    assert facts["days by tier"] == {"definitive": 1}


def test_days_by_tier_count_the_newest_revision_of_each_day(workspace, open_session):
    session = open_session(with_rapid(workspace))
    run_tick(session)
    run_tick(session, first=DAY - 20 * ONE_DAY, last=DAY - 19 * ONE_DAY)
    facts = collect(session, AS_OF)
    assert facts["published days"] == 3
    assert facts["days by tier"] == {"definitive": 2, "era5t": 1}


def test_a_day_that_was_never_published_is_not_called_stale(ticked, open_session):
    shutil.rmtree(ticked.state)
    session = open_session(ticked)
    for feed in session.feeds.values():
        for source in feed.sources:
            session.archive.ingest(source, as_of=AS_OF, retrieved_at=AS_OF)
    assert collect(session, AS_OF)["out of date"] == [
        f"{DAY - ONE_DAY}: not published yet", f"{DAY}: not published yet"]


def test_a_new_bundle_makes_the_horizon_stale(trained, open_session):
    session = open_session(trained)
    stale = collect(session, AS_OF)["out of date"]
    assert [text.partition(":")[0] for text in stale] == ["2016-12-30", "2016-12-31"]
    assert all(": stale, " in text and text.endswith(f"bundle none -> {session.bundle_id}")
               for text in stale)
    assert collect(session, AS_OF)["bundle"] == session.bundle_id


def test_a_station_that_fell_silent_is_named(workspace, open_session):
    last = DAY - SILENT_DAYS * ONE_DAY
    synthetic.edit(workspace.root / "inbox/gnss/s005.up",
                   lambda rows: [row for row in rows if row[:8] <= f"{last:%Y%m%d}"])
    session = open_session(workspace)
    run_tick(session)
    assert collect(session, AS_OF)["stations silent for 30 days"] == [f"S005: {SILENT_DAYS} days"]


def test_the_table_is_json_with_the_agreed_keys(ticked, command):
    code, out, _ = command("status", ticked.root, "--json")
    facts = json.loads(out)
    assert code == 0
    assert set(facts) == ALWAYS | OF_INPUTS
    assert date.fromisoformat(facts["newest published day"]) == DAY
    assert facts["days by tier"] == {"definitive": 2}
    assert facts["alive"] == {"tick": "2017-01-02 18:00:00 UTC"}


def test_looking_changes_nothing(ticked, open_session):
    session, before = open_session(ticked), synthetic.published_files(ticked)
    n_granules = session.ledger.newest_granule()
    assert collect(session, AS_OF) == collect(session, AS_OF)
    assert session.ledger.newest_granule() == n_granules
    assert len(session.ledger.ticks()) == 1
    assert synthetic.published_files(ticked) == before
