"""The land cells that our own loading is computed from."""

import datetime

import numpy as np
import pytest

from dwlim_ops.atmospheric_loading import land_grid
from dwlim_ops.contracts import Source
from dwlim_ops.geometry import cell_area_km2
from dwlim_ops.sources.http import Client, Endpoint
from dwlim_ops.sources.wide_pressure import SPACING_DEG, WidePressure, land_cells, land_share

LAND_KM2 = 1.335e8  # without Antarctica
#: The table counts a cell of half a degree that has some land as land.
TOO_LARGE = 1.096


def test_the_table_is_of_the_whole_earth_and_holds_shares():
    longitude, latitude, share = land_share()
    assert share.shape == (latitude.size, longitude.size) == (90, 180)
    assert (longitude[0], longitude[-1], latitude[0], latitude[-1]) == (-179, 179, -89, 89)
    assert (np.diff(longitude) == SPACING_DEG).all()
    assert (np.diff(latitude) == SPACING_DEG).all()
    assert ((share >= 0) & (share <= 1)).all()
    np.testing.assert_array_equal(share * 16, (share * 16).round())


def test_the_area_of_the_land_is_that_of_the_earth_and_of_its_coasts():
    _, latitude, share = land_share()
    area = cell_area_km2(latitude, SPACING_DEG)
    assert (share.sum(axis=1) * area).sum() == pytest.approx(
        TOO_LARGE * LAND_KM2, rel=0.01)
    north = latitude > 0
    assert 0.70 < share[north].sum(axis=1) @ area[north] / (TOO_LARGE * LAND_KM2) < 0.77


@pytest.mark.parametrize(("place", "expected"), [
    ((133.9, -23.7), 1.0), ((100.0, 60.0), 1.0), ((20.0, 20.0), 1.0), ((-100.0, 45.0), 1.0),
    ((-60.0, -10.0), 1.0), ((85.0, 33.0), 1.0), ((-42.0, 75.0), 1.0),
    ((-140.0, 0.0), 0.0), ((-30.0, 30.0), 0.0), ((80.0, -30.0), 0.0), ((0.0, 88.0), 0.0),
    ((150.0, 40.0), 0.0), ((0.0, -60.0), 0.0)])
def test_known_places_are_land_or_sea(place, expected):
    assert share_at(*place) == expected


@pytest.mark.parametrize("place", [(151.2, -33.9), (-3.0, 53.0), (-81.0, 26.0), (174.8, -41.0)])
def test_coasts_are_in_part_land(place):
    assert 0.0 < share_at(*place) < 1.0


def share_at(longitude_deg, latitude_deg):
    longitude, latitude, share = land_share()
    return share[np.abs(latitude - latitude_deg).argmin(),
                 np.abs(longitude - longitude_deg).argmin()]


def test_the_cells_are_those_of_the_loading_in_its_order():
    cells, grid = land_cells(), land_grid(*land_share())
    longitude, latitude = grid.cells
    np.testing.assert_array_equal(cells.longitude_deg, longitude)
    np.testing.assert_array_equal(cells.latitude_deg, latitude)
    assert cells.cell_deg == grid.spacing_deg == SPACING_DEG
    assert (grid.land_fraction[grid.domain] > 0).all()
    assert 4000 < longitude.size < 6000


def test_it_is_a_source_of_its_own():
    client = Client(Endpoint("http://127.0.0.1:9"), user_agent="tests")
    source: Source = WidePressure(client)
    offers = source.offers(datetime.datetime(2026, 11, 22, 21, tzinfo=datetime.UTC))
    assert {(offer.source, offer.stream) for offer in offers} == {("wide_pressure", "ifs")}
    client.close()
