"""The station lists `DataHoldings*.txt` of the Nevada Geodetic Laboratory (UPSTREAMS.md 2.4)."""

import datetime
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from dwlim_ops.errors import MalformedInputError
from dwlim_ops.geometry import wrap_longitude_deg
from dwlim_ops.sources.formats.gnss.table import numbered_lines
from dwlim_ops.sources.formats.text import NUMBER, open_text, shown

_HEADER: Final = (
    b"Sta Lat(deg) Long(deg) Hgt(m) X(m) Y(m) Z(m) Dtbeg Dtend Dtmod NumSol StaOrigName")
_N_FIELDS: Final = 11
_STATION: Final = re.compile(rb"[A-Z0-9_]{4}")
_NUMBER: Final = re.compile(NUMBER)
_COUNT: Final = re.compile(rb"\d{1,7}")


@dataclass(frozen=True)
class Holding:
    """What the provider holds of one station.

    Parameters
    ----------
    station : str
    longitude_deg, latitude_deg, height_m : float
        Longitude in [-180, 180).
    xyz_m : tuple of float
        Geocentric coordinates.
    first, last, modified : datetime.date
        First and last day of the series, and the day on which its file changed.
    n_days : int
        Number of solutions.
    original_name : str
        Name that the station had at its network, often empty.
    """

    station: str
    longitude_deg: float
    latitude_deg: float
    height_m: float
    xyz_m: tuple[float, float, float]
    first: datetime.date
    last: datetime.date
    modified: datetime.date
    n_days: int
    original_name: str = ""


@dataclass(frozen=True)
class Holdings:
    """The stations of a list, and why some of its lines were left out."""

    by_station: dict[str, Holding]
    refused: dict[str, str]


def parse_holdings(content: bytes, *, where: str) -> Holdings:
    """Read a list of stations; a line that cannot be right is left out with its reason.

    Parameters
    ----------
    content : bytes
        Header, then 11 fields per line and perhaps a twelfth, the original name.
    where : str
        Name of the file, for messages.

    Raises
    ------
    MalformedInputError
        Another header, a file cut off within its last line, or no line that can be read.
    """
    lines = numbered_lines(open_text(content, where=where))
    if lines[0][1].split() != _HEADER.split():
        raise MalformedInputError(
            "not the header of a list of stations", where=f"{where}, line 1",
            expected=_HEADER.decode(), got=shown(lines[0][1]), remedy="check the path of the list")
    found: dict[str, Holding] = {}
    refused: dict[str, str] = {}
    for number, line in lines[1:]:
        fields = line.split(None, _N_FIELDS)
        name = fields[0].decode("ascii", "backslashreplace")
        try:
            holding = _read_line(fields)
        except ValueError as error:
            refused[name] = f"{where}, line {number}: {error} in {shown(line)}"
            continue
        if name in found:
            refused[name] = f"{where}, line {number}: the station {name} is listed twice"
        found[name] = holding
    if not found:
        raise MalformedInputError(
            "no station", where=where, expected="lines of stations after the header",
            got=f"{len(refused)} lines that cannot be read", remedy="wait for the next list")
    return Holdings({name: held for name, held in found.items() if name not in refused}, refused)


def in_box(west: float, south: float, east: float, north: float) -> Callable[[float, float], bool]:
    """Whether (longitude, latitude) lies in a box of degrees; west > east crosses 180 degrees.

    >>> fiji = in_box(170.0, -25.0, -170.0, -10.0)
    >>> fiji(178.0, -18.0), fiji(-175.0, -18.0), fiji(0.0, -18.0)
    (True, True, False)
    """
    width = (east - west) % 360.0 if east - west != 360.0 else 360.0

    def inside(longitude_deg: float, latitude_deg: float) -> bool:
        return south <= latitude_deg <= north and (longitude_deg - west) % 360.0 <= width

    return inside


def _read_line(fields: list[bytes]) -> Holding:
    if len(fields) < _N_FIELDS or not _STATION.fullmatch(fields[0]):
        raise ValueError("wrong number of columns, or no station")
    if not all(map(_NUMBER.fullmatch, fields[1:7])) or not _COUNT.fullmatch(fields[10]):
        raise ValueError("text where a number should be")
    latitude, longitude, height_m, x, y, z = map(float, fields[1:7])
    if not (abs(latitude) <= 90.0 and abs(longitude) <= 360.0):
        raise ValueError("not a place on the Earth")
    first, last, modified = (datetime.date.fromisoformat(item.decode("ascii"))
                             for item in fields[7:10])
    if first > last:
        raise ValueError("the series ends before it begins")
    name = fields[11].strip().decode("ascii") if len(fields) > _N_FIELDS else ""
    return Holding(fields[0].decode("ascii"), float(wrap_longitude_deg(longitude)), latitude,
                   height_m, (x, y, z), first, last, modified, int(fields[10]), name)
