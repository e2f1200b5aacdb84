"""Wrote the file of which `hanging.nc` is a copy with two changed bytes (see README.md)."""

import sys

import netCDF4
import numpy as np

with netCDF4.Dataset(sys.argv[1], "w") as file:
    for name, size in (("valid_time", 25), ("latitude", 5), ("longitude", 6)):
        file.createDimension(name, size)
    time = file.createVariable("valid_time", "i8", ("valid_time",))
    time.units = "seconds since 1970-01-01"
    time[:] = 1_700_000_000 + 3600 * np.arange(25)
    file.createVariable("latitude", "f8", ("latitude",))[:] = 50 - 0.25 * np.arange(5)
    file.createVariable("longitude", "f8", ("longitude",))[:] = 10 + 0.25 * np.arange(6)
    expver = file.createVariable("expver", str, ("valid_time",))
    expver[:] = np.array(["0005"] * 25, object)
    pressure = file.createVariable("sp", "f4", ("valid_time", "latitude", "longitude"), zlib=True,
                                   fill_value=np.nan)
    pressure.units = "Pa"
    pressure[:] = 1e5 + np.random.default_rng(0).random((25, 5, 6))
