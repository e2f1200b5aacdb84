"""Storms and droughts: where, when, how much water, and the weather that goes with them."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dwlim_ops.synthetic.patterns import Bumps
from dwlim_ops.synthetic.settings import EarthSettings

Array = NDArray[np.float64]

#: Events before the first day, whose water is still there.
RUN_UP_DAYS = 540.0
#: A storm's low and cold reach further than its rain.
WIDENED = 1.3
STORM_PRESSURE_PA, STORM_TEMPERATURE_K = -600.0, -2.0
DROUGHT_PRESSURE_PA, DROUGHT_TEMPERATURE_K = 50.0, 1.0


@dataclass(frozen=True, eq=False)
class Events:
    """Events of one kind; `water_mm`, `pressure_pa`, `temperature_k` are (n_days, n_events)."""

    bumps: Bumps
    water_mm: Array
    pressure_pa: Array
    temperature_k: Array


def make_storms(random: np.random.Generator, day: Array, land: tuple[Array, Array], *,
                area_million_km2: float, wettest_day: Array, settings: EarthSettings) -> Events:
    """Storms: water within two days, gone exponentially.

    Most come in the wet season of their place, which ends on `wettest_day` (n_land,), days after
    1 January. Times are drawn uniformly and kept with a probability that follows the season.
    """
    span = day[-1] - day[0] + RUN_UP_DAYS
    n_drawn = random.poisson(2.0 * settings.storms_per_year * area_million_km2 * span / 365.25)
    cell = random.integers(land[0].size, size=n_drawn)
    start = day[0] - RUN_UP_DAYS + random.uniform(0.0, span, n_drawn)
    season = np.cos(2.0 * np.pi * (start - wettest_day[cell] + 45.0) / 365.25)
    kept = random.uniform(size=n_drawn) < 0.5 * (1.0 + 0.8 * season)
    cell, start = cell[kept], start[kept]
    size = random.gamma(2.0, 0.5, start.size)
    radius = random.uniform(*settings.storm_radius_km, start.size)
    recession = random.uniform(*settings.storm_recession_days, start.size)
    since = day[:, None] - start
    left = np.where(since > 0, np.exp(-np.maximum(since - 2.0, 0.0) / recession), 0.0)
    strength = settings.weather_coupling * np.sqrt(size)
    return Events(
        Bumps(land[0][cell], land[1][cell], radius),
        settings.storm_mm * size * np.clip(since / 2.0, 0.0, 1.0) * left,
        STORM_PRESSURE_PA * strength * np.exp(-0.5 * ((since - 0.5) / 1.2) ** 2),
        STORM_TEMPERATURE_K * strength * np.exp(-0.5 * ((since - 1.5) / 1.7) ** 2))


def make_droughts(random: np.random.Generator, day: Array, land: tuple[Array, Array], *,
                  area_million_km2: float, settings: EarthSettings) -> Events:
    """Droughts: water goes and comes back within a cosine bell; warm and high meanwhile."""
    span = day[-1] - day[0] + RUN_UP_DAYS
    number = random.poisson(settings.droughts_per_year * area_million_km2 * span / 365.25)
    cell = random.integers(land[0].size, size=number)
    start = day[0] - RUN_UP_DAYS + random.uniform(0.0, span, number)
    size = random.gamma(4.0, 0.25, number)
    radius = random.uniform(*settings.drought_radius_km, number)
    length = random.uniform(*settings.drought_days, number)
    part = np.clip((day[:, None] - start) / length, 0.0, 1.0)
    bell = 0.5 * (1.0 - np.cos(2.0 * np.pi * part))
    strength = settings.weather_coupling * bell * size
    return Events(Bumps(land[0][cell], land[1][cell], radius), -settings.drought_mm * size * bell,
                  DROUGHT_PRESSURE_PA * strength, DROUGHT_TEMPERATURE_K * strength)
