"""Who reads the page, and how: keys, screen readers, languages, a telephone, a dead service."""

import itertools
import json
import os
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
import synthetic
from playwright.sync_api import expect

from dwlim_ops.workspace import Workspace

pytestmark = pytest.mark.slow

AXE = Path(__file__).parent / "vendor" / "axe.min.js"
PICTURE = "DWLIM_PAGE_PICTURE"
PICTURED = "DWLIM_PAGE_WORKSPACE"


def focused(page) -> str:
    return page.evaluate("""() => { const { id, dataset, className } = document.activeElement;
        return id || dataset.basin || dataset.show || className; }""")


def test_everything_is_reached_by_keys(rich, read):
    reader = read(rich, fragment="#basin=12&layer=twsa")
    page, seen = reader.page, []
    for _ in range(40):
        page.keyboard.press("Tab")
        seen.append(focused(page))
    first = [name for at, name in enumerate(seen) if name not in seen[:at]]
    wanted = ["skip", "health-pill", "language", "theme", "layer-twsa", "stations-toggle", "map",
              "day-before", "day", "panel-close", "normal", "span-range365", "chart", "7", "12",
              "100"]
    assert [name for name in first if name in wanted] == wanted


def test_the_layer_changes_by_arrow_keys(rich, read):
    page = read(rich).page
    page.focus("#layer-twsa")
    page.keyboard.press("ArrowRight")
    expect(page.locator("#layer-anomaly")).to_be_checked()
    expect(page.locator("#layer-anomaly")).to_be_focused()
    page.keyboard.press("ArrowRight")
    expect(page.locator("#layer-percentile")).to_be_checked()


def test_the_map_is_read_by_keys(rich, read):
    reader = read(rich)
    page = reader.page
    page.focus("#map")
    page.keyboard.press("ArrowLeft")
    before = reader.text("#readout dd >> nth=0")
    page.keyboard.press("Shift+ArrowLeft")
    after = reader.text("#readout dd >> nth=0")
    east = [float(re.search(r"([\d.]+)° E", text)[1]) for text in (before, after)]
    assert east[0] - east[1] == pytest.approx(5 * synthetic.GRID_DEG)
    expect(page.locator("#live")).to_contain_text("Water storage anomaly")
    page.keyboard.press("Enter")
    expect(page.locator("#panel-heading")).to_be_focused()
    assert reader.text("#panel-heading") in {name for name, _ in synthetic.BASINS.values()}


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("language", ["en", "zh"])
def test_nothing_serious_hinders_a_reader(rich, read, scheme, language):
    reader = read(rich, color_scheme=scheme, bypass_csp=True,
                  now=synthetic.AS_OF + timedelta(days=2),
                  fragment=f"#basin=7&layer=classes&lang={language}")
    reader.page.check("#stations-toggle")
    for summary in reader.page.locator("summary").all():
        if summary.is_visible() and not summary.evaluate("one => one.parentElement.open"):
            summary.click()
    reader.page.add_script_tag(path=str(AXE))
    found = reader.page.evaluate("() => axe.run(document, {resultTypes: ['violations']})")
    serious = [f"{one['id']}: {node['html'][:120]} {node['failureSummary']}"
               for one in found["violations"] if one["impact"] in ("serious", "critical")
               for node in one["nodes"]]
    assert serious == []


def test_the_language_changes_and_is_remembered(rich, read):
    reader = read(rich)
    assert reader.page.get_attribute("html", "lang") == "en"
    reader.page.click("#language")
    assert reader.page.get_attribute("html", "lang") == "zh-Hans"
    expect(reader.page.locator("h1")).to_have_text("陆地水储量")
    assert reader.page.title() == "陆地水储量"
    reader.page.evaluate("history.replaceState(null, '', location.pathname)")
    reader.open()
    expect(reader.page.locator("h1")).to_have_text("陆地水储量")


def test_both_languages_have_the_same_words(rich, read):
    keys = read(rich).page.evaluate(
        """async () => { const {LANGUAGES} = await import("./web/js/i18n.js");
        return Object.values(LANGUAGES).map((words) => Object.entries(words)
          .map(([key, text]) => [key, (text.match(/\\{\\w+\\}/g) ?? []).sort().join()])); }""")
    known = [dict(one) for one in keys]
    assert set(known[0]) == set(known[1])
    assert {key for key in known[0] if known[0][key] != known[1][key]} == set()


def test_a_reader_from_china_is_met_in_chinese(rich, read):
    assert read(rich, locale="zh-CN").page.get_attribute("html", "lang") == "zh-Hans"


def test_the_theme_follows_the_system_until_it_is_chosen(rich, read):
    reader = read(rich, color_scheme="dark")
    colour = "() => getComputedStyle(document.body.querySelector('.card')).backgroundColor"
    dark = reader.page.evaluate(colour)
    reader.page.click("#theme")
    light = reader.page.evaluate(colour)
    assert (dark, light) == ("rgb(24, 33, 42)", "rgb(255, 255, 255)")
    reader.open()
    assert reader.page.evaluate(colour) == light


@pytest.mark.parametrize("language", ["en", "zh"])
@pytest.mark.parametrize("tree", ["rich", "plain"])
def test_a_telephone_shows_all_of_it(request, read, tree, language):
    reader = read(request.getfixturevalue(tree), fragment=f"#basin=7&lang={language}",
                  viewport={"width": 360, "height": 740}, has_touch=True, is_mobile=True)
    assert reader.page.evaluate("document.documentElement.scrollWidth") == 360
    expect(reader.page.locator(".chart canvas")).to_be_visible()


@pytest.mark.parametrize(("hours", "level", "words"), [
    (2, "ok", "Up to date"), (8, "late", "Late. The service last worked 8 hours ago"),
    (30, "stale", "Out of date. The service last worked 30 hours ago"),
    (24 * 900, "stale", "Out of date. The service last worked 2 years ago")])
def test_a_dead_service_shows(rich, read, hours, level, words):
    reader = read(rich, now=synthetic.AS_OF + timedelta(hours=hours))
    expect(reader.page.locator("#health-pill")).to_have_attribute("data-level", level)
    where = "#health-pill" if level == "ok" else "#banner"
    assert words in reader.text(where)
    expect(reader.page.locator("#banner")).to_be_visible(visible=level != "ok")


def test_a_page_left_open_grows_stale(rich, read):
    reader = read(rich, now=None)
    reader.page.clock.install(time=synthetic.AS_OF + timedelta(hours=5, minutes=59))
    reader.open()
    expect(reader.page.locator("#health-pill")).to_have_attribute("data-level", "ok")
    reader.page.clock.run_for(120_000)
    expect(reader.page.locator("#health-pill")).to_have_attribute("data-level", "late")


def test_a_late_input_and_a_failed_run_are_said(rich, read):
    path = rich.published / "status.json"
    status = json.loads(path.read_text())
    status |= {"outcome": "failed", "newest_input_day": {"gnss": "2016-11-01"},
               "quarantined": [{"source": "gnss", "stream": "final", "key": "<b>x</b>",
                                "reason": "not a table"}]}
    path.write_text(json.dumps(status))
    reader = read(rich)
    assert "The last run failed" in reader.text("#banner")
    assert "out of date" in reader.text('#inputs [data-input="gnss"]')
    assert "Refused files (1)" in reader.text("#health")


def test_the_state_is_unknown_without_a_status(rich, read):
    (rich.published / "status.json").unlink()
    reader = read(rich)
    assert "not known" in reader.text("#banner")
    assert any("404" in one for one in reader.problems)
    reader.problems.clear()


def lightness(colour: str) -> float:
    """CIE L* of a colour."""
    share = [int(colour[at:at + 2], 16) / 255 for at in (1, 3, 5)]
    linear = [one / 12.92 if one <= 0.04045 else ((one + 0.055) / 1.055) ** 2.4 for one in share]
    red, green, blue = linear
    luminance = 0.2126 * red + 0.7152 * green + 0.0722 * blue
    return 116 * luminance ** (1 / 3) - 16


def test_lightness_of_the_colour_tables_is_monotone(rich, read):
    tables = read(rich).page.evaluate("async () => ({...await import('./web/js/colours.js')})")
    for name in ("DIVERGING", "CLASSES"):
        values = [lightness(colour) for colour in tables[name]]
        half = (len(values) + 1) // 2
        rising, falling = values[:half], values[::-1][:half]
        assert min(b - a for a, b in itertools.pairwise(rising)) > 2
        assert min(b - a for a, b in itertools.pairwise(falling)) > 2
        assert max(abs(a - b) for a, b in zip(rising, falling, strict=True)) < 6
    values = [lightness(colour) for colour in tables["SEQUENTIAL"]]
    assert max(b - a for a, b in itertools.pairwise(values)) < -8


def test_the_picture_of_the_page(request, read, tmp_path):
    """Of the workspace named by DWLIM_PAGE_WORKSPACE into the file named by DWLIM_PAGE_PICTURE."""
    named = os.environ.get(PICTURED)
    workspace = Workspace(Path(named)) if named else request.getfixturevalue("rich")
    target = Path(os.environ.get(PICTURE, tmp_path / "page.png"))
    status = json.loads((workspace.published / "status.json").read_text())
    basin = json.loads((workspace.published / "web/basins.json").read_text())["basins"][0]["id"]
    now = datetime.fromisoformat(status["as_of"]).astimezone(UTC) + timedelta(hours=2)
    reader = read(workspace, now=now, fragment=f"#basin={basin}",
                  viewport={"width": 1440, "height": 960})
    expect(reader.page.locator(".chart canvas")).to_be_visible()
    reader.page.screenshot(path=target)
    assert target.read_bytes().startswith(b"\x89PNG")
