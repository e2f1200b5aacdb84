"""The words of messages in every language."""

import math
import tomllib
from dataclasses import fields, replace
from importlib import resources

import pytest

from dwlim_ops.alerts.settings import LANGUAGES
from dwlim_ops.alerts.words import Saying, Words, clean, in_words

SAYING = Saying("Alert", "Test", "drought", "D3", "West River", "Toyland", "2017-01-02",
                "2017-01-01", 2.4, -2.04, 0.803, "twsa_toyland_20170102_r00")


def shape_of(content):
    return {key: shape_of(value) if isinstance(value, dict) else str
            for key, value in content.items()}


def templates(language):
    file = resources.files("dwlim_ops") / "alerts" / "texts" / f"{language}.toml"
    return tomllib.loads(file.read_text(encoding="utf-8"))


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_language_has_the_same_templates(language):
    assert shape_of(templates(language)) == shape_of(templates("en"))


@pytest.mark.parametrize("template", ["Alert", "Update", "Cancel", "drill"])
@pytest.mark.parametrize("category", ["D0", "D4", "W0", "W4"])
@pytest.mark.parametrize("status", ["Actual", "Exercise", "Test"])
def test_every_message_has_words_without_a_gap(template, category, status):
    hazard = "drought" if category[0] == "D" else "wet"
    saying = replace(SAYING, template=template, category=category, hazard=hazard, status=status)
    for words in in_words(saying).values():
        for one in fields(Words):
            text = getattr(words, one.name)
            assert "$" not in text
            assert text or (one.name == "note" and status == "Actual")
        assert "West River" in words.headline


def test_numbers_are_rounded_and_unknown_ones_are_said_to_be():
    english = in_words(SAYING)["en"].description
    assert "percentile 2 of" in english
    assert "anomaly -2.0." in english
    assert "is 80 %" in english
    unknown = in_words(replace(SAYING, percentile=math.nan))
    assert "percentile unknown" in unknown["en"].description
    assert "第 未知 百分位" in unknown["zh"].description


def test_a_name_is_never_taken_for_a_template():
    assert "in $category, ${day}" not in in_words(SAYING)["en"].headline
    said = in_words(replace(SAYING, basin="$category, ${day}"))["en"].headline
    assert said.endswith("in $category, ${day}")


@pytest.mark.parametrize(("name", "expected"), [
    ("a\r\nBcc: b", "a Bcc: b"), ("a\x1b[31mb", "a[31mb"), ("\u2066x\u2069", "x"),
    ("e\u0301", "e\u0301"), ("نهر", "نهر"), ("\ud800", ""), ("\u2028a\u2029", "a")])
def test_what_is_not_seen_goes(name, expected):
    assert clean(name) == expected
