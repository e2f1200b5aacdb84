import gzip
import hashlib

import pytest

from dwlim_ops.archive.raw import RawStore
from dwlim_ops.errors import StoreError


@pytest.fixture
def store(tmp_path):
    return RawStore(tmp_path / "raw")


def _only_file(store):
    (path,) = [p for p in store.folder.rglob("*") if p.is_file()]
    return path


def test_gives_back_what_it_was_given(store):
    content = bytes(range(256)) * 50
    sha256 = store.put(content)
    assert sha256 == hashlib.sha256(content).hexdigest()
    assert store.get(sha256) == content


def test_same_content_is_stored_once_with_the_same_bytes(store):
    store.put(b"water")
    path = _only_file(store)
    before = path.read_bytes(), path.stat().st_mtime_ns
    store.put(b"water")
    assert (path.read_bytes(), path.stat().st_mtime_ns) == before


@pytest.mark.parametrize("damage", [
    lambda path: path.write_bytes(path.read_bytes()[:-9]),
    lambda path: path.write_bytes(gzip.compress(b"other")),
    lambda path: path.write_bytes(b"<html>"),
    lambda path: path.unlink(),
])
def test_damage_is_an_error_that_names_the_file(store, damage):
    sha256 = store.put(b"water")
    path = _only_file(store)
    damage(path)
    with pytest.raises(StoreError) as caught:
        store.get(sha256)
    assert str(path) in str(caught.value)
    assert "remedy" in str(caught.value)


def test_a_damaged_file_is_replaced_when_its_content_comes_again(store):
    sha256 = store.put(b"water")
    _only_file(store).write_bytes(b"damaged")
    store.put(b"water")
    assert store.get(sha256) == b"water"


def test_what_is_removed_is_gone_and_removing_it_again_is_no_error(store):
    sha256, other = store.put(b"water"), store.put(b"ice")
    for _ in range(2):
        store.remove(sha256)
    with pytest.raises(StoreError):
        store.get(sha256)
    assert store.get(other) == b"ice"
