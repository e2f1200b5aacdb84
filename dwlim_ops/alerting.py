"""Alerts of a workspace: new days evaluated, messages recorded, published and delivered.

A day is evaluated once, by what stood published when its turn came; a later revision of it changes
no message that was sent and counts through the days that follow. What the evaluation gives (the
machine's memory, messages, outbox) is one transaction, and the names of messages follow from
region, basin, hazard and number: whatever is killed, the next tick says the same once.
"""

import logging
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime

import numpy as np

from dwlim_ops.alert_delivery import deliver
from dwlim_ops.alerts import lifecycle, messages
from dwlim_ops.alerts.areas import rings_of_cells
from dwlim_ops.alerts.cap import to_xml
from dwlim_ops.alerts.delivery import delivery_id
from dwlim_ops.alerts.hazards import HazardName
from dwlim_ops.alerts.lifecycle import BasinState, Event
from dwlim_ops.alerts.messages import Message, Place
from dwlim_ops.alerts.settings import AlertSettings, Recipient, at_least
from dwlim_ops.contracts import BasinStanding
from dwlim_ops.errors import ConfigError, ContractError
from dwlim_ops.outlets import alerts as outlet
from dwlim_ops.session import Session
from dwlim_ops.state.alert_ledger import AlertLedger, Delivery, StoredMessage, StoredState

_log = logging.getLogger(__name__)


def attend(session: Session, standings: Iterable[BasinStanding], *, as_of: datetime, now: datetime
           ) -> list[str]:
    """Evaluate new days, publish, deliver; returns what could not be done, in words.

    Parameters
    ----------
    standings
        One of each basin and day, of the newest revision of the day; those that were evaluated
        before may be left out, see `evaluated_through`.
    as_of
        The tick's time, at which messages are sent.
    now
        The wall clock, by which messages have expired and deliveries are due.

    Raises
    ------
    StoreError
        The ledger or the published tree cannot be written.
    """
    evaluate(session, standings, as_of=as_of)
    publish(session, as_of=as_of)
    return [*_short_validity(session), *deliver(session, now=now)]


def publish(session: Session, *, as_of: datetime) -> None:
    """Bring `alerts/` of the published tree up to date.

    Raises
    ------
    StoreError
        It cannot be written.
    """
    outlet.refresh(session, session.ledger.newest_revisions(), as_of=as_of)


def evaluated_through(session: Session) -> date | None:
    """The day up to which every basin that has been evaluated is; None if none has been."""
    return min((one.last_day for one in AlertLedger(session.ledger).states().values()),
               default=None)


def evaluate(session: Session, standings: Iterable[BasinStanding], *, as_of: datetime
             ) -> list[Message]:
    """Move every basin on by the days that are new at `as_of`; returns the messages.

    Raises
    ------
    ContractError
        Two standings of a basin and day, one of a basin that the region has not, or one that
        belongs to no product.
    """
    settings, ledger = session.config.alerts, AlertLedger(session.ledger)
    stored = ledger.states()
    states = {basin: lifecycle.from_content(one.state) for basin, one in stored.items()}
    products = _products(session, as_of)
    events: list[Event] = []
    for standing in _new(standings, stored, products):
        before = states.get(standing.basin, BasinState(standing.basin))
        states[standing.basin], happened = lifecycle.advance(before, standing, settings)
        events += happened
    moved = [StoredState(basin, state.last_day, lifecycle.to_content(state))
             for basin, state in states.items() if state.last_day is not None
             and (basin not in stored or state.last_day > stored[basin].last_day)]
    if not moved:
        return []
    said = _announced(session, ledger, events, products, sent=as_of)
    ledger.record(moved, [_stored(one) for one in said], _outbox(ledger, settings, said, at=as_of))
    for one in said:
        _log.warning("%s %s: %s", one.kind, one.identifier, one.words["en"].headline)
    return said


def drill(session: Session, *, basin: str | None, hazard: HazardName, now: datetime) -> Message:
    """Record an exercise for a basin and its deliveries; what is known of real alerts stays.

    Raises
    ------
    ConfigError
        The region has no such basin.
    """
    known = session.geometry.basins.identifier
    if basin is not None and basin not in known:
        raise ConfigError("no such basin", where=session.config.region.name,
                          expected=", ".join(known), got=basin)
    ledger, place = AlertLedger(session.ledger), _place(session, basin or known[0])
    prefix = f"dwlim-{place.region}-{messages.key_of(place.basin)}-drill-"
    message = messages.drill(place, hazard, session.config.alerts, sent=now,
                             sequence=ledger.n_chains(prefix) + 1)
    ledger.record([], [_stored(message)],
                  [_delivery(message, one, at=now) for one in session.config.alerts.recipients])
    return message


def _short_validity(session: Session) -> list[str]:
    settings, delay_days = session.config.alerts, session.first_issue_delay_days
    if delay_days + settings.renew_days < settings.expiry_days:
        return []
    return [f"alerts expire before they can be renewed: displacement comes {delay_days} days late, "
            f"renew_days = {settings.renew_days}, expiry_days = {settings.expiry_days}; remedy: a "
            "larger expiry_days in [alerts]"]


@dataclass(frozen=True)
class _Products:
    """Products by day and revision: their names, and which of them this tick must not know."""

    name: Mapping[tuple[date, int], str]
    hidden: frozenset[tuple[date, int]]


def _products(session: Session, as_of: datetime) -> _Products:
    records = session.ledger.products()
    return _Products({(one.day, one.revision): one.product_id for one in records},
                     frozenset((one.day, one.revision) for one in records if one.as_of > as_of))


def _new(standings: Iterable[BasinStanding], stored: Mapping[str, StoredState],
         products: _Products) -> list[BasinStanding]:
    """Standings that are to be evaluated, by day: no day passes before one that is hidden."""
    fresh = [one for one in standings
             if one.basin not in stored or one.day > stored[one.basin].last_day]
    for one in fresh:
        if (one.day, one.revision) not in products.name:
            raise ContractError("standing of no product", where=f"alerts, {one.basin}, {one.day}",
                                got=f"revision {one.revision}")
    if len({(one.basin, one.day) for one in fresh}) < len(fresh):
        raise ContractError("two standings of a basin and day", where="alerts",
                            expected="those of the published estimate")
    end = min((one.day for one in fresh if (one.day, one.revision) in products.hidden),
              default=date.max)
    return sorted((one for one in fresh if one.day < end), key=lambda one: (one.day, one.basin))


def _announced(session: Session, ledger: AlertLedger, events: Sequence[Event],
               products: _Products, *, sent: datetime) -> list[Message]:
    places = {basin: _place(session, basin)
              for basin in sorted({one.standing.basin for one in events})}
    names = [messages.chain_of(places[one.standing.basin], one) for one in events]
    chains: dict[str, list[Message]] = {name: [] for name in names}
    for stored in ledger.messages(chains=sorted(chains)):
        chains[stored.chain].append(messages.from_content(stored.content))
    said = []
    for name, event in zip(names, events, strict=True):
        standing = event.standing
        message = messages.announce(
            event, places[standing.basin], chains[name], session.config.alerts, sent=sent,
            product_id=products.name[standing.day, standing.revision])
        if message is not None:
            chains[name].append(message)
            said.append(message)
    return said


def _place(session: Session, basin: str) -> Place:
    region, geometry = session.config.region, session.geometry
    if basin not in geometry.basins.identifier:
        raise ContractError("the region has no such basin", where="alerts", got=basin,
                            expected=", ".join(geometry.basins.identifier))
    row = geometry.basins.identifier.index(basin)
    member = np.flatnonzero(geometry.basins.weight[row])
    longitude, latitude = geometry.grid.cells
    return Place(region.name, region.title, basin, geometry.basins.name[row],
                 rings_of_cells(longitude[member], latitude[member], geometry.grid.spacing_deg),
                 synthetic=region.synthetic)


def _stored(message: Message) -> StoredMessage:
    return StoredMessage(
        message.identifier, message.chain, message.number, message.kind, message.severity,
        message.basin, message.hazard, message.drill, message.sent, message.expires,
        messages.to_content(message), to_xml(message).decode())


def _outbox(ledger: AlertLedger, settings: AlertSettings, said: Iterable[Message], *,
            at: datetime) -> list[Delivery]:
    """Who is told: from a severity on, and whoever was told of the same alert before."""
    told: dict[str, set[str]] = {}
    deliveries = []
    for message in said:
        so_far = told.setdefault(message.chain, ledger.recipients_of(message.chain))
        for recipient in settings.recipients:
            severe = (message.kind != "Cancel"
                      and at_least(message.severity, recipient.minimum_severity))
            if severe or recipient.name in so_far:
                so_far.add(recipient.name)
                deliveries.append(_delivery(message, recipient, at=at))
    return deliveries


def _delivery(message: Message, recipient: Recipient, *, at: datetime) -> Delivery:
    return Delivery(delivery_id(message.identifier, recipient.name),
                    message.identifier, recipient.name, "pending", 0, at, at)
