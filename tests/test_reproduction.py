"""A published product comes out again from its record, whatever has happened since."""

from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path

import numpy as np
import pytest
import synthetic
from synthetic import AS_OF, DAY, run_tick

from dwlim_ops.errors import ConfigError, StoreError
from dwlim_ops.reproduction import reproduce, restore
from dwlim_ops.session import Session
from dwlim_ops.simulate.bundle import write_bundle
from dwlim_ops.simulate.store import promote
from dwlim_ops.workspace import Workspace

#: Whole ticks of a workspace.
pytestmark = pytest.mark.slow

FIRST, SECOND = (f"twsa_{synthetic.REGION}_{DAY:%Y%m%d}_r{revision:02d}" for revision in (0, 1))


@pytest.fixture(autouse=True)
def _nothing_waits_for_the_disk(monkeypatch):
    monkeypatch.setattr("os.fsync", lambda _: None)


@dataclass
class Recorded:
    """What the ledger says of a product."""

    path: Path
    content: bytes
    record: object


def recorded(workspace, product_id):
    session = Session(workspace)
    try:
        record = session.ledger.product(product_id)
        path = workspace.published / record.path
        return Recorded(path, path.read_bytes(), record)
    finally:
        session.close()


def test_products_with_and_without_a_bundle_come_out_again(served):
    session = Session(served)
    products = session.ledger.products()
    session.close()
    assert len(products) == 4
    assert sorted({(record.revision, bool(record.parts["bundle"])) for record in products}) == [
        (0, False), (1, True)]
    for record in products:
        found = reproduce(served, record.product_id)
        assert found.same_bytes
        assert found.same_numbers
        assert found.differences == ""
        assert found.content == (served.published / record.path).read_bytes()


def other_bundle(workspace, bundle):
    """Promote a bundle that sees other features."""
    scaler = {name: values * 1.1 for name, values in bundle.scaler.items()}
    bundle_id = write_bundle(workspace.root / "models", replace(bundle, scaler=scaler))
    promote(workspace.root / "models", synthetic.REGION, bundle_id)
    return bundle_id


def test_nothing_that_happened_since_changes_a_byte(served, trained_bundle):
    """Another configuration and bundle; changed, deleted and late files; new revisions."""
    before = {product_id: recorded(served, product_id) for product_id in (FIRST, SECOND)}
    content = synthetic.configuration()
    content["inversion"] = {"beta": 0.2}
    content["region"] |= {"title": "Another", "widen_deg": 1.5}
    synthetic.write_config(served.root, content)
    new = other_bundle(served, trained_bundle)
    assert new != before[SECOND].record.parts["bundle"]
    gnss = served.root / "inbox/gnss"
    synthetic.edit(gnss / "s000.up", lambda lines: [
        f"{line.split()[0]} {float(line.split()[1]) + 9.0:.4f} 1.0000" for line in lines])
    (gnss / "s001.up").unlink()
    stations = served.root / "region/stations.csv"
    synthetic.edit(stations, lambda lines: [
        *(line.replace("S002,1", "S002,-1") for line in lines), "S030,15.0,45.0"])
    (gnss / "s030.up").write_bytes((gnss / "s000.up").read_bytes())
    session = Session(Workspace(served.root))
    later = AS_OF + timedelta(days=1)
    run_tick(session, later, now=later)
    newest = session.ledger.newest_revisions()[DAY]
    session.close()
    assert newest.revision == 2
    assert newest.parts["bundle"] == new
    for product_id, was in before.items():
        found = reproduce(served, product_id)
        assert found.same_bytes, found
        assert found.content == was.content
    assert reproduce(served, newest.product_id).same_bytes


def test_other_code_gives_the_same_numbers_and_says_so(ticked, monkeypatch):
    monkeypatch.setattr(Session, "code", "other code")
    found = reproduce(ticked, FIRST)
    assert not found.same_bytes
    assert found.same_numbers
    assert found.differences == "code changed"


def test_a_bundle_that_is_gone_is_named(served):
    bundle = recorded(served, SECOND).record.parts["bundle"]
    folder = served.root / "models" / synthetic.REGION / bundle
    folder.rename(folder.with_name("elsewhere"))
    found = reproduce(served, SECOND)
    assert not found.same_bytes
    assert not found.same_numbers
    assert f"bundle {bundle} -> none" in found.differences
    assert reproduce(served, FIRST).same_bytes


def test_reproducing_writes_nothing(served):
    def everything():
        return {path.relative_to(served.root): path.read_bytes()
                for path in served.root.rglob("*") if path.is_file()
                and "cache" not in path.parts and not path.name.endswith(("-wal", "-shm"))}

    reproduce(served, SECOND)
    before = everything()
    reproduce(served, SECOND)
    after = everything()
    assert after.keys() == before.keys()
    assert [path for path in after if after[path] != before[path]] == []


def granules(workspace):
    session = Session(workspace)
    try:
        return [granule.sha256 for granule in session.ledger.granules("gnss", "final", AS_OF)]
    finally:
        session.close()


def stored(workspace, sha256):
    return workspace.raw / sha256[:2] / f"{sha256}.gz"


@pytest.mark.parametrize("damage", [lambda path: path.write_bytes(path.read_bytes()[:-20]),
                                    lambda path: path.write_bytes(b"not gzip"), Path.unlink],
                         ids=["cut off", "overwritten", "gone"])
def test_a_damaged_granule_is_an_error_of_the_store(ticked, damage):
    path = stored(ticked, granules(ticked)[3])
    damage(path)
    with pytest.raises(StoreError, match="inputs of the product are gone") as caught:
        reproduce(ticked, FIRST)
    assert path.name in str(caught.value)
    assert caught.value.remedy


def test_no_granule_at_all_is_an_error_of_the_store(ticked):
    for sha256 in granules(ticked):
        stored(ticked, sha256).unlink(missing_ok=True)
    with pytest.raises(StoreError, match="inputs of the product are gone"):
        reproduce(ticked, FIRST)


def test_damaged_settings_are_an_error_of_the_store(ticked):
    path = stored(ticked, recorded(ticked, FIRST).record.settings_sha256)
    path.write_bytes(b"not gzip")
    with pytest.raises(StoreError, match="cannot be read"):
        reproduce(ticked, FIRST)


@pytest.mark.parametrize("product_id", ["twsa_toyland_20161231_r07", "", "../../etc/passwd"])
def test_an_unknown_product_is_a_configuration_error(ticked, product_id):
    with pytest.raises(ConfigError, match="no such product") as caught:
        reproduce(ticked, product_id)
    assert caught.value.where == product_id


def test_a_product_that_recorded_no_settings_is_a_configuration_error(ticked, monkeypatch):
    record = replace(recorded(ticked, FIRST).record, settings_sha256="")
    monkeypatch.setattr("dwlim_ops.state.ledger.Ledger.product", lambda *_: record)
    with pytest.raises(ConfigError, match="did not record its settings"):
        reproduce(ticked, FIRST)


def test_a_deleted_product_is_put_back(served):
    was = recorded(served, SECOND)
    found = reproduce(served, SECOND)
    assert restore(served, found) is False
    was.path.unlink()
    assert restore(served, reproduce(served, SECOND)) is True
    assert was.path.read_bytes() == was.content
    assert restore(served, found) is False
    assert not [path for path in was.path.parent.iterdir() if path.name.startswith(".")]


def test_other_bytes_are_not_put_back(ticked):
    was = recorded(ticked, FIRST)
    was.path.unlink()
    found = reproduce(ticked, FIRST)
    other = replace(found, same_bytes=False, content=found.content[:-1])
    with pytest.raises(StoreError, match="not what was published") as caught:
        restore(ticked, other)
    assert caught.value.expected == was.record.sha256
    assert not was.path.exists()
    assert restore(ticked, found) is True


def test_a_product_that_is_there_is_never_overwritten(ticked):
    was = recorded(ticked, FIRST)
    was.path.write_bytes(b"someone changed it")
    found = reproduce(ticked, FIRST)
    assert found.same_bytes
    assert restore(ticked, found) is False
    assert was.path.read_bytes() == b"someone changed it"


def test_the_content_stays_out_of_what_is_shown(ticked):
    found = reproduce(ticked, FIRST)
    assert len(found.content) > 1000
    assert len(repr(found)) < 300
    assert np.frombuffer(found.content[:4], np.uint8).size == 4
