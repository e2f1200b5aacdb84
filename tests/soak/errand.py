"""What the daemon of the soak has done in a process of its own: a tick, a backup.

As in the product, such a process ends with its work, and nothing that it leaves in memory adds up.
A tick is that of the schedule (`flows.scheduled.tick`), without Prefect's server.
"""

import logging
import os
import resource
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import flows.daily
import flows.ingest
import flows.scheduled
from dwlim_ops.backup import back_up
from dwlim_ops.workspace import Workspace


class Clock:
    """In place of `datetime` in the scheduled tick."""

    moment: datetime

    @classmethod
    def now(cls, _zone: Any) -> datetime:
        """What the parent said."""
        return cls.moment


def run(root: str, asked: dict[str, Any], answers: Connection) -> None:
    """Do what is asked, send what came of it, and what it took of memory, files and threads."""
    os.dup2(2, 1)   # standard output belongs to the daemon's answers
    logging.basicConfig(level=logging.INFO, stream=sys.stderr, force=True,
                        format="%(levelname)s %(name)s %(message)s")
    Clock.moment = datetime.fromisoformat(asked["now"])
    plain_functions()
    if "backup" in asked:
        back_up(Workspace(Path(root)), Path(asked["backup"]), now=Clock.moment)
        answers.send({})
    else:
        answers.send(tick(root, asked))


def plain_functions() -> None:
    """Flows and tasks without a server; nothing waits for the disk."""
    for module in (flows.ingest, flows.daily, flows.scheduled):
        for name, value in list(vars(module).items()):
            if hasattr(value, "fn"):
                setattr(module, name, value.fn)
    flows.scheduled.datetime = Clock
    flows.scheduled.configure_logging = lambda: None
    os.fsync = lambda _: None


def tick(root: str, asked: dict[str, Any]) -> dict[str, Any]:
    """One tick at the time that is asked for."""
    os.environ.update(asked["environment"])
    begun = time.monotonic()
    with files_of_at_most(asked["largest_file_bytes"]):
        state = flows.scheduled.tick(root)
    return {"state": state.name, "message": state.message,
            "tick_s": round(time.monotonic() - begun, 3),
            "tick_peak_bytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024,
            "tick_n_open_files": count("fd"), "tick_n_threads": count("task")}


@contextmanager
def files_of_at_most(n_bytes: int | None) -> Iterator[None]:
    """Every write beyond that size fails (EFBIG), in Python, SQLite, netCDF and Icechunk alike."""
    if n_bytes is None:
        yield
        return
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (n_bytes, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def count(kind: str) -> int:
    """Open files ("fd") or threads ("task") of this process."""
    return sum(1 for _ in Path(f"/proc/self/{kind}").iterdir())
