"""Station files of lines `yyyymmdd up sigma`: daily vertical displacement, uplift positive."""

import datetime
import re
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dwlim_ops.errors import MalformedInputError
from dwlim_ops.sources.formats.checks import (
    FIRST_GPS_DAY,
    MM_PER,
    Unit,
    read_days,
    refuse_bad_displacement,
    refuse_wrong_unit,
)
from dwlim_ops.sources.formats.duplicates import keep_smallest_sigma
from dwlim_ops.sources.formats.text import NUMBER_OR_NAN, line_numbers, open_text, shown

Array = NDArray[np.float64]
Days = NDArray[np.datetime64]

_ROW = rb"[ \t]*+\d{8}(?:[ \t]++" + NUMBER_OR_NAN + rb"){2}+[ \t]*+"
_TEXT = re.compile(rb"(?:(?:" + _ROW + rb"|[ \t]*+)\n)*+")
_LINE = re.compile(_ROW)


@dataclass(frozen=True)
class UpSeries:
    """One station's series: days ascending and unique, NaN where the file says so."""

    day: Days
    up_mm: Array
    up_sigma_mm: Array
    duplicated: NDArray[np.bool_]


def parse_up(content: bytes, *, unit: Unit, not_after: datetime.date, where: str) -> UpSeries:
    """Read one station file.

    Parameters
    ----------
    content : bytes
        Text, plain or gzip: `yyyymmdd up sigma` per line, separated by white space. A value may
        be `nan`. Days need not be sorted. Of a repeated day the row with the smaller sigma stays;
        where the rows differed, `duplicated` is set.
    unit : {"mm", "cm", "m"}
        Unit of `up` and `sigma` in the file.
    not_after : datetime.date
        Last day that the file may hold.
    where : str
        Name of the file, for messages.

    Raises
    ------
    MalformedInputError
        Not such a file, an impossible day or value, or a scatter that belongs to another unit.
    """
    text = open_text(content, where=where)
    if not _TEXT.fullmatch(text):
        raise _first_bad_line(text, where)
    tokens = text.split()

    def place(row: int) -> str:
        return f"{where}, line {line_numbers(text)[row]}"

    day = read_days(tokens[0::3], not_before=FIRST_GPS_DAY, not_after=not_after, place=place)
    up = np.array([float(item) for item in tokens[1::3]]) * MM_PER[unit]
    sigma = np.array([float(item) for item in tokens[2::3]]) * MM_PER[unit]
    sigma[np.isnan(up)] = np.nan
    kept, duplicated = keep_smallest_sigma(day.astype(np.int64), up, sigma)
    refuse_wrong_unit(day[kept], up[kept], unit, where=where)
    refuse_bad_displacement(up, sigma, place=place)
    return UpSeries(day[kept], up[kept], sigma[kept], duplicated)


def _first_bad_line(text: bytes, where: str) -> MalformedInputError:
    for number, line in enumerate(text.split(b"\n"), start=1):
        if line.strip() and not _LINE.fullmatch(line):
            n_fields = len(line.split())
            return MalformedInputError(
                "wrong number of columns" if n_fields != 3 else "text where a number should be",
                where=f"{where}, line {number}", expected="yyyymmdd up sigma, finite numbers",
                got=shown(line), remedy="correct or remove the line",
            )
    return MalformedInputError("not a table", where=where, expected="yyyymmdd up sigma")
