"""Positions in SINEX files, versions 1 and 2: block SOLUTION/ESTIMATE (IERS message format)."""

import datetime
import re
from typing import Final

import numpy as np
from numpy.typing import NDArray

from dwlim_ops.errors import MalformedInputError
from dwlim_ops.sources.formats.checks import Place, Unit
from dwlim_ops.sources.formats.gnss.epochs import (
    SECONDS_PER_DAY,
    day_of_year_number,
    days_within,
    four_digit_year,
    no_such_day,
)
from dwlim_ops.sources.formats.gnss.place import from_cartesian, up_direction
from dwlim_ops.sources.formats.gnss.series import StationSeries, make_series
from dwlim_ops.sources.formats.gnss.table import Line, Table, numbered_lines, read_table
from dwlim_ops.sources.formats.text import open_text, shown

Array = NDArray[np.float64]

_FIRST_LINE: Final = re.compile(rb"%=SNX [12]\.\d\d .*")
_EPOCH: Final = re.compile(rb"(\d\d|\d{4}):(\d{3}):(\d{5})")
_STATION: Final = re.compile(rb"\w{4}(?:\w{5})?")
_LAYOUT: Final = "index type code point solution epoch unit constraint value sigma"
_AXES: Final = (b"STAX", b"STAY", b"STAZ")


def parse_sinex(
    content: bytes, *, unit: Unit = "m", not_after: datetime.date, where: str
) -> tuple[StationSeries, ...]:
    """Read the positions STAX, STAY, STAZ of every station and epoch, as ellipsoidal heights.

    The station is the first four characters of the site code; the day is that of the reference
    epoch. The sigma of up is sum |n_i| sigma_i with n the direction of the zenith: the largest
    value that the three sigmas allow, since the correlations, large and of the sign that makes
    it so, stand in another block.

    Parameters
    ----------
    content : bytes
        Text, plain or gzip.
    unit : {"m"}
        Must be that of the file.
    not_after : datetime.date
        Last day that the file may hold.
    where : str
        Name of the file, for messages.

    Returns
    -------
    tuple of StationSeries
        Sorted by station.

    Raises
    ------
    MalformedInputError
        Not such a file, no estimated position, an incomplete one, or an impossible value.
    """
    lines = numbered_lines(open_text(content, where=where))
    if not _FIRST_LINE.fullmatch(lines[0][1]) or not lines[-1][1].startswith(b"%ENDSNX"):
        raise MalformedInputError(
            "not a complete SINEX file", where=where, expected="%=SNX 2.02 ... to %ENDSNX",
            got=f"{shown(lines[0][1])} to {shown(lines[-1][1])}", remedy="get the file again")
    table = _estimates(lines, where)
    day = _days(table, not_after)
    xyz, sigma, first = _positions(table, unit)
    longitude, latitude, height_m = from_cartesian(xyz, where=where)
    up_sigma = (np.abs(up_direction(longitude, latitude)) * sigma).sum(axis=1)
    codes = table.column(2)
    names = np.array([codes[row][:4].decode("ascii").upper() for row in first])
    series = []
    for name in np.unique(names):
        own = np.flatnonzero(names == name)
        series.append(make_series(
            day[first[own]], height_m[own], up_sigma[own], unit=unit,
            place=_place_of(table, first[own]),
            where=f"{where}, {name}", reference_height_m=0.0, station=str(name),
            longitude_deg=float(longitude[own[0]]), latitude_deg=float(latitude[own[0]])))
    return tuple(series)


def _place_of(table: Table, rows: NDArray[np.intp]) -> Place:
    return lambda row: table.place(int(rows[row]))


def _estimates(lines: list[Line], where: str) -> Table:
    """Rows of positions of the block SOLUTION/ESTIMATE."""
    starts = [n for n, (_, line) in enumerate(lines) if line.rstrip() == b"+SOLUTION/ESTIMATE"]
    ends = [n for n, (_, line) in enumerate(lines) if line.rstrip() == b"-SOLUTION/ESTIMATE"]
    if len(starts) != 1 or len(ends) != 1 or ends[0] < starts[0]:
        raise MalformedInputError(
            "no block of estimates", where=where,
            expected="one block +SOLUTION/ESTIMATE ... -SOLUTION/ESTIMATE",
            got=f"{len(starts)} starts, {len(ends)} ends",
            remedy="this SINEX file holds no positions, or is damaged")
    block = [line for line in lines[starts[0] + 1:ends[0]] if not line[1].startswith(b"*")]
    positions = [line for line in block if line[1].split()[1:2] and line[1].split()[1] in _AXES]
    if not positions:
        raise MalformedInputError(
            "no estimated position", where=where, expected="STAX, STAY, STAZ",
            got=f"{len(block)} other estimates", remedy="this SINEX file holds no positions")
    return read_table(positions, widths={10}, expected=_LAYOUT, where=where)


def _positions(table: Table, unit: Unit) -> tuple[Array, Array, NDArray[np.intp]]:
    """X, Y, Z and their sigmas, shape (n, 3), and the row of each X."""
    value, sigma = table.numbers(8), table.numbers(9)
    index: dict[tuple[bytes, ...], dict[bytes, int]] = {}
    for row, fields in enumerate(zip(*map(table.column, range(10)), strict=True)):
        if fields[6] != unit.encode() or not _STATION.fullmatch(fields[2]):
            raise MalformedInputError(
                "not a position in the declared unit", where=table.place(row),
                expected=f"a site code and the unit {unit}", got=shown(b" ".join(fields[1:7])),
                remedy="check the unit of this source")
        axes = index.setdefault(fields[2:6], {})
        if fields[1] in axes:
            raise MalformedInputError(
                "a coordinate is given twice", where=table.place(row),
                expected="one STAX, STAY, STAZ per solution", got=shown(b" ".join(fields[1:6])),
                remedy="get the file again")
        axes[fields[1]] = row
    for axes in index.values():
        if len(axes) != len(_AXES):
            raise MalformedInputError(
                "a coordinate is missing", where=table.place(min(axes.values())),
                expected="STAX, STAY, STAZ of one epoch", got=f"{len(axes)} of them",
                remedy="get the file again")
    rows = np.array([[axes[axis] for axis in _AXES] for axes in index.values()], dtype=np.intp)
    return value[rows], sigma[rows], rows[:, 0]


def _days(table: Table, not_after: datetime.date) -> NDArray[np.datetime64]:
    number = []
    for row, token in enumerate(table.column(5)):
        match = _EPOCH.fullmatch(token)
        try:
            if match is None or int(match[3]) > SECONDS_PER_DAY:
                raise ValueError(token)
            year = int(match[1]) if len(match[1]) == 4 else four_digit_year(int(match[1]))
            number.append(day_of_year_number(year, int(match[2])))
        except ValueError:
            raise no_such_day(table.place(row), "yy:ddd:sssss", token) from None
    return days_within(np.array(number, dtype=np.int64), not_after=not_after, place=table.place)
