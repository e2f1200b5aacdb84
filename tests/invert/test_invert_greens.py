import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.integrate import quad
from scipy.special import legendre_p_all

from dwlim_ops import geometry
from dwlim_ops.errors import ContractError
from dwlim_ops.invert import greens
from dwlim_ops.invert.greens import disk_displacement_mm
from dwlim_ops.invert.love import load_love_numbers

CELL_AT_35N = float(geometry.disk_radius_deg(35.0, 0.25))


@pytest.mark.parametrize(
    ("distance", "expected_mm", "unit"),
    [(0.0, -2.71, 0.005), (0.25, -0.393, 5e-4), (0.5, -0.168, 5e-4), (1.0, -0.0734, 5e-5),
     (2.0, -0.0277, 5e-5), (5.0, -0.0060, 5e-5)],
)
@pytest.mark.parametrize("frame", ["ce", "cf"])
def test_published_numbers_of_a_quarter_degree_cell(distance, expected_mm, unit, frame):
    value = disk_displacement_mm(distance, CELL_AT_35N, frame=frame)
    assert value == pytest.approx(expected_mm, abs=unit)


def test_published_numbers_of_other_disks():
    assert disk_displacement_mm([0.0, 1.0], 0.28) == pytest.approx([-4.568, -0.357], abs=5e-4)
    # the published value, -2.269, is a sum to degree 40 000
    assert disk_displacement_mm(0.0, 0.1) == pytest.approx(-2.269, rel=2e-3)


def legendre_sum_mm(distance_deg, radius_deg, last_degree):
    """The series as written, from scipy's Legendre polynomials."""
    love = load_love_numbers("ce")
    at_edge = legendre_p_all(last_degree + 1, np.cos(np.radians(radius_deg)))[0]
    at_point = legendre_p_all(last_degree, np.cos(np.radians(distance_deg)))[0]
    n = np.arange(1, last_degree + 1)
    gamma = (at_edge[n - 1] - at_edge[n + 1]) / 2
    h = love.h[np.minimum(n, 5000)]
    total = love.h[0] * (1 - at_edge[1]) / 2 + np.sum(h * gamma / (2 * n + 1) * at_point[1:])
    return 1000 * greens.LOAD_FACTOR * total


@pytest.mark.parametrize("distance", [0.0, 1.0, 7.0, 40.0, 120.0, 177.5, 180.0])
@pytest.mark.parametrize("radius", [2.5, 20.0])
def test_agrees_with_the_plain_series(distance, radius):
    peak = abs(float(disk_displacement_mm(0.0, radius)))
    value = disk_displacement_mm(distance, radius)
    assert value == pytest.approx(legendre_sum_mm(distance, radius, 30_000), abs=3e-5 * peak)


@pytest.mark.parametrize("distance", [1.0, 3.0, 30.0, 100.0])
def test_small_disk_far_away_is_a_point_load(distance):
    radius = 0.02
    theta = np.radians(distance)
    love = load_love_numbers("ce")
    share = np.sin(np.radians(radius) / 2) ** 2
    # sum of P_n is 1 / (2 sin(theta / 2)): the point load's own Kummer form
    total = love.h_asymptotic / (2 * np.sin(theta / 2))
    total += np.sum((love.h - love.h_asymptotic) * legendre_p_all(5000, np.cos(theta))[0])
    expected = 1000 * greens.LOAD_FACTOR * share * total
    assert disk_displacement_mm(distance, radius) == pytest.approx(expected, rel=3e-4)


@pytest.mark.parametrize("theta", [0.0, 0.0021, 0.00222, 0.0023, 0.02, 0.5, 3.0])
def test_sum_of_all_degrees_is_the_mean_inverse_chord(theta):
    radius = 0.00222

    def chord(azimuth, at):
        """Chord from a point at `at` from the centre, weighted by the turn of its azimuth."""
        square = 2 - 2 * (np.cos(at) * np.cos(radius)
                          + np.sin(at) * np.sin(radius) * np.cos(azimuth))
        turn = np.sin(radius) * (np.sin(radius) * np.cos(at)
                                 - np.cos(radius) * np.sin(at) * np.cos(azimuth))
        return turn / (np.sqrt(square) * (1 - square / 4))

    mean, _ = quad(chord, 0, np.pi, args=(theta,), epsabs=1e-13, epsrel=1e-11, limit=2000,
                   points=[1e-3, 1e-2, 0.1])
    love = load_love_numbers("ce")
    value = greens.uniform_part(np.array([theta]), np.degrees(radius), love)[0]
    expected = greens.LOAD_FACTOR * love.h_asymptotic * mean / (2 * np.pi)
    assert value == pytest.approx(expected, abs=1e-9 * abs(greens.LOAD_FACTOR) * radius, rel=1e-6)


def test_big_disk_is_the_sum_of_the_cells_that_tile_it():
    spacing, radius = 0.1, 1.5
    axis = np.arange(-2.0, 2.0, spacing) + spacing / 2
    longitude, latitude = (a.ravel() for a in np.meshgrid(axis, axis))
    inside = geometry.distance_deg(0, 0, longitude, latitude)[0] <= radius
    longitude, latitude = longitude[inside], latitude[inside]
    area = geometry.cell_area_km2(latitude, spacing).sum()
    whole = np.degrees(np.sqrt(area / np.pi)) / geometry.EARTH_RADIUS_KM
    cell = float(geometry.disk_radius_deg(0.0, spacing))
    for distance, error in ((0.03, 0.02), (0.5, 0.03), (3.0, 5e-4)):
        to_cells = geometry.distance_deg(distance, 0.0, longitude, latitude)[0]
        tiled = disk_displacement_mm(to_cells, cell).sum()
        assert tiled == pytest.approx(disk_displacement_mm(distance, whole), rel=error)


def test_water_over_the_whole_globe_leaves_degree_zero_only():
    expected = 1000 * greens.LOAD_FACTOR * -0.13273
    value = disk_displacement_mm([0.0, 1.0, 60.0, 179.0, 180.0], 180.0)
    assert value == pytest.approx(np.full(5, expected), abs=1e-6)


@settings(max_examples=8, derandomize=True, deadline=None)
@given(st.floats(0.05, 170.0), st.floats(0.0, 180.0))
def test_disk_and_its_complement_cover_the_globe(radius, distance):
    covered = disk_displacement_mm(distance, radius) + disk_displacement_mm(
        180.0 - distance, 180.0 - radius
    )
    peak = abs(float(disk_displacement_mm(0.0, radius)))
    whole = 1000 * greens.LOAD_FACTOR * -0.13273
    # the complement's edge lies at an angle that is rounded, where the slope is infinite
    assert covered == pytest.approx(whole, abs=1e-6 * peak)


def test_value_on_the_edge_continues_its_neighbours():
    edge = np.array([0.25 - 1e-9, 0.25, 0.25 + 1e-9])
    values = disk_displacement_mm(edge, 0.25)
    assert values == pytest.approx(np.full(3, values[1]), abs=1e-6)
    assert values[0] < values[1] < values[2]


def test_shapes_are_broadcast():
    table = disk_displacement_mm(np.array([[0.0], [1.0]]), np.array([0.1, 0.28]))
    assert table.shape == (2, 2)
    assert table[1, 1] == pytest.approx(disk_displacement_mm(1.0, 0.28), rel=1e-12)
    assert disk_displacement_mm(0.5, 0.1).shape == ()


@pytest.mark.parametrize(("distance", "radius"), [(-1, 1), (181, 1), (1, 0), (1, 181), (np.nan, 1)])
def test_impossible_angles_are_refused(distance, radius):
    with pytest.raises(ContractError, match="out of range"):
        disk_displacement_mm(distance, radius)
