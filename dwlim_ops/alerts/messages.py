"""From events to messages: Alert, Update and Cancel that refer to what has been said before."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from hashlib import sha256
from typing import Any, Final, Literal

from pydantic import TypeAdapter

from dwlim_ops.alerts.areas import Ring
from dwlim_ops.alerts.hazards import (
    DROUGHT,
    WET,
    Certainty,
    HazardName,
    Urgency,
    certainty_of,
    classes_from,
    severity_of,
    urgency_of,
)
from dwlim_ops.alerts.lifecycle import Event
from dwlim_ops.alerts.settings import AlertSettings, Language, Severity, Status
from dwlim_ops.alerts.words import Saying, Words, clean, in_words
from dwlim_ops.contracts import CATEGORIES, BasinStanding

MessageKind = Literal["Alert", "Update", "Cancel"]
DRILL_VALIDITY: Final = timedelta(hours=2)
_LONGEST_KEY: Final = 64


@dataclass(frozen=True)
class Place:
    """A basin of a region: identifiers, names, outlines."""

    region: str
    region_title: str
    basin: str
    basin_name: str
    rings: tuple[Ring, ...]
    synthetic: bool = False


@dataclass(frozen=True)
class Message:
    """One message with all that it says; it never changes.

    `chain` names the alert that it belongs to, `number` its place in it. `references` are those of
    CAP: sender, identifier and time of the messages that it takes the place of. `probability` is
    that of being at or beyond `category`, of a Cancel that of the mildest class of alerts.
    """

    identifier: str
    chain: str
    number: int
    kind: MessageKind
    status: Status
    drill: bool
    sender: str
    sender_name: str
    contact: str
    web: str
    sent: datetime
    expires: datetime
    references: tuple[str, ...]
    region: str
    basin: str
    basin_name: str
    rings: tuple[Ring, ...]
    hazard: HazardName
    category: str
    severity: Severity
    urgency: Urgency
    certainty: Certainty
    probability: float
    day: date
    onset: date
    percentile: float | None
    standardized_anomaly: float | None
    probabilities: tuple[float, ...]
    product_id: str
    words: dict[Language, Words]

    @property
    def reference(self) -> str:
        """How a later message refers to this one."""
        return f"{self.sender},{self.identifier},{cap_time(self.sent)}"


_CONTENT: Final = TypeAdapter(Message)


def to_content(message: Message) -> dict[str, Any]:
    """A message as plain values."""
    content: dict[str, Any] = _CONTENT.dump_python(message, mode="json")
    return content


def from_content(content: dict[str, Any]) -> Message:
    """The message that `to_content` has made plain."""
    return _CONTENT.validate_python(content)


def cap_time(moment: datetime) -> str:
    """A time as CAP writes it: whole seconds, UTC as -00:00.

    >>> cap_time(datetime(2017, 6, 24, 23, 59, 7, 900, tzinfo=UTC))
    '2017-06-24T23:59:07-00:00'
    """
    return f"{moment.astimezone(UTC):%Y-%m-%dT%H:%M:%S}-00:00"


def key_of(text: str) -> str:
    """A name in signs that an identifier, a path and a reference may hold; no two names share one.

    >>> key_of("7"), key_of("Murray - Darling")
    ('7', 'Murray_20_2D_20Darling')
    """
    if not text:
        return "_"
    key = re.sub(r"[^A-Za-z0-9]", lambda sign: "".join(
        f"_{byte:02X}" for byte in sign.group().encode("utf-8", "replace")), text)
    if len(key) <= _LONGEST_KEY:
        return key
    return f"{key[:_LONGEST_KEY // 2]}__{sha256(text.encode('utf-8', 'replace')).hexdigest()[:24]}"


def chain_of(place: Place, event: Event) -> str:
    """Name of the alert that an event belongs to."""
    return f"dwlim-{place.region}-{key_of(place.basin)}-{event.hazard}-{event.sequence:04d}"


def announce(event: Event, place: Place, chain: Sequence[Message], settings: AlertSettings, *,
             sent: datetime, product_id: str) -> Message | None:
    """The message that an event calls for; None if there is nothing to say any more.

    A message is an Alert as long as no other of its alert holds, then an Update or a Cancel that
    refers to those that hold. An event whose message would have expired when it is sent (a day of
    history, or a long outage) is not announced, nor is the end of what was never announced.

    Parameters
    ----------
    chain
        All messages of the same alert, the oldest first.
    sent
        Aware UTC; whole seconds count.
    """
    sent = sent.astimezone(UTC).replace(microsecond=0)
    status = settings.status_for(synthetic=place.synthetic)
    holding = [one for one in chain if one.expires > sent]
    if event.kind == "end" and holding:
        status = holding[-1].status
    holding = [one for one in holding if one.status == status]
    if event.expires <= sent or (event.kind == "end" and not holding):
        return None
    kind: MessageKind = ("Cancel" if event.kind == "end" else "Update" if holding else "Alert")
    name = chain_of(place, event)
    over = kind == "Cancel"
    return _worded(Message(
        f"{name}-{len(chain) + 1:03d}", name, len(chain) + 1, kind, status, False,
        settings.sender, settings.sender_name, settings.contact, settings.public_url, sent,
        event.expires, tuple(one.reference for one in holding), place.region, place.basin,
        place.basin_name, place.rings, event.hazard, event.category,
        "Minor" if over else severity_of(event.category),
        "Past" if over else urgency_of(event.category),
        "Likely" if over else certainty_of(event.probability), round(event.probability, 4),
        event.standing.day, event.onset, _rounded(event.standing.percentile),
        _rounded(event.standing.standardized_anomaly),
        tuple(round(one, 4) for one in event.standing.probabilities), product_id, {}),
        place, event.standing, template=kind)


def drill(place: Place, hazard: HazardName, settings: AlertSettings, *, sent: datetime,
          sequence: int) -> Message:
    """An exercise that belongs to no alert and ends by itself after `DRILL_VALIDITY`."""
    sent = sent.astimezone(UTC).replace(microsecond=0)
    category = classes_from(DROUGHT if hazard == "drought" else WET, settings)[0]
    name = f"dwlim-{place.region}-{key_of(place.basin)}-drill-{sequence:04d}"
    nan = float("nan")
    standing = BasinStanding(
        sent.date(), place.basin, "", nan, nan, nan, nan, nan, nan, category, (), "", 0)
    return _worded(Message(
        f"{name}-001", name, 1, "Alert", "Exercise", True, settings.sender, settings.sender_name,
        settings.contact, settings.public_url, sent, sent + DRILL_VALIDITY, (), place.region,
        place.basin, place.basin_name, place.rings, hazard, category, severity_of(category),
        urgency_of(category), "Possible", 0.0, sent.date(), sent.date(), None, None, (), "", {}),
        place, standing, template="drill")


def _worded(message: Message, place: Place, standing: BasinStanding, *, template: str) -> Message:
    basin = clean(place.basin_name) or clean(place.basin) or key_of(place.basin)
    words = in_words(Saying(
        template, message.status, message.hazard, message.category, basin, place.region_title,
        message.day.isoformat(), message.onset.isoformat(), standing.percentile,
        standing.standardized_anomaly, message.probability, message.product_id))
    return replace(message, basin_name=basin, sender_name=clean(message.sender_name),
                   contact=clean(message.contact), words=words)


def _rounded(value: float) -> float | None:
    return round(value, 3) if value == value and abs(value) != float("inf") else None  # noqa: PLR0124


def class_probabilities(message: Message) -> dict[str, float]:
    """Probability of each class, by its name; empty in a drill."""
    return dict(zip(CATEGORIES, message.probabilities, strict=False))
