"""The report as Markdown and as one HTML file."""

import base64
import io
import re
from html.parser import HTMLParser

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt
from PIL import Image

from dwlim_ops.verify.document import Picture, Section, escaped, to_html, to_markdown
from dwlim_ops.verify.report import table

_fast = settings(max_examples=60, deadline=None, derandomize=True)
VOID = {"meta", "img", "br", "hr", "link", "input"}
NASTY = '<script>alert("x")</script> & "Basin" | *b* _u_ `c` [a](http://evil.example) \\'


class Checker(HTMLParser):
    """Collects text, attributes and what is not closed."""

    def __init__(self):
        super().__init__()
        self.open, self.wrong, self.found, self.text = [], [], [], []

    def handle_starttag(self, tag, attrs):
        self.found.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        if not self.open or self.open.pop() != tag:
            self.wrong.append(tag)

    def handle_data(self, data):
        self.text.append(data)

    @property
    def words(self):
        return re.sub(r"\s+", " ", "".join(self.text))


def parsed(page):
    checker = Checker()
    checker.feed(page)
    checker.close()
    return checker


@pytest.fixture
def pixels():
    return np.random.default_rng(0).integers(0, 256, (40, 60, 3), dtype=np.uint8)


@pytest.fixture
def sections(pixels):
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, "PNG")
    drawn = Picture("map", stream.getvalue(), 'A "map" & <more>', "Counts of <x> & y, 2009, mm")
    return [Section("first", f"Scores of {NASTY}", table(["a", "b"], [[NASTY, 1], ["**x**", 2]]),
                    (drawn,)), Section("second", "Method", "`tragnss` is **one** of them.")]


@pytest.fixture
def page(sections):
    return to_html("Toyland <b>", "Lead of `dwlim`", sections)


def test_every_element_is_closed(page):
    checker = parsed(page)
    assert checker.open == []
    assert checker.wrong == []
    assert page.startswith("<!DOCTYPE html>")


def test_the_page_needs_nothing_from_outside_and_runs_nothing(page):
    for tag, attributes in parsed(page).found:
        assert tag not in {"script", "link", "iframe", "object", "base"}
        assert not [name for name in attributes if name.startswith("on")]
        for name in ("src", "href"):
            target = attributes.get(name)
            assert target is None or target.startswith(("data:image/webp;base64,", "#"))
    assert "url(" not in page
    assert "@import" not in page


def test_names_are_shown_as_they_are(page):
    words = parsed(page).words
    assert words.count(NASTY) == 3
    assert "Toyland <b>" in words


def test_contents_lead_to_every_section(page, sections):
    found = parsed(page).found
    links = [attributes["href"] for tag, attributes in found if tag == "a"]
    places = [attributes.get("id") for _, attributes in found]
    assert links == [f"#{section.identifier}" for section in sections]
    assert all(link[1:] in places for link in links)


def test_pictures_hold_the_same_pixels_and_say_what_they_show(page, pixels):
    (image,) = [attributes for tag, attributes in parsed(page).found if tag == "img"]
    content = base64.b64decode(image["src"].partition(",")[2])
    assert np.array_equal(np.asarray(Image.open(io.BytesIO(content)).convert("RGB")), pixels)
    assert image["alt"] == 'A "map" & <more>'
    assert (image["width"], image["height"]) == ("60", "40")
    assert "Figure 1. Counts of <x> & y, 2009, mm" in parsed(page).words


def test_markdown_has_the_same_words(sections):
    text = to_markdown("Toyland", "Lead", sections)
    assert text.startswith("# Toyland\n\nLead\n\n## Scores")
    assert "Figure 1 (in verification.html)" in text
    assert "## Method\n\n`tragnss` is **one** of them." in text


@_fast
@given(st.text(st.characters(codec="utf-8", exclude_categories=("Cs", "Cc", "Z")), max_size=30))
def test_escaped_text_is_shown_as_it_is_in_a_table(text):
    shown = parsed(MarkdownIt("commonmark", {"html": False}).enable("table").render(
        table(["name", "n"], [[f"x{text}x", 1]]))).text
    assert f"x{text}x" in shown or "".join(shown).count(f"x{text}x") == 1


def test_numbers_and_names_of_methods_stay_readable():
    assert escaped("dwlim_st newest day, 0.5 [0.1, 0.9]") == "dwlim_st newest day, 0.5 [0.1, 0.9]"


def test_markup_and_links_in_a_text_of_ours_stay_text():
    page = to_html("T", "", [Section("a", "A", 'Raw <img src="http://evil.example/x"> '
                                     "[link](http://evil.example) ![picture](http://evil.example)")])
    assert not [tag for tag, attributes in parsed(page).found
                if "evil" in str(attributes) or tag == "img"]
    assert '<img src="http://evil.example/x">' in parsed(page).words
