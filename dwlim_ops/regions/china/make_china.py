"""Make the geometry of the region `china` from the project's source data.

    python make_china.py DATA_FOLDER

DATA_FOLDER holds `china/` and `geo/` as described in `NOTICE.md`. The same input gives the same
bytes.
"""

import csv
import json
import sys
from pathlib import Path
from typing import Final

import numpy as np
import shapely
import xarray as xr
from shapely.geometry import mapping
from shapely.geometry.base import BaseGeometry

HERE: Final = Path(__file__).parent
#: The two sources place these in different countries or provinces; the site logs are right.
BY_SITE_LOG: Final = frozenset({"TASH", "HNCS"})
#: Parts of the outline and holes in it that are smaller, in square degrees, are left out.
SMALLEST: Final = 1.0
#: Loads are felt from so far beyond the outline.
SURROUNDINGS_DEG: Final = 4.0
NAMES: Final = {name: f"{name} (draft)" for name in (
    "Northwest", "Southwest", "Songhua", "Liaohe", "Haihe", "Yellow", "Huaihe", "Yangtze",
    "Southeast", "Pearl")}


def main(source: Path, target: Path) -> None:
    """Write outline, surroundings, basins and sites to `target`."""
    cells = read_cells(source / "china" / "DERIVED_draft_10basins_0p25deg.csv")
    outline = outline_of(cells)
    write_polygons(outline, target / "outline.geojson")
    land = read_land(source / "geo" / "GLDASp4_landmask_025d.nc4", outline)
    write_polygons(land, target / "surroundings.geojson")
    rows = [f"{lon},{lat},{basin},{NAMES[basin]}" for lon, lat, basin in cells if basin]
    (target / "basins.csv").write_text("\n".join(["lon,lat,basin,name", *rows, ""]))
    sites = read_sites(source / "china" / "cmonoc_station_list_merged.csv")
    (target / "sites.csv").write_text("\n".join(["station,longitude,latitude,height", *sites, ""]))


def read_cells(path: Path) -> list[tuple[str, str, str]]:
    """Longitude, latitude and basin (empty for a few cells) of every cell, as written there."""
    with path.open(newline="") as stream:
        return [(row["lon"], row["lat"], row["basin"]) for row in csv.DictReader(stream)]


def outline_of(cells: list[tuple[str, str, str]]) -> BaseGeometry:
    """Union of the cells, without specks and pinholes."""
    lon, lat = (np.array([float(cell[axis]) for cell in cells]) for axis in (0, 1))
    union = shapely.unary_union(shapely.box(lon - 0.125, lat - 0.125, lon + 0.125, lat + 0.125))
    return without_specks(union)


def without_specks(union: BaseGeometry) -> BaseGeometry:
    """The large parts of an area, each with its large holes."""
    parts = [shapely.Polygon(part.exterior, [
        hole for hole in part.interiors if shapely.Polygon(hole).area >= SMALLEST])
        for part in shapely.get_parts(union) if part.area >= SMALLEST]
    return shapely.unary_union(parts)


def read_land(path: Path, outline: BaseGeometry) -> BaseGeometry:
    """Outline and all land within `SURROUNDINGS_DEG` of it, on cells of 0.25 deg."""
    with xr.open_dataset(path) as mask:
        land = mask["GLDAS_mask"].squeeze().load()
    lon, lat = (axis.ravel() for axis in np.meshgrid(land["lon"].values, land["lat"].values))
    near = shapely.contains_xy(outline.buffer(SURROUNDINGS_DEG), lon, lat)
    held = near & (land.values.ravel() == 1)
    boxes = shapely.box(lon[held] - 0.125, lat[held] - 0.125, lon[held] + 0.125,
                        lat[held] + 0.125)
    return without_specks(shapely.unary_union([outline, *boxes]))


def write_polygons(area: BaseGeometry, path: Path) -> None:
    """One GeoJSON feature."""
    feature = {"type": "Feature", "properties": {}, "geometry": mapping(shapely.normalize(area))}
    path.write_text(json.dumps({"type": "FeatureCollection", "features": [feature]}) + "\n")


def read_sites(path: Path) -> list[str]:
    """Lines `station,longitude,latitude,height`; the height is empty where no source has it."""
    with path.open(newline="") as stream:
        rows = list(csv.DictReader(line for line in stream if not line.startswith("#")))
    sites = []
    for row in sorted(rows, key=lambda row: row["site"]):
        names = ("lon_net", "lat_net") if row["site"] in BY_SITE_LOG else ("lon", "lat")
        lon, lat = (float(row[name]) for name in names)
        sites.append(f"{row['site']},{lon:.4f},{lat:.4f},{row['height_m_net']}")
    return sites


if __name__ == "__main__":
    main(Path(sys.argv[1]), HERE)
