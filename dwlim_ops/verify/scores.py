"""Scores of a simulated or inverted series against an observed one.

Arguments are always (simulated, observed), arrays of one shape; days where either is NaN do not
count. With fewer than two common days every score is NaN.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

DAYS_PER_YEAR = 365.25


def _common(simulated: ArrayLike, observed: ArrayLike) -> tuple[NDArray[np.float64], ...]:
    simulated, observed = np.asarray(simulated, float), np.asarray(observed, float)
    if simulated.shape != observed.shape:
        raise ValueError(f"shapes differ: simulated {simulated.shape}, observed {observed.shape}")
    both = np.isfinite(simulated) & np.isfinite(observed)
    return simulated[both], observed[both]


def rmse(simulated: ArrayLike, observed: ArrayLike) -> float:
    """Root mean square error, in the unit of the data (eq. 11).

    >>> rmse([1.0, 2.0], [1.0, 4.0])
    1.4142135623730951
    """
    x, y = _common(simulated, observed)
    return float(np.sqrt(np.mean((x - y) ** 2))) if x.size > 1 else float("nan")


def nse(simulated: ArrayLike, observed: ArrayLike) -> float:
    """Nash-Sutcliffe efficiency, 1 - sum (o - s)^2 / sum (o - mean o)^2.

    Eq. 12 with the observed variance below; the paper's text divides by the simulated one.

    >>> nse([1.0, 2.0, 3.0], [1.0, 2.0, 3.0]), nse([2.0, 2.0, 2.0], [1.0, 2.0, 3.0])
    (1.0, 0.0)
    """
    x, y = _common(simulated, observed)
    spread = np.sum((y - y.mean()) ** 2) if y.size > 1 else 0.0
    return float(1.0 - np.sum((x - y) ** 2) / spread) if spread > 0 else float("nan")


def pcc(simulated: ArrayLike, observed: ArrayLike) -> float:
    """Pearson's correlation coefficient (eq. 13); NaN if either series is constant."""
    x, y = _common(simulated, observed)
    if x.size < 2:
        return float("nan")
    x, y = x - x.mean(), y - y.mean()
    norm = np.sqrt(np.sum(x**2)) * np.sqrt(np.sum(y**2))
    return float(np.clip(np.sum(x * y) / norm, -1.0, 1.0)) if norm > 0 else float("nan")


@dataclass(frozen=True)
class AnnualCycle:
    """Annual cosine: `amplitude` in the unit of the data, maximum `phase_days` after 1 January."""

    amplitude: float
    phase_days: float


def annual_cycle(days: NDArray[np.datetime64], values: ArrayLike) -> AnnualCycle:
    """Least-squares annual cosine beside a mean, a trend and a semi-annual term.

    Parameters
    ----------
    days : array of datetime64, shape (n,)
    values : array, shape (n,), NaN ignored
    """
    values = np.asarray(values, float)
    good = np.isfinite(values)
    if good.sum() < 6:
        return AnnualCycle(float("nan"), float("nan"))
    day = (np.asarray(days).astype("datetime64[D]") - np.datetime64("2000-01-01")).astype(float)
    angle = 2 * np.pi * day / DAYS_PER_YEAR
    design = np.column_stack([
        np.ones_like(day), day / DAYS_PER_YEAR, np.cos(angle), np.sin(angle),
        np.cos(2 * angle), np.sin(2 * angle)])
    coefficient, *_ = np.linalg.lstsq(design[good], values[good], rcond=None)
    cosine, sine = coefficient[2], coefficient[3]
    phase = np.arctan2(sine, cosine) % (2 * np.pi)
    return AnnualCycle(float(np.hypot(cosine, sine)), float(phase / (2 * np.pi) * DAYS_PER_YEAR))
