"""Back up, restore elsewhere, go on: the same bytes as the original that went on."""

import hashlib
import io
import json
import os
import shutil
import sqlite3
import tarfile
from datetime import UTC, datetime

import pytest
import synthetic
import typer
from hypothesis import given, settings
from hypothesis import strategies as st
from synthetic import AS_OF, EARLY, published_files, run_tick
from typer.testing import CliRunner

from dwlim_ops.backup import FORMAT, back_up, restore
from dwlim_ops.cli.backup import backup as backup_command
from dwlim_ops.cli.backup import restore as restore_command
from dwlim_ops.errors import BusyError, ConfigError, MalformedInputError, StoreError
from dwlim_ops.state.ledger import Ledger
from dwlim_ops.workspace import Workspace, only_writer

#: Whole ticks of a workspace.
pytestmark = pytest.mark.slow

NOW = datetime(2017, 1, 3, tzinfo=UTC)


@pytest.fixture
def place(tmp_path):
    """A folder in which backups and restored workspaces lie."""
    folder = tmp_path / "elsewhere"
    folder.mkdir()
    return folder


def contents(workspace, *, but=("state/", "store/cache/")):
    """Bytes and time of every file, without locks, ledger and cache."""
    return {path.relative_to(workspace.root).as_posix():
            (path.read_bytes(), path.stat().st_mtime_ns)
            for path in workspace.root.rglob("*") if path.is_file()
            and not path.relative_to(workspace.root).as_posix().startswith(but)}


def tables(workspace):
    """Every row of the ledger."""
    with sqlite3.connect(workspace.state / "ledger.db") as connection:
        names = [name for (name,) in connection.execute(
            "SELECT name FROM sqlite_master WHERE type='table' ORDER BY name")]
        return {name: connection.execute(f"SELECT * FROM {name}").fetchall()  # noqa: S608  # our own
                for name in names}


def rewritten(source, target, change):
    """A backup with its members changed: `change` maps (name, content) to a list of such."""
    with tarfile.open(source) as old, tarfile.open(target, "w") as new:
        for member in old:
            for name, content in change(member.name, old.extractfile(member).read()):
                info = tarfile.TarInfo(name)
                info.size = len(content)
                new.addfile(info, io.BytesIO(content))
    return target


def test_a_restored_workspace_is_the_one_that_was_backed_up(ticked, place):
    (ticked.root / "inbox" / "empty").mkdir()
    made = back_up(ticked, place / "b.tar", now=NOW)
    copy = Workspace(place / "ws")
    assert restore(place / "b.tar", copy) == made
    assert contents(copy) == contents(ticked)
    assert tables(copy) == tables(ticked)
    assert (copy.root / "inbox" / "empty").is_dir()
    assert (made.region, made.ledger, made.created_at) == (
        synthetic.REGION, "sqlite", "2017-01-03T00:00:00+00:00")
    assert {"dwlim.toml", "state/ledger.db", "published/latest.json"} <= set(made.files)
    assert not any(name.startswith(("store/cache/", "state/prefect/")) or name.endswith(".lock")
                   for name in made.files)
    assert not list(place.glob(".*"))
    assert not list(copy.root.glob(".*"))


def test_a_restored_workspace_goes_on_as_the_original_does(workspace, place, open_session):
    session = open_session(workspace)
    run_tick(session, EARLY)
    session.close()
    back_up(workspace, place / "b.tar", now=NOW)
    copy = Workspace(place / "ws")
    restore(place / "b.tar", copy)
    reports = [run_tick(open_session(one), AS_OF) for one in (workspace, copy)]
    assert reports[0].published
    assert reports[0].published == reports[1].published
    assert published_files(copy) == published_files(workspace)


def test_only_its_owner_may_read_a_backup(ticked, place):
    back_up(ticked, place / "b.tar", now=NOW)
    assert (place / "b.tar").stat().st_mode & 0o777 == 0o600


def test_a_ledger_in_use_is_copied_as_of_one_moment(ticked, place):
    ledger = Ledger(ticked.ledger_url)
    ledger.beat("daemon", NOW)
    back_up(ticked, place / "b.tar", now=NOW)
    ledger.beat("daemon", AS_OF)
    ledger.close()
    copy = Workspace(place / "ws")
    restore(place / "b.tar", copy)
    ledger = Ledger(copy.ledger_url)
    assert ledger.heartbeats()["daemon"] == NOW
    ledger.close()


def test_a_backup_waits_for_the_writer_and_gives_up_in_time(ticked, place):
    with only_writer(ticked), pytest.raises(BusyError, match="another process"):
        back_up(ticked, place / "b.tar", now=NOW, patience_s=0.1)
    assert list(place.iterdir()) == []


def test_a_damaged_ledger_is_not_backed_up_as_if_it_were_well(ticked, place):
    (ticked.state / "ledger.db").write_bytes(b"rot" * 5000)
    for path in ticked.state.glob("ledger.db-*"):
        path.unlink()
    with pytest.raises(StoreError, match="ledger cannot be copied"):
        back_up(ticked, place / "b.tar", now=NOW)
    assert list(place.iterdir()) == []


def test_a_full_disk_leaves_nothing(ticked, place, monkeypatch):
    def full(_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(StoreError, match="No space left"):
        back_up(ticked, place / "b.tar", now=NOW)
    assert list(place.iterdir()) == []


def test_a_backup_is_never_overwritten_nor_put_into_the_workspace(ticked, place):
    (place / "b.tar").write_bytes(b"older")
    for target in (place / "b.tar", ticked.published / "b.tar"):
        with pytest.raises(ConfigError, match="no place for a backup"):
            back_up(ticked, target, now=NOW)
    assert (place / "b.tar").read_bytes() == b"older"


def test_links_are_named_and_not_followed(ticked, place):
    (place / "secret").write_text("secret")
    (ticked.root / "inbox" / "out").symlink_to(place, target_is_directory=True)
    (ticked.root / "inbox" / "file").symlink_to(place / "secret")
    made = back_up(ticked, place / "b.tar", now=NOW)
    assert made.links == ("inbox/file", "inbox/out")
    assert b"secret" not in (place / "b.tar").read_bytes().replace(b"secret_", b"")


def test_a_ledger_in_postgresql_is_said_not_to_be_in_it(ticked, place, postgresql_server):
    content = synthetic.configuration() | {"ledger": {"url": postgresql_server.new_database()}}
    synthetic.write_config(ticked.root, content)
    made = back_up(ticked, place / "b.tar", now=NOW)
    assert made.ledger == "postgresql"
    assert "state/ledger.db" not in made.files


# --- what is no whole backup


def digest_altered(name, content):
    return [(name, content[:-1] + bytes([content[-1] ^ 1]) if name.endswith(".nc") else content)]


def end_missing(name, content):
    return [] if name == "manifest.json" else [(name, content)]


def file_missing(name, content):
    return [] if name.endswith("latest.json") else [(name, content)]


def file_added(name, content):
    return [("files/published/more.json", b"{}"), (name, content)] if "latest" in name else [
        (name, content)]


def file_after_the_end(name, content):
    return [(name, content)] + ([("files/x", b"")] if name == "manifest.json" else [])


def newer_format(name, content):
    if name == "manifest.json":
        content = json.dumps(json.loads(content) | {"format": FORMAT + 1}).encode()
    return [(name, content)]


def no_manifest(name, content):
    return [(name, b"{}" if name == "manifest.json" else content)]


def leading_out(path):
    def change(name, content):
        if name == "manifest.json":
            manifest = json.loads(content)
            manifest["files"][path] = {"sha256": hashlib.sha256(b"evil").hexdigest(),
                                       "n_bytes": 4, "mtime_ns": 0}
            return [(f"files/{path}", b"evil"), (name, json.dumps(manifest).encode())]
        return [(name, content)]

    return change


@pytest.mark.parametrize("change", [
    digest_altered, end_missing, file_missing, file_added, file_after_the_end, newer_format,
    no_manifest, leading_out("../evil"), leading_out("/evil"), leading_out("a/../../evil"),
    leading_out("")])
def test_what_is_no_whole_backup_restores_nothing(ticked, place, change):
    back_up(ticked, place / "b.tar", now=NOW)
    rewritten(place / "b.tar", place / "changed.tar", change)
    with pytest.raises(MalformedInputError, match="not a whole backup"):
        restore(place / "changed.tar", Workspace(place / "ws"))
    assert list((place / "ws").iterdir()) == []
    assert {path.name for path in place.iterdir()} == {"b.tar", "changed.tar", "ws"}


def test_a_link_in_a_backup_is_refused(place):
    with tarfile.open(place / "b.tar", "w") as archive:
        link = tarfile.TarInfo("files/out")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
        archive.addfile(link)
    with pytest.raises(MalformedInputError, match="not a plain file"):
        restore(place / "b.tar", Workspace(place / "ws"))


@pytest.fixture(scope="module")
def whole(tmp_path_factory, _ticked):
    """Bytes of one backup."""
    folder = tmp_path_factory.mktemp("whole")
    shutil.copytree(_ticked, folder / "ws")
    back_up(Workspace(folder / "ws"), folder / "b.tar", now=NOW)
    return (folder / "b.tar").read_bytes()


@settings(max_examples=15, derandomize=True, deadline=None)
@given(share=st.floats(0, 0.999))
def test_a_backup_that_is_cut_off_restores_nothing(whole, tmp_path_factory, share):
    folder = tmp_path_factory.mktemp("cut")
    (folder / "b.tar").write_bytes(whole[:int(share * len(whole.rstrip(b"\0")))])
    with pytest.raises(MalformedInputError):
        restore(folder / "b.tar", Workspace(folder / "ws"))
    assert list((folder / "ws").iterdir()) == []


def test_a_folder_in_use_is_left_alone(ticked, place, workspace):
    back_up(ticked, place / "b.tar", now=NOW)
    before = contents(workspace)
    with pytest.raises(ConfigError, match="not empty"):
        restore(place / "b.tar", workspace)
    assert contents(workspace) == before


def test_what_a_killed_restore_left_does_not_hinder(ticked, place):
    back_up(ticked, place / "b.tar", now=NOW)
    copy = Workspace(place / "ws")
    (copy.root / ".restore-x.part" / "published").mkdir(parents=True)
    restore(place / "b.tar", copy)
    assert contents(copy) == contents(ticked)
    assert not list(copy.root.glob(".*"))


def test_the_commands(ticked, place):
    app = typer.Typer()
    app.command()(backup_command)
    app.command()(restore_command)
    run, file = CliRunner(), str(place / "b.tar")
    done = run.invoke(app, ["backup", str(ticked.root), file], catch_exceptions=False)
    assert done.exit_code == 0
    assert f"written: {file}, " in done.output
    done = run.invoke(app, ["restore", file, str(place / "ws")], catch_exceptions=False)
    assert done.exit_code == 0
    assert "restored: " in done.output
    assert f"region {synthetic.REGION}" in done.output
    assert contents(Workspace(place / "ws")) == contents(ticked)
