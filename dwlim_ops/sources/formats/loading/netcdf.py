"""netCDF from memory, and time axes decoded by hand."""

import datetime
import re
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from typing import Final

import netCDF4
import numpy as np
import xarray as xr
from numpy.typing import NDArray

from dwlim_ops.errors import MalformedInputError
from dwlim_ops.sources.formats.grids.isolated import Decoder, IsolatedReader

Instants = NDArray[np.datetime64]

MAGIC: Final = (b"\x89HDF\r\n\x1a\n", b"CDF\x01", b"CDF\x02", b"CDF\x05")
_SECONDS: Final = {"second": 1.0, "minute": 60.0, "hour": 3600.0, "day": 86400.0}
_UNITS: Final = re.compile(
    r"(second|minute|hour|day)s?\s+since\s+(\d{4})-(\d{1,2})-(\d{1,2})"
    r"(?:[T ](\d{1,2}):(\d{2})(?::(\d{2})(?:\.0*)?)?)?\s*(?:Z|UTC|\+00:?00)?", re.IGNORECASE)
_LARGEST_SECONDS: Final = 1e11


def decoded_apart(decode: Decoder, content: bytes, *, where: str) -> xr.Dataset:
    """`decode(content, where=where)` in a second process, which damaged files may crash or hang.

    Raises
    ------
    MalformedInputError
        Not netCDF, or what `decode` raises.
    """
    if not content.startswith(MAGIC):
        raise MalformedInputError("not a netCDF file", where=where, expected="CDF or HDF5",
                                  got=f"starts with {content[:12]!r}",
                                  remedy="get the file again from its provider")
    return _reader().read(decode, content, where=where)


@cache
def _reader() -> IsolatedReader:
    return IsolatedReader()


@contextmanager
def netcdf_dataset(content: bytes) -> Iterator[xr.Dataset]:
    """An open dataset, times as stored, fill values as NaN; closed at the end."""
    with netCDF4.Dataset("memory", memory=content) as file, warnings.catch_warnings():
        warnings.simplefilter("ignore", xr.SerializationWarning)
        store = xr.backends.NetCDF4DataStore(file)
        yield xr.open_dataset(store, decode_times=False, cache=False)


def decoded_time(data: xr.Dataset, name: str, *, where: str, units: str | None = None) -> Instants:
    """Instants of a time variable, UTC, to the minute.

    Parameters
    ----------
    data : xarray.Dataset
        Times as stored: numbers and an attribute such as "days since 2002-01-01T00:00:00Z".
    units : str, optional
        In place of the variable's own attribute `units`, for variables that lack it.

    Raises
    ------
    MalformedInputError
        No such variable, no such units, another calendar, or a time that is no number.
    """
    place = f"{where}: {name}"
    if name not in data.variables:
        raise MalformedInputError("no time axis", where=place, expected=name,
                                  got=", ".join(map(str, data.variables)))
    variable = data.variables[name]
    text = str(variable.attrs.get("units", "")) if units is None else units
    calendar = str(variable.attrs.get("calendar", "standard")).lower()
    match = _UNITS.fullmatch(text.strip())
    if match is None or calendar not in {"standard", "gregorian", "proleptic_gregorian"}:
        raise MalformedInputError(
            "time axis without a known unit", where=place, got=f"{text!r}, calendar {calendar!r}",
            expected='"days since yyyy-mm-dd hh:mm:ss" in the Gregorian calendar')
    values = np.asarray(data[name].values)
    unit, *parts = match.groups(default="0")
    try:
        epoch = datetime.datetime(*(int(part) for part in parts))  # type: ignore[arg-type]  # noqa: DTZ001
        seconds = values.astype(float) * _SECONDS[unit.lower()]
    except ValueError as error:
        raise MalformedInputError("time axis without a known unit", where=place, got=text,
                                  expected="a date of the calendar") from error
    if not (np.abs(seconds) < _LARGEST_SECONDS).all():
        raise MalformedInputError("time is not a number", where=place, expected="finite times",
                                  got=f"{np.max(np.abs(seconds)):g} s")
    minutes = np.rint(seconds / 60.0).astype("timedelta64[m]")
    return np.asarray(np.datetime64(epoch, "s") + minutes)
