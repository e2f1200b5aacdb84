"""Places on the ellipsoid WGS84 (GRS80 differs by less than 0.2 mm)."""

from functools import cache

import numpy as np
from numpy.typing import NDArray
from pyproj import Geod, Transformer

from dwlim_ops.errors import MalformedInputError
from dwlim_ops.geometry import wrap_longitude_deg

Array = NDArray[np.float64]

_LEAST_RADIUS_M, _GREATEST_RADIUS_M = 6_340_000.0, 6_400_000.0
_QUARTER_MERIDIAN_M = 10_001_966.0


def from_cartesian(xyz_m: Array, *, where: str) -> tuple[Array, Array, Array]:
    """Longitude in [-180, 180), latitude (degrees) and ellipsoidal height (m).

    Parameters
    ----------
    xyz_m : numpy.ndarray, shape (n, 3)
        Geocentric coordinates.
    where : str
        Name of the file, for messages.

    Raises
    ------
    MalformedInputError
        A point that is not near the surface of the Earth.
    """
    radius_m = np.sqrt((xyz_m.clip(-1e12, 1e12) ** 2).sum(axis=1))
    off = ~((radius_m >= _LEAST_RADIUS_M) & (radius_m <= _GREATEST_RADIUS_M))
    if off.any():
        raise MalformedInputError(
            "a position is not on the surface of the Earth", where=where,
            expected=f"geocentric X, Y, Z in metres, {_LEAST_RADIUS_M:.0f} to "
                     f"{_GREATEST_RADIUS_M:.0f} m from the centre",
            got=f"{radius_m[off][0]:.0f} m", remedy="check the unit and the columns of the file",
        )
    longitude, latitude, height_m = _to_geodetic().transform(
        xyz_m[:, 0], xyz_m[:, 1], xyz_m[:, 2])
    return wrap_longitude_deg(longitude), np.asarray(latitude), np.asarray(height_m)


def up_direction(longitude_deg: Array, latitude_deg: Array) -> Array:
    """Unit vectors to the zenith in geocentric X, Y, Z, shape (n, 3)."""
    longitude, latitude = np.radians(longitude_deg), np.radians(latitude_deg)
    return np.stack([np.cos(latitude) * np.cos(longitude), np.cos(latitude) * np.sin(longitude),
                     np.sin(latitude)], axis=1)


def from_equator_and_meridian(
    meridian_deg: float, easting_m: float, northing_m: float, *, where: str
) -> tuple[float, float]:
    """Longitude and latitude, degrees, of a point given along its meridian and its parallel.

    Parameters
    ----------
    meridian_deg : float
        Longitude of the reference meridian.
    easting_m : float
        Distance from that meridian along the parallel, some kilometres.
    northing_m : float
        Distance from the equator along the meridian.

    Raises
    ------
    MalformedInputError
        A distance or longitude that the Earth does not have.

    >>> [round(v, 5) for v in from_equator_and_meridian(91.1, 385.9, 3282129.6, where="LHAS")]
    [91.10399, 29.65734]
    """
    possible = abs(meridian_deg) <= 360.0 and abs(easting_m) <= _QUARTER_MERIDIAN_M
    if not possible or abs(northing_m) > _QUARTER_MERIDIAN_M:
        raise MalformedInputError(
            "the place is not on the Earth", where=where,
            expected="reference meridian in degrees, eastings and northings in metres",
            got=f"{meridian_deg:g}, {easting_m:g}, {northing_m:g}", remedy="get the file again",
        )
    _, latitude, _ = _ellipsoid().fwd(0.0, 0.0, 0.0, northing_m)
    longitude, _, _ = _ellipsoid().fwd(meridian_deg, latitude, 90.0, easting_m)
    return float(wrap_longitude_deg(longitude)), float(latitude)


@cache
def _ellipsoid() -> Geod:
    return Geod(ellps="WGS84")


@cache
def _to_geodetic() -> Transformer:
    return Transformer.from_crs("EPSG:4978", "EPSG:4979", always_xy=True)
