"""Progress: log lines where there is no terminal, a bar where there is one, nothing inside."""

import io
import logging
import sys

import pytest

from dwlim_ops.telemetry import progress as telemetry
from dwlim_ops.telemetry.logs import configure_logging
from dwlim_ops.telemetry.progress import progress, stages


class Terminal(io.StringIO):
    def isatty(self):
        return True


@pytest.fixture
def lines(caplog):
    caplog.set_level(logging.INFO, logger="dwlim_ops")
    return lambda: [record.getMessage() for record in caplog.records]


def test_few_steps_are_all_told(lines):
    with progress("days", 3) as advance:
        for day in ("a", "b"):
            advance(day)
        advance("")
    assert lines() == ["days: 1 of 3 (a)", "days: 2 of 3 (b)", "days: 3 of 3"]


def test_many_steps_are_told_by_tenths(lines):
    with progress("days", 250) as advance:
        for _ in range(250):
            advance("")
    assert lines() == [f"days: {number} of 250" for number in range(25, 251, 25)]


def test_inside_another_progress_nothing_is_told(lines):
    with progress("replay", 2) as outer:
        with progress("days", 5) as inner:
            inner("x")
        outer("day")
    assert lines() == ["replay: 1 of 2 (day)"]
    with progress("days", 1) as advance:
        advance("")
    assert lines()[-1] == "days: 1 of 1"


def test_nothing_to_do_is_told_with_nothing(lines):
    with progress("days", 0) as advance:
        advance("never")
    assert lines() == []


def test_an_error_inside_ends_the_progress(lines):
    with pytest.raises(ZeroDivisionError), progress("days", 2):
        raise ZeroDivisionError
    assert telemetry._shown == []
    with progress("days", 1) as advance:
        advance("")
    assert lines() == ["days: 1 of 1"]


def test_stages_are_told_by_tenths_each(lines):
    with stages() as report:
        for stage in ("features", "training"):
            for done in range(1, 41):
                report(stage, done, 40)
    told = lines()
    assert told[:2] == ["features: 4 of 40", "features: 8 of 40"]
    assert len(told) == 20
    assert told[-1] == "training: 40 of 40"


def test_a_terminal_gets_a_bar_and_no_lines(lines, monkeypatch):
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    with progress("days", 2) as advance:
        advance("a")
        advance("b")
    with stages() as report:
        report("features", 1, 2)
        report("features", 2, 2)
    assert lines() == []
    assert "days" in terminal.getvalue()
    assert "2/2" in terminal.getvalue()
    assert "features" in terminal.getvalue()


@pytest.fixture
def _logging_as_before():
    root = logging.getLogger()
    levels = {name: logging.getLogger(name).level for name in ("dwlim_ops", "flows")}
    handlers, level = list(root.handlers), root.level
    yield
    root.handlers[:], root.level = handlers, level
    for name, of_logger in levels.items():
        logging.getLogger(name).setLevel(of_logger)


@pytest.mark.usefixtures("_logging_as_before")
@pytest.mark.parametrize(("verbose", "levels"), [(False, ["INFO", "ERROR"]),
                                                 (True, ["DEBUG", "INFO", "ERROR"])])
def test_logs_are_plain_lines_on_standard_error(monkeypatch, verbose, levels):
    stream = io.StringIO()
    monkeypatch.setattr(sys, "stderr", stream)
    configure_logging(verbose=verbose)
    ours, theirs = logging.getLogger("dwlim_ops.some.stage"), logging.getLogger("other")
    for name in ("debug", "info", "error"):
        getattr(ours, name)("a fact")
    theirs.info("not ours")
    theirs.warning("their warning")
    *lines, warning = stream.getvalue().splitlines()
    assert [line.split()[2] for line in lines] == levels
    assert all(line.endswith("a fact") for line in lines)
    assert warning.endswith("WARNING their warning")


def test_stages_inside_another_progress_show_nothing(caplog):
    with caplog.at_level("INFO"), progress("outer", 2) as advance, stages() as show:
        show("inner", 1, 1)
        advance("")
    assert "outer" in caplog.text
    assert "inner" not in caplog.text
    with caplog.at_level("INFO"), stages() as show:
        show("inner", 1, 1)
    assert "inner" in caplog.text
