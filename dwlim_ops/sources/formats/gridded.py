"""Latitude-longitude grids of any provider, brought to one convention."""

from typing import Final

import numpy as np
import xarray as xr

from dwlim_ops.errors import MalformedInputError
from dwlim_ops.geometry import wrap_longitude_deg

_NAMES: Final = {"lat": ("lat", "latitude"), "lon": ("lon", "longitude")}


def normalise_grid(dataset: xr.Dataset, *, where: str) -> xr.Dataset:
    """The same field with `lat` ascending and `lon` ascending in [-180, 180).

    Parameters
    ----------
    dataset : xarray.Dataset
        Regular grid, its axes named `lat`/`latitude` and `lon`/`longitude`, in any order and
        direction; longitudes 0..360, -180..180 or -360..0. A meridian given at both ends is taken
        once. Bounds of the axes are dropped.
    where : str
        Name of the file, for messages.

    Returns
    -------
    xarray.Dataset
        Axes last and in the order (lat, lon); coordinates float64, rounded to 1e-8 deg (1e-4 deg
        where they came as float32), so that every convention gives the same numbers.

    Raises
    ------
    MalformedInputError
        An axis is missing, holds impossible or repeated values, or its two copies of a meridian
        differ.
    """
    axes = {axis: _find(dataset, axis, where) for axis in _NAMES}
    bounds = {dataset[name].attrs.get("bounds") for name in axes.values()}
    grid = dataset.drop_vars([name for name in bounds if name in dataset.variables])
    grid = grid.rename({name: axis for axis, name in axes.items() if name != axis})
    latitude, longitude = _degrees(grid["lat"]), wrap_longitude_deg(_degrees(grid["lon"]))
    if not (np.abs(latitude) <= 90).all() or not np.isfinite(longitude).all():
        raise _bad("an axis leaves the Earth", where,
                   f"latitudes {latitude.min()} to {latitude.max()}")
    decimals = 4 if grid["lon"].dtype == np.float32 else 8
    longitude = wrap_longitude_deg(longitude.round(decimals)).round(decimals)
    grid = grid.assign_coords(
        lat=("lat", latitude, _attributes(grid["lat"])),
        lon=("lon", longitude, _attributes(grid["lon"])),
    ).sortby(["lat", "lon"])
    grid = _drop_second_meridian(grid, where)
    for axis in ("lat", "lon"):
        if not (np.diff(grid[axis].values) > 0).all():
            raise _bad(f"{axis} is repeated", where, "the same value twice")
    return grid.transpose(..., "lat", "lon")


def _find(dataset: xr.Dataset, axis: str, where: str) -> str:
    found = [name for name in _NAMES[axis] if name in dataset.dims and name in dataset.coords]
    if len(found) != 1 or not np.issubdtype(dataset[found[0]].dtype, np.number):
        raise _bad(f"no axis {axis}", where, f"dimensions {sorted(map(str, dataset.dims))}")
    return found[0]


def _degrees(axis: xr.DataArray) -> np.ndarray:
    decimals = 4 if axis.dtype == np.float32 else 8
    return np.asarray(axis.values, dtype=float).round(decimals)


def _attributes(axis: xr.DataArray) -> dict[str, object]:
    stale = ("bounds", "valid_min", "valid_max")
    return {str(key): value for key, value in axis.attrs.items() if key not in stale}


def _drop_second_meridian(grid: xr.Dataset, where: str) -> xr.Dataset:
    repeated = np.flatnonzero(np.diff(grid["lon"].values) == 0)
    if repeated.size == 0:
        return grid
    first, second = (grid.isel(lon=repeated + shift).drop_vars("lon") for shift in (0, 1))
    if repeated.size > 1 or not first.equals(second):
        raise _bad("lon is repeated", where, f"{repeated.size} meridians twice")
    return grid.isel(lon=np.delete(np.arange(grid.sizes["lon"]), repeated))


def _bad(what: str, where: str, got: str) -> MalformedInputError:
    return MalformedInputError(
        what, where=where, expected="a regular grid on axes lat, lon in degrees", got=got,
        remedy="check the file and the names of its axes",
    )
