"""Outliers against a running median, for many stations at once."""

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from dwlim_ops.qc.trajectory import ROBUST_SIGMA_PER_MAD

Array = NDArray[np.float64]
Mask = NDArray[np.bool_]

MINIMUM_VALUES_IN_WINDOW = 7


def running_median(values: Array, window_days: int) -> Array:
    """Median over a centred window of days, shape (time, station).

    NaN values do not count; fewer than seven values give NaN. At both ends of the record the
    window is cut, so that on the newest day it reaches back only.
    """
    rolling = pd.DataFrame(values).rolling(
        window_days, center=True, min_periods=MINIMUM_VALUES_IN_WINDOW
    )
    return rolling.median().to_numpy()


def robust_scatter_mm(residual_mm: Array) -> Array:
    """1.4826 times the median absolute residual of each column; NaN for an empty column."""
    return ROBUST_SIGMA_PER_MAD * pd.DataFrame(np.abs(residual_mm)).median().to_numpy()


def find_outliers(up_mm: Array, *, window_days: int, n_sigma: float, floor_mm: float,
                  run_days: int) -> tuple[Mask, Array]:
    """Values far from the running median, and the residuals from it.

    A value is an outlier if |value - running median| exceeds the larger of `floor_mm` and
    `n_sigma` robust sigmas (1.4826 times the median absolute residual of the same window). Where
    the window holds fewer than seven values, median and scatter are those of the whole record.

    On the newest days the window is one-sided, and a real load looks like an outlier. There a
    run of at least `run_days` values, all on the same side and including the station's newest
    value, is therefore not flagged; once the record goes on, the ordinary rule judges it. A real
    change is so withheld for `run_days` - 1 days at most, a short disturbance is flagged again
    once it is over.

    Parameters
    ----------
    up_mm : ndarray (time, station)
        One row per day, NaN where absent or already rejected; best relative to a model of trend
        and season.
    window_days, n_sigma, floor_mm, run_days
        As above.

    Returns
    -------
    outlier : ndarray of bool (time, station)
    residual_mm : ndarray (time, station)
        Value minus that median; NaN where the value is absent.
    """
    whole = up_mm - pd.DataFrame(up_mm).median().to_numpy()
    median = running_median(up_mm, window_days)
    residual = np.where(np.isfinite(median), up_mm - median, whole)
    scatter = ROBUST_SIGMA_PER_MAD * running_median(np.abs(residual), window_days)
    scatter = np.where(np.isfinite(scatter), scatter, robust_scatter_mm(whole))
    limit = np.maximum(n_sigma * scatter, floor_mm)
    with np.errstate(invalid="ignore"):
        side = np.where(np.abs(residual) > limit, np.sign(residual), 0.0)
    side[~np.isfinite(up_mm)] = np.nan
    return _release_newest_run(side, run_days), residual


def _release_newest_run(side: Array, run_days: int) -> Mask:
    outlier = np.abs(np.nan_to_num(side)) > 0
    for station in range(side.shape[1]):
        present = np.flatnonzero(np.isfinite(side[:, station]))
        if present.size < run_days:
            continue
        newest_first = side[present[::-1], station]
        length = int(np.argmax(np.append(newest_first != newest_first[0], True)))
        if newest_first[0] != 0 and length >= run_days:
            outlier[present[-length:], station] = False
    return outlier
