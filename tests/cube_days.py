"""Made-up daily products for tests of the cube: small, and every value follows from the issue."""

import hashlib
from collections.abc import Iterable
from datetime import date, timedelta

import numpy as np
import xarray as xr

from dwlim_ops.errors import MalformedInputError
from dwlim_ops.publish.cube_layout import Issue

REGION = "toy"
FIRST = date(2016, 2, 20)
N_LAT, N_LON = 5, 7
MAPS = ("twsa", "twsa_sigma", "twsa_tragnss")
#: Revisions from here on have the second estimate too.
WITH_SECOND_ESTIMATE = 2


def day(number: int) -> date:
    return FIRST + timedelta(days=number)


def issue(number: int, revision: int = 0) -> Issue:
    name = f"twsa_{REGION}_{day(number):%Y%m%d}_r{revision:02d}"
    return Issue(day(number), name, "preview" if revision == 0 else "definitive", revision,
                 hashlib.sha256(name.encode()).hexdigest())


def issues(*which: int | tuple[int, int]) -> dict[date, Issue]:
    """By number of the day, or by number and revision."""
    made = [issue(*one) if isinstance(one, tuple) else issue(one) for one in which]
    return {one.day: one for one in made}


def grid(one: Issue, *, west: float = 10.0) -> xr.Dataset:
    """A product's grid: multiples of 2^-8; sea on one side.

    The first cell tells day, revision and variable, the others have noise beside, so that chunks
    are files of their own.
    """
    shape, number = (1, N_LAT, N_LON), (one.day - FIRST).days
    noise = np.random.default_rng([abs(number), one.revision]).integers(0, 2**12, shape) * 2.0**-8
    noise[0, 0, 0] = 0.0
    sea = np.zeros(shape, dtype=bool)
    sea[..., -1] = True
    dims = ("time", "lat", "lon")
    names = (*MAPS, *(("twsa_dwlim",) if one.revision >= WITH_SECOND_ESTIMATE else ()))
    variables: dict[str, tuple] = {
        name: (dims, np.where(sea, np.nan, number + one.revision * 2.0**-2 + 1000 * which
                              + noise).astype(np.float32),
               {"units": "kg m-2", "grid_mapping": "crs", "long_name": name,
                "comment": "mm of water; estimate tragnss: stations"})
        for which, name in enumerate(names)}
    variables["quality_flag"] = (dims, np.where(sea, 32, one.revision).astype(np.uint8), {
        "flag_masks": np.array([1, 32], np.uint8), "flag_meanings": "low_resolution outside_land"})
    variables["land_fraction"] = (("lat", "lon"), 1.0 - sea[0].astype(np.float32), {"units": "1"})
    variables["crs"] = ((), np.int32(0), {"semi_major_axis": 6378137.0})
    midnight = np.datetime64(one.day, "ns")
    variables["time_bnds"] = (("time", "bnds"), np.array(
        [[midnight, midnight + np.timedelta64(1, "D")]]))
    return xr.Dataset(variables, coords={
        "time": (("time",), np.array([midnight])),
        "lat": (("lat",), 40.25 + 0.5 * np.arange(N_LAT), {"units": "degrees_north"}),
        "lon": (("lon",), west + 0.25 + 0.5 * np.arange(N_LON), {"units": "degrees_east"}),
        "height": ((), 0.0, {"units": "m"}),
    }, attrs={"title": f"Daily anomaly, Toyland, {one.day}", "region": REGION,
              "published_method": "tragnss", "license": "none", "tier": one.tier})


def losing(*lost: Issue):
    """A loader of products of which some are lost."""
    names: Iterable[str] = {one.product_id for one in lost}

    def load(one: Issue) -> xr.Dataset:
        if one.product_id in names:
            raise MalformedInputError("not a product file", where=one.product_id)
        return grid(one)

    return load
