"""`python -m tests.replicas`: serve every replica until SIGTERM or SIGINT."""

import argparse
import datetime as dt
import json
import signal
import sys
import threading
from collections.abc import Sequence
from pathlib import Path

from tests.replicas.internet import Internet
from tests.replicas.world import REGIONS, World


def main(arguments: Sequence[str] | None = None) -> None:
    """Start, print addresses and environment, wait for a signal."""
    options = _parser().parse_args(arguments)
    now = options.now and dt.datetime.fromisoformat(options.now).replace(tzinfo=dt.UTC)
    start = (now or dt.datetime.now(dt.UTC)).date() - dt.timedelta(days=options.days)
    world = World(REGIONS[options.region_like], now=now, first_day=start,
                  n_stations=options.stations)
    stopped = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stopped.set())
    with Internet(world) as internet:
        lines = [f"export {name}={value}" for name, value in internet.environment.items()]
        sys.stdout.write("\n".join([*lines, ""]))
        sys.stdout.flush()
        if options.port_file:
            _write(options.port_file, {"base_urls": internet.base_urls,
                                       "environment": internet.environment})
        stopped.wait()


def _write(path: Path, content: dict[str, dict[str, str]]) -> None:
    part = path.with_suffix(".part")
    part.write_text(json.dumps(content, indent=2))
    part.replace(path)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m tests.replicas",
        description="The outside services on this machine, with made-up data.",
        epilog="While it runs: curl -X POST '<origin>/_replica?fault=NAME&times=2&where=TEXT' adds"
               " a fault, fault=none clears, now=2026-11-22T21:00 moves the clock of all.")
    parser.add_argument("--region-like", choices=sorted(REGIONS), default="toyland")
    parser.add_argument("--port-file", type=Path, help="JSON with base_urls and environment")
    parser.add_argument("--now", help="UTC, ISO 8601; else the clock of this machine")
    parser.add_argument("--days", type=int, default=700, help="length of the GNSS series")
    parser.add_argument("--stations", type=int, default=30)
    return parser


if __name__ == "__main__":
    main()
