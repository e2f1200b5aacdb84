"""Any gridded file, by its first bytes."""

from functools import cache
from typing import Final

import xarray as xr

from dwlim_ops.errors import MalformedInputError
from dwlim_ops.sources.formats.grids.isolated import Decoder, IsolatedReader
from dwlim_ops.sources.http import safe_zip_member

GRIB: Final = b"GRIB"
HDF: Final = b"\x89HDF\r\n\x1a\n"
ZIP: Final = b"PK\x03\x04"
MAGIC: Final = (GRIB, HDF, b"CDF\x01", b"CDF\x02", b"CDF\x05", ZIP)
ENDINGS: Final = (".nc", ".nc4", ".grib", ".grib2", ".grb", ".grb2")
_IN_ZIP: Final = ("stepType-instant.nc", "data.nc", ".grib", ".grib2", ".grb", ".grb2")
_MOST_BYTES: Final = 2 * 2**30


def read_grid(content: bytes, *, where: str) -> xr.Dataset:
    """Fields of a GRIB or netCDF file, plain or as the one instantaneous member of a zip.

    Parameters
    ----------
    content : bytes
        The file as received.
    where : str
        Name of the file, for messages.

    Returns
    -------
    xarray.Dataset
        Variables (time, lat, lon), float32, by the file's own names, with attribute `units`; NaN
        where absent. `time` ascending, datetime64[ns] UTC; `lat` ascending; `lon` ascending in
        [-180, 180); `expver` (time,), "" where the file names no experiment version.

    Raises
    ------
    MalformedInputError
        Another kind of file; truncated, damaged, not a regular grid; or decoding it crashes or
        does not end.
    """
    if content.startswith(ZIP):
        _, content = safe_zip_member(content, endings=_IN_ZIP, max_bytes=_MOST_BYTES)
    decode: Decoder = _decode_grib if content.startswith(GRIB) else _decode_netcdf
    if not content.startswith(MAGIC) or content.startswith(ZIP):
        raise MalformedInputError(
            "neither GRIB nor netCDF", where=where, expected="the first bytes of such a file",
            got=repr(content[:40]), remedy="get the file again; look at it as text")
    return _reader().read(decode, content, where=where)


def _decode_grib(content: bytes, *, where: str) -> xr.Dataset:
    """Imports in the child only: ecCodes carries a PROJ that disturbs that of pyproj."""
    from dwlim_ops.sources.formats.grids.grib import read_grib

    return read_grib(content, where=where)


def _decode_netcdf(content: bytes, *, where: str) -> xr.Dataset:
    from dwlim_ops.sources.formats.grids.netcdf import read_netcdf

    return read_netcdf(content, where=where)


@cache
def _reader() -> IsolatedReader:
    return IsolatedReader()
