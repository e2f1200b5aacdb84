"""EMD and MEEMD against PyEMD."""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from typing import Any

import numpy as np
import xarray as xr
from numba import config
from numpy.typing import NDArray
from PyEMD import EEMD, EMD
from scipy.signal import lfilter

from dwlim_ops.features.emd import emd
from dwlim_ops.features.meemd import N_SIFTS, decompose, meemd
from tests.bench.measure import Row, Timing, seconds, timed

Array = NDArray[np.float64]

numba_config: Any = config

N_SAMPLES = 3653
N_TRIALS = 100
N_TRIALS_MEASURED = 6
N_SERIES = 1920
N_SERIES_MEASURED = 24
#: PyEMD's default, in units of the range of the series.
NOISE_WIDTH = 0.05


def weather_like(n_series: int, n_samples: int = N_SAMPLES) -> Array:
    """An annual cycle and daily noise with memory, (n_series, n_samples)."""
    noise = np.random.default_rng(1).normal(size=(n_series, n_samples))
    annual = 2.0 * np.sin(2.0 * np.pi * np.arange(n_samples) / 365.25)
    memory: Array = lfilter([1.0], [1.0, -0.8], noise)
    return annual + memory


def compile_kernels() -> None:
    series = weather_like(2, 64)
    emd(series[0])
    meemd(series, n_noise_pairs=1)


def _noisy(series: Array, n_trials: int) -> Array:
    width = NOISE_WIDTH * np.ptp(series)
    return series + width * np.random.default_rng(2).normal(size=(n_trials, series.size))


@lru_cache
def _eemd_trial() -> Timing:
    """One trial of PyEMD's EEMD in this process."""
    series = weather_like(1)[0]
    with np.errstate(all="ignore"):
        timing, _ = timed(lambda: EEMD(
            trials=N_TRIALS_MEASURED, noise_width=NOISE_WIDTH, parallel=False).eemd(series))
    return timing.times(1 / N_TRIALS_MEASURED)


def emd_row() -> Row:
    series = weather_like(1)[0]
    ours, modes = timed(lambda: emd(series), repeats=20)
    with np.errstate(all="ignore"):
        theirs, reference = timed(lambda: EMD().emd(series), repeats=5)
        others = _noisy(series, 4)
        differences = [np.abs(modes - reference).max(),
                       *(np.abs(emd(x) - EMD().emd(x)).max() for x in others)]
    return Row("EMD, 3,653 samples", ours, theirs,
               f"PyEMD `EMD`; largest difference of 5 series {max(differences):.1e}")


def ensemble_row() -> Row:
    trials = _noisy(weather_like(1)[0], N_TRIALS)
    ours, _ = timed(lambda: [emd(trial) for trial in trials], repeats=3)
    return Row("EMD, 3,653 samples, 100 noisy trials, one thread", ours,
               _eemd_trial().times(N_TRIALS),
               f"PyEMD `EEMD` without processes, {N_TRIALS_MEASURED} trials measured and scaled; "
               f"a trial {seconds(ours.wall_s / N_TRIALS)} against "
               f"{seconds(_eemd_trial().wall_s)}")


@contextmanager
def _one_thread() -> Iterator[None]:
    before, numba_config.NUMBA_NUM_THREADS = numba_config.NUMBA_NUM_THREADS, 1
    try:
        yield
    finally:
        numba_config.NUMBA_NUM_THREADS = before


def meemd_one_row() -> Row:
    series = weather_like(1)[0]
    with _one_thread():
        ours, _ = timed(lambda: meemd(series, n_noise_pairs=N_TRIALS // 2), repeats=5)
        huang, _ = timed(lambda: meemd(series, n_noise_pairs=N_TRIALS // 2, n_sifts=0), repeats=3)
        few, components = timed(lambda: meemd(series, n_noise_pairs=2))
    alike, reference = timed(lambda: meemd(series, n_noise_pairs=2, engine="pyemd"))
    return Row(f"MEEMD, 3,653 samples, 50 pairs, {N_SIFTS} sifts, one thread", ours,
               _eemd_trial().times(N_TRIALS),
               "PyEMD `EEMD` of 100 trials, as above (a simpler method: one round); with Huang's "
               f"criteria {seconds(huang.wall_s)}; MEEMD with PyEMD inside, 2 pairs measured: "
               f"{alike.wall_s / few.wall_s:.3g} x, difference "
               f"{np.abs(components - reference).max():.1e}")


def meemd_day_row(forcing: xr.Dataset) -> Row:
    """All cells of one day as the region `australia` trains its MEEMD bundle."""
    window = forcing.isel(time=slice(-730, None))
    both = np.concatenate([window[name].values.T for name in ("temperature_k", "pressure_pa")])
    ours, components = timed(lambda: meemd(both, n_noise_pairs=10))
    few = both[:: both.shape[0] // 4][:4]
    theirs, reference = timed(lambda: meemd(few, n_noise_pairs=10, engine="pyemd"))
    same = components[:: both.shape[0] // 4][:4]
    scale = both.std(axis=1)[:: both.shape[0] // 4][:4, None, None]
    difference = np.abs((same - reference) / scale).max()
    return Row(f"MEEMD of all cells of a day, {both.shape[0]:,} x 730 samples, 10 pairs, "
               f"{N_SIFTS} sifts, all cores", ours, theirs.times(both.shape[0] / len(few)),
               f"the same with PyEMD inside, one thread, {len(few)} series measured and scaled; "
               f"difference {difference:.1e} sd. {_stopping_rules(both[::12])}")


def _stopping_rules(series: Array) -> str:
    """What the fast rule changes, and what another draw of the noise changes, in words."""
    scale = series.std(axis=1)[:, None, None]
    huang, fast, redrawn = (
        decompose(series / scale[:, 0], n_noise_pairs=10, n_sifts=n_sifts, seed=seed)
        for n_sifts, seed in ((0, 0), (N_SIFTS, 0), (0, 1)))
    deviation = np.sqrt(huang.components.var(axis=-1).mean(axis=0))
    told = []
    for other in (fast, redrawn):
        difference = np.sqrt(((other.components - huang.components) ** 2).mean(axis=(0, 2)))
        alike = (other.n_noise_like == huang.n_noise_like).mean()
        numbers = " ".join(f"{value:.2f}" for value in (difference / deviation)[:6])
        told.append(f"{numbers} (as many noise-like ones in {alike:.0%})")
    return (f"Components 1 to 6 of {series.shape[0]} of these series differ from those by Huang's "
            f"criteria, rms in sd, by {told[0]}; another draw of the noise by {told[1]}")


def meemd_all_row(*, n_sifts: int) -> Row:
    series = weather_like(N_SERIES_MEASURED)
    ours, _ = timed(lambda: meemd(series, n_noise_pairs=N_TRIALS // 2, n_sifts=n_sifts))
    stopping = f"{n_sifts} sifts" if n_sifts else "Huang's criteria"
    return Row(f"MEEMD of 1,920 series of 3,653 samples, 50 pairs, {stopping}, all cores",
               ours.times(N_SERIES / N_SERIES_MEASURED), _eemd_trial().times(N_TRIALS * N_SERIES),
               f"{N_SERIES_MEASURED} series measured and scaled; PyEMD `EEMD` of 100 trials in one "
               "process, scaled")
