"""A region's embedded record, served as a provider with a fixed latency would serve it."""

import datetime
import gzip
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import ClassVar, Final

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from dwlim_ops.contracts import NOT_KNOWN, Offer, Received, Validators
from dwlim_ops.errors import MalformedInputError
from dwlim_ops.sources.datasets import gnss_dataset, weather_dataset
from dwlim_ops.sources.formats.sites import Sites
from dwlim_ops.sources.formats.tables import (
    GNSS_HEADER,
    WEATHER_HEADER,
    parse_gnss_table,
    parse_weather_table,
)
from dwlim_ops.sources.latency import last_released_day, released_at

Array = NDArray[np.float64]
ONE_DAY: Final = datetime.timedelta(days=1)
_KEY: Final = re.compile(r"[a-z]+_(\d{4})(?:-(\d{2})-(\d{2}))?\.csv\.gz")


@dataclass(frozen=True)
class _Record:
    """Two variables on a regular daily axis, shape (day, place)."""

    first_day: datetime.date
    places: Sites
    values: tuple[Array, Array]

    @cached_property
    def has_value(self) -> NDArray[np.bool_]:
        """Days with at least one value."""
        first, second = (np.isfinite(values) for values in self.values)
        return np.asarray((first | second).any(axis=1))

    @property
    def last_day(self) -> datetime.date:
        return self.first_day + (self.has_value.size - 1) * ONE_DAY

    def days(
        self, first: datetime.date, last: datetime.date
    ) -> Iterator[tuple[datetime.date, int]]:
        """Days with a value and their rows, within `first`..`last`."""
        begin = max((first - self.first_day).days, 0)
        end = min((last - self.first_day).days + 1, self.has_value.size)
        for row in (np.flatnonzero(self.has_value[begin:end]) + begin).tolist():
            yield self.first_day + row * ONE_DAY, row


class _Sample:
    """Yearly tables of the years that are out, daily tables of the rest.

    Parameters
    ----------
    region_folder : pathlib.Path
        Folder of the region that holds the record.
    latency_days : float
        The value of day d comes out at 12:00 UTC of d + latency_days.
    stream : str
        Quality of the content. The sample has one set of values: streams differ in when they come
        out, how long they stay, and how much is missing.
    window_days : int, optional
        The provider keeps this many days and no older ones.
    absent_share : float
        Share of the values that this stream never gets, drawn by day and place.
    """

    name: str
    _header: ClassVar[bytes]
    _dim: ClassVar[str]
    _variables: ClassVar[tuple[str, str]]
    _decimals: ClassVar[int]

    def __init__(
        self, region_folder: Path, latency_days: float, *, stream: str = "final",
        window_days: int | None = None, absent_share: float = 0.0,
    ) -> None:
        self.stream = stream
        self._path = region_folder / f"{self.name}.nc"
        self._latency_days, self._window_days = latency_days, window_days
        self._absent_share = absent_share

    def offers(self, as_of: datetime.datetime) -> list[Offer]:
        """One file per complete year that is out, one per day of the years that are not."""
        record = self._record
        last = min(last_released_day(as_of, self._latency_days), record.last_day)
        if self._window_days is not None:
            first = last - (self._window_days - 1) * ONE_DAY
            return [self._offer(f"{self.name}_{day}.csv.gz", day, day)
                    for day, _ in record.days(first, last)]
        offers = []
        for year in range(record.first_day.year, last.year + 1):
            begin, end = datetime.date(year, 1, 1), datetime.date(year, 12, 31)
            days = [day for day, _ in record.days(begin, min(end, last))]
            if not days:
                continue
            if end <= last:
                offers.append(self._offer(f"{self.name}_{year}.csv.gz", days[0], end))
            else:
                offers += [self._offer(f"{self.name}_{day}.csv.gz", day, day) for day in days]
        return offers

    def newest_visible_day(self, as_of: datetime.datetime) -> datetime.date:
        """The newest day that is out at `as_of`."""
        return last_released_day(as_of, self._latency_days)

    def fetch(self, offer: Offer, known: Validators = NOT_KNOWN) -> Received:  # noqa: ARG002
        """The table of the offer, gzip; the same bytes every time."""
        lines = [self._header.decode("ascii")]
        names = self._record.places.name.tolist()
        for day, row in self._record.days(*self._days_of(offer.key)):
            absent = np.random.default_rng([day.toordinal(), len(names)]).random(
                len(names)) < self._absent_share
            first, second = (np.where(absent, np.nan, values[row]).tolist()
                             for values in self._record.values)
            lines += [
                f"{day},{name},{self._text(a)},{self._text(b)}"
                for name, a, b in zip(names, first, second, strict=True)
                if a == a or b == b  # noqa: PLR0124  # not NaN
            ]
        text = "\n".join([*lines, ""]).encode("ascii")
        return Received(gzip.compress(text, compresslevel=6, mtime=0))

    def _offer(self, key: str, first: datetime.date, last: datetime.date) -> Offer:
        return Offer(self.name, self.stream, key, first, last,
                     released_at(last, self._latency_days), "1")

    def _text(self, value: float) -> str:
        return f"{value:.{self._decimals}f}" if value == value else ""  # noqa: PLR0124  # not NaN

    @staticmethod
    def _days_of(key: str) -> tuple[datetime.date, datetime.date]:
        match = _KEY.fullmatch(key)
        if match is None:
            raise MalformedInputError("unknown file", where=key,
                                      expected="a year or a day of the sample record")
        year, month, day = (int(part) if part else None for part in match.groups())
        if month is None or day is None:
            return datetime.date(year or 1, 1, 1), datetime.date(year or 1, 12, 31)
        return (datetime.date(year or 1, month, day),) * 2

    @cached_property
    def _record(self) -> _Record:
        with xr.open_dataset(self._path) as data:
            first, second = (data[name].transpose("time", self._dim).values.astype(float)
                             for name in self._variables)
            names = data[self._dim].values.astype(str)
            height = data["height_m"].values if "height_m" in data else np.full(names.size, np.nan)
            places = Sites(names, data["longitude_deg"].values, data["latitude_deg"].values, height)
            first_day = data["time"].values[0].astype("datetime64[D]").item()
        return _Record(first_day, places, (first, second))


class SampleGnss(_Sample):
    """Vertical displacement of the region's sample stations."""

    name = "gnss"
    _header, _dim, _decimals = GNSS_HEADER, "station", 3
    _variables = ("up_mm", "up_sigma_mm")

    def parse(self, content: bytes, offer_key: str, *, not_after: datetime.date) -> xr.Dataset:
        """Dataset of contract `GNSS` with the stations of the table."""
        first, last = self._days_of(offer_key)
        table = parse_gnss_table(content, not_before=first,
                                 not_after=min(last, not_after), where=offer_key)
        stations = self._record.places.pick(table.station, where=offer_key)
        return gnss_dataset(table.day, stations, table.up_mm, table.up_sigma_mm, table.duplicated)


class SampleWeather(_Sample):
    """Temperature and pressure at the region's sample sites."""

    name = "weather"
    _header, _dim, _decimals = WEATHER_HEADER, "site", 2
    _variables = ("temperature_k", "pressure_pa")

    def parse(self, content: bytes, offer_key: str, *, not_after: datetime.date) -> xr.Dataset:
        """Dataset of contract `WEATHER` with the sites of the table."""
        first, last = self._days_of(offer_key)
        table = parse_weather_table(content, not_before=first,
                                    not_after=min(last, not_after), where=offer_key)
        sites = self._record.places.pick(table.site, where=offer_key)
        return weather_dataset(table.day, sites, table.temperature_k, table.pressure_pa)
