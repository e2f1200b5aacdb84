"""Standings, places and settings for the tests of alerts."""

from collections.abc import Iterable, Sequence
from datetime import UTC, date, datetime, time, timedelta

from hypothesis import strategies as st

from dwlim_ops.alerts.lifecycle import BasinState, Event, advance, from_content, to_content
from dwlim_ops.alerts.messages import Message, Place, announce, chain_of
from dwlim_ops.alerts.settings import AlertSettings
from dwlim_ops.contracts import CATEGORIES, BasinStanding

FIRST = date(2017, 1, 1)
SQUARE = ((10.0, 40.0), (15.0, 40.0), (15.0, 50.0), (10.0, 50.0), (10.0, 40.0))
PLACE = Place("toyland", "Toyland", "7", "West River", (SQUARE,))
QUICK = AlertSettings(on_probability=0.6, off_probability=0.4, dwell_days=2, dwell_days_off=3,
                      renew_days=4, expiry_days=9)

#: Probability of at least D2, D3, D4 on a day.
DRY, DRIER, DRIEST = (0.8, 0.3, 0.1), (0.9, 0.7, 0.2), (0.95, 0.9, 0.8)
CALM, BETWEEN = (0.05, 0.0, 0.0), (0.5, 0.1, 0.0)


def standing(day: date, dry: Sequence[float] = CALM, wet: Sequence[float] = (0.0, 0.0, 0.0), *,
             basin: str = "7", veto: str = "", revision: int = 0) -> BasinStanding:
    """A standing with these probabilities of being at or beyond D2, D3, D4 and W2, W3, W4."""
    beyond = [dry[2], dry[1] - dry[2], dry[0] - dry[1]]
    above = [wet[0] - wet[1], wet[1] - wet[2], wet[2]]
    probabilities = (*beyond, 0.0, 0.0, 1.0 - dry[0] - wet[0], 0.0, 0.0, *above)
    category = CATEGORIES[max(range(11), key=lambda index: probabilities[index])]
    return BasinStanding(day, basin, "dwlim_st", -80.0, 20.0, 10.0, 45.0, -2.0, 2.3, category,
                         probabilities, "final_gnss", revision, veto)


def days(*spans: tuple[int, Sequence[float]], wet: Sequence[float] = (0.0, 0.0, 0.0),
         first: date = FIRST, **about: object) -> list[BasinStanding]:
    """Spans of days with the same probabilities."""
    each = [dry for number, dry in spans for _ in range(number)]
    return [standing(first + timedelta(days=index), dry, wet, **about)
            for index, dry in enumerate(each)]


def run(standings: Iterable[BasinStanding], settings: AlertSettings = QUICK,
        state: BasinState | None = None) -> tuple[BasinState, list[Event]]:
    """The machine over days; between any two days it is written down and read again."""
    state, events = state or BasinState("7"), []
    for one in standings:
        state, happened = advance(from_content(to_content(state)), one, settings)
        events += happened
    return state, events


def tick_time(day: date, *, delay_days: int = 2) -> datetime:
    """When the tick runs that first knows a day."""
    return datetime.combine(day + timedelta(days=delay_days), time(18), UTC)


def messages_of(events: Iterable[Event], settings: AlertSettings = QUICK, *, place: Place = PLACE,
                sent: datetime | None = None, delay_days: int = 2) -> list[Message]:
    """Messages of events, each sent `delay_days` after its day, or all of them at `sent`."""
    chains: dict[str, list[Message]] = {}
    said = []
    for event in events:
        chain = chains.setdefault(chain_of(place, event), [])
        message = announce(
            event, place, chain, settings, product_id=f"twsa_{event.standing.day:%Y%m%d}_r00",
            sent=sent or tick_time(event.standing.day, delay_days=delay_days))
        if message is not None:
            chain.append(message)
            said.append(message)
    return said


#: Probabilities of a day (no evidence: None), for how many days, and their step.
STEP = st.sampled_from([
    (DRY, 0.0), (DRIER, 0.0), (DRIEST, 0.0), (CALM, 0.0), (BETWEEN, 0.0), (BETWEEN, 0.5),
    ((0.45, 0.2, 0.1), 0.55), (CALM, 0.7), (CALM, 0.9), (None, 0.0)])
RECORD = st.lists(st.tuples(STEP, st.integers(1, 4), st.integers(1, 2)), max_size=40)


def record(steps: Iterable[tuple]) -> list[BasinStanding]:
    """Days of any probabilities, with vetoes and days that are missing."""
    seen, day = [], FIRST
    for (dry, wet), n_days, step_days in steps:
        for _ in range(n_days):
            beyond = (wet, wet * 0.8, wet * 0.3)
            seen.append(standing(day, CALM if dry is None else dry, beyond,
                                 veto="blind" if dry is None else ""))
            day += timedelta(days=step_days)
    return seen


SETTINGS = st.builds(
    lambda on, dwell, dwell_off, renew: AlertSettings(
        on_probability=on, off_probability=on - 0.15, dwell_days=dwell, dwell_days_off=dwell_off,
        renew_days=renew, expiry_days=renew + 5),
    st.sampled_from([0.4, 0.5, 0.6, 0.75]), st.integers(1, 4), st.integers(1, 5),
    st.integers(1, 6))
