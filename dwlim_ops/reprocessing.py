"""The estimates of many days in parts that other processes make, with the bits of one pass.

The ledger and the published tree have one writer; what a day costs before it is published needs
only to read. A part is the planned days of one calendar month: smoothing goes by months, and the
networks serve a month in one or two runs. It carries the state of the filter before its month, and
the process that makes it opens the workspace and observes what the planning process observed.
"""

import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from datetime import date, datetime
from itertools import groupby
from pathlib import Path

from dwlim_ops.errors import ConfigError, DwlimError
from dwlim_ops.estimates import DayEstimates, estimate_day
from dwlim_ops.invert.spacetime import State
from dwlim_ops.reconcile import Known, PlannedDay, observe
from dwlim_ops.session import Session
from dwlim_ops.state.provenance import fingerprint
from dwlim_ops.workspace import Workspace

#: Estimates of each day, or in words what hindered them.
Made = Mapping[date, DayEstimates | str]


@dataclass(frozen=True)
class Origin:
    """What the estimates of a part are made from: a workspace and what was known there.

    `parts` are fingerprints of all that the numbers depend on, by name.
    """

    workspace: Path
    as_of: datetime
    newest_granule: int
    parts: tuple[tuple[str, str], ...]


@dataclass(frozen=True, eq=False)
class Part:
    """Days of one calendar month, and the filter's state before the data of `row`, which is the
    month's first day or the record's."""

    origin: Origin
    days: tuple[date, ...]
    row: int
    state: State

    @property
    def month(self) -> str:
        """The month, e.g. 2012-03."""
        return f"{self.days[0]:%Y-%m}"


def origin_of(session: Session, known: Known) -> Origin:
    """Where the estimates of a process come from."""
    parts = {"code": session.code, "configuration": session.configuration,
             "bundle": session.bundle_id, "forcing": fingerprint(known.forcing_digests),
             "displacement": session.space_time(known.checked).digests[-1]}
    return Origin(session.workspace.root.resolve(), known.as_of, known.newest_granule,
                  tuple(parts.items()))


def parts(session: Session, known: Known, planned: Sequence[PlannedDay]) -> Iterator[Part]:
    """The parts of planned days, in their order; the filter runs on to a part when it is asked for.
    """
    run, origin = session.space_time(known.checked), origin_of(session, known)
    for _, of_month in groupby((one.day for one in planned), lambda day: (day.year, day.month)):
        days = tuple(of_month)
        row = max(run.month_rows(days[0])[0], 0)
        yield Part(origin, days, row, run.state_before(row))


class _Opened:
    """The workspace that this process made a part of last, and what is known there."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self._kept: tuple[Origin, Session, Known] | None = None

    def at(self, origin: Origin) -> tuple[Session, Known]:
        """Session and knowledge of an origin; the ledger is closed."""
        if self._kept is None or self._kept[0] != origin:
            self._kept = None
            with closing(Session(Workspace(origin.workspace))) as session:
                known = observe(session, origin.as_of, through=origin.newest_granule)
            _require_same(origin, session, known)
            assert known is not None  # noqa: S101  _require_same has seen to it
            self._kept = origin, session, known
        return self._kept[1:]


_opened = _Opened()


def estimate_part(part: Part) -> Made:
    """Estimates of the days of a part; a process makes one part at a time.

    Errors with a cause outside the code hinder their day only.

    Raises
    ------
    ConfigError
        This process would make other numbers: its code, settings or data are not those of the
        process that planned.
    StoreError
        The workspace cannot be read.
    """
    with _opened.lock:
        session, known = _opened.at(part.origin)
        session.space_time(known.checked).go_on_from(part.row, part.state)
        return {day: _estimate(session, known, day) for day in part.days}


def _estimate(session: Session, known: Known, day: date) -> DayEstimates | str:
    """What publishing reads of a day; the covariances that went in are most of the bytes."""
    try:
        made = estimate_day(session, known, day)
    except (DwlimError, OSError) as error:
        return str(error)
    return replace(made, data=replace(made.data, by_method={}))


def _require_same(origin: Origin, session: Session, known: Known | None) -> None:
    found = None if known is None else origin_of(session, known)
    if found == origin:
        return
    other = "no displacement" if found is None else "other " + ", ".join(
        name for (name, here), (_, there) in zip(found.parts, origin.parts, strict=True)
        if here != there)
    raise ConfigError(
        "a worker sees another workspace or runs another version", where=str(origin.workspace),
        expected="what the planning process sees", got=other,
        remedy="give workers the same code, the workspace by the same path and a ledger that they "
               "reach")
