"""Files that an operator drops into a folder."""

import datetime
import re
import zlib
from abc import ABC, abstractmethod
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path
from typing import ClassVar, Final, Literal

import xarray as xr

from dwlim_ops.contracts import NOT_KNOWN, Offer, Received, Validators
from dwlim_ops.errors import ConfigError, MalformedInputError
from dwlim_ops.sources.datasets import gnss_dataset, loading_dataset, weather_dataset
from dwlim_ops.sources.formats.checks import Unit
from dwlim_ops.sources.formats.gnss.network import network_dataset
from dwlim_ops.sources.formats.gnss.registry import FORMATS
from dwlim_ops.sources.formats.sites import Sites, parse_sites
from dwlim_ops.sources.formats.tables import (
    PressureUnit,
    TemperatureUnit,
    parse_loading_table,
    parse_weather_table,
)
from dwlim_ops.sources.formats.text import open_text
from dwlim_ops.sources.latency import last_released_day, released_at

Days = tuple[datetime.date, datetime.date]
_DAY_AT_LINE_START: Final = re.compile(rb"^[ \t]*(\d{4}-\d{2}-\d{2}|\d{8})\b", re.MULTILINE)


class _Folder(ABC):
    """A folder as a provider: each file is one offer, there as soon as it is seen.

    Parameters
    ----------
    folder : pathlib.Path
        Where the files are dropped; hidden files and other endings are passed over.
    sites_file : pathlib.Path
        Places of the stations or sites, see `formats.sites`. When the entry of a station changes,
        its files are offered anew.
    latency_days : float, optional
        For a record that is replayed: the value of day d counts as available at 12:00 UTC of
        d + latency_days, whenever the file was copied here; a file that replaces an earlier one
        counts from its fetch. Without it, everything is available when it is fetched.
    stream : str
        Quality of the content.
    """

    name: str
    _endings: tuple[str, ...]
    _kind: ClassVar[Literal["station", "site"]]

    def __init__(
        self, folder: Path, *, sites_file: Path, latency_days: float | None = None,
        stream: str = "final",
    ) -> None:
        self.stream = stream
        self._folder, self._sites_file = folder, sites_file
        self._latency_days = latency_days
        self._days_seen: dict[tuple[Path, str], Days | None] = {}

    def offers(self, as_of: datetime.datetime) -> list[Offer]:
        """Every file of the folder that is available at `as_of`, by name.

        Raises
        ------
        ConfigError
            The folder or the list of sites is not there.
        MalformedInputError
            The list of sites cannot be read.
        """
        offers = [self._offer(path) for path in self._files()]
        return [o for o in offers if o.available_at is None or o.available_at <= as_of]

    def newest_visible_day(self, as_of: datetime.datetime) -> datetime.date:
        """The newest day that is out at `as_of`; without a latency every day so far."""
        if self._latency_days is None:
            return as_of.astimezone(datetime.UTC).date()
        return last_released_day(as_of, self._latency_days)

    def fetch(self, offer: Offer, known: Validators = NOT_KNOWN) -> Received:  # noqa: ARG002
        """The file as it lies in the folder."""
        return Received((self._folder / offer.key).read_bytes())

    def _files(self) -> Iterator[Path]:
        if not self._folder.is_dir():
            raise ConfigError("folder is not there", where=str(self._folder),
                              remedy="create it, or correct the folder of this source")
        for path in sorted(self._folder.iterdir()):
            listed = path.name.lower().endswith(self._endings) and not path.name.startswith(".")
            if listed and path.is_file() and path.resolve() != self._sites_file.resolve():
                yield path

    def _offer(self, path: Path) -> Offer:
        status = path.stat()
        stamp = datetime.datetime.fromtimestamp(status.st_mtime, datetime.UTC)
        version = f"{status.st_size}-{status.st_mtime_ns}"
        if (path, version) not in self._days_seen:
            self._days_seen[path, version] = self._days_of(path)
        days = self._days_seen[path, version]
        first, last = days or (stamp.date(), stamp.date())
        available_at = None
        if self._latency_days is not None and days is not None:
            available_at = released_at(first, self._latency_days)
        places = zlib.crc32(self._places_of(path).encode())
        return Offer(self.name, self.stream, path.name, first, last, available_at,
                     f"{version}-{places:08x}")

    def _days_of(self, path: Path) -> Days | None:
        """First and last day of the file; None for a file that shows none."""
        return _days_in(path)

    @abstractmethod
    def _places_of(self, path: Path) -> str:
        """What the list of sites says about the places of this file."""

    @cached_property
    def _sites(self) -> Sites:
        try:
            content = self._sites_file.read_bytes()
        except OSError as error:
            raise ConfigError("list of sites cannot be read", where=str(self._sites_file),
                              got=str(error), remedy="give the path of a readable file") from error
        return parse_sites(content, kind=self._kind, where=str(self._sites_file))


class FolderGnss(_Folder):
    """Station files in one format: `ssss.up`, `SSSS.tenv3`, `ssssCleanTrend.neu` and so on.

    Parameters
    ----------
    format_name : str
        A name of `formats.gnss.registry.FORMATS`. Files of other endings are passed over; each may
        be compressed (`.gz`).
    unit : {"mm", "cm", "m"}, optional
        Unit of the files; by default that of the format. It must be given for `neu`.
    folder, sites_file, latency_days, stream
        As for every folder. The station is the part of the file name before its first dot, or the
        first four characters of it, whichever the list of sites holds; a file that names its
        station itself must agree. In formats that hold a day of a network, stations that the list
        lacks are passed over, and the list must give the height of the others: `up` is counted
        from it.

    Raises
    ------
    ConfigError
        No such format, or its unit is not given.
    """

    name = "gnss"
    _kind = "station"

    def __init__(
        self, folder: Path, *, sites_file: Path, format_name: str = "up", unit: Unit | None = None,
        latency_days: float | None = None, stream: str = "final",
    ) -> None:
        super().__init__(folder, sites_file=sites_file, latency_days=latency_days, stream=stream)
        if format_name not in FORMATS:
            raise ConfigError("no such format of GNSS files", where="format",
                              expected=", ".join(FORMATS), got=repr(format_name))
        self._format = FORMATS[format_name]
        self._endings = tuple(ending + packed for ending in self._format.endings
                              for packed in ("", ".gz"))
        known_unit = unit or self._format.unit
        if known_unit is None:
            raise ConfigError("the unit is not given", where="unit", expected='"m", "cm" or "mm"',
                              got="none", remedy=f"files {format_name} come in several units")
        self._unit: Unit = known_unit

    def parse(self, content: bytes, offer_key: str, *, not_after: datetime.date) -> xr.Dataset:
        """Dataset of contract `GNSS`: one station, or those of a network that the list holds."""
        series = self._format.parse(content, unit=self._unit, not_after=not_after, where=offer_key)
        if self._format.network:
            return network_dataset(series, self._sites, where=offer_key)
        name = self._station_of(offer_key)
        if series[0].station and not name.startswith(series[0].station):
            raise MalformedInputError(
                "the file of another station", where=offer_key, expected=name,
                got=series[0].station, remedy="name the file by its station")
        station = self._sites.pick([name], where=offer_key)
        return gnss_dataset(series[0].day, station, series[0].up_mm[:, None],
                            series[0].up_sigma_mm[:, None], series[0].duplicated[:, None])

    def _days_of(self, path: Path) -> Days | None:
        if self._format is FORMATS["up"]:
            return _days_in(path)
        try:
            series = self._format.parse(path.read_bytes(), unit=self._unit, where=path.name,
                                        not_after=datetime.date.max)
        except MalformedInputError:
            return None
        return (min(s.day[0] for s in series).astype(datetime.date),
                max(s.day[-1] for s in series).astype(datetime.date))

    def _places_of(self, path: Path) -> str:
        if self._format.network:
            return _describe_all(self._sites)
        return self._sites.describe(self._station_of(path.name))

    def _station_of(self, file_name: str) -> str:
        name = file_name.partition(".")[0].upper()
        known = set(self._sites.name.tolist())
        return name[:4] if name not in known and name[:4] in known else name


class FolderWeather(_Folder):
    """Tables `date,site,temperature_k,pressure_pa`, CSV or CSV.gz, of any days and sites.

    Parameters
    ----------
    temperature_unit : {"K", "degC"}
    pressure_unit : {"Pa", "hPa"}
        Units that the files really hold.
    folder, sites_file, latency_days, stream
        As for every folder.
    """

    name = "weather"
    _endings, _kind = (".csv", ".csv.gz"), "site"

    def __init__(
        self, folder: Path, *, sites_file: Path, temperature_unit: TemperatureUnit = "K",
        pressure_unit: PressureUnit = "Pa", latency_days: float | None = None,
        stream: str = "final",
    ) -> None:
        super().__init__(folder, sites_file=sites_file, latency_days=latency_days, stream=stream)
        self._temperature_unit, self._pressure_unit = temperature_unit, pressure_unit

    def parse(self, content: bytes, offer_key: str, *, not_after: datetime.date) -> xr.Dataset:
        """Dataset of contract `WEATHER` with the sites of the table."""
        table = parse_weather_table(
            content, not_after=not_after, temperature_unit=self._temperature_unit,
            pressure_unit=self._pressure_unit, where=offer_key,
        )
        sites = self._sites.pick(table.site, where=offer_key)
        return weather_dataset(table.day, sites, table.temperature_k, table.pressure_pa)

    def _places_of(self, path: Path) -> str:  # noqa: ARG002  # any file may hold any site
        return _describe_all(self._sites)


class FolderLoading(_Folder):
    """Tables `date,station,ntal_up_mm,ntol_up_mm`, CSV or CSV.gz: modelled displacement, up.

    Parameters
    ----------
    folder, sites_file, latency_days, stream
        As for every folder; the list of sites is that of the GNSS stations.
    """

    name = "loading"
    _endings, _kind = (".csv", ".csv.gz"), "station"

    def parse(self, content: bytes, offer_key: str, *, not_after: datetime.date) -> xr.Dataset:
        """Dataset of contract `LOADING` with the stations of the table."""
        table = parse_loading_table(content, not_after=not_after, where=offer_key)
        self._sites.pick(table.station, where=offer_key)
        return loading_dataset(table.day, table.station, table.ntal_up_mm, table.ntol_up_mm)

    def _places_of(self, path: Path) -> str:  # noqa: ARG002  # any file may hold any station
        return _describe_all(self._sites)


def _describe_all(sites: Sites) -> str:
    return "".join(map(sites.describe, sites.name.tolist()))


def _days_in(path: Path) -> Days | None:
    """First and last day named at the start of a line; None for a file that shows none."""
    try:
        tokens = set(_DAY_AT_LINE_START.findall(open_text(path.read_bytes(), where=path.name)))
        days = [datetime.date.fromisoformat(token.decode("ascii")) for token in tokens]
    except (MalformedInputError, ValueError):
        return None
    return (min(days), max(days)) if days else None
