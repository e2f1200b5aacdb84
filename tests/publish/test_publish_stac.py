"""The catalogue: valid, complete, the same bytes, and written where something changed only."""

import json
import socket
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pystac
import pytest

from dwlim_ops.publish import stac, tree
from dwlim_ops.publish.stac import Day, Record

RECORD = Record(
    region="toy", title="Terrestrial water storage anomaly, Toyland", description="Daily maps.",
    licence="CC-BY-4.0", west_south_east_north=(10.0, 40.0, 22.0, 50.0), provider="Office",
    provider_url="https://example.org", assets={"cube": "cube", "basins": "basins/basins.csv",
                                                "latest": "latest.json"})
FIRST = date(2016, 11, 28)


@pytest.fixture(autouse=True)
def _no_network(monkeypatch):
    def refused(*_):
        raise AssertionError("network")

    monkeypatch.setattr(socket.socket, "connect", refused)


def made_day(number, revision=0, *, first=FIRST, **more):
    day = first + timedelta(days=number)
    path = tree.product_path("toy", day, revision)
    return Day(day, Path(path).stem, "preview", revision,
               datetime(2017, 1, 2, 18, tzinfo=UTC), f"{number:064d}"[:62] + f"{revision:02d}",
               {"netcdf": path, **more})


def laid_out(root, days):
    """Write what the catalogue names."""
    for place in ("basins/basins.csv", "latest.json", "cube/refs/main",
                  *(place for one in days for place in one.assets.values())):
        (root / place).parent.mkdir(parents=True, exist_ok=True)
        (root / place).write_bytes(b"x")


def files(root):
    return {path.relative_to(root).as_posix(): path.read_bytes()
            for path in sorted((root / "stac").rglob("*")) if path.is_file()}


def documents(root):
    for path in sorted((root / "stac").rglob("*.json")):
        yield path, json.loads(path.read_text())


@pytest.fixture
def days():
    newest = made_day(40, 2, geotiff="geotiff/twsa_toy_20170107_r02.tif",
                      map="maps/twsa_toy_20170107_r02.png")
    return [*(made_day(number) for number in range(40)), newest]


def test_it_is_valid_without_a_network(tmp_path, days):
    stac.write(tmp_path, RECORD, days)
    catalog = pystac.Catalog.from_file(str(tmp_path / stac.ROOT))
    assert catalog.validate_all() == len(days)
    items = sorted(catalog.get_items(recursive=True), key=lambda one: one.id)
    assert [one.id for one in items] == [stac.item_name("toy", one.day) for one in days]
    assert {one.get_collection().id for one in items} == {"toy"}
    assert all(one.stac_extensions == [] for one in items)
    assert items[-1].datetime == datetime(2017, 1, 7, tzinfo=UTC)
    assert items[-1].properties["dwlim:revision"] == 2
    assert items[-1].assets["geotiff"].to_dict()["bands"][0]["name"] == "twsa"
    (collection,) = catalog.get_children()
    assert collection.extent.temporal.intervals[0][0] == datetime(2016, 11, 28, tzinfo=UTC)
    assert collection.license == "CC-BY-4.0"


def test_every_link_leads_to_a_file(tmp_path, days):
    laid_out(tmp_path, days)
    stac.write(tmp_path, RECORD, days)
    n_links = 0
    for path, content in documents(tmp_path):
        hrefs = [link["href"] for link in content["links"]]
        hrefs += [asset["href"] for asset in content.get("assets", {}).values()]
        for href in hrefs:
            assert not href.startswith("/")
            assert "://" not in href
            assert (path.parent / href).resolve().is_relative_to(tmp_path)
            assert (path.parent / href).exists(), (path, href)
            n_links += 1
    assert n_links > 5 * len(days)


def test_the_same_record_gives_the_same_bytes_in_any_order_of_events(tmp_path, days):
    stac.write(tmp_path / "one", RECORD, days)
    for end in (1, 7, 40, 41):
        stac.write(tmp_path / "two", RECORD, days[:end])
    assert files(tmp_path / "one") == files(tmp_path / "two")


def test_what_has_not_changed_is_not_written(tmp_path, days):
    assert stac.write(tmp_path, RECORD, days) == 7 + len(days)
    assert stac.write(tmp_path, RECORD, days) == 0
    days[3] = made_day(3, 1)
    before = files(tmp_path)
    assert stac.write(tmp_path, RECORD, days) == 2
    after = files(tmp_path)
    assert {path for path in after if after[path] != before[path]} == {
        "stac/toy/2016/12/catalog.json", "stac/toy/2016/12/twsa_toy_20161201.json"}
    days.append(made_day(41))
    assert stac.write(tmp_path, RECORD, days) == 3


def test_another_place_or_title_reaches_every_item(tmp_path, days):
    stac.write(tmp_path / "one", RECORD, days)
    moved = replace(RECORD, west_south_east_north=(9.0, 40.0, 22.0, 50.0))
    stac.write(tmp_path / "one", moved, days)
    stac.write(tmp_path / "two", moved, days)
    assert files(tmp_path / "one") == files(tmp_path / "two")


@pytest.mark.parametrize("n_writes", [0, 5, 30, 46])
def test_an_end_at_any_write_is_made_good(tmp_path, monkeypatch, days, n_writes):
    stac.write(tmp_path / "one", RECORD, days)
    stac.write(tmp_path / "two", RECORD, [made_day(number, 9) for number in range(20)])
    real, left = tree.replace, n_writes

    def dying(*arguments):
        nonlocal left
        left -= 1
        if left < 0:
            raise KeyboardInterrupt
        return real(*arguments)

    with monkeypatch.context() as patch:
        patch.setattr(tree, "replace", dying)
        with pytest.raises(KeyboardInterrupt):
            stac.write(tmp_path / "two", RECORD, days)
    stac.write(tmp_path / "two", RECORD, days)
    assert files(tmp_path / "one") == files(tmp_path / "two")


def test_lost_and_foreign_files_are_made_good(tmp_path, days):
    stac.write(tmp_path, RECORD, days)
    expected = files(tmp_path)
    folder = tmp_path / "stac/toy/2016/12"
    (folder / "twsa_toy_20161203.json").unlink()
    (folder / "twsa_toy_20161299.json").write_text("{}")
    (tmp_path / stac.ROOT).write_text("{")
    stac.write(tmp_path, RECORD, days)
    assert files(tmp_path) == expected


def test_a_cube_elsewhere_is_named_by_its_url_and_a_free_licence_text_is_other(tmp_path, days):
    record = replace(RECORD, licence="see NOTICE.md", assets={"cube": "s3://records/water/cube"},
                     provider_url="")
    stac.write(tmp_path, record, days)
    (collection,) = pystac.Catalog.from_file(str(tmp_path / stac.ROOT)).get_children()
    collection.validate()
    assert collection.assets["cube"].href == "s3://records/water/cube"
    assert collection.assets["cube"].media_type == stac.ICECHUNK
    assert collection.license == "other"
