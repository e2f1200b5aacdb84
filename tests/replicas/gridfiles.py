"""Files of gridded fields: netCDF-4, netCDF classic and GRIB, as bytes.

netCDF-4 is written by h5py, whose HDF5 library and lock are its own: a replica's thread may write
while a test reads through netCDF4, which is not safe to use from two threads.
"""

import io
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import h5py
import numpy as np
import pyproj  # noqa: F401  # before eccodes: both carry PROJ, the other order crashes at exit
from numpy.typing import NDArray
from scipy.io import netcdf_file

import eccodes  # isort: skip

Attributes = Mapping[str, Any]
_DIMENSION_ONLY: Final = "This is a netCDF dimension but not a netCDF variable.%10d"


@dataclass(frozen=True)
class Variable:
    """Values with dimensions and attributes.

    `fill` is the fill value. With `at`, `values` are a block of an array of that `shape`; what
    lies outside the block is fill and takes no room.
    """

    dims: tuple[str, ...]
    values: NDArray[Any]
    attributes: Attributes = field(default_factory=dict)
    fill: float | None = None
    shape: tuple[int, ...] = ()
    at: tuple[slice, ...] = ()
    chunks: tuple[int, ...] | None = None


def netcdf4_file(
    variables: Mapping[str, Variable], attributes: Attributes, *,
    dimensions: Mapping[str, int] | None = None, compress: bool = False,
) -> bytes:
    """A netCDF-4 file; a variable named as its only dimension is a coordinate.

    `dimensions` are those without a coordinate variable. Without `compress` the size depends on
    the shapes alone.
    """
    content = io.BytesIO()
    packing = {"compression": "gzip", "compression_opts": 1, "shuffle": True} if compress else {}
    with h5py.File(content, "w", track_order=True, libver=("earliest", "v110")) as file:
        for name, length in (dimensions or {}).items():
            scale = file.create_dataset(name, shape=(length,), dtype=">f4", track_order=True)
            scale.make_scale(_DIMENSION_ONLY % length)
        for name, variable in variables.items():
            _write(file, name, variable, packing)
        for name, variable in variables.items():
            for number, dim in enumerate(variable.dims):
                if variable.dims != (name,):
                    file[name].dims[number].attach_scale(file[dim])
        _set(file, attributes)
    return content.getvalue()


def _write(file: h5py.File, name: str, variable: Variable, packing: dict[str, Any]) -> None:
    values = variable.values
    options: dict[str, Any] = dict(packing) if values.ndim else {}
    if values.dtype.kind == "U":
        values, options = values.astype(object), {"dtype": h5py.string_dtype()}
    if variable.fill is not None:
        options["fillvalue"] = variable.fill
    if variable.at:
        data = file.create_dataset(name, variable.shape, values.dtype, chunks=variable.chunks,
                                   track_order=True, **options)
        data[variable.at] = values
    else:
        data = file.create_dataset(name, data=values, track_order=True, **options)
    if variable.dims == (name,):
        data.make_scale(name)
    if variable.fill is not None:
        data.attrs["_FillValue"] = np.array([variable.fill], dtype=values.dtype)
    _set(data, variable.attributes)


def _set(target: Any, attributes: Attributes) -> None:
    for name, value in attributes.items():
        target.attrs[name] = np.bytes_(value) if isinstance(value, str) else np.array([value])


def classic_file(
    variables: Mapping[str, Variable], attributes: Attributes, dimensions: Mapping[str, int]
) -> bytes:
    """A netCDF classic file (`CDF\\x01`)."""
    content = io.BytesIO()
    file = netcdf_file(content, "w", version=1)
    for name, length in dimensions.items():
        file.createDimension(name, length)
    for name, variable in variables.items():
        data = file.createVariable(name, variable.values.dtype, variable.dims)
        data[...] = variable.values
        fill = {} if variable.fill is None else {
            "_FillValue": variable.values.dtype.type(variable.fill)}
        for key, value in {**fill, **variable.attributes}.items():
            setattr(data, key, value)
    for key, value in attributes.items():
        setattr(file, key, value)
    file.flush()
    copied = content.getvalue()
    file.close()
    return copied


def grib_message(
    values: NDArray[np.float64], longitude_deg: NDArray[np.float64],
    latitude_deg: NDArray[np.float64], keys: Mapping[str, Any], *, edition: int,
) -> bytes:
    """One message on a regular grid.

    Parameters
    ----------
    values : (n_lat, n_lon)
        From north to south, as GRIB wants it; so must `latitude_deg` be.
    keys : mapping
        ecCodes keys, set in this order after the grid.
    """
    message = eccodes.codes_grib_new_from_samples(f"regular_ll_sfc_grib{edition}")
    try:
        step = {"i": longitude_deg, "j": latitude_deg}
        grid = {
            "Ni": longitude_deg.size, "Nj": latitude_deg.size,
            "latitudeOfFirstGridPointInDegrees": latitude_deg[0],
            "latitudeOfLastGridPointInDegrees": latitude_deg[-1],
            "longitudeOfFirstGridPointInDegrees": longitude_deg[0],
            "longitudeOfLastGridPointInDegrees": longitude_deg[-1],
            **{f"{axis}DirectionIncrementInDegrees": abs(nodes[-1] - nodes[0])
               / max(nodes.size - 1, 1) for axis, nodes in step.items()},
        }
        for key, value in {**grid, **keys}.items():
            eccodes.codes_set(message, key, value.item() if hasattr(value, "item") else value)
        eccodes.codes_set_values(message, values.ravel())
        return eccodes.codes_get_message(message)
    finally:
        eccodes.codes_release(message)
