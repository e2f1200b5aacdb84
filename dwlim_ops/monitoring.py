"""What the daemon shows on loopback: metrics from the ledger, and the published tree."""

import logging
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta
from functools import partial
from http import HTTPStatus
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from prometheus_client import CollectorRegistry, start_http_server

from dwlim_ops.errors import ConfigError
from dwlim_ops.products.revisions import revision_leads, statistics
from dwlim_ops.state.ledger import Ledger
from dwlim_ops.telemetry.metrics import Facts, LedgerCollector

_log = logging.getLogger(__name__)

#: The error of the newest day is that of so many days.
ERROR_DAYS = 120


def gather(ledger: Ledger, region: str) -> Facts:
    """The facts of this moment, from the ledger alone."""
    newest = ledger.newest_revisions()
    tiers = [record.tier for record in newest.values()]
    ticks = ledger.ticks(limit=1)
    streams = ledger.newest_of_streams()
    recent = max(newest) - timedelta(days=ERROR_DAYS) if newest else None
    leads = revision_leads(ledger.basin_rows(newest_only=False, first=recent),
                           as_of=max((record.as_of for record in newest.values()),
                                     default=datetime.min.replace(tzinfo=UTC)))
    refused = [granule.source for granule in ledger.quarantined_now()]
    return Facts(
        region=region,
        heartbeats_s={name: at.timestamp() for name, at in ledger.heartbeats().items()},
        last_tick_s=ticks[0].started_at.timestamp() if ticks else None,
        last_tick_outcome=ticks[0].outcome if ticks else None,
        newest_published_day_s=_seconds(max(newest)) if newest else None,
        published_by_tier={tier: tiers.count(tier) for tier in set(tiers)},
        newest_granule_s={key: at.timestamp() for key, (at, _) in streams.items()},
        newest_granule_day_s={key: _seconds(day) for key, (_, day) in streams.items()},
        refused_granules={name: refused.count(name) for name in {key[0] for key in streams}},
        newest_day_error_mm={(one.basin, one.method, one.lead_days): one.rms_mm
                             for one in statistics(leads)})


def _seconds(day: date) -> float:
    return datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp()


@contextmanager
def serve_metrics(ledger: Ledger, region: str, *, host: str, port: int) -> Iterator[int]:
    """Serve `/metrics`; gives the port.

    Raises
    ------
    ConfigError
        The port is taken.
    """
    registry = CollectorRegistry()
    registry.register(LedgerCollector(partial(gather, ledger, region)))
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
        server = ThreadingHTTPServer((host, port), partial(_Files, directory=str(published)))
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


class _Files(SimpleHTTPRequestHandler):
    """Files below one folder: no listings, no hidden files, no links that lead out of it."""

    server_version, sys_version = "dwlim", ""

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

    def list_directory(self, path: Any) -> None:  # noqa: ARG002
        """Nothing is listed."""
        self.send_error(HTTPStatus.NOT_FOUND)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
        """A line for whoever asked for more lines."""
        _log.debug("%s %s", self.address_string(), format % args)


def _taken(key: str, host: str, port: int, error: OSError) -> ConfigError:
    return ConfigError("cannot listen", where=f"daemon.{key}", expected=f"{host}:{port} to be free",
                       got=str(error), remedy="stop what listens there, or choose another port")
