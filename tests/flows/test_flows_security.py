"""The daemon as in production: secrets as files, PostgreSQL, a password; who listens, who tells."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import httpx
import pytest
import synthetic
from prefect_server import free_port

from dwlim_ops.credentials import FOLDER
from dwlim_ops.state.ledger import Ledger

pytestmark = pytest.mark.slow

PATIENCE_S = 150.0
TOKEN, PASSWORD = "earthdata-of-no-use", "of-no-use-either"  # made up
LOOPBACK = {"0100007F", "00000000000000000000000001000000"}
_LISTENING = "0A"


@pytest.fixture
def production(tmp_path, postgresql_server):
    """A workspace with its ledger on PostgreSQL, and a folder of secrets."""
    content = synthetic.configuration()
    del content["sources"]["weather"]
    content["schedule"] = {"horizon_days": 2, "tick_cron": "0 0 1 1 *"}
    content["daemon"] = {name: free_port() for name in ("metrics_port", "web_port",
                                                        "prefect_port")}
    content["ledger"] = {"url": postgresql_server.new_database()}
    secrets = tmp_path / "secrets"
    secrets.mkdir(mode=0o700)
    of_prefect = postgresql_server.new_database().replace(
        "+psycopg://postgres@", f"+asyncpg://postgres:{PASSWORD}@")
    for name, text in {"EARTHDATA_TOKEN": TOKEN, "PREFECT_SERVER_API_AUTH_STRING":
                       f"desk:{PASSWORD}", "PREFECT_API_DATABASE_CONNECTION_URL":
                       of_prefect}.items():
        (secrets / name).write_text(text + "\n")
    return synthetic.build_workspace(tmp_path / "ws", content=content), content, secrets


@pytest.fixture
def daemon(production):
    """The daemon of it, once its first tick has ended."""
    workspace, content, secrets = production
    environment = {name: value for name, value in os.environ.items()
                   if not name.startswith("PREFECT_")} | {
        "HOME": str(workspace.root.parent), FOLDER: str(secrets)}
    with (workspace.root.parent / "up.log").open("wb") as log, subprocess.Popen(
            [sys.executable, "-m", "dwlim_ops.credentials", sys.executable, "-m", "dwlim_ops",
             "up", str(workspace.root)], env=environment, stdout=log, stderr=log,
            cwd=workspace.root.parent) as process:
        try:
            wait_for(lambda: ticks(content["ledger"]["url"]), workspace)
            yield process
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(90)


def wait_for(condition, workspace):
    end = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < end, (workspace.root.parent / "up.log").read_text()[-3000:]
        time.sleep(0.5)


def ticks(url):
    ledger = Ledger(url)
    found = ledger.ticks()
    ledger.close()
    return found


def family(pid):
    """A process and all its descendants."""
    parents = {}
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = path.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        parents[int(path.parent.name)] = int(fields[1])
    found = {pid}
    while True:
        more = {child for child, parent in parents.items() if parent in found} - found
        if not more:
            return found
        found |= more


def listening(pids):
    """Address and port of every TCP socket on which one of the processes listens."""
    inodes = set()
    for pid in pids:
        for link in Path(f"/proc/{pid}/fd").iterdir():
            try:
                inodes.add(str(link.readlink()))
            except OSError:
                continue
    found = set()
    for table in ("tcp", "tcp6"):
        for line in Path(f"/proc/net/{table}").read_text().splitlines()[1:]:
            fields = line.split()
            if fields[3] == _LISTENING and f"socket:[{fields[9]}]" in inodes:
                address, _, port = fields[1].partition(":")
                found.add((address, int(port, 16)))
    return found


def test_the_daemon_in_production(daemon, production):
    workspace, content, _ = production
    ports = content["daemon"]
    url = f"http://127.0.0.1:{ports['prefect_port']}/api"
    pids = family(daemon.pid)
    assert len(pids) >= 3

    assert {address for address, _ in listening(pids)} <= LOOPBACK
    assert {port for _, port in listening(pids)} >= set(ports.values())

    lines = [Path(f"/proc/{pid}/cmdline").read_bytes() for pid in pids]
    assert any(b"flows.service" in line for line in lines)
    assert not [line for line in lines for secret in (TOKEN, PASSWORD) if secret.encode() in line]

    assert httpx.get(f"{url}/health").status_code == 200
    assert httpx.post(f"{url}/automations/filter", json={}).status_code == 401
    answer = httpx.post(f"{url}/automations/filter", json={}, auth=("desk", PASSWORD))
    assert sorted(one["name"] for one in answer.json()) == [
        f"dwlim tick-{synthetic.REGION}: {what}" for what in ("dead", "late", "stuck")]
    foreign = httpx.options(f"{url}/flows/filter", headers={
        "Origin": "http://evil.example", "Access-Control-Request-Method": "POST"})
    assert "access-control-allow-origin" not in foreign.headers

    assert {tick.outcome for tick in ticks(content["ledger"]["url"])} == {"done"}
    latest = httpx.get(f"http://127.0.0.1:{ports['web_port']}/latest.json").json()
    assert latest["day"] == str(synthetic.DAY)

    told = (workspace.root.parent / "up.log").read_text()
    kept = b"".join(path.read_bytes() for path in workspace.root.rglob("*") if path.is_file())
    for secret in (TOKEN, PASSWORD):
        assert secret not in told
        assert secret.encode() not in kept
    assert not list((workspace.state / "prefect").glob("*.db"))
    assert not (workspace.state / "ledger.db").exists()


def test_listening_to_the_world_would_be_noticed():
    server = subprocess.Popen([sys.executable, "-c", (
        "import json, socket; s = socket.create_server(('0.0.0.0', 0)); "
        "print(json.dumps(s.getsockname()[1]), flush=True); input()")],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    with server:
        port = json.loads(server.stdout.readline())
        assert listening({server.pid}) == {("00000000", port)}
        server.stdin.close()
        server.wait(20)
