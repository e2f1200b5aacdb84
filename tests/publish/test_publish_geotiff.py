import cube_days
import numpy as np
import pytest
import rasterio
from cube_days import grid, issue
from rasterio.io import MemoryFile
from rio_cogeo.cogeo import cog_validate

from dwlim_ops.publish import geotiff


def anomalous(one):
    """A product with a climatology."""
    made = grid(one)
    made["twsa_standardized_anomaly"] = made["twsa"] / 256
    made["twsa_percentile"] = made["twsa"] * 0 + 50
    return made.assign_attrs(id=one.product_id)


def wide(n_lat=300, n_lon=420):
    """A product of more than a tile."""
    made = grid(issue(3))
    return made.interp(lat=np.linspace(40.25, 42.25, n_lat), lon=np.linspace(10.25, 13.25, n_lon),
                       method="nearest").assign_attrs(made.attrs)


def test_every_band_holds_its_variable_north_up():
    product = anomalous(issue(3))
    with MemoryFile(geotiff.to_bytes(product)) as file, file.open() as source:
        assert source.descriptions == ("twsa", "twsa_sigma", "twsa_standardized_anomaly",
                                       "twsa_percentile", "quality_flag")
        assert source.units == ("kg m-2", "kg m-2", "1", "percent", "1")
        assert source.crs.to_epsg() == 4326
        assert np.isnan(source.nodata)
        assert tuple(source.bounds) == (10.0, 40.0, 13.5, 42.5)
        for number, name in enumerate(source.descriptions, 1):
            np.testing.assert_array_equal(source.read(number)[::-1],
                                          product[name].values[0].astype(np.float32))
        longitude, latitude = float(product["lon"][2]), float(product["lat"][4])
        (found,) = source.sample([(longitude, latitude)])
        assert found[0] == product["twsa"].values[0, 4, 2]
        assert source.tags()["id"] == issue(3).product_id
        assert source.tags(5)["flag_meanings"] == "low_resolution outside_land"
        assert source.tags(5)["flag_masks"] == "1, 32"


def test_what_a_product_has_not_is_a_band_without_values():
    with MemoryFile(geotiff.to_bytes(grid(issue(3)))) as file, file.open() as source:
        assert source.count == len(geotiff.BANDS)
        assert np.isnan(source.read(3)).all()
        assert np.isfinite(source.read(1)).any()


@pytest.mark.parametrize("product", [grid(issue(3)), wide()], ids=["small", "wide"])
def test_it_is_cloud_optimised(tmp_path, product):
    path = tmp_path / "day.tif"
    path.write_bytes(geotiff.to_bytes(product))
    assert cog_validate(str(path), strict=True, quiet=True) == (True, [], [])
    with rasterio.open(path) as source:
        assert source.tags(ns="IMAGE_STRUCTURE")["LAYOUT"] == "COG"
        assert source.block_shapes[0] == (geotiff.TILE, geotiff.TILE)
        larger = max(source.width, source.height) > geotiff.TILE
        assert source.overviews(1) == ([2, 4] if larger else [])


def test_equal_products_give_equal_bytes():
    assert geotiff.to_bytes(wide()) == geotiff.to_bytes(wide())
    assert geotiff.to_bytes(grid(issue(3))) != geotiff.to_bytes(grid(issue(4)))


def test_its_place():
    assert geotiff.path_of("toy", cube_days.FIRST, 3) == "geotiff/twsa_toy_20160220_r03.tif"
