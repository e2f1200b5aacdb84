"""Cells, grids, masks, basins and distances on the sphere."""

import csv
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import shapely
from numpy.typing import ArrayLike, NDArray
from shapely.geometry import shape
from shapely.geometry.base import BaseGeometry

from dwlim_ops.errors import ConfigError

EARTH_RADIUS_KM: Final = 6371.0
KM_PER_DEGREE: Final = EARTH_RADIUS_KM * np.pi / 180.0
Array = NDArray[np.float64]


def wrap_longitude_deg(longitude_deg: ArrayLike) -> Array:
    """Longitude in [-180, 180), whatever convention it came in.

    >>> wrap_longitude_deg([-242.2, 360.0, 117.8, 180.0]).round(1).tolist()
    [117.8, 0.0, 117.8, -180.0]
    """
    return (np.asarray(longitude_deg, dtype=float) + 180.0) % 360.0 - 180.0


def distance_deg(
    longitude_a: ArrayLike, latitude_a: ArrayLike, longitude_b: ArrayLike, latitude_b: ArrayLike
) -> Array:
    """Great-circle distance of every pair, degrees, shape (len(a), len(b)); haversine formula."""
    lon_a, lat_a = (np.radians(np.atleast_1d(np.asarray(v, float)))[:, None]
                    for v in (longitude_a, latitude_a))
    lon_b, lat_b = (np.radians(np.atleast_1d(np.asarray(v, float)))[None, :]
                    for v in (longitude_b, latitude_b))
    haversine = (np.sin((lat_a - lat_b) / 2) ** 2
                 + np.cos(lat_a) * np.cos(lat_b) * np.sin((lon_a - lon_b) / 2) ** 2)
    return np.degrees(2.0 * np.arcsin(np.sqrt(np.clip(haversine, 0.0, 1.0))))


def cell_area_km2(latitude_deg: ArrayLike, spacing_deg: float) -> Array:
    """Area of a latitude-longitude cell on the sphere, km2."""
    latitude, half = np.radians(np.asarray(latitude_deg, float)), np.radians(spacing_deg / 2)
    band = np.sin(latitude + half) - np.sin(latitude - half)
    return EARTH_RADIUS_KM**2 * np.radians(spacing_deg) * band


def disk_radius_deg(latitude_deg: ArrayLike, spacing_deg: float) -> Array:
    """Angular radius of the disk with the area of the cell, a = sqrt(area / (pi R^2)), degrees."""
    area = cell_area_km2(latitude_deg, spacing_deg)
    return np.degrees(np.sqrt(area / (np.pi * EARTH_RADIUS_KM**2)))


@dataclass(frozen=True)
class Grid:
    """A regular grid over a region, latitudes and longitudes ascending, shape (lat, lon).

    `land_fraction` is the share of each cell inside the outline; `domain` marks the cells whose
    load is unknown (the outline widened); cells are numbered along `domain` in C order.
    """

    longitude_deg: Array
    latitude_deg: Array
    spacing_deg: float
    land_fraction: Array
    domain: NDArray[np.bool_]

    @property
    def cells(self) -> tuple[Array, Array]:
        """Longitude and latitude of the domain's cells."""
        rows, columns = np.nonzero(self.domain)
        return self.longitude_deg[columns], self.latitude_deg[rows]

    @property
    def land(self) -> NDArray[np.bool_]:
        """Cells of the domain that are published: at least half land. Shape (n_cells,)."""
        return self.land_fraction[self.domain] >= 0.5

    def on_grid(self, values: Array, fill: float = np.nan) -> Array:
        """Spread values of the domain's cells, (..., n_cells), over the grid, (..., lat, lon)."""
        out = np.full((*values.shape[:-1], *self.domain.shape), fill)
        out[..., self.domain] = values
        return out


@dataclass(frozen=True)
class Basins:
    """Basins of a region as weights: `weight[b, cell]` sums to one over the cells of basin b."""

    identifier: tuple[str, ...]
    name: tuple[str, ...]
    weight: Array

    def mean(self, values: Array) -> Array:
        """Area mean of cell values, shape (..., n_cells) to (..., n_basins)."""
        return values @ self.weight.T


def read_outline(path: Path) -> BaseGeometry:
    """Union of all polygons of a GeoJSON file, longitudes as stored.

    Raises
    ------
    ConfigError
        Not JSON, or no polygon in it.
    """
    polygons = [g for _, g in _read_geojson(path) if g.geom_type in ("Polygon", "MultiPolygon")]
    if not polygons:
        raise ConfigError("no polygon in the outline", where=str(path),
                          expected="GeoJSON with Polygon or MultiPolygon")
    return shapely.make_valid(shapely.unary_union(polygons))


def _read_geojson(path: Path) -> list[tuple[dict[str, object], BaseGeometry]]:
    try:
        content = json.loads(path.read_text())
        features = content["features"] if content.get("type") == "FeatureCollection" else [content]
        return [(f.get("properties") or {}, shape(f.get("geometry", f))) for f in features]
    except (OSError, ValueError, KeyError, AttributeError, TypeError, IndexError,
            shapely.errors.ShapelyError) as error:
        raise ConfigError("not readable as GeoJSON", where=str(path), got=repr(error),
                          expected="a FeatureCollection of polygons") from error


def make_grid(outline: BaseGeometry, spacing_deg: float, widen_deg: float) -> Grid:
    """Grid over `outline`, its domain widened by `widen_deg` great-circle degrees.

    Cell edges fall on multiples of the spacing. The widening is the paper's expansion of the
    boundary (2 deg), which lets loads outside the outline explain displacement inside.
    """
    west, south, east, north = outline.bounds
    margin = widen_deg / max(np.cos(np.radians(max(abs(south), abs(north)))), 0.1)
    columns = np.arange(np.floor((west - margin) / spacing_deg),
                        np.ceil((east + margin) / spacing_deg))
    rows = np.arange(np.floor((south - widen_deg) / spacing_deg),
                     np.ceil((north + widen_deg) / spacing_deg))
    longitude, latitude = (columns + 0.5) * spacing_deg, (rows + 0.5) * spacing_deg
    lon, lat = (a.ravel() for a in np.meshgrid(longitude, latitude))
    half = spacing_deg / 2
    boxes = shapely.box(lon - half, lat - half, lon + half, lat + half)
    shapely.prepare(outline)
    fraction = shapely.contains(outline, boxes).astype(float)
    edge = shapely.intersects(outline, boxes) & (fraction == 0)
    fraction[edge] = shapely.area(shapely.intersection(outline, boxes[edge])) / spacing_deg**2
    inside = fraction >= 0.5
    domain = inside.copy()
    if inside.any() and widen_deg > 0:
        domain |= _near(lon, lat, lon[inside], lat[inside], widen_deg)
    used = domain.reshape(latitude.size, longitude.size)
    keep_rows, keep_columns = used.any(axis=1), used.any(axis=0)
    pick = np.ix_(keep_rows, keep_columns)
    return Grid(longitude[keep_columns], latitude[keep_rows], spacing_deg,
                fraction.reshape(used.shape)[pick], used[pick])


def _near(
    lon: Array, lat: Array, lon_b: Array, lat_b: Array, limit_deg: float
) -> NDArray[np.bool_]:
    from scipy.spatial import cKDTree

    distance, _ = cKDTree(unit_vectors(lon_b, lat_b)).query(unit_vectors(lon, lat))
    near: NDArray[np.bool_] = distance <= 2.0 * np.sin(np.radians(limit_deg + 1e-9) / 2)
    return near


def unit_vectors(longitude_deg: ArrayLike, latitude_deg: ArrayLike) -> Array:
    """Unit vectors, shape (n, 3)."""
    lon, lat = (np.radians(np.asarray(v, float)) for v in (longitude_deg, latitude_deg))
    return np.column_stack([np.cos(lat) * np.cos(lon), np.cos(lat) * np.sin(lon), np.sin(lat)])


def read_basins(path: Path, grid: Grid) -> Basins:
    """Basins from GeoJSON (properties `basin`, `name`) or CSV of cells `lon,lat,basin[,name]`.

    Weights are area times land fraction on the cells of the grid's domain. A CSV cell of any
    regular spacing claims the grid cells whose centre it contains.

    Raises
    ------
    ConfigError
        Unreadable, columns missing, or a basin without a single cell on the grid.
    """
    lon, lat = grid.cells
    if path.suffix.lower() == ".csv":
        names, member = _basins_from_csv(path, lon, lat)
    else:
        names, member = _basins_from_geojson(path, lon, lat)
    area = cell_area_km2(lat, grid.spacing_deg) * grid.land_fraction[grid.domain]
    identifiers = sorted(names, key=_by_number)
    weight = np.array([np.where(member == key, area, 0.0) for key in identifiers])
    total = weight.sum(axis=1)
    for key, value in zip(identifiers, total, strict=True):
        if value <= 0:
            raise ConfigError("basin has no land cell on the grid", where=f"{path}: basin {key}",
                              remedy="check its coordinates against the outline")
    return Basins(tuple(identifiers), tuple(names[k] for k in identifiers), weight / total[:, None])


def _by_number(identifier: str) -> tuple[bool, int, str]:
    number = identifier.isdigit()
    return not number, int(identifier) if number else 0, identifier


def _basins_from_csv(
    path: Path, lon: Array, lat: Array
) -> tuple[dict[str, str], NDArray[np.object_]]:
    try:
        with path.open(newline="") as stream:
            rows = list(csv.DictReader(stream))
        if not rows:
            raise ValueError("no row")
        cell_lon = wrap_longitude_deg([float(r["lon"]) for r in rows])
        cell_lat = np.array([float(r["lat"]) for r in rows])
        names = {r["basin"]: r.get("name") or r["basin"] for r in rows}
    except (OSError, KeyError, ValueError, TypeError) as error:
        raise ConfigError(
            "not readable as a table of basin cells", where=str(path), got=repr(error),
            expected="CSV with columns lon,lat,basin[,name]") from error
    steps = [np.diff(np.unique(values)) for values in (cell_lon, cell_lat)]
    distinct = np.unique(np.concatenate(steps).round(6))
    spacing = distinct[distinct > 0].min() if (distinct > 0).any() else 1.0
    origin = cell_lon[0] - spacing / 2, cell_lat[0] - spacing / 2

    def key(longitude: Array, latitude: Array) -> list[tuple[int, int]]:
        column = np.floor((longitude - origin[0]) / spacing + 1e-6).astype(int)
        row = np.floor((latitude - origin[1]) / spacing + 1e-6).astype(int)
        return list(zip(column.tolist(), row.tolist(), strict=True))

    owner = dict(zip(key(cell_lon, cell_lat), (r["basin"] for r in rows), strict=True))
    return names, np.array([owner.get(k) for k in key(lon, lat)], dtype=object)


def _basins_from_geojson(
    path: Path, lon: Array, lat: Array
) -> tuple[dict[str, str], NDArray[np.object_]]:
    member = np.full(lon.size, None, dtype=object)
    names: dict[str, str] = {}
    for number, (properties, polygon) in enumerate(_read_geojson(path), start=1):
        identifier = str(properties.get("basin", number))
        names[identifier] = str(properties.get("name", identifier))
        member[shapely.contains_xy(polygon, lon, lat) & (member == None)] = identifier  # noqa: E711
    return names, member
