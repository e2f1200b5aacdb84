"""Trajectory model of one station: level, trend, annual and semi-annual terms."""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from dwlim_ops.qc.robust import ROBUST_SIGMA_PER_MAD

Array = NDArray[np.float64]

DAYS_PER_YEAR: Final = 365.25
MINIMUM_SEASONAL_DAYS: Final = 548
REJECTION_SIGMA: Final = 3.5
MAXIMUM_REJECTIONS: Final = 8


def harmonics(day: Array) -> Array:
    """Cosine and sine of the annual and semi-annual terms, shape (n, 4).

    Parameters
    ----------
    day : ndarray (n,)
        Days since 1970-01-01.
    """
    phase = 2.0 * np.pi * np.asarray(day, float) / DAYS_PER_YEAR
    return np.column_stack(
        [np.cos(phase), np.sin(phase), np.cos(2.0 * phase), np.sin(2.0 * phase)]
    )


@dataclass(frozen=True)
class Trajectory:
    """u(t) = level + trend (t - epoch) + annual + semi-annual terms.

    `seasonal_mm` holds the four coefficients of `harmonics`. Trend and seasonal terms are zero for
    records shorter than one and a half years, which cannot tell them from a level.
    """

    level_mm: float
    trend_mm_per_year: float
    seasonal_mm: Array
    epoch_day: float

    def trend(self, day: Array) -> Array:
        """Linear part at `day`, mm, zero at the epoch."""
        return self.trend_mm_per_year * (np.asarray(day, float) - self.epoch_day) / DAYS_PER_YEAR

    def seasonal(self, day: Array) -> Array:
        """Annual and semi-annual part at `day`, mm."""
        return harmonics(day) @ self.seasonal_mm


def fit_trajectory(day: Array, up_mm: Array, up_sigma_mm: Array) -> Trajectory:
    """Weighted least squares with iterated rejection of outliers.

    Parameters
    ----------
    day : ndarray (n,)
        Days since 1970-01-01, ascending.
    up_mm, up_sigma_mm : ndarray (n,)
        Finite values and positive formal errors; weights are 1 / sigma^2.

    Returns
    -------
    Trajectory
        Its epoch is the middle of the record; without any value all terms are zero.

    References
    ----------
    Bevis and Brown (2014), Trajectory models and reference frames for crustal motion geodesy,
    J. Geodesy 88, 283-311.
    """
    if day.size == 0:
        return Trajectory(0.0, 0.0, np.zeros(4), 0.0)
    epoch = (day[0] + day[-1]) / 2.0
    columns = [np.ones((day.size, 1))]
    if day[-1] - day[0] >= MINIMUM_SEASONAL_DAYS:
        columns += [((day - epoch) / DAYS_PER_YEAR)[:, None], harmonics(day)]
    solution = _robust_least_squares(np.hstack(columns), up_mm, 1.0 / up_sigma_mm**2)
    slow = solution[1:] if len(columns) > 1 else np.zeros(5)
    return Trajectory(float(solution[0]), float(slow[0]), slow[1:], float(epoch))


def _robust_least_squares(design: Array, values: Array, weight: Array) -> Array:
    keep = np.ones(values.size, dtype=bool)
    solution: Array = np.zeros(design.shape[1])
    for _ in range(MAXIMUM_REJECTIONS):
        weighted = design * np.where(keep, weight, 0.0)[:, None]
        fitted = np.linalg.lstsq(weighted.T @ design, weighted.T @ values, rcond=None)[0]
        solution = fitted.astype(np.float64)
        residual = np.abs(values - design @ solution)
        limit = REJECTION_SIGMA * ROBUST_SIGMA_PER_MAD * np.median(residual[keep])
        accepted = residual <= max(limit, 1e-9)
        if (accepted == keep).all():
            break
        keep = accepted
    return solution
