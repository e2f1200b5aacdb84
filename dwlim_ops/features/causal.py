"""A bank of one-sided filters: bands of a series that a later sample never changes."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.signal import lfilter

from dwlim_ops.features.emd import checked_series

Array = NDArray[np.float64]

#: Octaves from 2 to 256 days: nine bands.
TIME_CONSTANTS_DAYS: Final = (2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0)


@dataclass(frozen=True, eq=False)
class CausalState:
    """All that a bank remembers of the days that it has seen.

    `gains` (n_averages,) are the weights of a new day; `carried` (n_averages, ..., 1) is what the
    averages of the last day add to those of the next.
    """

    gains: Array
    carried: Array


def causal_bank(
    x: ArrayLike, *, time_constants_days: Sequence[float] = TIME_CONSTANTS_DAYS
) -> Array:
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
    state = start_bank(series[..., 0], time_constants_days=time_constants_days)
    return continue_bank(state, series)[0]


def start_bank(
    first: ArrayLike, *, time_constants_days: Sequence[float] = TIME_CONSTANTS_DAYS
) -> CausalState:
    """State before the first day, whose values are `first` (...).

    Raises
    ------
    ValueError
        Time constants are not positive and increasing.
    """
    tau = np.asarray(time_constants_days, dtype=np.float64)
    if tau.size == 0 or tau[0] <= 0 or not (np.diff(tau) > 0).all():
        raise ValueError(
            "causal_bank: time constants are out of order; expected positive, increasing days, "
            f"got {tuple(time_constants_days)}"
        )
    gains = -np.expm1(-1.0 / tau)
    value = np.asarray(first, dtype=np.float64)[..., None]
    return CausalState(gains, np.stack([(1.0 - gain) * value for gain in gains]))


def continue_bank(state: CausalState, new_samples: ArrayLike) -> tuple[Array, CausalState]:
    """Bands of the days that follow, and the state after them.

    Whether days come one by one, in pieces or all at once makes no difference, to the last bit.

    Parameters
    ----------
    state : CausalState
    new_samples : array_like, shape (..., n_new_days)
        Series as in the state, one day or more.

    Returns
    -------
    array, shape (..., n_averages + 1, n_new_days), and CausalState

    Raises
    ------
    ValueError
        No day, or values that are not finite.

    Examples
    --------
    >>> record = np.sin(np.arange(100.0))
    >>> _, state = continue_bank(start_bank(record[0]), record[:99])
    >>> newest, state = continue_bank(state, record[99:])
    >>> bool((newest == causal_bank(record)[:, 99:]).all())
    True
    """
    series = checked_series(new_samples, where="continue_bank", at_least=1)
    levels, carried = [series], []
    for gain, before in zip(state.gains, state.carried, strict=True):
        level, after = lfilter([gain], [1.0, gain - 1.0], series, zi=before)
        levels.append(level)
        carried.append(after)
    levels.append(np.zeros_like(series))
    bands = np.stack([fast - slow for fast, slow in pairwise(levels)], axis=-2)
    return bands, CausalState(state.gains, np.stack(carried))
