"""GRACE mascon grids of CSR and JPL: netCDF with a whole record, brought to one convention."""

import datetime
from functools import partial
from typing import Final

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from dwlim_ops.contracts import GRACE
from dwlim_ops.errors import MalformedInputError
from dwlim_ops.sources.formats.checks import MM_PER
from dwlim_ops.sources.formats.gridded import normalise_grid
from dwlim_ops.sources.formats.loading.netcdf import decoded_apart, decoded_time, netcdf_dataset
from dwlim_ops.sources.formats.loading.series import unit_of

Bounds = tuple[float, float, float, float]
Days = NDArray[np.datetime64]

#: Both providers subtract the mean over these years.
BASELINE: Final = "2004-01-01/2009-12-31"
_VARIABLE: Final = "lwe_thickness"
_LIMIT_MM: Final = GRACE.variables["twsa_mm"].maximum
_LEAST_SPAN, _GREATEST_SPAN = np.timedelta64(5, "D"), np.timedelta64(62, "D")
_MONTHS_PER_BLOCK: Final = 24


def parse_mascons(content: bytes, *, bounds_deg: Bounds, not_after: datetime.date,
                  scaled: bool = False, where: str) -> xr.Dataset:
    """Read a mascon file of either provider and cut out a region.

    Months are what `time_bounds` says, so that two solutions that begin in one calendar month
    both stay, and months without a solution are simply not there. `time` is the day half-way.

    Parameters
    ----------
    content : bytes
        netCDF with `lwe_thickness` (time, lat, lon). The unit of time may stand in an attribute
        `Units`, as CSR writes it.
    bounds_deg : tuple of float
        West, south, east, north of the region; the cells around it are kept too. West may exceed
        east for a region across the date line.
    not_after : datetime.date
        Day of the fetch; no month may end later.
    scaled : bool
        Multiply by the file's gain factors, `scale_factor`: for hydrology below mascon scale only.

    Returns
    -------
    xarray.Dataset
        Contract `GRACE` (mm), with `time_bounds` (time, bounds), the end not included, and `land`
        (lat, lon) if the file has a land mask. Attribute `baseline` names the years whose mean the
        provider has removed.

    Raises
    ------
    MalformedInputError
        Not such a file, an unknown unit, months that overlap as wholes, or an impossible value.
    """
    decode = partial(_decode, bounds_deg=bounds_deg, not_after=not_after, scaled=scaled)
    return decoded_apart(decode, content, where=where)


def _decode(content: bytes, *, bounds_deg: Bounds, not_after: datetime.date, scaled: bool,
            where: str) -> xr.Dataset:
    with netcdf_dataset(content) as data:
        _refuse_other_layout(data, where)
        start, end = _spans(data, not_after, where)
        order = np.argsort(start + (end - start) // 2, kind="stable")
        unit = unit_of(_attribute(data[_VARIABLE], "units"), where=f"{where}: {_VARIABLE}")
        fixed = [name for name in ("land_mask", "scale_factor") if _is_map(data, name)]
        maps = _cut(data[[*fixed, "lat", "lon"]], bounds_deg, where)
        months = [slice(row, row + _MONTHS_PER_BLOCK)
                  for row in range(0, data.sizes["time"], _MONTHS_PER_BLOCK)]
        blocks = [_cut(data[[_VARIABLE]].isel(time=span), bounds_deg, where) for span in months]
    values = np.concatenate([block[_VARIABLE].values for block in blocks])[order] * MM_PER[unit]
    if scaled:
        if "scale_factor" not in maps:
            raise MalformedInputError("no gain factors", where=where, expected="scale_factor",
                                      remedy="do not ask for scaled values of this product")
        values = values * maps["scale_factor"].values
    _refuse_impossible(values, where)
    return _dataset(values, (start[order], end[order]), maps, scaled=scaled)


def _refuse_other_layout(data: xr.Dataset, where: str) -> None:
    held = data.variables.get(_VARIABLE)
    if held is None or held.dims != ("time", "lat", "lon") or not held.size:
        raise MalformedInputError(
            "no mascon grids", where=where, expected=f"{_VARIABLE} (time, lat, lon)",
            got="no such variable" if held is None else str(held.sizes))
    for axis in ("lat", "lon"):
        if axis not in data.coords or data[axis].dtype.kind not in "fiu":
            raise MalformedInputError(f"no axis {axis}", where=where, expected="degrees")


def _is_map(data: xr.Dataset, name: str) -> bool:
    return name in data.variables and data[name].dims == ("lat", "lon") \
        and data[name].dtype.kind in "fiu"


def _attribute(array: xr.DataArray, name: str) -> str:
    """Text of an attribute, however it is capitalised; empty if there is none."""
    return next((str(value) for key, value in array.attrs.items() if key.lower() == name), "")


def _spans(data: xr.Dataset, not_after: datetime.date, where: str
           ) -> tuple[Days, Days]:
    """First day and day after the last of each solution."""
    units = _attribute(data["time"], "units") if "time" in data.variables else ""
    name = _attribute(data["time"], "bounds") if "time" in data.variables else ""
    name = name or "time_bounds"
    if name not in data.variables or data[name].shape != (data.sizes["time"], 2):
        raise MalformedInputError("months without bounds", where=where,
                                  expected=f"{name} (time, 2)")
    spans = decoded_time(data, name, where=where, units=units)
    middle = decoded_time(data, "time", where=where, units=units)
    start, end = (spans[:, side].astype("datetime64[D]") for side in (0, 1))
    inside = (start <= middle) & (middle <= end + 1)
    length = end - start
    fair = inside & (length >= _LEAST_SPAN) & (length <= _GREATEST_SPAN)
    last = np.datetime64(not_after, "D") + 1
    bad = np.flatnonzero(~fair | (end > last))
    if bad.size:
        raise MalformedInputError(
            "impossible month", where=where, expected=f"5 to 62 days around its time, to {last}",
            got=f"{start[bad[0]]} to {end[bad[0]]}, time {middle[bad[0]]}")
    half_way = np.sort(start + length // 2)
    if (np.diff(half_way) == np.timedelta64(0, "D")).any():
        raise MalformedInputError("two solutions for the same days", where=where,
                                  expected="each span once")
    return start, end


def _cut(data: xr.Dataset, bounds_deg: Bounds, where: str) -> xr.Dataset:
    """The region with a rim of one cell, in memory and normalised."""
    west, south, east, north = bounds_deg
    latitude, longitude = (np.asarray(data[axis].values, float) for axis in ("lat", "lon"))
    if min(latitude.size, longitude.size) < 2:
        raise MalformedInputError("grid without extent", where=where, expected="2 x 2 cells",
                                  got=f"{latitude.size} x {longitude.size}")
    rim = float(np.abs(np.diff(latitude)).max())
    rows = np.flatnonzero((latitude >= south - rim) & (latitude <= north + rim))
    width = (east - west) % 360.0 or 360.0
    columns = np.flatnonzero((longitude - (west - rim)) % 360.0 <= width + 2.0 * rim)
    if not rows.size or not columns.size:
        raise MalformedInputError("the region lies off the grid", where=where,
                                  expected=f"cells around {bounds_deg}")
    band = data.isel(lat=slice(int(rows.min()), int(rows.max()) + 1))
    breaks = np.flatnonzero(np.diff(columns) > 1) + 1
    runs = [band.isel(lon=slice(int(run[0]), int(run[-1]) + 1))
            for run in np.split(columns, breaks)]
    region = xr.concat([run.load() for run in runs], dim="lon",
                       data_vars="minimal", coords="minimal", compat="override", join="override")
    return normalise_grid(region, where=where)


def _refuse_impossible(values: NDArray[np.float64], where: str) -> None:
    finite = values[~np.isnan(values)]
    if not finite.size or float(np.abs(finite).max()) > _LIMIT_MM:
        raise MalformedInputError(
            "water storage out of range" if finite.size else "no value in the region", where=where,
            expected=f"anomalies within {_LIMIT_MM:g} mm",
            got=f"{finite[np.abs(finite).argmax()]:g} mm" if finite.size else "NaN only",
            remedy="look for a fill value that is not declared, another unit, or an ice sheet")


def _dataset(values: NDArray[np.float64], spans: tuple[Days, Days], maps: xr.Dataset, *,
             scaled: bool) -> xr.Dataset:
    start, end = spans
    middle = (start + (end - start) // 2).astype("datetime64[ns]")
    result = xr.Dataset(
        {"twsa_mm": (("time", "lat", "lon"), values.astype(np.float32)),
         "time_bounds": (("time", "bounds"), np.stack(spans, axis=1).astype("datetime64[ns]"))},
        {"time": ("time", middle), "lat": maps["lat"].values, "lon": maps["lon"].values},
        {"baseline": BASELINE, "gain_factors": "applied" if scaled else "not applied"})
    if "land_mask" in maps:
        result["land"] = (("lat", "lon"), maps["land_mask"].values == 1.0)
    return result
