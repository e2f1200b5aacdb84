"""A backfill on a Dask cluster, and on a work pool: the same bytes as in one process."""

import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from contextlib import contextmanager
from datetime import date, timedelta
from pathlib import Path

import prefect_server
import pytest
from prefect.client.orchestration import get_client
from prefect.client.schemas.actions import WorkPoolCreate
from prefect.client.schemas.objects import StateType
from prefect.deployments import run_deployment
from prefect.settings import PREFECT_API_URL, temporary_settings
from synthetic import AS_OF, DAY, published_files, run_tick

from dwlim_ops.daemon import SERVER_DEFAULTS
from dwlim_ops.errors import ConfigError
from dwlim_ops.workspace import Workspace

pytest.importorskip("prefect_dask", reason="the extra is not there: pip install dwlim-ops[dask]")

import dask
from distributed import Client

import flows.engine
from flows.backfill import backfill, compute
from flows.engine import cluster_engine, local_engine
from flows.reprocess import backfill_on

pytestmark = pytest.mark.slow
ROOT = Path(__file__).parents[2]
PATIENCE_S = 300.0
FIRST = date(2016, 9, 26)


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    with prefect_server.running(tmp_path_factory.mktemp("prefect"), **SERVER_DEFAULTS) as found:
        yield found


@pytest.fixture
def served_by(server):
    """The process's flows run against the server."""
    with temporary_settings({PREFECT_API_URL: server.url}):
        yield server


@pytest.fixture
def engine(served_by):
    with local_engine(2) as found:
        yield found


@pytest.fixture
def in_one_pass(trained, tmp_path, open_session):
    """Copies a workspace, backfills the original in this process, gives copy and wanted tree."""
    copy = Workspace(Path(shutil.copytree(trained.root, tmp_path / "copy")))
    report = run_tick(open_session(trained), AS_OF, first=FIRST, last=DAY)
    assert len(report.published) == (DAY - FIRST).days + 1
    return copy, published_files(trained)


def same_tree(workspace, wanted):
    found = published_files(workspace)
    assert sorted(found) == sorted(wanted)
    assert [path for path in wanted if found[path] != wanted[path]] == []


def test_two_workers_give_the_bytes_of_one_process(engine, in_one_pass):
    copy, wanted = in_one_pass
    report = backfill_on(engine, copy, FIRST, DAY, as_of=AS_OF)
    assert report.outcome == "done"
    assert report.published == tuple(FIRST + timedelta(days=n)
                                     for n in range((DAY - FIRST).days + 1))
    same_tree(copy, wanted)
    again = backfill_on(cluster_engine(engine.address), copy, FIRST, DAY, as_of=AS_OF)
    assert again.published == ()
    same_tree(copy, wanted)


@contextmanager
def a_worker_dies_at_work(engine):
    """Kills the first worker that has something to do; gives the list of the killed."""
    killed = []

    def watch(client, numbers):
        end = time.monotonic() + PATIENCE_S
        while not killed and time.monotonic() < end:
            busy = [numbers[address] for address, tasks in client.processing().items() if tasks]
            for number in busy[:1]:
                os.kill(number, signal.SIGKILL)
                killed.append(number)
            time.sleep(0.02)

    with Client(engine.address, set_as_default=False) as client:
        watching = threading.Thread(target=watch, args=(client, client.run(os.getpid)))
        watching.start()
        yield killed
        watching.join()
        assert set(killed).isdisjoint(client.run(os.getpid).values())


def test_a_worker_that_is_killed_does_not_change_the_bytes(engine, in_one_pass):
    copy, wanted = in_one_pass
    with a_worker_dies_at_work(engine) as killed:
        report = backfill_on(engine, copy, FIRST, DAY, as_of=AS_OF)
    assert len(killed) == 1
    assert report.outcome == "done"
    same_tree(copy, wanted)


def test_a_month_that_kills_its_workers_hinders_only_itself(served_by, in_one_pass):
    copy, wanted = in_one_pass
    with dask.config.set({"distributed.scheduler.allowed-failures": 0}), \
            local_engine(2) as engine:
        with a_worker_dies_at_work(engine):
            report = backfill_on(engine, copy, FIRST, DAY, as_of=AS_OF)
        assert report.outcome == "degraded"
        hindered = [text for text in report.degraded if "not estimated: " in text]
        assert 0 < len(hindered) == (DAY - FIRST).days + 1 - len(report.published)
        assert report.published
        rest = backfill_on(engine, copy, FIRST, DAY, as_of=AS_OF)
    assert len(rest.published) == len(hindered)
    same_tree(copy, wanted)


def test_the_command_takes_the_number_of_workers(served_by, in_one_pass):
    copy, wanted = in_one_pass
    done = subprocess.run(
        [sys.executable, "-m", "dwlim_ops", "backfill", str(copy.root), "--from", str(FIRST),
         "--to", str(DAY), "--as-of", AS_OF.isoformat(), "--workers", "2"], check=False,
        capture_output=True, text=True, timeout=PATIENCE_S, env=dict(served_by.environment))
    assert done.returncode == 0, done.stderr
    assert done.stdout == "done: 97 days published, as of 2017-01-02 18:00 UTC\n"
    same_tree(copy, wanted)


def test_a_scheduler_that_is_not_there_is_a_usage_error(served_by, trained, monkeypatch):
    monkeypatch.setattr(flows.engine, "CONNECT_TIMEOUT_S", 0.5)
    address = f"tcp://127.0.0.1:{prefect_server.free_port()}"
    with pytest.raises(ConfigError, match="no Dask scheduler answers"):
        compute(trained, DAY, DAY, scheduler=address)


def test_a_cluster_without_a_server_is_a_usage_error(trained):
    with temporary_settings({PREFECT_API_URL: None}), \
            pytest.raises(ConfigError, match="need a Prefect server"):
        compute(trained, DAY, DAY, scheduler="tcp://127.0.0.1:8786")


# --- many regions on a work pool


def test_a_pool_backfills_several_regions(served_by, in_one_pass, tmp_path):
    copy, wanted = in_one_pass
    second = Workspace(Path(shutil.copytree(copy.root, tmp_path / "second")))
    with get_client(sync_client=True) as client:
        client.create_work_pool(WorkPoolCreate(name="regions", type="process"))
    backfill.from_source(source=str(ROOT), entrypoint="flows/backfill.py:backfill").deploy(
        name="backfill", work_pool_name="regions", build=False, push=False, print_next_steps=False)
    wished = {"first": str(FIRST), "last": str(DAY), "as_of": AS_OF.isoformat()}
    runs = [run_deployment("backfill/backfill", timeout=0, as_subflow=False,
                           parameters={"workspace": str(one.root), **wished})
            for one in (copy, second)]
    worker = subprocess.run(
        [sys.executable, "-m", "prefect", "worker", "start", "--pool", "regions", "--run-once"],
        cwd=ROOT, check=False, capture_output=True, text=True, timeout=PATIENCE_S,
        env={**served_by.environment, "OMP_NUM_THREADS": "1"})
    with get_client(sync_client=True) as client:
        states = [client.read_flow_run(run.id).state for run in runs]
    assert [state.type for state in states] == [StateType.COMPLETED] * 2, worker.stderr[-3000:]
    for one in (copy, second):
        same_tree(one, wanted)
