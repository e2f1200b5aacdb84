"""What the providers gave, as the stages need it: forcing of the cells, loading at the stations."""

from dataclasses import dataclass
from datetime import date
from typing import Final

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from dwlim_ops.atmospheric_loading import atmospheric_loading_up_mm, land_grid
from dwlim_ops.contracts import FORCING, FORCING_FLAGS, check
from dwlim_ops.correct import Frame
from dwlim_ops.qc.bridge import Bridge, bridge_temperature, fit_bridge
from dwlim_ops.qc.forcing import fill_with_climatology
from dwlim_ops.sources.wide_pressure import land_share

Array = NDArray[np.float64]
Names = NDArray[np.str_]

#: Stream of a temperature that was bridged, and of a loading that we computed.
PROXY, OWN = "proxy", "own"
#: Our own loading is brought to the level of the service's over so many common days at least.
LEAST_COMMON_DAYS: Final = 7


@dataclass(frozen=True, eq=False)
class GriddedForcing:
    """Forcing from gridded providers; `bridge` is how late temperature was made up for.

    `bridged` marks days whose temperature comes from the skin temperature, (time,).
    """

    forcing: xr.Dataset
    bridge: Bridge | None
    bridged: NDArray[np.bool_]


def gridded_forcing(weather: xr.Dataset, *, reference: tuple[date, date],
                    skin_serves: bool = False) -> GriddedForcing:
    """Contract `GRIDDED_WEATHER` to `FORCING`: temperature bridged, gaps at their climatology.

    Parameters
    ----------
    weather : Dataset
        Any of the contract's variables.
    reference : (date, date)
        Span of the climatology; without data in it all days count.
    skin_serves : bool
        Where no other temperature was ever given, that of the skin is taken as it is.
    """
    shape = weather.sizes["time"], weather.sizes["cell"]

    def field(name: str) -> Array:
        return weather[name].values if name in weather else np.full(shape, np.nan)

    days = weather["time"].values
    gldas_k, skin_k, pressure_pa = map(
        field, ("temperature_k", "skin_temperature_k", "pressure_pa"))
    given = np.isfinite(gldas_k).any(axis=1)
    if skin_serves and not given.any():
        gldas_k = skin_k
    bridge = fit_bridge(days, gldas_k, skin_k)
    temperature_k, _ = bridge_temperature(gldas_k, skin_k, bridge)
    flag = (FORCING_FLAGS["temperature_absent"] * np.isnan(temperature_k)
            + FORCING_FLAGS["pressure_absent"] * np.isnan(pressure_pa)).astype(np.uint8)
    bridged = np.asarray(np.isfinite(temperature_k).any(axis=1) & ~given)
    dims = ("time", "cell")
    forcing = xr.Dataset(
        {"temperature_k": (dims, fill_with_climatology(days, temperature_k, reference=reference)),
         "pressure_pa": (dims, fill_with_climatology(days, pressure_pa, reference=reference)),
         "flag": (dims, flag)},
        {name: weather[name] for name in ("time", "cell", "longitude_deg", "latitude_deg")})
    return GriddedForcing(check(forcing, FORCING, where="gridded_forcing"), bridge, bridged)


def with_own_loading(
    loading: xr.Dataset, pressure: xr.Dataset, longitude_deg: Array, latitude_deg: Array, *,
    frame: Frame,
) -> tuple[xr.Dataset, NDArray[np.datetime64]]:
    """Fill days on which the service gave no atmospheric loading, from surface pressure.

    Our own NTAL is moved by the median difference on common days, station by station, so that no
    step comes in; the ocean's part of such a day is held at the median of the station's record
    (its standard deviation is 0.3 to 0.5 mm).

    Parameters
    ----------
    loading : Dataset
        Contract `LOADING`, in the order of the stations.
    pressure : Dataset
        `pressure_pa` on the land cells of `sources.wide_pressure`.
    longitude_deg, latitude_deg : ndarray (station,)
    frame : {"cf", "cm", "ce"}
        Of the loading.

    Returns
    -------
    loading : Dataset
        The same with more days.
    days : ndarray
        Days that were filled at one station or more.
    """
    grid = land_grid(*land_share())
    days = np.union1d(loading["time"].values, pressure["time"].values)
    wide = loading.reindex(time=days)
    values = pressure["pressure_pa"].values
    known = np.isfinite(values).all(axis=1)
    if not known.any():
        return loading, days[:0]
    own = np.full(wide["ntal_up_mm"].shape, np.nan)
    own[np.isin(days, pressure["time"].values)] = atmospheric_loading_up_mm(
        values, grid, longitude_deg, latitude_deg, reference=known, frame=frame)
    service = wide["ntal_up_mm"].values
    both = np.isfinite(own) & np.isfinite(service)
    enough = both.sum(axis=0) >= LEAST_COMMON_DAYS
    offset = np.full(own.shape[1], np.nan)
    offset[enough] = np.nanmedian(np.where(both, service - own, np.nan)[:, enough], axis=0)
    fill = np.isnan(service) & np.isfinite(own + offset)
    ocean = wide["ntol_up_mm"].values
    level = np.full(own.shape[1], np.nan)
    has_ocean = np.isfinite(ocean).any(axis=0)
    level[has_ocean] = np.nanmedian(ocean[:, has_ocean], axis=0)
    dims = wide["ntal_up_mm"].dims
    filled = wide.assign(
        ntal_up_mm=(dims, np.where(fill, own + offset, service)),
        ntol_up_mm=(dims, np.where(fill & np.isnan(ocean), level, ocean)))
    return filled, days[fill.any(axis=1)]
