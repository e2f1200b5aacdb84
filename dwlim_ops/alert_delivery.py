"""The outbox of a workspace: one attempt for every message that is due."""

import logging
import os
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from dwlim_ops import __version__
from dwlim_ops.alerts.delivery import Outcome, Parcel, Route, mail, post, wait_after
from dwlim_ops.alerts.messages import from_content
from dwlim_ops.alerts.settings import Recipient
from dwlim_ops.services import USER_AGENT
from dwlim_ops.session import Session
from dwlim_ops.state.alert_ledger import WAITING, AlertLedger, Delivery, StoredMessage

_log = logging.getLogger(__name__)


def deliver(session: Session, *, now: datetime, environment: Mapping[str, str] = os.environ
            ) -> list[str]:
    """One attempt for every delivery that is due; returns who waits for what, in words.

    Messages of an alert reach a recipient in their order: while one waits, so do those after it.
    Who does not answer is left alone until the next pass. An attempt is recorded before and after
    it is made, so that one whose end is not known is made again, with the same key.

    Raises
    ------
    StoreError
        The ledger cannot be written.
    """
    ledger, settings = AlertLedger(session.ledger), session.config.alerts
    attempts = _Attempts(session, ledger, environment, now)
    stuck: set[tuple[str, str]] = set()
    silent: set[str] = set()
    waiting: dict[str, str] = {}
    for one in ledger.deliveries(states=WAITING):
        stored, recipient = ledger.message(one.identifier), settings.recipient(one.recipient)
        if stored is None or recipient is None:
            ledger.change(one, at=now, state="withdrawn", remark="no such recipient any more")
            continue
        if stored.expires <= now:
            ledger.change(one, at=now, state="expired")
            continue
        queue, remark = (stored.chain, one.recipient), one.remark
        if queue not in stuck and one.recipient not in silent and one.next_attempt_at <= now:
            outcome = attempts.make(one, stored, recipient)
            if outcome.delivered:
                continue
            silent |= {one.recipient} if outcome.unreachable else set()
            remark = outcome.remark
        stuck.add(queue)
        waiting[one.recipient] = waiting.get(one.recipient) or remark
    return [f"an alert waits to be delivered to {name}: {remark or 'not due yet'}"
            for name, remark in sorted(waiting.items())]


@dataclass(frozen=True)
class _Attempts:
    """Makes attempts, and records each before and after."""

    session: Session
    ledger: AlertLedger
    environment: Mapping[str, str]
    at: datetime

    def make(self, delivery: Delivery, stored: StoredMessage, recipient: Recipient) -> Outcome:
        """One attempt; without the secret that it needs none is made."""
        smtp = self.session.config.alerts.smtp
        variable = (recipient.secret_variable if recipient.kind == "webhook"
                    else smtp.password_variable if smtp else None)
        secret = self.environment.get(variable, "") if variable else ""
        if variable and not secret:
            return Outcome(False, f"the environment variable {variable} is not set",
                           unreachable=True)
        begun = self.ledger.change(delivery, at=self.at, state="sending",
                                   n_attempts=delivery.n_attempts + 1)
        outcome = self._send(stored, delivery.delivery_id, recipient, secret)
        if outcome.delivered:
            self.ledger.change(begun, at=self.at, state="delivered", remark="")
            return outcome
        _log.warning("%s to %s: %s", stored.identifier, recipient.name, outcome.remark)
        wait = wait_after(begun.n_attempts, retry_after=outcome.retry_after)
        self.ledger.change(begun, at=self.at, state="pending", remark=outcome.remark,
                           next_attempt_at=self.at + wait)
        return outcome

    def _send(self, stored: StoredMessage, delivery_id: str, recipient: Recipient, secret: str
              ) -> Outcome:
        settings = self.session.config.alerts
        parcel = Parcel(delivery_id, from_content(stored.content), stored.document.encode())
        if recipient.kind == "webhook" or settings.smtp is None:
            return post(parcel, recipient, self._route(), secret=secret, now=self.at)
        return mail(parcel, recipient, settings.smtp, password=secret,
                    timeout_s=settings.timeout_s)

    def _route(self) -> Route:
        http = self.session.config.http
        ca_file = (None if http.ca_file is None
                   else str(self.session.settings_root / http.ca_file))
        agent = USER_AGENT.format(version=__version__,
                                  contact=http.contact or "no contact given")
        return Route(self.session.config.alerts.timeout_s, agent, http.proxies, ca_file)
