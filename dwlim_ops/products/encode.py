"""A product as a netCDF-4 file, the same bytes whenever and wherever it is written."""

from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

import numpy as np
import xarray as xr

from dwlim_ops.errors import MalformedInputError
from dwlim_ops.products.daily import DayProduct

FILL: Final = np.float32(9.96921e36)
_DAYS: Final = {"units": "days since 1970-01-01", "calendar": "standard", "dtype": "int32",
                "_FillValue": None}
# One top group: compliance-checker 6.1 demands a dimension `time` of two or more groups.
STATIONS_GROUP: Final = "/displacements/stations"
SIMULATED_GROUP: Final = "/displacements/simulated_cells"


def write(product: DayProduct, path: Path) -> None:
    """Write the product: the grid at the root, the tables of displacements as groups."""
    parts = {"/": product.root, STATIONS_GROUP: product.stations,
             SIMULATED_GROUP: product.simulated_cells}
    tree = xr.DataTree.from_dict({name: _prepared(part) for name, part in parts.items()})
    tree.to_netcdf(path, engine="netcdf4")


def to_bytes(product: DayProduct) -> bytes:
    """Content of the file; equal products give equal bytes."""
    with TemporaryDirectory(prefix="dwlim-product-") as folder:
        path = Path(folder) / "product.nc"
        write(product, path)
        return path.read_bytes()


def read(path: Path) -> DayProduct:
    """Product from its file, loaded into memory.

    Raises
    ------
    MalformedInputError
        Not a netCDF file, or not one of ours.
    """
    try:
        groups = xr.open_groups(path, engine="netcdf4")
        loaded = {name: dataset.load() for name, dataset in groups.items()}
        for dataset in groups.values():
            dataset.close()
        return DayProduct(loaded["/"], loaded[STATIONS_GROUP], loaded[SIMULATED_GROUP])
    except (OSError, KeyError, ValueError) as error:
        raise MalformedInputError("not a product file", where=str(path), got=repr(error),
                                  expected="netCDF-4 with the groups of displacements",
                                  remedy="restore it from backup") from error


def _prepared(dataset: xr.Dataset) -> xr.Dataset:
    """Copy of the dataset with the encoding of each variable, sharing the values."""
    copy = dataset.copy()
    for variable in copy.variables:
        copy[variable].encoding = _encoding(copy[variable])
    return copy


def _encoding(variable: xr.DataArray) -> dict[str, Any]:
    # None keeps xarray from attaching the scalar coordinate to bounds and to static fields.
    encoding: dict[str, Any] = {} if variable.ndim in (1, 3) else {"coordinates": None}
    if variable.dtype.kind == "M":
        encoding |= _DAYS
    elif variable.dtype == np.float32 and variable.name != "land_fraction":
        encoding["_FillValue"] = FILL
    elif variable.dtype.kind == "f":
        encoding["_FillValue"] = None
    if variable.ndim >= 2 and variable.dtype.itemsize <= 4:
        encoding |= {"zlib": True, "complevel": 4, "shuffle": True}
    return encoding
