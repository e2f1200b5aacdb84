"""A message as CAP 1.2 (OASIS Common Alerting Protocol, 2010), one `info` for each language."""

from datetime import UTC, date, datetime, time
from typing import Any, Final

from lxml import etree

from dwlim_ops.alerts.areas import Ring
from dwlim_ops.alerts.hazards import HAZARDS
from dwlim_ops.alerts.messages import Message, cap_time, class_probabilities
from dwlim_ops.alerts.words import Words, clean

NAMESPACE: Final = "urn:oasis:names:tc:emergency:cap:1.2"
MEDIA_TYPE: Final = "application/cap+xml"
_PREFIXES: Final[dict[Any, str]] = {None: NAMESPACE}
#: Name of the table of event codes (OASIS Event Terms).
EVENT_CODES: Final = "OET:v1.2"
_RESPONSE: Final = {"Alert": "Monitor", "Update": "Monitor", "Cancel": "AllClear"}


def to_xml(message: Message) -> bytes:
    """The message as a document, UTF-8; values are escaped by the XML library."""
    alert = etree.Element(_name("alert"), nsmap=_PREFIXES)
    words = list(message.words.values())
    note = " / ".join(one.note for one in words if one.note)
    _add(alert, "identifier", message.identifier)
    _add(alert, "sender", message.sender)
    _add(alert, "sent", cap_time(message.sent))
    _add(alert, "status", message.status)
    _add(alert, "msgType", message.kind)
    _add(alert, "scope", "Public")
    _add(alert, "note", note)
    _add(alert, "references", " ".join(message.references))
    for one in words:
        _add_info(alert, message, one)
    etree.indent(alert)
    content: bytes = etree.tostring(alert, xml_declaration=True, encoding="UTF-8")
    return content + b"\n"


def polygon(ring: Ring) -> str:
    """A ring as CAP writes it: latitude before longitude, a blank between points.

    >>> polygon(((10.0, -3.5), (11.0, -3.5), (11.0, -2.0), (10.0, -3.5)))
    '-3.5,10 -3.5,11 -2,11 -3.5,10'
    """
    return " ".join(f"{latitude:.6g},{longitude:.6g}" for longitude, latitude in ring)


def _add_info(alert: etree._Element, message: Message, words: Words) -> None:
    info = etree.SubElement(alert, _name("info"))
    _add(info, "language", words.language)
    _add(info, "category", "Met")
    _add(info, "event", words.event)
    _add(info, "responseType", _RESPONSE[message.kind])
    _add(info, "urgency", message.urgency)
    _add(info, "severity", message.severity)
    _add(info, "certainty", message.certainty)
    _add_pair(info, "eventCode", EVENT_CODES, HAZARDS[message.hazard].event_code)
    _add(info, "effective", cap_time(message.sent))
    _add(info, "onset", cap_time(_begin_of(message.onset)))
    _add(info, "expires", cap_time(message.expires))
    _add(info, "senderName", message.sender_name)
    _add(info, "headline", words.headline)
    _add(info, "description", words.description)
    _add(info, "instruction", words.instruction)
    _add(info, "web", message.web)
    _add(info, "contact", message.contact)
    for name, value in _parameters(message).items():
        _add_pair(info, "parameter", name, value)
    area = etree.SubElement(info, _name("area"))
    _add(area, "areaDesc", message.basin_name)
    for ring in message.rings:
        _add(area, "polygon", polygon(ring))
    _add_pair(area, "geocode", f"dwlim:{message.region}", clean(message.basin) or "-")


def _parameters(message: Message) -> dict[str, str]:
    if message.drill:
        return {}
    values = {"class": message.category, "day": message.day.isoformat(),
              "product_id": message.product_id,
              "probability_at_or_beyond_class": f"{message.probability:.4f}"}
    if message.percentile is not None:
        values["percentile"] = f"{message.percentile:.1f}"
    if message.standardized_anomaly is not None:
        values["standardized_anomaly"] = f"{message.standardized_anomaly:.3f}"
    return values | {f"probability_{category}": f"{probability:.4f}"
                     for category, probability in class_probabilities(message).items()}


def _name(name: str) -> str:
    return f"{{{NAMESPACE}}}{name}"


def _begin_of(day: date) -> datetime:
    return datetime.combine(day, time(), UTC)


def _add(parent: etree._Element, name: str, text: str) -> None:
    """An element, unless it would be empty."""
    if text:
        etree.SubElement(parent, _name(name)).text = text


def _add_pair(parent: etree._Element, name: str, value_name: str, value: str) -> None:
    pair = etree.SubElement(parent, _name(name))
    _add(pair, "valueName", value_name)
    _add(pair, "value", value)
