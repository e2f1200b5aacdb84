"""netCDF grids, classic and netCDF-4: CF files, and the three layouts of ERA5."""

import warnings
from typing import Final

import netCDF4
import numpy as np
import xarray as xr
from xarray.backends import NetCDF4DataStore
from xarray.backends.store import StoreBackendEntrypoint

from dwlim_ops.errors import MalformedInputError
from dwlim_ops.sources.formats.gridded import normalise_grid

MOST_BYTES: Final = 4 * 2**30
MOST_ON_AN_AXIS: Final = 10_000_000
_NAMES: Final = {"valid_time": "time", "latitude": "lat", "longitude": "lon"}
_AXES: Final = ("time", "lat", "lon")
_UNPHYSICAL: Final = 1e30
_DAY: Final = np.timedelta64(1, "D")


def read_netcdf(content: bytes, *, where: str) -> xr.Dataset:
    """All gridded variables of a netCDF file, decoded by the CF rules.

    Parameters
    ----------
    content : bytes
        Axes `time` or `valid_time`, `lat` or `latitude`, `lon` or `longitude`; a single time may
        be a scalar. Variables without latitude and longitude, and those with further axes longer
        than one, are left out. ERA5: `expver` as a string for each time; or as an axis of 1 and 5,
        combined by taking 1 where it is not NaN, else 5.
    where : str
        Name of the file, for messages.

    Returns
    -------
    xarray.Dataset
        As `read_grib`; packed values decoded, fill values and values beyond 1e30 are NaN. A time
        whose bounds span one day is put to the beginning of that day.

    Raises
    ------
    MalformedInputError
        Not a grid, no time that the calendar knows, larger than 4 GiB, or times repeated.
    """
    with netCDF4.Dataset(where, memory=content) as opened, warnings.catch_warnings():
        warnings.simplefilter("ignore", xr.SerializationWarning)
        _refuse_long_axes(opened, where)
        raw = StoreBackendEntrypoint().open_dataset(NetCDF4DataStore(opened))
        grid = raw.rename({old: new for old, new in _renamed(raw).items() if old != new})
        grid = _keep_fields(grid, where).load()
    grid = _begin_of_bounds(_with_time(grid, where))
    grid = _combine_versions(grid)
    kept = grid.map(lambda field: field.where(np.abs(field) < _UNPHYSICAL), keep_attrs=True)
    kept = kept.map(lambda field: field.transpose(*_AXES).astype(np.float32), keep_attrs=True)
    times = kept["time"].values
    if not (np.diff(np.sort(times)) > np.timedelta64(0)).all():
        raise _bad("times are repeated", where, "each time once", f"{times.size} times")
    return normalise_grid(kept.sortby("time"), where=where)


def _refuse_long_axes(opened: netCDF4.Dataset, where: str) -> None:
    """Axes are read at once when a file is opened; fields only after a look at their size."""
    longest = max((v.size for v in opened.variables.values() if v.ndim <= 1), default=0)
    if longest > MOST_ON_AN_AXIS:
        raise _bad("an axis is too long", where, f"at most {MOST_ON_AN_AXIS} values", str(longest))


def _renamed(raw: xr.Dataset) -> dict[str, str]:
    """New names of the axes; a second time coordinate beside `valid_time` gives way to it."""
    return {old: new for old, new in _NAMES.items() if old in raw.variables and new not in raw.dims}


def _keep_fields(grid: xr.Dataset, where: str) -> xr.Dataset:
    fields = {}
    for name, field in grid.data_vars.items():
        long = {dim for dim in field.dims if grid.sizes[dim] > 1}
        numeric = np.issubdtype(field.dtype, np.number)
        if numeric and {"lat", "lon"} <= set(field.dims) and long <= {*_AXES, "expver"}:
            extra = [d for d in field.dims if d not in {*_AXES, "expver"}]
            fields[str(name)] = field.isel(dict.fromkeys(extra, 0), drop=True)
    if not fields:
        raise _bad("no field on a grid", where, "a variable on (time, lat, lon)",
                   f"variables {sorted(map(str, grid.variables))[:20]}")
    if sum(field.nbytes for field in fields.values()) > MOST_BYTES:
        raise _bad("fields are too large", where, f"at most {MOST_BYTES} bytes", "more")
    kept = xr.Dataset(fields)
    companions = [grid["time"].attrs.get("bounds")] if "time" in grid.variables else []
    if "expver" in grid.variables and "expver" not in kept.dims:
        companions.append("expver")
    return kept.assign({n: grid[n].variable for n in companions if n in grid.variables})


def _with_time(grid: xr.Dataset, where: str) -> xr.Dataset:
    if "time" in grid.coords and "time" not in grid.dims:
        grid = grid.expand_dims("time")
    if "time" not in grid.coords or not np.issubdtype(grid["time"].dtype, np.datetime64):
        raise _bad("no usable time", where, "CF time in the standard calendar",
                   str(grid["time"].dtype) if "time" in grid.coords else "no time")
    if np.isnat(grid["time"].values).any() or not grid.sizes["time"]:
        raise _bad("no usable time", where, "a date for every time", "missing dates")
    return grid.assign_coords(time=grid["time"].values.astype("datetime64[ns]"))


def _begin_of_bounds(grid: xr.Dataset) -> xr.Dataset:
    fields = [name for name in grid.data_vars if "lat" in grid[name].dims or name == "expver"]
    found = [grid[name].values for name in grid.data_vars if name not in fields]
    if found and found[0].ndim == 2 and found[0].shape[1] == 2:
        low, high = found[0].T
        if np.issubdtype(low.dtype, np.datetime64) and (high - low == _DAY).all():
            return grid[fields].assign_coords(time=low.astype("datetime64[ns]"))
    return grid[fields]


def _combine_versions(grid: xr.Dataset) -> xr.Dataset:
    """Coordinate `expver` (time,) of four characters; an axis of versions is taken out."""
    if "expver" in grid.dims:
        final, early = grid.sel(expver=1, drop=True), grid.sel(expver=5, drop=True)
        filled = np.zeros(grid.sizes["time"], dtype=bool)
        for name in final.data_vars:
            added = final[name].isnull() & early[name].notnull()
            filled |= added.any(["lat", "lon"]).values
        label = np.where(filled, "0005", "0001")
        return final.fillna(early).assign_coords(expver=("time", label))
    if "expver" not in grid.variables:
        return grid.assign_coords(expver=("time", np.full(grid.sizes["time"], "", dtype="U4")))
    given = grid["expver"].broadcast_like(grid["time"]).astype(str).str.zfill(4)
    return grid.drop_vars("expver").assign_coords(expver=("time", given.values))


def _bad(what: str, where: str, expected: str, got: str) -> MalformedInputError:
    return MalformedInputError(what, where=where, expected=expected, got=got,
                               remedy="give CF netCDF with time, latitude and longitude")
