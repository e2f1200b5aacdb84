"""Daily solutions of a network as one dataset, heights counted from the list of stations."""

from collections.abc import Sequence

import numpy as np
import xarray as xr

from dwlim_ops.errors import MalformedInputError
from dwlim_ops.sources.datasets import gnss_dataset
from dwlim_ops.sources.formats.gnss.series import LARGEST_MM, StationSeries
from dwlim_ops.sources.formats.sites import Sites


def network_dataset(series: Sequence[StationSeries], sites: Sites, *, where: str) -> xr.Dataset:
    """Dataset of contract `GNSS` with the stations of `series` that the list holds.

    A file of one day cannot tell a reference height that the file of the next day would share, so
    `up_mm` is the height above that of the list.

    Raises
    ------
    MalformedInputError
        No station of the list, a station whose height the list lacks, or one further than 1 m
        from that height.
    """
    listed = set(sites.name.tolist())
    own = [one for one in series if one.station in listed]
    if not own:
        raise MalformedInputError(
            "no station of the list of sites", where=where, expected="at least one",
            got=", ".join(one.station for one in series[:5]) + " ...",
            remedy="add the stations to the list of sites, with their heights")
    stations = sites.pick([one.station for one in own], where=where)
    day = np.unique(np.concatenate([one.day for one in own]))
    shape = (day.size, len(own))
    up_mm, sigma_mm = np.full(shape, np.nan), np.full(shape, np.nan)
    duplicated = np.zeros(shape, dtype=bool)
    for column, one in enumerate(own):
        row = np.searchsorted(day, one.day)
        above_mm = 1000.0 * (one.height_m - stations.height_m[column])
        up_mm[row, column] = np.round(one.up_mm + above_mm, 6)
        sigma_mm[row, column], duplicated[row, column] = one.up_sigma_mm, one.duplicated
        if not (np.abs(up_mm[row, column]) <= LARGEST_MM).all():
            raise MalformedInputError(
                "the height is not that of the list of sites", where=f"{where}, {one.station}",
                expected=f"within {LARGEST_MM:g} mm of {stations.height_m[column]} m",
                got=f"{one.height_m + one.up_mm[0] / 1000.0:.3f} m",
                remedy="correct the ellipsoidal height of the station in the list of sites")
    return gnss_dataset(day, stations, up_mm, sigma_mm, duplicated)
