"""CSV tables of daily values, one row per day and place, with a header line."""

import datetime
import re
from dataclasses import dataclass
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray

from dwlim_ops.contracts import LOADING, WEATHER
from dwlim_ops.errors import MalformedInputError
from dwlim_ops.sources.formats.checks import (
    FIRST_GPS_DAY,
    Place,
    read_days,
    refuse_bad_displacement,
)
from dwlim_ops.sources.formats.duplicates import keep_smallest_sigma
from dwlim_ops.sources.formats.text import NUMBER_OR_NAN, line_numbers, open_text, shown

Array = NDArray[np.float64]
Days = NDArray[np.datetime64]
TemperatureUnit = Literal["K", "degC"]
PressureUnit = Literal["Pa", "hPa"]

GNSS_HEADER: Final = b"date,station,up_mm,up_sigma_mm"
WEATHER_HEADER: Final = b"date,site,temperature_k,pressure_pa"
LOADING_HEADER: Final = b"date,station,ntal_up_mm,ntol_up_mm"
#: Below this in a whole table, atmospheric loading was not given in mm.
LEAST_ATMOSPHERIC_LOADING_MM: Final = 0.05
FIRST_WEATHER_DAY: Final = datetime.date(1900, 1, 1)

_ROW = rb"\d{4}-\d{2}-\d{2},[A-Za-z0-9][A-Za-z0-9_. -]*+(?:,(?:" + NUMBER_OR_NAN + rb")?+){2}+"
_TEXT = re.compile(rb"(?:(?:" + _ROW + rb")?+\n)*+")
_LINE = re.compile(_ROW)
_TO_CONTRACT: Final = {
    "temperature_k": {"K": (1.0, 0.0), "degC": (1.0, 273.15)},
    "pressure_pa": {"Pa": (1.0, 0.0), "hPa": (100.0, 0.0)},
}


@dataclass(frozen=True)
class GnssTable:
    """Values by day and station, shape (day, station); NaN where the table has no row."""

    day: Days
    station: tuple[str, ...]
    up_mm: Array
    up_sigma_mm: Array
    duplicated: NDArray[np.bool_]


@dataclass(frozen=True)
class WeatherTable:
    """Values by day and site, shape (day, site); NaN where the table has no value."""

    day: Days
    site: tuple[str, ...]
    temperature_k: Array
    pressure_pa: Array


@dataclass(frozen=True)
class LoadingTable:
    """Modelled displacement by day and station, shape (day, station); NaN where there is none."""

    day: Days
    station: tuple[str, ...]
    ntal_up_mm: Array
    ntol_up_mm: Array


@dataclass(frozen=True)
class _Rows:
    day: Days
    day_code: NDArray[np.int64]
    name: tuple[str, ...]
    name_code: NDArray[np.int64]
    first: Array
    second: Array
    place: Place

    @property
    def cell(self) -> NDArray[np.int64]:
        """Flat index of each row in an array of shape (day, name)."""
        return self.day_code * len(self.name) + self.name_code

    def spread(self, values: Array, cell: NDArray[np.int64]) -> Array:
        """Values at `cell` of an array of shape (day, name), NaN elsewhere."""
        out = np.full(self.day.size * len(self.name), np.nan)
        out[cell] = values
        return out.reshape(self.day.size, len(self.name))


def parse_gnss_table(
    content: bytes, *, not_after: datetime.date, not_before: datetime.date = FIRST_GPS_DAY,
    where: str,
) -> GnssTable:
    """Read a table `date,station,up_mm,up_sigma_mm`, plain or gzip; an empty value is NaN.

    Of a day and station given twice the row with the smaller sigma stays; where the rows differed,
    `duplicated` is set.

    Raises
    ------
    MalformedInputError
        Not such a table, a day outside `not_before`..`not_after`, or an impossible value.
    """
    rows = _read_rows(content, GNSS_HEADER, not_before, not_after, where)
    up, sigma = rows.first, np.where(np.isnan(rows.first), np.nan, rows.second)
    refuse_bad_displacement(up, sigma, place=rows.place)
    cell = rows.cell
    kept, contradicted = keep_smallest_sigma(cell, up, sigma)
    duplicated = np.zeros(rows.day.size * len(rows.name), dtype=bool)
    duplicated[cell[kept]] = contradicted
    return GnssTable(
        rows.day, rows.name, rows.spread(up[kept], cell[kept]),
        rows.spread(sigma[kept], cell[kept]), duplicated.reshape(rows.day.size, -1),
    )


def parse_weather_table(
    content: bytes, *, not_after: datetime.date, not_before: datetime.date = FIRST_WEATHER_DAY,
    temperature_unit: TemperatureUnit = "K", pressure_unit: PressureUnit = "Pa", where: str,
) -> WeatherTable:
    """Read a table `date,site,temperature_k,pressure_pa`, plain or gzip; an empty value is NaN.

    The units are those that the file really holds, whatever its header says.

    Raises
    ------
    MalformedInputError
        Not such a table, a day outside `not_before`..`not_after`, a value that is impossible or
        belongs to another unit, or two different values for one day and site.
    """
    rows = _read_rows(content, WEATHER_HEADER, not_before, not_after, where)
    temperature = _to_contract(rows.first, "temperature_k", temperature_unit, rows.place, where)
    pressure = _to_contract(rows.second, "pressure_pa", pressure_unit, rows.place, where)
    return WeatherTable(rows.day, rows.name, _unique(rows, temperature), _unique(rows, pressure))


def parse_loading_table(content: bytes, *, not_after: datetime.date, where: str) -> LoadingTable:
    """Read a table `date,station,ntal_up_mm,ntol_up_mm`, plain or gzip; an empty value is NaN.

    Raises
    ------
    MalformedInputError
        Not such a table, a day after `not_after`, a value that is impossible, metres for
        millimetres, or two different values for one day and station.
    """
    rows = _read_rows(content, LOADING_HEADER, FIRST_GPS_DAY, not_after, where)
    for name, values in (("ntal_up_mm", rows.first), ("ntol_up_mm", rows.second)):
        limits = LOADING.variables[name]
        bad = np.flatnonzero(np.abs(values) > limits.maximum)
        if bad.size:
            raise MalformedInputError(
                f"{name} out of range", where=rows.place(int(bad[0])),
                expected=f"{limits.minimum:g} to {limits.maximum:g} mm", got=f"{values[bad[0]]:g}",
                remedy="give millimetres, positive for uplift")
    largest = np.nanmax(np.abs(rows.first)) if np.isfinite(rows.first).any() else np.nan
    if largest < LEAST_ATMOSPHERIC_LOADING_MM:
        raise MalformedInputError(
            "ntal_up_mm looks like metres", where=where, got=f"at most {largest:g}",
            expected="millimetres: atmospheric loading reaches some mm", remedy="multiply by 1000")
    return LoadingTable(rows.day, rows.name, _unique(rows, rows.first), _unique(rows, rows.second))


def _read_rows(
    content: bytes, header: bytes, not_before: datetime.date, not_after: datetime.date, where: str
) -> _Rows:
    text = open_text(content, where=where)
    first_line, _, body = text.partition(b"\n")
    if first_line != header:
        raise MalformedInputError(
            "wrong header", where=f"{where}, line 1", expected=header.decode("ascii"),
            got=shown(first_line), remedy="name and order the columns so",
        )
    if not body.strip():
        raise MalformedInputError("table has no row", where=where, expected="at least one row",
                                  remedy="get the file again from its provider")
    if not _TEXT.fullmatch(body):
        raise _first_bad_line(body, header, where)
    tokens = b",".join(line for line in body.split(b"\n") if line).split(b",")

    def place(row: int) -> str:
        return f"{where}, line {line_numbers(text)[row + 1]}"

    dates, day_code = _encode(tokens[0::4])
    names, name_code = _encode(tokens[1::4])
    row_of_date = dict(zip(reversed(day_code), range(len(day_code) - 1, -1, -1), strict=True))
    day = read_days(dates, not_before=not_before, not_after=not_after,
                    place=lambda code: place(row_of_date[code]))
    order = np.argsort(day)
    rank = np.empty_like(order)
    rank[order] = np.arange(order.size)
    first, second = (np.array([float(item or b"nan") for item in tokens[column::4]])
                     for column in (2, 3))
    return _Rows(day[order], rank[np.array(day_code)],
                 tuple(name.decode("ascii") for name in names), np.array(name_code),
                 first, second, place)


def _encode(tokens: list[bytes]) -> tuple[list[bytes], list[int]]:
    number: dict[bytes, int] = {}
    codes = [number.setdefault(token, len(number)) for token in tokens]
    return list(number), codes


def _first_bad_line(body: bytes, header: bytes, where: str) -> MalformedInputError:
    for number, line in enumerate(body.split(b"\n"), start=2):
        if line and not _LINE.fullmatch(line):
            columns = line.count(b",") == header.count(b",")
            return MalformedInputError(
                "text where a date, name or number should be" if columns
                else "wrong number of columns",
                where=f"{where}, line {number}", got=shown(line),
                expected=f"{header.decode('ascii')} as yyyy-mm-dd, name and finite numbers",
                remedy="correct or remove the line",
            )
    return MalformedInputError("not a table", where=where, expected=header.decode("ascii"))


def _to_contract(values: Array, variable: str, unit: str, place: Place, where: str) -> Array:
    low, high = WEATHER.variables[variable].minimum, WEATHER.variables[variable].maximum
    factor, offset = _TO_CONTRACT[variable][unit]
    converted = values * factor + offset
    if np.isnan(values).all():
        return converted
    middle = float(np.nanmedian(values))
    fitting = [name for name, (scale, shift) in _TO_CONTRACT[variable].items()
               if low <= middle * scale + shift <= high]
    if fitting and unit not in fitting:
        option = variable.rpartition("_")[0] + "_unit"
        raise MalformedInputError(
            f"{variable} looks like {fitting[0]}, not {unit}", where=where,
            expected=f"{low:g} to {high:g} {WEATHER.variables[variable].units}",
            got=f"a median of {middle:g}", remedy=f'set {option} = "{fitting[0]}" for this source',
        )
    rows = np.flatnonzero(~np.isnan(values) & ~((converted >= low) & (converted <= high)))
    if rows.size:
        raise MalformedInputError(
            f"{variable} out of range", where=place(int(rows[0])),
            expected=f"{low:g} to {high:g} {WEATHER.variables[variable].units}",
            got=f"{converted[rows[0]]:g}", remedy="correct the unit or empty the field",
        )
    return converted


def _unique(rows: _Rows, values: Array) -> Array:
    present = np.flatnonzero(~np.isnan(values))
    cell = rows.cell[present]
    out = rows.spread(values[present][::-1], cell[::-1])
    clash = np.flatnonzero(out.ravel()[cell] != values[present])
    if clash.size:
        raise MalformedInputError(
            "two different values for one day and place", where=rows.place(int(present[clash[0]])),
            expected="one row per day and place", remedy="remove one of the rows",
        )
    return out
