"""How a scheduled tick ends, as Prefect sees it; its function alone, without a server."""

import json
import time
from datetime import UTC, timedelta

import pytest
import synthetic
from prefect.states import StateType
from synthetic import AS_OF, DAY

import flows.scheduled
from dwlim_ops.config import Schedule
from dwlim_ops.errors import StoreError
from dwlim_ops.session import Session
from dwlim_ops.state.ledger import Ledger
from dwlim_ops.tick import TickReport
from dwlim_ops.workspace import only_writer

LATER = AS_OF + timedelta(hours=2)


@pytest.fixture
def tick(command, monkeypatch):
    """Runs the tick of a workspace at a time; `command` makes plain functions of the flows."""
    monkeypatch.setattr(flows.scheduled, "daily", flows.scheduled.daily.fn)

    def run(workspace, now=LATER):
        class Clock:
            @staticmethod
            def now(zone):
                assert zone is UTC
                return now

        monkeypatch.setattr(flows.scheduled, "datetime", Clock)
        return flows.scheduled.tick.fn(str(workspace.root))

    return run


def last_tick(workspace):
    ledger = Ledger(workspace.ledger_url)
    (newest, *_) = ledger.ticks(limit=1) or [None]
    ledger.close()
    return newest


def test_a_tick_that_did_all_its_work(workspace, tick):
    state = tick(workspace, AS_OF)
    assert (state.type, state.name) == (StateType.COMPLETED, "Completed")
    assert state.message == "done: 2 days published"
    assert json.loads((workspace.published / "latest.json").read_text())["day"] == str(DAY)
    state = tick(workspace)
    assert (state.name, state.message) == ("Completed", "done: 0 days published")
    assert (last_tick(workspace).started_at, last_tick(workspace).outcome) == (LATER, "done")


def test_the_tick_of_the_schedule_is_the_tick_of_the_command(workspace, tick, tmp_path, command):
    other = synthetic.build_workspace(tmp_path / "other")
    tick(workspace, AS_OF)
    assert command("run", other.root, "--as-of", AS_OF)[0] == 0
    ours, theirs = synthetic.published_files(workspace), synthetic.published_files(other)
    products = [path for path in ours if path.endswith(".nc")]
    assert len(products) == 2
    assert [ours[path] for path in products] == [theirs[path] for path in products]


def test_a_degraded_tick_says_what_was_missing(ticked, tick):
    (ticked.root / "inbox/gnss/nova.up").write_text("20160101 1.0 1.0\n")
    state = tick(ticked)
    assert (state.type, state.name) == (StateType.COMPLETED, "Degraded")
    assert state.message.startswith("degraded: 0 days published; ")
    assert "NOVA" in state.message


def test_a_tick_that_knows_no_displacement_has_failed(workspace, tick):
    for path in (workspace.root / "inbox/gnss").iterdir():
        path.unlink()
    state = tick(workspace, AS_OF)
    assert (state.type, state.name) == (StateType.FAILED, "Failed")
    assert state.message == ("failed: 0 days published; no displacement is known at "
                             "2017-01-02 18:00 UTC")
    assert last_tick(workspace).outcome == "failed"


def test_only_the_first_remarks_are_told(ticked, tick, monkeypatch):
    many = tuple(f"remark {number}" for number in range(40))
    for outcome, name in (("degraded", "Degraded"), ("failed", "Failed")):
        report = TickReport(AS_OF, outcome, (DAY,), many)
        monkeypatch.setattr(flows.scheduled, "daily", lambda *_, report=report: report)
        state = tick(ticked)
        assert state.name == name
        assert state.message.split("; ") == [
            f"{outcome}: 1 days published", *many[:5]]


def test_a_tick_is_left_out_while_another_process_works(ticked, tick, caplog):
    with only_writer(ticked):
        state = tick(ticked)
    assert (state.type, state.name) == (StateType.COMPLETED, "Skipped")
    assert "another process works on this workspace" in state.message
    assert last_tick(ticked).started_at == AS_OF
    assert tick(ticked).name == "Completed"


@pytest.mark.parametrize("harm", ["configuration", "ledger", "clock"])
def test_an_error_from_outside_is_a_failure_in_one_sentence(ticked, tick, harm):
    now, words = LATER, "no such file"
    if harm == "configuration":
        ticked.config_file.unlink()
    elif harm == "ledger":
        (ticked.state / "ledger.db").write_bytes(b"rot" * 5000)
        words = "the ledger cannot be opened"
    else:
        now, words = AS_OF - timedelta(days=3), "clock is behind the ledger"
    state = tick(ticked, now)
    assert (state.type, state.name) == (StateType.FAILED, "Failed")
    assert words in state.message
    assert "remedy: " in state.message
    assert "\n" not in state.message


def test_a_bug_goes_up_and_lets_go_of_the_workspace(ticked, tick, monkeypatch):
    closed, close = [], Session.close

    def bug(*_):
        raise ZeroDivisionError

    def told(session):
        closed.append(session)
        close(session)

    monkeypatch.setattr(flows.scheduled, "daily", bug)
    monkeypatch.setattr(Session, "close", told)
    with pytest.raises(ZeroDivisionError):
        tick(ticked)
    assert len(closed) == 1
    with only_writer(ticked):
        pass


def test_an_error_in_the_middle_lets_go_of_the_workspace(ticked, tick, monkeypatch):
    def broken(*_):
        raise StoreError("the disk is full", where="raw", remedy="make room")

    monkeypatch.setattr(flows.scheduled, "daily", broken)
    state = tick(ticked)
    assert (state.name, state.message) == ("Failed", "raw: the disk is full; remedy: make room")
    with only_writer(ticked):
        pass


def test_a_tick_that_takes_too_long_is_ended(ticked, tick, monkeypatch):
    allowed, begun = [], time.monotonic()
    soon = flows.scheduled.timeout

    def hasty(seconds, kind):
        allowed.append(seconds)
        return soon(0.2, kind)

    monkeypatch.setattr(flows.scheduled, "timeout", hasty)
    monkeypatch.setattr(flows.scheduled, "daily", lambda *_: time.sleep(30))
    state = tick(ticked)
    assert (state.type, state.name) == (StateType.FAILED, "TimedOut")
    assert time.monotonic() - begun < 25
    assert allowed == [Schedule().tick_timeout_s]
    with only_writer(ticked):
        pass


def test_what_a_provider_says_makes_one_line(ticked, tick, monkeypatch):
    report = TickReport(AS_OF, "degraded", (), ("404\n2017-01-01 INFO all is well",))
    monkeypatch.setattr(flows.scheduled, "daily", lambda *_: report)
    assert tick(ticked).message == (
        "degraded: 0 days published; 404\\n2017-01-01 INFO all is well")


def test_the_flow_takes_a_path_as_text_and_keeps_no_result():
    assert flows.scheduled.tick.persist_result is False
    assert flows.scheduled.tick.name == "tick"
    assert set(flows.scheduled.tick.parameters.properties) == {"workspace"}
