"""Logging: one line a fact on standard error, plain when it is not a terminal."""

import logging
import sys
import unicodedata
from copy import copy
from types import TracebackType

from rich.console import Console
from rich.logging import RichHandler

#: Unicode's control characters, surrogates, separators of lines and paragraphs, and invisible ones
#: that change the order of what is shown.
_FORGING = frozenset({"Cc", "Cs", "Zl", "Zp", "Cf"})


_Raised = (tuple[type[BaseException], BaseException, TracebackType | None]
           | tuple[None, None, None])


def one_line(text: str) -> str:
    r"""The text with everything escaped that could forge a line or command a terminal.

    Names of files, headers and error texts come from outside.

    >>> one_line("late\n2017-01-01 INFO all is well\x1b[2J")
    'late\\n2017-01-01 INFO all is well\\x1b[2J'
    """
    return "".join(character.encode("unicode_escape").decode() if
                   unicodedata.category(character) in _FORGING else character for character in text)


class OneLine(logging.Formatter):
    """One line a record; those of a traceback are indented, so that none looks like a record."""

    def format(self, record: logging.LogRecord) -> str:
        """The record as text."""
        ours = copy(record)
        ours.exc_text = None  # as other handlers have formatted it
        return super().format(ours)

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802  # logging's name
        """The line of a record."""
        record.message = one_line(record.message)
        return super().formatMessage(record)

    def formatException(self, ei: _Raised) -> str:  # noqa: N802  # logging's name
        """The traceback."""
        return _indented(super().formatException(ei))

    def formatStack(self, stack_info: str) -> str:  # noqa: N802  # logging's name
        """The stack."""
        return _indented(super().formatStack(stack_info))


def _indented(text: str) -> str:
    return "\n".join(f"    {one_line(line)}" for line in text.split("\n"))


def configure_logging(*, verbose: bool = False) -> None:
    """Send the package's log lines to standard error; others' only from WARNING."""
    handler: logging.Handler
    if sys.stderr.isatty():
        handler = RichHandler(console=Console(stderr=True), show_path=False, markup=False)
        handler.setFormatter(OneLine("%(message)s"))
    else:
        handler = logging.StreamHandler(sys.stderr)
        handler.setFormatter(OneLine("%(asctime)s %(levelname)s %(message)s"))
    logging.basicConfig(level=logging.WARNING, handlers=[handler], force=True)
    for name in ("dwlim_ops", "flows"):
        logging.getLogger(name).setLevel(logging.DEBUG if verbose else logging.INFO)
