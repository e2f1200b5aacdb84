"""Gridded loading in netCDF to series at stations: by coordinates only, bilinear."""

import datetime
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from typing import Final

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from dwlim_ops.errors import MalformedInputError
from dwlim_ops.sources.formats.checks import MM_PER, Unit
from dwlim_ops.sources.formats.gridded import normalise_grid
from dwlim_ops.sources.formats.loading.netcdf import decoded_apart, decoded_time, netcdf_dataset
from dwlim_ops.sources.formats.loading.series import refuse_bad_instants, unit_of
from dwlim_ops.sources.formats.sites import Sites

Array = NDArray[np.float64]
Instants = NDArray[np.datetime64]

_INSTANTS_PER_BLOCK: Final = 64


@dataclass(frozen=True)
class GridSeries:
    """Displacement at stations, mm, shape (instant, station), in the order of the file."""

    instant: Instants
    up_mm: Array
    unit: Unit


def parse_grid(content: bytes, variables: list[str], stations: Sites, *,
               not_after: datetime.date, where: str) -> dict[str, GridSeries]:
    """Series at the stations of those of `variables` that the file holds.

    Parameters
    ----------
    content : bytes
        netCDF, classic or 4, with dimensions time, latitude and longitude; the axes may run in
        either direction, and longitudes follow any convention.
    variables : list of str
        Names of variables with the vertical displacement; attribute `units` m, cm or mm.
    stations : Sites
        Places; each must lie on the grid or within half a cell of its edge.
    not_after : datetime.date
        Last day; the midnight that ends it may be there.

    Raises
    ------
    MalformedInputError
        Not such a file, none of the variables, no unit, or a station off the grid.
    """
    decode = partial(_at_stations, variables=variables, stations=stations, not_after=not_after)
    data = decoded_apart(decode, content, where=where)
    instant = data["time"].values.astype("datetime64[s]")
    return {str(name): GridSeries(instant, array.values, array.attrs["declared"])
            for name, array in data.data_vars.items()}


def grid_days(content: bytes, *, where: str) -> tuple[datetime.date, datetime.date]:
    """First and last day of the time axis.

    Raises
    ------
    MalformedInputError
        Not netCDF, or without a time axis.
    """
    instant = decoded_apart(_time_axis, content, where=where)["time"].values
    if not instant.size:
        raise MalformedInputError("no instant", where=where, expected="at least one value")
    first, last = (day.astype("datetime64[D]").item() for day in (instant.min(), instant.max()))
    return first, last


def _time_axis(content: bytes, *, where: str) -> xr.Dataset:
    with netcdf_dataset(content) as data:
        instant = decoded_time(data, "time", where=where)
    return xr.Dataset(coords={"time": instant.astype("datetime64[ns]")})


def _at_stations(content: bytes, *, variables: list[str], stations: Sites,
                 not_after: datetime.date, where: str) -> xr.Dataset:
    with netcdf_dataset(content) as data:
        held = [name for name in variables if name in data.data_vars]
        if not held:
            raise MalformedInputError("no variable of the displacement", where=where,
                                      expected=" or ".join(variables),
                                      got=", ".join(map(str, data.data_vars)))
        for name in held:
            if data[name].ndim != 3 or "time" not in data[name].dims:
                raise MalformedInputError(
                    "not a series of maps", where=f"{where}: {name}",
                    expected="dimensions time, latitude, longitude", got=str(data[name].dims))
        instant = decoded_time(data, "time", where=where)
        refuse_bad_instants(instant, not_after=not_after, where=where)
        units = {name: unit_of(str(data[name].attrs.get("units", "")), where=f"{where}: {name}")
                 for name in held}
        blocks = [bilinear(block, stations, where=where) for block in _blocks(data[held], where)]
    series = {
        name: (("time", "station"), np.concatenate([b[name] for b in blocks]) * MM_PER[unit],
               {"declared": unit})
        for name, unit in units.items()}
    return xr.Dataset(series, {"time": instant.astype("datetime64[ns]")})


def bilinear(maps: xr.Dataset, stations: Sites, *, where: str) -> dict[str, Array]:
    """Values of normalised maps (time, lat, lon) at stations, shape (time, station).

    A grid that goes round the Earth is closed over its seam; beyond the first and last row or
    column, within half a cell, the edge counts. A value next to an absent one is absent.

    Raises
    ------
    MalformedInputError
        The grid is a single row or column, or a station lies off it.
    """
    latitude, longitude = maps["lat"].values, maps["lon"].values
    if min(latitude.size, longitude.size) < 2:
        raise MalformedInputError("grid without extent", where=where, expected="2 x 2 nodes",
                                  got=f"{latitude.size} x {longitude.size}")
    gap = 360.0 - (longitude[-1] - longitude[0])
    closed = gap <= 1.5 * np.diff(longitude).max()
    if closed:
        longitude = np.append(longitude, longitude[0] + 360.0)
    east = stations.longitude_deg + 360.0 * (closed & (stations.longitude_deg < longitude[0]))
    row, in_row = _bracket(latitude, stations.latitude_deg, stations, where)
    column, in_column = _bracket(longitude, east, stations, where)
    next_column = (column + 1) % maps.sizes["lon"]
    out = {}
    for name in maps.data_vars:
        values = maps[name].transpose("time", "lat", "lon").values.astype(float)
        south = _between(values[:, row, column], values[:, row, next_column], in_column)
        north = _between(values[:, row + 1, column], values[:, row + 1, next_column], in_column)
        out[str(name)] = _between(south, north, in_row)
    return out


def _between(first: Array, second: Array, share: Array) -> Array:
    """Linear between two values; a neighbour of share zero does not matter, even if absent."""
    mixed = (1.0 - share) * first + share * second
    return np.where(share == 0.0, first, np.where(share == 1.0, second, mixed))


def _bracket(axis: Array, at: Array, stations: Sites, where: str
             ) -> tuple[NDArray[np.intp], Array]:
    """Index of the node before each place, and the share of the way to the next one."""
    before = np.clip(np.searchsorted(axis, at, side="right") - 1, 0, axis.size - 2)
    share = (at - axis[before]) / (axis[before + 1] - axis[before])
    off = np.flatnonzero((share < -0.5) | (share > 1.5))
    if off.size:
        raise MalformedInputError(
            "station off the grid", where=where, got=str(stations.name[off[0]]),
            expected=f"{axis[0]:g} to {axis[-1]:g} degrees, got {at[off[0]]:g}",
            remedy="take a file of a larger area, or remove the station")
    return before, np.clip(share, 0.0, 1.0)


def _blocks(data: xr.Dataset, where: str) -> Iterator[xr.Dataset]:
    for start in range(0, data.sizes["time"], _INSTANTS_PER_BLOCK):
        block = data.isel(time=slice(start, start + _INSTANTS_PER_BLOCK))
        yield normalise_grid(block.load(), where=where)
