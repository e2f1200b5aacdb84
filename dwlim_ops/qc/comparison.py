"""Stations against their neighbours: reversed seasons, thermal residuals, drift.

Poroelastic ground rises with water where elastic ground sinks; monuments expand with temperature;
unstable ground drifts. None of it is load. Seasons are judged by ended calendar years and drift by
the days so far, so that a new day changes nothing within a year.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from dwlim_ops.qc.robust import robust_scatter, rolling_median
from dwlim_ops.qc.trajectory import DAYS_PER_YEAR, fit_trajectory

Array = NDArray[np.float64]
Mask = NDArray[np.bool_]
Phasors = NDArray[np.complex128]

#: Values in a calendar year, at least, for its annual term; years, at least, for a verdict.
MINIMUM_DAYS_OF_YEAR: Final = 240
MINIMUM_YEARS: Final = 3
#: Chance of a verdict on a station whose annual term has no such part (Student's t over years).
SIGNIFICANCE: Final = 0.005
MINIMUM_DAYS_OF_MONTH: Final = 10
#: Trailing median by which drift is judged, and its least number of values.
DRIFT_DAYS: Final = 60
DRIFT_MINIMUM_VALUES: Final = 20
#: A verdict ends below this part of the limit.
VERDICT_ENDS: Final = 0.5


@dataclass(frozen=True, eq=False)
class Comparison:
    """Displacement of each station and of its neighbours on the days that both have.

    Parameters
    ----------
    day : ndarray (time,)
        Days since 1970-01-01, every day.
    own_mm, around_mm : ndarray (time, station)
        NaN where either is absent.
    """

    day: Array
    own_mm: Array
    around_mm: Array

    @property
    def residual_mm(self) -> Array:
        """Station minus neighbours."""
        return self.own_mm - self.around_mm

    @classmethod
    def between(cls, day: Array, own_mm: Array, around_mm: Array) -> "Comparison":
        """The same, cut down to what both have."""
        both = np.isfinite(own_mm) & np.isfinite(around_mm)
        return cls(day, np.where(both, own_mm, np.nan), np.where(both, around_mm, np.nan))


def annual_phasors(day: Array, values: Array) -> Phasors:
    """Annual term of each ended calendar year, (year, station): amplitude and phase of maximum.

    a exp(i p) for a cos(2 pi t / 365.25 d - p), by least squares with a level; NaN with fewer than
    240 values.

    Parameters
    ----------
    day : ndarray (time,)
        Days since 1970-01-01.
    values : ndarray (time, station)
    """
    year = _calendar(day, "Y")
    ended = np.unique(year[year < year[-1]]) if day.size else year
    phase = 2.0 * np.pi * day / DAYS_PER_YEAR
    design = np.column_stack([np.ones(day.size), np.cos(phase), np.sin(phase)])
    out = np.full((ended.size, values.shape[1]), np.nan + 0j)
    for number, one in enumerate(ended):
        rows = year == one
        present = np.isfinite(values[rows])
        enough = present.sum(axis=0) >= MINIMUM_DAYS_OF_YEAR
        terms, mask = design[rows], present[:, enough].astype(float)
        normal = np.einsum("ti,tj,ts->sij", terms, terms, mask)
        right = np.where(present, values[rows], 0.0)[:, enough].T @ terms
        solution = np.linalg.solve(normal, right[..., None])[..., 0]
        out[number, enough] = solution[:, 1] + 1j * solution[:, 2]
    return out


def reversed_phase(comparison: Comparison, *, limit_mm: float, minimum_mm: float) -> list[str]:
    """Why a station moves against its neighbours in the year, for each station; empty if not.

    The annual term of every ended year is projected on the phase of the neighbours' mean annual
    term. A station is reversed from the year on after which the mean projection is below
    -`limit_mm` and, by Student's t over at least three years, below zero at 0.5 %, until it is
    above half of that; and if the neighbours' term is at least `minimum_mm`.
    """
    own = annual_phasors(comparison.day, comparison.own_mm)
    around = annual_phasors(comparison.day, comparison.around_mm)
    mean_own, mean_around = _mean(own), _mean(around)
    failed = _standing(-own, around, limit_mm) & (np.abs(mean_around) >= minimum_mm)
    lag_days = np.abs(np.angle(mean_own * np.conj(mean_around))) / (2.0 * np.pi) * DAYS_PER_YEAR
    return [
        f"annual term of {abs(own_mm):.1f} mm, {lag:.0f} days from that of its neighbours "
        f"({abs(around_mm):.1f} mm)" if bad else ""
        for bad, own_mm, around_mm, lag in
        zip(failed, mean_own, mean_around, lag_days, strict=True)]


def thermal_residual(comparison: Comparison, temperature_k: Array, *, limit_mm: float,
                     least_correlation: float) -> list[str]:
    """Why a station's residual looks thermal, for each station; empty if not.

    The annual term of the residual to the neighbours is projected on the phase of the local
    temperature's: uplift in the warm season, at least `limit_mm` and significant as in
    `reversed_phase`, with a correlation of monthly means of at least `least_correlation`.

    Parameters
    ----------
    comparison : Comparison
    temperature_k : ndarray (time, station)
        Daily mean at the station, K; NaN where absent.
    limit_mm, least_correlation : float
    """
    both = np.isfinite(comparison.residual_mm) & np.isfinite(temperature_k)
    residual = np.where(both, comparison.residual_mm, np.nan)
    temperature = np.where(both, temperature_k, np.nan)
    terms = annual_phasors(comparison.day, residual)
    of_temperature = annual_phasors(comparison.day, temperature)
    along, _ = _projection(terms, _mean(of_temperature))
    correlation = _column_correlation(*(
        _monthly(comparison.day, values) for values in (residual, temperature)))
    failed = _standing(terms, of_temperature, limit_mm) & (correlation >= least_correlation)
    return [f"residual of {term:.1f} mm in phase with the year's temperature (correlation "
            f"{r:.2f})" if bad else ""
            for bad, term, r in zip(failed, along, correlation, strict=True)]


def drifting(comparison: Comparison, within: Mask, *, limit_mm: float, significance: float
             ) -> tuple[Mask, list[str]]:
    """Days on which a station has drifted from its neighbours, and a remark for each station.

    The residual to the neighbours is compared with its level and season on the days `within`. A
    drift begins when the trailing median of 60 days departs by `limit_mm` and by `significance`
    times its robust scatter on those days, and ends at half. A day's verdict depends on the days
    before it and on `within` only. A steady motion against the neighbours ends up as a drift too,
    unless trends are removed before.

    Parameters
    ----------
    comparison : Comparison
    within : ndarray of bool (time, station)
        Days that define the past of each station.
    limit_mm, significance : float

    Returns
    -------
    drifts : ndarray of bool (time, station)
    remarks : list of str
    """
    departure = rolling_median(_departure(comparison, within), window=DRIFT_DAYS,
                               minimum=DRIFT_MINIMUM_VALUES)
    scatter = robust_scatter(np.where(within, departure, np.nan))
    limit = np.fmax(limit_mm, significance * scatter)
    size = np.abs(departure)
    drifts = _between(size >= limit, size < VERDICT_ENDS * limit)
    return drifts, [
        f"departed from its neighbours by up to {np.nanmax(its_size[on]):.0f} mm on {on.sum()} "
        f"days, last on {np.datetime64(int(comparison.day[on][-1]), 'D')}" if on.any() else ""
        for on, its_size in zip(drifts.T, size.T, strict=True)]


def _departure(comparison: Comparison, within: Mask) -> Array:
    day, residual = comparison.day, comparison.residual_mm
    out = np.full(residual.shape, np.nan)
    for station in range(residual.shape[1]):
        used = within[:, station] & np.isfinite(residual[:, station])
        if not used.any():
            continue
        past = fit_trajectory(day[used], residual[used, station], np.ones(used.sum()))
        out[:, station] = residual[:, station] - past.level_mm - past.seasonal(day)
    return out


def _between(begins: Mask, ends: Mask) -> Mask:
    """True from each beginning to the next end, along the first axis."""
    event = np.where(begins, 1, np.where(ends, -1, 0))
    row = np.arange(event.shape[0])[:, None]
    last = np.maximum.accumulate(np.where(event != 0, row, -1), axis=0)
    on: Mask = (last >= 0) & (np.take_along_axis(event, np.maximum(last, 0), axis=0) == 1)
    return on


def _standing(phasors: Phasors, on: Phasors, limit_mm: float) -> Mask:
    """Whether the part along the mean of `on` stands above the limit after the last year."""
    begins, ends = np.zeros(phasors.shape, dtype=bool), np.ones(phasors.shape, dtype=bool)
    for year in range(MINIMUM_YEARS - 1, phasors.shape[0]):
        part, certain = _projection(phasors[: year + 1], _mean(on[: year + 1]))
        begins[year] = certain & (part >= limit_mm)
        ends[year] = ~(part >= VERDICT_ENDS * limit_mm)
    return _between(begins, ends)[-1] if phasors.shape[0] else np.zeros(phasors.shape[1], bool)


def _mean(phasors: Phasors) -> Phasors:
    n_years = np.isfinite(phasors).sum(axis=0)
    total = np.where(np.isfinite(phasors), phasors, 0.0).sum(axis=0)
    return np.where(n_years > 0, total / np.maximum(n_years, 1), np.nan)


def _projection(phasors: Phasors, on: Phasors) -> tuple[Array, Mask]:
    """Mean over the years of the part along `on`, and whether it is positive for certain."""
    part = np.real(phasors * np.conj(on)) / np.where(np.abs(on) > 0, np.abs(on), np.nan)
    n_years = np.isfinite(part).sum(axis=0)
    judged = n_years >= MINIMUM_YEARS
    mean, error = np.full(judged.size, np.nan), np.full(judged.size, np.nan)
    mean[judged] = np.nanmean(part[:, judged], axis=0)
    error[judged] = np.nanstd(part[:, judged], axis=0, ddof=1) / np.sqrt(n_years[judged])
    chance = stats.t.sf(mean / np.where(error > 0, error, np.nan), np.maximum(n_years - 1, 1))
    return mean, chance < SIGNIFICANCE


def _calendar(day: Array, unit: str) -> NDArray[np.int64]:
    return day.astype("datetime64[D]").astype(f"datetime64[{unit}]").astype(np.int64)


def _monthly(day: Array, values: Array) -> Array:
    """Means of the calendar months of the ended years, (month, station)."""
    year, month = _calendar(day, "Y"), _calendar(day, "M")
    ended = values[year < year[-1]] if day.size else values
    if not ended.size:
        return np.full((0, values.shape[1]), np.nan)
    starts = np.unique(month[: ended.shape[0]], return_index=True)[1]
    present = np.isfinite(ended)
    n_days = np.add.reduceat(present.astype(np.int64), starts, axis=0)
    total = np.add.reduceat(np.where(present, ended, 0.0), starts, axis=0)
    return np.where(n_days >= MINIMUM_DAYS_OF_MONTH, total / np.maximum(n_days, 1), np.nan)


def _column_correlation(left: Array, right: Array) -> Array:
    both = np.isfinite(left) & np.isfinite(right)
    n_values = np.maximum(both.sum(axis=0), 1)
    centred = []
    for values in (left, right):
        kept = np.where(both, values, 0.0)
        centred.append(np.where(both, kept - kept.sum(axis=0) / n_values, 0.0))
    shared = (centred[0] * centred[1]).sum(axis=0)
    spread = np.sqrt((centred[0] ** 2).sum(axis=0) * (centred[1] ** 2).sum(axis=0))
    return np.where(spread > 0, shared / np.where(spread > 0, spread, 1.0), np.nan)
