"""`python -m tests.bench.steps`: delays and false alarms of the detection of steps.

On a synthetic network (white and flicker noise at the level of the sample's, a seasonal load,
floods that neighbours share, outages, gross errors) and on the sample, whose steps its provider
has corrected, so that every step found there counts as false. A false alarm is a station-year in
which a step is found.
"""

import sys
from dataclasses import dataclass
from typing import Final

import numpy as np
import xarray as xr
from numpy.typing import NDArray
from scipy.signal import fftconvolve

from dwlim_ops.geometry import KM_PER_DEGREE, distance_deg
from dwlim_ops.qc.neighbours import Neighbours, find_neighbours
from dwlim_ops.qc.settings import GnssQcSettings
from dwlim_ops.qc.steps import find_steps
from dwlim_ops.regions import region_folder

Array = NDArray[np.float64]

SETTINGS: Final = GnssQcSettings(step_mode="detect")
#: The residuals to the neighbours then scatter as the sample's: 3.0 mm a day, 1.3 mm a month.
WHITE_MM: Final = 2.1
FLICKER_MM: Final = 1.25
#: Days before a step that a trial looks at, and the greatest error of its date.
HISTORY_DAYS: Final = 700
DATING_DAYS: Final = 5
#: A station reports if it has so many values on the day of the step and the five after it.
REPORTING_VALUES: Final = 4


@dataclass(frozen=True, eq=False)
class Network:
    """Displacement (time, station), mm, NaN where absent, of stations at places in degrees."""

    up_mm: Array
    longitude_deg: Array
    latitude_deg: Array

    @property
    def neighbours(self) -> Neighbours:
        return find_neighbours(
            self.longitude_deg, self.latitude_deg, maximum_km=SETTINGS.neighbour_maximum_km,
            n_nearest=SETTINGS.n_neighbours, minimum=SETTINGS.minimum_neighbours)


def flicker_noise(rng: np.random.Generator, n_days: int, n_series: int) -> Array:
    """Noise with a spectrum of 1 / f by fractional summation (Kasdin 1995), unit innovations."""
    lag = np.arange(1, n_days)
    response = np.concatenate([[1.0], np.cumprod((lag - 0.5) / lag)])
    white = rng.normal(size=(n_days, n_series))
    return fftconvolve(white, response[:, None], axes=0)[:n_days]


def synthetic_network(seed: int, *, n_days: int = 2200, n_side: int = 6, noise: float = 1.0
                      ) -> Network:
    """Stations about 200 km apart without any step."""
    rng = np.random.default_rng(seed)
    columns, rows = np.meshgrid(np.arange(n_side), np.arange(n_side))
    longitude = 130.0 + 2.0 * columns.ravel() + rng.uniform(-0.5, 0.5, n_side**2)
    latitude = -30.0 + 2.0 * rows.ravel() + rng.uniform(-0.5, 0.5, n_side**2)
    day, n_stations = np.arange(n_days), longitude.size
    up = noise * (rng.normal(0.0, WHITE_MM, (n_days, n_stations))
                  + FLICKER_MM * flicker_noise(rng, n_days, n_stations))
    up += 5.0 * np.cos(2.0 * np.pi * day[:, None] / 365.25 + 0.05 * latitude)
    for start in rng.integers(0, n_days, n_days // 365):
        centre = rng.integers(n_stations)
        distance_km = KM_PER_DEGREE * distance_deg(
            longitude[[centre]], latitude[[centre]], longitude, latitude)[0]
        since = np.maximum(day - start, 0.0)
        course = np.where(day >= start, np.minimum(since / 3.0, 1.0) * np.exp(-since / 40.0), 0.0)
        up -= 25.0 * course[:, None] * np.exp(-((distance_km / 500.0) ** 2))
    gross = rng.random(up.shape) < 0.005
    up[gross] += rng.choice([-30.0, 30.0], gross.sum())
    up[rng.random(up.shape) < 0.1] = np.nan
    for station in range(n_stations):
        for start in rng.integers(0, n_days, 2 * n_days // 365):
            up[start: start + rng.integers(5, 60), station] = np.nan
    return Network(up, longitude, latitude)


def sample_network() -> Network:
    """The Australian sample, 2009-2023."""
    with xr.open_dataset(region_folder("australia") / "gnss.nc") as sample:
        fine = (sample["up_sigma_mm"] > 0) & (sample["up_sigma_mm"] <= SETTINGS.maximum_sigma_mm)
        return Network(sample["up_mm"].where(fine).values.astype(float),
                       sample["longitude_deg"].values, sample["latitude_deg"].values)


def false_alarms(network: Network) -> tuple[int, float]:
    """Station-years with a step, and station-years with values."""
    none = [np.zeros(0, np.intp)] * network.up_mm.shape[1]
    found = find_steps(network.up_mm, network.neighbours, none, SETTINGS)
    false = sum(np.unique(steps.row // 365).size for steps in found)
    return false, np.isfinite(network.up_mm).sum() / 365.25


def detection_rates(network: Network, *, size_mm: float, delays_days: tuple[int, ...],
                    n_trials: int, seed: int = 5) -> tuple[Array, int]:
    """Share of the steps that are found so many days after they happen, and their number.

    In each trial every eighth station, at random, steps up or down on one day; the values up to
    the delay are all that is known.
    """
    rng, neighbours = np.random.default_rng(seed), network.neighbours
    n_days, n_stations = network.up_mm.shape
    n_found, n_steps = np.zeros(len(delays_days)), 0
    for onset in rng.integers(HISTORY_DAYS, n_days - max(delays_days), n_trials):
        stations = rng.permutation(n_stations)[: n_stations // 8]
        record = network.up_mm[onset - HISTORY_DAYS: onset + max(delays_days) + 1].copy()
        present = np.isfinite(record[:, stations])
        stations = stations[(present[HISTORY_DAYS:][:6].sum(axis=0) >= REPORTING_VALUES)
                            & (present[:HISTORY_DAYS].sum(axis=0) >= HISTORY_DAYS // 2)]
        record[HISTORY_DAYS:, stations] += rng.choice([-size_mm, size_mm], stations.size)
        n_steps += stations.size
        for number, delay in enumerate(delays_days):
            known = record[: HISTORY_DAYS + delay + 1]
            found = find_steps(known, neighbours, [np.zeros(0, np.intp)] * n_stations, SETTINGS)
            n_found[number] += sum(
                (np.abs(found[station].row - HISTORY_DAYS) <= DATING_DAYS).any()
                for station in stations)
    return n_found / n_steps, n_steps


def main() -> None:
    delays, lines = (1, 2, 3, 4, 5, 7, 10, 30), []
    networks = {"synthetic": synthetic_network(1), "synthetic, noise x 1.5":
                synthetic_network(1, noise=1.5), "sample": sample_network()}
    lines.append("| network | step mm | " + " | ".join(f"{d} d" for d in delays)
                 + " | steps | false station-years |")
    lines.append("|---|" + "--:|" * (len(delays) + 3))
    for name, network in networks.items():
        false, years = false_alarms(network)
        for size_mm in (10.0, 15.0, 20.0, 30.0):
            share, n_steps = detection_rates(network, size_mm=size_mm, delays_days=delays,
                                             n_trials=12)
            lines.append(f"| {name} | {size_mm:.0f} | " + " | ".join(f"{s:.2f}" for s in share)
                         + f" | {n_steps} | {false} of {years:.0f} ({false / years:.1%}) |")
    sys.stdout.write("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
