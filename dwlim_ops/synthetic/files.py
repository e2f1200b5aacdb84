"""A synthetic Earth in the formats of the real services, so that nothing else need know of it."""

from collections.abc import Iterator
from datetime import date

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from dwlim_ops.synthetic.earth import Earth, Stations

Array = NDArray[np.float64]

MJD_OF_1970 = 40_587
MJD_OF_GPS_WEEK_0 = 44_244
EARTH_RADIUS_M = 6_378_137.0
TENV3_HEADER = (
    "site YYMMMDD yyyy.yyyy __MJD week d reflon _e0(m) __east(m) ____n0(m) _north(m) u0(m) "
    "____up(m) _ant(m) sig_e(m) sig_n(m) sig_u(m) __corr_en __corr_eu __corr_nu _latitude(deg) "
    "_longitude(deg) __height(m)")


def station_files(earth: Earth) -> Iterator[tuple[str, str]]:
    """Name and text of the `tenv3` file of every station, as the Nevada Geodetic Laboratory's."""
    stations, disturbance = earth.stations, earth.disturbance
    prefix = [_date_columns(day.item()) for day in earth.nature.time]
    for column, name in enumerate(stations.name):
        longitude, latitude = stations.longitude_deg[column], stations.latitude_deg[column]
        height = stations.height_m[column]
        reference = round(longitude)
        east = (EARTH_RADIUS_M * np.cos(np.radians(latitude)) * np.radians(longitude - reference))
        north = EARTH_RADIUS_M * np.radians(latitude)
        level, place = (f"{reference:6.1f} {int(east):6d} {east - int(east):9.6f} {int(north):9d}"
                        f" {north - int(north):9.6f} {int(height):5d}",
                        f"{latitude:14.10f} {longitude:15.10f}")
        heights = height + earth.observed_mm[:, column] / 1000.0
        rows = [
            f"{name} {prefix[row]} {level} {heights[row] - int(height):9.6f}  0.0083 0.000800"
            f" 0.000900 {disturbance.sigma_mm[row, column] / 1000.0:.6f}  0.016600 -0.033100"
            f" -0.065300 {place} {heights[row]:10.5f}"
            for row in np.flatnonzero(~disturbance.absent[:, column])]
        if rows:
            yield f"{name}.tenv3", "\n".join([TENV3_HEADER, *rows, ""])


def _date_columns(day: date) -> str:
    mjd = (day - date(1970, 1, 1)).days + MJD_OF_1970
    week, day_of_week = divmod(mjd - MJD_OF_GPS_WEEK_0, 7)
    year = 2000 + (mjd - 51_544) / 365.25
    return f"{day.strftime('%y%b%d').upper()} {year:.4f} {mjd:5d} {week:4d} {day_of_week}"


def sites_file(stations: Stations) -> str:
    """Table of the stations' places."""
    rows = [f"{name},{lon:.6f},{lat:.6f},{height:.1f}" for name, lon, lat, height in zip(
        stations.name, stations.longitude_deg, stations.latitude_deg, stations.height_m,
        strict=True)]
    return "\n".join(["station,longitude,latitude,height", *rows, ""])


def steps_file(earth: Earth) -> str:
    """Table of the known steps; the day is the first one after the step."""
    rows = [f"{earth.nature.time[row]},{earth.stations.name[column]}"
            for row, column in earth.disturbance.steps]
    return "\n".join(["date,station", *sorted(rows), ""])


def loading_files(earth: Earth) -> Iterator[tuple[str, str]]:
    """Name and text of one table of modelled loading a year."""
    time, modelled = earth.nature.time, earth.modelled_loading
    years = time.astype("datetime64[Y]")
    for year in np.unique(years):
        rows = [f"{time[row]},{name},{modelled.ntal_up_mm[row, column]:.4f},"
                f"{modelled.ntol_up_mm[row, column]:.4f}"
                for row in np.flatnonzero(years == year)
                for column, name in enumerate(earth.stations.name)]
        yield f"loading_{year}.csv", "\n".join(["date,station,ntal_up_mm,ntol_up_mm", *rows, ""])


def weather_datasets(earth: Earth, longitude_deg: Array, latitude_deg: Array
                     ) -> Iterator[tuple[str, xr.Dataset]]:
    """File name and content, by CF, of the daily means of one year each.

    `ps` is the pressure on a ground at sea level: a synthetic Earth has no mountains.

    Parameters
    ----------
    longitude_deg, latitude_deg : arrays (n_longitudes,), (n_latitudes,)
        Axes of the grid, ascending.
    """
    time = earth.nature.time
    lon, lat = (axis.ravel() for axis in np.meshgrid(longitude_deg, latitude_deg))
    shape = time.size, latitude_deg.size, longitude_deg.size
    temperature, pressure = (field.astype(np.float32).reshape(shape)
                             for field in earth.nature.weather(lon, lat))
    dims = ("time", "lat", "lon")
    whole = xr.Dataset(
        {"tas": (dims, temperature, {"units": "K", "standard_name": "air_temperature",
                                     "cell_methods": "time: mean"}),
         "ps": (dims, pressure, {"units": "Pa", "standard_name": "surface_air_pressure",
                                 "cell_methods": "time: mean"})},
        {"time": time.astype("datetime64[ns]"),
         "lat": ("lat", latitude_deg, {"units": "degrees_north", "standard_name": "latitude"}),
         "lon": ("lon", longitude_deg, {"units": "degrees_east", "standard_name": "longitude"})},
        {"Conventions": "CF-1.11", "title": "Weather of a synthetic Earth: no observation"})
    years = time.astype("datetime64[Y]")
    for year in np.unique(years):
        yield f"weather_{year}.nc", whole.isel(time=np.flatnonzero(years == year))
