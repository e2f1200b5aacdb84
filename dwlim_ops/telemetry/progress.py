"""Progress of long work: a bar on a terminal, a log line every tenth elsewhere."""

import logging
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

_log = logging.getLogger(__name__)

#: Titles of the progress that is being shown.
_shown: list[str] = []

#: Call it after each finished step, with a word on what was finished.
Advance = Callable[[str], None]


@contextmanager
def progress(title: str, total: int) -> Iterator[Advance]:
    """Show `total` steps of `title`; the value of the context is called after each step.

    Inside another progress it shows nothing: the outer one counts.
    """
    if _shown or total == 0:
        yield _nothing
        return
    _shown.append(title)
    try:
        with _top_level(title, total) as advance:
            yield advance
    finally:
        _shown.pop()


@contextmanager
def _top_level(title: str, total: int) -> Iterator[Advance]:
    if sys.stderr.isatty():
        with _bar() as bar:
            task = bar.add_task(title, total=total, note="")

            def step(note: str) -> None:
                bar.update(task, advance=1, note=note)

            yield step
        return
    done = 0
    reported = 0

    def advance(note: str) -> None:
        nonlocal done, reported
        done += 1
        tenth = 10 * done // max(total, 1)
        if tenth > reported or total <= 20:
            reported = tenth
            _log.info("%s: %d of %d%s", title, done, total, f" ({note})" if note else "")

    yield advance


def _nothing(_note: str) -> None:
    """Show nothing."""


def _bar() -> Progress:
    return Progress(
        TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn(),
        TextColumn("[dim]{task.fields[note]}"), console=Console(stderr=True), transient=False,
    )


#: Call it with the name of the stage, the steps done and the steps in all.
Report = Callable[[str, int, int], None]


@contextmanager
def stages() -> Iterator[Report]:
    """Show several stages of known length, one after the other.

    Inside another progress it shows nothing: the outer one counts.
    """
    if _shown:
        yield lambda *_: None
        return
    _shown.append("stages")
    try:
        with _top_level_stages() as show:
            yield show
    finally:
        _shown.pop()


@contextmanager
def _top_level_stages() -> Iterator[Report]:
    if sys.stderr.isatty():
        with _bar() as bar:
            tasks = {}

            def show(stage: str, done: int, total: int) -> None:
                if stage not in tasks:
                    tasks[stage] = bar.add_task(stage, total=total, note="")
                bar.update(tasks[stage], completed=done, total=total)

            yield show
        return
    reported: dict[str, int] = {}

    def log(stage: str, done: int, total: int) -> None:
        tenth = 10 * done // max(total, 1)
        if tenth > reported.get(stage, 0):
            reported[stage] = tenth
            _log.info("%s: %d of %d", stage, done, total)

    yield log
