"""`.neu` files of SOPAC, CMONOC and their like, in their several generations (UPSTREAMS.md 2.8)."""

import datetime
import re
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from dwlim_ops.errors import MalformedInputError
from dwlim_ops.sources.formats.checks import Unit
from dwlim_ops.sources.formats.gnss.epochs import (
    day_number,
    day_of_iso_date,
    day_of_year_number,
    days_within,
    no_such_day,
    read_each,
)
from dwlim_ops.sources.formats.gnss.series import StationSeries, make_series
from dwlim_ops.sources.formats.gnss.table import Line, Table, numbered_lines, read_table
from dwlim_ops.sources.formats.text import open_text, shown

Array = NDArray[np.float64]

_GREATEST_DAYS_APART: Final = 0.8
_DATE: Final = re.compile(rb"\d{8}")
_TIME: Final = re.compile(rb"\d{6}")
_DECIMAL_YEAR: Final = re.compile(rb"\d{4}\.\d+")
_YEAR: Final = re.compile(rb"\d{4}")
_WORD: Final = re.compile(rb"[A-DF-Za-df-z]")


@dataclass(frozen=True)
class _Generation:
    layout: str
    widths: frozenset[int]
    up: int
    sigma: int
    decimal_year: int | None


_BY_DAY_OF_YEAR: Final = _Generation(
    "decimal_year year day_of_year N E U sN sE sU", frozenset({9, 12}), 5, 8, 0)
_BY_DATE_AND_TIME: Final = _Generation(
    "yyyymmdd hhmmss decimal_year N E U sN sE sU", frozenset({9, 12}), 5, 8, 2)
_BY_DATE: Final = _Generation("yyyymmdd N E U sN sE sU", frozenset({7}), 3, 6, None)


def parse_neu(
    content: bytes, *, unit: Unit, not_after: datetime.date, where: str
) -> tuple[StationSeries, ...]:
    """Read a `.neu` file; which of N and E comes first does not matter, `up` is the third.

    The first line of data tells the generation: `decimal_year year day_of_year`, `yyyymmdd hhmmss
    decimal_year` or `yyyymmdd`, each followed by three components and their sigmas (and, in the
    first two, maybe three correlations). Lines of text before the data and comments (`#`, `*`) are
    passed over. The components may be displacements or absolute heights.

    Parameters
    ----------
    content : bytes
        Text, plain or gzip.
    unit : {"m", "cm", "mm"}
        Unit of components and sigmas: the layout is the same for files in m and in mm.
    not_after : datetime.date
        Last day that the file may hold.
    where : str
        Name of the file, for messages.

    Raises
    ------
    MalformedInputError
        Not such a file, dates only as decimal years, a date that its decimal year contradicts by
        more than 0.8 day, or a scatter that belongs to another unit.
    """
    lines = _data_lines(numbered_lines(open_text(content, where=where)))
    generation = _generation(lines, where)
    table = read_table(lines, widths=generation.widths, expected=generation.layout, where=where)
    if generation is _BY_DAY_OF_YEAR:
        number = _from_day_of_year(table)
    else:
        number = read_each(table.column(0), day_of_iso_date, expected="yyyymmdd",
                           place=table.place)
    day = days_within(number, not_after=not_after, place=table.place)
    if generation.decimal_year is not None:
        _refuse_other_day(table, number, table.numbers(generation.decimal_year))
    return (make_series(day, table.numbers(generation.up), table.numbers(generation.sigma),
                        unit=unit, place=table.place, where=where),)


def _data_lines(lines: list[Line]) -> list[Line]:
    """Without comments, and without the lines of text before the first line of data."""
    data = [(number, line) for number, line in lines if line.lstrip()[:1] not in (b"#", b"*")]
    first = next((n for n, (_, line) in enumerate(data) if not _WORD.search(line)), 0)
    return data[first:]


def _generation(lines: list[Line], where: str) -> _Generation:
    fields = [*lines[0][1].split(), b"", b"", b""] if lines else [b"", b"", b""]
    if _DATE.fullmatch(fields[0]):
        return _BY_DATE_AND_TIME if _TIME.fullmatch(fields[1]) else _BY_DATE
    if _DECIMAL_YEAR.fullmatch(fields[0]) and _YEAR.fullmatch(fields[1]):
        return _BY_DAY_OF_YEAR
    only_decimal = _DECIMAL_YEAR.fullmatch(fields[0]) is not None
    raise MalformedInputError(
        "dates only as decimal years" if only_decimal else "not a .neu file",
        where=f"{where}, line {lines[0][0]}" if lines else where,
        expected=f"one of: {_BY_DAY_OF_YEAR.layout}; {_BY_DATE_AND_TIME.layout}; "
                 f"{_BY_DATE.layout}",
        got=shown(lines[0][1]) if lines else "no line of data",
        remedy="a decimal year does not say which day it is: get the file with calendar dates, or "
               "convert it to yyyymmdd" if only_decimal else "check the format of this source",
    )


def _from_day_of_year(table: Table) -> NDArray[np.int64]:
    days = []
    for row, (year, day) in enumerate(zip(table.integers(1), table.integers(2), strict=True)):
        try:
            days.append(day_of_year_number(int(year), int(day)))
        except ValueError:
            raise no_such_day(table.place(row), "year and day of the year",
                              b" ".join(table.column(n)[row] for n in (1, 2))) from None
    return np.array(days, dtype=np.int64)


def _refuse_other_day(table: Table, number: NDArray[np.int64], decimal_year: Array) -> None:
    """A known converter writes the last day of a leap year as `2000.9986 2000 1`."""
    year = number.astype("datetime64[D]").astype("datetime64[Y]").astype(np.int64) + 1970
    starts = {int(y): (day_number(int(y), 1, 1), day_number(int(y) + 1, 1, 1))
              for y in np.unique(year)}
    first = np.array([starts[int(y)][0] for y in year], dtype=np.float64)
    length = np.array([starts[int(y)][1] for y in year]) - first
    expected = year + (number - first + 0.5) / length
    rows = np.flatnonzero(~(np.abs(decimal_year - expected) * length <= _GREATEST_DAYS_APART))
    if rows.size:
        row = int(rows[0])
        raise MalformedInputError(
            "the day and the decimal year of the line disagree", where=table.place(row),
            expected=f"about {expected[row]:.4f}", got=f"{decimal_year[row]:.4f}",
            remedy="a converter has shifted the days: get the file again or correct the line",
        )
