"""The page in a real browser: what stands on the screen is what stands in the files."""

import csv
import json
import re
from base64 import b64decode
from datetime import timedelta
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
import synthetic
import xarray as xr
from PIL import Image
from playwright.sync_api import expect

pytestmark = pytest.mark.slow

NEWEST = synthetic.DAY.isoformat()
LATER = synthetic.AS_OF + timedelta(hours=2)


def to_number(text: str) -> float:
    return float(re.sub(r"[^0-9.+-]", "", text.replace("−", "-")))


def printed(text: str, value: float, decimals: int) -> bool:
    """The text is the value, rounded to the digits that are shown."""
    shown = to_number(text)
    return abs(shown - value) <= 0.5 * 10**-decimals + 1e-9 and len(
        text.strip().split(".")[-1]) == decimals


def json_of(workspace, path: str):
    return json.loads((workspace.published / path).read_text())


def product(workspace, day: str) -> xr.Dataset:
    record = next(one for one in json_of(workspace, "web/index.json")["days"] if one["day"] == day)
    with xr.open_dataset(workspace.published / record["path"]) as opened:
        return opened.load()


def pixel(reader, latitude: float, longitude: float) -> tuple[float, float]:
    """Where a place is on the screen: degrees are even within the frame of the coast."""
    box = reader.page.locator("path.coast").bounding_box()
    west, south, east, north = synthetic.OUTLINE.bounds
    return (box["x"] + box["width"] * (longitude - west) / (east - west),
            box["y"] + box["height"] * (north - latitude) / (north - south))


def test_the_table_holds_the_basins_of_the_file(rich, read):
    reader = read(rich)
    method = json_of(rich, "latest.json")["published_method"]
    rows = reader.page.locator("#basins tbody tr")
    expect(rows).to_have_count(3)
    with (rich.published / "basins/basins.csv").open() as stream:
        table = {row["basin"]: row for row in csv.DictReader(stream)
                 if row["date"] == NEWEST and row["method"] == method}
    for number, (key, (name, _)) in enumerate(synthetic.BASINS.items()):
        row, standing = rows.nth(number), json_of(rich, f"basins/{key}.json")["standing"]
        assert row.locator("button").inner_text() == name
        shown = [row.locator(f"[data-value={column}]").inner_text()
                 for column in ("twsa", "sigma", "percentile")]
        assert printed(shown[0], float(table[key]["twsa_mm"]), 1)
        assert printed(shown[1], float(table[key]["sigma_mm"]), 1)
        assert printed(shown[2], standing["percentile"][-1], 1)
        assert row.locator("[data-value=class]").inner_text() == standing["category"][-1]


def test_the_slider_shows_other_days(rich, read):
    reader = read(rich)
    days = [one["day"] for one in json_of(rich, "web/index.json")["days"]]
    assert len(days) == 7
    document = json_of(rich, "basins/12.json")
    series = document["series"][json_of(rich, "latest.json")["published_method"]]
    reader.page.focus("#day")
    for back in (2, 3):
        reader.page.keyboard.press("ArrowLeft")
        day = days[-back]
        expect(reader.page.locator("#basins caption")).to_contain_text(
            f"{int(day[8:])} Dec 2016")
        value = series["twsa_mm"][series["date"].index(day)]
        cell = reader.page.locator('#basins tr:has([data-basin="12"]) [data-value=twsa]')
        assert printed(cell.inner_text(), value, 1)
        assert f"day={day}" in reader.page.url
    reader.page.click("#day-after")
    expect(reader.page.locator("#day-text")).to_have_text("30 December 2016")
    assert reader.page.get_attribute("#day", "aria-valuetext") == "30 December 2016"


@pytest.mark.parametrize("place", [(44.25, 12.25), (46.75, 19.25)])
def test_the_pointer_reads_the_cell_of_the_product(rich, read, place):
    reader = read(rich)
    reader.page.mouse.move(*pixel(reader, *place))
    cell = product(rich, NEWEST).sel(lat=place[0], lon=place[1], method="nearest").squeeze()
    value, sigma = reader.text("#readout [data-value=twsa]").split(" mm")[0].split(" ± ")
    assert printed(value, float(cell.twsa), 1)
    assert printed(sigma, float(cell.twsa_sigma), 1)
    anomaly = reader.text("#readout [data-value=anomaly]").removesuffix(" sd")
    assert printed(anomaly, float(cell.twsa_standardized_anomaly), 2)
    assert printed(reader.text("#readout [data-value=percentile]"), float(cell.twsa_percentile), 1)
    resolution = to_number(reader.text("#readout [data-value=resolution]").removesuffix(" km"))
    assert abs(resolution - float(cell.resolution_km)) <= 0.5
    reader.page.mouse.move(5, 5)
    expect(reader.page.locator("#readout")).to_be_hidden()


def test_every_layer_paints_its_colours(rich, read):
    reader = read(rich)
    picture_of = "() => document.querySelector('#map canvas.raster')?.toDataURL() ?? null"
    tables = reader.page.evaluate(
        """async () => { const {scaleOf} = await import("./web/js/colours.js");
        const index = await (await fetch("web/index.json")).json();
        return Object.fromEntries(["twsa", "anomaly", "percentile", "sigma"]
          .map((name) => [name, scaleOf(name, index)])); }""")
    dataset = product(rich, NEWEST)
    names = {"anomaly": "twsa_standardized_anomaly", "percentile": "twsa_percentile",
             "sigma": "twsa_sigma", "twsa": "twsa"}
    for layer, name in names.items():
        reader.page.check(f"#layer-{layer}", force=True)
        content = reader.page.evaluate(picture_of).split(",")[1]
        picture = np.array(Image.open(BytesIO(b64decode(content))))[3::6, 5::6][::-1]
        values = dataset[name].values[0]
        quality = dataset["quality_flag"].values[0]
        land, clear = (quality & 32) == 0, (quality & 33) == 0
        assert (picture[..., 3] == 255).tolist() == land.tolist()
        assert clear.any()
        colours = np.array([[int(one[at:at + 2], 16) for at in (1, 3, 5)]
                            for one in tables[layer]["colours"]])
        step = 0.01 if layer == "anomaly" else 0.1
        rounded = np.rint(values[clear].astype(float) / step) * step
        wanted = colours[np.digitize(rounded, tables[layer]["bounds"])]
        assert (picture[clear][:, :3] == wanted).all()
        assert f"layer={layer}" in reader.page.url
    reader.page.check("#layer-classes", force=True)
    assert reader.page.evaluate(picture_of) is None


def test_a_click_on_a_basin_opens_its_panel(rich, read):
    reader = read(rich, fragment="#layer=classes")
    west, south, east, north = synthetic.BASINS["7"][1]
    reader.page.mouse.click(*pixel(reader, (south + north) / 2, (west + east) / 2))
    expect(reader.page.locator("#panel-heading")).to_have_text("West River")
    expect(reader.page.locator("#panel-heading")).to_be_focused()
    assert "basin=7" in reader.page.url
    document = json_of(rich, "basins/7.json")
    standing = document["standing"]
    series = document["series"][json_of(rich, "latest.json")["published_method"]]
    assert printed(reader.text("#panel [data-value=twsa] strong"), series["twsa_mm"][-1], 1)
    assert standing["category"][-1] in reader.text("#panel [data-value=class]")
    assert reader.text("#panel [data-value=tier]") == "preview · 0"
    for category, share in zip(json_of(rich, "web/index.json")["categories"],
                               standing["probabilities"][-1], strict=True):
        item = reader.page.locator(f'#panel [data-category="{category}"]')
        expect(item).to_have_count(int(share >= 0.005))
        if share >= 0.005:
            assert f"{100 * share:.0f} %" in item.inner_text()
    assert standing["veto"][-1] in reader.text("#panel .note")
    colour = reader.page.locator('path[data-basin="7"]').get_attribute("data-category")
    assert colour == standing["category"][-1]
    reader.page.click("#panel-close")
    expect(reader.page.locator("#panel")).to_be_hidden()
    expect(reader.page.locator('#basins [data-basin="7"]')).to_be_focused()


def test_the_chart_reads_out_the_series(rich, read):
    reader = read(rich, fragment="#basin=7")
    document = json_of(rich, "basins/7.json")
    series = document["series"][json_of(rich, "latest.json")["published_method"]]
    climatology = document["climatology"]["normal_mm"]
    reader.page.locator(".chart").focus()
    for back in (2, 3):
        reader.page.keyboard.press("ArrowLeft")
        words = reader.text("#chart-line")
        value, sigma = series["twsa_mm"][-back], series["sigma_mm"][-back]
        found = re.search(r": (\S+) mm, 90 % interval (\S+) to (\S+) mm · normal (\S+) mm", words)
        assert found is not None
        for text, wanted in zip(found.groups(), (
                value, value - 1.645 * sigma, value + 1.645 * sigma, climatology[366 - back]),
                strict=True):
            assert printed(text, wanted, 1)
    expect(reader.page.locator("#live")).to_have_text(reader.text("#chart-line"))
    ink = "() => document.querySelector('.chart canvas').toDataURL()"
    for toggle in ("[data-show=normal]", "[data-show=precipitation]", "#span-range90",
                   "[data-show=dwlim]"):
        before = reader.page.evaluate(ink)
        reader.page.locator(toggle).click(force=True)
        reader.page.wait_for_timeout(100)
        assert reader.page.evaluate(ink) != before


def test_stations_stand_where_and_how_the_product_has_them(rich, read):
    reader = read(rich)
    record = json_of(rich, "web/index.json")["days"][-1]
    with xr.open_dataset(rich.published / record["path"],
                         group="displacements/stations") as opened:
        table = opened.load()
    used = int(((table.flag == 0) & (table.exclusion == "") & np.isfinite(table.up_mm)).sum())
    assert f"{used} used" in reader.text("#station-count")
    expect(reader.page.locator(".leaflet-container .station")).to_have_count(0)
    reader.page.check("#stations-toggle")
    expect(reader.page.locator(".leaflet-container .station")).to_have_count(table.sizes["station"])
    expect(reader.page.locator(".leaflet-container .station.used")).to_have_count(used)
    reader.page.locator("#stations summary").click()
    first = reader.page.locator("#stations tbody tr").first
    assert first.locator("th").inner_text() == str(table.station.values[0])
    assert printed(first.locator("td").nth(2).inner_text(), float(table.up_mm.values[0]), 2)


def test_alerts_lead_to_their_messages(rich, read):
    reader = read(rich)
    item = reader.page.locator("#alerts li")
    expect(item).to_have_count(1)
    assert "Severe drought: South Plain" in item.inner_text()
    assert "83 %" in item.inner_text()
    assert "TEST" in item.inner_text().upper()
    link = item.locator("a").get_attribute("href")
    assert reader.page.request.get(link).ok
    item.locator("button").click()
    expect(reader.page.locator("#panel-heading")).to_have_text("South Plain")


def test_an_alert_that_ran_out_says_so(rich, read):
    reader = read(rich, now=LATER + timedelta(days=4))
    assert "expired" in reader.text("#alerts li")


def test_downloads_are_the_files(rich, read):
    reader = read(rich, fragment="#basin=12")
    expect(reader.page.locator("#panel .downloads a")).to_have_count(3)
    wanted = ("basins/basins.csv", "basins/12.json",
              json_of(rich, "web/index.json")["days"][-1]["path"])
    for number, path in enumerate(wanted):
        link = reader.page.locator("#panel .downloads a").nth(number)
        with reader.page.expect_download() as waiting:
            link.click()
        assert Path(waiting.value.path()).read_bytes() == (rich.published / path).read_bytes()


def test_a_link_shows_the_same_again(rich, read):
    day = json_of(rich, "web/index.json")["days"][1]["day"]
    reader = read(rich, fragment=f"#day={day}&layer=sigma&basin=100&lang=zh")
    assert reader.page.is_checked("#layer-sigma")
    expect(reader.page.locator("#panel-heading")).to_have_text("South Plain")
    assert reader.page.get_attribute("html", "lang") == "zh-Hans"
    assert day[:4] in reader.text("#day-text")
    reader.page.evaluate("location.hash = '#day=x&layer=y&basin=z&lang=q'")
    expect(reader.page.locator("#panel")).to_be_hidden()
    assert reader.page.is_checked("#layer-twsa")


#: As the quality control words them (`qc.screening`, `qc.comparison`), and in Chinese.
REASONS = {
    "12.3 deg from the region": "距区域 12.3 度",
    "formal error 7.1 mm": "形式误差 7.1 毫米",
    "only 12 usable days": "仅有 12 天可用",
    "record of only 34 days": "记录仅 34 天",
    "scatter 15.0 mm": "离散度 15.0 毫米",
    "annual term of 4.2 mm, 130 days from that of its neighbours (3.1 mm); residual of 2.0 mm in "
    "phase with the year's temperature (correlation -0.81)":
        "年周期项 4.2 毫米，与邻近测站（3.1 毫米）相差 130 天; "
        "残差 2.0 毫米，与年温度同相（相关系数 -0.81）",
    "a reason that nobody translated": "a reason that nobody translated",
}


def test_reasons_for_leaving_a_station_out_are_translated(rich, read):
    for path in (rich.published / "web/grids").glob("*.json"):
        facts = json.loads(path.read_text())
        first, *_ = facts["stations"]
        facts["stations"] = [first | {"id": f"S{number}", "state": "excluded", "reason": reason,
                                      "flags": []} for number, reason in enumerate(REASONS)]
        path.write_text(json.dumps(facts))
    for language, expected in (("en", list(REASONS)), ("zh", list(REASONS.values()))):
        reader = read(rich, fragment=f"#lang={language}")
        cells = reader.page.locator("[data-station] td:nth-child(3)")
        expect(cells).to_have_count(len(REASONS))
        assert cells.all_text_contents() == expected


def test_without_the_optional_files(plain, read):
    reader = read(plain, fragment="#layer=percentile&basin=7")
    assert reader.page.locator("#layers input").count() == 2
    assert reader.page.is_checked("#layer-twsa")
    assert "no alerts" in reader.text("#alerts")
    expect(reader.page.locator("[data-show=normal], [data-show=precipitation]")).to_have_count(0)
    assert reader.page.locator("#basins thead th").count() == 3
    expect(reader.page.locator("#panel [data-value=class]")).to_have_count(0)
    expect(reader.page.locator(".chart canvas")).to_have_count(1)


def test_a_basin_without_precipitation_has_no_such_toggle(rich, read):
    reader = read(rich, fragment="#basin=12")
    expect(reader.page.locator("[data-show=normal]")).to_have_count(1)
    expect(reader.page.locator("[data-show=precipitation]")).to_have_count(0)


def test_nothing_is_published_yet(workspace, write_page, read):
    assert write_page(workspace) == []
    (workspace.published / "status.json").write_text('{"as_of": "2017-01-02T18:00:00Z"}')
    reader = read(workspace)
    assert "Nothing is published" in reader.text("#day-text")
    assert "No basin has values" in reader.text("#basins")


def test_a_damaged_grid_is_said(rich, read):
    damaged = json_of(rich, "web/index.json")["days"][0]
    path = rich.published / "web/grids" / f"{damaged['product_id']}.bin"
    path.write_bytes(path.read_bytes()[:-1])
    reader = read(rich)
    for _ in range(6):
        reader.page.click("#day-before")
    expect(reader.page.locator("#map-problem")).to_contain_text("cannot be read")
    expect(reader.page.locator("canvas.raster")).to_have_count(0)
    reader.page.click("#day-after")
    expect(reader.page.locator("#map-problem")).to_be_hidden()


def test_a_new_product_shows_without_reload(rich, read, write_page):
    index = rich.published / "web/index.json"
    now = index.read_text()
    older = json.loads(now)
    older["days"] = older["days"][:-1]
    index.write_text(json.dumps(older))
    reader = read(rich, now=None)
    reader.page.clock.install(time=LATER)
    reader.open()
    expect(reader.page.locator("#day-text")).to_have_text("30 December 2016")
    index.write_text(now)
    reader.page.clock.run_for(301_000)
    expect(reader.page.locator("#day-text")).to_have_text("31 December 2016")


def test_names_from_outside_are_text_and_nothing_else(rich, read):
    hostile = '<img src=x onerror="alert(1)"><script>alert(2)</script>' + "w" * 60
    for path in ("web/basins.json", "web/geography.json"):
        content = json_of(rich, path)
        for basin in content["basins"]:
            basin["name"] = hostile
        (rich.published / path).write_text(json.dumps(content))
    index = json_of(rich, "web/index.json")
    index["title"] = index["licence"] = hostile
    (rich.published / "web/index.json").write_text(json.dumps(index))
    alerts = json_of(rich, "alerts/active.geojson")
    alerts["features"][0]["properties"] |= {
        "cap": "javascript:alert(3)", "headlines": {"en": hostile}, "class": hostile,
        "severity": hostile, "status": hostile}
    (rich.published / "alerts/active.geojson").write_text(json.dumps(alerts))
    grids = rich.published / "web/grids"
    for path in grids.glob("*.json"):
        facts = json.loads(path.read_text())
        facts["stations"][0] |= {"reason": hostile, "id": hostile}
        path.write_text(json.dumps(facts))
    reader = read(rich, fragment='#basin=7&layer="><img src=x>')
    asked: list[str] = []
    reader.page.on("dialog", lambda dialog: (asked.append(dialog.message), dialog.dismiss()))
    reader.page.check("#stations-toggle")
    assert reader.text("#region-title") == hostile
    expect(reader.page.locator("#panel-heading")).to_have_text(hostile)
    assert reader.page.locator("#main img, body script").count() == 0
    assert reader.page.locator("#alerts li a").count() == 0
    assert asked == []
    narrow = reader.page.evaluate("document.documentElement.scrollWidth - innerWidth")
    assert narrow <= 0


def test_the_policy_forbids_what_is_inline(rich, read):
    reader = read(rich)
    reader.page.evaluate("""() => { const script = document.createElement("script");
        script.textContent = "window.broken = true"; document.body.append(script); }""")
    assert reader.page.evaluate("window.broken") is None
    assert any("Content Security Policy" in one for one in reader.problems)
    reader.problems.clear()


def test_it_answers_when_the_region_is_synthetic(rich, read):
    index = json_of(rich, "web/index.json")
    index["synthetic"] = True
    (rich.published / "web/index.json").write_text(json.dumps(index))
    assert "Synthetic inputs" in read(rich).text("#banner")
