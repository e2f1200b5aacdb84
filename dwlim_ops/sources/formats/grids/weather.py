"""Fields of any provider as weather of the region's cells."""

import datetime
import hashlib
from dataclasses import dataclass
from typing import Final

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from dwlim_ops.contracts import CELL, GRIDDED_WEATHER, Contract, check
from dwlim_ops.errors import ContractError, MalformedInputError
from dwlim_ops.sources.formats.grids.daily_mean import daily_means
from dwlim_ops.sources.formats.grids.pressure import STANDARD_GRAVITY_M_S2, cell_pressure_pa
from dwlim_ops.sources.formats.grids.read import read_grid
from dwlim_ops.sources.formats.grids.regrid import MINIMUM_SHARE, Cells, Regridder, cell_means

Array = NDArray[np.float64]

_SURFACE_PRESSURE, _GEOPOTENTIAL = "surface_pressure_pa", "geopotential"
_SKIN, _AIR = "skin_temperature_k", "temperature_k"
#: Names that files use, and the CF standard names.
_NAMES: Final = {
    _SURFACE_PRESSURE: {"sp", "ps", "surface_air_pressure", "surface_pressure"},
    _SKIN: {"skt", "ts", "surface_temperature", "skin_temperature"},
    _AIR: {"2t", "t2m", "tas", "air_temperature"},
    _GEOPOTENTIAL: {"z", "geopotential"},
}
#: Factor and offset to our unit.
_UNITS: Final = {
    "Pa": (1.0, 0.0), "hPa": (100.0, 0.0), "mbar": (100.0, 0.0), "K": (1.0, 0.0),
    "degC": (1.0, 273.15), "Celsius": (1.0, 273.15), "m**2 s**-2": (1.0, 0.0),
    "m2 s-2": (1.0, 0.0),
}
_DIMENSION: Final = {
    _SURFACE_PRESSURE: {"Pa", "hPa", "mbar"}, _SKIN: {"K", "degC", "Celsius"},
    _AIR: {"K", "degC", "Celsius"}, _GEOPOTENTIAL: {"m**2 s**-2", "m2 s-2"},
}


@dataclass(frozen=True, eq=False)
class Orography:
    """Height of a model's ground: `height_m` (lat, lon) on a normalised grid."""

    grid: xr.Dataset


def read_orography(content: bytes, *, where: str) -> Orography:
    """Geopotential of the ground, GRIB or netCDF, as height = geopotential / 9.80665 m s-2.

    Raises
    ------
    MalformedInputError
        Not readable, no geopotential in it, or heights that no ground has.
    """
    grid = name_fields(read_grid(content, where=where), where=where)
    ground = ground_of(grid, where=where)
    if ground is None:
        raise _bad("no geopotential", where, "variable z, m**2 s**-2", str(list(grid)))
    return ground


def digest_of(cells: Cells, orography: Orography | None) -> str:
    """SHA-256 of what a file is brought to: cells, their heights, the model's ground."""
    digest = hashlib.sha256(repr(cells.cell_deg).encode())
    ground = () if orography is None else (
        orography.grid[name].values for name in ("lon", "lat", "height_m"))
    for values in (cells.longitude_deg, cells.latitude_deg, cells.height_m, *ground):
        digest.update(f"{values.dtype.str}{values.shape}".encode())
        digest.update(np.ascontiguousarray(values).tobytes())
    return digest.hexdigest()


def ground_of(grid: xr.Dataset, *, where: str) -> Orography | None:
    """Height of the ground if `grid`, named by `name_fields`, holds the geopotential.

    Raises
    ------
    MalformedInputError
        Heights that no ground has.
    """
    if _GEOPOTENTIAL not in grid:
        return None
    height = grid[_GEOPOTENTIAL].mean("time", keep_attrs=False) / STANDARD_GRAVITY_M_S2
    if not ((height > -1000.0) & (height < 9500.0)).all():
        raise _bad("impossible height of the ground", where, "-1000 to 9500 m",
                   f"{float(height.min()):g} to {float(height.max()):g} m")
    return Orography(xr.Dataset({"height_m": height}))


def name_fields(grid: xr.Dataset, *, where: str) -> xr.Dataset:
    """The fields that we know, by our names and in our units; others are left out.

    Raises
    ------
    MalformedInputError
        Two variables for one field, or a unit that we do not know for it.
    """
    fields: dict[str, xr.DataArray] = {}
    for name, variable in grid.data_vars.items():
        tags = {str(name), str(variable.attrs.get("standard_name", ""))}
        for ours, known in _NAMES.items():
            if tags & known:
                if ours in fields:
                    raise _bad("two variables for one field", f"{where}: {name}", ours, "two")
                fields[ours] = _in_our_unit(variable, ours, f"{where}: {name}")
    return xr.Dataset(fields, {"time": grid["time"], "expver": grid["expver"],
                               "lat": grid["lat"], "lon": grid["lon"]})


def _in_our_unit(variable: xr.DataArray, ours: str, where: str) -> xr.DataArray:
    unit = str(variable.attrs.get("units", ""))
    if unit not in _DIMENSION[ours]:
        raise _bad("unknown unit", where, " or ".join(sorted(_DIMENSION[ours])), repr(unit))
    factor, offset = _UNITS[unit]
    return variable if (factor, offset) == (1.0, 0.0) else variable * factor + offset


def daily_weather(
    grid: xr.Dataset, regridder: Regridder, *, orography: Orography | None = None,
    step_hours: int | None = None, where: str,
) -> xr.Dataset:
    """Instants as `read_grid` gives them to daily means of the cells; see `to_cells`.

    A geopotential in the file goes before `orography`.

    Raises
    ------
    MalformedInputError
        Not a single whole day; or as `name_fields`, `daily_means`, `to_cells`.
    """
    named = name_fields(grid, where=where)
    ground = ground_of(named, where=where) or orography
    daily = daily_means(named.drop_vars(_GEOPOTENTIAL, errors="ignore"), step_hours=step_hours,
                        where=where)
    if not daily.sizes["time"]:
        raise _bad("no whole day", where, "all instants of a day, 24 UTC included",
                   f"{grid.sizes['time']} instants from {grid['time'].values[0]}")
    return to_cells(daily, regridder, orography=ground, where=where)


def to_cells(
    daily: xr.Dataset, regridder: Regridder, *, orography: Orography | None = None,
    minimum_share: float = MINIMUM_SHARE, where: str,
) -> xr.Dataset:
    """Daily fields named by `name_fields` to contract `GRIDDED_WEATHER`.

    Pressure is brought to the height of each cell if the height of the model's ground is known,
    with the air temperature or, without it, that of the skin; then the attribute `height` of
    `pressure_pa` is "cell". Else it is the mean surface pressure, and `height` is "model ground".

    Parameters
    ----------
    daily : xarray.Dataset
        (time, lat, lon), `time` the day.
    regridder : Regridder
    orography : Orography, optional
        On a grid that holds the points of `daily`.
    minimum_share : float
        Least part of a cell with a value.
    where : str
        Name of the file, for messages.

    Raises
    ------
    MalformedInputError
        No field that we use, the grid covers no cell, or impossible values.
    """
    shares = regridder.weights(daily, where=where)
    fields = {
        name: cell_means(daily[name].values, shares, minimum_share=minimum_share)
        for name in (_AIR, _SKIN) if name in daily
    }
    height = "model ground"
    if _SURFACE_PRESSURE in daily:
        ground = _at_points_of(daily, orography, where)
        air = next((daily[name].values for name in (_AIR, _SKIN) if name in daily), None)
        if ground is not None and air is not None:
            fields["pressure_pa"] = cell_pressure_pa(
                daily[_SURFACE_PRESSURE].values, air, ground, shares, regridder.cells.height_m,
                minimum_share=minimum_share)
            height = "cell"
        else:
            fields["pressure_pa"] = cell_means(daily[_SURFACE_PRESSURE].values, shares,
                                               minimum_share=minimum_share)
    if not fields:
        raise _bad("no field that we use", where, "surface pressure, skin or air temperature",
                   "none of them")
    days = daily["time"].values
    dataset = gridded_weather(days, regridder.cells, fields, where=where)
    if "pressure_pa" in dataset:
        dataset["pressure_pa"].attrs["height"] = height
    return dataset


def _at_points_of(daily: xr.Dataset, orography: Orography | None, where: str) -> Array | None:
    if orography is None:
        return None
    matched = orography.grid["height_m"].reindex(
        lat=daily["lat"], lon=daily["lon"], method="nearest", tolerance=1e-3)
    if not matched.notnull().any():
        raise _bad("heights of the ground are of another grid", where,
                   "the points of the pressure", "none of them")
    return matched.values


def gridded_weather(
    days: NDArray[np.datetime64], cells: Cells, fields: dict[str, Array], *, where: str
) -> xr.Dataset:
    """Dataset of contract `GRIDDED_WEATHER` with the variables of `fields`, each (time, cell).

    Raises
    ------
    MalformedInputError
        Not a single value, or values out of the contract's range.
    """
    if not any(np.isfinite(values).any() for values in fields.values()):
        raise _bad("no value for any cell", where, "a grid that covers the region",
                   f"{len(days)} days without a value")
    dataset = xr.Dataset(
        {name: (("time", "cell"), values) for name, values in fields.items()},
        {"time": days.astype("datetime64[ns]"), "cell": np.arange(cells.longitude_deg.size),
         "longitude_deg": ("cell", cells.longitude_deg),
         "latitude_deg": ("cell", cells.latitude_deg)},
    )
    subset = Contract(GRIDDED_WEATHER.name,
                      {name: GRIDDED_WEATHER.variables[name] for name in fields}, CELL)
    try:
        return check(dataset, subset, where=where)
    except ContractError as error:
        raise _bad(error.what, error.where, error.expected, error.got) from error


def refuse_future(dataset: xr.Dataset, *, not_after: datetime.date, where: str) -> xr.Dataset:
    """`dataset` unchanged if its days end at `not_after` or before.

    Raises
    ------
    MalformedInputError
        A later day.
    """
    days = dataset["time"].values
    if days.size and days.max() > np.datetime64(not_after, "ns"):
        raise _bad("day in the future", where, f"at most {not_after}", str(days.max())[:10])
    return dataset


def _bad(what: str, where: str, expected: str, got: str) -> MalformedInputError:
    return MalformedInputError(what, where=where, expected=expected, got=got,
                               remedy="check what the file holds, its units and its area")
