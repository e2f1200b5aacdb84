"""GRACE water storage for comparison."""

from pathlib import Path

import xarray as xr

from dwlim_ops.contracts import GRACE, check
from dwlim_ops.errors import MalformedInputError
from dwlim_ops.sources.formats.gridded import normalise_grid


def read_grace(path: Path) -> xr.Dataset:
    """Monthly water storage anomaly, contract `GRACE`, with `time_bounds` (time, 2).

    Raises
    ------
    MalformedInputError
        Not a netCDF file with these variables.
    """
    try:
        with xr.open_dataset(path) as data:
            loaded = normalise_grid(data.load(), where=str(path))
    except (OSError, ValueError) as error:
        raise MalformedInputError("not readable as gridded water storage", where=str(path),
                                  expected="netCDF with time, lat, lon", got=repr(error)) from error
    return check(loaded, GRACE, where=str(path))
