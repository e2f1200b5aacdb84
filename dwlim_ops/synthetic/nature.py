"""The truth: water on land, and the weather over it."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dwlim_ops.synthetic.events import WIDENED, Events, make_droughts, make_storms
from dwlim_ops.synthetic.patterns import (
    Waves,
    random_waves,
    red_noise,
    slow_series,
)
from dwlim_ops.synthetic.settings import EarthSettings

Array = NDArray[np.float64]
Days = NDArray[np.datetime64]

DAYS_PER_YEAR = 365.25
N_STATIC_WAVES, N_SLOW_WAVES, N_SYNOPTIC_WAVES = 40, 24, 60
#: Days after 1 January of the warmest day, north and south of the equator.
WARMEST_NORTH, WARMEST_SOUTH = 205.0, 20.0
SEASON_LENGTH_KM = 900.0
SEA_LEVEL_PA = 101_300.0
SEMI_ANNUAL_SHARE = 0.2


@dataclass(frozen=True, eq=False)
class Static:
    """One standard normal field that does not change with time."""

    waves: Waves
    weight: Array

    def at(self, longitude_deg: Array, latitude_deg: Array) -> Array:
        """Values at places, (n_places,)."""
        values: Array = self.weight @ self.waves.at(longitude_deg, latitude_deg)
        return values


@dataclass(frozen=True, eq=False)
class Moving:
    """A field of patterns that are waves, with their series, (n_days, n_waves)."""

    waves: Waves
    series: Array


@dataclass(frozen=True, eq=False)
class Nature:
    """A synthetic Earth's water and weather, at any place, on the days of `time`.

    The water load is `water_series_mm @ water_patterns(places)`.
    """

    time: Days
    settings: EarthSettings
    amplitude: Static
    phase: Static
    slow: Moving
    storms: Events
    droughts: Events
    synoptic_pressure: Moving
    synoptic_temperature: Moving

    @property
    def day(self) -> Array:
        """Days since 1 January 2000."""
        return days_since_2000(self.time)

    @property
    def water_series_mm(self) -> Array:
        """Series of every pattern of `water_patterns`, (n_days, n_patterns)."""
        angle = 2.0 * np.pi * self.day[:, None] / DAYS_PER_YEAR
        seasons = np.hstack([np.cos(angle), np.sin(angle), np.cos(2 * angle), np.sin(2 * angle)])
        return np.hstack([seasons, self.slow.series, self.storms.water_mm, self.droughts.water_mm])

    def water_patterns(self, longitude_deg: Array, latitude_deg: Array) -> Array:
        """Patterns of the water at places on land, (n_patterns, n_places)."""
        settings, place = self.settings, (longitude_deg, latitude_deg)
        annual = settings.annual_mm * np.exp(settings.annual_spread * self.amplitude.at(*place))
        angle = 2.0 * np.pi * self.wettest_day(*place) / DAYS_PER_YEAR
        half = SEMI_ANNUAL_SHARE * annual
        seasons = np.stack([annual * np.cos(angle), annual * np.sin(angle),
                            half * np.cos(angle), half * np.sin(angle)])
        return np.vstack([seasons, settings.interannual_mm * self.slow.waves.at(*place),
                          self.storms.bumps.at(*place), self.droughts.bumps.at(*place)])

    def wettest_day(self, longitude_deg: Array, latitude_deg: Array) -> Array:
        """Days after 1 January at which the annual part of the storage is largest, (n_places,)."""
        shift = self.settings.season_spread_days * self.phase.at(longitude_deg, latitude_deg)
        return warmest_day(latitude_deg) + self.settings.lag_days + shift

    def weather(self, longitude_deg: Array, latitude_deg: Array) -> tuple[Array, Array]:
        """Temperature, K, and pressure at sea level, Pa, at places, (n_days, n_places) each."""
        place, settings = (longitude_deg, latitude_deg), self.settings
        polar = np.abs(latitude_deg)
        angle = 2.0 * np.pi * (self.day[:, None] - warmest_day(latitude_deg)) / DAYS_PER_YEAR
        temperature = 300.0 - 0.012 * polar**2 + (2.0 + 0.28 * polar) * np.cos(angle)
        pressure = SEA_LEVEL_PA - (150.0 + 10.0 * polar) * np.cos(angle)
        temperature += settings.synoptic_temperature_k * (
            self.synoptic_temperature.series @ self.synoptic_temperature.waves.at(*place))
        pressure += settings.synoptic_pressure_pa * (
            self.synoptic_pressure.series @ self.synoptic_pressure.waves.at(*place))
        for events in (self.storms, self.droughts):
            reach = events.bumps.at(*place, widened=WIDENED)
            temperature += events.temperature_k @ reach
            pressure += events.pressure_pa @ reach
        return temperature, pressure


def days_since_2000(time: Days) -> Array:
    """Days since 1 January 2000, as floats."""
    days: Array = (time.astype("datetime64[D]") - np.datetime64("2000-01-01")).astype(float)
    return days


def warmest_day(latitude_deg: Array) -> Array:
    """Days after 1 January of the warmest day."""
    return np.where(latitude_deg >= 0, WARMEST_NORTH, WARMEST_SOUTH)


def make_nature(time: Days, land: tuple[Array, Array], area_million_km2: float,
                settings: EarthSettings) -> Nature:
    """Draw the water and weather of an Earth.

    Parameters
    ----------
    time : array of datetime64[D], shape (n_days,), without a gap
    land : tuple of array, each (n_land,)
        Longitude and latitude of places of equal weight where events can strike.
    area_million_km2 : float
        Area of that land.
    settings : EarthSettings
    """
    of_season, of_slow, of_storms, of_droughts, of_weather = (
        np.random.default_rng([settings.seed, part]) for part in range(5))
    day = days_since_2000(time)
    amplitude, phase = (
        Static(random_waves(of_season, length_km=SEASON_LENGTH_KM, n_waves=N_STATIC_WAVES),
               of_season.standard_normal(N_STATIC_WAVES)) for _ in range(2))
    slow = Moving(random_waves(of_slow, length_km=settings.interannual_length_km,
                               n_waves=N_SLOW_WAVES), slow_series(of_slow, day, N_SLOW_WAVES))
    shift = settings.season_spread_days * phase.at(*land)
    wettest = warmest_day(land[1]) + settings.lag_days + shift
    return Nature(
        time, settings, amplitude, phase, slow,
        make_storms(of_storms, day, land, area_million_km2=area_million_km2,
                    wettest_day=wettest, settings=settings),
        make_droughts(of_droughts, day, land, area_million_km2=area_million_km2,
                      settings=settings),
        *_synoptic(of_weather, day.size, settings))


def _synoptic(random: np.random.Generator, n_days: int, settings: EarthSettings
              ) -> tuple[Moving, Moving]:
    """Pressure, and temperature that is lower under a low by part of its spread."""
    waves = random_waves(random, length_km=settings.synoptic_length_km, n_waves=N_SYNOPTIC_WAVES)
    pressure = red_noise(random, n_days, N_SYNOPTIC_WAVES, memory=0.7)
    other = red_noise(random, n_days, N_SYNOPTIC_WAVES, memory=0.8)
    return Moving(waves, pressure), Moving(waves, 0.3 * pressure + np.sqrt(1 - 0.3**2) * other)
