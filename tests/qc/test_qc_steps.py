from dataclasses import replace

import numpy as np
import pytest
import xarray as xr
from bench.steps import (
    detection_rates,
    false_alarms,
    flicker_noise,
    sample_network,
    synthetic_network,
)
from hypothesis import given, settings
from hypothesis import strategies as st

from dwlim_ops.qc.neighbours import find_neighbours
from dwlim_ops.qc.settings import GnssQcSettings
from dwlim_ops.qc.steps import find_steps
from dwlim_ops.regions import region_folder

DETECT = GnssQcSettings(step_mode="detect")
GIVEN = GnssQcSettings(step_mode="given")


def clean(n_days=1200, n_stations=10, seed=3):
    """2 mm white and 1.2 mm flicker noise, and 6 mm annual that all stations share."""
    rng = np.random.default_rng(seed)
    annual = 6.0 * np.sin(2 * np.pi * np.arange(n_days) / 365.25)
    return (annual[:, None] + rng.normal(0.0, 2.0, (n_days, n_stations))
            + 1.2 * flicker_noise(rng, n_days, n_stations))


def steps_of(up, rule=DETECT, given_rows=None):
    longitude = 130.0 + 2.0 * np.arange(up.shape[1])
    neighbours = find_neighbours(longitude, np.full(longitude.size, -25.0), maximum_km=2000.0,
                                 n_nearest=8, minimum=3)
    none = np.zeros(0, dtype=np.intp)
    given_rows = given_rows or {}
    return find_steps(up, neighbours, [
        np.array(given_rows[i], dtype=np.intp) if i in given_rows else none
        for i in range(up.shape[1])], rule)


def test_clean_records_have_no_step():
    assert sum(steps.row.size for steps in steps_of(clean())) == 0


@pytest.mark.parametrize("sign", [-1.0, 1.0])
def test_a_20_mm_step_is_seen_five_days_later_and_withheld(sign):
    up = clean()
    up[1000:, 4] += sign * 20.0
    found = steps_of(up[:1006])
    np.testing.assert_allclose(found[4].row, [1000], atol=2)
    assert not found[4].known[0]
    assert found[4].withheld(1006, 3)[1003:].all()
    assert sum(steps.row.size for i, steps in enumerate(found) if i != 4) == 0


def test_the_size_is_final_after_thirty_values():
    up = clean()
    up[1000:, 4] += 20.0
    before, after = (steps_of(up[:end])[4] for end in (1035, 1200))
    assert after.known.all()
    np.testing.assert_allclose(after.size_mm, 20.0, atol=2.5)
    np.testing.assert_array_equal(before.row, after.row)
    np.testing.assert_array_equal(before.size_mm, after.size_mm)
    assert not after.withheld(1200, 3)[1010:].any()
    np.testing.assert_allclose(after.offset_mm(1200)[[990, 1199]], [0.0, after.size_mm[0]])


def test_a_12_mm_step_is_seen_later():
    up = clean()
    up[1000:, 2] -= 12.0
    found = steps_of(up)[2]
    np.testing.assert_allclose(found.row, [1000], atol=5)
    np.testing.assert_allclose(found.size_mm, -12.0, atol=2.5)


def test_a_flood_of_the_region_is_no_step():
    up = clean()
    course = np.exp(-np.arange(200) / 40.0)
    nearness = np.exp(-np.abs(np.arange(10) - 4) / 4.0)
    up[1000:] -= 30.0 * course[:, None] * nearness
    assert sum(steps.row.size for steps in steps_of(up)) == 0


def test_a_station_without_neighbours_keeps_what_could_be_water():
    up = clean(n_stations=3)
    up[1000:, 1] -= 30.0
    assert sum(steps.row.size for steps in steps_of(up)) == 0


def test_a_step_of_a_neighbour_is_not_ones_own():
    up = clean()
    up[900:, 3] += 80.0
    up[900:, 5] += 80.0
    found = steps_of(up)
    assert [steps.row.size for steps in found] == [0, 0, 0, 1, 0, 1, 0, 0, 0, 0]


def test_a_step_during_an_outage_is_seen():
    up = clean()
    up[500:540, 1] = np.nan
    up[540:, 1] += 25.0
    assert steps_of(up)[1].row.tolist() == [540]


def test_a_longer_outage_hides_a_step():
    up = clean()
    up[500:870, 1] = np.nan
    up[870:, 1] += 25.0
    assert not steps_of(up)[1].row.size


def test_gross_errors_are_no_step():
    up = clean()
    up[700:702, 1] += 100.0
    up[800:850:5, 1] -= 60.0
    assert not steps_of(up)[1].row.size


def test_an_excursion_is_withheld_and_the_level_after_it_is_the_old_one():
    up = clean()
    up[700:712, 6] += 25.0
    found = steps_of(up)[6]
    np.testing.assert_allclose(found.row, [700, 712], atol=2)
    assert found.known.tolist() == [False, True]
    assert abs(found.offset_mm(1200)[-1]) < 4.0
    assert found.withheld(1200, 3)[703:709].all()


def test_a_given_step_is_measured_without_detection():
    up = clean()
    up[600:, 0] += 7.0
    up[900:, 2] += 40.0
    found = steps_of(up, GIVEN, {0: [600]})
    np.testing.assert_allclose(found[0].size_mm, 7.0, atol=2.0)
    assert not found[2].row.size


def test_a_given_step_of_half_the_network_is_measured():
    up = clean()
    up[600:, :5] += 20.0
    found = steps_of(up, GIVEN, {i: [600] for i in range(5)})
    np.testing.assert_allclose(np.concatenate([s.size_mm for s in found[:5]]), 20.0, atol=3.0)


def test_a_given_step_in_a_long_outage_is_measured_against_the_season():
    up = clean()
    up[700:900, 0] = np.nan
    up[800:, 0] += 30.0
    found = steps_of(up, GIVEN, {0: [800]})[0]
    assert found.known.all()
    np.testing.assert_allclose(found.size_mm, 30.0, atol=6.0)


def test_a_given_step_is_not_detected_a_second_time():
    up = clean()
    up[601:, 0] += 30.0
    found = steps_of(up, DETECT, {0: [600]})[0]
    assert found.row.tolist() == [600]
    np.testing.assert_allclose(found.size_mm, 30.0, atol=3.0)


def test_a_given_step_of_a_lone_station_is_measured_on_itself():
    up = clean(n_stations=1)
    up[600:, 0] += 30.0
    np.testing.assert_allclose(steps_of(up, GIVEN, {0: [600]})[0].size_mm, 30.0, atol=5.0)


def test_values_before_a_step_at_the_very_start_have_no_level():
    found = steps_of(clean(), GIVEN, {0: [3, 600]})[0]
    assert found.row.tolist() == [600]
    assert found.withheld(1200, 3)[:3].all()


def test_two_given_steps_close_together_leave_the_days_between_without_a_level():
    up = clean()
    up[600:, 0] += 30.0
    up[603:, 0] -= 50.0
    found = steps_of(up, GIVEN, {0: [600, 603]})[0]
    assert found.known.tolist() == [False, True]
    assert abs(found.offset_mm(1200)[-1] + 20.0) < 2.5


def test_mode_none_and_nothing_to_see():
    up = clean()
    up[600:, 0] += 30.0
    assert not any(s.row.size for s in steps_of(up, replace(DETECT, step_mode="given")))
    assert not any(s.row.size for s in steps_of(np.full((50, 4), np.nan)))
    assert not any(s.row.size for s in steps_of(np.empty((0, 2))))
    assert not any(s.row.size for s in steps_of(np.zeros((200, 5))))


@settings(max_examples=8, derandomize=True, deadline=None)
@given(st.integers(0, 1000), st.floats(-200, 200), st.sampled_from([-1.0, 1.0]))
def test_detection_ignores_level_and_sign(seed, shift_mm, sign):
    up = clean(n_days=700, seed=seed)
    up[500:, 3] += 25.0
    plain, moved = steps_of(up), steps_of(sign * up + shift_mm)
    assert [s.row.tolist() for s in plain] == [s.row.tolist() for s in moved]


@settings(max_examples=12, derandomize=True, deadline=None)
@given(st.integers(450, 1190))
def test_new_days_change_neither_steps_nor_known_sizes(end):
    up = clean()
    up[700:712, 6] += 25.0
    up[1000:, 2] -= 12.0
    up[600:, 0] += 9.0
    whole, then = (steps_of(rows, DETECT, {0: [600]}) for rows in (up, up[:end]))
    for late, early in zip(whole, then, strict=True):
        n_early = early.row.size
        np.testing.assert_array_equal(late.row[:n_early], early.row)
        np.testing.assert_array_equal(late.size_mm[:n_early][early.known],
                                      early.size_mm[early.known])
        assert (late.row[n_early:] > end - 61).all()


@pytest.mark.slow
@pytest.mark.parametrize("make", [lambda: synthetic_network(1), lambda: synthetic_network(2),
                                  sample_network], ids=["synthetic 1", "synthetic 2", "sample"])
def test_20_mm_are_found_in_five_days_with_few_false_alarms(make):
    network = make()
    n_false, n_station_years = false_alarms(network)
    assert n_false / n_station_years <= 0.05
    share, n_steps = detection_rates(network, size_mm=20.0, delays_days=(5,), n_trials=30)
    assert n_steps > 90
    assert share[0] >= 0.95


@pytest.mark.slow
def test_the_flood_of_january_2023_at_kununurra_is_no_step():
    network = sample_network()
    with xr.open_dataset(region_folder("australia") / "gnss.nc") as sample:
        day = sample["time"].values.astype("datetime64[D]")
        station = sample["station"].values.tolist().index("KUNU")
    none = [np.zeros(0, np.intp)] * network.up_mm.shape[1]
    rows = find_steps(network.up_mm, network.neighbours, none, DETECT)[station].row
    flood = (day[rows] >= np.datetime64("2022-12-20")) & (day[rows] <= np.datetime64("2023-04-30"))
    assert not flood.any()
