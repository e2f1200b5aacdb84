"""Outliers against a running median, for many stations at once."""

import numpy as np
from numpy.typing import NDArray

from dwlim_ops.qc.robust import ROBUST_SIGMA_PER_MAD, rolling_median

Array = NDArray[np.float64]
Mask = NDArray[np.bool_]

MINIMUM_VALUES_IN_WINDOW = 7


def trailing_median(values: Array, window_days: int) -> Array:
    """Median over the window that ends on the day, shape (time, station).

    NaN values do not count; where a value's window holds fewer than seven, the median is that of
    the record so far. NaN without a value on a day with so few.
    """
    median = rolling_median(values, window=window_days, minimum=MINIMUM_VALUES_IN_WINDOW)
    few = np.isfinite(values) & ~np.isfinite(median)
    for station in np.flatnonzero(few.any(axis=0)):
        rows = np.flatnonzero(few[:, station])
        so_far = values[: rows[-1] + 1, station]
        median[rows, station] = rolling_median(so_far, window=so_far.size, minimum=1)[rows]
    return median


def find_outliers(up_mm: Array, *, window_days: int, n_sigma: float, floor_mm: float,
                  run_days: int) -> tuple[Mask, Array]:
    """Values far from the running median, and the residuals from it.

    A value is an outlier if |value - trailing median| exceeds the larger of `floor_mm` and
    `n_sigma` robust sigmas (1.4826 times the median absolute residual of the same window), unless
    the `run_days` - 1 values before it exceeded it on the same side: a change that lasts is a load
    or a step, withheld for `run_days` - 1 days.

    The decision on a day depends on that day and earlier ones only, so that it is final.

    Parameters
    ----------
    up_mm : ndarray (time, station)
        One row per day, NaN where absent or already rejected; best relative to a model of trend
        and season, behind which a trailing median would lag.
    window_days, n_sigma, floor_mm, run_days
        As above.

    Returns
    -------
    outlier : ndarray of bool (time, station)
    residual_mm : ndarray (time, station)
        Value minus that median; NaN where the value is absent.
    """
    residual = up_mm - trailing_median(up_mm, window_days)
    scatter = ROBUST_SIGMA_PER_MAD * trailing_median(np.abs(residual), window_days)
    limit = np.maximum(n_sigma * scatter, floor_mm)
    with np.errstate(invalid="ignore"):
        side = np.where(np.abs(residual) > limit, np.sign(residual), 0.0)
    side[~np.isfinite(up_mm)] = np.nan
    return _short_runs(side, run_days), residual


def _short_runs(side: Array, run_days: int) -> Mask:
    """Values beyond the limit that are not the `run_days`-th or later on one side in a row."""
    outlier = np.zeros(side.shape, dtype=bool)
    for station in range(side.shape[1]):
        present = np.flatnonzero(np.isfinite(side[:, station]))
        values = side[present, station]
        lasting = values != 0
        for lag in range(1, run_days):
            lasting[:lag] = False
            lasting[lag:] &= values[lag:] == values[:-lag]
        outlier[present, station] = (values != 0) & ~lasting
    return outlier
