"""What GNSS adds to the displacement: power-law noise, common mode, rates, steps, gaps."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.signal import fftconvolve

from dwlim_ops.synthetic.patterns import random_waves, red_noise
from dwlim_ops.synthetic.settings import EarthSettings

Array = NDArray[np.float64]
Mask = NDArray[np.bool_]

DAYS_PER_YEAR = 365.25
STATION_SPREAD = 0.25
COMMON_MODE_MEMORY = 0.4
N_COMMON_WAVES = 30
LEAST_STEP_MM, MEAN_STEP_MM = 4.0, 15.0
OUTLIER_MM = (15.0, 60.0)
GAP_DAYS = (30, 300)
SIGMA_MM, SIGMA_SPREAD = 2.9, 0.15


def power_law_noise(random: np.random.Generator, n_days: int, n_series: int, *, index: float
                    ) -> Array:
    """Noise with power spectrum proportional to frequency**index, (n_days, n_series).

    White noise of unit variance through Hosking's fractional integration: h_0 = 1,
    h_k = h_{k-1} (k - 1 - index / 2) / k (Hosking 1981; Kasdin 1995, doi:10.1109/5.381848). The
    series begins at rest.

    Parameters
    ----------
    index : float
        -1 is flicker noise, -2 random walk, 0 white.
    """
    k = np.arange(1, n_days)
    response = np.concatenate([[1.0], np.cumprod((k - 1 - index / 2.0) / k)])
    white = random.standard_normal((n_days, n_series))
    filtered: Array = fftconvolve(white, response[:, None], axes=0)[:n_days]
    return filtered


@dataclass(frozen=True, eq=False)
class Disturbance:
    """What the provider's series hold beside loading, and on which days.

    Attributes
    ----------
    error_mm : (n_days, n_stations)
        White and flicker noise, common mode, rate, steps and outliers.
    sigma_mm : (n_days, n_stations)
        Formal error.
    absent : (n_days, n_stations)
        Days without a solution.
    steps : tuple of (int, int)
        Row of the first day after the step, and column of its station.
    """

    error_mm: Array
    sigma_mm: Array
    absent: Mask
    steps: tuple[tuple[int, int], ...]


def disturb(day: Array, longitude_deg: Array, latitude_deg: Array, settings: EarthSettings
            ) -> Disturbance:
    """Draw the disturbances of stations; `day` (n_days,) counts days, places are (n_stations,)."""
    of_noise, of_common, of_steps, of_gaps = (
        np.random.default_rng([settings.seed, part]) for part in range(10, 14))
    shape = n_days, n_stations = day.size, longitude_deg.size
    grade = np.exp(STATION_SPREAD * of_noise.standard_normal(n_stations))
    flicker = settings.flicker_mm_per_year_quarter * DAYS_PER_YEAR**-0.25
    error = grade * (settings.white_mm * of_noise.standard_normal(shape)
                     + flicker * power_law_noise(of_noise, n_days, n_stations, index=-1.0))
    waves = random_waves(of_common, length_km=settings.common_mode_length_km,
                         n_waves=N_COMMON_WAVES)
    error += settings.common_mode_mm * (
        red_noise(of_common, n_days, N_COMMON_WAVES, memory=COMMON_MODE_MEMORY)
        @ waves.at(longitude_deg, latitude_deg))
    rate = settings.rate_mm_per_year * of_steps.standard_normal(n_stations)
    error += rate * (day[:, None] - day.mean()) / DAYS_PER_YEAR
    steps = _add_steps(of_steps, error, settings.steps_per_year)
    sigma = SIGMA_MM * grade * np.exp(SIGMA_SPREAD * of_noise.standard_normal(shape))
    outlying = of_gaps.uniform(size=shape) < settings.outlier_share
    size = of_gaps.uniform(*OUTLIER_MM, shape) * of_gaps.choice([-1.0, 1.0], shape)
    return Disturbance(error + outlying * size, sigma, _gaps(of_gaps, shape, settings), steps)


def _add_steps(random: np.random.Generator, error_mm: Array, per_year: float
               ) -> tuple[tuple[int, int], ...]:
    """Adds steps to `error_mm` in place."""
    n_days, n_stations = error_mm.shape
    steps = []
    for station, number in enumerate(random.poisson(per_year * n_days / DAYS_PER_YEAR,
                                                    n_stations)):
        for row in sorted(set(random.integers(1, n_days, number).tolist())):
            size = LEAST_STEP_MM + random.exponential(MEAN_STEP_MM)
            error_mm[row:, station] += size * random.choice([-1.0, 1.0])
            steps.append((row, station))
    return tuple(steps)


def _gaps(random: np.random.Generator, shape: tuple[int, int], settings: EarthSettings) -> Mask:
    absent: Mask = random.uniform(size=shape) < settings.absent_share
    for station in np.flatnonzero(random.uniform(size=shape[1]) < settings.gap_share):
        start = int(random.integers(shape[0]))
        absent[start:start + int(random.integers(*GAP_DAYS)), station] = True
    return absent


def thermal_expansion_mm(random: np.random.Generator, temperature_k: Array, largest_mm: float,
                         days_per_year: float = DAYS_PER_YEAR) -> Array:
    """Height of monuments that follow the local temperature of the last ten days.

    The annual amplitude of a station is between zero and `largest_mm`, half of them below a
    quarter of it; uplift in summer, which is also when the paper's networks see warmth.

    Parameters
    ----------
    temperature_k : array (n_days, n_stations)
    """
    kernel = np.exp(-np.arange(60) / 10.0)
    mean = temperature_k.mean(axis=0)
    padded = np.concatenate([np.repeat(temperature_k[:1], 59, axis=0), temperature_k]) - mean
    smooth = fftconvolve(padded, (kernel / kernel.sum())[:, None], mode="valid", axes=0)
    angle = 2.0 * np.pi * np.arange(len(smooth))[:, None] / days_per_year
    annual = 2.0 * np.hypot((smooth * np.cos(angle)).mean(axis=0),
                            (smooth * np.sin(angle)).mean(axis=0))
    amplitude = largest_mm * random.uniform(size=temperature_k.shape[1]) ** 2
    expansion: Array = amplitude / np.maximum(annual, 1e-6) * smooth
    return expansion
