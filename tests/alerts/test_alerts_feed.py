"""The Atom feed and the GeoJSON of what is active."""

import json
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import feedparser
import pytest
from alert_examples import CALM, DRIER, DRY, PLACE, days, messages_of, run
from lxml import etree
from shapely.geometry import shape

from dwlim_ops.alerts.feed import ATOM, MOST_ENTRIES, active_geojson, atom_feed

TOLD = messages_of(run(days((3, DRY), (6, DRIER), (4, CALM)))[1])
BEGUN = datetime(2016, 12, 1, tzinfo=UTC)


def feed_of(messages):
    return atom_feed(messages, region="toyland", region_title="Toy & <land>", begun=BEGUN)


def grammar():
    """RFC 4287 in RELAX NG."""
    return etree.RelaxNG(etree.parse(Path(__file__).parents[1] / "data/atom/atom.rng"))


def assert_is_atom(content):
    """By the grammar, and by what RFC 4287 says beyond its grammar."""
    feed = etree.fromstring(content)
    grammar().assertValid(feed)
    names = {"ns": ATOM}
    assert feed.findtext("ns:author/ns:name", namespaces=names)
    for title in feed.iter(f"{{{ATOM}}}title"):
        assert title.text
    for entry in feed.findall("ns:entry", names):
        assert [link.get("rel") for link in entry.findall("ns:link", names)] == ["alternate"]
    identifiers = [one.text for one in feed.iter(f"{{{ATOM}}}id")]
    assert len(set(identifiers)) == len(identifiers)


@pytest.mark.parametrize(("place", "told"), [
    ("ns:updated", "2017-01-14T18:00:00"), ("ns:id", "no-address"), ("ns:entry/ns:updated", "soon"),
    ("ns:entry/ns:title", None), ("ns:entry/ns:id", None), ("ns:updated", None)])
def test_the_grammar_refuses_what_is_no_feed(place, told):
    feed = etree.fromstring(feed_of(TOLD))
    assert grammar().validate(feed)
    broken = feed.find(place, {"ns": ATOM})
    if told is None:
        broken.getparent().remove(broken)
    else:
        broken.text = told
    assert not grammar().validate(feed)


def test_the_feed_lists_messages_the_newest_first():
    content = feed_of(TOLD)
    assert_is_atom(content)
    read = feedparser.parse(content)
    assert not read.bozo
    assert read.version == "atom10"
    assert read.feed.title == "Drought and flood alerts, Toy & <land>"
    assert read.feed.updated == read.entries[0].updated == "2017-01-14T18:00:00Z"
    assert [entry.title for entry in read.entries] == [
        one.words["en"].headline for one in reversed(TOLD)]
    assert read.entries[-1].links[0].href == "cap/dwlim-toyland-7-drought-0001-001.xml"
    assert read.entries[-1].links[0].type == "application/cap+xml"
    assert [tag.term for tag in read.entries[0].tags] == ["Cancel", "Test", "drought", "Minor"]
    assert "西" not in read.entries[0].title
    assert "预警现已解除" in read.entries[0].summary


def test_an_empty_feed_is_valid_and_a_long_one_is_cut():
    content = feed_of([])
    assert_is_atom(content)
    assert feedparser.parse(content).feed.updated == "2016-12-01T00:00:00Z"
    many = [replace(TOLD[0], identifier=f"m{number}", number=number) for number in range(150)]
    read = feedparser.parse(feed_of(many))
    assert len(read.entries) == MOST_ENTRIES
    assert read.entries[0].links[0].href == "cap/m149.xml"


def test_a_name_with_markup_stays_text():
    place = replace(PLACE, basin_name="<script>alert(1)</script> & co")
    content = feed_of(messages_of(run(days((3, DRY)))[1], place=place))
    assert_is_atom(content)
    assert etree.fromstring(content).find(f".//{{{ATOM}}}entry/{{{ATOM}}}title").text == (
        "TEST: Drought, class D2 (severe drought), in <script>alert(1)</script> & co")


def test_active_alerts_are_features_with_their_basin():
    content = json.loads(active_geojson([TOLD[1]]))
    (feature,) = content["features"]
    about = feature["properties"]
    assert shape(feature["geometry"]).equals(shape({"type": "Polygon",
                                                    "coordinates": [PLACE.rings[0]]}))
    assert (about["hazard"], about["class"], about["severity"], about["probability"]) == (
        "drought", "D3", "Severe", 0.7)
    assert (about["onset"], about["sent"], about["expires"]) == (
        "2017-01-01", "2017-01-07T18:00:00Z", "2017-01-15T00:00:00Z")
    assert about["cap"] == f"cap/{about['identifier']}.xml"
    assert about["headlines"]["zh"].startswith("测试：")
    assert sum(about["probabilities"].values()) == pytest.approx(1.0)
    assert json.loads(active_geojson([])) == {"type": "FeatureCollection", "features": []}


def test_the_same_messages_give_the_same_bytes():
    assert feed_of(TOLD) == feed_of(TOLD[::-1])
    assert active_geojson(TOLD[:1]) == active_geojson(TOLD[:1])
