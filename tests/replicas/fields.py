"""Smooth fields of the made-up Earth, in closed form: any time, any place, no memory."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Times = NDArray[np.datetime64]
Field = Callable[[Times, Array, Array], Array]

EPOCH: Final = np.datetime64("2020-01-01T00:00", "m")
STANDARD_GRAVITY_M_S2: Final = 9.80665
SCALE_HEIGHT_M: Final = 8434.0
LAPSE_K_PER_M: Final = 0.0065
NTAL_MM_PER_PA: Final = -0.0035
HYDROLOGY_MM_PER_MM: Final = -0.05
HOUR: Final = np.timedelta64(60, "m")
DAY: Final = np.timedelta64(1440, "m")


@dataclass(frozen=True)
class Waves:
    """A sum of travelling plane waves with standard deviation `deviation`.

    Parameters
    ----------
    seed : int
        Which waves.
    deviation : float
        Of the sum, in the unit of the field.
    periods_days, lengths_deg : tuple of float
        Shortest and longest of each.
    """

    seed: int
    deviation: float
    periods_days: tuple[float, float]
    lengths_deg: tuple[float, float]
    n_waves: int = 8

    def at(self, time: Times, longitude_deg: Array, latitude_deg: Array) -> Array:
        """Values, shape (time, place); places are flat."""
        random = np.random.default_rng(self.seed)
        period, length = (
            low * (high / low) ** random.uniform(size=self.n_waves)
            for low, high in (self.periods_days, self.lengths_deg))
        heading, phase = random.uniform(0, 2 * np.pi, (2, self.n_waves))
        place = (np.cos(heading)[:, None] * longitude_deg + np.sin(heading)[:, None] * latitude_deg)
        place = 2 * np.pi * place / length[:, None] + phase[:, None]
        turn = 2 * np.pi * days(time)[:, None] / period
        amplitude = self.deviation * np.sqrt(2.0 / self.n_waves)
        return amplitude * (np.cos(turn) @ np.cos(place) + np.sin(turn) @ np.sin(place))


PRESSURE_WAVES: Final = Waves(1, 600.0, (3.0, 14.0), (15.0, 40.0))
TEMPERATURE_WAVES: Final = Waves(2, 3.0, (4.0, 20.0), (15.0, 40.0))
OCEAN_WAVES: Final = Waves(3, 0.4, (5.0, 30.0), (20.0, 60.0))
WATER_WAVES: Final = Waves(4, 25.0, (90.0, 700.0), (12.0, 40.0))
MODEL_WAVES: Final = Waves(5, 1.0, (2.0, 6.0), (10.0, 20.0))


def days(time: Times) -> Array:
    """Days since 2020-01-01 with the fraction of the day."""
    minutes = (time.astype("datetime64[m]") - EPOCH).astype(np.int64)
    return minutes / 1440.0


def orography_m(longitude_deg: Array, latitude_deg: Array) -> Array:
    """Height of the models' surface, 0 to 800 m."""
    u, v = np.radians(12.0 * longitude_deg), np.radians(15.0 * latitude_deg)
    return 200.0 * (1 + np.sin(u)) * (1 + np.cos(v))


def geopotential_m2_s2(time: Times, longitude_deg: Array, latitude_deg: Array) -> Array:
    """Geopotential of the models' surface, the same at all times."""
    height = np.broadcast_to(orography_m(longitude_deg, latitude_deg),
                             (time.size, np.size(longitude_deg)))
    return STANDARD_GRAVITY_M_S2 * height


def pressure_pa(time: Times, longitude_deg: Array, latitude_deg: Array) -> Array:
    """Surface pressure, shape (time, place): height, season, weather and the half-day tide."""
    mean = 101_325.0 * np.exp(-orography_m(longitude_deg, latitude_deg) / SCALE_HEIGHT_M)
    hour = 24.0 * (days(time)[:, None] % 1.0) + longitude_deg / 15.0
    tide = 80.0 * np.cos(2 * np.pi * (hour - 10.0) / 12.0)
    return mean + pressure_anomaly_pa(time, longitude_deg, latitude_deg) + tide


def pressure_anomaly_pa(time: Times, longitude_deg: Array, latitude_deg: Array) -> Array:
    """The part of the pressure that loads the ground: season and weather, no tide."""
    season = 250.0 * np.cos(_year(time) - 0.3) * np.sign(latitude_deg)
    return season + PRESSURE_WAVES.at(time, longitude_deg, latitude_deg)


def skin_temperature_k(time: Times, longitude_deg: Array, latitude_deg: Array) -> Array:
    """Skin temperature, shape (time, place): latitude, height, season, time of day, weather."""
    mean = 303.0 - 0.4 * np.abs(latitude_deg)
    mean = mean - LAPSE_K_PER_M * orography_m(longitude_deg, latitude_deg)
    season = -10.0 * np.cos(_year(time) - 0.35) * np.sign(latitude_deg)
    hour = 24.0 * (days(time)[:, None] % 1.0) + longitude_deg / 15.0
    daily = 6.0 * np.cos(2 * np.pi * (hour - 14.0) / 24.0)
    return mean + season + daily + TEMPERATURE_WAVES.at(time, longitude_deg, latitude_deg)


def gldas_temperature_k(day: Times, longitude_deg: Array, latitude_deg: Array) -> Array:
    """GLDAS daily surface temperature: gain and bias over the daily skin temperature, and noise.

    `bridge_gain` and `bridge_bias_k` are what a fit of the overlap should find.
    """
    mean = daily_mean(skin_temperature_k, day, longitude_deg, latitude_deg)
    noise = 0.3 * MODEL_WAVES.at(day.astype("datetime64[m]"), longitude_deg, latitude_deg)
    gain = bridge_gain(longitude_deg, latitude_deg)
    return 288.0 + bridge_bias_k(longitude_deg, latitude_deg) + gain * (mean - 288.0) + noise


def bridge_gain(longitude_deg: Array, latitude_deg: Array) -> Array:
    """True gain of GLDAS over skin temperature about 288 K, 0.85 to 1.05."""
    return 0.95 + 0.1 * np.sin(np.radians(20.0 * longitude_deg + 10.0 * latitude_deg))


def bridge_bias_k(longitude_deg: Array, latitude_deg: Array) -> Array:
    """True bias of GLDAS over skin temperature at 288 K, 0 to 2 K."""
    return 1.0 + np.cos(np.radians(25.0 * latitude_deg - 5.0 * longitude_deg))


def ntal_up_mm(time: Times, longitude_deg: Array, latitude_deg: Array) -> Array:
    """Atmospheric loading, up; high pressure pushes down."""
    return NTAL_MM_PER_PA * pressure_anomaly_pa(time, longitude_deg, latitude_deg)


def ntol_up_mm(time: Times, longitude_deg: Array, latitude_deg: Array) -> Array:
    """Ocean loading, up."""
    return OCEAN_WAVES.at(time, longitude_deg, latitude_deg)


def water_mm(time: Times, longitude_deg: Array, latitude_deg: Array) -> Array:
    """Anomaly of water storage: season, slow waves, a small trend."""
    pattern = 0.7 + 0.3 * np.sin(np.radians(8.0 * longitude_deg)) * np.cos(np.radians(latitude_deg))
    season = 80.0 * np.cos(_year(time) - 1.2) * np.sign(latitude_deg) * pattern
    trend = 3.0 * (days(time)[:, None] / 365.25) * np.cos(np.radians(9.0 * latitude_deg))
    return season + trend + WATER_WAVES.at(time, longitude_deg, latitude_deg)


def hydrology_up_mm(time: Times, longitude_deg: Array, latitude_deg: Array) -> Array:
    """What the water does to the ground, up; a constant admittance, not Green's functions."""
    return HYDROLOGY_MM_PER_MM * water_mm(time, longitude_deg, latitude_deg)


def daily_mean(field: Field, day: Times, longitude_deg: Array, latitude_deg: Array) -> Array:
    """Trapezoid 00..24 UTC of a field every three hours, shape (day, place)."""
    weight = np.full(9, 1 / 8.0)
    weight[[0, -1]] /= 2
    start = day.astype("datetime64[m]").astype(np.int64)
    mean = np.zeros((start.size, np.size(longitude_deg)))
    for k, w in enumerate(weight):
        instant = (start + 180 * k).astype("datetime64[m]")
        mean += w * field(instant, longitude_deg, latitude_deg)
    return mean


def _year(time: Times) -> Array:
    return 2 * np.pi * days(time)[:, None] / 365.25
