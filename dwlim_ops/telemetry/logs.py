"""Logging: one line a fact on standard error, plain when it is not a terminal."""

import logging
import sys

from rich.console import Console
from rich.logging import RichHandler


def configure_logging(*, verbose: bool = False) -> None:
    """Send the package's log lines to standard error; others' only from WARNING."""
    handler: logging.Handler
    if sys.stderr.isatty():
        handler = RichHandler(console=Console(stderr=True), show_path=False, markup=False)
    else:
        handler = logging.StreamHandler(sys.stderr)
        handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
    logging.basicConfig(level=logging.WARNING, handlers=[handler], force=True)
    for name in ("dwlim_ops", "flows"):
        logging.getLogger(name).setLevel(logging.DEBUG if verbose else logging.INFO)
