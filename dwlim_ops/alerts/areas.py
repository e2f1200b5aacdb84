"""Where a basin is: rings of longitude and latitude for CAP and GeoJSON."""

from typing import Final

import numpy as np
import shapely
from numpy.typing import NDArray
from shapely.geometry import MultiPolygon, Polygon
from shapely.geometry.base import BaseGeometry
from shapely.geometry.polygon import orient

Array = NDArray[np.float64]
#: Longitude and latitude, degrees; the first point is also the last.
Ring = tuple[tuple[float, float], ...]

#: Parts of a basin that are smaller than this share of its largest part are left out.
SMALLEST_SHARE: Final = 0.01
MOST_POINTS: Final = 200
MOST_RINGS: Final = 20
_DECIMALS: Final = 3


def rings_of_cells(longitude_deg: Array, latitude_deg: Array, spacing_deg: float
                   ) -> tuple[Ring, ...]:
    """Outlines of the area that cells cover: closed, simple, counterclockwise, the largest first.

    Parameters
    ----------
    longitude_deg, latitude_deg : array (n_cells,)
        Centres of the cells, degrees; a longitude beyond 180 is meant modulo 360.
    spacing_deg : float
        Side of a cell, degrees.

    Notes
    -----
    The outlines are simplified to at most `MOST_POINTS` in all; holes are filled, since a polygon
    of CAP has none. What lies on both sides of the antimeridian is cut there (RFC 7946, 3.1.9).
    """
    half = spacing_deg / 2
    boxes = shapely.box(longitude_deg - half, latitude_deg - half,
                        longitude_deg + half, latitude_deg + half)
    parts = _large_parts(_on_the_globe(shapely.unary_union(boxes)))
    tolerance = spacing_deg / 2
    simple = parts
    while True:
        simple = [Polygon(one.simplify(tolerance).exterior) for one in parts]
        if sum(len(one.exterior.coords) for one in simple) <= max(MOST_POINTS, 5 * len(parts)):
            break
        tolerance *= 1.5
    return tuple(_ring(one) for one in simple)


def _on_the_globe(area: BaseGeometry) -> BaseGeometry:
    pieces = [shapely.transform(
        shapely.intersection(area, shapely.box(360.0 * turn - 180, -90, 360.0 * turn + 180, 90)),
        lambda points, turn=turn: points - [360.0 * turn, 0.0]) for turn in (-2, -1, 0, 1, 2)]
    return shapely.unary_union(pieces)


def _large_parts(area: BaseGeometry) -> list[Polygon]:
    parts = list(area.geoms) if isinstance(area, MultiPolygon) else [area]
    parts = sorted((Polygon(one.exterior) for one in parts),
                   key=lambda one: (-one.area, one.bounds))
    return [one for one in parts if one.area >= SMALLEST_SHARE * parts[0].area][:MOST_RINGS]


def _ring(polygon: Polygon) -> Ring:
    points = orient(polygon).exterior.coords
    return tuple((round(longitude, _DECIMALS), round(latitude, _DECIMALS))
                 for longitude, latitude in points)
