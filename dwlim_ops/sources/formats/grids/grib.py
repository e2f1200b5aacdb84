"""GRIB messages, edition 1 and 2, on regular latitude-longitude grids."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import pyproj  # noqa: F401  # before eccodes: both carry PROJ, the other order crashes at exit
import xarray as xr
from numpy.typing import NDArray

from dwlim_ops.errors import MalformedInputError
from dwlim_ops.sources.formats.gridded import normalise_grid

import eccodes  # isort: skip

Field = NDArray[np.float32]

MOST_POINTS: Final = 20_000_000
MOST_VALUES: Final = 1_000_000_000
_MISSING: Final = -1.7e38
_UNPHYSICAL: Final = 1e30
_HEADER_BYTES: Final = 16
_NO_PADDING: Final = re.compile(rb"[^\0]")


@dataclass(frozen=True)
class _Message:
    name: str
    units: str
    time: np.datetime64
    expver: str
    axes: tuple[float, ...]
    values: Field


def read_grib(content: bytes, *, where: str) -> xr.Dataset:
    """All fields of a GRIB file, one variable per `shortName`.

    Parameters
    ----------
    content : bytes
        Messages one after the other, padding allowed between them; instantaneous fields.
    where : str
        Name of the file, for messages.

    Returns
    -------
    xarray.Dataset
        Variables (time, lat, lon), float32, NaN where a message or value is missing or beyond
        1e30, attribute `units`; coordinates as `normalise_grid` gives them, `time` the valid
        time, and `expver` (time,), the experiment version, "" if there is none. Of two versions
        of a field, final ("0001") is taken; a time that still holds a preliminary field is marked
        "0005".

    Raises
    ------
    MalformedInputError
        Truncated, not GRIB, another kind of grid or of time processing, several grids, the same
        field twice.
    """
    chosen: dict[tuple[str, np.datetime64], _Message] = {}
    n_points = 0
    for raw in split_messages(content, where=where):
        message = _decode(raw, where)
        n_points += message.values.size
        if n_points > MOST_VALUES:
            raise _bad("fields are too large", where, f"at most {MOST_VALUES} values", "more")
        rival = chosen.get((message.name, message.time))
        if rival is None or (rival.expver != message.expver and message.expver == "0001"):
            chosen[message.name, message.time] = message
        elif rival.expver == message.expver:
            raise _bad("the same field twice", where, "one message per variable and time",
                       f"{message.name} at {message.time}")
    return _assemble(list(chosen.values()), where)


def split_messages(content: bytes, *, where: str) -> list[bytes]:
    """The single messages, each whole from `GRIB` to `7777`.

    Raises
    ------
    MalformedInputError
        No message, bytes between messages that are no padding, or a message cut off.
    """
    messages = list(_messages(content, where))
    if not messages:
        raise _bad("file is empty", where, "GRIB messages", f"{len(content)} bytes")
    return messages


def _messages(content: bytes, where: str) -> Iterator[bytes]:
    start = 0
    while (found := _NO_PADDING.search(content, start)) is not None:
        start = found.start()
        header = content[start : start + _HEADER_BYTES]
        if header[:4] != b"GRIB" or len(header) < _HEADER_BYTES or header[7] not in {1, 2}:
            raise _bad("not a GRIB message", f"{where}, byte {start}", "GRIB edition 1 or 2",
                       repr(header))
        length = int.from_bytes(header[4:7] if header[7] == 1 else header[8:16], "big")
        message = content[start : start + length]
        if len(message) != length or message[-4:] != b"7777":
            raise _bad("GRIB message is cut off", f"{where}, byte {start}",
                       f"{length} bytes that end in 7777",
                       f"{len(message)} bytes that end in {message[-4:]!r}")
        yield message
        start += length


def _decode(raw: bytes, where: str) -> _Message:
    try:
        handle = eccodes.codes_new_from_message(raw)
        try:
            return _message(handle, where)
        finally:
            eccodes.codes_release(handle)
    except (eccodes.CodesInternalError, ValueError) as error:
        raise _bad("GRIB message cannot be decoded", where, "a valid message",
                   repr(error)) from error


def _message(handle: int, where: str) -> _Message:
    def get(key: str) -> Any:
        return eccodes.codes_get(handle, key)

    for key, expected in (("gridType", "regular_ll"), ("stepType", "instant"),
                          ("jPointsAreConsecutive", 0)):
        if get(key) != expected:
            raise _bad("another kind of field", f"{where}: {get('shortName')}",
                       f"{key} {expected}", str(get(key)))
    columns, rows = get("Ni"), get("Nj")
    if not 0 < columns * rows <= MOST_POINTS or get("numberOfPoints") != columns * rows:
        raise _bad("impossible grid", where, f"1 to {MOST_POINTS} points", f"{rows} x {columns}")
    eccodes.codes_set(handle, "missingValue", _MISSING)
    values = eccodes.codes_get_values(handle)
    values[~(np.abs(values) < _UNPHYSICAL)] = np.nan
    corners = tuple(
        float(get(f"{axis}Of{end}GridPointInDegrees"))
        for axis in ("latitude", "longitude") for end in ("First", "Last"))
    south_first, north_last, west, east = corners
    if get("iScansNegatively"):
        west += 360.0 * (west < east)
    else:
        east += 360.0 * (east < west)
    return _Message(
        get("shortName"), get("units"), _valid_time(get("validityDate"), get("validityTime")),
        _expver(handle), (south_first, north_last, rows, west, east, columns),
        values.reshape(rows, columns).astype(np.float32))


def _valid_time(date: int, time: int) -> np.datetime64:
    text = f"{date:08d}"
    return np.datetime64(f"{text[:4]}-{text[4:6]}-{text[6:]}T{time // 100:02d}:{time % 100:02d}",
                         "ns")


def _expver(handle: int) -> str:
    try:
        return str(eccodes.codes_get(handle, "expver", str))
    except eccodes.KeyValueNotFoundError:
        return ""


def _assemble(messages: list[_Message], where: str) -> xr.Dataset:
    axes = {message.axes for message in messages}
    if len(axes) > 1:
        raise _bad("several grids in one file", where, "the same grid for every field",
                   f"{len(axes)} grids")
    first, last, rows, west, east, columns = axes.pop()
    versions: dict[np.datetime64, set[str]] = {}
    for message in messages:
        versions.setdefault(message.time, set()).add(message.expver)
    times = sorted(versions)
    row = {time: number for number, time in enumerate(times)}
    units = {message.name: message.units for message in messages}
    shape = (len(times), int(rows), int(columns))
    fields = {name: np.full(shape, np.nan, dtype=np.float32) for name in units}
    for message in messages:
        fields[message.name][row[message.time]] = message.values
    dataset = xr.Dataset(
        {name: (("time", "lat", "lon"), field, {"units": units[name]})
         for name, field in fields.items()},
        {"time": np.array(times, dtype="datetime64[ns]"),
         "expver": ("time", np.array([_worst(versions[time]) for time in times])),
         "lat": np.linspace(first, last, int(rows)), "lon": np.linspace(west, east, int(columns))},
    )
    return normalise_grid(dataset, where=where)


def _worst(versions: set[str]) -> str:
    return max(versions - {"0001"}, default="0001")


def _bad(what: str, where: str, expected: str, got: str) -> MalformedInputError:
    return MalformedInputError(what, where=where, expected=expected, got=got,
                               remedy="get the file again; ask for a regular grid in GRIB")
