from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import numpy as np
import pytest
import sqlalchemy as sa

from dwlim_ops.errors import StoreError
from dwlim_ops.state.ledger import Granule, Ledger, ProductRecord, Tick
from dwlim_ops.state.provenance import fingerprint

_NOON = datetime(2017, 6, 3, 12, tzinfo=UTC)


@pytest.fixture
def ledger(tmp_path):
    ledger = Ledger(f"sqlite:///{tmp_path / 'ledger.db'}")
    yield ledger
    ledger.close()


def _granule(**changes):
    return replace(Granule("gnss", "final", "2017-06-01", "1", date(2017, 6, 1), date(2017, 6, 1),
                           _NOON, _NOON, "a" * 64, 10), **changes)


def test_as_of_sees_only_what_was_available(ledger):
    ledger.add_granules([_granule()])
    assert ledger.granules("gnss", _NOON - timedelta(seconds=1)) == []
    assert ledger.granules("gnss", _NOON) == [_granule()]


def test_the_newest_version_of_a_key_wins_only_once_it_is_available(ledger):
    newer = _granule(version="2", sha256="b" * 64, available_at=_NOON + timedelta(days=1))
    ledger.add_granules([_granule(), newer])
    assert ledger.granules("gnss", _NOON) == [_granule()]
    assert ledger.granules("gnss", _NOON + timedelta(days=2)) == [newer]


def test_a_quarantined_granule_counts_as_absent_and_keeps_the_good_one(ledger):
    bad = _granule(version="2", sha256="b" * 64, quarantine_reason="line 3: text")
    ledger.add_granules([_granule(), bad])
    assert ledger.granules("gnss", _NOON) == [_granule()]
    assert ledger.quarantined() == [bad]
    assert ledger.seen("gnss") == {"2017-06-01": "2"}


def test_adding_twice_adds_once(ledger):
    ledger.add_granules([_granule()])
    ledger.add_granules([_granule(), _granule(key="2017-06-02")])
    assert [g.key for g in ledger.granules("gnss", _NOON)] == ["2017-06-01", "2017-06-02"]


def test_products_keep_every_revision_and_name_the_newest(ledger):
    first = ProductRecord("p_r00", date(2017, 6, 1), "final_gnss", 0, _NOON, "f", "x.nc", "s")
    ledger.add_product(first)
    second = replace(first, product_id="p_r01", revision=1)
    ledger.add_product(second)
    assert ledger.products() == [first, second]
    assert ledger.newest_revisions() == {date(2017, 6, 1): second}


def test_a_revision_is_recorded_once(ledger):
    record = ProductRecord("p", date(2017, 6, 1), "final_gnss", 0, _NOON, "f", "x.nc", "s")
    ledger.add_product(record)
    with pytest.raises(sa.exc.IntegrityError):
        ledger.add_product(replace(record, product_id="q"))


def test_ticks_come_back_newest_first(ledger):
    ledger.add_tick(Tick(_NOON, "done", {"published": ["2017-06-01"]}))
    ledger.add_tick(Tick(_NOON + timedelta(days=1), "degraded", {}))
    assert [t.outcome for t in ledger.ticks()] == ["degraded", "done"]


def test_a_ledger_that_cannot_be_opened_says_where(tmp_path):
    with pytest.raises(StoreError, match="ledger cannot be opened"):
        Ledger(f"sqlite:///{tmp_path / 'absent' / 'ledger.db'}")


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
