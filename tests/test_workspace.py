"""One writer at a time; files are replaced whole."""

import os
import stat
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from dwlim_ops.errors import BusyError, StoreError
from dwlim_ops.workspace import (
    Workspace,
    only_writer,
    remove_leftovers,
    sync_folder,
    write_atomically,
)

HOLD = """
import sys, time
from pathlib import Path
from dwlim_ops.workspace import Workspace, only_writer
with only_writer(Workspace(Path(sys.argv[1]))):
    print("held", flush=True)
    time.sleep(60)
"""


def test_a_second_writer_is_refused_by_name_and_a_dead_one_holds_nothing(tmp_path):
    workspace = Workspace(tmp_path)
    holder = subprocess.Popen([sys.executable, "-c", HOLD, str(tmp_path)], stdout=subprocess.PIPE)
    try:
        assert holder.stdout.readline().strip() == b"held"
        for _ in range(2):
            with (pytest.raises(BusyError, match="another process works") as caught,
                  only_writer(workspace)):
                pass
            assert caught.value.got == f"held by process {holder.pid}"
            assert "wait" in caught.value.remedy
        with only_writer(workspace, name="daemon"):
            pass
    finally:
        holder.kill()
        holder.communicate()
    assert (workspace.state / "writer.lock").read_text() == str(holder.pid)
    with only_writer(workspace):
        assert (workspace.state / "writer.lock").read_text() == str(os.getpid())


@pytest.mark.parametrize("left", ["", "1", "999999999", "no number"])
def test_a_lock_file_that_a_dead_process_left_hinders_nobody(tmp_path, left):
    workspace = Workspace(tmp_path)
    workspace.state.mkdir()
    (workspace.state / "writer.lock").write_text(left)
    with only_writer(workspace):
        pass


def test_the_lock_is_free_again_afterwards_and_after_an_error(tmp_path):
    workspace = Workspace(tmp_path)
    for _ in range(2):
        with pytest.raises(ZeroDivisionError), only_writer(workspace):
            raise ZeroDivisionError


def test_a_writer_may_wait_for_another_to_end(tmp_path):
    workspace, held, free = Workspace(tmp_path), threading.Event(), threading.Event()

    def hold():
        with only_writer(workspace):
            held.set()
            free.wait(30)

    other = threading.Thread(target=hold)
    other.start()
    held.wait(30)
    begun = time.monotonic()
    with pytest.raises(BusyError), only_writer(workspace, wait_s=0.2):
        pass
    assert time.monotonic() - begun >= 0.2
    threading.Timer(0.2, free.set).start()
    with only_writer(workspace, wait_s=30):
        pass
    other.join()


def test_a_workspace_that_cannot_be_written_is_no_busy_one(tmp_path):
    (tmp_path / "state").write_text("a file where the folder should be")
    with (pytest.raises(StoreError, match="cannot be written") as caught,
          only_writer(Workspace(tmp_path))):
        pass
    assert not isinstance(caught.value, BusyError)


@pytest.mark.parametrize("durable", [True, False])
def test_a_file_is_replaced_whole_and_readable_by_all(tmp_path, durable):
    path = tmp_path / "new" / "latest.json"
    for content in (b"old", b"new"):
        write_atomically(path, content, durable=durable)
        assert path.read_bytes() == content
    assert stat.S_IMODE(path.stat().st_mode) == 0o644
    assert [p.name for p in path.parent.iterdir()] == ["latest.json"]


def test_only_what_must_last_waits_for_the_disk(tmp_path, monkeypatch):
    synced = []
    monkeypatch.setattr("os.fsync", lambda descriptor: synced.append(
        Path(f"/proc/self/fd/{descriptor}").readlink().as_posix()))
    write_atomically(tmp_path / "a", b"x", durable=False)
    assert synced == []
    write_atomically(tmp_path / "a", b"y")
    assert synced[0].endswith(".part")
    assert synced[1:] == [str(tmp_path)]
    sync_folder(tmp_path)
    assert len(synced) == 3


def test_a_failed_write_leaves_the_old_file_and_nothing_else(tmp_path, monkeypatch):
    path = tmp_path / "latest.json"
    write_atomically(path, b"old")
    monkeypatch.setattr("os.fsync", lambda _: (_ for _ in ()).throw(OSError("disk full")))
    with pytest.raises(OSError, match="disk full"):
        write_atomically(path, b"new")
    assert path.read_bytes() == b"old"
    assert [p.name for p in tmp_path.iterdir()] == ["latest.json"]


def test_only_half_written_files_are_removed(tmp_path):
    kept = ["daily/a.nc", "daily/a.part", ".hidden", "daily/.a.nc"]
    for name in [*kept, "daily/.a.nc.x1.part", ".latest.json.y2.part"]:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"x")
    assert remove_leftovers(tmp_path) == 2
    left = [p.relative_to(tmp_path).as_posix() for p in tmp_path.rglob("*") if p.is_file()]
    assert sorted(left) == sorted(kept)
    assert remove_leftovers(tmp_path / "nowhere") == 0


def test_a_workspace_is_held_while_somebody_writes(tmp_path):
    from dwlim_ops.workspace import is_held

    workspace = Workspace(tmp_path)
    assert not is_held(workspace)
    with only_writer(workspace):
        assert is_held(workspace)
        assert not is_held(workspace, name="daemon")
    assert not is_held(workspace)
    with only_writer(workspace):
        pass
