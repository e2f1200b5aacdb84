"""Bridging temperature between skin temperature and GLDAS."""

import datetime

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dwlim_ops.qc.bridge import BRIDGE_FLAGS, bridge_temperature, fit_bridge
from tests.replicas import fields

LAW = settings(derandomize=True, deadline=None, max_examples=10)
DAYS = np.datetime64("2025-01-01") + np.arange(400)


def skin_of(n_cells=3, seed=0):
    season = 285 + 12 * np.sin(2 * np.pi * np.arange(DAYS.size) / 365.25)
    return season[:, None] + 3 * np.random.default_rng(seed).normal(size=(DAYS.size, n_cells))


@LAW
@given(st.lists(st.floats(0.5, 1.5), min_size=3, max_size=3),
       st.lists(st.floats(-50, 50), min_size=3, max_size=3), st.integers(0, 5))
def test_an_exact_line_is_recovered(gain, bias, seed):
    skin = skin_of(seed=seed)
    gldas = np.array(gain) * skin + np.array(bias)
    gldas[300:] = np.nan
    bridge = fit_bridge(DAYS, gldas, skin)
    assert bridge.gain == pytest.approx(gain, abs=1e-9)
    assert bridge.bias_k == pytest.approx(bias, abs=1e-6)
    assert bridge.error_k == pytest.approx(0.0, abs=1e-6)
    assert bridge.n_days.tolist() == [300] * 3
    assert (bridge.fitted_from, bridge.fitted_to) == (
        datetime.date(2025, 1, 1), datetime.date(2025, 10, 27))
    temperature, flag = bridge_temperature(gldas, skin, bridge)
    assert temperature == pytest.approx(np.array(gain) * skin + np.array(bias), abs=1e-6)
    assert (flag == np.where(np.isnan(gldas), BRIDGE_FLAGS["bridged"], 0)).all()


@LAW
@given(st.integers(0, 100))
def test_gldas_is_never_changed_and_flags_tell_where_a_value_is_from(seed):
    rng = np.random.default_rng(seed)
    skin, gldas = skin_of(seed=seed), skin_of(seed=seed + 1) + 1
    skin[rng.random(skin.shape) < 0.2] = np.nan
    gldas[rng.random(gldas.shape) < 0.4] = np.nan
    temperature, flag = bridge_temperature(gldas, skin, fit_bridge(DAYS, gldas, skin))
    known = np.isfinite(gldas)
    assert (temperature[known] == gldas[known]).all()
    assert (flag == np.where(known, 0, np.where(np.isfinite(skin), 1, 2))).all()
    assert (np.isnan(temperature) == (flag == BRIDGE_FLAGS["absent"])).all()


def test_outliers_hardly_matter():
    rng = np.random.default_rng(3)
    skin = skin_of(50)
    gldas = 0.9 * skin + 30 + 0.5 * rng.normal(size=skin.shape)
    spoilt = skin + np.where(rng.random(skin.shape) < 0.03, rng.normal(size=skin.shape) * 20, 0)
    bridge = fit_bridge(DAYS, gldas, spoilt)
    assert np.abs(bridge.gain - 0.9).max() < 0.02
    assert np.abs(bridge.gain * 285 + bridge.bias_k - 286.5).max() < 0.15
    assert bridge.error_k.mean() == pytest.approx(0.5, rel=0.1)
    plain = [np.polyfit(spoilt[:, c], gldas[:, c], 1)[0] for c in range(50)]
    assert np.abs(np.array(plain) - 0.9).mean() > 2 * np.abs(bridge.gain - 0.9).mean()


def test_cells_with_few_days_or_a_constant_skin_have_no_bridge():
    skin = skin_of(4)
    gldas = skin + 1.0
    gldas[59:, 0] = np.nan
    gldas[:, 1] = np.nan
    skin[:, 2] = 280.0
    bridge = fit_bridge(DAYS, gldas, skin)
    assert np.isnan(bridge.gain).tolist() == [True, True, True, False]
    assert np.isnan(bridge.error_k).tolist() == [True, True, True, False]
    assert bridge.n_days.tolist() == [59, 0, 400, 400]
    temperature, flag = bridge_temperature(np.full_like(gldas, np.nan), skin, bridge)
    assert np.isnan(temperature[:, :3]).all()
    assert set(flag[:, 3]) == {BRIDGE_FLAGS["bridged"]}
    assert fit_bridge(DAYS, gldas * np.nan, skin) is None
    _, flag = bridge_temperature(gldas * np.nan, skin, None)
    assert (flag == BRIDGE_FLAGS["absent"]).all()


def test_days_after_the_ones_given_cannot_matter():
    skin = skin_of()
    gldas = 0.9 * skin + 30 + np.random.default_rng(1).normal(size=skin.shape)
    early = fit_bridge(DAYS[:200], gldas[:200], skin[:200])
    later = gldas.copy()
    later[200:] = np.nan
    same = fit_bridge(DAYS, later, skin)
    assert same.gain == pytest.approx(early.gain, abs=1e-12)
    assert same.fitted_to == early.fitted_to


def test_the_made_up_earth_has_its_gain_and_bias_found():
    lon, lat = np.array([12.0, 15.0, 21.0]), np.array([42.0, 45.0, 49.0])
    skin = fields.daily_mean(fields.skin_temperature_k, DAYS, lon, lat)
    gldas = fields.gldas_temperature_k(DAYS, lon, lat)
    bridge = fit_bridge(DAYS, gldas, skin)
    assert bridge.gain == pytest.approx(fields.bridge_gain(lon, lat), abs=0.02)
    at_288 = bridge.gain * 288 + bridge.bias_k - 288
    assert at_288 == pytest.approx(fields.bridge_bias_k(lon, lat), abs=0.1)


def test_bridging_a_height_difference_under_a_seasonal_lapse_rate():
    rng = np.random.default_rng(4)
    skin = skin_of(6)
    lapse = 6.0 + 1.5 * np.sin(2 * np.pi * (np.arange(DAYS.size) - 20) / 365.25)
    height_km = np.array([-1.2, -0.8, -0.4, 0.4, 0.8, 1.2])
    gldas = skin - lapse[:, None] * height_km + 0.7 * rng.normal(size=skin.shape)
    seen = gldas.copy()
    seen[280:] = np.nan
    temperature, _ = bridge_temperature(seen, skin, fit_bridge(DAYS, seen, skin))
    error = np.sqrt(np.mean((temperature - gldas)[280:] ** 2, axis=0))
    raw = np.sqrt(np.mean((skin - gldas)[280:] ** 2, axis=0))
    assert error.max() < 1.5
    assert (error < 0.6 * raw).all()
