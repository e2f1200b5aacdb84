"""What the daemon shows on loopback: metrics from the ledger, and the published tree."""

import logging
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from http import HTTPStatus
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from prometheus_client import CollectorRegistry, start_http_server

from dwlim_ops.errors import ConfigError
from dwlim_ops.telemetry.facts import Facts
from dwlim_ops.telemetry.metrics import LedgerCollector

_log = logging.getLogger(__name__)

@contextmanager
def serve_metrics(facts: Callable[[], Facts], *, host: str, port: int) -> Iterator[int]:
    """Serve `/metrics` of the facts, gathered at every scrape; gives the port.

    Raises
    ------
    ConfigError
        The port is taken.
    """
    registry = CollectorRegistry()
    registry.register(LedgerCollector(facts))
    try:
        server, thread = start_http_server(port, addr=host, registry=registry)
    except OSError as error:
        raise _taken("metrics_port", host, port, error) from error
    try:
        yield int(server.server_port)
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@contextmanager
def serve_tree(published: Path, *, host: str, port: int) -> Iterator[int]:
    """Serve the files of the published tree and nothing else; gives the port.

    Raises
    ------
    ConfigError
        The port is taken.
    """
    published.mkdir(parents=True, exist_ok=True)
    try:
        server = _Server((host, port), partial(_Files, directory=str(published)))
    except OSError as error:
        raise _taken("web_port", host, port, error) from error
    thread = threading.Thread(target=server.serve_forever, name="published-tree", daemon=True)
    thread.start()
    try:
        yield int(server.server_port)
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class _Server(ThreadingHTTPServer):
    """With room for the many files that a page asks for at once."""

    request_queue_size = 128


class _Files(SimpleHTTPRequestHandler):
    """Files below one folder: no listings, no hidden files, no links that lead out of it."""

    server_version, sys_version = "dwlim", ""
    #: Seconds after which an idle client is let go.
    timeout = 30

    def send_head(self) -> Any:
        """The file asked for, or 404."""
        path, root = self.translate_path(self.path), Path(self.directory).resolve()
        try:
            inside = Path(path).resolve().relative_to(root).parts
        except ValueError:  # outside, or no path of a file at all
            inside = (".",)
        if any(part.startswith(".") for part in inside):
            self.send_error(HTTPStatus.NOT_FOUND)
            return None
        return super().send_head()

    def end_headers(self) -> None:
        """Beside what is sent: names of files stay the same when their content changes."""
        self.send_header("X-Content-Type-Options", "nosniff")
        self.send_header("Cache-Control", "no-cache")
        super().end_headers()

    def list_directory(self, path: Any) -> None:  # noqa: ARG002
        """Nothing is listed."""
        self.send_error(HTTPStatus.NOT_FOUND)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
        """A line for whoever asked for more lines."""
        _log.debug("%s %s", self.address_string(), format % args)


def _taken(key: str, host: str, port: int, error: OSError) -> ConfigError:
    return ConfigError("cannot listen", where=f"daemon.{key}", expected=f"{host}:{port} to be free",
                       got=str(error), remedy="stop what listens there, or choose another port")
