"""ESMGFZ non-tidal loading in a RAMADDA repository (UPSTREAMS, 5.1 to 5.3)."""

import datetime as dt
import re
import uuid
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Final
from urllib.parse import unquote_plus, urlsplit

import numpy as np

from tests.replicas import fields
from tests.replicas.faults import EsmgfzFault
from tests.replicas.fields import Array, Times
from tests.replicas.gridfiles import Variable, netcdf4_file
from tests.replicas.messages import HTML, Reply, Request, json_reply, page
from tests.replicas.server import Replica
from tests.replicas.world import Box, Station

HOME: Final = "Home/Elastic Surface Loading"
VARIABLES: Final = ("duNS", "duEW", "duV")
_NAMESPACE: Final = uuid.UUID("2827909c-6c9d-46fd-ba2c-f806bf215170")
FOLDERS: Final = ("NTAL/CF", "NTAL/CM", "NTOL/CF", "NTOL/CM")
_FOLDER: Final = re.compile(rf"{HOME}/(?P<product>NTAL|NTOL)/(?P<frame>CF|CM)(?:/2000-now)?")
_STEP_HOURS: Final = 3
_SHARE: Final = {"duV": 1.0, "duNS": 0.2, "duEW": -0.15}
#: CM minus CF, up, as a part of the NTAL value: only there to tell the two apart.
_CM_SHARE: Final = 0.06


@dataclass(frozen=True)
class Entry:
    """A folder or a file of the repository; `start` and `n_days` are those of a file."""

    identifier: str
    name: str
    product: str
    frame: str
    start: dt.date | None = None
    n_days: int = 0

    @property
    def is_forecast(self) -> bool:
        """Whether the file is a forecast, to be replaced by the analysis."""
        return self.name.endswith("F.nc")


class Esmgfz(Replica):
    """Point CSV, folder pages with yearly files, files by their identifier, forecasts.

    Grids are 0.5 deg of the region and 2 deg around (`extent`), not global; the point CSV answers
    anywhere with the nearest node, for a folder (the analysis) or for one file by `entryid`, such
    as the forecast. Errors are pages with 200; a cookie comes with each first answer; what is made
    on the fly has no Content-Length. Analysis and forecast of a day differ by some tenths of a
    millimetre.
    """

    faults = EsmgfzFault
    root = "/repository"

    @property
    def extent(self) -> Box:
        """Region of the netCDF files."""
        return self.world.box.widened(2.0)

    def entries(self, *, moved: bool = False, late: bool = False) -> list[Entry]:
        """Folders and files; `moved` and `late` as under the faults."""
        world, found = self.world, []
        last = world.loading_last_day(late=late)
        years = [(max(dt.date(year, 1, 1), world.first_day), min(dt.date(year, 12, 31), last))
                 for year in range(world.first_day.year, last.year + 1)]
        spans = [(f"{start.year}", start, (end - start).days + 1) for start, end in years]
        issued = last + dt.timedelta(days=1)
        spans.append((f"{issued:%Y_%j}F", issued, world.latencies.forecast_days))
        for product, frame in (p.split("/") for p in FOLDERS):
            found.append(Entry(_identifier(f"{product}/{frame}", moved), "", product, frame))
            for label, start, n_days in spans:
                name = f"ESMGFZ_{product}_{frame.lower()}_v1.0_3h_{label}.nc"
                found.append(Entry(_identifier(name, moved), name, product, frame, start, n_days))
        return found

    def answer(self, request: Request) -> Reply:
        reply = self._answer(request)
        if "cookie" in request.headers:
            return reply
        cookie = {"Set-Cookie": "repositoryd81c9f0asession=r3pl1ca; Path=/repository"}
        return replace(reply, headers={**reply.headers, **cookie})

    def _answer(self, request: Request) -> Reply:
        if self.meets(request, EsmgfzFault.HTML_ERROR):
            return _error("An error has occurred: java.lang.NullPointerException")
        path = unquote_plus(urlsplit(request.raw_path).path).removeprefix(self.root)
        entries = self.entries(moved=self.meets(request, EsmgfzFault.UUID_CHANGED),
                               late=self.meets(request, EsmgfzFault.DAY_MISSING))
        entry = next((e for e in entries if e.identifier == request.parameter("entryid")), None)
        if path.startswith("/entry/get/"):
            return self._file(entry, path.rpartition("/")[2], request)
        named = _FOLDER.fullmatch(path.removeprefix("/entry/show").strip("/"))
        if named is not None:
            wanted = ("", *named.groups())
            entry = next(e for e in entries if (e.name, e.product, e.frame) == wanted)
        if entry is None or not path.startswith("/entry/show"):
            return _error("Could not find entry")
        if request.parameter("output") == "data.gridaspoint":
            return self._point(entry, entries, request)
        return self._page(entry, entries, request)

    def _file(self, entry: Entry | None, name: str, request: Request) -> Reply:
        if entry is None or entry.name != name:
            return _error("Could not find entry")
        south_first = self.meets(request, EsmgfzFault.REVERSED_LATITUDE)
        return Reply(_netcdf(self.extent, entry, south_first),
                     content_type="application/x-netcdf", ranged=True)

    def _page(self, folder: Entry, entries: list[Entry], request: Request) -> Reply:
        files = [e for e in entries
                 if e.name and (e.product, e.frame) == (folder.product, folder.frame)]
        if request.parameter("output") == "json":
            return json_reply([{"id": e.identifier, "name": e.name, "filename": e.name}
                               for e in files])
        links = "".join(
            f'<div><a href="{self.root}/entry/show?entryid={e.identifier}" class=xx>{e.name}</a>'
            f' <a href="{self.root}/entry/get/{e.name}?entryid={e.identifier}">download</a></div>\n'
            for e in files)
        return page(f"<h1>{folder.product} {folder.frame}</h1>\n{links}")

    def _point(self, entry: Entry, entries: list[Entry], request: Request) -> Reply:
        try:
            latitude, longitude = (float(request.parameter(f"location.{axis}"))
                                   for axis in ("latitude", "longitude"))
            first, last = (_moment(request.parameter(name)) for name in ("fromdate", "todate"))
        except ValueError as error:
            return _error(f"Bad parameter: {error}")
        wanted = [name for name in request.parameter("variable").split(",") if name in VARIABLES]
        if self.meets(request, EsmgfzFault.COLUMNS_REORDERED):
            wanted = wanted[::-1]
        spanned = [entry] if entry.name else [e for e in entries if e.name and not e.is_forecast]
        start, stop = spanned[0].start, spanned[-1].start
        assert start is not None
        assert stop is not None
        end = _midnight(stop) + dt.timedelta(days=spanned[-1].n_days, hours=-_STEP_HOURS)
        time = _times(max(first, _midnight(start)), min(last, end))
        node = round(longitude * 2) / 2, round(latitude * 2) / 2
        scale = 1000.0 if self.meets(request, EsmgfzFault.MILLIMETRES) else 1.0
        columns = [scale * displacement_m(entry, name, time, *(np.array([axis]) for axis in node))
                   for name in wanted]
        header = ",".join(["time", "latitude", "longitude", *(f'{n}[unit="m"]' for n in wanted)])
        rows = [f"{stamp}Z,{node[1]},{node[0]},"
                + ",".join(f"{column[k, 0]:.8f}" for column in columns)
                for k, stamp in enumerate(np.datetime_as_string(time, "s"))]
        text = "\n".join([header, *rows, ""])
        if self.meets(request, EsmgfzFault.SHORT_CSV):
            text = text[:len(text) * 2 // 3]
        return Reply(text.encode(), content_type="text/csv", chunked=True)


def _identifier(name: str, moved: bool) -> str:
    return str(uuid.uuid5(_NAMESPACE, name + " again" * moved))


def displacement_m(
    entry: Entry, variable: str, time: Times, longitude_deg: Array, latitude_deg: Array
) -> Array:
    """Displacement, metres, positive up, north, east, shape (time, place).

    Of a forecast, the analysis and an error that grows with the lead.
    """
    field = {"NTAL": fields.ntal_up_mm, "NTOL": fields.ntol_up_mm}[entry.product]
    share = _SHARE[variable] * (1 + _CM_SHARE * (entry.frame == "CM"))
    values = share * field(time, longitude_deg, latitude_deg)
    if entry.is_forecast and variable == "duV":
        lead = fields.days(time) - fields.days(np.array([entry.start], "datetime64[m]"))
        values = values + (0.1 * (1 + lead))[:, None] * fields.MODEL_WAVES.at(
            time, longitude_deg, latitude_deg)
    return values / 1000.0


@lru_cache(maxsize=16)
def _netcdf(extent: Box, entry: Entry, south_first: bool) -> bytes:
    longitude, latitude = extent.axes(0.5)
    latitude = latitude if south_first else latitude[::-1]
    places = [axis.ravel() for axis in np.meshgrid(longitude, latitude)]
    time = np.datetime64(entry.start, "m") + (
        np.arange(24 // _STEP_HOURS * entry.n_days) * _STEP_HOURS * fields.HOUR)
    year = np.datetime64(entry.start, "Y")
    variables = {
        "time": Variable(
            ("time",), fields.days(time) - fields.days(year.astype("datetime64[m]")[None]),
            {"units": f"days since {year}-01-01 00:00:00", "standard_name": "time"}),
        "lat": Variable(("lat",), latitude, {"units": "degrees_north"}),
        "lon": Variable(("lon",), longitude, {"units": "degrees_east"}),
    }
    for name in VARIABLES:
        # Rounded to a micrometre in binary, which packs well.
        metres = np.round(displacement_m(entry, name, time, *places) * 2**20) / 2**20
        variables[name] = Variable(
            ("time", "lat", "lon"),
            metres.reshape(-1, latitude.size, longitude.size).astype(np.float32),
            {"units": "m", "long_name": f"{name} of {entry.product}"})
    title = {"title": f"ESMGFZ {entry.product} {entry.frame}", "Conventions": "CF-1.6"}
    return netcdf4_file(variables, title, compress=True)


def station_text(
    station: Station, first: dt.date, last: dt.date, *, order: str = "R NS EW"
) -> str:
    """NTAL at a station as the tool `extractlatlon_bilinintp_remote` writes it (UPSTREAMS, 5.2).

    `order` is "R NS EW" (`YYYY-MM-DD hh:mm`) or "R EW NS" (`year month day hour`).
    """
    time = _times(_midnight(first), _midnight(last))
    names = {"R": "duV", "NS": "duNS", "EW": "duEW"}
    place = np.array([station.longitude_deg]), np.array([station.latitude_deg])
    columns = [displacement_m(Entry("", "", "NTAL", "CF"), names[name], time, *place)[:, 0]
               for name in order.split()]
    pattern = "%Y-%m-%d %H:%M" if order == "R NS EW" else "%Y %m %d %H"
    rows = [f"{stamp.item():{pattern}} " + " ".join(f"{c[k]:14.7e}" for c in columns)
            for k, stamp in enumerate(time)]
    return "\n".join([
        f"# non-tidal atmospheric loading at {station.latitude_deg} {station.longitude_deg}",
        "# displacement in m", f"# time {order}", *rows, ""])


def _times(first: dt.datetime, last: dt.datetime) -> Times:
    """Every three hours from `first` to `last`, both included."""
    start, stop = (np.datetime64(moment.replace(tzinfo=None), "m") for moment in (first, last))
    step = np.timedelta64(60 * _STEP_HOURS, "m")
    day = start.astype("datetime64[D]").astype("datetime64[m]")
    begin = day + -((day - start) // step) * step
    return np.arange(begin, stop + np.timedelta64(1, "m"), step)


def _moment(text: str) -> dt.datetime:
    text = text.strip().removesuffix("UTC").strip()
    return dt.datetime.fromisoformat(text).replace(tzinfo=dt.UTC)


def _midnight(day: dt.date) -> dt.datetime:
    return dt.datetime.combine(day, dt.time(), dt.UTC)


def _error(text: str) -> Reply:
    body = f"<!DOCTYPE html>\n<html><body><h2>Error</h2>{text}</body></html>\n"
    return Reply(body.encode(), 200, HTML, chunked=True)
