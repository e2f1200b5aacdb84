"""A real Prometheus for the tests, on ports of its own, and history from replays."""

import json
import os
import shutil
import socket
import subprocess
import sys
import time
from contextlib import closing, contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.error import URLError
from urllib.parse import urlencode
from urllib.request import urlopen

import pytest

from dwlim_ops.health_facts import HealthFacts
from dwlim_ops.telemetry.metrics import LedgerCollector

DEPLOY = Path(__file__).parents[1] / "deploy"
RULES = DEPLOY / "prometheus" / "rules"
sys.path.insert(0, str(DEPLOY / "grafana"))

INSTANCE = "127.0.0.1:9108"
PATIENCE_S = 60.0
PACKAGES = {"promtool": "prometheus", "prometheus": "prometheus",
            "amtool": "prometheus-alertmanager", "prometheus-alertmanager":
            "prometheus-alertmanager"}


def program(name: str) -> str:
    """Path of a program; without it the test is skipped, in CI it fails."""
    found = shutil.which(name)
    if found is None:
        missing = f"{name} is not there: apt-get install {PACKAGES[name]}"
        if os.environ.get("CI"):
            pytest.fail(missing)
        pytest.skip(missing)
    return found


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


def run(*command: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run([str(one) for one in command], capture_output=True, text=True,
                          check=False, timeout=300)


@contextmanager
def prometheus(folder: Path, *, targets: dict[str, str], interval: str = "1s",
               lookback: str = "5m"):
    """Runs with the rules of `deploy/`; gives its address. `{own}` stands for it in targets."""
    port = free_port()
    jobs = [{"job_name": job, "static_configs": [{"targets": [at.format(own=f"127.0.0.1:{port}")]}]}
            for job, at in targets.items()]
    config = {"global": {"scrape_interval": interval, "scrape_timeout": interval,
                         "evaluation_interval": interval},
              "rule_files": [str(RULES / "*.yml")], "scrape_configs": jobs}
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "prometheus.yml").write_text(json.dumps(config))
    with (folder / "prometheus.log").open("ab") as log:
        process = subprocess.Popen(
            [program("prometheus"), f"--config.file={folder / 'prometheus.yml'}",
             f"--storage.tsdb.path={folder / 'data'}", f"--query.lookback-delta={lookback}",
             "--storage.tsdb.retention.time=100y", f"--web.listen-address=127.0.0.1:{port}"],
            stdout=log, stderr=log)
    try:
        _wait(lambda: _answers(f"http://127.0.0.1:{port}/-/ready"), folder / "prometheus.log")
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(30)


def query(server: str, expression: str, at: float | None = None) -> list[dict[str, Any]]:
    """Series of an instant query."""
    asked = {"query": expression} | ({} if at is None else {"time": at})
    with urlopen(f"{server}/api/v1/query?{urlencode(asked)}", timeout=30) as answer:  # noqa: S310
        return json.load(answer)["data"]["result"]


def wait_for(server: str, expression: str) -> list[dict[str, Any]]:
    """What a query gives once it gives something."""
    end = time.monotonic() + PATIENCE_S
    while time.monotonic() < end:
        if found := query(server, expression):
            return found
        time.sleep(0.5)
    raise AssertionError(f"no data: {expression}")


class History:
    """Scrapes of an exporter at made-up times, as OpenMetrics text."""

    def __init__(self, ledger, region, workspace):
        self._ledger = ledger
        self._collector = LedgerCollector(HealthFacts(ledger, region, workspace))
        self._lines: dict[str, list[str]] = {}

    def scrape(self, at: datetime) -> None:
        """As the daemon would answer at `at`."""
        self._ledger.beat("daemon", at)
        self._add("up", {"job": "dwlim"}, 1.0, at)
        for family in self._collector.collect():
            for sample in family.samples:
                self._add(sample.name, {**sample.labels, "job": "dwlim"}, sample.value, at)

    def fill(self, first: datetime, last: datetime, every: timedelta) -> None:
        """Scrapes from `first` on, before `last`."""
        at = first
        while at < last:
            self.scrape(at)
            at += every

    def write(self, path: Path) -> None:
        text = "\n".join(line for lines in self._lines.values() for line in lines)
        path.write_text(f"{text}\n# EOF\n")

    def _add(self, name, labels, value, at):
        escaped = {key: text.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")
                   for key, text in {**labels, "instance": INSTANCE}.items()}
        inner = ",".join(f'{key}="{text}"' for key, text in sorted(escaped.items()))
        self._lines.setdefault(name, []).append(f"{name}{{{inner}}} {value} {at.timestamp():.0f}")


def backfill(folder: Path, history: History, *, first: datetime, last: datetime, lookback: str
             ) -> None:
    """Blocks of the history and of the recording rules over it, where Prometheus will look.

    `lookback` is longer than the history's steps: when a group of rules is evaluated within its
    interval depends on the path of its file.
    """
    folder.mkdir(parents=True, exist_ok=True)
    history.write(folder / "history.om")
    promtool = program("promtool")
    done = run(promtool, "tsdb", "create-blocks-from", "openmetrics", folder / "history.om",
               folder / "data")
    assert done.returncode == 0, done.stderr
    with prometheus(folder, targets={}, lookback=lookback) as server:
        done = run(promtool, "tsdb", "create-blocks-from", "rules", "--start",
                   f"{first.timestamp():.0f}", "--end", f"{last.timestamp():.0f}", "--url", server,
                   "--eval-interval", "10m", "--output-dir", folder / "rules",
                   RULES / "recording.yml")
        assert done.returncode == 0, done.stderr
    for block in (folder / "rules").iterdir():
        shutil.move(block, folder / "data" / block.name)


def _wait(condition, log: Path) -> None:
    end = time.monotonic() + PATIENCE_S
    while time.monotonic() < end:
        if condition():
            return
        time.sleep(0.2)
    raise AssertionError(log.read_text(errors="replace")[-3000:])


def _answers(url: str) -> bool:
    try:
        with closing(urlopen(url, timeout=2)) as answer:  # noqa: S310
            return bool(answer.status == 200)
    except (URLError, OSError):
        return False
