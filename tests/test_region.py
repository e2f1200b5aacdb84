"""The geometry of a region, and the regions that ship with the package."""

import numpy as np
import pytest
import synthetic

from dwlim_ops.config import read_config
from dwlim_ops.errors import ConfigError
from dwlim_ops.region import load_region
from dwlim_ops.regions import built_in_regions, region_folder


@pytest.fixture(scope="module")
def geometry(tmp_path_factory):
    workspace = synthetic.build_workspace(tmp_path_factory.mktemp("region"))
    return load_region(read_config(workspace.config_file).region, workspace.root)


def test_grids_and_basins_follow_from_the_configuration(geometry):
    assert geometry.grid.spacing_deg == 0.5
    assert geometry.cell_grid.spacing_deg == 2.0
    assert np.array_equal(geometry.grid.domain, synthetic.truth().grid.domain)
    assert geometry.basins.weight.shape == (3, geometry.grid.domain.sum())
    n_cells = geometry.cells[0].size
    assert n_cells == geometry.cell_grid.domain.sum() == geometry.cell_grid.land.sum()


def test_a_point_is_held_by_the_cell_around_it(geometry):
    longitude, latitude = geometry.cells
    inside = geometry.holding_cell(longitude + 0.99, latitude - 0.99)
    assert inside.tolist() == list(range(longitude.size))


def test_a_point_outside_every_cell_is_held_by_none_and_near_one(geometry):
    far = np.array([9.5, 30.0]), np.array([45.0, 45.0])
    assert geometry.holding_cell(*far).tolist() == [-1, -1]
    near = geometry.cell_of(*far)
    assert geometry.cells[0][near].tolist() == [11.0, 21.0]


def test_distance_from_the_region_is_zero_on_land_and_grows_outside(geometry):
    lon, lat = geometry.grid.cells
    land = geometry.grid.land
    assert geometry.distance_outside_deg(lon[land], lat[land]).max() == 0.0
    distance = geometry.distance_outside_deg(np.array([15.25, 15.25]), np.array([37.75, 36.75]))
    assert distance == pytest.approx([2.5 - 0.5 / np.sqrt(2), 3.5 - 0.5 / np.sqrt(2)])


def test_an_outline_that_is_not_there_is_named(tmp_path):
    workspace = synthetic.build_workspace(tmp_path)
    (tmp_path / "region/outline.geojson").unlink()
    with pytest.raises(ConfigError, match=r"outline\.geojson"):
        load_region(read_config(workspace.config_file).region, workspace.root)


def test_the_sample_ships_with_the_package():
    assert "australia" in built_in_regions()
    assert (region_folder("australia") / "region.toml").is_file()


def test_an_unknown_region_is_named_beside_those_that_exist():
    with pytest.raises(ConfigError, match=r"atlantis.*australia"):
        region_folder("atlantis")
