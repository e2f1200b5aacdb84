"""Alert, Update, Cancel: what is said of events, and laws of the chains."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import pytest
from alert_examples import (
    BETWEEN,
    CALM,
    DRIER,
    DRY,
    FIRST,
    PLACE,
    QUICK,
    RECORD,
    SETTINGS,
    days,
    messages_of,
    record,
    run,
    tick_time,
)
from hypothesis import given, settings
from hypothesis import strategies as st

from dwlim_ops.alerts.messages import announce, drill, from_content, key_of, to_content

WHOLE = days((3, DRY), (6, DRIER), (4, CALM))
ACTUAL = QUICK.model_copy(update={"status": "Actual", "sender": "desk.example.org"})


def kinds(messages):
    return [one.kind for one in messages]


def test_a_chain_from_alert_to_cancel():
    alert, *updates, cancel = messages_of(run(WHOLE)[1])
    assert kinds([alert, *updates, cancel]) == ["Alert", "Update", "Update", "Cancel"]
    assert alert.identifier == "dwlim-toyland-7-drought-0001-001"
    assert (alert.status, alert.severity, alert.urgency, alert.certainty) == (
        "Test", "Moderate", "Future", "Likely")
    assert (updates[0].severity, updates[0].certainty) == ("Severe", "Likely")
    assert (cancel.severity, cancel.urgency) == ("Minor", "Past")
    assert alert.references == ()
    assert updates[0].references == (
        "dwlim-ops.invalid,dwlim-toyland-7-drought-0001-001,2017-01-04T18:00:00-00:00",)
    assert cancel.references == tuple(one.reference for one in updates)
    assert {one.onset for one in (alert, *updates, cancel)} == {FIRST}
    assert alert.product_id == "twsa_20170102_r00"


def test_what_has_expired_is_no_longer_referred_to():
    told = messages_of(run(days((30, DRY)))[1], delay_days=1)
    assert kinds(told) == ["Alert", *["Update"] * 7]
    assert [len(one.references) for one in told] == [0, 1, 2, 2, 2, 2, 2, 2]


def test_history_is_not_announced_but_what_lasts_is():
    _, events = run(days((30, DRY), (5, CALM), (30, DRIER)))
    newest = events[-1].standing.day
    told = messages_of(events, sent=tick_time(newest))
    assert kinds(told) == ["Alert", "Update"]
    assert {one.chain for one in told} == {"dwlim-toyland-7-drought-0002"}
    assert told[0].onset == FIRST + timedelta(days=35)


def test_the_end_of_what_was_never_announced_is_not_announced():
    _, events = run(WHOLE)
    assert messages_of(events[-1:]) == []


def test_an_outage_loses_nothing_that_still_holds():
    _, events = run(WHOLE)
    at_once = messages_of(events, sent=tick_time(WHOLE[-1].day, delay_days=-4))
    assert kinds(at_once) == kinds(messages_of(events))


def test_an_alert_that_had_expired_in_the_meantime_is_an_alert_again():
    seen = [*days((2, DRY)), *days((1, DRY), first=FIRST + timedelta(days=10))]
    told = messages_of(run(seen)[1], delay_days=8)
    assert kinds(told) == ["Alert", "Alert"]
    assert told[1].references == ()
    assert told[1].sent >= told[0].expires


def test_an_actual_alert_does_not_refer_to_a_test():
    first, *others = run(days((20, DRY)))[1]
    (test,) = messages_of([first])
    chain = [test]
    for event in others:
        chain.append(announce(event, PLACE, chain, ACTUAL, product_id="p",
                              sent=tick_time(event.standing.day)))
    assert kinds(chain) == ["Alert", "Alert", "Update", "Update", "Update"]
    assert all("0001-001" not in text for one in chain for text in one.references)
    assert [one.status for one in chain] == ["Test", *["Actual"] * 4]


def test_a_cancel_has_the_status_of_what_it_ends():
    *begun, end = run(WHOLE)[1]
    chain = messages_of(begun)
    cancel = announce(end, PLACE, chain, ACTUAL, product_id="p",
                      sent=tick_time(end.standing.day))
    assert (cancel.kind, cancel.status) == ("Cancel", "Test")


@pytest.mark.parametrize(("status", "expected"), [
    ("Actual", "Test"), ("Test", "Test"), ("Exercise", "Exercise")])
def test_made_up_water_is_never_actual(status, expected):
    chosen = ACTUAL.model_copy(update={"status": status})
    told = messages_of(run(WHOLE, chosen)[1], chosen, place=replace(PLACE, synthetic=True))
    assert {one.status for one in told} == {expected}


def test_a_message_comes_back_from_plain_values():
    for one in messages_of(run(WHOLE)[1]):
        assert from_content(to_content(one)) == one


def test_a_drill_is_an_exercise_that_says_nothing_of_water():
    one = drill(PLACE, "wet", ACTUAL, sent=datetime(2017, 3, 1, 7, 5, 9, 77, tzinfo=UTC),
                sequence=3)
    assert (one.identifier, one.kind, one.status) == (
        "dwlim-toyland-7-drill-0003-001", "Alert", "Exercise")
    assert (one.percentile, one.probabilities, one.product_id) == (None, (), "")
    assert one.expires == datetime(2017, 3, 1, 9, 5, 9, tzinfo=UTC)
    assert one.words["en"].headline == "EXERCISE: drill of the alert chain, West River"
    assert from_content(to_content(one)) == one


@given(st.text(), st.text())
@settings(derandomize=True, deadline=None, max_examples=200)
def test_law_keys_differ_where_names_do_and_hold_plain_signs_only(one, other):
    assert (key_of(one) == key_of(other)) == (one == other)
    assert key_of(one).replace("_", "a").isalnum()
    assert key_of(one).isascii()
    assert len(key_of(one)) <= 64


@given(RECORD, SETTINGS, st.integers(0, 12))
@settings(derandomize=True, deadline=None, max_examples=80)
def test_law_chains_never_contradict_themselves(steps, chosen, delay_days):
    told = messages_of(run(record(steps), chosen)[1], chosen, delay_days=delay_days)
    assert len({one.identifier for one in told}) == len(told)
    holding = {}
    for one in told:
        alive = [other for other in holding.get(one.hazard, []) if other.expires > one.sent]
        if one.kind == "Alert":
            assert alive == []
            assert one.references == ()
            holding[one.hazard] = [one]
        else:
            assert one.references == tuple(other.reference for other in alive) != ()
            holding[one.hazard] = [] if one.kind == "Cancel" else [*alive, one]
        opposite = "wet" if one.hazard == "drought" else "drought"
        if one.kind != "Cancel":
            assert [other for other in holding.get(opposite, []) if other.expires > one.sent] == []
        assert one.sent < one.expires


def test_a_day_is_named_by_its_date():
    (alert, *_) = messages_of(run(days((2, DRY), (1, BETWEEN)))[1])
    assert alert.day == date(2017, 1, 2)
    assert "2017-01-02" in alert.words["en"].description
    assert "2017-01-02" in alert.words["zh"].description
