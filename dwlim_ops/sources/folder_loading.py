"""Modelled loading that an operator drops into a folder: maps, or text files of stations."""

import datetime
import re
from pathlib import Path
from typing import Final

import numpy as np
import xarray as xr

from dwlim_ops.errors import MalformedInputError
from dwlim_ops.sources.datasets import loading_dataset
from dwlim_ops.sources.folder import _Folder
from dwlim_ops.sources.formats.checks import Unit
from dwlim_ops.sources.formats.loading.grids import grid_days, parse_grid
from dwlim_ops.sources.formats.loading.series import (
    PRODUCTS,
    Product,
    StepHours,
    daily_means,
    refuse_implausible,
)
from dwlim_ops.sources.formats.loading.stations import parse_station_text

_TOKEN: Final = re.compile(r"[A-Za-z0-9]+")


class FolderLoadingGrids(_Folder):
    """Maps of the vertical displacement in CF netCDF, read at the stations.

    Parameters
    ----------
    variables : dict of {"NTAL", "NTOL"} to str
        Name of each product's variable; a file may hold one or both. The unit is that of the
        attribute `units`.
    step_hours : {1, 3, 6, 12, 24}
        Step of the maps; below 24 h a day is the trapezoid from midnight to midnight, so a file
        that holds a day must hold the midnight that ends it too.
    folder, sites_file, latency_days, stream
        As for every folder; the list of sites is that of the GNSS stations.
    """

    name = "loading"
    _endings, _kind = (".nc", ".nc4"), "station"

    def __init__(
        self, folder: Path, *, sites_file: Path, variables: dict[Product, str],
        step_hours: StepHours, latency_days: float | None = None, stream: str = "analysis",
    ) -> None:
        super().__init__(folder, sites_file=sites_file, latency_days=latency_days, stream=stream)
        self._variables, self._step_hours = variables, step_hours

    def parse(self, content: bytes, offer_key: str, *, not_after: datetime.date) -> xr.Dataset:
        """Dataset of contract `LOADING` with all stations; a product that is not there is NaN."""
        held = parse_grid(content, list(self._variables.values()), self._sites,
                          not_after=not_after, where=offer_key)
        means = {}
        for product, variable in self._variables.items():
            if variable in held:
                series = held[variable]
                days, up_mm = daily_means(series.instant, series.up_mm, where=offer_key,
                                          step_hours=self._step_hours)
                refuse_implausible(product, up_mm, series.unit, where=offer_key)
                means[product] = up_mm
        absent = np.full_like(up_mm, np.nan)
        ntal, ntol = (means.get(product, absent) for product in PRODUCTS)
        return loading_dataset(days, tuple(self._sites.name.tolist()), ntal, ntol)

    def _days_of(self, path: Path) -> tuple[datetime.date, datetime.date] | None:
        try:
            return grid_days(path.read_bytes(), where=path.name)
        except MalformedInputError:
            return None

    def _places_of(self, path: Path) -> str:  # noqa: ARG002  # every file is read at all stations
        return "".join(map(self._sites.describe, self._sites.name.tolist()))


class FolderLoadingStations(_Folder):
    """Text files of one product at one station, both named in the file name: `ALIC.ntal`.

    Parameters
    ----------
    unit : {"mm", "cm", "m"}
        Unit of the files.
    up_column : int or None
        Number of the radial column, from 1, for files whose header does not name it.
    step_hours : {1, 3, 6, 12, 24}
        Step of the rows; 24 for files of daily means.
    folder, sites_file, latency_days, stream
        As for every folder; the list of sites is that of the GNSS stations.
    """

    name = "loading"
    _endings, _kind = (".txt", ".ntal", ".ntol", ".cf", ".cm"), "station"

    def __init__(
        self, folder: Path, *, sites_file: Path, unit: Unit, step_hours: StepHours,
        up_column: int | None = None, latency_days: float | None = None, stream: str = "analysis",
    ) -> None:
        super().__init__(folder, sites_file=sites_file, latency_days=latency_days, stream=stream)
        self._unit, self._step_hours, self._up_column = unit, step_hours, up_column

    def parse(self, content: bytes, offer_key: str, *, not_after: datetime.date) -> xr.Dataset:
        """Dataset of contract `LOADING` with one station; the other product is NaN."""
        product, station = self._named(offer_key)
        series = parse_station_text(content, unit=self._unit, up_column=self._up_column,
                                    not_after=not_after, where=offer_key)
        days, up_mm = daily_means(series.instant, series.up_mm[:, None], where=offer_key,
                                  step_hours=self._step_hours)
        refuse_implausible(product, up_mm, series.unit, where=offer_key)
        absent = np.full_like(up_mm, np.nan)
        ntal, ntol = (up_mm if product == name else absent for name in PRODUCTS)
        return loading_dataset(days, (station,), ntal, ntol)

    def _days_of(self, path: Path) -> tuple[datetime.date, datetime.date] | None:
        try:
            instant = parse_station_text(path.read_bytes(), unit=self._unit, where=path.name,
                                         up_column=self._up_column,
                                         not_after=datetime.date.max).instant
        except MalformedInputError:
            return None
        first, last = (day.astype("datetime64[D]").item() for day in (instant.min(), instant.max()))
        return first, last

    def _named(self, file_name: str) -> tuple[Product, str]:
        tokens = [token.upper() for token in _TOKEN.findall(file_name)]
        products = [p for p in PRODUCTS if any(token.startswith(p) for token in tokens)]
        stations = [name for name in self._sites.name.tolist() if name in tokens]
        if len(products) != 1 or len(stations) != 1:
            raise MalformedInputError(
                "product or station is not clear from the name", where=file_name,
                expected="NTAL or NTOL and one station of the list, as in ALIC.ntal",
                got=f"{products}, {stations}", remedy="rename the file, or list the station")
        return products[0], stations[0]

    def _places_of(self, path: Path) -> str:  # noqa: ARG002  # loading does not depend on the place
        return ""
