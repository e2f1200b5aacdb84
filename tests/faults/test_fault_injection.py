"""A replay that is killed, starved of disk or locked out ends with the same published tree."""

import errno
import json
import os
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest
import synthetic
from synthetic import published_files, run_tick

from dwlim_ops import workspace as workspace_module
from dwlim_ops.errors import StoreError
from dwlim_ops.session import Session

DRIVER = Path(__file__).parent / "driver.py"


def faulty_workspace(root, *, with_bundle=None):
    """Rapid solutions a day late, final ones three: every day is issued twice; alerts abound."""
    content = synthetic.configuration()
    content["climatology"] = {"minimum_years": 1}
    content["alerts"] = {"drought_class": "D0", "wet_class": "W0", "on_probability": 0.2,
                         "off_probability": 0.1, "dwell_days": 1}
    content["schedule"] = {"horizon_days": 10}
    content["products"] = {"map_days": 1}
    content["sources"]["gnss"].update(rapid_folder="inbox/rapid", rapid_latency_days=1,
                                      latency_days=3)
    if with_bundle is None:
        del content["sources"]["weather"]
    made = synthetic.build_workspace(root, content=content)
    (root / "inbox/rapid").mkdir()
    for path in (root / "inbox/gnss").iterdir():
        lines = path.read_text().splitlines()
        shifted = [" ".join((day, f"{float(up) + 0.2:.4f}", sigma))
                   for day, up, sigma in (line.split() for line in lines[-60:])]
        (root / "inbox/rapid" / path.name).write_text("\n".join([*shifted, ""]))
    if with_bundle is not None:
        from dwlim_ops.simulate.bundle import write_bundle
        from dwlim_ops.simulate.store import promote

        bundle_id = write_bundle(root / "models", with_bundle)
        promote(root / "models", synthetic.REGION, bundle_id)
    return made


def run_driver(untouched, folder, n_kills, seed):
    environment = dict(os.environ) | {"PYTHONPATH": str(Path(synthetic.__file__).parent)}
    ended = subprocess.run(
        [sys.executable, str(DRIVER), str(untouched), str(folder), str(n_kills), str(seed)],
        capture_output=True, text=True, check=False, env=environment, timeout=1200)
    assert ended.returncode == 0, ended.stderr[-2000:]
    return json.loads(ended.stdout.splitlines()[-1])


pytestmark = pytest.mark.slow


def test_a_replay_killed_at_190_points_publishes_the_same_bytes(tmp_path):
    untouched = faulty_workspace(tmp_path / "untouched")
    report = run_driver(untouched.root, tmp_path, 190, 20170101)
    assert sum(report["killed"].values()) >= 190
    assert min(report["killed"].values()) >= 30
    assert report["failed"] == []
    assert report["differing"] == {}
    assert report["files"] > 10
    assert report["alerts"] > 0


def test_with_simulated_cells_it_is_killed_at_25_points(tmp_path, trained_bundle):
    untouched = faulty_workspace(tmp_path / "untouched", with_bundle=trained_bundle)
    report = run_driver(untouched.root, tmp_path, 25, 20170102)
    assert sum(report["killed"].values()) >= 25
    assert report["failed"] == []
    assert report["differing"] == {}


class Starved:
    """Every write from the `number`-th on fails, as on a full or read-only disk."""

    def __init__(self, monkeypatch, number, code):
        self.left, self.code = number, code
        real = workspace_module.tempfile.mkstemp

        def mkstemp(*arguments, **options):
            self.left -= 1
            if self.left < 0:
                raise OSError(self.code, os.strerror(self.code))
            return real(*arguments, **options)

        monkeypatch.setattr(workspace_module.tempfile, "mkstemp", mkstemp)


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    workspace = faulty_workspace(tmp_path_factory.mktemp("faults") / "ws")
    session = Session(workspace)
    run_tick(session)
    session.close()
    return published_files(workspace)


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EROFS])
@pytest.mark.parametrize("number", [0, 20, 60, 61, 62, 63, 65, 70, 72])
def test_a_full_or_read_only_disk_loses_nothing(tmp_path, undisturbed, open_session, number, code):
    workspace = faulty_workspace(tmp_path / "ws")
    with pytest.MonkeyPatch.context() as patch:
        starved = Starved(patch, number, code)
        session = open_session(workspace)
        try:
            outcome = run_tick(session).outcome
        except StoreError as error:
            outcome = "failed"
            assert os.strerror(code) in str(error)  # noqa: PT017
        assert starved.left < 0
        assert outcome in ("degraded", "failed")
        session.close()
    assert run_tick(open_session(workspace)).outcome == "done"
    assert published_files(workspace) == undisturbed


def test_a_full_ledger_is_said_and_loses_nothing(tmp_path, undisturbed, open_session):
    workspace = faulty_workspace(tmp_path / "ws")
    session = open_session(workspace)
    with session.ledger._engine.begin() as connection:
        pages = connection.exec_driver_sql("PRAGMA page_count").scalar()
        connection.exec_driver_sql(f"PRAGMA max_page_count = {pages + 2}")
    with pytest.raises(StoreError, match="full"):
        run_tick(session)
    session.close()
    assert run_tick(open_session(workspace)).outcome == "done"
    assert published_files(workspace) == undisturbed


def test_a_locked_ledger_is_said_and_loses_nothing(tmp_path, undisturbed, open_session):
    workspace = faulty_workspace(tmp_path / "ws")
    content = synthetic.tomllib_of(workspace)
    content["ledger"] = {"lock_timeout_s": 0.2}
    synthetic.write_config(workspace.root, content)
    session = open_session(workspace)
    other = sqlite3.connect(workspace.state / "ledger.db", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(StoreError, match="locked"):
        run_tick(session)
    other.execute("ROLLBACK")
    other.close()
    assert run_tick(session).outcome == "done"
    assert published_files(workspace) == undisturbed
