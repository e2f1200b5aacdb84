"""The cube of real products: equal to the files, and nothing to do the second time."""

import shutil
from types import SimpleNamespace

import icechunk
import numpy as np
import pytest
import synthetic
import xarray as xr

from dwlim_ops.outlets import cube as outlet
from dwlim_ops.publish.cube import CubeSettings, content_sha256


def with_outlets(session, **settings):
    """A session as the outlet sees it."""
    config = SimpleNamespace(region=session.config.region, products=session.config.products,
                             cube=CubeSettings(**settings))
    return SimpleNamespace(workspace=session.workspace, ledger=session.ledger,
                           geometry=session.geometry, config=config)


def refreshed(session):
    return outlet.refresh(session, session.ledger.newest_revisions(), as_of=synthetic.AS_OF)


def opened(folder):
    repository = icechunk.Repository.open(icechunk.local_filesystem_storage(str(folder)))
    store = repository.readonly_session("main").store
    return xr.open_zarr(store, consolidated=False, chunks=None)


@pytest.fixture
def session(served, open_session):
    shutil.rmtree(served.published / "cube", ignore_errors=True)
    return with_outlets(open_session(served))


def test_the_cube_decodes_to_the_values_of_the_files(session):
    assert refreshed(session) == []
    published = session.workspace.published
    shown = opened(published / "cube")
    for day, record in session.ledger.newest_revisions().items():
        of_day = shown.sel(time=[np.datetime64(day)])
        with xr.open_dataset(published / record.path) as product:
            for name, variable in product.variables.items():
                assert of_day[name].dtype == variable.dtype, name
                np.testing.assert_array_equal(of_day[name].values, variable.values, err_msg=name)
            for name in product.data_vars:
                for key in ("units", "standard_name", "long_name", "grid_mapping"):
                    assert of_day[name].attrs.get(key) == product[name].attrs.get(key)
        assert of_day["product_id"].item() == record.product_id
        assert of_day["sha256"].item() == record.sha256
    assert shown.attrs["region"] == synthetic.REGION
    assert not {"tier", "as_of", "id", "bundle_id"} & set(shown.attrs)


def test_a_second_refresh_does_nothing(session):
    refreshed(session)
    folder = session.workspace.published / "cube"
    before = {path: path.stat().st_mtime_ns for path in folder.rglob("*")}
    assert refreshed(session) == []
    assert {path: path.stat().st_mtime_ns for path in folder.rglob("*")} == before


def test_a_product_that_is_gone_is_said_with_its_remedy(session):
    newest = session.ledger.newest_revisions()
    first = newest[min(newest)]
    (session.workspace.published / first.path).write_bytes(b"torn")
    (remark,) = refreshed(session)
    assert str(first.day) in remark
    assert "dwlim reproduce --restore" in remark
    assert opened(session.workspace.published / "cube")["product_id"].values.tolist()[-1] == (
        newest[max(newest)].product_id)


def test_a_revision_replaces_the_day(session):
    newest = session.ledger.newest_revisions()
    older = {day: session.ledger.products(first=day, last=day)[0] for day in newest}
    outlet.refresh(session, older, as_of=synthetic.AS_OF)
    folder = session.workspace.published / "cube"
    assert set(opened(folder)["revision"].values.tolist()) == {0}
    before = content_sha256(folder)
    assert refreshed(session) == []
    assert set(opened(folder)["revision"].values.tolist()) == {1}
    assert content_sha256(folder) != before


def test_it_can_be_switched_off(served, open_session):
    shutil.rmtree(served.published / "cube", ignore_errors=True)
    assert refreshed(with_outlets(open_session(served), enabled=False)) == []
    assert not (served.published / "cube").exists()
