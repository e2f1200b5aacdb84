"""The daemon of the soak: it lives on, has a process made for every tick, and shows its metrics.

Asked and answered are lines of JSON on standard input and output.
"""

import gc
import json
import logging
import multiprocessing
import os
import sys
from contextlib import ExitStack
from datetime import datetime
from multiprocessing.context import ForkServerContext
from pathlib import Path
from typing import Any

from dwlim_ops.config import read_config
from dwlim_ops.errors import StoreError
from dwlim_ops.health_facts import HealthFacts
from dwlim_ops.monitoring import serve_metrics
from dwlim_ops.state.ledger import Ledger
from dwlim_ops.workspace import Workspace, only_writer
from flows.runtime import give_memory_back, single_threaded
from tests.soak import errand

_PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")


def done_apart(makes: ForkServerContext, root: Path, asked: dict[str, Any]) -> dict[str, Any]:
    """Have something done in a process of its own; ends with it if it ends without an answer."""
    ours, theirs = makes.Pipe(duplex=False)
    process = makes.Process(target=errand.run, args=(str(root), asked, theirs))
    process.start()
    theirs.close()
    try:
        told: dict[str, Any] = ours.recv()
    except EOFError:
        process.join()
        raise SystemExit(f"a tick's process ended with {process.exitcode}") from None
    process.join()
    return told


def own_size() -> dict[str, int]:
    """Memory, open files and threads of the daemon, after a collection of garbage."""
    gc.collect()
    resident = int(Path("/proc/self/statm").read_text().split()[1]) * _PAGE_BYTES
    return {"rss_bytes": resident, "n_objects": len(gc.get_objects()),
            "n_open_files": errand.count("fd"), "n_threads": errand.count("task")}


def main() -> None:
    """Serve the workspace named on the command line until standard input ends."""
    root = Path(sys.argv[1])
    logging.basicConfig(level=logging.INFO, stream=sys.stderr,
                        format="%(levelname)s %(name)s %(message)s")
    single_threaded()
    give_memory_back()
    makes = multiprocessing.get_context("forkserver")
    makes.set_forkserver_preload([errand.__name__])
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
            told = done_apart(makes, root, asked)
            if "backup" not in asked:
                try:
                    ledger.beat("daemon", datetime.fromisoformat(asked["now"]))
                except StoreError as error:
                    told["no_heartbeat"] = str(error)
            answers.write(json.dumps(told | own_size()) + "\n")
            answers.flush()


if __name__ == "__main__":
    main()
