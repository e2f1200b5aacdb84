"""Mascon files of CSR and JPL, with the world's water storage (UPSTREAMS, 6.1 and 6.2)."""

import datetime as dt
from functools import lru_cache
from typing import Final

import numpy as np

from tests.replicas import fields
from tests.replicas.fields import Array
from tests.replicas.gridfiles import Variable, netcdf4_file
from tests.replicas.world import Box, next_month

EPOCH: Final = dt.date(2002, 1, 1)
JPL_FILL: Final = -99_999.0
Months = tuple[dt.date, ...]


def monthly_water_cm(months: Months, longitude_deg: Array, latitude_deg: Array) -> Array:
    """Water storage less its mean over 2004 to 2009 (or over all, if none of it is there), cm.

    Shape (month, place).
    """
    middle = np.array([_middle(month) for month in months], "datetime64[m]")
    water = fields.water_mm(middle, longitude_deg, latitude_deg) / 10.0
    baseline = np.array([2004 <= month.year <= 2009 for month in months])
    return water - water[baseline if baseline.any() else slice(None)].mean(axis=0)


def _middle(month: dt.date) -> np.datetime64:
    first, after = (np.datetime64(day, "m") for day in (month, next_month(month)))
    return first + (after - first) // 2


def _time(months: Months) -> tuple[Array, Array]:
    """Middle, and first and last day of each month, days since 2002-01-01.

    The months of the mission are not those of the calendar: they begin and end a day or two off.
    """
    bounds = np.array([[(month - EPOCH).days + k % 3, (next_month(month) - EPOCH).days - 1 - k % 2]
                       for k, month in enumerate(months)], float)
    return bounds.mean(axis=1), bounds


def _grid(box: Box, step_deg: float) -> tuple[Array, Array]:
    """Longitudes 0..360 and latitudes, both ascending."""
    longitude, latitude = box.axes(step_deg, step_deg / 2)
    return np.sort(longitude % 360.0), latitude


@lru_cache(maxsize=4)
def csr_file(box: Box, months: Months) -> bytes:
    """CSR RL06.3: capitalised attributes of time, which no reader decodes by itself."""
    longitude, latitude = _grid(box, 0.25)
    places = [axis.ravel() for axis in np.meshgrid((longitude + 180) % 360 - 180, latitude)]
    water = monthly_water_cm(months, *places).reshape(-1, latitude.size, longitude.size)
    time, bounds = _time(months)
    return netcdf4_file({
        "time": Variable(("time",), time, {
            "Units": "days since 2002-01-01T00:00:00Z", "Bounds": "time_bounds", "Axis": "T",
            "Calendar": "gregorian", "Long_Name": "time"}),
        "lat": Variable(("lat",), latitude.astype(np.float32), {
            "units": "degrees_north", "long_name": "Latitude"}),
        "lon": Variable(("lon",), longitude.astype(np.float32), {
            "units": "degrees_east", "long_name": "Longitude"}),
        "time_bounds": Variable(("time", "timebound"), bounds),
        "lwe_thickness": Variable(("time", "lat", "lon"), water.astype(np.float32), {
            "units": "cm", "long_name": "Liquid_Water_Equivalent_Thickness"}),
    }, {"Conventions": "CF-1.6", "title": "CSR GRACE and GRACE-FO RL0603 Mascons all corrections",
        "doi": "10.15781/cgq9-nh24", "time_epoch": "2002-01-01T00:00:00Z"},
        dimensions={"timebound": 2}, compress=True)


@lru_cache(maxsize=2)
def csr_land_mask(box: Box) -> bytes:
    """`LO_val`: 1 on land, and all of the region is land but its southern edge."""
    longitude, latitude = _grid(box, 0.25)
    land = np.ones((latitude.size, longitude.size), np.float32)
    land[latitude < box.south + 1.0] = 0.0
    return netcdf4_file({
        "lat": Variable(("lat",), latitude.astype(np.float32), {"units": "degrees_north"}),
        "lon": Variable(("lon",), longitude.astype(np.float32), {"units": "degrees_east"}),
        "LO_val": Variable(("lat", "lon"), land, {"long_name": "Land_Mask"}),
    }, {"variable": "Land=1 and Ocean=0"}, compress=True)


@lru_cache(maxsize=4)
def jpl_file(box: Box, months: Months) -> bytes:
    """JPL RL06.3 v04 CRI: CF time, fill -99999, `uncertainty`, `land_mask`, `scale_factor`."""
    longitude, latitude = _grid(box, 0.5)
    places = [axis.ravel() for axis in np.meshgrid((longitude + 180) % 360 - 180, latitude)]
    water = monthly_water_cm(months, *places).reshape(-1, latitude.size, longitude.size)
    land = np.ones(water.shape[1:])
    land[latitude < box.south + 1.0] = 0.0
    water = np.where(land > 0, water, JPL_FILL)
    time, bounds = _time(months)
    grid = ("time", "lat", "lon")
    return netcdf4_file({
        "lon": Variable(("lon",), longitude, {"units": "degrees_east", "standard_name":
                                              "longitude", "axis": "X"}),
        "lat": Variable(("lat",), latitude, {"units": "degrees_north", "standard_name":
                                             "latitude", "axis": "Y"}),
        "time": Variable(("time",), time, {
            "units": "days since 2002-01-01T00:00:00Z", "standard_name": "time", "axis": "T",
            "calendar": "gregorian", "bounds": "time_bounds"}),
        "lwe_thickness": Variable(grid, water, {
            "units": "cm", "long_name": "Liquid_Water_Equivalent_Thickness"}, fill=JPL_FILL),
        "uncertainty": Variable(grid, np.where(land > 0, 2.0, JPL_FILL) + 0 * water, {
            "units": "cm", "long_name": "uncertainty"}, fill=JPL_FILL),
        "time_bounds": Variable(("time", "bounds"), bounds),
        "land_mask": Variable(("lat", "lon"), land),
        "scale_factor": Variable(("lat", "lon"), np.where(land > 0, 1.0, JPL_FILL),
                                 fill=JPL_FILL),
        "mascon_ID": Variable(("lat", "lon"), np.arange(land.size, dtype=float).reshape(
            land.shape) // 36),
    }, {"Conventions": "CF-1.6", "title": "JPL GRACE and GRACE-FO MASCON RL06.3M v04 CRI"},
        dimensions={"bounds": 2}, compress=True)
