"""The page follows from what is published: same bytes, healed after a kill, nothing done twice."""

import json
import shutil
from importlib import resources

import pytest
import synthetic

from dwlim_ops.outlets import page
from dwlim_ops.products import encode
from dwlim_ops.workspace import Workspace


@pytest.fixture
def shown(ticked, write_page) -> Workspace:
    """The synthetic region with the page of its two days."""
    content = synthetic.tomllib_of(ticked)
    content["products"]["map_days"] = 2
    synthetic.write_config(ticked.root, content)
    assert write_page(ticked) == []
    return ticked


def page_files(workspace: Workspace) -> dict[str, bytes]:
    return {path: content for path, content in synthetic.published_files(workspace).items()
            if path == page.HOME or path.startswith("web/")}


def test_it_writes_every_part_of_the_page(shown):
    files = page_files(shown)
    source = resources.files("dwlim_ops.publish") / "web"
    assert files["index.html"] == (source / "index.html").read_bytes()
    for folder in ("js", "css", "vendor"):
        assert {f"web/{folder}/{one.name}" for one in (source / folder).iterdir()} <= set(files)
    index = json.loads(files["web/index.json"])
    assert [one["day"] for one in index["days"]] == ["2016-12-30", "2016-12-31"]
    for one in index["days"]:
        facts = json.loads(files[f"web/grids/{one['product_id']}.json"])
        assert len(files[f"web/grids/{one['product_id']}.bin"]) == facts["n_bytes"]
        assert (shown.published / one["path"]).is_file()
    assert not list(shown.published.rglob("*.part"))


def test_vendored_code_has_its_licence_beside_it(shown):
    files = page_files(shown)
    assert b"BSD 2-Clause" in files["web/vendor/leaflet-LICENSE.txt"]
    assert b"MIT License" in files["web/vendor/uplot-LICENSE.txt"]
    assert b"1.9.4" in files["web/vendor/NOTICE.txt"]


def test_nothing_reaches_beyond_the_tree(shown):
    own = {path: content.decode() for path, content in page_files(shown).items()
           if path.endswith((".html", ".js", ".css")) and "vendor" not in path}
    assert [path for path, text in own.items() if "http://" in text or "https://" in text] == []
    assert [path for path, text in own.items() if "innerHTML" in text or "eval(" in text] == []
    assert "style=" not in own["index.html"]


def test_the_same_again_touches_nothing(shown, write_page):
    before = {path: path.stat().st_mtime_ns for path in shown.published.rglob("*")}
    content = page_files(shown)
    assert write_page(shown) == []
    assert {path: path.stat().st_mtime_ns for path in shown.published.rglob("*")} == before
    assert page_files(shown) == content


def test_a_product_is_read_once(shown, write_page, monkeypatch):
    monkeypatch.setattr(encode, "read", lambda path: pytest.fail(f"{path} is read again"))
    assert write_page(shown) == []


@pytest.mark.parametrize("damage", ["lost", "cut", "garbage", "other version", "no facts"])
def test_it_heals(shown, write_page, damage):
    before = page_files(shown)
    for path in (shown.published / "web/grids").glob("*"):
        if damage == "lost":
            path.unlink()
        elif damage == "cut" and path.suffix == ".bin":
            path.write_bytes(path.read_bytes()[:-3])
        elif damage == "garbage" and path.suffix == ".json":
            path.write_text("[]")
        elif damage == "no facts" and path.suffix == ".json":
            path.unlink()
        elif damage == "other version" and path.suffix == ".json":
            facts = json.loads(path.read_text()) | {"schema_version": 0}
            path.write_text(json.dumps(facts))
    for path in ("index.html", "web/js/main.js", "web/index.json"):
        (shown.published / path).write_text("half")
    assert write_page(shown) == []
    assert page_files(shown) == before


def test_what_is_not_wanted_any_more_goes(shown, write_page):
    for path in ("web/js/old.js", "web/vendor/old.css", "web/grids/old_r00.bin"):
        (shown.published / path).write_text("old")
    content = synthetic.tomllib_of(shown)
    content["products"]["map_days"] = 1
    synthetic.write_config(shown.root, content)
    assert write_page(shown) == []
    files = page_files(shown)
    assert not [path for path in files if "old" in path]
    assert len([path for path in files if path.startswith("web/grids/")]) == 2
    assert len(json.loads(files["web/index.json"])["days"]) == 1


def test_a_lost_product_is_told_and_the_page_goes_without_it(shown, write_page):
    lost = json.loads((shown.published / "web/index.json").read_text())["days"][0]
    (shown.published / lost["path"]).unlink()
    assert write_page(shown) == []
    shutil.rmtree(shown.published / "web/grids")
    remarks = write_page(shown)
    assert len(remarks) == 1
    assert lost["day"] in remarks[0]
    assert [one["day"] for one in json.loads((shown.published / "web/index.json").read_text())[
        "days"]] == ["2016-12-31"]


def test_a_lost_basin_is_told(shown, write_page):
    (shown.published / "basins/12.json").write_text("{")
    remarks = write_page(shown)
    assert len(remarks) == 1
    assert "basin 12" in remarks[0]


def test_optional_files_are_named_where_they_are(shown, write_page):
    shutil.rmtree(shown.published / "alerts", ignore_errors=True)
    assert write_page(shown) == []
    index = json.loads((shown.published / "web/index.json").read_text())
    assert (index["alerts"], index["feed"]) == (None, None)
    for path in ("alerts/active.geojson", "basins/precipitation/7.json"):
        (shown.published / path).parent.mkdir(exist_ok=True)
        (shown.published / path).write_text("{}")
    assert write_page(shown) == []
    index = json.loads((shown.published / "web/index.json").read_text())
    assert index["alerts"] == "alerts/active.geojson"
    basins = json.loads((shown.published / "web/basins.json").read_text())["basins"]
    assert [one["precipitation"] for one in basins] == ["basins/precipitation/7.json", None, None]
