"""How a value stands against its climatology: anomaly, percentile, class, class probabilities.

The climatology is that of the estimates, like with like: those of a filter vary less than the water
itself. The bounds of the classes are percentiles of what a new estimate may be (Student's t, see
`climatology`), and the probability of a class is that of the posterior N(value, sigma^2) between
its bounds. Bounds widened once more for the error of the estimates gave worse Brier scores against
the classes of a synthetic Earth's whole record.

Classes: US Drought Monitor (Svoboda et al. 2002, Bull. Am. Meteorol. Soc. 83), mirrored.
"""

import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any, Final

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import ndtr, stdtr, stdtrit

from dwlim_ops.contracts import (
    CATEGORIES,
    CATEGORY_BOUNDS_PERCENT,
    BasinRow,
    BasinStanding,
)
from dwlim_ops.products.climatology import (
    N_CALENDAR_DAYS,
    Climatology,
    calendar_index,
)

Array = NDArray[np.float64]
#: Why a basin's standing of a day raises no alert, by (day, revision) and basin.
Vetoes = Mapping[tuple[date, int], Mapping[str, str]]

COLUMNS: Final = (
    "date", "basin", "method", "twsa_mm", "sigma_mm", "normal_mm", "spread_mm",
    "standardized_anomaly", "percentile", "category",
    *(f"probability_{name}" for name in CATEGORIES), "veto", "tier", "revision")


@dataclass(frozen=True, eq=False)
class AnomalyField:
    """Standing of the cells of a day, (n_cells,), and in words against what."""

    standardized: Array
    percentile: Array
    method: str
    period: str
    n_harmonics: int
    distribution: str


def percentile_of(standardized: ArrayLike, n_independent: float) -> Array:
    """Percentile of a standardised anomaly, 0 to 100.

    `n_independent` values gave the normal and the spread, see `climatology`.

    >>> float(percentile_of(0.0, 4.0))
    50.0
    """
    scaled = np.asarray(standardized, dtype=float) / np.sqrt(1.0 + 1.0 / n_independent)
    percentile: Array = 100.0 * stdtr(2.0 * n_independent - 1.0, scaled)
    return percentile


def category_of(percentile: float) -> str:
    """Class of a percentile.

    >>> category_of(1.0), category_of(50.0), category_of(97.0)
    ('D4', 'N', 'W3')
    """
    return CATEGORIES[int(np.searchsorted(CATEGORY_BOUNDS_PERCENT, percentile, side="right"))]


def standardized_bounds(n_independent: float) -> Array:
    """Standardised anomalies between the classes, ascending, (10,)."""
    share = np.array(CATEGORY_BOUNDS_PERCENT) / 100.0
    bounds: Array = (stdtrit(2.0 * n_independent - 1.0, share)
                     * np.sqrt(1.0 + 1.0 / n_independent))
    return bounds


def class_probabilities(value_mm: ArrayLike, sigma_mm: ArrayLike, normal_mm: ArrayLike,
                        spread_mm: ArrayLike, n_independent: float) -> Array:
    """Probability of each of `CATEGORIES` for the posterior N(value, sigma^2), (..., 11).

    Parameters
    ----------
    value_mm, sigma_mm : array_like (...)
        The estimate and its error; an error of 0 gives one class.
    normal_mm, spread_mm : array_like (...)
        Of that day of the year.
    n_independent : float
        Values that these are known from.
    """
    value, sigma, normal, spread = (
        np.asarray(a, dtype=float)[..., None]
        for a in (value_mm, sigma_mm, normal_mm, spread_mm))
    distance = normal + spread * standardized_bounds(n_independent) - value
    with np.errstate(divide="ignore", invalid="ignore"):
        below = np.where(sigma > 0, ndtr(distance / sigma), np.where(distance > 0, 1.0, 0.0))
    below = np.where(np.isnan(distance + sigma), np.nan, below)
    return np.diff(below, axis=-1, prepend=0.0, append=1.0)


def anomaly_field(twsa_mm: Array, day: date, climatology: Climatology, *, method: str
                  ) -> AnomalyField:
    """Standing of the cells of a day; NaN where the climatology has none."""
    index = np.array([calendar_index(day)])
    standardized = ((twsa_mm - climatology.normal_mm(index)[0])
                    / climatology.spread_mm(index)[0])
    return AnomalyField(
        standardized, percentile_of(standardized, climatology.n_independent), method,
        f"{climatology.first}/{climatology.last}", climatology.n_harmonics,
        distribution_in_words(climatology))


def distribution_in_words(climatology: Climatology) -> str:
    """What a percentile is read from."""
    return (f"Student's t with {climatology.degrees_of_freedom:.1f} degrees of freedom of the "
            f"anomaly, its spread widened by {np.sqrt(1 + 1 / climatology.n_independent):.2f} for "
            "the uncertainty of the normal")


def standings_of(climatology: Climatology, basins: Sequence[str], rows: Iterable[BasinRow], *,
                 vetoes: Vetoes | None = None) -> dict[date, list[BasinStanding]]:
    """Standing of every known basin mean, by day, in the order of `rows`.

    Parameters
    ----------
    climatology : Climatology
        Of the basins, in the order of `basins`.
    rows : iterable of BasinRow
        Of one method; unknown values are left out.
    vetoes : mapping, optional
    """
    column = {basin: number for number, basin in enumerate(basins)}
    known = [row for row in rows if row.basin in column and np.isfinite(row.twsa_mm)
             and np.isfinite(row.sigma_mm)]
    if not known:
        return {}
    every = np.arange(N_CALENDAR_DAYS)
    at = (np.array([calendar_index(row.day) for row in known]),
          np.array([column[row.basin] for row in known]))
    normal, spread = climatology.normal_mm(every)[at], climatology.spread_mm(every)[at]
    value, sigma = (np.array([getattr(row, name) for row in known])
                    for name in ("twsa_mm", "sigma_mm"))
    standardized = (value - normal) / spread
    percentile = percentile_of(standardized, climatology.n_independent)
    probability = class_probabilities(value, sigma, normal, spread, climatology.n_independent)
    standings: dict[date, list[BasinStanding]] = {}
    for number, row in enumerate(known):
        veto = (vetoes or {}).get((row.day, row.revision), {}).get(row.basin, "")
        standings.setdefault(row.day, []).append(BasinStanding(
            row.day, row.basin, row.method, row.twsa_mm, row.sigma_mm, float(normal[number]),
            float(spread[number]), float(standardized[number]), float(percentile[number]),
            category_of(float(percentile[number])), tuple(probability[number].tolist()),
            row.tier, row.revision, veto))
    return standings


def standings_to_csv(standings: Iterable[BasinStanding]) -> str:
    """Content of `standings.csv`."""
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(COLUMNS)
    writer.writerows(
        (one.day.isoformat(), one.basin, one.method,
         *(f"{value:.3f}" for value in (one.twsa_mm, one.sigma_mm, one.normal_mm, one.spread_mm,
                                        one.standardized_anomaly)),
         f"{one.percentile:.2f}", one.category, *(f"{p:.4f}" for p in one.probabilities),
         one.veto, one.tier, one.revision)
        for one in standings)
    return stream.getvalue()


def standing_value(standing: BasinStanding) -> dict[str, Any]:
    """One standing for a document, in plain values."""
    return {
        "method": standing.method, "date": standing.day.isoformat(),
        "standardized_anomaly": round(standing.standardized_anomaly, 3),
        "percentile": round(standing.percentile, 2), "category": standing.category,
        "probabilities": [round(p, 4) for p in standing.probabilities], "veto": standing.veto,
    }


def standing_block(standings: Sequence[BasinStanding]) -> dict[str, Any] | None:
    """Standings of one basin as columns, ascending in time; None without any."""
    if not standings:
        return None
    values = [standing_value(one) for one in sorted(standings, key=lambda one: one.day)]
    return {"method": values[0]["method"]} | {
        name: [value[name] for value in values] for name in values[0] if name != "method"}


def climatology_block(climatology: Climatology, number: int) -> dict[str, Any]:
    """Climatology of one basin for its document: 366 values, the first that of 1 January."""
    every, one = np.arange(N_CALENDAR_DAYS), climatology.take(np.array([number]))
    return {
        "first": one.first.isoformat(), "last": one.last.isoformat(),
        "normal_mm": np.round(one.normal_mm(every)[:, 0], 3).tolist(),
        "spread_mm": np.round(one.spread_mm(every)[:, 0], 3).tolist(),
        "trend_mm_per_year": round(float(one.trend_mm_per_year[0]), 3),
        "trend_sigma_mm_per_year": round(float(one.trend_sigma_mm_per_year[0]), 3),
    }
