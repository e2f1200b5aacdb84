"""One writer at a time; files are replaced whole."""

import subprocess
import sys

import pytest

from dwlim_ops.errors import StoreError
from dwlim_ops.workspace import Workspace, only_writer, write_atomically

HOLD = """
import sys, time
from pathlib import Path
from dwlim_ops.workspace import Workspace, only_writer
with only_writer(Workspace(Path(sys.argv[1]))):
    print("held", flush=True)
    time.sleep(60)
"""


def test_a_second_writer_is_refused_and_a_dead_one_holds_nothing(tmp_path):
    workspace = Workspace(tmp_path)
    holder = subprocess.Popen([sys.executable, "-c", HOLD, str(tmp_path)], stdout=subprocess.PIPE)
    try:
        assert holder.stdout.readline().strip() == b"held"
        with pytest.raises(StoreError, match="another process works"), only_writer(workspace):
            pass
    finally:
        holder.kill()
        holder.communicate()
    with only_writer(workspace):
        pass


def test_the_lock_is_free_again_afterwards(tmp_path):
    workspace = Workspace(tmp_path)
    for _ in range(2):
        with only_writer(workspace):
            pass


def test_a_failed_write_leaves_the_old_file_and_nothing_else(tmp_path, monkeypatch):
    path = tmp_path / "latest.json"
    write_atomically(path, b"old")
    monkeypatch.setattr("os.fsync", lambda _: (_ for _ in ()).throw(OSError("disk full")))
    with pytest.raises(OSError, match="disk full"):
        write_atomically(path, b"new")
    assert path.read_bytes() == b"old"
    assert [p.name for p in tmp_path.iterdir()] == ["latest.json"]
