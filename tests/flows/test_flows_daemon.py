"""`dwlim up` as operators run it: its own processes, a real server, real signals."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path
from urllib.request import urlopen

import pytest
import synthetic
from synthetic import DAY, run_tick

from dwlim_ops.errors import BusyError
from dwlim_ops.state.ledger import Ledger
from dwlim_ops.workspace import only_writer

pytestmark = pytest.mark.slow
PATIENCE_S = 150.0


def free_port():
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return found.getsockname()[1]


@pytest.fixture
def scheduled(tmp_path):
    """A workspace that ticks every minute, GNSS-only, on ports of its own."""
    content = synthetic.configuration()
    del content["sources"]["weather"]
    content["sources"]["gnss"]["latency_days"] = 0
    content["schedule"] = {"horizon_days": 2, "tick_cron": "* * * * *"}
    content["daemon"] = {"metrics_port": free_port(), "web_port": free_port(),
                         "prefect_port": free_port()}
    return synthetic.build_workspace(tmp_path / "ws", content=content), content["daemon"]


@contextmanager
def daemon(workspace):
    environment = {name: value for name, value in os.environ.items()
                   if not name.startswith("PREFECT_")} | {"HOME": str(workspace.root.parent)}
    log = (workspace.root.parent / "up.log").open("ab")
    process = subprocess.Popen(
        [sys.executable, "-m", "dwlim_ops", "up", str(workspace.root)], env=environment,
        stdout=log, stderr=log, cwd=workspace.root.parent)
    try:
        yield process
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(60)
            except subprocess.TimeoutExpired:
                process.kill()
        log.close()


def log_of(workspace):
    return (workspace.root.parent / "up.log").read_text(errors="replace")


def wait_for(condition, workspace, what):
    end = time.monotonic() + PATIENCE_S
    while time.monotonic() < end:
        found = condition()
        if found:
            return found
        time.sleep(0.3)
    raise AssertionError(f"{what} did not happen\n{log_of(workspace)[-3000:]}")


def ticks(workspace):
    if not (workspace.state / "ledger.db").exists():
        return []
    ledger = Ledger(workspace.ledger_url)
    found = ledger.ticks()
    ledger.close()
    return found


def children(process):
    listing = subprocess.run(["ps", "-o", "pid=,args=", "--ppid", str(process.pid)],
                             capture_output=True, text=True, check=False).stdout
    return {("server" if "prefect" in line else "runner"): int(line.split()[0])
            for line in listing.splitlines()}


def ended(pid):
    """The process is gone, or dead and waits for its parent."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except OSError:
        return True


def test_schedule_restart_of_the_server_and_graceful_stop(scheduled):
    workspace, ports = scheduled
    with daemon(workspace) as process:
        wait_for(lambda: ticks(workspace), workspace, "the tick that catches up")
        latest = urlopen(f"http://127.0.0.1:{ports['web_port']}/latest.json").read()
        assert json.loads(latest)["day"] == str(DAY)
        metrics = urlopen(f"http://127.0.0.1:{ports['metrics_port']}/metrics").read().decode()
        assert 'dwlim_last_tick_outcome{outcome="done"} 1.0' in metrics
        assert 'dwlim_heartbeat_timestamp_seconds{part="daemon"}' in metrics
        with pytest.raises(BusyError, match=str(process.pid)), only_writer(workspace,
                                                                          name="daemon"):
            pass
        n_ticks = len(ticks(workspace))
        wait_for(lambda: len(ticks(workspace)) > n_ticks, workspace, "the scheduled tick")

        os.kill(children(process)["server"], signal.SIGKILL)
        n_ticks = len(ticks(workspace))
        wait_for(lambda: len(ticks(workspace)) > n_ticks, workspace, "a tick without it")
        process.send_signal(signal.SIGTERM)
        assert process.wait(90) == 0
    assert "stopped" in log_of(workspace)
    assert {tick.outcome for tick in ticks(workspace)} == {"done"}


def test_after_a_kill_of_everything_one_tick_catches_up(scheduled):
    workspace, _ = scheduled
    with daemon(workspace) as process:
        wait_for(lambda: ticks(workspace), workspace, "the first tick")
        gone = children(process)
        process.kill()
        for pid in gone.values():
            wait_for(lambda pid=pid: ended(pid), workspace, "the end of the children")
    n_ticks = len(ticks(workspace))
    with daemon(workspace):
        wait_for(lambda: len(ticks(workspace)) > n_ticks, workspace, "the tick that catches up")


def test_a_tick_is_left_out_while_another_process_works(scheduled):
    workspace, _ = scheduled
    with only_writer(workspace), daemon(workspace):
        wait_for(lambda: "left out" in log_of(workspace), workspace, "a tick that is left out")
        assert ticks(workspace) == []


def test_a_port_that_is_taken_is_a_usage_error(scheduled):
    workspace, ports = scheduled
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", ports["web_port"]))
        taken.listen()
        with daemon(workspace) as process:
            assert process.wait(60) == 2
    assert "daemon.web_port" in log_of(workspace)


def test_the_tick_of_the_daemon_is_the_tick_of_the_command(scheduled, open_session):
    workspace, _ = scheduled
    with daemon(workspace):
        wait_for(lambda: ticks(workspace), workspace, "the first tick")
    session = open_session(workspace)
    assert run_tick(session, session.ledger.newest_wall_time()).published == ()
