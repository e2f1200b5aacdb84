"""The cube: the same values as the products, whole snapshots, healed whatever happens to it."""

import json
import os
import shutil
import subprocess
import sys
import threading
from pathlib import Path

import boto3
import cube_days
import icechunk
import numpy as np
import pytest
import xarray as xr
from cube_days import REGION, day, grid, issue, issues, losing
from hypothesis import given, settings
from hypothesis import strategies as st
from moto.server import ThreadedMotoServer

from dwlim_ops.errors import ConfigError, StoreError
from dwlim_ops.publish import cube, cube_layout
from dwlim_ops.publish.cube import CubeSettings, content_sha256
from dwlim_ops.publish.cube_layout import in_words

#: A repository is written for each test.
pytestmark = pytest.mark.slow

SETTINGS = CubeSettings()


@pytest.fixture(autouse=True)
def _small_blocks(monkeypatch):
    monkeypatch.setattr(cube_layout, "BLOCK_DAYS", 4)
    monkeypatch.setattr(cube_layout, "BLOCK_CELLS", 4)


def update(folder, record, *, load=grid, settings=SETTINGS, region=REGION):
    return cube.update(settings, Path(folder), record, load, region=region)


def repository(folder) -> icechunk.Repository:
    return icechunk.Repository.open(icechunk.local_filesystem_storage(str(folder)))


def snapshots(folder):
    """Newest first, without the empty one that begins every repository."""
    return list(repository(folder).ancestry(branch="main"))[:-1]


def opened(folder, snapshot_id=None) -> xr.Dataset:
    one = repository(folder)
    session = (one.readonly_session("main") if snapshot_id is None
               else one.readonly_session(snapshot_id=snapshot_id))
    return xr.open_zarr(session.store, consolidated=False, chunks=None)


def digest_of(tmp_path_factory, record, **options) -> str:
    """Digest of a cube that was made in one go."""
    folder = tmp_path_factory.mktemp("whole") / "cube"
    update(folder, record, **options)
    return content_sha256(folder)


def test_the_cube_shows_what_the_products_hold(tmp_path):
    record = issues(0, (1, 1), (5, 2), 9)
    assert update(tmp_path, record) == []
    shown = opened(tmp_path)
    assert shown.sizes["time"] == 10
    for one in record.values():
        of_day, expected = shown.sel(time=[np.datetime64(one.day)]), grid(one)
        for name, variable in expected.variables.items():
            assert of_day[name].dtype == variable.dtype, name
            np.testing.assert_array_equal(of_day[name].values, variable.values, err_msg=name)
        assert of_day["product_id"].item() == one.product_id
        assert of_day["sha256"].item() == one.sha256
        assert of_day["revision"].item() == one.revision
        assert of_day["published_method"].item() == "tragnss"
        meanings = shown["tier"].attrs["flag_meanings"].split()
        values = shown["tier"].attrs["flag_values"]
        assert meanings[values.index(of_day["tier"].item())] == one.tier
    assert shown.attrs["title"] == "Daily anomaly, Toyland, whole record"
    assert "tier" not in shown.attrs
    assert (shown.attrs["time_coverage_start"], shown.attrs["time_coverage_end"]) == (
        str(day(0)), str(day(9)))
    assert "estimate tragnss" not in shown["twsa"].attrs["comment"]


def test_days_that_are_not_published_are_missing(tmp_path):
    update(tmp_path, issues(0, (5, 2)))
    absent = opened(tmp_path).isel(time=slice(1, 5))
    assert all(np.isnan(absent[name].values).all() for name in (*cube_days.MAPS, "twsa_dwlim"))
    assert (absent["quality_flag"].values == cube_layout.NOT_SHOWN["quality_flag"]).all()
    assert absent["quality_flag"].attrs["flag_masks"] == [1, 32, 128]
    assert (absent["product_id"].values == "").all()
    assert (absent["revision"].values == -1).all()
    assert np.isnan(opened(tmp_path)["twsa_dwlim"].values[0]).all()


@settings(derandomize=True, deadline=None, max_examples=6)
@given(st.lists(st.lists(st.tuples(st.integers(0, 13), st.integers(0, 3)), min_size=1, max_size=6),
                min_size=1, max_size=4))
def test_the_way_does_not_matter(tmp_path_factory, batches):
    folder = tmp_path_factory.mktemp("steps") / "cube"
    record = {}
    for batch in batches:
        record |= issues(*batch)
        assert update(folder, record) == []
    # A map that no product has any more stays, without values.
    steps, whole = opened(folder), tmp_path_factory.mktemp("whole") / "cube"
    update(whole, record)
    left_over = set(steps.data_vars) - set(opened(whole).data_vars)
    assert left_over <= {"twsa_dwlim"}
    assert all(np.isnan(steps[name].values).all() for name in left_over)
    if not left_over:
        assert content_sha256(folder) == content_sha256(whole)


def test_what_it_holds_is_not_written_again(tmp_path):
    def forbidden(one):
        raise AssertionError(one)

    record = issues(*range(9))
    update(tmp_path, record)
    before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")}
    assert update(tmp_path, record, load=forbidden) == []
    assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")} == before


def test_a_refresh_is_one_commit_that_names_its_days(tmp_path):
    update(tmp_path, issues(0, 1, 2))
    update(tmp_path, issues(0, (1, 1), 2, 3, 4, 9))
    assert [one.message for one in snapshots(tmp_path)] == [
        f"{day(1)}, {day(3)} to {day(4)}, {day(9)}", f"{day(0)} to {day(2)}"]
    assert in_words([day(0)]) == str(day(0))


def test_an_append_rewrites_the_chunks_of_its_block_alone(tmp_path):
    update(tmp_path, issues(*range(40)))
    before = set((tmp_path / "chunks").iterdir())
    update(tmp_path, issues(*range(41)))
    n_maps, n_tiles = len(cube_days.MAPS) + 1, 2 * 2
    assert len(set((tmp_path / "chunks").iterdir()) - before) <= n_maps * n_tiles + 8


def test_earlier_snapshots_can_be_read_and_readers_keep_theirs(tmp_path):
    update(tmp_path, issues(0, 1))
    reader = opened(tmp_path)
    update(tmp_path, issues((0, 2), 1, 2))
    first = snapshots(tmp_path)[-1].id
    for shown in (reader, opened(tmp_path, first)):
        assert shown.sizes["time"] == 2
        np.testing.assert_array_equal(shown["twsa"].values[0], grid(issue(0))["twsa"].values[0])
    now = opened(tmp_path)
    np.testing.assert_array_equal(now["twsa"].values[0], grid(issue(0, 2))["twsa"].values[0])


def test_a_concurrent_reader_sees_whole_revisions(tmp_path):
    update(tmp_path, issues(*range(12)))
    done, wrong, seen = threading.Event(), [], set()

    def read():
        while not done.is_set():
            shown = opened(tmp_path)
            revision = shown["revision"].values
            for name in ("twsa", "twsa_tragnss"):
                which = cube_days.MAPS.index(name)
                found = shown[name].values[:, 0, 0] - np.arange(12) - 1000 * which
                if not np.array_equal(found, revision / 4):
                    wrong.append((name, found, revision))
            seen.add(tuple(revision.tolist()))

    reader = threading.Thread(target=read)
    reader.start()
    for revision in range(1, 5):
        update(tmp_path, issues(*((number, revision % 4) for number in range(12))))
    done.set()
    reader.join()
    assert wrong == []
    assert len(seen) > 1


@pytest.mark.parametrize("step", [
    (cube_layout, "_write_block", 0), (cube_layout, "_write_block", 2), (cube_layout, "_put", 3),
    (cube_layout, "_note", 1), (icechunk.Session, "commit", 0), (cube, "_expire", 0)])
def test_an_end_within_the_transaction_changes_nothing(tmp_path, tmp_path_factory, monkeypatch,
                                                       step):
    where, name, after = step
    update(tmp_path, issues(*range(6)))
    before, record = content_sha256(tmp_path), issues((0, 1), (5, 1), *range(1, 5), 9)
    real, n_calls = getattr(where, name), 0

    def dying(*arguments, **options):
        nonlocal n_calls
        n_calls += 1
        if n_calls > after:
            raise KeyboardInterrupt
        return real(*arguments, **options)

    with monkeypatch.context() as patch:
        patch.setattr(where, name, dying)
        with pytest.raises(KeyboardInterrupt):
            update(tmp_path, record)
    expected = digest_of(tmp_path_factory, record)
    assert content_sha256(tmp_path) == (expected if name == "_expire" else before)
    assert update(tmp_path, record) == []
    assert content_sha256(tmp_path) == expected


def test_a_killed_refresh_leaves_the_snapshot_before_and_the_next_one_completes_it(tmp_path):
    driver = Path(__file__).parent / "killed_cube.py"
    path = os.pathsep.join([str(Path(cube_days.__file__).parent), str(Path.cwd())])
    ended = subprocess.run([sys.executable, str(driver), str(tmp_path), "12"], check=False,
                           capture_output=True, text=True, timeout=240,
                           env=dict(os.environ) | {"PYTHONPATH": path})
    assert ended.returncode == 0, ended.stderr[-2000:] + ended.stdout
    assert json.loads(ended.stdout.splitlines()[-1]) == {
        "killed": 12, "wrong": 0, "remarks": [], "ends_right": True}


def _damaged(folder: Path, kind: str, how: str) -> None:
    files = [path for path in sorted((folder / kind).rglob("*")) if path.is_file()]
    assert files
    for path in files:
        content = path.read_bytes()
        if how == "deleted":
            path.unlink()
        elif how == "cut":
            path.write_bytes(content[:len(content) // 2])
        else:
            middle = len(content) // 2
            path.write_bytes(content[:middle] + bytes([content[middle] ^ 255])
                             + content[middle + 1:])


@pytest.mark.parametrize("how", ["deleted", "cut", "garbled"])
@pytest.mark.parametrize("kind", ["refs", "snapshots", "manifests", "chunks"])
def test_a_damaged_cube_is_made_anew(tmp_path, tmp_path_factory, monkeypatch, kind, how):
    monkeypatch.setattr(cube_layout, "BLOCK_CELLS", 20)
    monkeypatch.setattr(cube_layout, "BLOCK_DAYS", 64)
    record = issues(*range(30))
    update(tmp_path / "cube", record)
    _damaged(tmp_path / "cube", kind, how)
    record |= issues(30)
    remarks = update(tmp_path / "cube", record)
    assert [remark[:37] for remark in remarks] == ["the cube was damaged and is made anew"]
    assert content_sha256(tmp_path / "cube") == digest_of(tmp_path_factory, record)
    assert update(tmp_path / "cube", record) == []


def test_damage_that_only_writing_meets_is_damage(tmp_path, tmp_path_factory, monkeypatch):
    record = issues(*range(3))
    update(tmp_path / "cube", record)
    commit, calls = icechunk.Session.commit, []

    def meets_damage_once(session, *arguments, **options):
        calls.append(1)
        if len(calls) == 1:
            raise icechunk.IcechunkError("x I/O error |-> Data corruption detected")
        return commit(session, *arguments, **options)

    monkeypatch.setattr(icechunk.Session, "commit", meets_damage_once)
    record |= issues(3)
    (remark,) = update(tmp_path / "cube", record)
    assert remark.startswith("the cube was damaged and is made anew")
    assert content_sha256(tmp_path / "cube") == digest_of(tmp_path_factory, record)


def test_damage_to_old_days_is_found_in_its_turn(tmp_path, tmp_path_factory, monkeypatch):
    monkeypatch.setattr(cube_layout, "BLOCK_DAYS", 16)
    update(tmp_path / "cube", issues(*range(16)))
    of_old_days = set((tmp_path / "cube/chunks").iterdir())
    for n_days in (32, 33):
        update(tmp_path / "cube", issues(*range(n_days)))
    for path in of_old_days:
        path.write_bytes(path.read_bytes()[:-1] + b"?")
    remarks = []
    for n_days in (34, 35, 36):
        remarks += update(tmp_path / "cube", issues(*range(n_days)))
    assert [remark[:37] for remark in remarks] == ["the cube was damaged and is made anew"]
    assert content_sha256(tmp_path / "cube") == digest_of(tmp_path_factory, issues(*range(36)))


def test_a_deleted_cube_is_made_anew(tmp_path, tmp_path_factory):
    record = issues(*range(5))
    update(tmp_path / "cube", record)
    shutil.rmtree(tmp_path / "cube")
    assert update(tmp_path / "cube", record) == []
    assert content_sha256(tmp_path / "cube") == digest_of(tmp_path_factory, record)


def test_another_grid_is_written_anew_and_older_days_are_left_out(tmp_path):
    def load(one):
        return grid(one, west=20.0 if one.revision else 10.0)

    update(tmp_path, issues(0, 1, 2), load=load)
    record = issues(0, (1, 1), (2, 1))
    remarks = update(tmp_path, record, load=load)
    assert "another grid" in remarks[0]
    assert "leaves out 1 days" in remarks[1]
    shown = opened(tmp_path)
    assert shown["lon"].values[0] == 20.25
    assert shown["product_id"].values[0] == ""
    np.testing.assert_array_equal(shown["twsa"].values[1], load(issue(1, 1))["twsa"].values[0])
    n_snapshots = len(snapshots(tmp_path))
    assert update(tmp_path, record, load=load) == remarks[1:]
    assert len(snapshots(tmp_path)) == n_snapshots
    assert update(tmp_path, issues((0, 1), (1, 1), (2, 1)), load=load) == []
    assert (opened(tmp_path)["product_id"].values != "").all()


def test_another_layout_is_written_anew(tmp_path, tmp_path_factory, monkeypatch):
    record = issues(0, 1, 2)
    with monkeypatch.context() as patch:
        patch.setattr(cube_layout, "LAYOUT", 0)
        update(tmp_path, record)
    assert update(tmp_path, record) == ["the cube was of another layout or region and is written "
                                        "anew"]
    assert content_sha256(tmp_path) == digest_of(tmp_path_factory, record)


def test_a_lost_product_is_said_and_tried_again(tmp_path, tmp_path_factory):
    update(tmp_path, issues(0, 1, 2))
    record, lost = issues(0, (1, 1), (2, 1)), (issue(1, 1), issue(2, 1))
    remarks = update(tmp_path, record, load=losing(*lost))
    assert len(remarks) == 2
    assert str(day(1)) in remarks[0]
    assert len(snapshots(tmp_path)) == 1
    assert opened(tmp_path)["revision"].values.tolist() == [0, 0, 0]
    remarks = update(tmp_path, record, load=losing(lost[0]))
    assert len(remarks) == 1
    assert opened(tmp_path)["revision"].values.tolist() == [0, 0, 1]
    assert update(tmp_path, record) == []
    assert content_sha256(tmp_path) == digest_of(tmp_path_factory, record)
    everything = tuple(record.values())
    assert update(tmp_path / "new", record, load=losing(*everything)) == [
        "no cube: none of 3 products can be read"]


@pytest.mark.parametrize("record", [issues(-7, 0, 1, 2), issues(0, 2), issues(2)])
def test_a_record_that_begins_earlier_or_lost_days_is_written_anew(tmp_path, tmp_path_factory,
                                                                   record):
    update(tmp_path, issues(0, 1, 2))
    assert update(tmp_path, record) == []
    assert content_sha256(tmp_path) == digest_of(tmp_path_factory, record)


def test_old_snapshots_expire_and_the_disk_stays_flat(tmp_path):
    few, sizes = CubeSettings(keep_snapshots=3), []
    for turn in range(8):
        update(tmp_path, issues(*((number, turn % 3) for number in range(4))), settings=few)
        sizes.append(sum(path.stat().st_size for path in tmp_path.rglob("*") if path.is_file()))
    assert len(snapshots(tmp_path)) == 3
    assert max(sizes[5:]) < 1.3 * max(sizes[2:5])
    opened(tmp_path, snapshots(tmp_path)[-1].id)["twsa"].load()


def test_snapshots_expire_by_age(tmp_path):
    old = CubeSettings(keep_snapshots_days=1e-9)
    for turn in range(4):
        update(tmp_path, issues((0, turn)), settings=old)
    assert len(snapshots(tmp_path)) == 1


def test_a_cube_that_cannot_be_written_is_a_store_error(tmp_path, monkeypatch):
    update(tmp_path, issues(0))
    before = content_sha256(tmp_path)

    def full(*_, **__):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(icechunk.Session, "commit", full)
    with pytest.raises(StoreError, match=r"cannot be written.*No space left.*free space"):
        update(tmp_path, issues(0, 1))
    assert content_sha256(tmp_path) == before


def test_nothing_published_is_no_cube(tmp_path):
    assert update(tmp_path / "cube", {}) == []
    assert not (tmp_path / "cube").exists()


@pytest.mark.parametrize("options", [
    {"url": "s3://bucket"}, {"url": "ftp://bucket/prefix"}, {"url": "s3://key:secret@bucket/cube"},
    {"url": "cube"}, {"keep_snapshots": 1}, {"keep_snapshots_days": 0.0}])
def test_settings_that_cannot_be_served_are_refused(options):
    with pytest.raises(ConfigError, match="cube"):
        CubeSettings(**options)


def test_an_unreadable_cube_has_no_digest(tmp_path):
    (tmp_path / "refs").write_text("")
    with pytest.raises(StoreError, match="cannot be read"):
        content_sha256(tmp_path)


def test_an_object_store_by_its_url(monkeypatch):
    for name, value in {"AWS_ACCESS_KEY_ID": "key", "AWS_SECRET_ACCESS_KEY": "secret",
                        "AWS_REGION": "us-east-1"}.items():
        monkeypatch.setenv(name, value)
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    try:
        endpoint = "http://{}:{}".format(*server.get_host_and_port())
        client = boto3.client("s3", endpoint_url=endpoint)
        client.create_bucket(Bucket="records")
        stored = CubeSettings(url="s3://records/water/cube", endpoint_url=endpoint)
        nowhere = Path("nowhere")
        assert update(nowhere, issues(0, 1), settings=stored) == []
        assert update(nowhere, issues(0, 1, 2), settings=stored) == []
        shown = xr.open_zarr(
            icechunk.Repository.open(cube.storage_of(stored, nowhere))
            .readonly_session("main").store, consolidated=False, chunks=None)
        np.testing.assert_array_equal(shown["twsa"].values[2], grid(issue(2))["twsa"].values[0])
        with pytest.raises(StoreError, match="no cube of this region"):
            update(nowhere, issues(0, 1, 2), settings=stored, region="other")
        for found in client.list_objects_v2(Bucket="records")["Contents"]:
            if "/snapshots/" in found["Key"]:
                client.delete_object(Bucket="records", Key=found["Key"])
        with pytest.raises(StoreError, match=r"s3://records/water/cube.*credentials and network"):
            update(nowhere, issues(0, 1, 2, 3), settings=stored)
    finally:
        server.stop()
    assert not nowhere.exists()


def test_a_google_bucket_by_its_url():
    storage = cube.storage_of(CubeSettings(url="gs://records/water/cube"), Path("nowhere"))
    assert "records" in str(storage)
