"""What a CDS request asks for, and its answer as GRIB1 or in one of the netCDF layouts."""

import datetime as dt
import io
import zipfile
from dataclasses import dataclass, replace
from typing import Any, Final, Literal

import numpy as np
from numpy.typing import NDArray

from tests.replicas import fields
from tests.replicas.fields import Array
from tests.replicas.gridfiles import Variable, classic_file, grib_message, netcdf4_file
from tests.replicas.world import Box, World

Layout = Literal["grib", "netcdf", "old_netcdf", "old_expver_netcdf"]

#: CDS name: short name, parameter, unit, long name, field.
VARIABLES: Final = {
    "surface_pressure": ("sp", 134, "Pa", "Surface pressure", fields.pressure_pa),
    "skin_temperature": ("skt", 235, "K", "Skin temperature", fields.skin_temperature_k),
    "geopotential": ("z", 129, "m**2 s**-2", "Geopotential", fields.geopotential_m2_s2),
}
_STANDARD_NAME: Final = {"sp": "surface_air_pressure", "skt": "surface_temperature",
                         "z": "geopotential"}


class BadRequestError(Exception):
    """The request is wrong or asks for nothing that is out; the text goes to the client."""


@dataclass(frozen=True)
class Asked:
    """A request, understood."""

    variables: tuple[str, ...]
    hours: tuple[dt.datetime, ...]
    longitude_deg: Array
    latitude_deg: Array
    layout: Layout
    zipped: bool


def understand(request: dict[str, Any]) -> Asked:
    """Read the `inputs` of an execution.

    Raises
    ------
    BadRequestError
        A key is absent or has a value that the service refuses.
    """
    unknown = set(_list(request, "variable")) - set(VARIABLES)
    if unknown or "variable" not in request:
        raise BadRequestError(f"invalid variable: {sorted(unknown)}")
    if "reanalysis" not in _list(request, "product_type"):
        raise BadRequestError("invalid product_type")
    layout = request.get("data_format", "grib")
    if layout == "netcdf_legacy":
        raise BadRequestError("The 'netcdf_legacy' format is deprecated and no longer supported.")
    if layout not in {"grib", "netcdf"}:
        raise BadRequestError(f"invalid data_format: {layout}")
    north, west, south, east = map(float, request.get("area", (90.0, -180.0, -90.0, 179.75)))
    step = float(_list(request, "grid")[0]) if "grid" in request else 0.25
    longitude, latitude = Box(west, south, east, north).axes(step)
    hours = [dt.datetime.combine(day, dt.time.fromisoformat(time), dt.UTC)
             for day in _days(request) for time in _list(request, "time")]
    if not hours or longitude.size * latitude.size == 0:
        raise BadRequestError("the request selects nothing")
    return Asked(tuple(_list(request, "variable")), tuple(sorted(hours)), longitude,
                 latitude[::-1], layout, request.get("download_format") == "zip")


def _list(request: dict[str, Any], key: str) -> list[str]:
    value = request.get(key, [])
    return [value] if isinstance(value, str) else [str(one) for one in value]


def _days(request: dict[str, Any]) -> list[dt.date]:
    try:
        if "date" not in request:
            return [dt.date(int(y), int(m), int(d)) for y in _list(request, "year")
                    for m in _list(request, "month") for d in _list(request, "day")]
        found = []
        for text in _list(request, "date"):
            first, _, last = text.partition("/")
            start, stop = dt.date.fromisoformat(first), dt.date.fromisoformat(last or first)
            found += [start + dt.timedelta(days=k) for k in range((stop - start).days + 1)]
    except ValueError as error:
        raise BadRequestError(f"invalid date: {error}") from error
    return found


def available(asked: Asked, world: World) -> Asked:
    """The same request with the hours that are out.

    Raises
    ------
    BadRequestError
        There are none.
    """
    last = world.era5_last_hour()
    hours = tuple(hour for hour in asked.hours if hour <= last)
    if not hours:
        raise BadRequestError("None of the data you have requested is available yet, please revise"
                              f" the period requested. The latest date available for this dataset"
                              f" is: {last:%Y-%m-%d %H:%M}")
    return replace(asked, hours=hours)


def expvers(asked: Asked, world: World) -> list[str]:
    """`0001` or `0005` of every hour."""
    until = world.era5_final_until()
    return ["0001" if hour.date() <= until else "0005" for hour in asked.hours]


def encode(asked: Asked, expver: list[str]) -> bytes:
    """The file that the service would send."""
    writers = {"grib": _grib, "netcdf": _netcdf, "old_netcdf": _old_netcdf,
               "old_expver_netcdf": _old_expver_netcdf}
    return writers[asked.layout](asked, expver)


def zipped(content: bytes, layout: Layout) -> bytes:
    """What comes with download_format zip, or when the service feels like it."""
    name = "data.grib" if layout == "grib" else "data_stream-oper_stepType-instant.nc"
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(zipfile.ZipInfo(name, (2026, 1, 1, 0, 0, 0)), content)
    return buffer.getvalue()


def values_of(asked: Asked, variable: str) -> Array:
    """Values, shape (hour, latitude from north to south, longitude)."""
    longitude, latitude = np.meshgrid(asked.longitude_deg, asked.latitude_deg)
    time = np.array([hour.replace(tzinfo=None) for hour in asked.hours], "datetime64[m]")
    flat = VARIABLES[variable][4](time, longitude.ravel(), latitude.ravel())
    return flat.reshape(time.size, *longitude.shape)


def _grib(asked: Asked, expver: list[str]) -> bytes:
    values = {name: values_of(asked, name) for name in asked.variables}
    messages = []
    for number, hour in enumerate(asked.hours):
        for name in asked.variables:
            keys = {"bitsPerValue": 16, "class": "ea", "expver": expver[number],
                    "dataDate": int(f"{hour:%Y%m%d}"), "dataTime": hour.hour * 100,
                    "paramId": VARIABLES[name][1]}
            messages.append(grib_message(values[name][number], asked.longitude_deg,
                                         asked.latitude_deg, keys, edition=1))
    return b"".join(messages)


def _axes(asked: Asked) -> dict[str, Variable]:
    return {
        "latitude": Variable(("latitude",), asked.latitude_deg, {
            "units": "degrees_north", "standard_name": "latitude", "long_name": "latitude",
            "stored_direction": "decreasing"}, fill=np.nan),
        "longitude": Variable(("longitude",), asked.longitude_deg, {
            "units": "degrees_east", "standard_name": "longitude", "long_name": "longitude"},
            fill=np.nan),
    }


def _netcdf(asked: Asked, expver: list[str]) -> bytes:
    """The layout seen on 2026-09-25: `valid_time`, scalar `number`, strings `expver`."""
    grid = ("valid_time", "latitude", "longitude")
    seconds = np.array([int(hour.timestamp()) for hour in asked.hours], np.int64)
    variables = {
        "number": Variable((), np.array(0, np.int64), {
            "long_name": "ensemble member numerical id", "units": "1",
            "standard_name": "realization"}),
        "valid_time": Variable(("valid_time",), seconds, {
            "long_name": "time", "standard_name": "time", "units": "seconds since 1970-01-01",
            "calendar": "proleptic_gregorian"}),
        **_axes(asked), "expver": Variable(("valid_time",), np.array(expver, "U4")),
    }
    for name in asked.variables:
        short, parameter, unit, meaning, _ = VARIABLES[name]
        variables[short] = Variable(grid, values_of(asked, name).astype(np.float32), {
            "GRIB_paramId": parameter, "GRIB_dataType": "an", "GRIB_shortName": short,
            "GRIB_stepType": "instant", "long_name": meaning, "units": unit,
            "standard_name": _STANDARD_NAME[short],
            "coordinates": "number valid_time latitude longitude expver"}, fill=np.nan)
    return netcdf4_file(variables, {
        "GRIB_centre": "ecmf", "Conventions": "CF-1.7",
        "institution": "European Centre for Medium-Range Weather Forecasts",
        "history": "GRIB to CDM+CF via cfgrib-0.9.15.1/ecCodes-2.48.2"}, compress=True)


def _old_netcdf(asked: Asked, _: list[str]) -> bytes:
    packed = {name: _pack(values_of(asked, name)) for name in asked.variables}
    return _classic(asked, packed, {}, ("time", "latitude", "longitude"))


def _old_expver_netcdf(asked: Asked, expver: list[str]) -> bytes:
    """Values of one stream only at each hour, fill in the other."""
    first = np.array(expver)[:, None, None] == "0001"
    packed = {}
    for name in asked.variables:
        values = values_of(asked, name)
        both = np.stack([np.where(first, values, np.nan), np.where(first, np.nan, values)], axis=1)
        packed[name] = _pack(both)
    extra = {"expver": Variable(("expver",), np.array([1, 5], np.int32), {
        "long_name": "experimentVersionNumber"})}
    return _classic(asked, packed, extra, ("time", "expver", "latitude", "longitude"))


def _pack(values: Array) -> tuple[NDArray[np.int16], float, float]:
    low, high = np.nanmin(values), np.nanmax(values)
    scale, offset = float(high - low) / 65_000 or 1.0, float(high + low) / 2
    packed = np.where(np.isnan(values), -32_767, np.round((values - offset) / scale))
    return packed.astype(np.int16), scale, offset


def _classic(
    asked: Asked, packed: dict[str, tuple[NDArray[np.int16], float, float]],
    extra: dict[str, Variable], grid: tuple[str, ...],
) -> bytes:
    hours = np.array([int(hour.timestamp()) // 3600 + 613_608 for hour in asked.hours], np.int32)
    variables = {
        "longitude": Variable(("longitude",), asked.longitude_deg.astype(np.float32), {
            "units": "degrees_east", "long_name": "longitude"}),
        "latitude": Variable(("latitude",), asked.latitude_deg.astype(np.float32), {
            "units": "degrees_north", "long_name": "latitude"}),
        **extra,
        "time": Variable(("time",), hours, {
            "units": "hours since 1900-01-01 00:00:00.0", "long_name": "time",
            "calendar": "gregorian"}),
    }
    for name, (values, scale, offset) in packed.items():
        short, _, unit, meaning, _ = VARIABLES[name]
        variables[short] = Variable(grid, values, {
            "scale_factor": scale, "add_offset": offset, "missing_value": np.int16(-32_767),
            "units": unit, "long_name": meaning, "standard_name": _STANDARD_NAME[short]},
            fill=-32_767)
    sizes = {"longitude": asked.longitude_deg.size, "latitude": asked.latitude_deg.size,
             "expver": 2, "time": len(asked.hours)}
    return classic_file(variables, {"Conventions": "CF-1.6"},
                        {name: sizes[name] for name in sizes if name in variables})
