"""Outlines of basins from the cells that they are made of."""

import numpy as np
import pytest
import shapely
from cap_rules import assert_polygon
from hypothesis import given, settings
from hypothesis import strategies as st
from shapely.geometry import Polygon
from shapely.geometry.polygon import LinearRing

from dwlim_ops.alerts.areas import MOST_POINTS, rings_of_cells
from dwlim_ops.alerts.cap import polygon


def cells(west, south, east, north, spacing=0.5):
    longitude, latitude = np.meshgrid(np.arange(west + spacing / 2, east, spacing),
                                      np.arange(south + spacing / 2, north, spacing))
    return longitude.ravel(), latitude.ravel()


def test_a_box_of_cells_has_the_outline_of_the_box():
    (ring,) = rings_of_cells(*cells(10, 40, 15, 50), 0.5)
    assert Polygon(ring).equals(shapely.box(10, 40, 15, 50))
    assert ring[0] == ring[-1]
    assert LinearRing(ring).is_ccw


def test_small_parts_are_left_out_and_holes_are_filled():
    longitude, latitude = cells(0, 0, 10, 10)
    hole = (abs(longitude - 5) < 1) & (abs(latitude - 5) < 1)
    islet, island = np.array([[20.0], [5.0]]), np.array(cells(30, 0, 32, 2))
    where = np.hstack([np.array([longitude[~hole], latitude[~hole]]), islet, island])
    first, second = rings_of_cells(*where, 0.5)
    assert Polygon(first).equals(shapely.box(0, 0, 10, 10))
    assert Polygon(second).equals(shapely.box(30, 0, 32, 2))


@pytest.mark.parametrize("shift", [0.0, 360.0, -360.0])
def test_a_basin_across_the_antimeridian_is_cut_there(shift):
    longitude, latitude = cells(177, -20, 183, -16)
    east, west = sorted(rings_of_cells(longitude + shift, latitude, 0.5), reverse=True)
    assert Polygon(east).equals(shapely.box(177, -20, 180, -16))
    assert Polygon(west).equals(shapely.box(-180, -20, -177, -16))


@given(st.integers(0, 2**32 - 1), st.floats(0.3, 0.9))
@settings(derandomize=True, deadline=None, max_examples=15)
def test_law_any_cells_give_few_valid_rings_that_lie_about_them(seed, share):
    random = np.random.default_rng(seed)
    longitude, latitude = cells(100, -40, 125, -15)
    centre = random.uniform(105, 120), random.uniform(-35, -20)
    near = np.hypot(longitude - centre[0], latitude - centre[1]) < 6
    chosen = near & (random.uniform(size=longitude.size) < share)
    rings = rings_of_cells(longitude[chosen], latitude[chosen], 0.5)
    assert sum(map(len, rings)) <= max(MOST_POINTS, 5 * len(rings))
    for ring in rings:
        assert_polygon(polygon(ring))
        assert LinearRing(ring).is_ccw
    assert shapely.area([Polygon(ring) for ring in rings]).sum() > 0.5 * chosen.sum() * 0.25
