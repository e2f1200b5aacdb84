"""The daemon `dwlim up`: Prefect's server and runner under supervision, metrics, published tree."""

import logging
import signal
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from datetime import datetime
from typing import Final
from urllib.error import URLError
from urllib.request import urlopen

from dwlim_ops.config import Config, read_config
from dwlim_ops.errors import StoreError
from dwlim_ops.health_facts import HealthFacts
from dwlim_ops.monitoring import serve_metrics, serve_tree
from dwlim_ops.state.ledger import Ledger
from dwlim_ops.supervisor import Child, TooManyRestartsError, supervise
from dwlim_ops.workspace import Workspace, is_held, only_writer

_log = logging.getLogger(__name__)

Clock = Callable[[], datetime]

API_URL: Final = "PREFECT_API_URL"
#: The scheduler listens for our own runner only, wherever metrics and tree are shown.
LOOPBACK: Final = "127.0.0.1"
#: "user:password" that the server started here asks for; its clients get the same.
AUTHENTICATION: Final = "PREFECT_SERVER_API_AUTH_STRING"
AUTHENTICATION_OF_CLIENTS: Final = "PREFECT_API_AUTH_STRING"
RUNNER_DEFAULTS: Final = {"PREFECT_FLOWS_HEARTBEAT_FREQUENCY": "30"}
SERVER_DEFAULTS: Final = {"PREFECT_SERVER_SERVICES_DB_VACUUM_ENABLED": "events,flow_runs"}
SERVER_STOP_TIMEOUT_S: Final = 30.0


def run_daemon(workspace: Workspace, environment: Mapping[str, str], clock: Clock) -> None:
    """Run until SIGTERM or SIGINT; a tick that runs is finished first.

    A Prefect server that `environment` names is used; otherwise one is started and supervised, on
    SQLite unless `PREFECT_API_DATABASE_CONNECTION_URL` names another database.

    Raises
    ------
    BusyError
        Another daemon runs this workspace.
    ConfigError
        A port is taken.
    StoreError
        The server or the runner does not stay alive.
    """
    config = read_config(workspace.config_file)
    ledger_settings = config.ledger
    with ExitStack() as stack:
        stack.enter_context(only_writer(workspace, name="daemon"))
        url = workspace.ledger_url if ledger_settings.url == "sqlite" else ledger_settings.url
        ledger = Ledger(url, lock_timeout_s=ledger_settings.lock_timeout_s)
        stack.callback(ledger.close)
        host = config.daemon.host
        metrics = stack.enter_context(serve_metrics(
            HealthFacts(ledger, config.region.name, workspace), host=host,
            port=config.daemon.metrics_port))
        web = stack.enter_context(serve_tree(
            workspace.published, host=host, port=config.daemon.web_port))
        _log.info("metrics on http://%s:%d/metrics, published tree on http://%s:%d/", host,
                  metrics, host, web)
        stopping = stack.enter_context(_told_to_stop())
        try:
            supervise(_children(workspace, config, environment), stopping=stopping.is_set,
                      beat=lambda: _beat(ledger, clock), sleep=lambda s: _rest(stopping, s))
        except TooManyRestartsError as error:
            raise StoreError("a process does not stay alive", where=str(error),
                             remedy="see its lines above; dwlim doctor") from error
    _log.info("stopped")


def _rest(stopping: threading.Event, seconds: float) -> None:
    stopping.wait(seconds)


def _beat(ledger: Ledger, clock: Clock) -> None:
    try:
        ledger.beat("daemon", clock())
    except StoreError as error:
        _log.error("no heartbeat: %s", error)


def _children(workspace: Workspace, config: Config, environment: Mapping[str, str]) -> list[Child]:
    root = str(workspace.root.resolve())
    runner = [sys.executable, "-m", "flows.service", root]
    patience = float(config.schedule.tick_timeout_s)
    if environment.get(API_URL):
        return [Child("runner", runner, {**RUNNER_DEFAULTS, **environment}, patience,
                      busy=lambda: is_held(workspace))]
    origin = f"http://{LOOPBACK}:{config.daemon.prefect_port}"
    defaults = {**SERVER_DEFAULTS, "PREFECT_SERVER_CORS_ALLOWED_ORIGINS": origin}
    if environment.get(AUTHENTICATION):
        defaults[AUTHENTICATION_OF_CLIENTS] = environment[AUTHENTICATION]
    served = {**RUNNER_DEFAULTS, **defaults, **environment, API_URL: f"{origin}/api"}
    server = [sys.executable, "-m", "prefect", "server", "start", "--host", LOOPBACK,
              "--port", str(config.daemon.prefect_port)]
    return [Child("prefect server", server, served, SERVER_STOP_TIMEOUT_S,
                  ready=lambda: _answers(f"{origin}/api/health")),
            Child("runner", runner, served, patience, busy=lambda: is_held(workspace))]


def _answers(url: str) -> bool:
    try:
        with urlopen(url, timeout=2) as answer:  # noqa: S310  # our own server
            return bool(answer.status == 200)
    except (URLError, OSError):
        return False


@contextmanager
def _told_to_stop() -> Iterator[threading.Event]:
    """An event that SIGTERM or SIGINT sets."""
    event = threading.Event()
    before = {number: signal.signal(number, lambda *_: event.set())
              for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield event
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)

