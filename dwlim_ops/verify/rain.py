"""Monthly rain of basins from rain gauges."""

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from dwlim_ops.geometry import Basins

Array = NDArray[np.float64]
Days = NDArray[np.datetime64]

#: Share of a month's days that a gauge must have.
MINIMUM_SHARE = 0.8


def monthly_sums(days: Days, rain_mm: Array) -> tuple[Days, Array]:
    """Rain of whole months at gauges, absent days filled with the month's mean of the gauge.

    Parameters
    ----------
    days : array of datetime64, shape (n_days,)
    rain_mm : array, shape (n_days, n_gauges)

    Returns
    -------
    first days of the months (n_months,), mm (n_months, n_gauges) with NaN where a gauge lacks more
    than a fifth of the days
    """
    daily = pd.DataFrame(rain_mm, index=pd.DatetimeIndex(days))
    by_month = daily.groupby(pd.Grouper(freq="MS"))
    mean, count = by_month.mean(), by_month.count()
    length = pd.DatetimeIndex(mean.index).days_in_month.to_numpy()[:, None]
    sums = np.where(count >= MINIMUM_SHARE * length, mean * length, np.nan)
    return mean.index.to_numpy().astype("datetime64[D]"), sums


def basin_rain(sums_mm: Array, distance_deg: Array, basins: Basins) -> Array:
    """Means over basins, (n_months, n_basins): a cell has the rain of the nearest gauge that has a
    value (Thiessen 1911). NaN in months without a gauge.

    Parameters
    ----------
    sums_mm : array, shape (n_months, n_gauges)
    distance_deg : array, shape (n_cells, n_gauges)
        From the cells of the grid's domain to the gauges.
    basins : Basins
    """
    out = np.full((len(sums_mm), len(basins.identifier)), np.nan)
    for month, sums in enumerate(sums_mm):
        there = np.flatnonzero(np.isfinite(sums))
        if there.size:
            nearest = there[distance_deg[:, there].argmin(axis=1)]
            out[month] = basins.mean(sums[nearest])
    return out
