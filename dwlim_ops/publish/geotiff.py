"""The grid of one day as a Cloud-optimised GeoTIFF, for GIS and web maps."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any, Final

import numpy as np
import rasterio
import rasterio.shutil
import xarray as xr
from affine import Affine
from numpy.typing import NDArray
from rasterio.crs import CRS
from rasterio.io import MemoryFile

FOLDER: Final = "geotiff"
#: The same file under a name that stays.
LATEST: Final = "geotiff/latest.tif"
EPSG: Final = 4326
#: Side of a tile, pixels; what is larger has overviews.
TILE: Final = 128
_TAGS: Final = ("title", "id", "region_title", "tier", "revision", "as_of", "published_method",
                "reference_period", "license", "synthetic")


@dataclass(frozen=True)
class Band:
    """One band: variable of the daily product, meaning, unit. A place without a value is NaN."""

    variable: str
    meaning: str
    unit: str


#: Bands in their order. What a product has not (no climatology yet) is a band without values.
BANDS: Final = (
    Band("twsa", "terrestrial water storage anomaly", "kg m-2"),
    Band("twsa_sigma", "standard error of the anomaly", "kg m-2"),
    Band("twsa_standardized_anomaly", "standardised anomaly against the climatology", "1"),
    Band("twsa_percentile", "percentile against the climatology", "percent"),
    Band("quality_flag", "bits of remarks, zero is none", "1"),
)


def path_of(region: str, day: date, revision: int) -> str:
    """Place of the day's file, relative to the published folder.

    >>> path_of("australia", date(2017, 6, 1), 2)
    'geotiff/twsa_australia_20170601_r02.tif'
    """
    return f"{FOLDER}/twsa_{region}_{day:%Y%m%d}_r{revision:02d}.tif"


def to_bytes(grid: xr.Dataset) -> bytes:
    """Content of the file: 32-bit `BANDS`, EPSG:4326, north up; equal grids give equal bytes.

    Parameters
    ----------
    grid : xarray.Dataset
        Grid of a daily product, (time=1, lat, lon), latitudes and longitudes ascending.
    """
    latitude, longitude = grid["lat"].values, grid["lon"].values
    step = float(longitude[1] - longitude[0])
    west, north = longitude[0] - step / 2, latitude[-1] + step / 2
    profile: dict[str, Any] = {
        "width": longitude.size, "height": latitude.size, "count": len(BANDS), "dtype": "float32",
        "crs": CRS.from_epsg(EPSG), "nodata": np.nan,
        "transform": Affine(step, 0.0, west, 0.0, -step, north)}
    with (rasterio.Env(GDAL_NUM_THREADS=1), MemoryFile() as plain, MemoryFile() as optimised):
        with plain.open(driver="GTiff", **profile) as target:
            for number, band in enumerate(BANDS, 1):
                target.write(_band(grid, band.variable), number)
                target.set_band_description(number, band.variable)
                target.set_band_unit(number, band.unit)
                target.update_tags(number, long_name=band.meaning, **_flags(grid, band.variable))
            target.update_tags(**{name: str(grid.attrs[name]) for name in _TAGS
                                  if name in grid.attrs})
        with plain.open() as source:
            rasterio.shutil.copy(
                source, optimised.name, driver="COG", BLOCKSIZE=TILE, COMPRESS="DEFLATE",
                PREDICTOR="FLOATING_POINT", OVERVIEWS="IGNORE_EXISTING", RESAMPLING="NEAREST")
        return bytes(optimised.read())


def _band(grid: xr.Dataset, name: str) -> NDArray[np.float32]:
    if name not in grid:
        return np.full((grid.sizes["lat"], grid.sizes["lon"]), np.nan, dtype=np.float32)
    return np.asarray(grid[name].values[0][::-1], dtype=np.float32)


def _flags(grid: xr.Dataset, name: str) -> Mapping[str, str]:
    attributes = grid[name].attrs if name in grid else {}
    if "flag_masks" not in attributes:
        return {}
    return {"flag_masks": ", ".join(str(int(bit)) for bit in attributes["flag_masks"]),
            "flag_meanings": str(attributes["flag_meanings"])}
