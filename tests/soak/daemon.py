"""The parent's side of the worker: starts it, asks it, kills it, starts it again."""

import json
import os
import select
import signal
import subprocess
import sys
import time
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import Any, Self
from urllib.request import urlopen

ROOT = Path(__file__).parents[2]
#: No tick of the soak takes so long; one that does has hung.
PATIENCE_S = 300.0


class WorkerDiedError(AssertionError):
    """The worker ended although nobody killed it."""


class Worker:
    """One worker at a time on a workspace; a context manager.

    Attributes
    ----------
    n_starts : int
        Processes so far.
    """

    def __init__(self, root: Path, log: Path, environment: dict[str, str]) -> None:
        self.root, self.log, self.n_starts = root, log, 0
        self._environment = os.environ | environment | {
            "PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "tests")]),
            "PREFECT_LOGGING_TO_API_ENABLED": "false", "HOME": str(root.parent)}
        self._process: subprocess.Popen[str] | None = None
        self._port = 0

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._process.stdin.close()
        self._process.wait(60)
        self._process.stdout.close()

    def start(self) -> None:
        """Start a process and wait until it serves."""
        with self.log.open("a") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "tests.soak.worker", str(self.root)], cwd=ROOT,
                env=self._environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log,
                text=True, start_new_session=True)
        self.n_starts += 1
        self._port = self._answer()["port"]

    def ask(self, **what: Any) -> dict[str, Any]:
        """Have something done and wait for its answer."""
        self._send(what)
        return self._answer()

    def kill_during(self, after_s: float, **what: Any) -> bool:
        """Kill the worker so long after it was asked; False if it had answered by then."""
        self._send(what)
        ready, _, _ = select.select([self._process.stdout], [], [], after_s)
        self._kill()
        return not ready

    def metrics(self) -> str:
        """What the exporter says now."""
        with urlopen(f"http://127.0.0.1:{self._port}/metrics", timeout=30) as answer:
            return answer.read().decode()

    def _kill(self) -> int:
        """With all that it has made: the tick that runs, decoders of files."""
        with suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.stdout.close()
        with suppress(BrokenPipeError):
            self._process.stdin.close()
        return self._process.wait()

    def _send(self, what: dict[str, Any]) -> None:
        coded = {key: value.isoformat() if isinstance(value, datetime) else value
                 for key, value in what.items()}
        self._process.stdin.write(json.dumps(coded) + "\n")
        self._process.stdin.flush()

    def _answer(self) -> dict[str, Any]:
        begun = time.monotonic()
        ready, _, _ = select.select([self._process.stdout], [], [], PATIENCE_S)
        line = self._process.stdout.readline() if ready else ""
        if not line:
            waited = time.monotonic() - begun
            code = self._kill()
            tail = self.log.read_text(errors="replace")[-3000:]
            raise WorkerDiedError(f"no answer after {waited:.0f} s, code {code}:\n{tail}")
        return json.loads(line)
