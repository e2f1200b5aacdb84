"""The daemon of the soak: one process that ticks when its parent says what time it is.

A tick is that of the daemon (`flows.scheduled.tick`, without Prefect's server), in this process and
not in one of its own, so that whatever a tick leaves in memory adds up. Beside it the daemon's
exporter answers on loopback. Asked and answered are lines of JSON on standard input and output.
"""

import ctypes
import gc
import json
import logging
import os
import resource
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

import flows.daily
import flows.ingest
import flows.scheduled
from dwlim_ops.backup import back_up
from dwlim_ops.config import read_config
from dwlim_ops.errors import StoreError
from dwlim_ops.health_facts import HealthFacts
from dwlim_ops.monitoring import serve_metrics
from dwlim_ops.state.ledger import Ledger
from dwlim_ops.workspace import Workspace, only_writer
from flows.runtime import single_threaded

_PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")
_trim = ctypes.CDLL(None).malloc_trim


def plain_functions() -> None:
    """Flows and tasks without a server; nothing waits for the disk."""
    for module in (flows.ingest, flows.daily, flows.scheduled):
        for name, value in list(vars(module).items()):
            if hasattr(value, "fn"):
                setattr(module, name, value.fn)
    os.fsync = lambda _: None


class Clock:
    """In place of `datetime` in the scheduled tick."""

    moment: datetime

    @classmethod
    def now(cls, _zone: Any) -> datetime:
        """What the parent said."""
        return cls.moment


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


def tick(root: Path, asked: dict[str, Any]) -> dict[str, Any]:
    """One tick at the time that is asked for."""
    Clock.moment = datetime.fromisoformat(asked["now"])
    os.environ.update(asked["environment"])
    begun = time.monotonic()
    with files_of_at_most(asked["largest_file_bytes"]):
        state = flows.scheduled.tick(str(root))
    return {"state": state.name, "message": state.message,
            "tick_s": round(time.monotonic() - begun, 3)}


def own_size() -> dict[str, int]:
    """Memory, open files and threads of this process, after a collection of garbage."""
    gc.collect()
    _trim(0)
    resident = int(Path("/proc/self/statm").read_text().split()[1]) * _PAGE_BYTES
    return {"rss_bytes": resident, "n_objects": len(gc.get_objects()),
            "n_open_files": sum(1 for _ in Path("/proc/self/fd").iterdir()),
            "n_threads": sum(1 for _ in Path("/proc/self/task").iterdir())}


def main() -> None:
    """Serve the workspace named on the command line until standard input ends."""
    root = Path(sys.argv[1])
    logging.basicConfig(level=logging.INFO, stream=sys.stderr,
                        format="%(levelname)s %(name)s %(message)s")
    single_threaded()
    plain_functions()
    flows.scheduled.datetime = Clock
    flows.scheduled.configure_logging = lambda: None
    answers, sys.stdout = sys.stdout, sys.stderr
    workspace = Workspace(root)
    with ExitStack() as stack:
        stack.enter_context(only_writer(workspace, name="daemon"))
        ledger = Ledger(workspace.ledger_url)
        stack.callback(ledger.close)
        region = read_config(workspace.config_file).region.name
        port = stack.enter_context(serve_metrics(
            HealthFacts(ledger, region, workspace), host="127.0.0.1", port=0))
        answers.write(json.dumps({"port": port, **own_size()}) + "\n")
        answers.flush()
        for line in sys.stdin:
            asked = json.loads(line)
            if "backup" in asked:
                back_up(workspace, Path(asked["backup"]), now=datetime.fromisoformat(asked["now"]))
                told: dict[str, Any] = {}
            else:
                told = tick(root, asked)
                try:
                    ledger.beat("daemon", Clock.moment)
                except StoreError as error:
                    told["no_heartbeat"] = str(error)
            answers.write(json.dumps(told | own_size()) + "\n")
            answers.flush()


if __name__ == "__main__":
    main()
