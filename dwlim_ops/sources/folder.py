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

from dwlim_ops.contracts import Offer
from dwlim_ops.errors import ConfigError, MalformedInputError
from dwlim_ops.sources.datasets import gnss_dataset, loading_dataset, weather_dataset
from dwlim_ops.sources.formats.checks import Unit
from dwlim_ops.sources.formats.sites import Sites, parse_sites
from dwlim_ops.sources.formats.tables import (
    PressureUnit,
    TemperatureUnit,
    parse_loading_table,
    parse_weather_table,
)
from dwlim_ops.sources.formats.text import open_text
from dwlim_ops.sources.formats.up import parse_up
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
    _endings: ClassVar[tuple[str, ...]]
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

    def fetch(self, offer: Offer) -> bytes:
        """The file as it lies in the folder."""
        return (self._folder / offer.key).read_bytes()

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
            self._days_seen[path, version] = _days_in(path)
        days = self._days_seen[path, version]
        first, last = days or (stamp.date(), stamp.date())
        available_at = None
        if self._latency_days is not None and days is not None:
            available_at = released_at(first, self._latency_days)
        places = zlib.crc32(self._places_of(path).encode())
        return Offer(self.name, self.stream, path.name, first, last, available_at,
                     f"{version}-{places:08x}")

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
    """One file of lines `yyyymmdd up sigma` per station: `ssss.up` or `ssss.up.gz`.

    Parameters
    ----------
    unit : {"mm", "cm", "m"}
        Unit of the files.
    folder, sites_file, latency_days, stream
        As for every folder.
    """

    name = "gnss"
    _endings, _kind = (".up", ".up.gz"), "station"

    def __init__(
        self, folder: Path, *, sites_file: Path, unit: Unit = "mm",
        latency_days: float | None = None, stream: str = "final",
    ) -> None:
        super().__init__(folder, sites_file=sites_file, latency_days=latency_days, stream=stream)
        self._unit = unit

    def parse(self, content: bytes, offer_key: str, *, not_after: datetime.date) -> xr.Dataset:
        """Dataset of contract `GNSS` with one station, named by the file."""
        station = self._sites.pick([_station_of(offer_key)], where=offer_key)
        series = parse_up(content, unit=self._unit, not_after=not_after, where=offer_key)
        return gnss_dataset(series.day, station, series.up_mm[:, None],
                            series.up_sigma_mm[:, None], series.duplicated[:, None])

    def _places_of(self, path: Path) -> str:
        return self._sites.describe(_station_of(path.name))


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
        return "".join(self._sites.describe(name) for name in self._sites.name.tolist())


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
        return "".join(self._sites.describe(name) for name in self._sites.name.tolist())


def _station_of(file_name: str) -> str:
    return file_name.partition(".")[0].upper()


def _days_in(path: Path) -> Days | None:
    """First and last day named at the start of a line; None for a file that shows none."""
    try:
        tokens = set(_DAY_AT_LINE_START.findall(open_text(path.read_bytes(), where=path.name)))
        days = [datetime.date.fromisoformat(token.decode("ascii")) for token in tokens]
    except (MalformedInputError, ValueError):
        return None
    return (min(days), max(days)) if days else None
