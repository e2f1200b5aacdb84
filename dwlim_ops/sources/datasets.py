"""Parsed columns as datasets that keep the contracts `GNSS`, `WEATHER` and `LOADING`."""

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from dwlim_ops.contracts import GNSS_FLAGS
from dwlim_ops.sources.formats.sites import Sites

Array = NDArray[np.float64]
Days = NDArray[np.datetime64]


def gnss_dataset(
    day: Days, stations: Sites, up_mm: Array, up_sigma_mm: Array, duplicated: NDArray[np.bool_]
) -> xr.Dataset:
    """Dataset of contract `GNSS`; arrays have shape (day, station).

    Where a value was chosen among contradicting rows, the variable `flag` says so; it is absent
    when there was none.
    """
    grid = ("time", "station")
    place = {**_place(day, stations, "station"), "height_m": ("station", stations.height_m)}
    dataset = xr.Dataset({"up_mm": (grid, up_mm), "up_sigma_mm": (grid, up_sigma_mm)}, place)
    if duplicated.any():
        flag = np.where(duplicated, GNSS_FLAGS["duplicated_epoch"], 0)
        dataset["flag"] = (grid, flag.astype(np.uint16))
    return dataset


def weather_dataset(
    day: Days, sites: Sites, temperature_k: Array, pressure_pa: Array
) -> xr.Dataset:
    """Dataset of contract `WEATHER`; arrays have shape (day, site)."""
    grid = ("time", "site")
    return xr.Dataset(
        {"temperature_k": (grid, temperature_k), "pressure_pa": (grid, pressure_pa)},
        _place(day, sites, "site"),
    )


def loading_dataset(
    day: Days, station: tuple[str, ...], ntal_up_mm: Array, ntol_up_mm: Array
) -> xr.Dataset:
    """Dataset of contract `LOADING`; arrays have shape (day, station)."""
    grid = ("time", "station")
    return xr.Dataset(
        {"ntal_up_mm": (grid, ntal_up_mm), "ntol_up_mm": (grid, ntol_up_mm)},
        {"time": ("time", day.astype("datetime64[ns]")), "station": list(station)},
    )


def _place(day: Days, places: Sites, dim: str) -> dict[str, tuple[str, np.ndarray]]:
    return {
        "time": ("time", day.astype("datetime64[ns]")),
        dim: (dim, places.name),
        "longitude_deg": (dim, places.longitude_deg),
        "latitude_deg": (dim, places.latitude_deg),
    }
