"""Surface pressure and skin temperature of ERA5, preliminary and final."""

import calendar
import datetime
import json
import math
import re
import zlib
from functools import cached_property
from typing import Any, Final, Literal

import numpy as np
import xarray as xr

from dwlim_ops.contracts import Memory, Offer, Received, Validators
from dwlim_ops.errors import MalformedInputError, SourceError
from dwlim_ops.sources.cds_jobs import CdsJobs
from dwlim_ops.sources.formats.grids.read import read_grid
from dwlim_ops.sources.formats.grids.regrid import Cells, Regridder
from dwlim_ops.sources.formats.grids.weather import (
    Orography,
    daily_weather,
    digest_of,
    refuse_future,
)
from dwlim_ops.sources.http import Client

Era5Stream = Literal["era5t", "era5"]

DATASET: Final = "reanalysis-era5-single-levels"
FINAL_AFTER_DAYS: Final = 100
PAUSE_AFTER_PRELIMINARY_DAYS: Final = 7
_VARIABLES: Final = ["surface_pressure", "skin_temperature"]
_FINAL: Final = "0001"
_STEP_DEG: Final = 0.25
_KEY: Final = re.compile(r"era5t?_(\d{4})-(\d{2})(?:-(\d{2}))?\.grib")
_DAY: Final = datetime.timedelta(days=1)
_NOTHING: Final = Validators()


class Era5:
    """One stream of ERA5 from the Climate Data Store.

    "era5t" gives one file for each day that is younger than the final months: data of at least
    preliminary quality (0005; 0001 where it is already there). "era5" gives one file for each
    month that ended `FINAL_AFTER_DAYS` ago; it is not taken before all of it is final (0001). A
    file reaches to 00 UTC after its last day, so that it gives its days by itself; that one
    instant may still be preliminary.

    Parameters
    ----------
    http : Client
        Endpoint of the API, `auth` "private_token".
    jobs : CdsJobs
        May be shared by both streams.
    memory : Memory
    stream : {"era5t", "era5"}
    cells : Cells
    first_day : datetime.date
        Nothing before it is asked for.
    orography : Orography, optional
        Height of the model's ground, see `fetch_orography`. Without it `pressure_pa` is the mean
        surface pressure, and says so.
    """

    name = "weather"

    def __init__(
        self, http: Client, jobs: CdsJobs, memory: Memory, *, stream: Era5Stream, cells: Cells,
        first_day: datetime.date, orography: Orography | None = None,
    ) -> None:
        self.stream: str = stream
        self._http, self._jobs, self._memory = http, jobs, memory
        self._area, self._regridder = area_of(cells), Regridder(cells)
        self._first_day, self._orography = first_day, orography
        self._asked_on = first_day

    @cached_property
    def parsed_with(self) -> str:
        """Digest of cells and ground; see `contracts.Remembered`."""
        return digest_of(self._regridder.cells, self._orography)

    def offers(self, as_of: datetime.datetime) -> list[Offer]:
        """Days or months that the catalogue says are there, oldest first.

        Raises
        ------
        SourceError
            The catalogue cannot be read.
        """
        today = as_of.astimezone(datetime.UTC).date()
        self._asked_on = today
        final_until = _last_final_day(today)
        if self.stream == "era5":
            return [self._offer(max(first, self._first_day), last)
                    for first, last in _months(self._first_day, final_until)]
        newest = min(self._newest_in_catalogue(), today) - _DAY
        first = max(self._first_day, final_until + _DAY)
        return [self._offer(day, day) for day in _days(first, newest)]

    def newest_visible_day(self, as_of: datetime.datetime) -> datetime.date:
        """Today: there are no values of days to come."""
        return as_of.astimezone(datetime.UTC).date()

    def fetch(
        self, offer: Offer, known: Validators = _NOTHING,  # noqa: ARG002  # a version is for ever
    ) -> Received:
        """The file of a job; see `CdsJobs.retrieve`.

        Raises
        ------
        SourceError
            Also if hours are missing, or a final month is not all final yet.
        """
        note = f"{self.stream}:preliminary:{offer.key}"
        self._refuse_while_preliminary(note, offer)
        request = self._request(offer.valid_from, offer.valid_to)
        content = self._jobs.retrieve(DATASET, request, key=f"{offer.key}:{offer.version}",
                                      today=self._asked_on)
        try:
            grid = read_grid(content, where=offer.key)
        except MalformedInputError:
            return Received(content)
        _refuse_missing_hours(grid, offer)
        if not _is_of_stream(grid, self.stream, offer.valid_to):
            self._memory.remember(note, self._asked_on.isoformat())
            raise SourceError("month is not final yet", where=offer.key,
                              expected="experiment version 0001", got=_versions(grid),
                              remedy="none; it is asked again in a few days")
        self._memory.forget(note)
        return Received(content)

    def parse(self, content: bytes, offer_key: str, *, not_after: datetime.date) -> xr.Dataset:
        """`pressure_pa` and `skin_temperature_k` of contract `GRIDDED_WEATHER`.

        Days that are not whole are left out. Attribute `expver`: the versions in the file.
        """
        first, last = _days_of(offer_key)
        grid = read_grid(content, where=offer_key)
        if not _is_of_stream(grid, self.stream, last):
            raise MalformedInputError(
                f"content is not of stream {self.stream}", where=offer_key, got=_versions(grid),
                expected="experiment version 0001" + " or 0005" * (self.stream == "era5t"))
        weather = daily_weather(grid, self._regridder, orography=self._orography, step_hours=1,
                                where=offer_key)
        chosen = weather.sel(time=slice(np.datetime64(first), np.datetime64(last)))
        if not chosen.sizes["time"]:
            raise MalformedInputError(
                "other days than asked for", where=offer_key, expected=f"{first} to {last}",
                got=", ".join(str(day)[:10] for day in weather["time"].values[:5]))
        chosen.attrs["expver"] = _versions(grid)
        return refuse_future(chosen, not_after=not_after, where=offer_key)

    def _offer(self, first: datetime.date, last: datetime.date) -> Offer:
        key = f"{self.stream}_{first if self.stream == 'era5t' else f'{first:%Y-%m}'}.grib"
        asked = json.dumps(self._request(first, last), sort_keys=True)
        return Offer(self.name, self.stream, key, first, last, None,
                     f"{zlib.crc32(asked.encode()):08x}")

    def _request(self, first: datetime.date, last: datetime.date) -> dict[str, Any]:
        return {
            "product_type": ["reanalysis"], "variable": _VARIABLES,
            "date": [f"{first}/{last + _DAY}"],
            "time": [f"{hour:02d}:00" for hour in range(24)], "area": list(self._area),
            "data_format": "grib", "download_format": "unarchived",
        }

    def _newest_in_catalogue(self) -> datetime.date:
        path = f"catalogue/v1/collections/{DATASET}"
        document = self._http.get_json(path)
        try:
            return datetime.date.fromisoformat(
                document["extent"]["temporal"]["interval"][0][1][:10])
        except (LookupError, TypeError, ValueError) as error:
            raise SourceError("catalogue does not name its newest day", where=path,
                              expected="extent.temporal.interval", got=repr(document)[:200],
                              remedy="look whether the catalogue has changed") from error

    def _refuse_while_preliminary(self, note: str, offer: Offer) -> None:
        noted = self._memory.recall(note)
        if noted is None:
            return
        again = (datetime.date.fromisoformat(noted)
                 + datetime.timedelta(days=PAUSE_AFTER_PRELIMINARY_DAYS))
        if self._asked_on < again:
            raise SourceError("month is not final yet", where=offer.key,
                              got=f"preliminary on {noted}",
                              remedy=f"none; it is asked again on {again}")


def area_of(cells: Cells) -> tuple[float, float, float, float]:
    """North, west, south, east of the request, on the provider's nodes; east may exceed 180."""
    north, west, south, east = cells.bounds_deg
    return (min(90.0, math.ceil(north / _STEP_DEG) * _STEP_DEG),
            math.floor(west / _STEP_DEG) * _STEP_DEG,
            max(-90.0, math.floor(south / _STEP_DEG) * _STEP_DEG),
            math.ceil(east / _STEP_DEG) * _STEP_DEG)


def fetch_orography(jobs: CdsJobs, cells: Cells) -> bytes:
    """The geopotential of the model's ground, which never changes; for `read_orography`.

    Raises
    ------
    SourceError
        As `CdsJobs.retrieve`.
    """
    request = {
        "product_type": ["reanalysis"], "variable": ["geopotential"], "date": ["2020-01-01"],
        "time": ["00:00"], "area": list(area_of(cells)), "data_format": "grib",
        "download_format": "unarchived",
    }
    version = zlib.crc32(json.dumps(request).encode())
    return jobs.retrieve(DATASET, request, key=f"era5_orography:{version:08x}")


def _last_final_day(today: datetime.date) -> datetime.date:
    old = today - datetime.timedelta(days=FINAL_AFTER_DAYS) + _DAY
    return old.replace(day=1) - _DAY


def _months(
    first: datetime.date, last: datetime.date
) -> list[tuple[datetime.date, datetime.date]]:
    """First and last day of every month from that of `first` that ends by `last`."""
    months = []
    begin = first.replace(day=1)
    while (end := _end_of_month(begin)) <= last:
        if end >= first:
            months.append((begin, end))
        begin = end + _DAY
    return months


def _end_of_month(day: datetime.date) -> datetime.date:
    return day.replace(day=calendar.monthrange(day.year, day.month)[1])


def _days(first: datetime.date, last: datetime.date) -> list[datetime.date]:
    return [first + n * _DAY for n in range((last - first).days + 1)]


def _days_of(key: str) -> tuple[datetime.date, datetime.date]:
    match = _KEY.fullmatch(key)
    try:
        if match and match[3]:
            day = datetime.date(int(match[1]), int(match[2]), int(match[3]))
            return day, day
        if match:
            first = datetime.date(int(match[1]), int(match[2]), 1)
            return first, _end_of_month(first)
    except ValueError:
        pass
    raise MalformedInputError("unknown file", where=key, expected="era5_YYYY-MM.grib or "
                              "era5t_YYYY-MM-DD.grib")


def _refuse_missing_hours(grid: xr.Dataset, offer: Offer) -> None:
    begin, end = np.datetime64(offer.valid_from, "h"), np.datetime64(offer.valid_to + _DAY, "h")
    asked = np.arange(begin, end + 1)
    missing = np.setdiff1d(asked, grid["time"].values.astype("datetime64[h]"))
    if missing.size:
        raise SourceError(
            "hours are missing", where=offer.key, expected=f"{asked.size} hours",
            got=f"{asked.size - missing.size}, first missing {missing[0]}",
            remedy="none; the provider adds hour by hour, and the next tick asks again")


def _is_of_stream(grid: xr.Dataset, stream: str, last: datetime.date) -> bool:
    inside = grid["time"].values < np.datetime64(last + _DAY)
    versions = set(grid["expver"].values[inside].tolist())
    return versions == {_FINAL} if stream == "era5" else versions <= {_FINAL, "0005"}


def _versions(grid: xr.Dataset) -> str:
    return " ".join(sorted({version or "none" for version in grid["expver"].values.tolist()}))
