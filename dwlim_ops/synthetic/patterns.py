"""Patterns on the sphere that have a value at every place: what all parts of the Earth are made of.

A field is a sum of patterns, each with a series in time, so that neither a grid nor the whole
field is ever needed.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dwlim_ops.geometry import EARTH_RADIUS_KM, KM_PER_DEGREE, distance_deg, unit_vectors

Array = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Waves:
    """Random cosines whose weighted sum is a Gaussian field of unit variance.

    With independent standard normal weights the covariance tends to exp(-d^2 / (2 L^2)) in the
    chord d (Rahimi and Recht 2007, random Fourier features).
    """

    wavenumber: Array
    phase_rad: Array

    def at(self, longitude_deg: Array, latitude_deg: Array) -> Array:
        """Values of every wave at places, (n_waves, n_places)."""
        angle = self.wavenumber @ unit_vectors(longitude_deg, latitude_deg).T
        values: Array = np.sqrt(2.0 / self.phase_rad.size) * np.cos(
            angle + self.phase_rad[:, None])
        return values


def random_waves(random: np.random.Generator, *, length_km: float, n_waves: int) -> Waves:
    """Waves for a field of correlation length `length_km`."""
    per_radian = EARTH_RADIUS_KM / length_km
    return Waves(per_radian * random.standard_normal((n_waves, 3)),
                 random.uniform(0.0, 2.0 * np.pi, n_waves))


@dataclass(frozen=True, eq=False)
class Bumps:
    """Round events: Gaussian of height one and given radius about a centre, all (n_events,)."""

    longitude_deg: Array
    latitude_deg: Array
    radius_km: Array

    def at(self, longitude_deg: Array, latitude_deg: Array, *, widened: float = 1.0) -> Array:
        """Values of every event at places, (n_events, n_places); `widened` scales the radii."""
        distance_km = KM_PER_DEGREE * distance_deg(
            self.longitude_deg, self.latitude_deg, longitude_deg, latitude_deg)
        values: Array = np.exp(-0.5 * (distance_km / (widened * self.radius_km[:, None])) ** 2)
        return values


def red_noise(random: np.random.Generator, n_days: int, n_series: int, *, memory: float) -> Array:
    """First-order autoregressive series of unit variance, (n_days, n_series)."""
    white = random.standard_normal((n_days, n_series))
    series = np.empty_like(white)
    series[0] = white[0]
    for day in range(1, n_days):
        series[day] = memory * series[day - 1] + np.sqrt(1.0 - memory**2) * white[day]
    return series


def slow_series(random: np.random.Generator, day: Array, n_series: int) -> Array:
    """Sums of four sines of random periods from 1.5 to 7 years, unit variance, (n_days, n)."""
    period_days = 365.25 * np.exp(random.uniform(np.log(1.5), np.log(7.0), (4, n_series)))
    phase = random.uniform(0.0, 2.0 * np.pi, (4, n_series))
    series: Array = np.sqrt(0.5) * np.sin(
        2.0 * np.pi * day[:, None, None] / period_days + phase).sum(axis=1)
    return series
