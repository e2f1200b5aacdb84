"""Displacement by air pressure: exact sums, signs, frames, and what a regional grid loses."""

import numpy as np
import pytest

from dwlim_ops.atmospheric_loading import (
    WATER_MM_PER_PA,
    atmospheric_loading_up_mm,
    land_grid,
)
from dwlim_ops.errors import ContractError
from dwlim_ops.geometry import distance_deg
from dwlim_ops.invert.greens import disk_displacement_mm

LONGITUDE, LATITUDE = np.arange(-177.0, 180.0, 6.0), np.arange(-87.0, 90.0, 6.0)
ALL_LAND = np.ones((30, 60))


@pytest.fixture(scope="module")
def world():
    return land_grid(LONGITUDE, LATITUDE, ALL_LAND)


def displaced(anomaly_pa, grid, longitude, latitude, *, frame="cf"):
    """Two times: the reference, and one with the anomaly."""
    pressure = 1e5 + np.stack([np.zeros_like(anomaly_pa), anomaly_pa])
    return atmospheric_loading_up_mm(pressure, grid, longitude, latitude, frame=frame,
                                     reference=np.array([True, False]))


def test_uniform_pressure_over_a_cap_agrees_with_the_exact_sum():
    radius, centre = 8.0, (30.0, 20.0)
    around = np.arange(-8.75, 9.0, 0.5)
    grid = land_grid(30.0 + around, 20.0 + around, np.ones((36, 36)))
    away = distance_deg(*centre, *grid.cells)[0]
    latitude = np.array([20.0, 23.3, 35.0, 50.0, -30.0])
    up = displaced(np.where(away < radius, 1000.0, 0.0), grid, np.full(5, 30.0), latitude)
    exact = disk_displacement_mm(np.abs(latitude - 20.0), radius, frame="cf")
    assert up[1] == pytest.approx(exact * WATER_MM_PER_PA, rel=0.015, abs=0.005)
    assert up[0] == pytest.approx(0.0, abs=1e-12)


def test_uniform_pressure_over_the_earth_is_degree_zero(world):
    for frame in ("cf", "cm"):
        up = displaced(np.full(world.cells[0].size, 100.0), world, [0.0], [0.0], frame=frame)
        exact = disk_displacement_mm([90.0], 180.0, frame=frame)[0] * 0.1 * WATER_MM_PER_PA
        assert up[1] == pytest.approx(exact, rel=0.03)


def test_high_pressure_pushes_the_ground_down_by_some_tenths_of_a_millimetre_per_hpa(world):
    away = distance_deg(100.0, 30.0, *world.cells)[0]
    anomaly = 1000.0 * np.exp(-((away / 13.5) ** 2))
    up = displaced(anomaly, world, [100.0], [30.0])[1, 0]
    assert -6.0 < up < -3.0
    low = displaced(-anomaly, world, [100.0], [30.0])[1, 0]
    assert low == pytest.approx(-up)


def test_there_is_no_load_over_the_sea():
    share = ALL_LAND * (LONGITUDE > 0)
    grid = land_grid(LONGITUDE, LATITUDE, share)
    pressure_map = np.where(LONGITUDE < 0, 5000.0, 0.0) * ALL_LAND
    up = displaced(pressure_map[grid.domain], grid, [90.0], [0.0])
    np.testing.assert_array_equal(up, 0.0)
    half = land_grid(LONGITUDE, LATITUDE, share * 0.5)
    anomaly = np.full(grid.cells[0].size, 1000.0)
    np.testing.assert_allclose(2.0 * displaced(anomaly, half, [10.0], [5.0]),
                               displaced(anomaly, grid, [10.0], [5.0]))


def test_the_zero_is_the_mean_of_the_reference_and_a_gap_is_a_gap():
    grid = land_grid([0.5, 1.5], [10.5, 11.5], np.ones((2, 2)))
    pressure = 1e5 + np.array([0.0, 200.0, 100.0, 900.0, np.nan])[:, None] * np.ones(4)
    reference = np.array([True, True, False, False, True])
    up = atmospheric_loading_up_mm(pressure, grid, [1.0], [11.0], reference=reference, frame="cm")
    assert up[:2].sum() == pytest.approx(0.0)
    assert up[2] == pytest.approx(0.0)
    assert up[3] == pytest.approx(8.0 * up[1])
    assert np.isnan(up[4]).all()


def test_a_wider_grid_loses_less_of_a_smooth_field():
    grid = land_grid(LONGITUDE, LATITUDE, ALL_LAND)
    rng = np.random.default_rng(3)
    centres = rng.uniform(-180, 180, 60), np.degrees(np.arcsin(rng.uniform(-1, 1, 60)))
    bumps = np.exp(-((distance_deg(*centres, *grid.cells) / 13.5) ** 2))
    pressure = 1e5 + 600.0 * rng.normal(size=(40, 60)) @ bumps
    away = distance_deg(134.0, -24.0, *grid.cells)[0]
    margins = (180.0, 2.0, 5.0, 20.0, 60.0)
    kept = [np.where(away <= margin, pressure, 1e5) for margin in margins]
    stacked = np.concatenate([np.full((1, away.size), 1e5), *kept])
    reference = np.arange(stacked.shape[0]) == 0
    up = atmospheric_loading_up_mm(stacked, grid, [134.0], [-24.0], reference=reference, frame="cf")
    whole, *cut = np.split(up[1:, 0], len(margins))
    lost = [float(np.std(part - whole) / np.std(whole)) for part in cut]
    assert lost == sorted(lost, reverse=True)
    assert lost[0] > 0.3
    assert lost[2] < 0.3


def test_nodes_at_the_poles_have_no_cell():
    grid = land_grid(np.arange(0.0, 360.0, 30.0), np.arange(-90.0, 91.0, 30.0), np.ones((7, 12)))
    assert set(grid.cells[1].tolist()) == {-60.0, -30.0, 0.0, 30.0, 60.0}
    assert grid.cells[0].max() < 180.0


@pytest.mark.parametrize(("longitude", "latitude", "share"), [
    ([0.5, 1.5, 3.5], [0.5, 1.5], np.ones((2, 3))),
    ([1.5, 0.5], [1.5, 0.5], np.ones((2, 2))),
    ([0.5, 1.5], [0.5, 1.5], np.ones((3, 2))),
    ([0.5, 1.5], [0.5, 1.5], 2.0 * np.ones((2, 2))),
    ([0.5], [0.5], np.ones((1, 1))),
])
def test_a_grid_that_is_none_is_refused(longitude, latitude, share):
    with pytest.raises(ContractError):
        land_grid(longitude, latitude, share)


@pytest.mark.parametrize(("pressure", "reference"), [
    (np.ones((3, 5)), np.ones(3, dtype=bool)),
    (np.ones((3, 4)), np.ones(2, dtype=bool)),
    (np.ones((3, 4)), np.zeros(3, dtype=bool)),
    (np.full((3, 4), np.nan), np.ones(3, dtype=bool)),
])
def test_pressure_that_does_not_fit_is_refused(pressure, reference):
    grid = land_grid([0.5, 1.5], [10.5, 11.5], np.ones((2, 2)))
    with pytest.raises(ContractError):
        atmospheric_loading_up_mm(pressure, grid, [1.0], [11.0], reference=reference, frame="cf")
