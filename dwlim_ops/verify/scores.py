"""Scores of a simulated or inverted series against an observed one.

Arguments are always (simulated, observed), arrays of one shape; days where either is NaN do not
count. With fewer than two common days every score is NaN.
"""

from dataclasses import dataclass
from typing import Final, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

Array = NDArray[np.float64]
Days = NDArray[np.datetime64]

DAYS_PER_YEAR: Final = 365.25
#: What is taken out of both series before they are compared: the mean; the mean and a straight
#: line (the paper's first-order term); the mean and the annual and semi-annual harmonics.
Treatment = Literal["mean", "detrend", "deseasonalise"]
TREATMENTS: Final[tuple[Treatment, ...]] = ("mean", "detrend", "deseasonalise")
#: Half width of the interval that holds 90 % of a normal distribution, in standard deviations.
NINETY_PERCENT: Final = 1.6448536269514722


def _common(simulated: ArrayLike, observed: ArrayLike) -> tuple[Array, Array]:
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


def spread_ratio(simulated: ArrayLike, observed: ArrayLike) -> float:
    """Standard deviation of the simulated over that of the observed series."""
    x, y = _common(simulated, observed)
    return float(x.std() / y.std()) if y.size > 1 and y.std() > 0 else float("nan")


def coverage(simulated: ArrayLike, observed: ArrayLike, sigma: ArrayLike) -> float:
    """Share of observations inside the 90 % interval, simulated +- 1.645 sigma; NaN without any.

    >>> coverage([0.0, 0.0], [1.6, 1.7], [1.0, 1.0])
    0.5
    """
    simulated, observed, sigma = (np.asarray(v, float) for v in (simulated, observed, sigma))
    inside = np.abs(observed - simulated) <= NINETY_PERCENT * sigma
    known = np.isfinite(observed) & np.isfinite(simulated) & np.isfinite(sigma)
    return float(inside[known].mean()) if known.any() else float("nan")


@dataclass(frozen=True)
class AnnualCycle:
    """Annual cosine: `amplitude` in the unit of the data, maximum `phase_days` after 1 January."""

    amplitude: float
    phase_days: float


def _terms(days: Days, *, line: bool, seasons: bool) -> Array:
    """Columns of one, straight line, annual and semi-annual cosine and sine, (n_days, n)."""
    day = (np.asarray(days).astype("datetime64[D]") - np.datetime64("2000-01-01")).astype(float)
    angle = 2 * np.pi * day / DAYS_PER_YEAR
    columns = [np.ones_like(day)]
    if seasons:
        columns += [np.cos(angle), np.sin(angle), np.cos(2 * angle), np.sin(2 * angle)]
    if line:
        columns.append((day - day.mean()) / DAYS_PER_YEAR if day.size else day)
    return np.column_stack(columns)


def treated(days: Days, values: ArrayLike, treatment: Treatment) -> Array:
    """What a treatment leaves of a series, (n,); NaN stays, and all is NaN with too few values.

    Parameters
    ----------
    days : array of datetime64, shape (n,)
    values : array, shape (n,)
    treatment : {"mean", "detrend", "deseasonalise"}
        Fitted by least squares to the values that are there.
    """
    values = np.asarray(values, float)
    good = np.isfinite(values)
    terms = _terms(days, line=treatment == "detrend", seasons=treatment == "deseasonalise")
    left = np.full(values.shape, np.nan)
    if good.sum() > terms.shape[1]:
        coefficient, *_ = np.linalg.lstsq(terms[good], values[good], rcond=None)
        left[good] = values[good] - terms[good] @ coefficient
    return left


def annual_cycle(days: Days, values: ArrayLike) -> AnnualCycle:
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
    terms = _terms(days, line=True, seasons=True)
    coefficient, *_ = np.linalg.lstsq(terms[good], values[good], rcond=None)
    cosine, sine = coefficient[1], coefficient[2]
    phase = np.arctan2(sine, cosine) % (2 * np.pi)
    return AnnualCycle(float(np.hypot(cosine, sine)), float(phase / (2 * np.pi) * DAYS_PER_YEAR))


def annual_amplitudes(days: Days, values: Array) -> Array:
    """Amplitude of the `annual_cycle` of every column, (n_days, n) to (n,)."""
    whole = np.isfinite(values).all(axis=0)
    out = np.full(values.shape[1], np.nan)
    if len(days) >= 6 and whole.any():
        terms = _terms(days, line=True, seasons=True)
        coefficient, *_ = np.linalg.lstsq(terms, values[:, whole], rcond=None)
        out[whole] = np.hypot(coefficient[1], coefficient[2])
    for column in np.flatnonzero(~whole):
        out[column] = annual_cycle(days, values[:, column]).amplitude
    return out
