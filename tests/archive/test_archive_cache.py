"""The cache: what is kept comes back, what is damaged does not, and nothing depends on it."""

import numpy as np
import pytest

from dwlim_ops.archive.cache import Cache

KEY = "ab" * 32
ARRAYS = {"up_mm": np.arange(6.0).reshape(2, 3), "flag": np.array([1, 2], np.uint8)}


@pytest.fixture
def cache(tmp_path):
    return Cache(tmp_path / "cache")


def only_file(cache):
    (path,) = [path for path in cache.folder.rglob("*") if path.is_file()]
    return path


def test_what_is_kept_comes_back(cache):
    assert cache.get(KEY) is None
    cache.put(KEY, ARRAYS)
    found = cache.get(KEY)
    assert found.keys() == ARRAYS.keys()
    for name, array in ARRAYS.items():
        assert found[name].dtype == array.dtype
        np.testing.assert_array_equal(found[name], array)
    assert cache.get(KEY[::-1]) is None
    cache.put(KEY, {"flag": ARRAYS["flag"]})
    assert cache.get(KEY).keys() == {"flag"}


def flipped(content):
    middle = len(content) // 2
    return content[:middle] + bytes([content[middle] ^ 1]) + content[middle + 1:]


@pytest.mark.parametrize("spoil", [flipped, lambda content: content[:-1], lambda _: b"",
                                   lambda _: b"short", lambda content: content + b"x",
                                   lambda content: b"x" + content[1:]])
def test_a_damaged_file_counts_as_absent_and_is_replaced(cache, caplog, spoil):
    cache.put(KEY, ARRAYS)
    path = only_file(cache)
    path.write_bytes(spoil(path.read_bytes()))
    assert cache.get(KEY) is None
    assert str(path) in caplog.text
    cache.put(KEY, ARRAYS)
    assert cache.get(KEY) is not None


def test_a_cache_that_cannot_be_written_is_said_and_passed(tmp_path, caplog):
    (tmp_path / "cache").write_text("a file where the folder should be")
    cache = Cache(tmp_path / "cache")
    cache.put(KEY, ARRAYS)
    assert "the cache cannot be written" in caplog.text
    assert cache.get(KEY) is None


def test_a_full_disk_leaves_nothing_behind(cache, monkeypatch, caplog):
    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.replace", full)
    cache.put(KEY, ARRAYS)
    assert "No space left" in caplog.text
    assert not [path for path in cache.folder.rglob("*") if path.is_file()]
