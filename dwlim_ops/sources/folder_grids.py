"""Gridded weather that an operator drops into a folder, for sites behind a wall."""

import datetime
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Final, Literal

import numpy as np
import xarray as xr

from dwlim_ops.contracts import Offer, Received, Validators
from dwlim_ops.errors import ConfigError, MalformedInputError, SourceError
from dwlim_ops.sources.formats.grids.read import ENDINGS, read_grid
from dwlim_ops.sources.formats.grids.regrid import Cells, Regridder
from dwlim_ops.sources.formats.grids.weather import (
    Orography,
    daily_weather,
    ground_of,
    name_fields,
    refuse_future,
    to_cells,
)
from dwlim_ops.sources.latency import last_released_day, released_at

Holding = Literal["instants", "daily_means"]
Days = tuple[datetime.date, datetime.date]

_NOTHING: Final = Validators()
_log = logging.getLogger(__name__)


class FolderGrids:
    """CF netCDF and GRIB files of surface pressure, skin or air temperature.

    Names and units are those of `name_fields`; air temperature becomes `temperature_k`, skin
    temperature `skin_temperature_k`.

    Parameters
    ----------
    folder : pathlib.Path
        Where the files are dropped; hidden files and other endings are passed over.
    cells : Cells
    holding : {"instants", "daily_means"}
        What a value is. Instants give the days of which a file holds every step, 00 and 24 UTC
        included. Daily means are labelled by their day, at whatever hour of it.
    stream : str
        Quality of the content.
    latency_days : float, optional
        For a record that is replayed: the value of day d counts as available at 12:00 UTC of
        d + latency_days. Without it, everything is available when it is fetched.
    orography : Orography, optional
        Height of the model's ground, where the files do not hold its geopotential.
    """

    name = "weather"

    def __init__(
        self, folder: Path, *, cells: Cells, holding: Holding = "instants", stream: str = "final",
        latency_days: float | None = None, orography: Orography | None = None,
    ) -> None:
        self.stream = stream
        self._folder, self._regridder, self._holding = folder, Regridder(cells), holding
        self._latency_days, self._orography = latency_days, orography
        self._days_seen: dict[tuple[str, str], Days | None] = {}

    def offers(self, as_of: datetime.datetime) -> list[Offer]:
        """Every file of the folder that is available at `as_of`, by name.

        Raises
        ------
        ConfigError
            The folder is not there.
        """
        offers = [self._offer(path) for path in self._files()]
        return [o for o in offers if o.available_at is None or o.available_at <= as_of]

    def newest_visible_day(self, as_of: datetime.datetime) -> datetime.date:
        """The newest day that is out at `as_of`; without a latency every day so far."""
        if self._latency_days is None:
            return as_of.astimezone(datetime.UTC).date()
        return last_released_day(as_of, self._latency_days)

    def fetch(
        self, offer: Offer, known: Validators = _NOTHING,  # noqa: ARG002  # files have none
    ) -> Received:
        """The file as it lies in the folder.

        Raises
        ------
        SourceError
            It is gone or cannot be read.
        """
        try:
            return Received((self._folder / offer.key).read_bytes())
        except OSError as error:
            raise SourceError("file cannot be read", where=str(self._folder / offer.key),
                              got=str(error), remedy="check that it is there and may be read"
                              ) from error

    def parse(self, content: bytes, offer_key: str, *, not_after: datetime.date) -> xr.Dataset:
        """What the file holds of the variables of contract `GRIDDED_WEATHER`."""
        grid = read_grid(content, where=offer_key)
        if self._holding == "instants":
            weather = daily_weather(grid, self._regridder, orography=self._orography,
                                    where=offer_key)
        else:
            weather = self._from_daily_means(grid, offer_key)
        return refuse_future(weather, not_after=not_after, where=offer_key)

    def _from_daily_means(self, grid: xr.Dataset, where: str) -> xr.Dataset:
        days = grid["time"].values.astype("datetime64[D]")
        if np.unique(days).size < days.size:
            raise MalformedInputError(
                "several values a day", where=where, expected="one mean a day",
                got=f"{days.size} times on {np.unique(days).size} days",
                remedy='if the values are instants, set holding = "instants"')
        named = name_fields(grid, where=where).assign_coords(time=days.astype("datetime64[ns]"))
        ground = ground_of(named, where=where) or self._orography
        return to_cells(named, self._regridder, orography=ground, where=where)

    def _files(self) -> Iterator[Path]:
        if not self._folder.is_dir():
            raise ConfigError("folder is not there", where=str(self._folder),
                              remedy="create it, or correct the folder of this source")
        for path in sorted(self._folder.iterdir()):
            listed = path.name.lower().endswith(ENDINGS) and not path.name.startswith(".")
            if listed and path.is_file():
                yield path

    def _offer(self, path: Path) -> Offer:
        status = path.stat()
        version = f"{status.st_size}-{status.st_mtime_ns}"
        if (path.name, version) not in self._days_seen:
            self._days_seen[path.name, version] = _days_in(path)
        days = self._days_seen[path.name, version]
        stamp = datetime.datetime.fromtimestamp(status.st_mtime, datetime.UTC).date()
        first, last = days or (stamp, stamp)
        available_at = None
        if self._latency_days is not None and days is not None:
            available_at = released_at(first, self._latency_days)
        return Offer(self.name, self.stream, path.name, first, last, available_at, version)


def _days_in(path: Path) -> Days | None:
    """First and last day of the times in the file; None for a file that shows none."""
    try:
        time = read_grid(path.read_bytes(), where=path.name)["time"].values
    except (MalformedInputError, OSError) as error:
        _log.info("no days to be seen: %s", error)
        return None
    days = time.astype("datetime64[D]")
    return days.min().item(), days.max().item()
