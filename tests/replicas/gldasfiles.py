"""GLDAS-2.2 CLSM daily files, whole and as DAP4 subsets (UPSTREAMS, 4.1, 4.3 and 4.5)."""

import datetime as dt
import re
from dataclasses import replace
from functools import lru_cache
from typing import Final

import numpy as np

from tests.replicas import fields
from tests.replicas.gridfiles import Variable, netcdf4_file
from tests.replicas.world import Box

N_LAT, N_LON, FILL = 600, 1440, -9999.0
FIRST_DAY: Final = dt.date(2003, 2, 1)
#: Storage of the early product less that of the main one, mm; temperature is the same in both.
EARLY_MINUS_MAIN_MM: Final = 55.0
#: What `EarthdataFault.REPROCESSED` adds to temperature.
REPROCESSED_K: Final = 0.5
_LATITUDE: Final = -59.875 + 0.25 * np.arange(N_LAT)
_LONGITUDE: Final = -179.875 + 0.25 * np.arange(N_LON)
_SLICE: Final = re.compile(r"\[(\d+)(?::(\d+):(\d+))?\]")
_TERM: Final = re.compile(r"/(\w+)((?:\[\d+(?::\d+:\d+)?\])*)")
_UNITS: Final = {"AvgSurfT_tavg": "K", "TWS_tavg": "mm", "GWS_tavg": "mm", "SWE_tavg": "kg m-2"}


class BadConstraintError(Exception):
    """A DAP4 constraint names what is not there."""


@lru_cache(maxsize=64)
def variables_of(
    day: dt.date, box: Box, *, early: bool, reprocessed: bool
) -> dict[str, Variable]:
    """Variables of one day: the whole 600 x 1440 grid, all fill outside the box and 2 deg around.

    Four of the 24 fields of the real file.
    """
    region = box.widened(2.0)
    x = _inside(_LONGITUDE, region.west, region.east)
    y = _inside(_LATITUDE, region.south, region.north)
    places = [axis.ravel() for axis in np.meshgrid(_LONGITUDE[x], _LATITUDE[y])]
    start = np.array([day], "datetime64[m]")
    water = fields.daily_mean(fields.water_mm, start, *places)[0]
    tws = 1500.0 + water + EARLY_MINUS_MAIN_MM * early
    values = {
        "AvgSurfT_tavg": fields.gldas_temperature_k(start, *places)[0]
        + REPROCESSED_K * reprocessed,
        "TWS_tavg": tws, "GWS_tavg": 0.7 * tws, "SWE_tavg": np.zeros_like(tws)}
    block = (slice(0, 1), slice(y[0], y[-1] + 1), slice(x[0], x[-1] + 1))
    variables = {
        "time": Variable(("time",), np.array([0.0]), {
            "units": f"days since {day} 00:00:00", "standard_name": "time",
            "begin_date": f"{day:%Y%m%d}", "begin_time": "000000"}),
        "lat": Variable(("lat",), _LATITUDE.astype(np.float32), {
            "units": "degrees_north", "standard_name": "latitude"}),
        "lon": Variable(("lon",), _LONGITUDE.astype(np.float32), {
            "units": "degrees_east", "standard_name": "longitude"}),
    }
    for name, flat in values.items():
        variables[name] = Variable(
            ("time", "lat", "lon"), flat.reshape(1, y.size, x.size).astype(np.float32),
            {"units": _UNITS[name], "cell_methods": "time: mean", "vmin": np.float32(0),
             "missing_value": np.float32(FILL)},
            fill=FILL, shape=(1, N_LAT, N_LON), at=block, chunks=(1, 60, 144))
    return variables


@lru_cache(maxsize=64)
def whole_file(day: dt.date, box: Box, *, early: bool, reprocessed: bool) -> bytes:
    """The file of a day; its size is the same for every day of a box."""
    return netcdf4_file(
        variables_of(day, box, early=early, reprocessed=reprocessed),
        {"title": "GLDAS2.2 LIS land surface model output", "conventions": "CF-1.6",
         "missing_value": np.float32(FILL), "source": "Catchment-F2.5",
         "institution": "NASA GSFC"})


def subset(
    constraint: str, day: dt.date, box: Box, *, early: bool, reprocessed: bool
) -> bytes:
    """The netCDF-4 answer to a `dap4.ce`; slices are start:stride:stop, stop included.

    Raises
    ------
    BadConstraintError
        An unknown variable, a wrong number of slices or an index out of range.
    """
    known = variables_of(day, box, early=early, reprocessed=reprocessed)
    chosen: dict[str, Variable] = {}
    sizes: dict[str, int] = {}
    for term in filter(None, constraint.split(";")):
        found = _TERM.fullmatch(term)
        if found is None or found[1] not in known:
            raise BadConstraintError(f"no such variable: {term}")
        variable = known[found[1]]
        whole = _dense(variable)
        slices = [slice(int(a), int(c or a) + 1, int(b or 1))
                  for a, b, c in _SLICE.findall(found[2])] or [slice(None)] * whole.ndim
        if len(slices) != whole.ndim or any(
                (s.stop or 0) > n for s, n in zip(slices, whole.shape, strict=True)):
            raise BadConstraintError(f"index out of range: {term}")
        values = whole[tuple(slices)]
        chosen[found[1]] = replace(variable, values=values, at=(), shape=(), chunks=None)
        sizes |= dict(zip(variable.dims, values.shape, strict=True))
    if not chosen:
        raise BadConstraintError("the constraint selects nothing")
    without = {dim: size for dim, size in sizes.items() if dim not in chosen}
    return netcdf4_file(chosen, {"history": "Hyrax"}, dimensions=without)


def _inside(axis: np.ndarray, low: float, high: float) -> np.ndarray:
    return np.flatnonzero((axis >= low) & (axis <= high))


def _dense(variable: Variable) -> np.ndarray:
    if not variable.at:
        return variable.values
    whole = np.full(variable.shape, variable.fill, variable.values.dtype)
    whole[variable.at] = variable.values
    return whole
