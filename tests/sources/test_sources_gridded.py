"""One field, every convention of its axes, one result."""

import numpy as np
import pytest
import xarray as xr

from dwlim_ops.errors import MalformedInputError
from dwlim_ops.sources.formats.gridded import normalise_grid

LATITUDE = np.arange(-89.5, 90.0, 1.0)
LONGITUDE = np.arange(-180.0, 180.0, 0.75)


def field(latitude=LATITUDE, longitude=LONGITUDE, names=("lat", "lon")):
    north, east = np.meshgrid(np.radians(latitude), np.radians(longitude), indexing="ij")
    values = np.round(np.sin(east) * np.cos(north) + north, 6)
    return xr.Dataset({"x": (("time", *names), values[None])},
                      {"time": [0], names[0]: latitude, names[1]: longitude})


@pytest.mark.parametrize("dress", [
    lambda: field(LATITUDE[::-1]),
    lambda: field(longitude=np.arange(0.0, 360.0, 0.75)),
    lambda: field(longitude=np.arange(-360.0, 0.0, 0.75)),
    lambda: field(LATITUDE[::-1], np.arange(0.0, 360.0, 0.75), ("latitude", "longitude")),
    lambda: field(longitude=np.arange(0.0, 360.5, 0.75)),
    lambda: field(longitude=np.append(LONGITUDE, 180.0)),
    lambda: field().transpose("lon", "lat", "time"),
])
def test_every_convention_gives_the_identical_result(dress):
    xr.testing.assert_identical(normalise_grid(dress(), where="f"), field())


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_decimal_spacings_give_the_same_axis_from_both_conventions(dtype):
    steps = np.arange(3600)
    west = field(longitude=((steps - 1800) / 10).astype(dtype))
    east = field(longitude=(steps / 10).astype(dtype))
    axes = [normalise_grid(data, where="f")["lon"].values for data in (west, east)]
    np.testing.assert_array_equal(axes[0], axes[1])
    np.testing.assert_array_equal(axes[0], ((steps - 1800) / 10).round(8))


def test_bounds_are_dropped_and_attributes_stay():
    data = field(LATITUDE[::-1])
    data["lat"].attrs = {"units": "degrees_north", "bounds": "lat_bnds"}
    data["lat_bnds"] = (("lat", "n"), np.zeros((LATITUDE.size, 2)))
    result = normalise_grid(data, where="f")
    assert "lat_bnds" not in result
    assert result["lat"].attrs == {"units": "degrees_north"}


@pytest.mark.parametrize("data", [
    field().rename(lat="y"),
    field(LATITUDE + 10.0),
    field(np.append(LATITUDE, LATITUDE[0])),
    field(longitude=np.append(LONGITUDE, LONGITUDE[3])).assign(
        x=lambda d: d["x"].copy(data=np.arange(d["x"].size, dtype=float).reshape(d["x"].shape))),
    field(longitude=np.append(LONGITUDE, np.nan)),
])
def test_a_grid_that_is_none_is_refused(data):
    with pytest.raises(MalformedInputError):
        normalise_grid(data, where="f")
