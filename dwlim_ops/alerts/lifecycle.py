"""When an alert opens, changes, is renewed and ends: a state machine over the days of one basin.

Each class of a hazard switches on and off by itself, with two thresholds and a dwell (Schmitt
trigger); the alert is of the worst class that is on. A day without evidence (a veto, or no day at
all) counts neither way. The machine sees days in ascending order and each of them once, whatever
the days come in: its events depend on the days alone.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, time, timedelta
from typing import Any, Final, Literal

from pydantic import TypeAdapter

from dwlim_ops.alerts.hazards import HAZARDS, Hazard, HazardName, classes_from, probability_beyond
from dwlim_ops.alerts.settings import AlertSettings
from dwlim_ops.contracts import CATEGORIES, BasinStanding
from dwlim_ops.errors import ContractError

EventKind = Literal["open", "change", "renew", "end"]
_ROUNDING: Final = 1e-3


@dataclass(frozen=True)
class Trigger:
    """One class: whether it holds, and on how many days running the evidence was for or against.

    `since` is the first day of the run for it.
    """

    on: bool = False
    n_for: int = 0
    n_against: int = 0
    since: date | None = None


@dataclass(frozen=True)
class OpenAlert:
    """An alert that lasts; `event_day` is the day of its last event, from which it expires."""

    sequence: int
    onset: date
    category: str
    event_day: date


@dataclass(frozen=True)
class HazardState:
    """A hazard in a basin; `n_alerts` counts the alerts that there have been."""

    triggers: Mapping[str, Trigger] = field(default_factory=dict)
    n_alerts: int = 0
    alert: OpenAlert | None = None


@dataclass(frozen=True)
class BasinState:
    """All that the machine remembers of a basin.

    `last_day` is the last day that was seen, `evidence_day` the last one that counted.
    """

    basin: str
    last_day: date | None = None
    evidence_day: date | None = None
    hazards: Mapping[HazardName, HazardState] = field(
        default_factory=lambda: {name: HazardState() for name in HAZARDS})


@dataclass(frozen=True)
class Event:
    """What happened to an alert on a day.

    `probability` is that of being at or beyond `category`; of an end it is that of the mildest
    class of alerts, and `category` the class that the alert had.
    """

    kind: EventKind
    hazard: HazardName
    sequence: int
    category: str
    onset: date
    probability: float
    expires: datetime
    standing: BasinStanding


_STATE: Final = TypeAdapter(BasinState)


def to_content(state: BasinState) -> dict[str, Any]:
    """A state as plain values."""
    content: dict[str, Any] = _STATE.dump_python(state, mode="json")
    return content


def from_content(content: Mapping[str, Any]) -> BasinState:
    """The state that `to_content` has made plain."""
    return _STATE.validate_python(content)


def advance(state: BasinState, standing: BasinStanding, settings: AlertSettings
            ) -> tuple[BasinState, tuple[Event, ...]]:
    """One day further. A day that is not after the last one changes nothing.

    Raises
    ------
    ContractError
        Of another basin, or the probabilities are not those of `CATEGORIES`.
    """
    if standing.basin != state.basin:
        raise ContractError("standing of another basin", where=f"alerts, {standing.day}",
                            expected=state.basin, got=standing.basin)
    if state.last_day is not None and standing.day <= state.last_day:
        return state, ()
    state = _expired(replace(state, last_day=standing.day), standing.day, settings)
    if standing.veto or not all(map(math.isfinite, standing.probabilities)):
        return state, ()
    _check(standing)
    mildest = {name: probability_beyond(standing, classes_from(hazard, settings)[0])
               for name, hazard in HAZARDS.items()}
    likeliest = max(mildest, key=lambda name: mildest[name])
    decided = len(set(mildest.values())) > 1
    stepped = {name: _stepped(hazard, state.hazards[name], standing, settings,
                              may_rise=decided and name == likeliest)
               for name, hazard in HAZARDS.items()}
    if _class_on(likeliest, stepped[likeliest]):
        stepped |= {name: replace(other, triggers={}) for name, other in stepped.items()
                    if name != likeliest}
    events: list[Event] = []
    hazards: dict[HazardName, HazardState] = {}
    for name in sorted(stepped, key=lambda name: name == likeliest):
        hazards[name], event = _settled(name, stepped[name], standing, mildest[name], settings)
        events += [event] if event is not None else []
    return replace(state, evidence_day=standing.day, hazards=hazards), tuple(events)


def end_of_validity(event_day: date, settings: AlertSettings) -> datetime:
    """When what was said of a day ceases to hold, unless it is said again."""
    last = event_day + timedelta(days=settings.expiry_days)
    return datetime.combine(last + timedelta(days=1), time(), UTC)


def _check(standing: BasinStanding) -> None:
    total = sum(standing.probabilities)
    if len(standing.probabilities) != len(CATEGORIES) or abs(total - 1.0) > _ROUNDING:
        raise ContractError("not the probabilities of all classes",
                            where=f"alerts, {standing.basin}, {standing.day}",
                            expected=f"{len(CATEGORIES)} with the sum 1, or NaN",
                            got=f"{len(standing.probabilities)} with the sum {total:g}")


def _expired(state: BasinState, day: date, settings: AlertSettings) -> BasinState:
    """Alerts whose time has run out are over, and after a long silence no run of days counts."""
    longest = timedelta(days=settings.expiry_days)
    if state.evidence_day is not None and day - state.evidence_day > longest:
        over = set(state.hazards)
    else:
        over = {name for name, one in state.hazards.items()
                if one.alert is not None and day - one.alert.event_day > longest}
    return replace(state, hazards={
        name: HazardState(n_alerts=one.n_alerts) if name in over else one
        for name, one in state.hazards.items()})


def _stepped(hazard: Hazard, before: HazardState, standing: BasinStanding,
             settings: AlertSettings, *, may_rise: bool) -> HazardState:
    triggers = {category: _next(before.triggers.get(category, Trigger()),
                                probability_beyond(standing, category), standing.day, settings,
                                may_rise=may_rise)
                for category in classes_from(hazard, settings)}
    return replace(before, triggers=triggers)


def _next(before: Trigger, probability: float, day: date, settings: AlertSettings, *,
          may_rise: bool) -> Trigger:
    speaks_for = may_rise and probability >= settings.on_probability
    n_for = before.n_for + 1 if speaks_for else 0
    n_against = before.n_against + 1 if probability <= settings.off_probability else 0
    on = n_against < settings.dwell_days_off if before.on else n_for >= settings.dwell_days
    since = (before.since if n_for > 1 else day) if speaks_for else None
    return Trigger(on, n_for, n_against, since)


def _class_on(name: HazardName, state: HazardState) -> str | None:
    """The worst class that holds."""
    held = [category for category in HAZARDS[name].classes
            if state.triggers.get(category, Trigger()).on]
    return held[-1] if held else None


def _settled(name: HazardName, state: HazardState, standing: BasinStanding,
             probability_of_mildest: float, settings: AlertSettings
             ) -> tuple[HazardState, Event | None]:
    """The alert as its triggers want it, and what that changed."""
    day, before, wanted = standing.day, state.alert, _class_on(name, state)
    expires = end_of_validity(day, settings)
    if wanted is None:
        if before is None:
            return state, None
        return replace(state, alert=None), Event(
            "end", name, before.sequence, before.category, before.onset, probability_of_mildest,
            expires, standing)
    kind: EventKind
    if before is None:
        mildest = state.triggers[classes_from(HAZARDS[name], settings)[0]]
        after = OpenAlert(state.n_alerts + 1, mildest.since or day, wanted, day)
        kind = "open"
    elif wanted != before.category:
        after, kind = replace(before, category=wanted, event_day=day), "change"
    elif day - before.event_day >= timedelta(days=settings.renew_days):
        after, kind = replace(before, event_day=day), "renew"
    else:
        return state, None
    event = Event(kind, name, after.sequence, wanted, after.onset,
                  probability_beyond(standing, wanted), expires, standing)
    return replace(state, n_alerts=max(state.n_alerts, after.sequence), alert=after), event
