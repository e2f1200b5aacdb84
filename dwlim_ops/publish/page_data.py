"""What the web page reads, encoded: grids of a day, shapes of the region, the page's index.

Pure: datasets and plain values in, bytes and plain values out. Nothing here knows the clock; the
page itself tells by the reader's clock how old everything is.
"""

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any, Final

import numpy as np
import shapely
import xarray as xr
from numpy.typing import NDArray
from shapely.geometry.base import BaseGeometry

from dwlim_ops.contracts import CATEGORIES, CATEGORY_BOUNDS_PERCENT, GNSS_FLAGS
from dwlim_ops.geometry import Basins, Grid

Array = NDArray[np.float64]

SCHEMA_VERSION: Final = 1
#: Layers of the page by the variable of the product, with the finest step that is kept.
LAYERS: Final = {
    "twsa": 0.1, "twsa_sigma": 0.1, "twsa_standardized_anomaly": 0.01, "twsa_percentile": 0.1,
    "resolution_km": 1.0,
}
MISSING: Final = -32768
_LARGEST: Final = 32767
#: Steps of a legend: these times a power of ten.
_ROUND: Final = (1.0, 2.0, 2.5, 5.0, 10.0)
_N_STEPS: Final = 6
_OUTLINE_TOLERANCE_DEG: Final = 0.02


@dataclass(frozen=True)
class PageSettings:
    """From when the page calls what it shows late, and from when out of date.

    Of the last tick in hours; of an input's or the product's newest day in days beyond the
    usual delay of the first issue.
    """

    tick_late_hours: float = 6.0
    tick_stale_hours: float = 24.0
    day_late_days: float = 3.0
    day_stale_days: float = 10.0


@dataclass(frozen=True)
class PageGrid:
    """The grid of one product: `content` is the file of numbers, `facts` say how to read it."""

    content: bytes
    facts: dict[str, Any]


def encode_grid(root: xr.Dataset, stations: xr.Dataset, used: NDArray[np.bool_]) -> PageGrid:
    """Grid and stations of a product for the page.

    Parameters
    ----------
    root : Dataset
        The product's maps (time, lat, lon), latitudes ascending.
    stations : Dataset
        Its table of stations.
    used : array of bool, shape (n_stations,)
        Stations that entered the estimate.

    Returns
    -------
    PageGrid
        Land cells only, row by row from the south; each layer as little-endian int16 in steps,
        `MISSING` where absent, and the quality flags as bytes at the end.
    """
    flag = root["quality_flag"].values[0]
    masks = flag_masks(root)
    land = (flag & masks["outside_land"]) == 0
    layers: list[dict[str, Any]] = []
    parts: list[bytes] = []
    for name, finest in LAYERS.items():
        if name in root:
            values = root[name].values[0][land].astype(float)
            step = _step(values, finest)
            layers.append({"name": name, "offset": sum(len(part) for part in parts), "step": step})
            parts.append(_quantised(values, step))
    flags_at = sum(len(part) for part in parts)
    parts.append(flag[land].astype(np.uint8).tobytes())
    content = b"".join(parts)
    facts = {
        "schema_version": SCHEMA_VERSION, "n_bytes": len(content), "n_cells": int(land.sum()),
        "lon": float(root["lon"].values[0]), "lat": float(root["lat"].values[0]),
        "spacing_deg": round(float(root["lat"].values[1] - root["lat"].values[0]), 6),
        "shape": list(land.shape), "runs": _runs(land), "layers": layers, "flags_offset": flags_at,
        "flags": masks, "published_method": str(root.attrs["published_method"]),
        "size_mm": {name: _size(root[name].values) for name in ("twsa", "twsa_sigma")},
        "stations": _stations(stations, used),
    }
    return PageGrid(content, facts)


def flag_masks(root: xr.Dataset) -> dict[str, int]:
    """Bits of a product's `quality_flag` by their meaning."""
    attributes = root["quality_flag"].attrs
    masks = np.atleast_1d(attributes["flag_masks"]).tolist()
    return dict(zip(str(attributes["flag_meanings"]).split(), map(int, masks), strict=True))


def _step(values: Array, finest: float) -> float:
    finite = np.abs(values[np.isfinite(values)])
    largest = float(finite.max()) if finite.size else 0.0
    coarser = max(0, math.ceil(math.log10(largest / (finest * _LARGEST)))) if largest else 0
    return float(f"{finest * 10.0**coarser:g}")


def _quantised(values: Array, step: float) -> bytes:
    known = np.isfinite(values)
    steps = np.where(known, np.rint(np.where(known, values, 0.0) / step), MISSING)
    return steps.astype("<i2").tobytes()


def _runs(land: NDArray[np.bool_]) -> list[int]:
    """Runs of land as row, first column, length, one after another."""
    padded = np.pad(land, ((0, 0), (1, 1))).astype(np.int8)
    rows, first = np.nonzero(np.diff(padded, axis=1) == 1)
    _, end = np.nonzero(np.diff(padded, axis=1) == -1)
    runs: list[int] = np.column_stack([rows, first, end - first]).ravel().tolist()
    return runs


def _size(values: Array) -> float | None:
    finite = np.abs(values[np.isfinite(values)])
    return round(float(np.percentile(finite, 98)), 1) if finite.size else None


def _stations(stations: xr.Dataset, used: NDArray[np.bool_]) -> list[dict[str, Any]]:
    """One entry a station: place, value, state and, for one that is not used, why."""
    table = []
    columns = [stations[name].values.tolist() for name in (
        "station", "longitude", "latitude", "up_mm", "up_sigma_mm", "flag", "exclusion")]
    for name, lon, lat, up, sigma, flag, exclusion, taken in zip(
            *columns, used.tolist(), strict=True):
        absent = not exclusion and bool(flag & GNSS_FLAGS["absent"] or not math.isfinite(up))
        table.append({
            "id": name, "lon": round(lon, 4), "lat": round(lat, 4),
            "up_mm": _number(up, 2), "up_sigma_mm": _number(sigma, 2),
            "state": "used" if taken else "absent" if absent else "excluded",
            "reason": exclusion,
            "flags": [word for word, bit in GNSS_FLAGS.items()
                      if flag & bit and word not in ("absent", "station_excluded")]})
    return table


def _number(value: float | None, decimals: int) -> float | None:
    return round(value, decimals) if value is not None and math.isfinite(value) else None


def encode_geography(outline: BaseGeometry, grid: Grid, basins: Basins) -> dict[str, Any]:
    """Outline and basins of a region as GeoJSON geometries.

    A basin is the union of its cells; its steps are straightened within two cells, alike on both
    sides of a border, and cut at the outline.
    """
    coast = shapely.simplify(outline, _OUTLINE_TOLERANCE_DEG)
    lon, lat = grid.cells
    half = grid.spacing_deg / 2
    owner = np.where(basins.weight.max(axis=0) > 0, basins.weight.argmax(axis=0), -1)
    whole = [shapely.coverage_union_all(shapely.box(lon[mine] - half, lat[mine] - half,
                                                    lon[mine] + half, lat[mine] + half))
             for mine in (owner == number for number in range(len(basins.identifier)))]
    straightened = shapely.coverage_simplify(whole, 2 * grid.spacing_deg,
                                               simplify_boundary=False)
    shapes = [shapely.intersection(shapely.make_valid(one), coast) for one in straightened]
    west, south, east, north = outline.bounds
    return {
        "schema_version": SCHEMA_VERSION,
        "bounds": [round(value, 3) for value in (west, south, east, north)],
        "outline": _geojson(coast),
        "basins": [{"id": key, "name": name, "geometry": _geojson(shape)}
                   for key, name, shape in zip(basins.identifier, basins.name, shapes,
                                               strict=True)],
    }


def _geojson(geometry: BaseGeometry) -> dict[str, Any]:
    """Polygons of a geometry with three decimals; lines and points of a cut are left out."""
    polygons = [part for part in shapely.get_parts(geometry, return_index=False)
                if part.geom_type in ("Polygon", "MultiPolygon") and not part.is_empty]
    parts = [polygon for part in polygons for polygon in shapely.get_parts(part)]
    return {"type": "MultiPolygon", "coordinates": [
        [np.round(shapely.get_coordinates(ring), 3).tolist()
         for ring in (polygon.exterior, *polygon.interiors)] for polygon in parts]}


@dataclass(frozen=True)
class BasinFiles:
    """A basin's document `basins/<id>.json`, where it is published, and its precipitation's path.

    `precipitation` is None where there is no such file.
    """

    document: Mapping[str, Any]
    path: str
    precipitation: str | None


def encode_basins(basins: Iterable[BasinFiles], days: Sequence[str]) -> dict[str, Any]:
    """Values of the basins on the page's days, for its table and its map of classes.

    Parameters
    ----------
    basins : iterable of BasinFiles
        The block `standing` of a document may be absent.
    days : sequence of str
        ISO days, ascending. A value that a document does not have is None.
    """
    return {"schema_version": SCHEMA_VERSION, "days": list(days),
            "basins": [_basin(one, days) for one in basins]}


def _basin(files: BasinFiles, days: Sequence[str]) -> dict[str, Any]:
    document = files.document
    standing = document.get("standing")
    columns = ("standardized_anomaly", "percentile", "category", "probabilities", "veto")
    return {
        "id": document["id"], "name": document["name"], "path": files.path,
        "precipitation": files.precipitation,
        "estimates": {method: _on_days(series, days, ("twsa_mm", "sigma_mm", "tier", "revision"))
                      for method, series in document["series"].items()},
        "standing": None if not standing else
        {"method": standing["method"], **_on_days(standing, days, columns)},
    }


def _on_days(series: Mapping[str, Any], days: Sequence[str], columns: Sequence[str]
             ) -> dict[str, list[Any]]:
    row = {day: number for number, day in enumerate(series["date"])}
    return {column: [series[column][row[day]] if day in row else None for day in days]
            for column in columns if column in series}


def legend_step(sizes: Iterable[float | None]) -> float:
    """Width of a legend's class: six of them hold the median of the sizes; a round number.

    >>> legend_step([100.0, None, 141.0, 900.0]), legend_step([])
    (25.0, 1.0)
    """
    known = [size for size in sizes if size]
    wanted = (median(known) if known else _N_STEPS) / _N_STEPS
    power = 10.0 ** math.floor(math.log10(wanted))
    return float(next(power * one for one in _ROUND if power * one >= wanted * (1 - 1e-9)))


def encode_index(*, region: Mapping[str, Any], days: Sequence[Mapping[str, Any]],
                 sizes: Sequence[Mapping[str, float | None]], settings: PageSettings,
                 usual_delay_days: float, alerts: str | None, feed: str | None
                 ) -> dict[str, Any]:
    """The page's table of contents.

    Parameters
    ----------
    region : mapping
        Name, title, reference period and the like; shown as they are.
    days : sequence of mapping
        The days of the slider, ascending: day, product id, tier and revision, where the file is.
    sizes : sequence of mapping
        `size_mm` of each day's grid, for legends that hold for all of them.
    usual_delay_days : float
        Age at which a day's first issue is due.
    alerts : str or None
        Path of the active alerts, if there is such a file.
    feed : str or None
        Path of their Atom feed, likewise.
    """
    return {
        "schema_version": SCHEMA_VERSION, **region, "days": list(days),
        "legend_step_mm": {name: legend_step(size[name] for size in sizes)
                           for name in ("twsa", "twsa_sigma")},
        "categories": list(CATEGORIES), "category_bounds_percent": list(CATEGORY_BOUNDS_PERCENT),
        "thresholds": {
            "tick_late_hours": settings.tick_late_hours,
            "tick_stale_hours": settings.tick_stale_hours,
            "day_late_days": usual_delay_days + settings.day_late_days,
            "day_stale_days": usual_delay_days + settings.day_stale_days},
        "alerts": alerts, "feed": feed,
    }


def to_json(content: Mapping[str, Any]) -> bytes:
    """Compact JSON, the same bytes for the same content."""
    return (json.dumps(content, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
            + "\n").encode()
