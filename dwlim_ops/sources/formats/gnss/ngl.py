"""Series of the Nevada Geodetic Laboratory: `tenv3` and `tenv` (UPSTREAMS.md 2.4)."""

import datetime
import re
from typing import Final

import numpy as np
from numpy.typing import NDArray

from dwlim_ops.errors import MalformedInputError
from dwlim_ops.geometry import wrap_longitude_deg
from dwlim_ops.sources.formats.checks import MM_PER, Days, Unit
from dwlim_ops.sources.formats.gnss.epochs import (
    MJD_OF_1970,
    day_of_ngl_date,
    days_within,
    read_each,
    refuse_disagreement,
)
from dwlim_ops.sources.formats.gnss.place import from_equator_and_meridian
from dwlim_ops.sources.formats.gnss.series import StationSeries, make_series
from dwlim_ops.sources.formats.gnss.table import Table, numbered_lines, read_table
from dwlim_ops.sources.formats.text import open_text, shown

Array = NDArray[np.float64]

_HEADER: Final = (
    b"site YYMMMDD yyyy.yyyy __MJD week d reflon _e0(m) __east(m) ____n0(m) _north(m) u0(m) "
    b"____up(m) _ant(m) sig_e(m) sig_n(m) sig_u(m) __corr_en __corr_eu __corr_nu").split()
_PLACE_HEADER: Final = b"_latitude(deg) _longitude(deg) __height(m)".split()
_WHOLE_PARTS: Final = {6: "reflon", 7: "e0", 9: "n0", 11: "u0"}
_NO_SIGMA: Final = 9.99999
_HEIGHT_ROUNDING_M: Final = 1.1e-5
_LAYOUT: Final = "site YYMMMDD year MJD week day ..."
_SITE: Final = re.compile(rb"\w{4}")


def parse_tenv3(
    content: bytes, *, unit: Unit = "m", not_after: datetime.date, where: str
) -> tuple[StationSeries, ...]:
    """Read a 24-hour `tenv3` file, of 23 columns or the older 20.

    `up` is u0 + up, an absolute height; `height_m` is where `up_mm` is zero. The days are those
    of the modified Julian day, checked against the calendar date. Rows whose sigma is 9.99999
    are left out. Without the columns 21 to 23 the place follows from the eastings and northings.

    Parameters
    ----------
    content : bytes
        Text with its header line, plain or gzip.
    unit : {"m", "mm", "cm"}
        Unit of the fractional parts and sigmas; NGL writes metres.
    not_after : datetime.date
        Last day that the file may hold.
    where : str
        Name of the file, for messages.

    Raises
    ------
    MalformedInputError
        Not such a file, an impossible or contradicting value, or an integer part that changes
        within the file: two stations share the name, or the station moved by more than 10 m.
    """
    lines = numbered_lines(open_text(content, where=where))
    n_columns = _read_header(lines[0][1], where)
    table = read_table(lines[1:], widths={n_columns}, expected=_LAYOUT, where=where)
    station = _one_station(table)
    _refuse_second_place(table)
    metres = MM_PER[unit] / 1000.0
    height = table.integers(11) + table.numbers(12) * metres
    if n_columns > len(_HEADER):
        _refuse_other_height(table, height)
        latitude, longitude = (float(np.median(table.numbers(column))) for column in (20, 21))
        _refuse_off_the_earth(latitude, longitude, where)
    else:
        longitude, latitude = from_equator_and_meridian(
            float(table.numbers(6)[0]), table.integers(7)[0] + table.numbers(8)[0],
            table.integers(9)[0] + table.numbers(10)[0], where=where)
    day = _days(table, not_after)
    return (_series(
        table, day, height / metres, table.numbers(16), table.numbers(13), unit=unit,
        station=station, longitude_deg=float(wrap_longitude_deg(longitude)),
        latitude_deg=latitude, reference_height_m=0.0),)


def parse_tenv(
    content: bytes, *, unit: Unit = "m", not_after: datetime.date, where: str
) -> tuple[StationSeries, ...]:
    """Read a `tenv` file: 16 columns, no header, displacement from the first epoch.

    Parameters
    ----------
    content, unit, not_after, where
        As for `parse_tenv3`.

    Raises
    ------
    MalformedInputError
        Not such a file, or an impossible or contradicting value.
    """
    lines = numbered_lines(open_text(content, where=where))
    table = read_table(lines, widths={16}, expected=_LAYOUT, where=where)
    return (_series(
        table, _days(table, not_after), table.numbers(8), table.numbers(12), table.numbers(9),
        unit=unit, station=_one_station(table)),)


def _series(
    table: Table, day: Days, up: Array, sigma: Array, antenna_m: Array, *, unit: Unit,
    station: str, longitude_deg: float = np.nan, latitude_deg: float = np.nan,
    reference_height_m: float = np.nan,
) -> StationSeries:
    known = np.flatnonzero(sigma < _NO_SIGMA * 1000.0 / MM_PER[unit])
    if known.size == 0:
        raise MalformedInputError(
            "no usable row", where=table.where, expected="a sigma that is not 9.99999",
            got=f"{sigma.size} rows without one", remedy="wait for the next file")
    changed = np.flatnonzero(np.diff(antenna_m) != 0.0) + 1
    return make_series(
        day[known], up[known], sigma[known], unit=unit,
        place=lambda row: table.place(int(known[row])), where=table.where, station=station,
        longitude_deg=longitude_deg, latitude_deg=latitude_deg,
        reference_height_m=reference_height_m,
        antenna_changes=tuple(day[changed].astype(datetime.date).tolist()),
    )


def _read_header(line: bytes, where: str) -> int:
    names = line.split()
    if names not in (_HEADER, [*_HEADER, *_PLACE_HEADER]):
        raise MalformedInputError(
            "not the header of tenv3", where=f"{where}, line 1",
            expected="20 or 23 columns: site YYMMMDD ... __corr_nu [_latitude(deg) ...]",
            got=f"{len(names)} columns: {shown(line)}", remedy="get the file again",
        )
    return len(names)


def _one_station(table: Table) -> str:
    names = table.column(0)
    other = next((n for n, name in enumerate(names) if name != names[0]), None)
    if other is not None or not _SITE.fullmatch(names[0]):
        row = other or 0
        raise MalformedInputError(
            "not one station", where=table.place(row),
            expected="the same four-character station in every row", got=shown(names[row]),
            remedy="get the file again",
        )
    return names[0].decode("ascii").upper()


def _refuse_second_place(table: Table) -> None:
    for column, name in _WHOLE_PARTS.items():
        items = table.column(column)
        if len(set(items)) > 1:
            row = next(n for n, item in enumerate(items) if item != items[0])
            raise MalformedInputError(
                f"the integer part {name} changes within the file", where=table.place(row),
                expected=f"{shown(items[0])} as in the first row", got=shown(items[row]),
                remedy="two stations share the name, or it was moved: drop the station, or give "
                       "it a file with one of them",
            )


def _refuse_other_height(table: Table, height_m: Array) -> None:
    """Column 23 repeats the height, so a damaged digit shows."""
    rows = np.flatnonzero(~(np.abs(table.numbers(22) - height_m) <= _HEIGHT_ROUNDING_M))
    if rows.size:
        row = int(rows[0])
        raise MalformedInputError(
            "the two heights of the line disagree", where=table.place(row),
            expected=f"u0 + up = {height_m[row]:.6f} m", got=shown(table.column(22)[row]),
            remedy="get the file again",
        )


def _refuse_off_the_earth(latitude: float, longitude: float, where: str) -> None:
    if not (abs(latitude) <= 90.0 and abs(longitude) <= 360.0):
        raise MalformedInputError(
            "the place is not on the Earth", where=where, expected="degrees, latitude first",
            got=f"{latitude:g}, {longitude:g}", remedy="get the file again",
        )


def _days(table: Table, not_after: datetime.date) -> Days:
    number = table.integers(3) - MJD_OF_1970
    calendar = read_each(table.column(1), day_of_ngl_date, expected="YYMMMDD", place=table.place)
    refuse_disagreement(number, calendar, names=("MJD", "date"), place=table.place)
    return days_within(number, not_after=not_after, place=table.place)
