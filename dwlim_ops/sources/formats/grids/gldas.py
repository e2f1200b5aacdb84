"""GLDAS-2.2 CLSM, one day a file: whole netCDF-4 files and their DAP4 subsets."""

import datetime
import re
from typing import Final

import numpy as np
import xarray as xr

from dwlim_ops.errors import MalformedInputError
from dwlim_ops.sources.formats.grids.read import read_grid

VARIABLE: Final = "AvgSurfT_tavg"
VERSION: Final = "2.2"
SHORT_NAME: Final = {"gldas_da": "GLDAS_CLSM025_DA1_D", "gldas_ep": "GLDAS_CLSM025_DA1_D_EP"}
_FILL: Final = -9999.0
_NAME: Final = re.compile(r"GLDAS_CLSM025_DA1_D(?:_EP)?\.A(\d{8})\.\d{3}\.nc4")


def day_of(file_name: str) -> datetime.date:
    """The day in the name of a file.

    Raises
    ------
    MalformedInputError
        Not a name of this product.

    >>> day_of("GLDAS_CLSM025_DA1_D_EP.A20200229.022.nc4")
    datetime.date(2020, 2, 29)
    """
    match = _NAME.fullmatch(file_name)
    try:
        if match:
            return datetime.date.fromisoformat(match[1])
    except ValueError:
        pass
    raise MalformedInputError("not a daily file of GLDAS-2.2", where=file_name,
                              expected="GLDAS_CLSM025_DA1_D[_EP].AYYYYMMDD.022.nc4")


def read_gldas(content: bytes, file_name: str) -> xr.Dataset:
    """Daily mean temperature of the land's skin.

    Parameters
    ----------
    content : bytes
        The whole file, or a DAP4 subset that holds `AvgSurfT_tavg`, `lat`, `lon` and `time`.
    file_name : str
        Names the day.

    Returns
    -------
    xarray.Dataset
        `temperature_k` (time, lat, lon), K, NaN at sea and on ice; `time` is the one day.

    Raises
    ------
    MalformedInputError
        Another product, unit or day; several days; no land at all.
    """
    day = day_of(file_name)
    grid = read_grid(content, where=file_name)
    if VARIABLE not in grid or grid[VARIABLE].attrs.get("units") != "K":
        raise _bad("no skin temperature", file_name, f"{VARIABLE} in K", str(list(grid)))
    labels = np.unique(grid["time"].values.astype("datetime64[D]"))
    if grid.sizes["time"] != 1 or labels[0] != np.datetime64(day):
        raise _bad("another day than the name says", file_name, str(day),
                   ", ".join(map(str, labels[:3])))
    values = grid[VARIABLE].where(grid[VARIABLE] != _FILL)
    if not values.notnull().any():
        raise _bad("no value on land", file_name, "temperatures", "fill values only")
    return xr.Dataset({"temperature_k": values.assign_coords(time=labels.astype("datetime64[ns]"))})


def _bad(what: str, where: str, expected: str, got: str) -> MalformedInputError:
    return MalformedInputError(what, where=where, expected=expected, got=got,
                               remedy="look whether the product has changed")
