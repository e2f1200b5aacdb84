"""Kills a replay again and again at random points, and compares what it publishes in the end.

Run by `test_fault_injection.py` in a process of its own: children are forked from it, so that a
kill costs milliseconds. Half of the kills come at a random write (a file opened for writing, a
rename, a removal, before or after a commit), half at a random moment, inside of C code too.
"""

import json
import os
import pickle
import shutil
import signal
import sys
from collections.abc import Callable
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import numpy as np
import sqlalchemy as sa
import synthetic

import flows.daily
import flows.ingest
import flows.replay
from dwlim_ops.session import Session
from dwlim_ops.workspace import Workspace, only_writer

#: The wall clock of the replays.
NOW = datetime(2017, 3, 1, tzinfo=UTC)
FIRST, LAST = date(2016, 12, 23), date(2016, 12, 26)
MOST_CHILDREN = 2000


def plain_functions() -> None:
    """Flows and tasks without a server."""
    for module in (flows.ingest, flows.daily, flows.replay):
        for name, value in list(vars(module).items()):
            if hasattr(value, "fn"):
                setattr(module, name, value.fn)
    os.fsync = lambda _: None


def replay(root: Path) -> None:
    """What `dwlim replay` does."""
    workspace = Workspace(root)
    with only_writer(workspace):
        session = Session(workspace)
        flows.replay.replay(session, FIRST, LAST, NOW)
        session.close()


def die_at_write(number: int) -> None:
    """Kill this process at its `number`-th write."""
    left = number

    def count() -> None:
        nonlocal left
        left -= 1
        if left <= 0:
            os.kill(os.getpid(), signal.SIGKILL)

    def audited(event: str, arguments: tuple) -> None:
        writes = event == "open" and isinstance(arguments[2], int) and arguments[2] & (
            os.O_WRONLY | os.O_RDWR | os.O_CREAT)
        if writes or event in ("os.rename", "os.remove", "os.mkdir"):
            count()

    sys.addaudithook(audited)
    sa.event.listen(sa.Engine, "commit", lambda _: count())
    sa.event.listen(sa.Engine, "before_cursor_execute", lambda *about: (
        None if about[2].startswith(("SELECT", "PRAGMA")) else count()))


def child(root: Path, random: np.random.Generator, *, mean_writes: float, mean_s: float) -> int:
    """Fork a replay that may be killed, surely not if the means are infinite; its wait status."""
    by_write = random.random() < 0.5
    number, seconds = random.exponential(mean_writes), random.exponential(mean_s)
    process = os.fork()
    if process == 0:
        if by_write and np.isfinite(number):
            die_at_write(1 + int(number))
        elif np.isfinite(seconds):
            signal.setitimer(signal.ITIMER_REAL, max(seconds, 1e-3))
        code = 1
        try:
            replay(root)
            code = 0
        finally:
            os._exit(code)
    return os.waitpid(process, 0)[1]


def apart(act: Callable[[], Any]) -> Any:
    """What a fork of this process makes of `act`: Icechunk's threads do not live through a fork,
    so that children alone, never this process, may touch a cube."""
    reading, writing = os.pipe()
    process = os.fork()
    if process == 0:
        os.close(reading)
        code = 1
        try:
            with os.fdopen(writing, "wb") as stream:
                pickle.dump(act(), stream)
            code = 0
        finally:
            os._exit(code)
    os.close(writing)
    with os.fdopen(reading, "rb") as stream:
        content = stream.read()
    if os.waitpid(process, 0)[1] != 0:
        raise SystemExit("a child failed")
    return pickle.loads(content)  # noqa: S301  our own child's


def main(untouched: Path, folder: Path, n_kills: int, seed: int) -> None:
    """Print a report as JSON: kills, replays, and the files that differ."""
    plain_functions()
    random = np.random.default_rng(seed)
    shutil.copytree(untouched, folder / "undisturbed")
    apart(lambda: replay(folder / "undisturbed"))
    expected = apart(lambda: synthetic.published_files(Workspace(folder / "undisturbed")))
    killed, failed, differing, n_replays, n_children = {"write": 0, "time": 0}, [], {}, 0, 0
    while sum(killed.values()) < n_kills and n_children < MOST_CHILDREN:
        root = folder / f"disturbed{n_replays}"
        shutil.copytree(untouched, root)
        done = False
        while not done and n_children < MOST_CHILDREN:
            enough = np.inf if sum(killed.values()) >= n_kills else 1.0
            status = child(root, random, mean_writes=30.0 * enough, mean_s=enough)
            n_children += 1
            if os.WIFSIGNALED(status):
                killed["write" if os.WTERMSIG(status) == signal.SIGKILL else "time"] += 1
            elif os.WEXITSTATUS(status) == 0:
                done = True
            else:
                failed.append(f"replay {n_replays}: exit {os.WEXITSTATUS(status)}")
                done = True
        found = apart(lambda root=root: synthetic.published_files(Workspace(root)))
        paths = [path for path in sorted({*expected, *found})
                 if expected.get(path) != found.get(path)]
        if paths:
            differing[n_replays] = paths
        n_replays += 1
        shutil.rmtree(root) if not paths else None
    sys.stdout.write(json.dumps({
        "killed": killed, "replays": n_replays, "children": n_children, "failed": failed,
        "differing": differing, "files": len(expected),
        "alerts": sum(name.startswith("alerts/cap/") for name in expected)}) + "\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4]))
