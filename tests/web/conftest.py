"""A published tree with everything that a page can show, served on loopback to a real browser."""

import json
import os
import shutil
import tomllib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import synthetic
from playwright.sync_api import Browser, Page, sync_playwright

from dwlim_ops.alerts.feed import active_geojson
from dwlim_ops.alerts.messages import Message
from dwlim_ops.alerts.words import Words
from dwlim_ops.contracts import CATEGORIES, CATEGORY_BOUNDS_PERCENT
from dwlim_ops.monitoring import serve_tree
from dwlim_ops.outlets import page as outlet
from dwlim_ops.products import encode
from dwlim_ops.session import Session
from dwlim_ops.workspace import Workspace

ARGUMENTS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
FIRST_DAY = date(2016, 12, 24)
#: Two hours after the tick that made the newest day.
NOW = synthetic.AS_OF + timedelta(hours=2)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Debian's Chromium; with CI it must be there.

    Not for longer: while it is there, an event loop runs in this thread, and others cannot start.
    """
    path = shutil.which("chromium")
    if path is None:
        missing = "Chromium is not there: apt-get install chromium"
        if os.environ.get("CI"):
            pytest.fail(missing)
        pytest.skip(missing)
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=path, args=ARGUMENTS)
        yield chromium
        chromium.close()


def refresh(workspace: Workspace) -> list[str]:
    """Write the page of a workspace."""
    session = Session(workspace)
    try:
        return outlet.refresh(session, session.ledger.newest_revisions(), as_of=synthetic.AS_OF)
    finally:
        session.close()


@pytest.fixture(scope="session")
def _days(tmp_path_factory, _ticked) -> Path:
    """The synthetic region with eight published days, without the optional files."""
    root = tmp_path_factory.mktemp("days") / "ws"
    shutil.copytree(_ticked, root)
    session = Session(Workspace(root))
    synthetic.run_tick(session, first=FIRST_DAY, last=synthetic.DAY)
    session.close()
    content = tomllib.loads((root / "dwlim.toml").read_text())
    content["products"]["map_days"] = 7
    synthetic.write_config(root, content)
    return root


@pytest.fixture(scope="session")
def _plain(tmp_path_factory, _days) -> Path:
    root = tmp_path_factory.mktemp("plain") / "ws"
    shutil.copytree(_days, root)
    strip(root / "published")
    assert refresh(Workspace(root)) == []
    return root


@pytest.fixture(scope="session")
def _rich(tmp_path_factory, _days) -> Path:
    root = tmp_path_factory.mktemp("rich") / "ws"
    shutil.copytree(_days, root)
    enrich(root / "published")
    assert refresh(Workspace(root)) == []
    return root


@pytest.fixture
def plain(_plain, tmp_path) -> Workspace:
    """Without climatology, alerts and precipitation."""
    shutil.copytree(_plain / "published", tmp_path / "plain" / "published")
    return Workspace(tmp_path / "plain")


@pytest.fixture
def rich(_rich, tmp_path) -> Workspace:
    """With all of them, made by hand."""
    shutil.copytree(_rich / "published", tmp_path / "rich" / "published")
    return Workspace(tmp_path / "rich")


@pytest.fixture
def write_page() -> Callable[[Workspace], list[str]]:
    return refresh


def strip(published: Path) -> None:
    """Take the optional blocks and files out of a published tree."""
    shutil.rmtree(published / "alerts", ignore_errors=True)
    shutil.rmtree(published / "web", ignore_errors=True)
    for path in (published / "basins").glob("[0-9]*.json"):
        document = json.loads(path.read_text())
        path.write_text(json.dumps(document | {"climatology": None, "standing": None}))
    for path in (published / "daily").rglob("*.nc"):
        product = encode.read(path)
        bare = product.root.drop_vars(["twsa_standardized_anomaly", "twsa_percentile"],
                                      errors="ignore")
        path.write_bytes(encode.to_bytes(replace(product, root=bare)))


def enrich(published: Path) -> None:
    """Add the optional blocks and files to a published tree."""
    shutil.rmtree(published / "web", ignore_errors=True)
    random = np.random.default_rng(1)
    for number, path in enumerate(sorted((published / "basins").glob("[0-9]*.json"))):
        _enrich_basin(path, random, number)
    for path in sorted((published / "daily").rglob("*.nc")):
        _enrich_product(path)
    _write_alerts(published)


def _enrich_basin(path: Path, random: np.random.Generator, number: int) -> None:
    document = json.loads(path.read_text())
    phase = 2 * np.pi * np.arange(366) / 366
    normal, spread = 60 * np.cos(phase - 0.5), 30 + 5 * np.sin(phase)
    method = "tragnss"
    document["series"].setdefault("dwlim", dict(document["series"][method]))
    last = document["series"][method]["date"][-1]
    days = [(date.fromisoformat(last) - timedelta(days=back)).isoformat()
            for back in range(500, -1, -1)]
    place = [(date.fromisoformat(f"2000{day[4:]}") - date(2000, 1, 1)).days for day in days]
    walk = np.convolve(random.standard_normal(540), np.ones(40) / 6, "valid")
    offset = (-1.7, 0.3, 1.2, -0.6, -1.2, 2.3)[number % 6]
    values = normal[place] + spread[place] * (walk + offset)
    for name, series in document["series"].items():
        known = dict(zip(series["date"], zip(series["twsa_mm"], series["sigma_mm"], strict=True),
                         strict=True))
        pairs = [known.get(day, (round(float(value), 3), 9.0 if name == method else 5.0))
                 for day, value in zip(days, values * (1 if name == method else 0.7), strict=True)]
        document["series"][name] |= {
            "date": days, "twsa_mm": [pair[0] for pair in pairs],
            "sigma_mm": [pair[1] for pair in pairs],
            "tier": ["definitive"] * (len(days) - 9) + ["era5t"] * 6 + ["preview"] * 3,
            "revision": [2] * (len(days) - 9) + [1] * 6 + [0] * 3}
    document["climatology"] = {
        "first": "2009-01-01", "last": "2016-12-31", "normal_mm": normal.round(3).tolist(),
        "spread_mm": spread.round(3).tolist(), "trend_mm_per_year": -2.4 + number,
        "trend_sigma_mm_per_year": 0.8}
    document["standing"] = _standing(method, days, walk + offset)
    path.write_text(json.dumps(document, ensure_ascii=False))
    rain = np.where(random.uniform(size=len(days)) < 0.3, random.gamma(1.0, 8.0, len(days)), 0.0)
    folder = path.parent / "precipitation"
    folder.mkdir(exist_ok=True)
    if number != 1:
        (folder / path.name).write_text(json.dumps({
            "basin": document["id"], "units": "mm", "date": days,
            "precipitation_mm": rain.round(1).tolist()}))


def _standing(method: str, days: list[str], anomaly: np.ndarray) -> dict[str, Any]:
    from scipy.stats import norm

    percentile = 100 * norm.cdf(anomaly)
    edges = norm.ppf(np.array([0.0, *CATEGORY_BOUNDS_PERCENT, 100.0]) / 100)
    chances = np.diff(norm.cdf((edges - anomaly[:, None]) / 0.4), axis=1)
    category = [CATEGORIES[at] for at in np.digitize(percentile, CATEGORY_BOUNDS_PERCENT)]
    return {"method": method, "date": days, "standardized_anomaly": anomaly.round(3).tolist(),
            "percentile": percentile.round(2).tolist(), "category": category,
            "probabilities": chances.round(4).tolist(),
            "veto": [""] * (len(days) - 1) + ["low resolution on 60 % of the basin"]}


def _enrich_product(path: Path) -> None:
    from scipy.stats import norm

    product = encode.read(path)
    root = product.root
    anomaly = (root["twsa"] / 50.0).clip(-3.2, 3.2).astype(np.float32)
    root["twsa_standardized_anomaly"] = anomaly
    root["twsa_percentile"] = anomaly.copy(data=(100 * norm.cdf(anomaly)).astype(np.float32))
    path.write_bytes(encode.to_bytes(product))


def _write_alerts(published: Path) -> None:
    basin = json.loads(next(iter(sorted((published / "basins").glob("[0-9]*.json")))).read_text())
    sent = datetime.fromisoformat(json.loads((published / "status.json").read_text())["as_of"])
    words = {language: Words(language, event, f"{headline}: {basin['name']}", "", "", "")
             for language, event, headline in (("en", "Drought", "Severe drought"),
                                               ("zh", "干旱", "严重干旱"))}
    message = Message(
        identifier="dwlim-test-0001", chain="dwlim-test", number=0, kind="Alert", status="Test",
        drill=False, sender="desk@example.org", sender_name="Desk", contact="", web="",
        sent=sent, expires=sent + timedelta(days=3), references=(), region="toyland",
        basin=basin["id"], basin_name=basin["name"],
        rings=(((10.0, 40.0), (15.0, 40.0), (15.0, 50.0), (10.0, 40.0)),), hazard="drought",
        category="D2", severity="Severe", urgency="Expected", certainty="Likely", probability=0.83,
        day=sent.date(), onset=sent.date() - timedelta(days=9), percentile=6.0,
        standardized_anomaly=-1.5, probabilities=(1.0, *[0.0] * 10), product_id="p", words=words)
    (published / "alerts" / "cap").mkdir(parents=True, exist_ok=True)
    (published / "alerts" / "active.geojson").write_bytes(active_geojson([message]))
    (published / "alerts" / "cap" / "dwlim-test-0001.xml").write_text("<alert/>\n")


@dataclass
class Reader:
    """A page in the browser, and everything that went wrong in it."""

    page: Page
    address: str
    problems: list[str] = field(default_factory=list)

    def open(self, fragment: str = "") -> "Reader":
        self.page.goto(f"{self.address}/index.html{fragment}")
        self.page.wait_for_selector("html[data-ready]")
        return self

    def text(self, selector: str) -> str:
        return " ".join(self.page.locator(selector).inner_text().split())


@pytest.fixture
def read(browser) -> Iterator[Callable[..., Reader]]:
    """Opens published trees; whatever reaches beyond loopback, fails or complains is a problem.

    Problems fail the test when it ends, unless it has looked at them and cleared them.
    """
    opened: list[Any] = []

    def start(workspace: Workspace, *, now: datetime | None = NOW, fragment: str = "",
              **options: Any) -> Reader:
        serving = serve_tree(workspace.published, host="127.0.0.1", port=0)
        port = serving.__enter__()
        context = browser.new_context(**{"viewport": {"width": 1440, "height": 900},
                                         "locale": "en-GB", **options})
        page = context.new_page()
        reader = Reader(page, f"http://127.0.0.1:{port}")
        opened.append(SimpleNamespace(context=context, serving=serving, reader=reader))
        context.route(lambda address: not address.startswith(reader.address),
                      lambda route: (reader.problems.append(f"asked for {route.request.url}"),
                                     route.abort()))
        page.on("console", lambda one: reader.problems.append(f"{one.type}: {one.text}"))
        page.on("pageerror", lambda error: reader.problems.append(str(error)))
        page.on("requestfailed", lambda one: reader.problems.append(f"failed: {one.url}")
                if one.failure != "net::ERR_ABORTED" else None)
        if now is not None:
            page.clock.set_fixed_time(now.astimezone(UTC))
        return reader.open(fragment)

    yield start
    for one in opened:
        one.context.close()
        one.serving.__exit__(None, None, None)
    assert [one.reader.problems for one in opened] == [[] for _ in opened]
