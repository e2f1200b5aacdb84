import json
import math
import os
import threading
from datetime import UTC, date, datetime
from pathlib import Path

import pytest

from dwlim_ops.errors import StoreError
from dwlim_ops.publish import tree
from dwlim_ops.publish.tree import Latest

LATEST = Latest(
    region="toy", region_title="Toyland", synthetic=False, day=date(2017, 6, 1),
    product_id="twsa_toy_20170601_r01",
    path="daily/2017/06/twsa_toy_20170601_r01.nc", sha256="a" * 64, tier="era5t", revision=1,
    as_of=datetime(2017, 6, 3, 6, tzinfo=UTC), published_method="dwlim",
    methods=("tragnss", "dwlim"), basins=({"id": "7", "twsa_mm": 3.5, "sigma_mm": math.nan},),
    inputs=({"source": "ngl", "stream": "final", "newest_day": date(2017, 6, 1), "age_days": 2.2},),
    quality={"share_low_resolution": 0.1})


def test_places_in_the_tree():
    day = date(2017, 6, 1)
    assert tree.product_path("au", day, 12) == "daily/2017/06/twsa_au_20170601_r12.nc"
    assert tree.map_path("au", day, 1) == "maps/twsa_au_20170601_r01.png"
    assert tree.basin_path("7") == "basins/7.json"
    assert tree.basin_path("../a b") == "basins/..%2Fa%20b.json"


def staged(tmp_path, content):
    path = tmp_path / "staging" / "a.nc"
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(content)
    return path


def test_a_product_is_released_once_and_stays(tmp_path):
    published = tmp_path / "published"
    one = staged(tmp_path, b"one")
    tree.release(published, "daily/2017/a.nc", one)
    assert (published / "daily/2017/a.nc").read_bytes() == b"one"
    assert not one.exists()
    tree.release(published, "daily/2017/a.nc", staged(tmp_path, b"one"))
    assert not one.exists()
    two = staged(tmp_path, b"two")
    with pytest.raises(StoreError, match="never overwritten") as caught:
        tree.release(published, "daily/2017/a.nc", two)
    assert "next revision" in str(caught.value)
    assert (published / "daily/2017/a.nc").read_bytes() == b"one"
    assert two.read_bytes() == b"two"


def test_a_release_that_fails_says_where_and_keeps_the_product_aside(tmp_path, monkeypatch):
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    one = staged(tmp_path, b"one")
    monkeypatch.setattr(Path, "replace", full)
    with pytest.raises(StoreError, match=r"a\.nc.*free space"):
        tree.release(tmp_path / "published", "daily/a.nc", one)
    assert one.read_bytes() == b"one"


def test_only_wanted_files_of_a_folder_are_kept(tmp_path):
    tree.keep_only(tmp_path, "maps", {"maps/a.png"})
    for name in ("maps/a.png", "maps/b.png", "daily/b.png"):
        tree.replace(tmp_path, name, b"x")
    tree.keep_only(tmp_path, "maps", {"maps/a.png", "maps/c.png"})
    assert sorted(p.relative_to(tmp_path).as_posix() for p in tmp_path.rglob("*.png")) == [
        "daily/b.png", "maps/a.png"]


@pytest.mark.parametrize("act", ["replace", "fsync"])
def test_death_before_the_replacement_leaves_the_old_file(tmp_path, monkeypatch, act):
    tree.replace(tmp_path, "basins/basins.csv", b"old")

    def die(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(os, act, die)
    with pytest.raises(KeyboardInterrupt):
        tree.replace(tmp_path, "basins/basins.csv", b"new")
    assert (tmp_path / "basins/basins.csv").read_bytes() == b"old"
    assert [p.name for p in (tmp_path / "basins").iterdir()] == ["basins.csv"]


def test_full_disk_is_a_store_error_and_leaves_the_old_file(tmp_path, monkeypatch):
    tree.replace(tmp_path, "status.json", b"old")

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(StoreError, match="free space"):
        tree.replace(tmp_path, "status.json", b"new")
    assert [p.read_bytes() for p in tmp_path.iterdir()] == [b"old"]


def test_unreadable_target_is_a_store_error(tmp_path):
    (tmp_path / "status.json").mkdir()
    with pytest.raises(StoreError, match=r"status\.json"):
        tree.write_status(tmp_path, {"state": "ok"})


def test_readers_never_see_half_a_file(tmp_path):
    contents = [bytes([letter]) * 400_000 for letter in b"ab"]
    tree.replace(tmp_path, "latest.json", contents[0])
    seen: set[bytes] = set()
    done = threading.Event()

    def watch() -> None:
        while not done.is_set():
            seen.add((tmp_path / "latest.json").read_bytes())

    reader = threading.Thread(target=watch)
    reader.start()
    for turn in range(40):
        tree.replace(tmp_path, "latest.json", contents[(turn + 1) % 2])
    done.set()
    reader.join()
    assert seen <= set(contents)


def test_temporary_file_lies_in_the_same_folder(tmp_path, monkeypatch):
    moves: list[tuple[Path, Path]] = []
    real = os.replace

    def spy(source: Path, target: Path) -> None:
        moves.append((Path(source), Path(target)))
        assert Path(source).read_bytes() == b"x"
        real(source, target)

    monkeypatch.setattr(os, "replace", spy)
    tree.replace(tmp_path, "maps/m.png", b"x")
    (source, target), = moves
    assert source.parent == target.parent == tmp_path / "maps"
    assert source.name.startswith(".")


def test_latest_says_what_is_newest(tmp_path):
    assert tree.write_latest(tmp_path, LATEST)
    content = json.loads((tmp_path / "latest.json").read_text())
    assert content["schema_version"] == 1
    assert content["day"] == "2017-06-01"
    assert content["as_of"] == "2017-06-03T06:00:00Z"
    assert content["methods"] == ["tragnss", "dwlim"]
    assert content["basins"] == [{"id": "7", "twsa_mm": 3.5, "sigma_mm": None}]
    assert content["inputs"][0]["newest_day"] == "2017-06-01"
    assert not tree.write_latest(tmp_path, LATEST)


@pytest.mark.parametrize("text", ["", "{}", '{"day": "soon", "revision": 1}', "[1]"])
def test_a_damaged_pointer_is_written_anew(tmp_path, text):
    (tmp_path / "latest.json").write_text(text)
    assert tree.write_latest(tmp_path, LATEST)
    assert json.loads((tmp_path / "latest.json").read_text())["revision"] == 1


def test_status_is_replaced_only_when_it_changes(tmp_path):
    assert tree.write_status(tmp_path, {"state": "ok", "lag_days": math.inf})
    assert not tree.write_status(tmp_path, {"state": "ok", "lag_days": math.inf})
    assert json.loads((tmp_path / "status.json").read_text()) == {
        "schema_version": 1, "state": "ok", "lag_days": None}
