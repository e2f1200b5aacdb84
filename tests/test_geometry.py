"""Cells, grids, basins and distances against independent formulas and libraries."""

import json

import numpy as np
import pytest
import shapely
import synthetic
from hypothesis import given, settings
from hypothesis import strategies as st
from pyproj import Geod
from shapely.geometry import Point, Polygon, box, mapping

from dwlim_ops.errors import ConfigError
from dwlim_ops.geometry import (
    EARTH_RADIUS_KM,
    cell_area_km2,
    disk_radius_deg,
    distance_deg,
    make_grid,
    read_basins,
    read_outline,
    unit_vectors,
    wrap_longitude_deg,
)

SPHERE = Geod(a=EARTH_RADIUS_KM * 1000, b=EARTH_RADIUS_KM * 1000)
_few = settings(max_examples=40, deadline=None, derandomize=True)
_longitude, _latitude = st.floats(-360, 360), st.floats(-90, 90)


def test_cells_of_the_globe_add_up_to_the_sphere():
    latitude = np.arange(-89.875, 90, 0.25)
    total = 1440 * cell_area_km2(latitude, 0.25).sum()
    assert total == pytest.approx(4 * np.pi * EARTH_RADIUS_KM**2, rel=1e-12)


@pytest.mark.parametrize("latitude", [0.125, 45.125, 84.875])
def test_the_disk_has_the_area_of_the_cell(latitude):
    radius = np.radians(disk_radius_deg(latitude, 0.25))
    cap = 2 * np.pi * EARTH_RADIUS_KM**2 * (1 - np.cos(radius))
    assert cap == pytest.approx(cell_area_km2(latitude, 0.25), rel=1e-6)


@_few
@given(_longitude, _latitude, _longitude, _latitude)
def test_distance_is_that_of_a_geodesic_on_the_sphere(lon_a, lat_a, lon_b, lat_b):
    metres = SPHERE.inv(lon_a, lat_a, lon_b, lat_b)[2]
    expected = np.degrees(metres / (EARTH_RADIUS_KM * 1000))
    assert distance_deg(lon_a, lat_a, lon_b, lat_b)[0, 0] == pytest.approx(expected, abs=2e-6)


def test_distances_are_pairs_of_both_lists():
    assert distance_deg([0, 10, 20], [0, 0, 0], [0, 5], [0, 0]).round(9).tolist() == [
        [0, 5], [10, 5], [20, 15]]


@_few
@given(st.floats(-1080, 1080), st.integers(-3, 3))
def test_wrapped_longitudes_lie_in_one_turn_and_forget_turns(longitude, turns):
    wrapped = float(wrap_longitude_deg(longitude))
    assert -180 <= wrapped < 180
    gap = abs(float(wrap_longitude_deg(longitude + 360.0 * turns)) - wrapped)
    assert min(gap, 360 - gap) < 1e-9
    rest = abs(longitude - wrapped) % 360.0
    assert min(rest, 360 - rest) < 1e-9


@_few
@given(_longitude, _latitude)
def test_unit_vectors_have_length_one_and_keep_distances(longitude, latitude):
    vector = unit_vectors([longitude, 0.0], [latitude, 0.0])
    assert np.linalg.norm(vector, axis=1) == pytest.approx([1, 1])
    cosine = np.cos(np.radians(distance_deg(longitude, latitude, 0.0, 0.0)[0, 0]))
    assert vector[0] @ vector[1] == pytest.approx(cosine, abs=1e-9)


@pytest.fixture(scope="module")
def outline():
    return Polygon([(10.1, 40.2), (21.7, 40.9), (20.3, 47.2), (13.3, 49.4)])


def test_cell_edges_fall_on_multiples_of_the_spacing(outline):
    for spacing in (0.25, 0.5, 2.0):
        grid = make_grid(outline, spacing, 1.0)
        for centres in (grid.longitude_deg, grid.latitude_deg):
            edges = (centres - spacing / 2) / spacing
            assert edges == pytest.approx(np.round(edges), abs=1e-9)
            assert np.diff(centres) == pytest.approx(np.full(centres.size - 1, spacing))


def test_land_fractions_are_those_of_shapely_and_add_up_to_the_outline(outline):
    grid = make_grid(outline, 0.5, 1.5)
    total = grid.land_fraction.sum() * 0.5**2
    assert total == pytest.approx(outline.area, rel=1e-9)
    rows, columns = np.nonzero((grid.land_fraction > 0.01) & (grid.land_fraction < 0.99))
    assert rows.size > 20
    for row, column in list(zip(rows, columns, strict=True))[::7]:
        lon, lat = grid.longitude_deg[column], grid.latitude_deg[row]
        cell = box(lon - 0.25, lat - 0.25, lon + 0.25, lat + 0.25)
        assert grid.land_fraction[row, column] == pytest.approx(
            outline.intersection(cell).area / cell.area, abs=1e-9)


def test_the_domain_is_the_land_widened_by_a_distance_on_the_sphere(outline):
    widened, plain = make_grid(outline, 0.5, 2.0), make_grid(outline, 0.5, 0.0)
    lon, lat = (a.ravel() for a in np.meshgrid(widened.longitude_deg, widened.latitude_deg))
    nearest = distance_deg(lon, lat, *plain.cells).min(axis=1).reshape(widened.domain.shape)
    assert np.array_equal(widened.domain, nearest <= 2.0 + 1e-9)
    assert nearest[widened.domain].max() > 1.8
    assert set(zip(*plain.cells, strict=True)) <= set(zip(*widened.cells, strict=True))
    assert plain.domain.sum() == widened.land.sum()


def test_the_widening_reaches_its_full_distance_at_high_latitude():
    grid = make_grid(box(20, 76, 24, 78), 0.5, 2.0)
    lon, lat = grid.cells
    at_parallel = np.abs(lat - 77.75) < 0.01
    for side in (lon[at_parallel].max(), -lon[at_parallel].min()):
        edge = 23.75 if side > 0 else -20.25
        assert distance_deg(side, 77.75, edge, 77.75)[0, 0] > 1.8


def test_values_of_cells_return_to_their_place_on_the_grid(outline):
    grid = make_grid(outline, 1.0, 1.0)
    lon, lat = grid.cells
    spread = grid.on_grid(np.stack([lon, lat]))
    assert spread.shape == (2, grid.latitude_deg.size, grid.longitude_deg.size)
    rows, columns = np.nonzero(grid.domain)
    assert np.array_equal(spread[0][rows, columns], grid.longitude_deg[columns])
    assert np.array_equal(spread[1][rows, columns], grid.latitude_deg[rows])
    assert np.isnan(spread[:, ~grid.domain]).all()


@pytest.fixture
def toy(tmp_path):
    for name, text in synthetic.region_files().items():
        (tmp_path / name).write_text(text)
    return tmp_path


@pytest.fixture(scope="module")
def grid():
    return make_grid(synthetic.OUTLINE, 0.5, 1.0)


def test_basins_of_a_table_and_of_polygons_agree(toy, grid):
    table, polygons = (read_basins(toy / f"basins.{kind}", grid) for kind in ("csv", "geojson"))
    assert table.identifier == polygons.identifier == ("7", "12", "100")
    assert table.name == polygons.name == ("West River", "North Plain", "South Plain")
    assert np.array_equal(table.weight, polygons.weight)


def test_basin_weights_are_the_area_of_land(toy, grid):
    basins = read_basins(toy / "basins.csv", grid)
    assert basins.weight.sum(axis=1) == pytest.approx([1, 1, 1])
    assert (basins.weight >= 0).all()
    lon, lat = grid.cells
    for number, (_, limits) in enumerate(synthetic.BASINS.values()):
        land = box(*limits).intersection(synthetic.OUTLINE)
        parts = [land.intersection(box(west, 40, west + 1, 50)) for west in range(10, 22)]
        parts = [part for part in parts if not part.is_empty]
        area = np.array([_area_km2(part) for part in parts])
        expected = area @ [part.centroid.x for part in parts] / area.sum()
        assert basins.mean(lon)[number] == pytest.approx(expected, abs=0.05)
        assert lat[basins.weight[number] > 0].min() >= limits[1]


def _area_km2(polygon):
    return abs(SPHERE.geometry_area_perimeter(shapely.segmentize(polygon, 0.05))[0]) / 1e6


@pytest.mark.parametrize("shift", [-360.0, 360.0])
def test_a_basin_table_may_count_longitudes_in_either_way(toy, grid, shift):
    expected = read_basins(toy / "basins.csv", grid)
    header, *rows = (toy / "basins.csv").read_text().split()
    shifted = [f"{float(row.split(',', 1)[0]) + shift},{row.split(',', 1)[1]}"
               for row in (toy / "basins.csv").read_text().splitlines()[1:]]
    (toy / "basins.csv").write_text("\n".join([header, *shifted, ""]))
    assert np.array_equal(read_basins(toy / "basins.csv", grid).weight, expected.weight)
    assert rows


def test_a_basin_table_may_be_coarser_than_the_grid(toy):
    fine = make_grid(synthetic.OUTLINE, 0.25, 0.0)
    from_half_degree = read_basins(toy / "basins.csv", fine)
    from_polygons = read_basins(toy / "basins.geojson", fine)
    assert np.array_equal(from_half_degree.weight, from_polygons.weight)


@pytest.mark.parametrize("content", [
    "", "{", "[1, 2]", '{"type": "FeatureCollection"}',
    '{"type": "FeatureCollection", "features": [{"geometry": {"type": "Polygon"}}]}',
    json.dumps({"type": "Feature", "geometry": mapping(Point(1, 2)), "properties": {}}),
])
def test_an_outline_that_is_none_is_refused_by_name(tmp_path, content):
    (tmp_path / "outline.geojson").write_text(content)
    with pytest.raises(ConfigError, match=r"outline\.geojson") as caught:
        read_outline(tmp_path / "outline.geojson")
    assert "expected" in str(caught.value)


def test_an_absent_outline_is_refused_by_name(tmp_path):
    with pytest.raises(ConfigError, match=r"none\.geojson"):
        read_outline(tmp_path / "none.geojson")


@pytest.mark.parametrize("content", [
    "", "lon,lat\n1,2\n", "lon,lat,basin\nx,45,7\n", "lon,lat,basin\n15.25\n",
])
def test_a_basin_table_that_is_none_is_refused_by_name(tmp_path, grid, content):
    (tmp_path / "basins.csv").write_text(content)
    with pytest.raises(ConfigError, match=r"basins\.csv"):
        read_basins(tmp_path / "basins.csv", grid)


def test_a_basin_off_the_grid_is_named(tmp_path, grid):
    (tmp_path / "basins.csv").write_text("lon,lat,basin\n15.25,45.25,7\n80.25,45.25,9\n")
    with pytest.raises(ConfigError, match="basin 9") as caught:
        read_basins(tmp_path / "basins.csv", grid)
    assert "remedy" in str(caught.value)
