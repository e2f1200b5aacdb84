"""Point series that the ESMGFZ server extracts: CSV, one row per instant, units in the header."""

import datetime
import re
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from dwlim_ops.errors import MalformedInputError
from dwlim_ops.geometry import wrap_longitude_deg
from dwlim_ops.sources.formats.checks import MM_PER, Unit
from dwlim_ops.sources.formats.loading.series import refuse_bad_instants, unit_of
from dwlim_ops.sources.formats.text import NUMBER_OR_NAN, line_numbers, open_text, shown

Array = NDArray[np.float64]
Instants = NDArray[np.datetime64]

_COLUMN: Final = re.compile(
    r'\s*+([A-Za-z_]\w*+)\s*+(?:\[\s*+unit\s*+=\s*+"([^"\]]*+)"\s*+\])?+\s*+')
_INSTANT: Final = re.compile(
    rb"\s*+(\d{4}-\d{2}-\d{2})[T ](\d{2}:\d{2})(?::(\d{2})(?:\.0*+)?+)?+"
    rb"\s*+(?:Z|UTC|\+00:?00)?+\s*+")
_NUMBER: Final = re.compile(rb"\s*+" + NUMBER_OR_NAN + rb"\s*+")
#: The server gives the value of a node of its half-degree grid; further off it is another place.
_FARTHEST_DEG: Final = 0.75


@dataclass(frozen=True)
class PointSeries:
    """Displacement at one place, mm, uplift positive, in the order of the file."""

    instant: Instants
    up_mm: Array
    unit: Unit


@dataclass(frozen=True)
class _Table:
    columns: dict[str, int]
    units: dict[str, str]
    rows: list[list[bytes]]
    lines: list[int]


def parse_point_csv(
    content: bytes, *, variable: str, longitude_deg: float, latitude_deg: float,
    not_after: datetime.date, where: str,
) -> PointSeries:
    """Read `time,latitude,longitude,duV[unit="m"]`; columns in any order, others are passed over.

    Parameters
    ----------
    content : bytes
        The answer of the server, plain or gzip.
    variable : str
        Column of the displacement; its header must declare the unit.
    longitude_deg, latitude_deg : float
        The place that was asked for.
    not_after : datetime.date
        Last day; the midnight that ends it may be there.

    Raises
    ------
    MalformedInputError
        Not such a table, no unit, an impossible instant, or the series of another place.
    """
    table = _read(content, where)
    instant = _instants(table, where)
    refuse_bad_instants(instant, not_after=not_after, where=where)
    if variable not in table.columns:
        raise MalformedInputError(f"no column {variable}", where=where,
                                  expected=f'time, {variable}[unit="m"]',
                                  got=", ".join(table.columns))
    unit = unit_of(table.units[variable], where=f"{where}, column {variable}")
    for name, asked in (("latitude", latitude_deg), ("longitude", longitude_deg)):
        if name in table.columns:
            away = wrap_longitude_deg(_numbers(table, name, where) - asked)
            if not (np.abs(away) <= _FARTHEST_DEG).all():
                raise MalformedInputError(
                    "values of another place", where=where, expected=f"{name} {asked:g}",
                    got=f"{away[0] + asked:g}", remedy="look for swapped coordinates")
    return PointSeries(instant, _numbers(table, variable, where) * MM_PER[unit], unit)


def read_instants(content: bytes, *, where: str) -> Instants:
    """The instants of a point CSV, to judge whether it is complete.

    Raises
    ------
    MalformedInputError
        Not such a table, or an impossible instant.
    """
    return _instants(_read(content, where), where)


def _read(content: bytes, where: str) -> _Table:
    text = open_text(content, where=where)
    numbers = line_numbers(text)
    lines = [line for line in text.split(b"\n") if line.strip()]
    matches = [_COLUMN.fullmatch(item) for item in lines[0].decode("ascii").split(",")]
    names = [match[1] for match in matches if match]
    if len(names) != len(matches) or "time" not in names or len(set(names)) != len(names):
        raise MalformedInputError(
            "wrong header", where=f"{where}, line {numbers[0]}", got=shown(lines[0]),
            expected='time, latitude, longitude, duV[unit="m"] or the like')
    rows = [line.split(b",") for line in lines[1:]]
    for row, line in zip(rows, numbers[1:], strict=True):
        if len(row) != len(names):
            raise MalformedInputError(
                "wrong number of columns", where=f"{where}, line {line}",
                expected=str(len(names)), got=shown(b",".join(row)),
                remedy="the file may be cut off: get it again")
    return _Table({name: number for number, name in enumerate(names)},
                  {match[1]: match[2] or "" for match in matches if match}, rows, numbers[1:])


def _instants(table: _Table, where: str) -> Instants:
    column, instants = table.columns["time"], []
    for row, line in zip(table.rows, table.lines, strict=True):
        match = _INSTANT.fullmatch(row[column])
        try:
            if match is None:
                raise ValueError(shown(row[column]))
            day, minute, second = (part.decode("ascii") if part else "00"
                                   for part in match.groups())
            instants.append(datetime.datetime.fromisoformat(f"{day}T{minute}:{second}"))
        except ValueError as error:
            raise MalformedInputError(
                "no such instant", where=f"{where}, line {line}", got=shown(row[column]),
                expected="yyyy-mm-dd hh:mm:ss, UTC") from error
    return np.array(instants, dtype="datetime64[s]")


def _numbers(table: _Table, name: str, where: str) -> Array:
    column = table.columns[name]
    for row, line in zip(table.rows, table.lines, strict=True):
        if not _NUMBER.fullmatch(row[column]):
            raise MalformedInputError(
                f"{name} is not a number", where=f"{where}, line {line}",
                expected="a finite number or NaN", got=shown(row[column]))
    return np.array([float(row[column]) for row in table.rows])
