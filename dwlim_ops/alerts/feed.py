"""What is published beside the messages: an Atom feed, and what is active as GeoJSON."""

import json
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Any, Final
from uuid import NAMESPACE_URL, uuid5

from lxml import etree

from dwlim_ops.alerts.cap import MEDIA_TYPE
from dwlim_ops.alerts.messages import Message, class_probabilities

ATOM: Final = "http://www.w3.org/2005/Atom"
XML_LANGUAGE: Final = "{http://www.w3.org/XML/1998/namespace}lang"
_PREFIXES: Final[dict[Any, str]] = {None: ATOM}
#: Messages in the feed, the newest first.
MOST_ENTRIES: Final = 100


def cap_name(identifier: str) -> str:
    """Place of a message's CAP document, relative to the feed."""
    return f"cap/{identifier}.xml"


def active_geojson(messages: Iterable[Message]) -> bytes:
    """Feature collection of messages that are active (RFC 7946)."""
    content = {"type": "FeatureCollection", "features": [_feature(one) for one in messages]}
    return (json.dumps(content, ensure_ascii=False, indent=1, allow_nan=False) + "\n").encode()


def atom_feed(messages: Sequence[Message], *, region: str, region_title: str, begun: datetime
              ) -> bytes:
    """The feed of a region (RFC 4287); an empty one was updated when the region `begun`."""
    shown = sorted(messages, key=_age, reverse=True)[:MOST_ENTRIES]
    feed = etree.Element(_name("feed"), nsmap=_PREFIXES)
    feed.set(XML_LANGUAGE, "en")
    _add(feed, "id", _urn(f"dwlim/{region}/alerts"))
    _add(feed, "title", f"Drought and flood alerts, {region_title}")
    _add(feed, "updated", _atom_time(shown[0].sent if shown else begun))
    _add(feed, "generator", "DWLIM-ops")
    _add(etree.SubElement(feed, _name("author")), "name",
         (shown[0].sender_name if shown else "") or "DWLIM-ops")
    _link(feed, "self", "feed.atom", "application/atom+xml")
    _link(feed, "related", "active.geojson", "application/geo+json")
    for one in shown:
        _add_entry(feed, one)
    etree.indent(feed)
    content: bytes = etree.tostring(feed, xml_declaration=True, encoding="UTF-8")
    return content + b"\n"


def _age(message: Message) -> tuple[datetime, str, int]:
    return message.sent, message.chain, message.number


def _feature(message: Message) -> dict[str, Any]:
    english = message.words["en"]
    return {
        "type": "Feature", "id": message.identifier,
        "geometry": {"type": "MultiPolygon",
                     "coordinates": [[list(map(list, ring))] for ring in message.rings]},
        "properties": {
            "identifier": message.identifier, "alert": message.chain,
            "cap": cap_name(message.identifier),
            "status": message.status, "drill": message.drill, "kind": message.kind,
            "region": message.region, "basin": message.basin, "basin_name": message.basin_name,
            "hazard": message.hazard, "class": message.category,
            "severity": message.severity, "urgency": message.urgency,
            "certainty": message.certainty, "probability": message.probability,
            "probabilities": class_probabilities(message), "percentile": message.percentile,
            "standardized_anomaly": message.standardized_anomaly,
            "day": message.day.isoformat(), "onset": message.onset.isoformat(),
            "sent": _atom_time(message.sent), "expires": _atom_time(message.expires),
            "headline": english.headline,
            "headlines": {key: one.headline for key, one in message.words.items()},
            "product_id": message.product_id}}


def _add_entry(feed: etree._Element, message: Message) -> None:
    english, *others = message.words.values()
    entry = etree.SubElement(feed, _name("entry"))
    _add(entry, "id", _urn(f"{message.sender}/{message.identifier}"))
    _add(entry, "title", english.headline)
    _add(entry, "updated", _atom_time(message.sent))
    _add(entry, "published", _atom_time(message.sent))
    for term in (message.kind, message.status, message.hazard, message.severity):
        etree.SubElement(entry, _name("category")).set("term", term)
    _link(entry, "alternate", cap_name(message.identifier), MEDIA_TYPE)
    _add(entry, "summary", "\n".join([english.description, *(one.description for one in others)]))


def _link(parent: etree._Element, relation: str, address: str, media_type: str) -> None:
    link = etree.SubElement(parent, _name("link"))
    for name, value in (("rel", relation), ("href", address), ("type", media_type)):
        link.set(name, value)


def _add(parent: etree._Element, name: str, text: str) -> None:
    etree.SubElement(parent, _name(name)).text = text


def _name(name: str) -> str:
    return f"{{{ATOM}}}{name}"


def _urn(name: str) -> str:
    return uuid5(NAMESPACE_URL, name).urn


def _atom_time(moment: datetime) -> str:
    return f"{moment.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"
