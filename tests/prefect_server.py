"""A real Prefect server for tests, in a process of its own."""

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx

PATIENCE_S = 120.0


@dataclass(frozen=True)
class Server:
    """Where it listens, what it asks for, and the environment of a client."""

    url: str
    process: subprocess.Popen[bytes]
    environment: Mapping[str, str]


def free_port() -> int:
    """A port on which nobody listens."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


@contextmanager
def running(folder: Path, **settings: str) -> Iterator[Server]:
    """A server whose files lie in `folder`; `settings` are variables of its environment."""
    port = free_port()
    url = f"http://127.0.0.1:{port}/api"
    environment = {name: value for name, value in os.environ.items()
                   if not name.startswith("PREFECT_")} | {
        "PREFECT_HOME": str(folder / "prefect"), "HOME": str(folder), "DO_NOT_TRACK": "1",
        "PREFECT_SERVER_ANALYTICS_ENABLED": "false", "PREFECT_API_URL": url, **settings}
    with (folder / "server.log").open("ab") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "prefect", "server", "start", "--host", "127.0.0.1", "--port",
             str(port)], env=environment, stdout=log, stderr=log, start_new_session=True)
    try:
        _wait(f"{url}/health", process, folder / "server.log")
        yield Server(url, process, environment)
    finally:
        process.terminate()
        process.wait(60)


def _wait(url: str, process: subprocess.Popen[bytes], log: Path) -> None:
    end = time.monotonic() + PATIENCE_S
    while time.monotonic() < end and process.poll() is None:
        try:
            httpx.get(url, timeout=2).raise_for_status()
        except httpx.HTTPError:
            time.sleep(0.2)
        else:
            return
    raise AssertionError(f"the server did not start\n{log.read_text()[-3000:]}")
