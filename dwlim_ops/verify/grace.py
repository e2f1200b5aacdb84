"""Comparison of daily basin series with monthly GRACE."""

from dataclasses import dataclass
from datetime import date
from typing import Final

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from dwlim_ops.geometry import Basins, Grid
from dwlim_ops.verify.scores import (
    TREATMENTS,
    AnnualCycle,
    Treatment,
    annual_cycle,
    nse,
    pcc,
    rmse,
    treated,
)

Array = NDArray[np.float64]
Days = NDArray[np.datetime64]

#: No satellite measured between GRACE and GRACE-FO; the end is not included. Series that have
#: values there were filled in by somebody.
GAP: Final = np.datetime64("2017-07-01"), np.datetime64("2018-06-01")


@dataclass(frozen=True, eq=False)
class MonthlyBasins:
    """GRACE means of basins: `twsa_mm` (n_months, n_basins), averaging spans `start`, `end`
    (n_months,), the end not included; `middle` is the day half-way. NaN within `GAP`.
    """

    start: Days
    end: Days
    twsa_mm: Array

    @property
    def middle(self) -> Days:
        """The day half-way through each span."""
        return self.start + (self.end - self.start) // 2


def in_gap(start: Days, end: Days) -> NDArray[np.bool_]:
    """Spans whose middle lies in the months without a satellite, (n_months,).

    >>> in_gap(np.array(["2017-06-01", "2017-07-01"], "M8[D]"),
    ...        np.array(["2017-07-01", "2017-08-01"], "M8[D]")).tolist()
    [False, True]
    """
    middle = start + (end - start) // 2
    return (middle >= GAP[0]) & (middle < GAP[1])


def grace_of_basins(grace: xr.Dataset, grid: Grid, basins: Basins, *,
                    reference: tuple[date, date]) -> MonthlyBasins:
    """Means over basins of gridded GRACE (contract `GRACE`), relative to the reference period.

    Each cell of the grid takes the value of the GRACE cell that contains it, so that both sides
    of the comparison average over the same land. Months in `GAP` become NaN.
    """
    bounds = grace["time_bounds"].values.astype("datetime64[D]")
    values = basins.mean(on_cells(grace, grid))
    values[in_gap(bounds[:, 0], bounds[:, 1])] = np.nan
    start, end = np.datetime64(reference[0], "D"), np.datetime64(reference[1], "D")
    inside = (bounds[:, 0] >= start) & (bounds[:, 1] <= end + 1) & np.isfinite(values).any(axis=1)
    level = np.nanmean(values[inside] if inside.any() else values, axis=0)
    return MonthlyBasins(bounds[:, 0], bounds[:, 1], values - level)


def on_cells(grace: xr.Dataset, grid: Grid) -> Array:
    """GRACE on the cells of the grid's domain, nearest GRACE cell, mm, (n_months, n_cells)."""
    longitude, latitude = grid.cells
    row = np.abs(grace["lat"].values[:, None] - latitude).argmin(axis=0)
    column = np.abs(grace["lon"].values[:, None] - longitude).argmin(axis=0)
    values: Array = grace["twsa_mm"].values[:, row, column].astype(float)
    return values


def over_spans(days: Days, daily_mm: Array, spans: MonthlyBasins, *, minimum_share: float = 0.6
               ) -> Array:
    """Mean of daily values, (n_days, n_basins), over each GRACE span; NaN where days lack."""
    days = days.astype("datetime64[D]")
    means = np.full(spans.twsa_mm.shape, np.nan)
    for number, (start, end) in enumerate(zip(spans.start, spans.end, strict=True)):
        inside = daily_mm[(days >= start) & (days < end)]
        present = np.isfinite(inside).sum(axis=0) >= minimum_share * (end - start).astype(int)
        if present.any():
            means[number, present] = np.nanmean(inside[:, present], axis=0)
    return means


@dataclass(frozen=True)
class Agreement:
    """Scores of a monthly series against GRACE after the same treatment of both."""

    pcc: float
    nse: float
    rmse_mm: float


@dataclass(frozen=True)
class BasinScore:
    """Scores of one basin's monthly series against GRACE over the `n_months` that both have."""

    basin: str
    n_months: int
    agreement: dict[Treatment, Agreement]
    cycle: AnnualCycle
    grace_cycle: AnnualCycle


def score_basins(names: tuple[str, ...], spans: MonthlyBasins, monthly_mm: Array
                 ) -> list[BasinScore]:
    """One score a basin; `monthly_mm` (n_months, n_basins) from `over_spans`."""
    scores = []
    for column, name in enumerate(names):
        both = np.isfinite(monthly_mm[:, column]) & np.isfinite(spans.twsa_mm[:, column])
        ours, theirs = monthly_mm[both, column], spans.twsa_mm[both, column]
        middle = spans.middle[both]
        scores.append(BasinScore(
            name, int(both.sum()),
            {treatment: _agreement(middle, ours, theirs, treatment) for treatment in TREATMENTS},
            annual_cycle(middle, ours), annual_cycle(middle, theirs)))
    return scores


def _agreement(middle: Days, ours: Array, theirs: Array, treatment: Treatment) -> Agreement:
    pair = treated(middle, ours, treatment), treated(middle, theirs, treatment)
    return Agreement(pcc(*pair), nse(*pair), rmse(*pair))
