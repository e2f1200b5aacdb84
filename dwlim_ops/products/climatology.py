"""Climatology: what is normal for the time of the year, how much years differ, and the trend.

    x(t) = m + sum_h [a_h cos(h w t) + b_h sin(h w t)] + trend (t - middle) + what else happens

by least squares over the period. The *normal* is the mean and the harmonics; the trend is shown
beside it and not carried on beyond the period, so that it stays part of the anomaly, of the spread
as of the day. The variance about the normal is a mean and one harmonic, fitted to the squared
anomalies. The calendar has 366 days: 1 March has one normal, whatever the year.

Days are no independent witnesses. With a persistence (1/e) of p days a period of T days says as
much about a mean as n = T / 2p independent values, and about a variance as 2n. Hence the spread is
that of the sample times n / (n - 1), and a new anomaly follows Student's t with 2n - 1 degrees of
freedom, scaled by the spread times (1 + 1/n)^(1/2).

Wilks (2011), Statistical methods in the atmospheric sciences, 5.2.4; Zhao et al. (2017), J.
Hydrometeorol. 18 (the standardised anomaly of water storage as a drought index, DSI).
"""

import calendar
from dataclasses import dataclass, fields
from datetime import date
from typing import Final

import numpy as np
from numpy.typing import NDArray

from dwlim_ops.errors import ConfigError, ContractError

Array = NDArray[np.float64]

N_CALENDAR_DAYS: Final = 366
DAYS_PER_YEAR: Final = 365.25
#: Amplitude of the seasonal variance against its mean at most: the spread stays positive.
MOST_MODULATION: Final = 0.75
#: Least spread, mm: where nothing ever happens in the estimates no anomaly is extreme.
LEAST_SPREAD_MM: Final = 1.0
LEAST_INDEPENDENT: Final = 2.0


@dataclass(frozen=True, kw_only=True)
class ClimatologySettings:
    """Over which days and how the climatology is fitted, and when no class is trusted.

    Parameters
    ----------
    first, last : date, optional
        The period, both included; default: the reference period of the region.
    stride_days : int
        Every so many days of the period are used.
    n_harmonics : int
        Of the normal; 2 are the annual and the semi-annual term.
    minimum_years : int
        With fewer years of data there is no climatology.
    persistence_days : float
        1/e time of what makes a year unlike another; default: the slow water of the space-time
        filter.
    low_quality_share : float
        A basin with more than this share of its area flagged raises no alert.
    """

    first: date | None = None
    last: date | None = None
    stride_days: int = 5
    n_harmonics: int = 2
    minimum_years: int = 3
    persistence_days: float = 235.0
    low_quality_share: float = 0.5

    def __post_init__(self) -> None:
        for name in ("stride_days", "n_harmonics", "minimum_years", "persistence_days"):
            if not getattr(self, name) > 0:
                raise ConfigError("not positive", where=f"climatology.{name}",
                                  expected="a positive number", got=repr(getattr(self, name)))
        if not 0 <= self.low_quality_share <= 1:
            raise ConfigError("not a share", where="climatology.low_quality_share",
                              expected="0 to 1", got=repr(self.low_quality_share))
        if self.first and self.last and self.last <= self.first:
            raise ConfigError("the period ends before it begins", where="climatology.last",
                              expected=f"a day after {self.first}", got=str(self.last))


@dataclass(frozen=True, eq=False)
class Climatology:
    """What is normal at n points (cells or basins).

    Attributes
    ----------
    first, last : date
        The period.
    normal_terms : ndarray (1 + 2 H, n)
        Mean, then cosine and sine of each harmonic, mm.
    variance_terms : ndarray (3, n)
        The same of the variance about the normal, one harmonic, mm^2.
    trend_mm_per_year, trend_sigma_mm_per_year : ndarray (n,)
        Trend within the period and its standard error.
    n_independent : float
        Independent values that the period is worth.
    """

    first: date
    last: date
    normal_terms: Array
    variance_terms: Array
    trend_mm_per_year: Array
    trend_sigma_mm_per_year: Array
    n_independent: float

    @property
    def n_harmonics(self) -> int:
        """Harmonics of the normal."""
        return len(self.normal_terms) // 2

    @property
    def degrees_of_freedom(self) -> float:
        """Of Student's t that a new anomaly follows."""
        return 2.0 * self.n_independent - 1.0

    def normal_mm(self, calendar_index: NDArray[np.intp]) -> Array:
        """The normal on days of the calendar, (T,) to (T, n)."""
        normal: Array = _harmonics(calendar_index, self.n_harmonics) @ self.normal_terms
        return normal

    def spread_mm(self, calendar_index: NDArray[np.intp]) -> Array:
        """Standard deviation of single days about the normal, (T,) to (T, n)."""
        spread: Array = np.sqrt(_harmonics(calendar_index, 1) @ self.variance_terms)
        return spread

    def take(self, points: NDArray[np.intp] | NDArray[np.bool_]) -> "Climatology":
        """The climatology of some of the points."""
        arrays = {field.name: getattr(self, field.name)[..., points] for field in fields(self)
                  if isinstance(getattr(self, field.name), np.ndarray)}
        return Climatology(self.first, self.last, n_independent=self.n_independent, **arrays)


def calendar_index(day: date) -> int:
    """Place of a day in a calendar of 366 days, from 0.

    >>> calendar_index(date(2017, 3, 1)), calendar_index(date(2016, 3, 1))
    (60, 60)
    """
    after_february = day.month > 2 and not calendar.isleap(day.year)
    return day.timetuple().tm_yday - 1 + after_february


def calendar_indices(days: NDArray[np.datetime64]) -> NDArray[np.intp]:
    """The same of many days, (T,)."""
    of_days: list[date] = days.astype("datetime64[D]").tolist()
    return np.array([calendar_index(day) for day in of_days], dtype=np.intp)


def fit_climatology(
    days: NDArray[np.datetime64], values_mm: Array, *, first: date, last: date,
    settings: ClimatologySettings,
) -> Climatology | None:
    """Fit the climatology of n points; None if the days are worth less than `minimum_years`.

    Parameters
    ----------
    days : ndarray (T,) of datetime64
        Sampled days, `stride_days` apart where none is missing.
    values_mm : ndarray (T, n)
    first, last : date
        The period; days outside of it are not used.

    Raises
    ------
    ContractError
        A value is not finite.
    """
    inside = (days >= np.datetime64(first, "D")) & (days <= np.datetime64(last, "D"))
    used, values = days[inside], values_mm[inside]
    n_years = used.size * settings.stride_days / DAYS_PER_YEAR
    if round(n_years, 1) < settings.minimum_years:
        return None
    if not np.isfinite(values).all():
        raise ContractError("a value is absent", where="climatology", expected="finite values",
                            got=f"{int((~np.isfinite(values)).sum())} of {values.size}")
    n_independent = max(n_years * DAYS_PER_YEAR / (2.0 * settings.persistence_days),
                        LEAST_INDEPENDENT)
    index = calendar_indices(used)
    years = (used - np.datetime64(first, "D")).astype(float) / DAYS_PER_YEAR
    seasonal = _harmonics(index, settings.n_harmonics)
    design = np.column_stack([seasonal, years - years.mean()])
    terms = np.linalg.lstsq(design, values, rcond=None)[0]
    anomaly = values - seasonal @ terms[:-1]
    variance = _seasonal_variance(index, anomaly) * n_independent / (n_independent - 1.0)
    covariance = np.linalg.inv(design.T @ design)[-1, -1] * used.size / n_independent
    return Climatology(first, last, terms[:-1], variance, terms[-1],
                       np.sqrt(variance[0] * covariance), n_independent)


def _seasonal_variance(index: NDArray[np.intp], anomaly: Array) -> Array:
    """Mean and one harmonic of the variance, positive all the year, (3, n)."""
    terms = np.linalg.lstsq(_harmonics(index, 1), anomaly ** 2, rcond=None)[0]
    mean = np.maximum(terms[0], LEAST_SPREAD_MM ** 2 / (1.0 - MOST_MODULATION))
    amplitude = np.hypot(terms[1], terms[2])
    shrink = np.minimum(1.0, MOST_MODULATION * mean / np.maximum(amplitude, 1e-12))
    return np.stack([mean, shrink * terms[1], shrink * terms[2]])


def _harmonics(index: NDArray[np.intp], n_harmonics: int) -> Array:
    """One, then cosine and sine of each harmonic of the calendar year, (T, 1 + 2 H)."""
    angle = 2.0 * np.pi * (np.asarray(index) + 0.5) / N_CALENDAR_DAYS
    columns = [np.ones_like(angle)]
    for harmonic in range(1, n_harmonics + 1):
        columns += [np.cos(harmonic * angle), np.sin(harmonic * angle)]
    return np.stack(columns, axis=-1)
