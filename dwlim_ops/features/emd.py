"""Empirical mode decomposition, by the compiled kernel or by PyEMD as its reference."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final, Literal

import numpy as np
from numba import config
from numpy.typing import ArrayLike, NDArray

from dwlim_ops.features import sifting
from dwlim_ops.features.workspace import make_workspace

Array = NDArray[np.float64]
Engine = Literal["compiled", "pyemd"]

MIN_SAMPLES: Final = 16
ROWS_PER_TASK: Final = 4
#: Sums over the noise are added up in blocks of this many pairs, on any number of threads.
PAIRS_PER_TASK: Final = 10


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


def checked_series(x: ArrayLike, *, where: str, at_least: int = MIN_SAMPLES) -> Array:
    """`x` as contiguous floats, shape (..., n_samples).

    Raises
    ------
    ValueError
        Fewer than `at_least` samples, or a value is not finite.
    """
    series = np.ascontiguousarray(x, dtype=np.float64)
    if np.ndim(x) == 0 or series.shape[-1] < at_least:
        raise ValueError(
            f"{where}: series is too short; expected at least {at_least} samples along the "
            f"last axis, got shape {np.shape(x)}"
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

    def decompose(rows: slice) -> None:
        workspace = make_workspace(series.shape[1])
        for row in range(rows.start, rows.stop):
            counts[row] = sifting.decompose(series[row], max_imf, n_sifts, workspace, modes[row])

    _in_parallel(decompose, [(rows,) for rows in _blocks(series.shape[0], ROWS_PER_TASK)])
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
    blocks = _blocks(noise.shape[0], PAIRS_PER_TASK)
    sums = np.empty((len(blocks), *series.shape))

    def add_up(rows: slice, block: int) -> None:
        workspace, mode = make_workspace(series.shape[1]), np.empty(series.shape[1])
        pairs = noise[blocks[block]]
        for row in range(rows.start, rows.stop):
            sifting.sum_first_modes(
                series[row], pairs, n_sifts, workspace, (sums[block, row], mode))

    _in_parallel(add_up, [(rows, block) for rows in _blocks(series.shape[0], ROWS_PER_TASK)
                          for block in range(len(blocks))])
    for block in range(1, len(blocks)):
        sums[0] += sums[block]
    means: Array = sums[0] / (2 * noise.shape[0])
    return means


def _blocks(n: int, size: int) -> list[slice]:
    return [slice(start, min(start + size, n)) for start in range(0, n, size)]


def _in_parallel(work: Callable[..., None], tasks: list[tuple[Any, ...]]) -> None:
    """Call `work` with every task, on NUMBA_NUM_THREADS threads (default: all cores).

    Plain threads, for the kernels release the interpreter lock: numba's own pools either forbid
    calls from two threads or forbid a later fork.
    """
    n_threads = min(config.NUMBA_NUM_THREADS, len(tasks))  # type: ignore[attr-defined]
    if n_threads <= 1:
        for task in tasks:
            work(*task)
        return
    with ThreadPoolExecutor(n_threads) as pool:
        list(pool.map(lambda task: work(*task), tasks))


def _pyemd(x: Array, *, max_imf: int, n_sifts: int) -> Array:
    from PyEMD import EMD

    with np.errstate(divide="ignore", invalid="ignore"):
        modes: Array = EMD(FIXE=n_sifts).emd(x, max_imf=max_imf)
    return modes
