"""PBO/GAGE `.pos` files, versions 1.0 and 1.1 (UPSTREAMS.md 2.7)."""

import datetime
import re
from typing import Final

import numpy as np
from numpy.typing import NDArray

from dwlim_ops.errors import MalformedInputError
from dwlim_ops.geometry import wrap_longitude_deg
from dwlim_ops.sources.formats.checks import MM_PER, Unit
from dwlim_ops.sources.formats.gnss.epochs import (
    MJD_OF_1970,
    day_of_iso_date,
    days_within,
    read_each,
    refuse_disagreement,
)
from dwlim_ops.sources.formats.gnss.series import StationSeries, make_series
from dwlim_ops.sources.formats.gnss.table import Line, Table, numbered_lines, read_table
from dwlim_ops.sources.formats.text import NUMBER, open_text, shown

Array = NDArray[np.float64]

_FIRST_LINE: Final = b"PBO Station Position Time Series"
_VERSION: Final = re.compile(rb"Format Version\s*:\s*1\.[01]\.\d+\s*")
_STATION: Final = re.compile(rb"4-character ID\s*:\s*([A-Za-z0-9]{4})\s*")
_REFERENCE: Final = re.compile(
    rb"NEU Reference position\s*:" + rb"\s+(" + NUMBER + rb")" + rb"\s+(" + NUMBER + rb")"
    + rb"\s+(" + NUMBER + rb").*")
_LAYOUT: Final = "YYYYMMDD HHMMSS MJD X Y Z ... Height dN dE dU Sn Se Su Rne Rnu Reu [Soln]"
_HEIGHT_ROUNDING_M: Final = 2.1e-5


def parse_pos(
    content: bytes, *, unit: Unit = "m", not_after: datetime.date, where: str
) -> tuple[StationSeries, ...]:
    """Read a `.pos` file; `up` is dU, from the reference position of the header.

    The order of the components is north, east, up. The days are the calendar dates, checked
    against the modified Julian day; dU is checked against the height of the line.

    Parameters
    ----------
    content : bytes
        Header, then lines that begin with a blank, 24 or 25 fields; plain or gzip.
    unit : {"m", "mm", "cm"}
        Unit of dU and its sigma; the format says metres.
    not_after : datetime.date
        Last day that the file may hold.
    where : str
        Name of the file, for messages.

    Raises
    ------
    MalformedInputError
        Not such a file, another version, or an impossible or contradicting value.
    """
    lines = numbered_lines(open_text(content, where=where))
    n_header = next((n for n, (_, line) in enumerate(lines) if line[:1] == b" "), len(lines))
    station, (latitude, longitude, height_m) = _read_header(lines[:n_header], where)
    table = read_table(lines[n_header:], widths={24, 25}, expected=_LAYOUT, where=where)
    number = read_each(table.column(0), day_of_iso_date, expected="YYYYMMDD", place=table.place)
    mjd = np.floor(table.numbers(2)).astype(np.int64) - MJD_OF_1970
    refuse_disagreement(number, mjd, names=("date", "MJD"), place=table.place)
    up = table.numbers(17)
    _refuse_other_height(table, height_m + up * (MM_PER[unit] / 1000.0))
    return (make_series(
        days_within(number, not_after=not_after, place=table.place), up, table.numbers(20),
        unit=unit, place=table.place, where=where, reference_height_m=height_m, station=station,
        longitude_deg=float(wrap_longitude_deg(longitude)), latitude_deg=latitude),)


def _read_header(lines: list[Line], where: str) -> tuple[str, tuple[float, float, float]]:
    header = [line.rstrip() for _, line in lines]
    if not header or not header[0].startswith(_FIRST_LINE):
        raise _bad_header(where, _FIRST_LINE.decode(), header[0] if header else b"")
    found = []
    for pattern, words in ((_VERSION, "Format Version: 1.0 or 1.1"),
                           (_STATION, "4-character ID: SSSS"),
                           (_REFERENCE, "NEU Reference position : latitude longitude height")):
        match = next((m for m in map(pattern.fullmatch, header) if m), None)
        if match is None:
            raise _bad_header(where, words, header[min(1, len(header) - 1)])
        found.append(match)
    latitude, longitude, height_m = map(float, found[2].groups())
    if not (abs(latitude) <= 90.0 and abs(longitude) <= 360.0 and -500.0 <= height_m <= 9000.0):
        raise _bad_header(where, "a reference position on the Earth", found[2].group())
    return found[1].group(1).decode("ascii").upper(), (latitude, longitude, height_m)


def _refuse_other_height(table: Table, height_m: Array) -> None:
    rows = np.flatnonzero(~(np.abs(table.numbers(14) - height_m) <= _HEIGHT_ROUNDING_M))
    if rows.size:
        row = int(rows[0])
        raise MalformedInputError(
            "dU and the height of the line disagree", where=table.place(row),
            expected=f"reference height + dU = {height_m[row]:.5f} m",
            got=shown(table.column(14)[row]), remedy="get the file again",
        )


def _bad_header(where: str, expected: str, got: bytes) -> MalformedInputError:
    return MalformedInputError("not the header of a .pos file", where=where, expected=expected,
                               got=shown(got), remedy="check the format of this source")
