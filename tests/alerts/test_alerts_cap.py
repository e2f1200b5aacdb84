"""CAP documents: valid by the schema and by what it misses, whatever a basin is called."""

from dataclasses import replace

import cap_rules
import pytest
from alert_examples import CALM, DRIER, DRY, PLACE, QUICK, days, messages_of, run
from cap_rules import CAP, checked
from hypothesis import given, settings
from hypothesis import strategies as st

from dwlim_ops.alerts.cap import to_xml

WHOLE = days((3, DRY), (6, DRIER), (4, CALM))
NASTY = ["<b>&amp; \"River\" 'x'</b> ]]>", "North\r\nPlain\tEast", "长江流域", "نهر النيل",
         "a\x00\x0b\ufffe\ud800b",
         "\u202egnp.exe\u202c",
         "$basin ${category} %s {0}", "", " \n ", "x" * 400, "\U0001f30a river"]


def texts(alert, name):
    return [one.text for one in alert.iter(CAP + name)]


def pairs(info, name):
    return {one.findtext(CAP + "valueName"): one.findtext(CAP + "value")
            for one in info.iter(CAP + name)}


def test_every_message_of_a_chain_is_valid_and_says_its_values():
    told = messages_of(run(WHOLE)[1])
    documents = [checked(to_xml(one)) for one in told]
    alert, update = documents[0], documents[1]
    assert texts(alert, "language") == ["en-US", "zh-CN"]
    assert texts(alert, "msgType") == ["Alert"]
    assert texts(alert, "note") == [
        "This is a technical test. Please disregard it. / 本消息为技术测试，请忽略。"]
    info = alert.find(CAP + "info")
    assert pairs(info, "eventCode") == {"OET:v1.2": "OET-063"}
    assert pairs(info, "geocode") == {"dwlim:toyland": "7"}
    about = pairs(info, "parameter")
    assert (about["class"], about["percentile"], about["standardized_anomaly"]) == (
        "D2", "2.3", "-2.000")
    assert about["product_id"] == "twsa_20170102_r00"
    assert about["probability_at_or_beyond_class"] == "0.8000"
    assert sum(float(about[f"probability_{side}{number}"]) for side in "DW" for number in range(5)
               ) + float(about["probability_N"]) == pytest.approx(1.0)
    assert texts(alert, "polygon") == ["40,10 40,15 50,15 50,10 40,10"] * 2
    assert texts(alert, "headline")[0] == (
        "TEST: Drought, class D2 (severe drought), in West River")
    assert texts(update, "references") == [
        "dwlim-ops.invalid,dwlim-toyland-7-drought-0001-001,2017-01-04T18:00:00-00:00"]
    assert texts(documents[-1], "responseType") == ["AllClear"] * 2


def test_wetness_has_the_code_of_floods():
    wet = days((3, CALM), wet=(0.8, 0.75, 0.7))
    (one,) = messages_of(run(wet)[1])
    assert pairs(checked(to_xml(one)).find(CAP + "info"), "eventCode") == {"OET:v1.2": "OET-081"}


def test_a_place_to_read_more_and_a_contact_are_named_where_they_are_known():
    plain = checked(to_xml(messages_of(run(WHOLE)[1])[0]))
    assert texts(plain, "web") == texts(plain, "contact") == []
    known = QUICK.model_copy(update={"public_url": "https://water.example.org/twsa?a=1&b=2",
                                     "contact": "desk <desk@example.org>"})
    alert = checked(to_xml(messages_of(run(WHOLE)[1], known)[0]))
    assert texts(alert, "web") == ["https://water.example.org/twsa?a=1&b=2"] * 2
    assert texts(alert, "contact") == ["desk <desk@example.org>"] * 2


@pytest.mark.parametrize("name", NASTY, ids=ascii)
def test_a_basin_may_be_called_anything(name):
    assert_any_name(name, name)


@given(st.text(max_size=40), st.text(max_size=40))
@settings(derandomize=True, deadline=None, max_examples=60)
def test_law_a_basin_may_be_called_anything(identifier, name):
    assert_any_name(identifier, name)


def assert_any_name(identifier, name):
    place = replace(PLACE, basin=identifier, basin_name=name, region_title=name)
    _, events = run(days((3, DRY), (3, CALM)))
    for one in messages_of(events, place=place):
        alert = checked(to_xml(one))
        (area,) = set(texts(alert, "areaDesc"))
        assert area.strip()
        assert "\n" not in area
        assert len(one.identifier) <= 255
        assert all("\n" not in text for text in texts(alert, "headline"))


def test_names_are_written_as_they_are():
    place = replace(PLACE, basin_name="<b>&amp; \"River\" 长江 نهر")
    (one, *_) = messages_of(run(WHOLE)[1], place=place)
    assert set(texts(checked(to_xml(one)), "areaDesc")) == {"<b>&amp; \"River\" 长江 نهر"}


@pytest.mark.parametrize(("wrong", "right"), [
    (b"-00:00</sent>", b"Z</sent>"), (b"<status>Test", b"<status>Trial"),
    (b" 40,10</polygon>", b"</polygon>"), (b"40,15 50,15", b"40,15 50,200")])
def test_the_rules_find_what_is_wrong(wrong, right):
    document = to_xml(messages_of(run(WHOLE)[1])[0])
    assert wrong in document
    with pytest.raises((AssertionError, cap_rules.etree.DocumentInvalid)):
        checked(document.replace(wrong, right))
