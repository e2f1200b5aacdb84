"""GeoTIFF, STAC and schemas of a real published tree."""

import json
import shutil

import pystac
import pytest
import rasterio
import synthetic
from test_outlets_cube import with_outlets

from dwlim_ops.outlets import catalogue
from dwlim_ops.outlets import cube as cube_outlet
from dwlim_ops.products import encode
from dwlim_ops.publish import geotiff, tree


@pytest.fixture
def session(served, open_session):
    for name in ("cube", "stac", "geotiff", "schemas"):
        shutil.rmtree(served.published / name, ignore_errors=True)
    return with_outlets(open_session(served))


def refreshed(session, newest=None):
    newest = session.ledger.newest_revisions() if newest is None else newest
    return catalogue.refresh(session, newest, as_of=synthetic.AS_OF)


def made(session):
    root = session.workspace.published
    return {path.relative_to(root).as_posix(): path.read_bytes() for path in root.rglob("*")
            if path.is_file() and path.relative_to(root).parts[0] in (
                "stac", "geotiff", "schemas")}


def test_the_catalogue_is_valid_and_every_link_leads_to_a_file(session):
    newest = session.ledger.newest_revisions()
    cube_outlet.refresh(session, newest, as_of=synthetic.AS_OF)
    assert refreshed(session) == []
    root = session.workspace.published
    catalog = pystac.Catalog.from_file(str(root / "stac/catalog.json"))
    assert catalog.validate_all() == len(newest)
    for path in (root / "stac").rglob("*.json"):
        content = json.loads(path.read_text())
        for one in (*content["links"], *content.get("assets", {}).values()):
            assert (path.parent / one["href"]).exists(), (path, one["href"])
    (collection,) = catalog.get_children()
    assert set(collection.assets) == {"cube", "basins", "latest"}
    with rasterio.open(root / geotiff.LATEST) as source:
        assert collection.extent.spatial.bboxes[0] == pytest.approx(list(source.bounds))
    for item in catalog.get_items(recursive=True):
        record = newest[item.datetime.date()]
        path = root / record.path
        assert item.assets["netcdf"].extra_fields["dwlim:sha256"] == tree.sha256(path.read_bytes())
        assert ("geotiff" in item.assets) == (record.day == max(newest))


def test_the_geotiff_is_that_of_the_newest_day_alone(session):
    newest = session.ledger.newest_revisions()
    first = {day: newest[day] for day in newest if day != max(newest)}
    refreshed(session, first)
    refreshed(session)
    record, root = newest[max(newest)], session.workspace.published
    name = geotiff.path_of(synthetic.REGION, record.day, record.revision)
    assert sorted(path for path in made(session) if path.startswith("geotiff")) == [
        "geotiff/latest.tif", name]
    assert (root / name).read_bytes() == (root / geotiff.LATEST).read_bytes()
    product = encode.read(root / record.path).root
    with rasterio.open(root / geotiff.LATEST) as source:
        assert source.tags()["id"] == record.product_id
        assert (source.read(1)[::-1] == product["twsa"].values[0])[
            product["quality_flag"].values[0] & 32 == 0].all()


def test_the_same_ledger_gives_the_same_bytes_and_no_write(session):
    refreshed(session)
    root, before = session.workspace.published, made(session)
    times = {path: (root / path).stat().st_mtime_ns for path in before}
    assert refreshed(session) == []
    assert {path: (root / path).stat().st_mtime_ns for path in made(session)} == times
    for name in ("stac", "geotiff", "schemas"):
        shutil.rmtree(root / name)
    refreshed(session)
    assert made(session) == before


def test_a_lost_half_of_the_geotiff_is_made_good(session):
    refreshed(session)
    before = made(session)
    (session.workspace.published / geotiff.LATEST).write_bytes(b"torn")
    refreshed(session)
    assert made(session) == before


def test_a_product_that_is_gone_is_said(session):
    newest = session.ledger.newest_revisions()
    (session.workspace.published / newest[max(newest)].path).unlink()
    (remark,) = refreshed(session)
    assert remark.startswith("no GeoTIFF: ")


def test_the_schemas_are_published(session):
    refreshed(session)
    for name in ("latest", "status"):
        path = session.workspace.published / f"schemas/{name}.schema.json"
        assert json.loads(path.read_text())["$id"] == f"urn:dwlim-ops:schema:{name}:1"


def test_nothing_published_is_no_catalogue(session):
    assert refreshed(session, {}) == []
    assert made(session) == {}
