"""Compiled medians: over trailing windows, and over the neighbours of each station.

Everything of this package that numba compiles stands in this one module, because numba's cache
notices a change of the calling file only. A result of a day depends on that day and earlier ones
and on no other station than the ones given, bit for bit.
"""

from typing import Final

import numpy as np
from numba import njit
from numpy.typing import NDArray

Array = NDArray[np.float64]
Index = NDArray[np.int64]

ROBUST_SIGMA_PER_MAD: Final = 1.4826

_compiled: Final = njit(cache=True, nogil=True)


def rolling_median(values: Array, *, window: int, minimum: int) -> Array:
    """Median of the window of rows that ends on the row, for each column.

    Parameters
    ----------
    values : ndarray (time, station) or (time,)
        NaN values do not count.
    window : int
        Rows of the window.
    minimum : int
        With fewer values in the window the median is NaN.

    Returns
    -------
    ndarray, shaped as `values`

    Examples
    --------
    >>> rolling_median(np.array([1.0, 5.0, 2.0, np.nan, 9.0]), window=3, minimum=2).tolist()
    [nan, 3.0, 2.0, 3.5, 5.5]
    """
    columns = np.ascontiguousarray(np.atleast_2d(values.T), dtype=np.float64)
    return _rolling_medians(columns, window, max(minimum, 1)).T.reshape(values.shape)


def robust_scatter(values: Array) -> Array:
    """1.4826 times the median absolute value of each column; NaN for an empty column.

    The standard deviation of normal values of mean zero (Huber 1981, section 5.1).
    """
    scatter = np.full(values.shape[1], np.nan)
    for column in np.flatnonzero(np.isfinite(values).any(axis=0)):
        present = values[np.isfinite(values[:, column]), column]
        scatter[column] = ROBUST_SIGMA_PER_MAD * np.median(np.abs(present))
    return scatter


@_compiled
def _rolling_medians(columns: Array, window: int, minimum: int) -> Array:
    n_columns, n_rows = columns.shape
    out = np.full((n_columns, n_rows), np.nan)
    kept = np.empty(window + 1)
    for column in range(n_columns):
        values, n = columns[column], 0
        for row in range(n_rows):
            # The sorted window has a hole where the oldest value was; it moves to the newest's.
            hole = n
            if row >= window and not np.isnan(values[row - window]):
                n -= 1
                hole = _place(kept, n + 1, values[row - window])
            if not np.isnan(values[row]):
                while hole > 0 and kept[hole - 1] > values[row]:
                    kept[hole] = kept[hole - 1]
                    hole -= 1
                while hole < n and kept[hole + 1] < values[row]:
                    kept[hole] = kept[hole + 1]
                    hole += 1
                kept[hole] = values[row]
                n += 1
            else:
                for k in range(hole, n):
                    kept[k] = kept[k + 1]
            if n >= minimum:
                out[column, row] = 0.5 * (kept[(n - 1) // 2] + kept[n // 2])
    return out


@_compiled
def _place(kept: Array, n: int, value: float) -> int:
    low, high = 0, n - 1
    while low < high:
        middle = (low + high) // 2
        if kept[middle] < value:
            low = middle + 1
        else:
            high = middle
    return low


@_compiled
def median_of_nearest(values: Array, order: Index, weight: Array, n_nearest: int, minimum: int
                      ) -> Array:
    """Weighted median of the nearest stations that have a value on the day.

    The smallest value at which the weights of the values up to it reach half of their sum.

    Parameters
    ----------
    values : ndarray (time, station)
        NaN where absent.
    order : ndarray of int (station, k)
        Other stations by distance, nearest first, then -1.
    weight : ndarray (station, k)
        Their positive weights.
    n_nearest, minimum : int
        Stations that count at most on a day, and at least, else the median is NaN.

    Returns
    -------
    ndarray (time, station)
    """
    n_days, n_stations = values.shape
    out = np.full((n_days, n_stations), np.nan)
    value, its_weight = np.empty(n_nearest), np.empty(n_nearest)
    for day in range(n_days):
        for station in range(n_stations):
            n, total = 0, 0.0
            for k in range(order.shape[1]):
                other = order[station, k]
                if other < 0 or n == n_nearest:
                    break
                if np.isnan(values[day, other]):
                    continue
                place = n
                while place > 0 and value[place - 1] > values[day, other]:
                    value[place], its_weight[place] = value[place - 1], its_weight[place - 1]
                    place -= 1
                value[place], its_weight[place] = values[day, other], weight[station, k]
                total += weight[station, k]
                n += 1
            if n < minimum:
                continue
            reached, k = its_weight[0], 0
            while reached < 0.5 * total and k < n - 1:
                k += 1
                reached += its_weight[k]
            out[day, station] = value[k]
    return out
