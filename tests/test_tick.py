"""How a tick ends, and what it reports."""

import json
import shutil
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import pytest
import synthetic
from synthetic import AS_OF, DAY, run_tick

from dwlim_ops import tick
from dwlim_ops.archive.archive import IngestReport
from dwlim_ops.errors import ContractError, StoreError
from dwlim_ops.simulate.bundle import WEIGHTS
from dwlim_ops.tick import TickReport, begin, combine, finish

#: Whole ticks of a workspace.
pytestmark = pytest.mark.slow


def test_the_ledger_keeps_every_tick(ticked, open_session):
    session = open_session(ticked)
    run_tick(session)
    run_tick(session, AS_OF + timedelta(hours=1))
    newest, again, first = session.ledger.ticks()
    assert (first.outcome, first.detail["published"]) == ("done", ["2016-12-30", "2016-12-31"])
    assert again == first
    assert (newest.outcome, newest.detail["published"]) == ("done", [])
    assert newest.as_of == newest.started_at == AS_OF + timedelta(hours=1)
    assert session.ledger.heartbeats() == {"tick": newest.started_at}


@pytest.mark.parametrize(("report", "words"), [
    (IngestReport("gnss", "rapid", 1, ("a.up: reset",)), "gnss/rapid: a.up: reset"),
    (IngestReport("weather", "final", 0, ("provider is down",)), "weather/final: provider is down"),
])
def test_trouble_with_a_source_degrades(ticked, open_session, report, words):
    session = open_session(ticked)
    known, _ = tick.observe_and_plan(session, AS_OF, first=None, last=None)
    ended = finish(session, AS_OF, known, now=AS_OF, reports=[report], hindered={})
    assert (ended.outcome, ended.degraded) == ("degraded", (words,))
    status = json.loads((ticked.published / "status.json").read_text())
    assert status["outcome"] == "degraded"
    assert status["last_tick"]["degraded"] == [words]


def test_a_tick_of_which_no_day_succeeds_has_failed(ticked, open_session, monkeypatch):
    session = open_session(ticked)
    known, planned = tick.observe_and_plan(
        session, AS_OF, first=date(2016, 3, 1), last=date(2016, 3, 2))
    both = {day.day: "no luck" for day in planned}
    ended = finish(session, AS_OF, known, now=AS_OF, reports=[], hindered=both)
    assert (ended.outcome, ended.published) == ("failed", ())
    one = {planned[0].day: "no luck", planned[1].day: ""}
    ended = finish(session, AS_OF, known, now=AS_OF, reports=[], hindered=one)
    assert (ended.outcome, ended.published) == ("degraded", (date(2016, 3, 2),))
    assert ended.degraded == ("2016-03-01: no luck",)


def test_an_error_from_outside_hinders_one_day_and_a_bug_goes_up(ticked, open_session, monkeypatch):
    session = open_session(ticked)
    known, planned = tick.observe_and_plan(
        session, AS_OF, first=date(2016, 3, 1), last=date(2016, 3, 1))

    def outside(*_):
        raise ContractError("infinite value", where="invert")

    monkeypatch.setattr(tick, "estimate_day", outside)
    assert tick.make_day(session, known, planned[0]) == "invert: infinite value"

    def bug(*_):
        raise ZeroDivisionError

    monkeypatch.setattr(tick, "estimate_day", bug)
    with pytest.raises(ZeroDivisionError):
        tick.make_day(session, known, planned[0])


@pytest.mark.parametrize("file", [WEIGHTS, "bundle.toml", "known_answer.npz", "card.md"])
def test_a_bundle_with_one_flipped_bit_is_refused_and_the_region_runs_without(
        trained, open_session, file):
    (path,) = (trained.root / "models" / synthetic.REGION).glob(f"small-*/{file}")
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    session = open_session(trained)
    report = run_tick(session, first=date(2016, 3, 1), last=date(2016, 3, 1))
    assert report.outcome == "degraded"
    assert report.published == (date(2016, 3, 1),)
    (reason,) = [text for text in report.degraded if "bundle is refused" in text]
    assert file in reason
    assert "remedy" in reason


def test_several_ticks_are_as_good_as_the_worst():
    at = [datetime(2017, 1, day, tzinfo=UTC) for day in (1, 2, 3)]
    days = [date(2016, 12, number) for number in (28, 29)]
    combined = combine([TickReport(at[0], "done", (days[0],), ()),
                        TickReport(at[1], "degraded", tuple(days), ("late", "later")),
                        TickReport(at[2], "done", (), ("late",))])
    assert combined == TickReport(at[2], "degraded", tuple(days), ("late", "later"))
    assert combine([TickReport(at[0], "failed", (), ()), TickReport(at[1], "degraded", (), ())]
                   ).outcome == "failed"


def test_days_come_in_one_after_the_other(workspace, open_session):
    session = open_session(workspace)
    first = run_tick(session, synthetic.EARLY)
    assert first.published == (date(2016, 12, 17), synthetic.EARLY_DAY)
    next_day = run_tick(session, synthetic.EARLY.replace(day=21))
    assert next_day.published == (date(2016, 12, 19),)
    assert session.ledger.newest_revisions()[synthetic.EARLY_DAY].revision == 0


def test_a_late_tick_catches_up_with_the_same_values(workspace, ticked, open_session):
    session = open_session(workspace)
    for number in range(15, 18):
        run_tick(session, datetime(2016, 12, number + 16 - 2, 18, tzinfo=UTC))
    run_tick(session, AS_OF)
    one, other = (s.ledger.newest_revisions()[DAY] for s in (session, open_session(ticked)))
    assert (one.parts, one.sha256) == (other.parts, other.sha256)


@pytest.mark.parametrize(("weather", "words"), [
    (date(2016, 12, 31), ()),
    (date(2016, 12, 30),
     ("dwlim is absent: displacement is known to 2016-12-31, weather to 2016-12-30",)),
    (None, ("dwlim is absent: displacement is known to 2016-12-31, weather to None",)),
])
def test_weather_that_lags_behind_degrades(trained, open_session, weather, words):
    session = open_session(trained)
    known, _ = tick.observe_and_plan(session, AS_OF, first=None, last=None)
    newest = {"gnss": date(2016, 12, 31)} | ({"weather": weather} if weather else {})
    ended = finish(session, AS_OF, replace(known, newest_day=newest), now=AS_OF, reports=[],
                   hindered={})
    assert ended.degraded == words
    assert ended.outcome == ("degraded" if words else "done")


def test_a_damaged_file_of_the_store_degrades_and_is_named(ticked, open_session):
    damaged = next(path for path in ticked.raw.rglob("*.gz"))
    damaged.write_bytes(b"rot")
    report = run_tick(open_session(ticked))
    assert report.outcome == "degraded"
    assert any(damaged.name in remark and "remedy" in remark for remark in report.degraded)


def test_a_clock_that_is_a_little_behind_is_bridged_and_said(ticked, open_session):
    session = open_session(ticked)
    assert begin(session, AS_OF) == (AS_OF, ())
    assert begin(session, AS_OF + timedelta(days=9)) == (AS_OF + timedelta(days=9), ())
    now, remarks = begin(session, AS_OF - timedelta(hours=1))
    assert (now, remarks) == (
        AS_OF, ("the clock is 3600 s behind the ledger, whose time is used",))
    report = run_tick(session, AS_OF, now=AS_OF - timedelta(hours=1))
    assert (report.outcome, report.degraded) == ("degraded", remarks)
    assert session.ledger.ticks()[0].started_at == AS_OF


def test_a_clock_that_is_far_behind_stops_the_tick(ticked, open_session):
    session = open_session(ticked)
    with pytest.raises(StoreError, match="clock is behind the ledger") as caught:
        run_tick(session, now=AS_OF - timedelta(days=1, seconds=1))
    assert "set the clock" in caught.value.remedy
    assert len(session.ledger.ticks()) == 1
    assert begin(session, AS_OF - timedelta(days=1))[0] == AS_OF


def with_ledger(workspace, url):
    content = synthetic.configuration()
    content["ledger"] = {"url": url}
    content["schedule"]["horizon_days"] = 1
    synthetic.write_config(workspace.root, content)
    return workspace


def test_a_ledger_in_postgresql_gives_the_same_bytes(
        workspace, tmp_path, open_session, postgresql_server):
    other = synthetic.build_workspace(tmp_path / "other")
    trees = []
    for place, url in ((workspace, "sqlite"), (other, postgresql_server.new_database())):
        session = open_session(with_ledger(place, url))
        for as_of in (AS_OF, AS_OF, AS_OF + timedelta(hours=1)):
            assert run_tick(session, as_of).outcome == "done"
        assert [record.day for record in session.ledger.products()] == [DAY]
        trees.append(synthetic.published_files(place))
    assert not (other.state / "ledger.db").exists()
    assert trees[0] == trees[1]


def every_file(folder):
    return [path for path in folder.rglob("*") if path.is_file()]


@pytest.mark.parametrize("spoil", ["damaged", "unwritable", "gone"])
def test_the_same_product_comes_out_whatever_happens_to_the_cache(
        trained, served, open_session, spoil, caplog):
    wanted = {path: content for path, content in synthetic.published_files(served).items()
              if path.endswith("_r01.nc")}
    shutil.rmtree(trained.cache, ignore_errors=True)
    if spoil == "unwritable":
        trained.cache.write_text("a file where the folder should be")
    elif spoil == "damaged":
        shutil.copytree(served.cache, trained.cache)
        for path in every_file(trained.cache):
            content = bytearray(path.read_bytes())
            content[-40] ^= 1
            path.write_bytes(content)
        assert every_file(trained.cache)
    report = run_tick(open_session(trained))
    assert report.outcome == "done"
    made = synthetic.published_files(trained)
    assert len(wanted) == 2
    assert {path: made[path] for path in wanted} == wanted
    assert ("is damaged and is computed again" in caplog.text) == (spoil == "damaged")
    assert ("cache cannot be written" in caplog.text) == (spoil == "unwritable")
    if spoil != "unwritable":
        kept = {path.name: path.read_bytes() for path in every_file(served.cache)}
        assert {path.name: path.read_bytes() for path in every_file(trained.cache)} == kept
