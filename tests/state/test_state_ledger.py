"""The ledger, on both kinds of database."""

import math
import sqlite3
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta, timezone

import numpy as np
import pytest
import sqlalchemy as sa

from dwlim_ops.contracts import NOT_KNOWN, BasinRow, Memory, Validators
from dwlim_ops.errors import StoreError
from dwlim_ops.state.ledger import Ledger
from dwlim_ops.state.provenance import fingerprint
from dwlim_ops.state.records import Granule, ProductRecord, Tick

_NOON = datetime(2017, 6, 3, 12, tzinfo=UTC)
_DAY = timedelta(days=1)
_FIRST = date(2017, 6, 1)


@pytest.fixture
def ledger(ledger_url):
    ledger = Ledger(ledger_url)
    yield ledger
    ledger.close()


def _granule(**changes):
    return replace(Granule("gnss", "final", "2017-06-01", "1", _FIRST, _FIRST, _NOON, _NOON,
                           "a" * 64, 10), **changes)


def _record(**changes):
    revision = changes.get("revision", 0)
    return replace(ProductRecord(
        f"p_{_FIRST}_r{revision:02d}", _FIRST, "era5t", revision, _NOON, 3, {"code": "c", "b": ""},
        "daily/x.nc", "s" * 64, "n" * 64, "t" * 64), **changes)


def _add(ledger, *granules):
    for granule in granules:
        ledger.add_granule(granule)


def test_as_of_sees_only_what_was_available(ledger):
    _add(ledger, _granule())
    assert ledger.granules("gnss", "final", _NOON - timedelta(seconds=1)) == []
    assert ledger.granules("gnss", "final", _NOON) == [_granule()]


def test_times_come_back_aware_and_to_the_microsecond(ledger):
    at = datetime(2017, 6, 3, 22, 5, 6, 789123, tzinfo=timezone(timedelta(hours=10)))
    _add(ledger, _granule(available_at=at, retrieved_at=at))
    (found,) = ledger.granules("gnss", "final", at)
    assert found.available_at == at
    assert found.available_at.utcoffset() == timedelta(0)
    assert ledger.granules("gnss", "final", at - timedelta(microseconds=1)) == []


def test_the_newest_version_of_a_key_wins_only_once_it_is_available(ledger):
    newer = _granule(version="2", sha256="b" * 64, available_at=_NOON + _DAY)
    _add(ledger, newer, _granule())
    assert ledger.granules("gnss", "final", _NOON) == [_granule()]
    assert ledger.granules("gnss", "final", _NOON + 2 * _DAY) == [newer]


def test_streams_are_apart(ledger):
    rapid = _granule(stream="rapid", sha256="b" * 64)
    _add(ledger, _granule(), rapid)
    assert ledger.granules("gnss", "rapid", _NOON) == [rapid]
    assert ledger.granules("gnss", "final", _NOON) == [_granule()]
    assert ledger.granules("weather", "final", _NOON) == []
    assert ledger.seen("gnss", "rapid") == {"2017-06-01": "1"}
    assert ledger.seen("weather", "rapid") == {}


def test_through_leaves_out_what_was_recorded_later(ledger):
    newer = _granule(version="2", sha256="b" * 64)
    assert ledger.newest_granule() == 0
    _add(ledger, _granule())
    through = ledger.newest_granule()
    _add(ledger, newer)
    assert ledger.newest_granule() > through
    assert ledger.granules("gnss", "final", _NOON, through=through) == [_granule()]
    assert ledger.granules("gnss", "final", _NOON) == [newer]
    assert ledger.granules("gnss", "final", _NOON, through=0) == []


def test_a_quarantined_granule_counts_as_absent_and_keeps_the_good_one(ledger):
    bad = _granule(version="2", sha256="b" * 64, quarantine_reason="line 3: text")
    _add(ledger, _granule(), bad)
    assert ledger.granules("gnss", "final", _NOON) == [_granule()]
    assert ledger.quarantined() == ledger.quarantined_now() == [bad]
    assert ledger.seen("gnss", "final") == {"2017-06-01": "2"}
    _add(ledger, _granule(version="3", sha256="c" * 64))
    assert ledger.quarantined() == [bad]
    assert ledger.quarantined_now() == []


def test_a_refused_key_of_one_stream_is_not_mended_by_another(ledger):
    bad = _granule(stream="rapid", quarantine_reason="empty")
    _add(ledger, bad, _granule())
    assert ledger.quarantined_now() == [bad]


def test_adding_twice_adds_once(ledger):
    _add(ledger, _granule(), _granule(), _granule(key="2017-06-02"))
    assert [g.key for g in ledger.granules("gnss", "final", _NOON)] == ["2017-06-01", "2017-06-02"]
    assert ledger.newest_granule() == 2


def test_validators_are_those_of_the_newest_and_outlive_a_change_of_version(ledger):
    assert ledger.validators("gnss", "final") == {}
    _add(ledger, _granule(), _granule(key="B"),
         _granule(version="2", sha256="b" * 64, etag='"x"', last_modified="Sat, 03 Jun 2017"))
    expected = {"2017-06-01": Validators('"x"', "Sat, 03 Jun 2017"), "B": NOT_KNOWN}
    assert ledger.validators("gnss", "final") == expected
    ledger.revalidate("gnss", "final", "2017-06-01", "3")
    assert ledger.seen("gnss", "final") == {"2017-06-01": "3", "B": "1"}
    assert ledger.validators("gnss", "final") == expected
    assert len(ledger.versions()) == 3


def test_products_keep_every_revision_and_name_the_newest(ledger):
    first, second = _record(), _record(revision=1, change_rms_mm=2.5, tier="definitive")
    other = _record(product_id="q", day=_FIRST + _DAY, newest_granule=7)
    for record in (other, first, second):
        ledger.add_product(record, [])
    assert ledger.products() == [first, second, other]
    assert ledger.products(first=_FIRST + _DAY) == [other]
    assert ledger.products(last=_FIRST) == [first, second]
    assert ledger.newest_revisions() == {_FIRST: second, _FIRST + _DAY: other}
    assert ledger.product("q") == other
    assert ledger.product("r") is None
    assert ledger.issues() == {(_NOON, 3), (_NOON, 7)}


@pytest.mark.parametrize("changes", [{"product_id": "q"}, {"revision": 4, "product_id": _record(
    ).product_id}])
def test_a_revision_and_a_name_are_recorded_once(ledger, changes):
    ledger.add_product(_record(), [])
    with pytest.raises(sa.exc.IntegrityError):
        ledger.add_product(_record(**changes), [])


def _row(basin, method, twsa_mm, *, revision=0, day=_FIRST, tier="era5t", sigma_mm=2.0):
    return BasinRow(day, basin, method, twsa_mm, sigma_mm, tier, revision)


def test_basin_means_come_back_sorted_with_the_time_of_their_product(ledger):
    ledger.add_product(_record(), [_row("b", "tragnss", 1.0), _row("a", "tragnss", math.nan)])
    later = _record(revision=1, tier="definitive", as_of=_NOON + _DAY)
    ledger.add_product(later, [_row("a", "tragnss", 4.0), _row("a", "dwlim", 5.0)])
    newest = ledger.basin_rows()
    assert newest == [
        (_row("a", "dwlim", 5.0, revision=1, tier="definitive"), _NOON + _DAY),
        (_row("a", "tragnss", 4.0, revision=1, tier="definitive"), _NOON + _DAY)]
    every = ledger.basin_rows(newest_only=False)
    assert [(row.basin, row.method, row.revision) for row, _ in every] == [
        ("a", "dwlim", 1), ("a", "tragnss", 0), ("a", "tragnss", 1), ("b", "tragnss", 0)]
    assert math.isnan(every[1][0].twsa_mm)
    assert every[1][1] == _NOON


def test_a_product_is_recorded_with_its_basin_means_or_not_at_all(ledger):
    with pytest.raises(sa.exc.IntegrityError):
        ledger.add_product(_record(), [_row("a", "dwlim", 1.0), _row("a", "dwlim", 2.0)])
    assert ledger.products() == []
    assert ledger.basin_rows() == []


def test_dropping_tells_which_contents_nobody_needs(ledger):
    _add(ledger, _granule(), _granule(key="B"), _granule(key="C", sha256="c" * 64),
         _granule(key="D", sha256="d" * 64))
    numbers = {one.key: one.number for one in ledger.versions()}
    assert ledger.drop([numbers["2017-06-01"], numbers["C"]], at=_NOON) == {"c" * 64}
    assert [one.key for one in ledger.versions()] == ["B", "D"]
    assert ledger.drop([numbers["B"]], at=_NOON) == {"a" * 64}
    assert ledger.seen("gnss", "final").keys() == {"2017-06-01", "B", "C", "D"}
    assert ledger.newest_granule() == max(numbers.values())


def test_a_content_that_was_dropped_may_come_again(ledger):
    _add(ledger, _granule())
    ledger.drop([1], at=_NOON)
    _add(ledger, _granule())
    assert [one.number for one in ledger.versions()] == [2]


def test_versions_are_ordered_by_key_then_by_availability(ledger):
    _add(ledger, _granule(key="B"), _granule(available_at=_NOON + _DAY, version="2"),
         _granule(version="0"), _granule(stream="a", key="Z", quarantine_reason="no"))
    assert [(v.stream, v.key, v.number, v.refused) for v in ledger.versions()] == [
        ("a", "Z", 4, True), ("final", "2017-06-01", 3, False), ("final", "2017-06-01", 2, False),
        ("final", "B", 1, False)]


def test_ticks_come_back_newest_first(ledger):
    first = Tick(_NOON, _NOON, "done", {"published": ["2017-06-01"]})
    second = Tick(_NOON + _DAY, _NOON + 2 * _DAY, "degraded", {})
    for tick in (first, second):
        ledger.add_tick(tick)
    assert ledger.ticks() == [second, first]
    assert ledger.ticks(limit=1) == [second]


def test_the_newest_wall_time_is_that_of_a_fetch_or_of_a_tick(ledger):
    assert ledger.newest_wall_time() is None
    ledger.add_tick(Tick(_NOON + 9 * _DAY, _NOON, "done", {}))
    assert ledger.newest_wall_time() == _NOON
    _add(ledger, _granule(available_at=_NOON + 5 * _DAY, retrieved_at=_NOON + _DAY))
    assert ledger.newest_wall_time() == _NOON + _DAY
    ledger.add_tick(Tick(_NOON, _NOON + 2 * _DAY, "done", {}))
    assert ledger.newest_wall_time() == _NOON + 2 * _DAY


def test_a_heartbeat_replaces_the_one_before(ledger):
    for at in (_NOON, _NOON + _DAY):
        ledger.beat("tick", at)
    ledger.beat("daemon", _NOON)
    assert ledger.heartbeats() == {"tick": _NOON + _DAY, "daemon": _NOON}


def test_memories_belong_to_their_owner(ledger):
    one: Memory = ledger.memory("era5")
    other: Memory = ledger.memory("gldas")
    assert one.recall("job") is None
    one.remember("job", "17")
    one.remember("job", "18 é")
    other.remember("job", "1")
    one.forget("nothing")
    assert (one.recall("job"), other.recall("job")) == ("18 é", "1")
    one.forget("job")
    assert (one.recall("job"), other.recall("job")) == (None, "1")


def test_what_was_written_is_there_for_the_next_process(ledger, ledger_url):
    _add(ledger, _granule())
    ledger.add_product(_record(), [_row("a", "dwlim", 1.0)])
    ledger.close()
    again = Ledger(ledger_url)
    assert again.granules("gnss", "final", _NOON) == [_granule()]
    assert again.products() == [_record()]
    again.close()


def test_a_ledger_that_cannot_be_opened_says_where(tmp_path):
    with pytest.raises(StoreError, match="ledger cannot be opened"):
        Ledger(f"sqlite:///{tmp_path / 'absent' / 'ledger.db'}")


def test_a_server_that_is_not_there_is_named_without_a_password(tmp_path):
    pytest.importorskip("psycopg")
    with pytest.raises(StoreError, match="ledger cannot be opened") as caught:
        Ledger(f"postgresql+psycopg://water:secret@/dwlim?host={tmp_path}")
    assert "secret" not in str(caught.value)
    assert "water" in str(caught.value)


def test_a_locked_ledger_is_waited_for_and_then_said(tmp_path):
    path = tmp_path / "ledger.db"
    ledger = Ledger(f"sqlite:///{path}", lock_timeout_s=0.05)
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(StoreError, match="locked") as caught:
        _add(ledger, _granule())
    assert "another process" in str(caught.value)
    assert ledger.seen("gnss", "final") == {}
    other.execute("ROLLBACK")
    other.close()
    _add(ledger, _granule())
    assert ledger.seen("gnss", "final") == {"2017-06-01": "1"}
    ledger.close()


@pytest.mark.parametrize(("one", "other"), [
    ((np.zeros(2),), (np.zeros((2, 1)),)),
    ((np.zeros(2),), (np.zeros(2, np.float32),)),
    (("a", "b"), ("ab",)),
    (({"x": 1},), ({"x": 2},)),
    ((np.array(["DARW"]),), (np.array(["ALIC"]),)),
])
def test_fingerprints_tell_things_apart(one, other):
    assert fingerprint(*one) != fingerprint(*other)
    assert fingerprint(*one) == fingerprint(*one)
