"""The ledger's tables of alerts, on both kinds of database."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import pytest
import sqlalchemy as sa

from dwlim_ops.state.alert_ledger import AlertLedger, Delivery, StoredMessage, StoredState
from dwlim_ops.state.ledger import Ledger

NOON = datetime(2017, 1, 3, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
ALERT = StoredMessage("a-001", "a", 1, "Alert", "Moderate", "7", "drought", False, NOON,
                      NOON + 24 * HOUR, {"status": "Test", "basin_name": "长江"},
                      "<alert>长江</alert>")
UPDATE = replace(ALERT, identifier="a-002", number=2, kind="Update", sent=NOON + HOUR,
                 expires=NOON + 48 * HOUR)
CANCEL = replace(UPDATE, identifier="a-003", number=3, kind="Cancel", sent=NOON + 2 * HOUR)
DRILL = replace(ALERT, identifier="d_rill-001", chain="d_rill", drill=True)
SENT = Delivery("k1", "a-001", "desk", "pending", 0, NOON, NOON)


@pytest.fixture
def alerts(ledger_url):
    ledger = Ledger(ledger_url)
    yield AlertLedger(ledger)
    ledger.close()


def test_states_are_replaced_by_basin(alerts):
    first = StoredState("7", date(2017, 1, 1), {"basin": "7", "n": 1})
    alerts.record([first, StoredState("8", date(2017, 1, 1), {})], [], [])
    alerts.record([replace(first, last_day=date(2017, 1, 2), state={"n": 2})], [], [])
    assert alerts.states() == {
        "7": StoredState("7", date(2017, 1, 2), {"n": 2}),
        "8": StoredState("8", date(2017, 1, 1), {})}


def test_messages_come_back_by_time(alerts):
    alerts.record([], [CANCEL, ALERT, UPDATE, DRILL], [])
    assert alerts.messages() == [ALERT, DRILL, UPDATE, CANCEL]
    assert alerts.messages(n_newest=2) == [UPDATE, CANCEL]
    assert alerts.messages(chains=["d_rill"]) == [DRILL]
    assert alerts.messages(chains=[]) == []
    assert alerts.message("a-002") == UPDATE
    assert alerts.message("b") is None
    assert alerts.identifiers() == ["a-001", "a-002", "a-003", "d_rill-001"]
    assert alerts.newest_sent() == NOON + 2 * HOUR
    assert alerts.n_messages() == {"Alert": 2, "Update": 1, "Cancel": 1}
    assert (alerts.n_chains("d_"), alerts.n_chains("dx"), alerts.n_chains("")) == (1, 0, 2)


def test_active_is_the_newest_message_that_holds(alerts):
    other = replace(ALERT, identifier="b-001", chain="b", basin="8")
    alerts.record([], [ALERT, UPDATE, DRILL, other], [])
    assert alerts.active(at=NOON - HOUR) == []
    assert alerts.active(at=NOON) == [ALERT, DRILL, other]
    assert alerts.active(at=NOON + 30 * HOUR) == [UPDATE]
    assert alerts.active(at=UPDATE.expires) == []
    alerts.record([], [CANCEL], [])
    assert alerts.active(at=NOON + 2 * HOUR) == [DRILL, other]


def test_a_later_alert_takes_the_place_of_an_earlier_one(alerts):
    later = replace(ALERT, identifier="b-001", chain="b", sent=NOON + HOUR)
    alerts.record([], [ALERT, later], [])
    assert alerts.active(at=NOON + HOUR) == [later]


def test_a_delivery_is_changed_in_place(alerts):
    second = Delivery("k2", "a-002", "desk", "pending", 0, NOON, NOON)
    alerts.record([], [ALERT, UPDATE], [second, SENT])
    assert alerts.deliveries() == [SENT, second]
    assert alerts.recipients_of("a") == {"desk"}
    assert alerts.recipients_of("b") == set()
    done = alerts.change(SENT, at=NOON + HOUR, state="delivered", n_attempts=1)
    assert alerts.deliveries() == [done, second]
    assert alerts.deliveries(states=("pending",)) == [second]
    assert alerts.outbox() == ({"delivered": 1, "pending": 1}, UPDATE.sent)
    alerts.change(second, at=NOON, state="expired")
    assert alerts.outbox() == ({"delivered": 1, "expired": 1}, None)


def test_nothing_is_recorded_if_a_part_cannot_be(alerts):
    state = StoredState("7", date(2017, 1, 1), {})
    alerts.record([], [ALERT], [])
    with pytest.raises(sa.exc.IntegrityError):
        alerts.record([state], [ALERT], [])
    with pytest.raises(sa.exc.IntegrityError):
        alerts.record([state], [UPDATE], [SENT, SENT])
    with pytest.raises(sa.exc.IntegrityError):
        alerts.record([state], [replace(UPDATE, identifier="x", number=1)], [])
    assert alerts.states() == {}
    assert alerts.messages() == [ALERT]


def test_an_empty_ledger_has_no_alerts(alerts):
    assert (alerts.states(), alerts.messages(), alerts.newest_sent()) == ({}, [], None)
    assert alerts.outbox() == ({}, None)
