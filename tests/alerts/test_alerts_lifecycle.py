"""The state machine: what it says of given days, and laws over any days."""

import math
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
from alert_examples import (
    BETWEEN,
    CALM,
    DRIER,
    DRIEST,
    DRY,
    FIRST,
    QUICK,
    RECORD,
    SETTINGS,
    days,
    record,
    run,
    standing,
)
from hypothesis import given, settings
from hypothesis import strategies as st

from dwlim_ops.alerts.hazards import WET, classes_from, probability_beyond
from dwlim_ops.alerts.lifecycle import BasinState, advance
from dwlim_ops.errors import ContractError


def told(events):
    return [(event.kind, event.hazard, event.category, (event.standing.day - FIRST).days)
            for event in events]


def test_a_class_holds_after_its_dwell_and_its_onset_is_the_first_of_those_days():
    _, events = run(days((3, CALM), (4, DRY)))
    assert told(events) == [("open", "drought", "D2", 4)]
    assert events[0].onset == FIRST + timedelta(days=3)
    assert events[0].probability == pytest.approx(0.8)
    assert events[0].expires == datetime(2017, 1, 15, tzinfo=UTC)


def test_a_day_between_the_thresholds_breaks_a_run():
    _, events = run(days((1, DRY), (1, BETWEEN), (1, DRY), (1, BETWEEN)))
    assert events == []


def test_an_alert_goes_up_and_down_by_class_and_ends_after_its_dwell():
    _, events = run(days((2, DRY), (2, DRIEST), (3, DRIER), (5, CALM)))
    assert told(events) == [("open", "drought", "D2", 1), ("change", "drought", "D4", 3),
                            ("change", "drought", "D3", 6), ("end", "drought", "D3", 9)]


def test_between_the_thresholds_an_alert_lasts_and_is_renewed():
    _, events = run(days((2, DRY), (9, BETWEEN)))
    assert told(events) == [("open", "drought", "D2", 1), ("renew", "drought", "D2", 5),
                            ("renew", "drought", "D2", 9)]


@pytest.mark.parametrize("blind", [
    {"veto": "resolution too low"}, {"dry": (math.nan,) * 3}], ids=["veto", "unknown"])
def test_a_day_without_evidence_counts_neither_way(blind):
    seen = days((1, DRY), (3, CALM), (1, DRY))
    seen[1:4] = [standing(one.day, **({"dry": DRIEST} | blind)) for one in seen[1:4]]
    assert told(run(seen)[1]) == [("open", "drought", "D2", 4)]
    assert told(run([seen[0], seen[4]])[1]) == [("open", "drought", "D2", 4)]


def test_an_alert_without_evidence_expires_and_must_dwell_again():
    blind = [standing(one.day, veto="no displacement") for one in days((10, DRY))]
    later = FIRST + timedelta(days=2)
    dark = [replace(one, day=later + timedelta(days=n)) for n, one in enumerate(blind)]
    state, events = run([*days((2, DRY)), *dark])
    assert told(events) == [("open", "drought", "D2", 1)]
    assert state.hazards["drought"].alert is None
    _, events = run(days((2, DRY), first=FIRST + timedelta(days=12)), state=state)
    assert told(events) == [("open", "drought", "D2", 13)]
    assert events[0].sequence == 2


def test_a_long_silence_breaks_a_run():
    seen = days((12, DRY))
    assert run([seen[0], seen[10]])[1] == []
    assert told(run([seen[0], seen[9]])[1]) == [("open", "drought", "D2", 9)]


def test_the_opposite_ends_an_alert_at_once():
    seen = [*days((3, DRY)), *days((2, CALM), wet=(0.55, 0.1, 0.0), first=FIRST.replace(day=4)),
            *days((2, (0.45, 0, 0)), wet=(0.52, 0.5, 0.0), first=FIRST.replace(day=6))]
    loose = QUICK.model_copy(update={"on_probability": 0.5, "dwell_days_off": 9})
    assert told(run(seen, loose)[1]) == [
        ("open", "drought", "D2", 1), ("end", "drought", "D2", 4), ("open", "wet", "W2", 4),
        ("change", "wet", "W3", 6)]


@pytest.mark.parametrize(("first", "second"), [((0.42, 0.45), (0.45, 0.42)),
                                               ((0.45, 0.45), (0.45, 0.45))])
def test_only_the_likelier_side_gains(first, second):
    loose = QUICK.model_copy(update={"on_probability": 0.4, "off_probability": 0.1})
    seen = [standing(FIRST + timedelta(days=number), (dry, 0.0, 0.0), (wet, 0.0, 0.0))
            for number, (dry, wet) in enumerate((first, second))]
    assert run(seen, loose)[1] == []


def test_what_a_message_said_of_its_time_holds_although_evidence_came_later():
    seen = [*days((5, DRY)), *days((2, DRY), first=FIRST + timedelta(days=11))]
    assert told(run(seen)[1]) == [("open", "drought", "D2", 1), ("open", "drought", "D2", 12)]


def test_a_day_that_was_seen_is_never_seen_again():
    state, _ = run(days((5, DRY)))
    for old in days((5, CALM)):
        assert advance(state, old, QUICK) == (state, ())


def test_another_basin_and_other_classes_are_bugs():
    with pytest.raises(ContractError, match="standing of another basin"):
        advance(BasinState("8"), standing(FIRST), QUICK)
    with pytest.raises(ContractError, match=r"with the sum 0\.5"):
        advance(BasinState("7"), replace(standing(FIRST), probabilities=(0.5, *(0.0,) * 10)), QUICK)


def test_probabilities_beyond_a_class_are_of_that_side():
    one = standing(FIRST, DRIER, (0.05, 0.02, 0.01))
    assert [probability_beyond(one, name) for name in ("D4", "D3", "D2", "D0")] == pytest.approx(
        [0.2, 0.7, 0.9, 0.9])
    assert [probability_beyond(one, name) for name in classes_from(WET, QUICK)] == pytest.approx(
        [0.05, 0.02, 0.01])


def test_a_change_of_settings_takes_effect_at_the_next_day():
    state, _ = run(days((3, DRY)))
    severe = QUICK.model_copy(update={"drought_class": "D3"})
    _, events = advance(state, standing(FIRST + timedelta(days=3), DRY), severe)
    assert [event.kind for event in events] == ["end"]


LAW = settings(derandomize=True, deadline=None, max_examples=80)


@given(RECORD, SETTINGS)
@LAW
def test_law_an_alert_opens_once_ends_once_and_never_beside_the_opposite(steps, chosen):
    state, is_open = BasinState("7"), {}
    for one in record(steps):
        state, events = advance(state, one, chosen)
        is_open = {name: is_open.get(name) for name, held in state.hazards.items()
                   if held.alert or any(event.hazard == name for event in events)}
        for event in events:
            if event.kind == "open":
                assert is_open.get(event.hazard) is None
                is_open[event.hazard] = event.sequence
            else:
                assert is_open[event.hazard] == event.sequence
            if event.kind == "end":
                del is_open[event.hazard]
        assert sum(held.alert is not None for held in state.hazards.values()) <= 1
        assert {name for name, held in state.hazards.items() if held.alert} == set(is_open)


@given(RECORD, SETTINGS)
@LAW
def test_law_flips_are_bounded_by_the_dwell(steps, chosen):
    seen = record(steps)
    _, events = run(seen, chosen)
    n_evidence = sum(not one.veto for one in seen)
    opened = [event for event in events if event.kind == "open"]
    assert len(opened) <= n_evidence / chosen.dwell_days
    evidence_days = [one.day for one in seen if not one.veto]
    for name in ("drought", "wet"):
        flips = [event for event in events if event.hazard == name
                 and event.kind in ("open", "end")]
        for before, after in pairwise(flips):
            between = sum(before.standing.day < day <= after.standing.day
                          for day in evidence_days)
            shortest = (chosen.dwell_days if after.kind == "open"
                        else min(chosen.dwell_days, chosen.dwell_days_off))
            assert between >= shortest


@given(RECORD, SETTINGS, st.lists(st.integers(0, 60), max_size=6))
@LAW
def test_law_stopping_and_repeating_anywhere_changes_nothing(steps, chosen, stops):
    seen = record(steps)
    state, events = run(seen, chosen)
    again, told_again = BasinState("7"), []
    for stop in [*sorted(stops), len(seen)]:
        again, happened = run(seen[:stop], chosen, again)
        told_again += happened
    assert (again, told_again) == (state, events)


@given(RECORD, SETTINGS)
@LAW
def test_law_an_alert_that_lasts_speaks_before_it_expires(steps, chosen):
    state = BasinState("7")
    for one in record(steps):
        state, _ = advance(state, one, chosen)
        for held in state.hazards.values():
            if held.alert is not None:
                silent_days = (one.day - held.alert.event_day).days
                assert silent_days <= chosen.expiry_days
                if not one.veto:
                    assert silent_days < chosen.renew_days
