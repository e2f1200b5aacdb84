"""The soak itself: a simulated evening after the other, each with its faults, measured, judged."""

import json
import logging
import os
import time
from collections import defaultdict
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing
from dataclasses import asdict, dataclass, field, replace
from datetime import date, timedelta
from pathlib import Path
from typing import Any
from unittest.mock import patch

import numpy as np

from dwlim_ops.examination import examine
from dwlim_ops.session import Session
from dwlim_ops.state.alert_ledger import AlertLedger
from dwlim_ops.state.ledger import Ledger
from dwlim_ops.telemetry.progress import progress
from tests.replicas.internet import Internet
from tests.soak import laws, region, troubles
from tests.soak.daemon import Worker, WorkerDiedError
from tests.soak.measure import measured, old_leftovers
from tests.soak.receiver import Receiver
from tests.soak.schedule import Incident, Ours

_log = logging.getLogger(__name__)

BACKUP_EVERY_DAYS, KEPT_BACKUPS = 30, 2
SECRET_LIFE = timedelta(days=60)


@dataclass
class Evening:
    """What is noted of one evening; the lines of `days.jsonl`."""

    day: int
    now: str
    incidents: list[str]
    state: str = ""
    message: str = ""
    outcome: str = ""
    remarks: list[str] = field(default_factory=list)
    n_kills: int = 0
    process: int = 0
    figures: dict[str, Any] = field(default_factory=dict)
    newest_day: str = ""
    age_days: int = -1
    tier: str = ""
    n_published: int = 0
    n_quarantined: int = 0
    outbox: int = 0
    n_alerts: int = 0
    size: dict[str, Any] = field(default_factory=dict)
    broken: list[str] = field(default_factory=list)


class Soak:
    """A soak in a folder; `run` gives the evenings.

    Parameters
    ----------
    folder : Path
        New; holds workspace, logs, `days.jsonl`, `metrics/` and `end.json`.
    incidents : sequence of Incident
    n_days : int
        Days with faults; before them one, and after them `size.quiet_end_days`, without.
    """

    def __init__(self, folder: Path, incidents: Sequence[Incident], n_days: int, seed: int,
                 size: region.Size = region.USUAL) -> None:
        self.folder, self.incidents = folder, incidents
        self._random = np.random.default_rng([seed, 1])
        self.size, self.n_evenings = size, n_days + size.quiet_end_days + 1
        self._before: dict[date, tuple[str, int]] = {}
        self._hindered = 0
        self._doubtful: set[int] = set()
        self._faulty: dict[str, set[date]] = defaultdict(set)
        self._last_tick_s = 5.0
        self.evenings: list[Evening] = []

    def run(self) -> list[str]:
        """Every evening, then the end; returns every law that was broken."""
        (self.folder / "metrics").mkdir(parents=True)
        (self.folder / "backups").mkdir()
        with ExitStack() as stack:
            self._enter(stack)
            with progress("days", self.n_evenings) as advance:
                for day in range(self.n_evenings):
                    evening = self._evening(day)
                    self._note(evening)
                    advance("; ".join((f"{evening.state} in {evening.figures['tick_s']:.1f} s",
                                       *(f"BROKEN: {text}" for text in evening.broken))))
                    self.net.advance(timedelta(days=1))
            self.net.advance(timedelta(days=-1))
            broken = [f"day {one.day}: {text}" for one in self.evenings for text in one.broken]
            return broken + self._end()

    def _enter(self, stack: ExitStack) -> None:
        world = region.made_world(self.size)
        self.net = stack.enter_context(Internet(world))
        self.usual = region.environment_of(self.net)
        self.receiver = stack.enter_context(Receiver(self.usual[region.SECRET_VARIABLE]))
        self.workspace = region.build(self.folder / "ws", world, self.receiver.address, self.size)
        troubles.on_services(self.net, ())
        self.worker = stack.enter_context(Worker(
            self.workspace.root, self.folder / "worker.log", self.usual))

    def _evening(self, day: int) -> Evening:
        active = [one for one in self.incidents if one.is_on(day)]
        evening = Evening(day, self.net.world.now.isoformat(), [one.name for one in active])
        begun_s = time.time()
        self._trouble(day, active)
        order = troubles.order_of(self.net.world.now, active, self._random)
        order["environment"] = troubles.environment_of(
            self.usual, active, troubles.token_of(self.net, day, active))
        if any(one.kind is Ours.KILLED for one in active):
            evening.n_kills = self._kill(order)
            self._doubtful.add(day)
        try:
            told = self.worker.ask(**order)
        except WorkerDiedError as error:
            evening.broken.append(f"the worker died by itself: {str(error)[-1500:]}")
            self.worker.start()
            told = self.worker.ask(**order)
        self._last_tick_s = told["tick_s"]
        evening.process = self.worker.n_starts
        evening.state, evening.message = told.pop("state") or "Completed", told.pop("message")
        evening.figures = told
        text = self.worker.metrics()
        (self.folder / "metrics" / f"{day:03d}.prom").write_text(text)
        self._judge(evening, active, begun_s)
        if day and day % BACKUP_EVERY_DAYS == 0:
            self._back_up(day)
        return evening

    def _trouble(self, day: int, active: Sequence[Incident]) -> None:
        troubles.on_services(self.net, active)
        self.receiver.day = day
        troubles.on_receiver(self.receiver, active)
        troubles.on_our_files(self.workspace, active, self._random)
        for one in active:
            for source in troubles.sources_of(one):
                self._faulty[source].add(self.net.world.now.date())

    def _kill(self, order: dict[str, Any]) -> int:
        """One to three kills at random moments of a tick, each followed by a new worker."""
        n_killed = 0
        for _ in range(1 + int(self._random.integers(3))):
            after_s = float(self._random.uniform(0.05, 1.0)) * self._last_tick_s
            self.worker.kill_during(after_s, **order)
            n_killed += 1
            self.worker.start()
        return n_killed

    def _judge(self, evening: Evening, active: Sequence[Incident], begun_s: float) -> None:
        """Measure, and look whether the laws hold."""
        failed = evening.state not in ("Completed", "Degraded")
        today = self.net.world.now.date()
        hindering = failed or evening.n_kills > 0 or any(
            one.target == "ngl" or one.kind in (Ours.DISK_FULL, Ours.CLOCK_BACK,
                                                Ours.CLOCK_FAR_BACK) for one in active)
        self._hindered = self._hindered + 1 if hindering else 0
        with closing(Ledger(self.workspace.ledger_url)) as ledger:
            newest = ledger.newest_revisions()
            (tick, *_) = ledger.ticks(limit=1)
            evening.outcome = "failed" if failed else tick.outcome
            evening.remarks = list(tick.detail.get("degraded", ())) if not failed else [
                evening.message]
            evening.n_quarantined = len(ledger.quarantined_now())
            alerts = AlertLedger(ledger)
            evening.outbox = sum(number for state, number in alerts.outbox()[0].items()
                                 if state in ("pending", "sending"))
            evening.n_alerts = len(alerts.active(at=self.net.world.now))
        found, broken = laws.published(self.workspace)
        wrote_all = not failed and not any(one.kind is Ours.DISK_FULL for one in active)
        evening.broken += [
            *broken, *laws.outlets_agree(found, newest, failed=not wrote_all),
            *laws.nothing_is_lost(self._before, newest, self.workspace.published),
            *laws.young_enough(max(newest), today, self._hindered),
            *laws.said_once(self.receiver.arrivals, self._doubtful),
            *laws.refers_to_what_was_sent(self.receiver.arrivals)]
        evening.broken += [f"{path} is a leftover of an earlier tick" for path in old_leftovers(
            self.workspace.root, begun_s - 1.0)]
        self._before = {day: (one.tier, one.revision) for day, one in newest.items()}
        last = newest[max(newest)]
        evening.newest_day, evening.age_days = str(last.day), (today - last.day).days
        evening.tier, evening.n_published = last.tier, len(newest)
        evening.size = measured(self.workspace)

    def _back_up(self, day: int) -> None:
        """As the nightly unit does, here monthly; older ones are deleted."""
        kept = sorted((self.folder / "backups").glob("*.tar"))
        for path in kept[:-(KEPT_BACKUPS - 1)]:
            path.unlink()
        self.worker.ask(backup=str(self.folder / "backups" / f"day{day:03d}.tar"),
                        now=self.net.world.now)

    def _note(self, evening: Evening) -> None:
        self.evenings.append(evening)
        with (self.folder / "days.jsonl").open("a") as lines:
            lines.write(json.dumps(asdict(evening)) + "\n")

    def _end(self) -> list[str]:
        """All is caught up, well, explained, delivered, and as if nothing had happened."""
        last = self.evenings[-1]
        broken = [] if last.outcome == "done" else [f"the last tick ended {last.outcome}: "
                                                    f"{'; '.join(last.remarks[:5])}"]
        with closing(Ledger(self.workspace.ledger_url)) as ledger:
            newest = ledger.newest_revisions()
            missing = [day for day in _days(min(newest), max(newest)) if day not in newest]
            broken += [f"{day} was never published" for day in missing]
            broken += laws.all_delivered(ledger, self.receiver.arrivals, region.GUARD)
            broken += laws.quarantine_is_explained(ledger, self._faulty)
        token = self.net.earthdata.issue_token(self.net.world.now + SECRET_LIFE)
        ours = self.usual | {"HOME": str(self.folder), "EARTHDATA_TOKEN": token}
        with patch.dict(os.environ, ours), closing(Session(self.workspace)) as session:
            found = examine(session, self.net.world.now)
        broken += [f"health: {one}" for one in found if one.state == "failed"]
        comparison = self._compare(newest)
        # What is left of a fault in a day that no tick looks at any more is a difference, too.
        broken += [f"{day} differs by {apart:.3g} mm from an untroubled workspace"
                   for day, apart in comparison.largest_mm.items() if apart > 0.5]
        (self.folder / "end.json").write_text(json.dumps({
            "comparison": {"n_days": comparison.n_days, "n_equal": comparison.n_equal,
                           "largest_mm": {str(k): v for k, v in comparison.largest_mm.items()},
                           "other_tier": {str(k): v for k, v in comparison.other_tier.items()}},
            "health": [[one.name, one.state, str(one)] for one in found],
            "arrivals": [asdict(one) for one in self.receiver.arrivals],
            "incidents": [{**asdict(replace(one, kind=None)), "name": one.name,
                           "words": one.kind.value} for one in self.incidents],
            "n_processes": self.worker.n_starts, "broken": broken}, indent=1))
        return broken

    def _compare(self, newest: laws.Newest) -> laws.Comparison:
        """With a workspace that first sees the services on the last evening."""
        n_days = (max(newest) - min(newest)).days + 1
        other = region.build(self.folder / "untroubled" / "ws", self.net.world, "",
                             replace(self.size, horizon_days=n_days))
        content = (self.workspace.root / "region/wanted.csv").read_bytes()
        (other.root / "region/wanted.csv").write_bytes(content)
        token = self.net.earthdata.issue_token(self.net.world.now + SECRET_LIFE)
        with Worker(other.root, self.folder / "untroubled.log", self.usual) as worker:
            for _ in range(2):
                worker.ask(now=self.net.world.now, largest_file_bytes=None,
                           environment={"EARTHDATA_TOKEN": token})
        with closing(Ledger(other.ledger_url)) as ledger:
            return laws.compared(self.workspace, newest, other, ledger.newest_revisions())


def _days(first: date, last: date) -> Iterator[date]:
    for offset in range((last - first).days + 1):
        yield first + timedelta(days=offset)


