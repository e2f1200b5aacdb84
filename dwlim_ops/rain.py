"""Rain of the basins, where the region has gauges: shown beside the water, used for nothing."""

from dataclasses import dataclass
from datetime import date

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from dwlim_ops.geometry import distance_deg
from dwlim_ops.regions import region_folder
from dwlim_ops.session import Session
from dwlim_ops.verify.rain import basin_rain, monthly_sums

Array = NDArray[np.float64]
Days = NDArray[np.datetime64]


@dataclass(frozen=True, eq=False)
class Rain:
    """Rain of the basins by month, mm, (n_months, n_basins), and the number of gauges inside each.
    """

    months: Days
    rain_mm: Array
    n_gauges: tuple[int, ...]


@dataclass(frozen=True, eq=False)
class _Gauges:
    """Rain of gauges by day, mm, (n_days, n_gauges), and their distance from the cells, deg."""

    days: Days
    rain_mm: Array
    distance_deg: Array


def rain_of(session: Session) -> Rain | None:
    """Rain of the sample's gauges by month; other regions have none."""
    gauges = _gauges(session)
    if gauges is None:
        return None
    grid, basins = session.geometry.grid, session.geometry.basins
    months, sums = monthly_sums(gauges.days, gauges.rain_mm)
    distance = gauges.distance_deg
    nearest = distance.argmin(axis=0)
    inside = (distance[nearest, np.arange(nearest.size)] <= grid.spacing_deg) & np.isfinite(
        sums).any(axis=0)
    n_gauges = tuple(int((inside & (weight[nearest] > 0)).sum()) for weight in basins.weight)
    return Rain(months, basin_rain(sums, distance, basins), n_gauges)


def daily_rain(session: Session, first: date, last: date) -> tuple[Days, Array] | None:
    """Days of a span and the rain of the basins, mm, (n_days, n_basins); None without gauges."""
    gauges = _gauges(session)
    if gauges is None:
        return None
    rows = (gauges.days >= np.datetime64(first)) & (gauges.days <= np.datetime64(last))
    return gauges.days[rows], basin_rain(gauges.rain_mm[rows], gauges.distance_deg,
                                         session.geometry.basins)


def _gauges(session: Session) -> _Gauges | None:
    if session.config.sources.gnss.kind != "sample":
        return None
    with xr.open_dataset(region_folder(session.config.region.name) / "weather.nc") as data:
        places = data["longitude_deg"].values, data["latitude_deg"].values
        return _Gauges(data["time"].values, data["rain_mm"].values,
                       distance_deg(*session.geometry.grid.cells, *places))
