"""A bank of one-sided filters: bands of a series that a later sample never changes."""

from collections.abc import Sequence
from itertools import pairwise
from typing import Final

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.signal import lfilter

from dwlim_ops.features.emd import checked_series

#: Octaves from 2 to 256 days: nine bands.
TIME_CONSTANTS_DAYS: Final = (2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0)


def causal_bank(
    x: ArrayLike, *, time_constants_days: Sequence[float] = TIME_CONSTANTS_DAYS
) -> NDArray[np.float64]:
    """Split daily series into bands between exponential moving averages, fastest first.

    The average of time constant tau is y[t] = y[t-1] + (1 - exp(-1 / tau)) (x[t] - y[t-1]), started
    at y[0] = x[0]. The first band is the series minus the fastest average, the last the slowest
    average; all bands sum to the series. A value depends on samples up to its own only.

    Parameters
    ----------
    x : array_like, shape (..., n_days)
    time_constants_days : sequence of float
        Increasing.

    Returns
    -------
    array, shape (..., len(time_constants_days) + 1, n_days)

    Raises
    ------
    ValueError
        Fewer than 16 samples, values that are not finite, or time constants not increasing.
    """
    series = checked_series(x, where="causal_bank")
    tau = np.asarray(time_constants_days, dtype=np.float64)
    if tau.size == 0 or tau[0] <= 0 or not (np.diff(tau) > 0).all():
        raise ValueError(
            "causal_bank: time constants are out of order; expected positive, increasing days, "
            f"got {tuple(time_constants_days)}"
        )
    start = series[..., :1]
    levels = [series]
    for gain in -np.expm1(-1.0 / tau):
        levels.append(lfilter([gain], [1.0, gain - 1.0], series, zi=(1.0 - gain) * start)[0])
    levels.append(np.zeros_like(series))
    return np.stack([fast - slow for fast, slow in pairwise(levels)], axis=-2)
