"""The dashboards over the soak: what the exporter said, in a real Prometheus, and every panel.

The daemon ticks every two hours; the soak's ticked once an evening. Each evening's answer of the
exporter is taken as that of every hour until the next evening. Made up are the heartbeat of the
daemon, one a minute, and that Prometheus reaches the daemon and itself.
"""

import json
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlencode
from urllib.request import urlopen

import numpy as np
import yaml
from observability import RULES, History, program, prometheus, run
from prometheus_client.parser import text_string_to_metric_families

STEP = timedelta(hours=1)
LOOKBACK = "90m"
_UNITS_S = {"s": 1, "m": 60, "h": 3600, "d": 86400}
HEARTBEAT = "dwlim_heartbeat_timestamp_seconds"


class Texts(History):
    """Samples of the exporter's texts at made-up times, as OpenMetrics."""

    def __init__(self) -> None:
        self._lines: dict[str, list[str]] = {}

    def add(self, text: str, first: datetime, last: datetime) -> None:
        """Samples of one text, every hour from `first` on, before `last`."""
        samples = [one for family in text_string_to_metric_families(text)
                   for one in family.samples if one.name.startswith("dwlim_")]
        at = first
        while at < last:
            for job in ("dwlim", "prometheus"):
                self._add("up", {"job": job}, 1.0, at)
            for one in samples:
                if one.name != HEARTBEAT or one.labels["part"] != "daemon":
                    self._add(one.name, {**one.labels, "job": "dwlim"}, one.value, at)
            for minute in range(60):
                beat = at + timedelta(minutes=minute)
                self._add(HEARTBEAT, {"part": "daemon", "job": "dwlim"}, beat.timestamp(), beat)
            at += STEP

    def add_series(self, name: str, labels: dict[str, str], at_s: Sequence[float]) -> None:
        """A series that is 1 at some times."""
        for one in at_s:
            self._add(name, labels, 1.0, datetime.fromtimestamp(one, UTC))


@dataclass(frozen=True)
class Firing:
    """One time that an alert fired for one series of labels."""

    alert: str
    severity: str
    labels: tuple[tuple[str, str], ...]
    first: datetime
    last: datetime


def to_blocks(texts: History, folder: Path, name: str) -> None:
    """Put samples where Prometheus will look.

    Raises
    ------
    AssertionError
        promtool refuses them.
    """
    folder.mkdir(parents=True, exist_ok=True)
    texts.write(folder / f"{name}.om")
    _promtool("openmetrics", folder / f"{name}.om", folder / name)
    _move(folder / name, folder / "data")


def recorded(folder: Path, first: datetime, last: datetime) -> None:
    """Evaluate our recording rules over the history."""
    with prometheus(folder, targets={}, lookback=LOOKBACK) as server:
        _promtool("rules", "--start", f"{first.timestamp():.0f}", "--end",
                  f"{last.timestamp():.0f}", "--url", server, "--eval-interval", "1h",
                  "--output-dir", folder / "rules", RULES / "recording.yml")
    _move(folder / "rules", folder / "data")


@contextmanager
def serving(folder: Path, days: Sequence[tuple[datetime, str]]
            ) -> Iterator[tuple[str, list[Firing]]]:
    """A Prometheus with the whole soak: its address, and every alert that fired."""
    texts, last = Texts(), days[-1][0] + timedelta(hours=12)
    for number, (at, text) in enumerate(days):
        texts.add(text, at, days[number + 1][0] if number + 1 < len(days) else last)
    to_blocks(texts, folder, "history")
    recorded(folder, days[0][0], last)
    with prometheus(folder, targets={}, lookback=LOOKBACK) as server:
        firings = fired(server, days[0][0], last)
    alerts = Texts()
    for one in firings:
        hours = np.arange(one.first.timestamp(), one.last.timestamp() + 1, STEP.total_seconds())
        alerts.add_series("ALERTS", {**dict(one.labels), "alertname": one.alert, "job": "dwlim",
                                     "severity": one.severity, "alertstate": "firing"}, hours)
    if firings:
        to_blocks(alerts, folder, "alerts")
    with prometheus(folder, targets={}, lookback=LOOKBACK) as server:
        yield server, firings


def fired(server: str, first: datetime, last: datetime) -> list[Firing]:
    """When each of our alerts fired: its expression true for as long as its `for` asks."""
    found = []
    for rule in (rule for group in rule_groups() for rule in group["rules"]):
        wait_s = _seconds(rule.get("for", "0s"))
        for one in series(server, rule["expr"], first, last):
            labels = tuple(sorted((key, value) for key, value in one["metric"].items()
                                  if key not in ("__name__", "job", "instance")))
            times = np.array([at for at, _ in one["values"]], float)
            for run_s in np.split(times, np.flatnonzero(np.diff(times) > STEP.total_seconds()) + 1):
                firing = run_s[run_s >= run_s[0] + wait_s]
                if firing.size:
                    found.append(Firing(
                        rule["alert"], rule["labels"]["severity"], labels,
                        *(datetime.fromtimestamp(at, UTC) for at in (firing[0], firing[-1]))))
    return sorted(found, key=lambda one: (one.first, one.alert))


def rule_groups() -> list[dict[str, Any]]:
    """The groups of our alerts."""
    groups: list[dict[str, Any]] = yaml.safe_load((RULES / "alerts.yml").read_text())["groups"]
    return groups


def series(server: str, expression: str, first: datetime, last: datetime) -> list[dict[str, Any]]:
    """Series of a query over the whole soak, one value an hour."""
    asked = urlencode({"query": expression, "start": first.timestamp(), "end": last.timestamp(),
                       "step": STEP.total_seconds()})
    with urlopen(f"{server}/api/v1/query_range?{asked}", timeout=300) as answer:  # noqa: S310
        found: list[dict[str, Any]] = json.load(answer)["data"]["result"]
    return found



def _promtool(kind: str, *arguments: object) -> None:
    done = run(program("promtool"), "tsdb", "create-blocks-from", "--max-block-duration=744h",
               "-q", kind, *arguments)
    assert done.returncode == 0, done.stderr


def _move(source: Path, target: Path) -> None:
    target.mkdir(parents=True, exist_ok=True)
    for block in source.iterdir():
        shutil.move(block, target / block.name)


def _seconds(text: str) -> int:
    return int(text[:-1]) * _UNITS_S[text[-1]]
