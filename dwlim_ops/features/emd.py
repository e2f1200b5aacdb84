"""Empirical mode decomposition, by the compiled kernel or by PyEMD as its reference."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Final, Literal

import numpy as np
from numba import config
from numpy.typing import ArrayLike, NDArray

from dwlim_ops.features import sifting

Array = NDArray[np.float64]
Engine = Literal["compiled", "pyemd"]

MIN_SAMPLES: Final = 16
ROWS_PER_TASK: Final = 4


def emd(x: ArrayLike, *, max_imf: int = -1, n_sifts: int = 0) -> Array:
    """Intrinsic mode functions of a series, fastest first.

    The extrema, envelopes, stopping rules and thresholds are those of PyEMD 1.10, which it meets
    to rounding. The thresholds are absolute: bring the series to a standard deviation near one.

    Parameters
    ----------
    x : array_like, shape (n_samples,)
    max_imf : int
        Number of modes at most; -1 for all, of which there are at most `sifting.MAX_MODES`.
    n_sifts : int
        0 sifts until Huang's criteria hold, k sifts every mode k times.

    Returns
    -------
    array, shape (n_modes, n_samples)
        The modes, and the residue as the last row unless it is zero (below 1e-8). They sum to `x`.

    Raises
    ------
    ValueError
        Not one-dimensional, shorter than 16 samples, or not finite.

    References
    ----------
    Huang et al. (1998), Proc. R. Soc. Lond. A 454, 903-995.
    """
    series = checked_series(x, where="emd")
    if series.ndim != 1:
        raise ValueError(f"emd: series is not one-dimensional; got shape {series.shape}")
    return decompose_all(series[None], n_sifts=n_sifts, max_imf=max_imf)[0]


def checked_series(x: ArrayLike, *, where: str) -> Array:
    """`x` as contiguous floats, shape (..., n_samples).

    Raises
    ------
    ValueError
        Shorter than 16 samples, or a value is not finite.
    """
    series = np.ascontiguousarray(x, dtype=np.float64)
    if series.ndim == 0 or series.shape[-1] < MIN_SAMPLES:
        raise ValueError(
            f"{where}: series is too short; expected at least {MIN_SAMPLES} samples along the "
            f"last axis, got shape {series.shape}"
        )
    n_bad = int(series.size - np.isfinite(series).sum())
    if n_bad:
        raise ValueError(
            f"{where}: series holds values that are not finite; expected none, got {n_bad} of "
            f"{series.size}; fill the gaps first"
        )
    return series


def decompose_all(
    series: Array, *, n_sifts: int, max_imf: int = -1, engine: Engine = "compiled"
) -> list[Array]:
    """`emd` of every row of `series` (n_series, n_samples)."""
    if engine == "pyemd":
        return [_pyemd(row, max_imf=max_imf, n_sifts=n_sifts) for row in series]
    counts = np.empty(series.shape[0], dtype=np.int64)
    modes = np.empty((series.shape[0], sifting.MAX_MODES, series.shape[1]))
    _over_rows(
        lambda rows: sifting.decompose_rows(
            series[rows], max_imf, n_sifts, modes[rows], counts[rows]
        ),
        series.shape[0],
    )
    return [rows[:count] for rows, count in zip(modes, counts, strict=True)]


def mean_first_modes(
    series: Array, noise: Array, *, n_sifts: int, engine: Engine = "compiled"
) -> Array:
    """Mean over all `noise` rows and both signs of the first mode of each series plus the noise.

    Parameters
    ----------
    series : array, shape (n_series, n_samples)
    noise : array, shape (n_noise_pairs, n_samples)

    Returns
    -------
    array, shape (n_series, n_samples)
    """
    if engine == "pyemd":
        copies = series[:, None] + np.concatenate([noise, -noise])
        return np.array(
            [[_pyemd(x, max_imf=1, n_sifts=n_sifts)[0] for x in row] for row in copies]
        ).mean(axis=1)
    means = np.empty_like(series)
    _over_rows(
        lambda rows: sifting.mean_first_modes(series[rows], noise, n_sifts, means[rows]),
        series.shape[0],
    )
    return means


def _over_rows(work: Callable[[slice], None], n_rows: int) -> None:
    """Call `work` on all rows, a few at a time, on NUMBA_NUM_THREADS threads (default: all cores).

    Plain threads, for the kernels release the interpreter lock: numba's own pools either forbid
    calls from two threads or forbid a later fork.
    """
    tasks = [slice(start, start + ROWS_PER_TASK) for start in range(0, n_rows, ROWS_PER_TASK)]
    n_threads = min(config.NUMBA_NUM_THREADS, len(tasks))  # type: ignore[attr-defined]
    if n_threads <= 1:
        for rows in tasks:
            work(rows)
        return
    with ThreadPoolExecutor(n_threads) as pool:
        list(pool.map(work, tasks))


def _pyemd(x: Array, *, max_imf: int, n_sifts: int) -> Array:
    from PyEMD import EMD

    with np.errstate(divide="ignore", invalid="ignore"):
        modes: Array = EMD(FIXE=n_sifts).emd(x, max_imf=max_imf)
    return modes
