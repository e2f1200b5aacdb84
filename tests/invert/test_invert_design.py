import numpy as np
import pytest

from dwlim_ops import geometry
from dwlim_ops.invert.design import design_matrix
from dwlim_ops.invert.greens import disk_displacement_mm


@pytest.fixture(scope="module")
def tall_grid() -> geometry.Grid:
    latitude = np.arange(-60.0, 75.0, 15.0) + 0.125
    longitude = np.arange(-1.0, 1.0, 0.25) + 0.125
    domain = np.ones((latitude.size, longitude.size), dtype=bool)
    domain[2] = domain[0, :4] = False
    return geometry.Grid(longitude, latitude, 0.25, domain.astype(float), domain)


@pytest.mark.parametrize("frame", ["ce", "cm"])
def test_every_element_is_the_disk_of_its_cell(tall_grid, frame):
    rng = np.random.default_rng(0)
    lon, lat = tall_grid.cells
    # on centres, on edges of disks and of cells, near and far
    point_lon = np.concatenate([lon[:5], lon[5:9] + 0.125, rng.uniform(-2, 2, 6), [120.0]])
    point_lat = np.concatenate([lat[:5], lat[5:9], rng.uniform(-60, 60, 6), [10.0]])
    matrix = design_matrix(point_lon, point_lat, tall_grid, frame=frame)
    distance = geometry.distance_deg(point_lon, point_lat, lon, lat)
    radius = geometry.disk_radius_deg(lat, 0.25)
    exact = disk_displacement_mm(distance, radius[None, :], frame=frame) / 1000.0
    assert np.abs(matrix - exact).max() <= 1e-6 * np.abs(exact).max()


@pytest.mark.parametrize("frame", ["cf"])
def test_edge_of_the_disk_is_followed(tall_grid, frame):
    lon, lat = tall_grid.cells
    radius = float(geometry.disk_radius_deg(lat[20], 0.25))
    offset = radius * np.concatenate([np.linspace(0.9, 1.1, 41), np.linspace(4.5, 5.5, 41)])
    matrix = design_matrix(np.full(82, lon[20]), lat[20] + offset, tall_grid, frame=frame)
    exact = disk_displacement_mm(offset, radius, frame=frame) / 1000.0
    assert matrix[:, 20] == pytest.approx(exact, abs=1e-6 * 2e-3)


def test_cells_are_numbered_along_the_domain(tall_grid):
    lon, lat = tall_grid.cells
    matrix = design_matrix(lon, lat, tall_grid, frame="cf")
    assert matrix.shape == (lon.size, lon.size)
    assert (matrix.argmin(axis=1) == np.arange(lon.size)).all()


def test_longitudes_on_either_side_of_the_date_line_agree(tall_grid):
    shifted = geometry.Grid(
        tall_grid.longitude_deg + 180.0, tall_grid.latitude_deg, 0.25, tall_grid.land_fraction,
        tall_grid.domain,
    )
    here = design_matrix([0.4, -0.6], [10.0, -20.0], tall_grid, frame="cf")
    there = design_matrix([-179.6, 179.4], [10.0, -20.0], shifted, frame="cf")
    assert there == pytest.approx(here, abs=1e-9)
