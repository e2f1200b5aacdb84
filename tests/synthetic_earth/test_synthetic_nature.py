"""Water and weather: sizes, storms and droughts, and how they go together."""

from functools import cache

import numpy as np
import pytest

from dwlim_ops.synthetic.nature import make_nature
from dwlim_ops.synthetic.patterns import random_waves, red_noise, slow_series
from dwlim_ops.synthetic.settings import EarthSettings

TIME = np.arange(np.datetime64("2011-01-01"), np.datetime64("2015-01-01"))
LAND = tuple(axis.ravel() for axis in np.meshgrid(np.arange(115.0, 150.0), np.arange(-35.0, -15.0)))
PLACES = LAND[0][::37], LAND[1][::37]


@cache
def _nature(**values):
    return make_nature(TIME, LAND, 8.0, EarthSettings(**values))


def _water(nature):
    return nature.water_series_mm @ nature.water_patterns(*PLACES)


def test_a_wave_field_has_unit_variance_and_its_length():
    random = np.random.default_rng(1)
    waves = random_waves(random, length_km=800.0, n_waves=400)
    lon = np.array([120.0, 120.0 + np.degrees(800.0 / 6371.0), 160.0])
    field = random.standard_normal((4000, 400)) @ waves.at(lon, np.zeros(3))
    assert field.std(axis=0) == pytest.approx(np.ones(3), abs=0.08)
    correlation = np.corrcoef(field.T)
    assert correlation[0, 1] == pytest.approx(np.exp(-0.5), abs=0.1)
    assert abs(correlation[0, 2]) < 0.15


def test_series_have_unit_variance():
    random, day = np.random.default_rng(1), np.arange(40_000.0)
    assert red_noise(random, 20_000, 5, memory=0.7).std() == pytest.approx(1.0, abs=0.05)
    assert slow_series(random, day, 30).std() == pytest.approx(1.0, abs=0.1)


def test_water_at_a_place_does_not_depend_on_the_other_places():
    nature = _nature()
    whole = nature.water_patterns(*PLACES)
    one = nature.water_patterns(PLACES[0][3:4], PLACES[1][3:4])
    np.testing.assert_allclose(whole[:, 3:4], one, rtol=1e-12, atol=1e-12)


def test_storms_fill_and_droughts_empty():
    nature = _nature()
    assert nature.storms.water_mm.min() == 0.0
    assert nature.storms.water_mm.max() > 60.0
    assert nature.droughts.water_mm.max() <= 0.0
    event = int(np.argmax(nature.storms.water_mm.max(axis=0) * (
        nature.storms.water_mm[0] == 0)))
    series = nature.storms.water_mm[:, event]
    peak = int(series.argmax())
    after = series[peak:peak + 40]
    ratio = after[1:] / after[:-1]
    assert ratio == pytest.approx(np.full(ratio.size, ratio[0]), rel=1e-9)
    assert np.exp(-1 / 20.0) <= ratio[0] <= np.exp(-1 / 90.0)


def test_a_storm_comes_with_a_low_and_cool_days():
    coupled, free = _nature(weather_coupling=1.0), _nature(weather_coupling=0.0)
    storms = coupled.storms
    inside = np.flatnonzero(storms.water_mm[0] == 0)
    event = int(inside[storms.water_mm[:, inside].max(axis=0).argmax()])
    place = storms.bumps.longitude_deg[[event]], storms.bumps.latitude_deg[[event]]
    day = int(np.flatnonzero(storms.water_mm[:, event])[0])
    change = [a[day, 0] - b[day, 0] for a, b in zip(coupled.weather(*place), free.weather(*place),
                                                    strict=True)]
    assert change[0] < -0.5
    assert change[1] < -300.0
    np.testing.assert_array_equal(_water(coupled), _water(free))


def test_most_of_the_weather_tells_nothing_of_water():
    coupled, free = (_nature(weather_coupling=value).weather(*PLACES) for value in (1.0, 0.0))
    for with_water, without in zip(coupled, free, strict=True):
        assert (with_water - without).std() < 0.6 * without.std()


def test_the_store_is_full_some_weeks_after_the_warmest_days():
    nature = _nature()
    wettest = nature.wettest_day(*PLACES)
    assert np.median(wettest) == pytest.approx(20.0 + 55.0, abs=30.0)
    north = nature.wettest_day(np.array([110.0]), np.array([30.0]))
    assert 150.0 < north[0] < 340.0


def test_the_same_seed_gives_the_same_bits_and_another_another_earth():
    again = make_nature(TIME, LAND, 8.0, EarthSettings())
    assert _water(again).tobytes() == _water(_nature()).tobytes()
    for one, other in zip(again.weather(*PLACES), _nature().weather(*PLACES), strict=True):
        assert one.tobytes() == other.tobytes()
    assert not np.allclose(_water(_nature(seed=2)).std(), _water(_nature()).std())
