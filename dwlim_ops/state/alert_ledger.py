"""What the ledger keeps of alerts: the machine's memory, the messages, the outbox."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from typing import Any, Final, Literal

import sqlalchemy as sa

from dwlim_ops.state.ledger import Ledger
from dwlim_ops.state.tables import alert_deliveries, alert_messages, alert_states

#: `sending`: an attempt was begun and its end is not known.
DeliveryState = Literal["pending", "sending", "delivered", "expired", "withdrawn"]
WAITING: Final = ("pending", "sending")


@dataclass(frozen=True)
class StoredState:
    """What the state machine remembers of a basin."""

    basin: str
    last_day: date
    state: Mapping[str, Any]


@dataclass(frozen=True)
class StoredMessage:
    """One message; `document` is what was published and sent, to the letter."""

    identifier: str
    chain: str
    number: int
    kind: str
    severity: str
    basin: str
    hazard: str
    drill: bool
    sent: datetime
    expires: datetime
    content: dict[str, Any]
    document: str


@dataclass(frozen=True)
class Delivery:
    """One message on its way to one recipient."""

    delivery_id: str
    identifier: str
    recipient: str
    state: DeliveryState
    n_attempts: int
    next_attempt_at: datetime
    changed_at: datetime
    remark: str = ""


class AlertLedger:
    """Reads and writes of the ledger's tables of alerts."""

    def __init__(self, ledger: Ledger) -> None:
        self._transaction = ledger._transaction

    def states(self) -> dict[str, StoredState]:
        """What is remembered, by basin."""
        with self._transaction() as connection:
            return {row["basin"]: StoredState(**row)
                    for row in connection.execute(sa.select(alert_states)).mappings()}

    def record(self, states: Iterable[StoredState], messages: Sequence[StoredMessage],
               deliveries: Sequence[Delivery]) -> None:
        """Record new states, messages and their deliveries: all or nothing."""
        c = alert_states.c
        with self._transaction(writes=True) as connection:
            for one in states:
                values = {"last_day": one.last_day, "state": one.state}
                done = connection.execute(
                    sa.update(alert_states).where(c.basin == one.basin).values(**values))
                if done.rowcount == 0:
                    connection.execute(sa.insert(alert_states), [{"basin": one.basin, **values}])
            if messages:
                connection.execute(sa.insert(alert_messages), [vars(one) for one in messages])
            if deliveries:
                connection.execute(sa.insert(alert_deliveries), [vars(one) for one in deliveries])

    def messages(self, *, chains: Iterable[str] | None = None, n_newest: int | None = None
                 ) -> list[StoredMessage]:
        """Messages by time and number: all, those of the named alerts, the newest ones."""
        c = alert_messages.c
        query = sa.select(alert_messages).order_by(
            c.sent.desc(), c.chain.desc(), c.number.desc()).limit(n_newest)
        if chains is not None:
            query = query.where(c.chain.in_(list(chains)))
        with self._transaction() as connection:
            found = [StoredMessage(**row) for row in connection.execute(query).mappings()]
        return found[::-1]

    def identifiers(self) -> list[str]:
        """Names of all messages."""
        with self._transaction() as connection:
            return sorted(connection.execute(sa.select(alert_messages.c.identifier)).scalars())

    def newest_sent(self) -> datetime | None:
        """When the newest message was sent; None if there is none."""
        with self._transaction() as connection:
            return connection.execute(sa.select(sa.func.max(alert_messages.c.sent))).scalar()

    def active(self, *, at: datetime) -> list[StoredMessage]:
        """The newest message of every alert that neither ended nor expired, by basin and hazard.

        Of a basin and hazard only the newest alert counts; a drill is beside them.
        """
        c = alert_messages.c
        query = sa.select(c.identifier, c.basin, c.hazard, c.drill, c.kind, c.expires).where(
            c.sent <= at).order_by(c.sent, c.chain, c.number)
        with self._transaction() as connection:
            newest = {(row.basin, row.hazard, row.drill): row for row in connection.execute(query)}
            names = [row.identifier for row in newest.values()
                     if row.kind != "Cancel" and row.expires > at]
            chosen = sa.select(alert_messages).where(c.identifier.in_(names)).order_by(
                c.basin, c.hazard, c.drill)
            return [StoredMessage(**row) for row in connection.execute(chosen).mappings()]

    def n_messages(self) -> dict[str, int]:
        """Messages by kind."""
        c = alert_messages.c
        query = sa.select(c.kind, sa.func.count().label("number")).group_by(c.kind)
        with self._transaction() as connection:
            return {row.kind: row.number for row in connection.execute(query)}

    def message(self, identifier: str) -> StoredMessage | None:
        """One message; None if there is none of that name."""
        query = sa.select(alert_messages).where(alert_messages.c.identifier == identifier)
        with self._transaction() as connection:
            row = connection.execute(query).mappings().first()
        return None if row is None else StoredMessage(**row)

    def n_chains(self, prefix: str) -> int:
        """Alerts whose name begins with `prefix`."""
        c = alert_messages.c
        query = sa.select(sa.func.count(sa.distinct(c.chain))).where(
            c.chain.startswith(prefix, autoescape=True))
        with self._transaction() as connection:
            return connection.execute(query).scalar() or 0

    def deliveries(self, *, states: Sequence[str] | None = None) -> list[Delivery]:
        """Deliveries in the order in which their messages were made."""
        m, d = alert_messages.c, alert_deliveries.c
        query = sa.select(alert_deliveries).join(alert_messages).order_by(
            m.sent, m.chain, m.number, d.recipient)
        if states is not None:
            query = query.where(d.state.in_(states))
        with self._transaction() as connection:
            return [Delivery(**row) for row in connection.execute(query).mappings()]

    def outbox(self) -> tuple[dict[str, int], datetime | None]:
        """Deliveries by state, and since when the oldest one has waited."""
        m, d = alert_messages.c, alert_deliveries.c
        count = sa.select(d.state, sa.func.count().label("number")).group_by(d.state)
        oldest = sa.select(sa.func.min(m.sent)).select_from(
            alert_deliveries.join(alert_messages)).where(d.state.in_(WAITING))
        with self._transaction() as connection:
            return ({row.state: row.number for row in connection.execute(count)},
                    connection.execute(oldest).scalar())

    def recipients_of(self, chain: str) -> set[str]:
        """Who was to receive a message of an alert."""
        m, d = alert_messages.c, alert_deliveries.c
        query = sa.select(d.recipient).join_from(alert_deliveries, alert_messages).where(
            m.chain == chain)
        with self._transaction() as connection:
            return {row.recipient for row in connection.execute(query)}

    def change(self, delivery: Delivery, *, at: datetime, **changes: Any) -> Delivery:
        """Record what became of a delivery; returns it as it is now."""
        changed = replace(delivery, changed_at=at, **changes)
        with self._transaction(writes=True) as connection:
            connection.execute(sa.update(alert_deliveries).where(
                alert_deliveries.c.delivery_id == changed.delivery_id).values(**vars(changed)))
        return changed
