"""Nevada Geodetic Laboratory: static files of an Apache server (UPSTREAMS, 2.1 to 2.5)."""

import datetime as dt
from collections.abc import Callable
from typing import Final

import numpy as np

from tests.replicas.faults import NglFault
from tests.replicas.messages import Reply, Request, static_file
from tests.replicas.server import Replica, unknown
from tests.replicas.world import Series, Station

PAGES: Final = "/NGLStationPages/"
FINAL: Final = "/gps_timeseries/IGS20/tenv3/IGS20/"
RAPID: Final = "/gps_timeseries/IGS20/rapids/IGS20/"
HEADER: Final = (
    "site YYMMMDD yyyy.yyyy __MJD week d reflon _e0(m) __east(m) ____n0(m) _north(m) u0(m)"
    " ____up(m) _ant(m) sig_e(m) sig_n(m) sig_u(m) __corr_en __corr_eu __corr_nu _latitude(deg)"
    " _longitude(deg) __height(m)")
_HOLDINGS_HEADER: Final = (
    "Sta  Lat(deg)   Long(deg) Hgt(m)  X(m)           Y(m)         Z(m)          Dtbeg      Dtend"
    "      Dtmod      NumSol StaOrigName")
_EARTH_M, _FLATTENING = 6_378_137.0, 1 / 298.257223563
#: What `NglFault.STATION_RENAMED` appends in place of the last character.
RENAMED_SUFFIX: Final = "_"


class Ngl(Replica):
    """Station lists, steps, final and rapid tenv3; paths are case-sensitive.

    Files carry ETag and Last-Modified, which move when the content does. Always so: DataHoldings
    rows with and without the last column, its longitudes 0..360, those of `llh.out` -360..0, those
    of tenv3 of every second station below -180, steps of types 1, 2 and 3.
    """

    faults = NglFault

    def answer(self, request: Request) -> Reply:
        if request.method not in {"GET", "HEAD"}:
            return Reply(b"", 405)
        path = request.path
        if path.startswith(PAGES):
            return self._list(path.removeprefix(PAGES), request)
        if path.startswith((FINAL, RAPID)) and path.endswith(".tenv3"):
            if self.meets(request, NglFault.MOVED):
                return unknown(request)
            kind = "rapid" if path.startswith(RAPID) else "final"
            return self._tenv3(path.rpartition("/")[2].removesuffix(".tenv3"), kind, request)
        return unknown(request)

    def _list(self, name: str, request: Request) -> Reply:
        world = self.world
        writers = {
            "DataHoldings.txt": (self._holdings, world.final_released()),
            "DataHoldingsRapid24hr.txt": (self._rapid_holdings, world.rapid_released()),
            "llh.out": (self._llh, world.final_released()),
            "steps.txt": (self._steps, world.final_released()),
        }
        if name not in writers:
            return unknown(request)
        writer, modified = writers[name]
        return static_file(writer(request).encode(), modified)

    def _holdings(self, request: Request) -> str:
        return self._holdings_of(request, "final", self.world.final_released().date())

    def _rapid_holdings(self, request: Request) -> str:
        return self._holdings_of(request, "rapid", self.world.rapid_released().date())

    def _holdings_of(self, request: Request, kind: str, modified: dt.date) -> str:
        shift = 0.02 if self.meets(request, NglFault.COORDINATES_MOVED) else 0.0
        renamed = self.meets(request, NglFault.STATION_RENAMED)
        rows = [_HOLDINGS_HEADER]
        for number, station in enumerate(self.world.stations):
            name, latitude = self._name(number, renamed=renamed), station.latitude_deg + shift
            series = self._series(station, kind)
            if series.day.size == 0:
                continue
            x, y, z = _cartesian(station.longitude_deg, latitude, station.height_m)
            origin = " " + station.name + "_GNSS" if number % 3 == 0 else ""
            rows.append(
                f"{name}  {latitude:8.4f}  {station.longitude_deg % 360.0:9.4f}"
                f" {station.height_m:8.3f} {x:13.4f} {y:13.4f} {z:13.4f}"
                f" {series.day[0]} {series.day[-1]} {modified} {series.day.size:6d}{origin}")
        return "\n".join([*rows, ""])

    def _name(self, number: int, *, renamed: bool) -> str:
        name = self.world.stations[number].name
        return name[:-1] + RENAMED_SUFFIX if renamed and number == 0 else name

    def _llh(self, _: Request) -> str:
        return "".join(f"{s.name} {s.latitude_deg:.9f} {s.longitude_deg % 360 - 360:.9f}"
                       f" {s.height_m:.7f} \n" for s in self.world.stations)

    def _steps(self, _: Request) -> str:
        rows, day = [], self.world.step_day
        for number, station in enumerate(self.world.stations):
            if self.world.step_mm(station):
                rows.append(f"{station.name}  {_yymmmdd(day)}  1  Antenna_Type_Changed")
                rows.append(f"{station.name}  {_yymmmdd(day)}  1  Receiver_Make_and_Model_Changed")
            if number % 5 == 1:
                rows.append(f"{station.name}  {_yymmmdd(day + dt.timedelta(days=40))}  2"
                            f"   {300 + number:7.3f}   {100 + number:7.3f}  6.1 us7000{number:04d}")
            if number % 6 == 2:
                rows.append(f"{station.name}  {_yymmmdd(day + dt.timedelta(days=90))}  3"
                            "  Software_Changed")
        return "\n".join([*rows, ""])

    def _series(self, station: Station, kind: str) -> Series:
        world = self.world
        return world.rapid_series(station) if kind == "rapid" else world.final_series(station)

    def _tenv3(self, name: str, kind: str, request: Request) -> Reply:
        world, station = self.world, self.world.station(name)
        if self.meets(request, NglFault.STATION_RENAMED):
            first = world.stations[0]
            renamed = self._name(0, renamed=True)
            station = first if name == renamed else None if name == first.name else station
        if station is None:
            return unknown(request)
        if kind == "rapid" and self.meets(request, NglFault.RAPID_MISSING):
            return unknown(request)
        series = self._series(station, kind)
        if kind == "rapid" and self.meets(request, NglFault.RAPID_ONE_DAY):
            series = Series(series.day[-1:], series.up_mm[-1:], series.sigma_mm[-1:])
        rows = tenv3_rows(name, station, series, below_180=world.stations.index(station) % 2 == 0)
        text = "\n".join([HEADER, *self._spoilt(rows, station, kind, request), ""])
        if self.meets(request, NglFault.TRUNCATED_LINE):
            text = text[:-40]
        released = world.rapid_released() if kind == "rapid" else world.final_released()
        return static_file(text.encode(), released)

    def _spoilt(
        self, rows: list[str], station: Station, kind: str, request: Request
    ) -> list[str]:
        if kind == "final" and self.meets(request, NglFault.FILE_SHRUNK):
            rows = rows[:len(rows) * 2 // 3]
        if self.meets(request, NglFault.INTEGER_JUMP):
            half = len(rows) // 2
            rows = rows[:half] + [_edit(row, 9, lambda e: f"{int(e) + 250:9d}")
                                  for row in rows[half:]]
        if self.meets(request, NglFault.SIGMA_OUT_OF_RANGE):
            rows = rows[:-3] + [_edit(row, 16, lambda _: "9.999990") for row in rows[-3:]]
        if kind == "final" and self.meets(request, NglFault.YEAR_PIVOT):
            day = np.arange("1999-12-29", "2000-01-04", dtype="datetime64[D]")
            old = Series(day, np.zeros(day.size), np.full(day.size, 4.0))
            below = self.world.stations.index(station) % 2 == 0
            rows = tenv3_rows(rows[0].split()[0], station, old, below_180=below) + rows
        if self.meets(request, NglFault.TWENTY_COLUMNS):
            rows = [" ".join(row.split(" ")).rsplit(None, 3)[0] for row in rows]
        return rows


def tenv3_rows(
    name: str, station: Station, series: Series, *, below_180: bool = False
) -> list[str]:
    """Lines of a tenv3 file with 23 columns, in the widths of the real ones.

    `below_180` writes the longitude less 360 degrees.
    """
    longitude = station.longitude_deg - 360.0 * below_180
    reference = round(longitude, 1)
    east = (_EARTH_M * np.cos(np.radians(station.latitude_deg))
            * np.radians(longitude - reference))
    north = _EARTH_M * np.radians(station.latitude_deg)
    east_0, north_0, up_0 = int(east), int(north), int(station.height_m)
    day = series.day.astype("datetime64[D]").astype(int)
    rows = []
    for number, (up_mm, sigma_mm) in enumerate(zip(series.up_mm, series.sigma_mm, strict=True)):
        mjd = int(day[number]) + 40_587
        week, day_of_week = divmod(mjd - 44_244, 7)
        height = station.height_m + up_mm / 1000.0
        # The plate moves east and north: 0.05 mm a day each.
        drift = 5e-5 * (mjd - 60_000)
        rows.append(
            f"{name} {_yymmmdd(series.day[number].item())}"
            f" {2000 + (mjd - 51_544) / 365.25:.4f} {mjd:5d} {week:4d} {day_of_week}"
            f" {reference:6.1f} {east_0:6d} {east - east_0 + drift:9.6f} {north_0:9d}"
            f" {north - north_0 + drift:9.6f} {up_0:5d} {height - up_0:9.6f} {0.0083:7.4f}"
            f" {0.0008:.6f} {0.0009:.6f} {sigma_mm / 1000.0:.6f} {0.0166:9.6f} {-0.0331:9.6f}"
            f" {-0.0653:9.6f} {station.latitude_deg:14.10f} {longitude:15.10f} {height:10.5f}")
    return rows


def _edit(row: str, column: int, change: Callable[[str], str]) -> str:
    """The row with one of its columns (from 0) changed; blanks between columns are kept."""
    fields = row.split()
    position = 0
    for field in fields[:column]:
        position = row.index(field, position) + len(field)
    start = row.index(fields[column], position)
    new = change(fields[column]).strip()
    return row[:start] + new + row[start + len(fields[column]):]


def _yymmmdd(day: dt.date) -> str:
    return day.strftime("%y%b%d").upper()


def _cartesian(
    longitude_deg: float, latitude_deg: float, height_m: float
) -> tuple[float, float, float]:
    """Earth-centred coordinates on the GRS80 ellipsoid, m."""
    lam, phi = np.radians([longitude_deg, latitude_deg])
    e2 = _FLATTENING * (2 - _FLATTENING)
    radius = _EARTH_M / np.sqrt(1 - e2 * np.sin(phi) ** 2)
    across = (radius + height_m) * np.cos(phi)
    return (float(across * np.cos(lam)), float(across * np.sin(lam)),
            float((radius * (1 - e2) + height_m) * np.sin(phi)))
