"""Log lines cannot be forged by what comes from outside."""

import io
import logging
import re
import sys

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dwlim_ops.telemetry.logs import OneLine, configure_logging, one_line

FORGED = "no such file\n2017-01-01 00:00:00,000 INFO all is well"
LINE = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d{3} [A-Z]+ .*")


class Terminal(io.StringIO):
    def isatty(self):
        return True


@pytest.fixture
def logged(monkeypatch):
    """Sets logging up on a stream of its own; gives the stream."""
    root = logging.getLogger()
    names = ("dwlim_ops", "flows")
    levels = {name: logging.getLogger(name).level for name in names}
    handlers, level = list(root.handlers), root.level

    def start(stream):
        monkeypatch.setattr(sys, "stderr", stream)
        configure_logging()
        return stream

    yield start
    root.handlers[:], root.level = handlers, level
    for name, of_logger in levels.items():
        logging.getLogger(name).setLevel(of_logger)


@pytest.mark.parametrize("stream", [io.StringIO, Terminal])
def test_a_line_end_from_outside_makes_no_line(logged, stream):
    shown = logged(stream())
    logging.getLogger("dwlim_ops.sources").error("refused: %s", FORGED)
    if stream is Terminal:
        assert "no such file\\n2017" in "".join(part.strip() for part in
                                               shown.getvalue().splitlines())
    else:
        (line,) = shown.getvalue().splitlines()
        assert LINE.fullmatch(line)
        assert line.endswith("ERROR refused: no such file\\n2017-01-01 00:00:00,000 INFO all is "
                             "well")


def test_a_terminal_is_not_commanded(logged):
    shown = logged(Terminal())
    logging.getLogger("dwlim_ops").error("\x1b]0;title\x07\x1b[2J\r\b [red]x[/red] \u202egnp")
    colourless = re.sub(r"\x1b\[[0-9;]*m", "", shown.getvalue())
    assert not {"\x1b", "\x07", "\r", "\b", "\u202e"} & set(colourless)
    assert "[red]x[/red]" in colourless


def test_a_traceback_is_told_whole_and_forges_nothing(logged):
    shown = logged(io.StringIO())
    try:
        raise ValueError(FORGED + "\x1b[2J")
    except ValueError:
        logging.getLogger("dwlim_ops").exception("a bug", stack_info=True)
    first, *others = shown.getvalue().splitlines()
    assert LINE.fullmatch(first)
    assert len(others) > 6
    assert all(line.startswith("    ") for line in others)
    assert any("ValueError: no such file" in line for line in others)
    assert "\x1b" not in shown.getvalue()


def test_a_record_with_a_cached_traceback_is_indented_too():
    try:
        raise ValueError(FORGED)
    except ValueError:
        record = logging.LogRecord("x", logging.ERROR, __file__, 1, "a bug", None, sys.exc_info())
    logging.Formatter().format(record)
    assert record.exc_text
    assert all(line.startswith("    ") for line in
               OneLine("%(message)s").format(record).splitlines()[1:])


@settings(max_examples=60, derandomize=True, deadline=None)
@given(text=st.text())
def test_any_text_is_one_printable_line_that_says_the_same(text):
    shown = one_line(text)
    assert shown.splitlines() in ([shown], [])
    assert "\x1b" not in shown
    if text.isprintable():
        assert shown == text


def test_what_people_write_stays_readable():
    text = "\u5317\u4eac 12 \N{DEGREE SIGN}C, na\N{LATIN SMALL LETTER I WITH DIAERESIS}ve \\n"
    assert one_line(text) == text
