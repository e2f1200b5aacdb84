"""A forecast at the end of a series, so that its newest day is no longer an end of it."""

from typing import Final

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.linalg import solve_toeplitz
from scipy.signal import lfilter, lfiltic

from dwlim_ops.features.emd import checked_series

Array = NDArray[np.float64]

DAYS_PER_YEAR: Final = 365.25
CYCLES_PER_YEAR: Final = (1, 2)
AUTOREGRESSION_ORDER: Final = 20
#: Less does not tell an annual cycle from a trend.
MIN_DAYS: Final = 365


def extend(x: ArrayLike, *, n_ahead: int) -> Array:
    """Append a forecast of `n_ahead` days to daily series; nothing if that is 0.

    The forecast is a mean with an annual and a semi-annual cycle, by least squares, and what an
    autoregression of order 20 expects of the residual from its last 20 days. The coefficients
    solve the Yule-Walker equations with the autocovariance divided by the full length, which makes
    the forecast of the residual decay. A series gives the same bits alone and in any batch.

    Parameters
    ----------
    x : array_like, shape (..., n_days)
    n_ahead : int

    Returns
    -------
    array, shape (..., n_days + n_ahead)

    Raises
    ------
    ValueError
        Fewer than 365 days, values that are not finite, or `n_ahead` negative.

    References
    ----------
    Brockwell and Davis (1991), Time Series: Theory and Methods, sections 5.1 and 8.1.
    """
    series = checked_series(x, where="extend")
    n_days = series.shape[-1]
    if n_ahead == 0:
        return series
    if n_days < MIN_DAYS or n_ahead < 0:
        raise ValueError(
            f"extend: impossible sizes; expected at least {MIN_DAYS} days and n_ahead >= 0, got "
            f"{n_days} days and n_ahead {n_ahead}"
        )
    cycles = _cycles(n_days + n_ahead)
    to_coefficients = np.linalg.pinv(cycles[:n_days])
    rows = series.reshape(-1, n_days)
    extended = np.empty((rows.shape[0], n_days + n_ahead))
    for row, out in zip(rows, extended, strict=True):
        seasonal = cycles @ (to_coefficients @ row)
        out[:n_days] = row
        out[n_days:] = seasonal[n_days:] + forecast(row - seasonal[:n_days], n_ahead)
    return extended.reshape(*series.shape[:-1], n_days + n_ahead)


def forecast(residual: Array, n_ahead: int) -> Array:
    """What an autoregression expects of the next `n_ahead` samples of a series without mean."""
    n, order = residual.size, AUTOREGRESSION_ORDER
    covariance = np.array([residual[lag:] @ residual[: n - lag] for lag in range(order + 1)])
    if covariance[0] <= 0.0:
        return np.zeros(n_ahead)
    coefficients = solve_toeplitz(covariance[:-1], covariance[1:])
    recursion = np.concatenate([[1.0], -coefficients])
    state = lfiltic([1.0], recursion, residual[: -order - 1 : -1])
    expected: Array = lfilter([1.0], recursion, np.zeros(n_ahead), zi=state)[0]
    return expected


def _cycles(n_days: int) -> Array:
    phase = 2.0 * np.pi * np.arange(n_days) / DAYS_PER_YEAR
    return np.stack([np.ones(n_days), *(wave(k * phase) for k in CYCLES_PER_YEAR
                                        for wave in (np.cos, np.sin))], axis=1)
