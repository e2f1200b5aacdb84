"""GLOBK/GLORG print files `.org`: one or more daily solutions of a network (GAMIT/GLOBK)."""

import datetime
import re
from dataclasses import dataclass, field
from typing import Final

import numpy as np
from numpy.typing import NDArray

from dwlim_ops.errors import MalformedInputError
from dwlim_ops.sources.formats.checks import Place, Unit
from dwlim_ops.sources.formats.gnss.epochs import day_number, days_within, no_such_day
from dwlim_ops.sources.formats.gnss.place import from_cartesian
from dwlim_ops.sources.formats.gnss.series import StationSeries, make_series
from dwlim_ops.sources.formats.gnss.table import LARGEST_NUMBER, Line, numbered_lines
from dwlim_ops.sources.formats.text import NUMBER, open_text, shown

Array = NDArray[np.float64]

_EPOCH: Final = re.compile(
    rb" *Solution (commenced with|ended with|refers to)\s*: *(\d{4})/ *(\d{1,2})/ *(\d{1,2})"
    rb" +(\d{1,2}): *(\d{1,2}) .*")
_POSITION: Final = re.compile(
    rb"Unc\. +(\w{4})_\w{3} +(" + NUMBER + rb") +(" + NUMBER + rb") +(" + NUMBER + rb") .*")
_HEIGHT: Final = re.compile(
    rb"Loc\. +(\w{4})_\w{3} U coordinate +\(m\) +(\S+) +(\S+) +(\S+) *")
_HEIGHT_START: Final = re.compile(rb"Loc\. +\w+ U coord")
_ONE_NUMBER: Final = re.compile(NUMBER)
_STARS: Final = re.compile(rb"\*+")
_HEIGHT_ROUNDING_M: Final = 2e-4
_LONGEST_DAYS: Final = 1


@dataclass
class _Station:
    place_m: list[tuple[float, float, float]] = field(default_factory=list)
    rows: list[tuple[int, float, float]] = field(default_factory=list)
    lines: list[int] = field(default_factory=list)

    def place_in(self, where: str) -> Place:
        return lambda row: f"{where}, line {self.lines[row]}"


def parse_org(
    content: bytes, *, unit: Unit = "m", not_after: datetime.date, where: str
) -> tuple[StationSeries, ...]:
    """Read the stations of a `.org` file, named by the first four characters of the GLOBK name.

    `up` is the U coordinate of the lines `Loc.`, an absolute height, checked against the position
    of the line `Unc.`; a field of asterisks (too large to print) is an absent value. The day is
    that to which the solution refers.

    Parameters
    ----------
    content : bytes
        Text, plain or gzip.
    unit : {"m", "mm", "cm"}
        Unit of heights and sigmas; GLOBK writes metres.
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
        Not such a file, a solution over more than a day, or an impossible or contradicting value.
    """
    stations = _read_stations(numbered_lines(open_text(content, where=where)), where, not_after)
    series = []
    for name in sorted(stations):
        station = stations[name]
        longitude, latitude, height_m = from_cartesian(np.array(station.place_m), where=where)
        day, up, sigma = (np.array(column) for column in zip(*station.rows, strict=True))
        _refuse_other_height(up, height_m, f"{where}, {name}")
        series.append(make_series(
            day.astype(np.int64).astype("datetime64[D]"), up, sigma, unit=unit,
            place=station.place_in(where), where=f"{where}, {name}", reference_height_m=0.0,
            station=name, longitude_deg=float(longitude[0]), latitude_deg=float(latitude[0])))
    return tuple(series)


def _read_stations(
    lines: list[Line], where: str, not_after: datetime.date
) -> dict[str, _Station]:
    stations: dict[str, _Station] = {}
    epochs: dict[bytes, int] = {}
    position: tuple[bytes, tuple[float, float, float]] | None = None
    for number, line in lines:
        here = f"{where}, line {number}"
        if epoch := _EPOCH.fullmatch(line):
            epochs[epoch[1]] = _epoch_day(epoch, here, not_after)
        elif found := _POSITION.fullmatch(line):
            x, y, z = map(float, found.groups()[1:])
            position = (found[1], (x, y, z))
        elif _HEIGHT_START.match(line):
            values = _read_height(line, position and position[0], here)
            if values is not None and position is not None:
                station = stations.setdefault(position[0].decode("ascii").upper(), _Station())
                station.place_m.append(position[1])
                station.rows.append((_one_day(epochs, here), *values))
                station.lines.append(number)
    if not stations:
        raise MalformedInputError(
            "no station position", where=where, expected="lines 'Unc.' and 'Loc.' of GLOBK",
            got=shown(lines[0][1]), remedy="check the format of this source")
    return stations


def _epoch_day(epoch: re.Match[bytes], where: str, not_after: datetime.date) -> int:
    year, month, day = (int(item) for item in epoch.groups()[1:4])
    try:
        number = day_number(year, month, day)
    except ValueError:
        raise no_such_day(where, "year/month/day", b"/".join(epoch.groups()[1:4])) from None
    days_within(np.array([number]), not_after=not_after, place=lambda _: where)
    return number


def _one_day(epochs: dict[bytes, int], where: str) -> int:
    first, last, day = (epochs.get(name) for name in (b"commenced with", b"ended with",
                                                      b"refers to"))
    if first is None or last is None or day is None or not (
            first <= day <= last <= first + _LONGEST_DAYS):
        raise MalformedInputError(
            "not the solution of one day", where=where,
            expected="lines 'Solution commenced with', 'ended with', 'refers to' of one day",
            got=str({name.decode(): str(np.datetime64(day, "D")) for name, day in epochs.items()}),
            remedy="give the .org file of each day",
        )
    return day


def _read_height(
    line: bytes, station: bytes | None, where: str
) -> tuple[float, float] | None:
    """Height and sigma; None if one of them was too large for its field."""
    match = _HEIGHT.fullmatch(line)
    items = match.groups()[1:] if match else ()
    good = all(_STARS.fullmatch(item) or (
        _ONE_NUMBER.fullmatch(item) and abs(float(item)) <= LARGEST_NUMBER) for item in items)
    if match is None or not good or match[1] != station:
        raise MalformedInputError(
            "a height cannot be read", where=where,
            expected="'Loc. SSSS_XXX U coordinate (m) value adjustment sigma' after its 'Unc.'",
            got=shown(line), remedy="get the file again",
        )
    if any(_STARS.fullmatch(item) for item in items):
        return None
    return float(items[0]), float(items[2])


def _refuse_other_height(up_m: Array, height_m: Array, where: str) -> None:
    rows = np.flatnonzero(~(np.abs(up_m - height_m) <= _HEIGHT_ROUNDING_M))
    if rows.size:
        row = int(rows[0])
        raise MalformedInputError(
            "U coordinate and geocentric position disagree", where=where,
            expected=f"{height_m[row]:.5f} m", got=f"{up_m[row]:.5f} m",
            remedy="get the file again",
        )
