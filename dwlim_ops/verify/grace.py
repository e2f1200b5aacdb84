"""Comparison of daily basin series with monthly GRACE."""

from dataclasses import dataclass
from datetime import date

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from dwlim_ops.geometry import Basins, Grid
from dwlim_ops.verify.scores import AnnualCycle, annual_cycle, nse, pcc, rmse

Array = NDArray[np.float64]
Days = NDArray[np.datetime64]


@dataclass(frozen=True, eq=False)
class MonthlyBasins:
    """GRACE means of basins: `twsa_mm` (n_months, n_basins), averaging spans `start`, `end`
    (n_months,), the end not included; `middle` is the day half-way.
    """

    start: Days
    end: Days
    twsa_mm: Array

    @property
    def middle(self) -> Days:
        """The day half-way through each span."""
        return self.start + (self.end - self.start) // 2


def grace_of_basins(grace: xr.Dataset, grid: Grid, basins: Basins, *,
                    reference: tuple[date, date]) -> MonthlyBasins:
    """Means over basins of gridded GRACE (contract `GRACE`), relative to the reference period.

    Each cell of the grid takes the value of the GRACE cell that contains it, so that both sides
    of the comparison average over the same land.
    """
    longitude, latitude = grid.cells
    row = np.abs(grace["lat"].values[:, None] - latitude).argmin(axis=0)
    column = np.abs(grace["lon"].values[:, None] - longitude).argmin(axis=0)
    values = basins.mean(grace["twsa_mm"].values[:, row, column].astype(float))
    bounds = grace["time_bounds"].values.astype("datetime64[D]")
    start, end = np.datetime64(reference[0], "D"), np.datetime64(reference[1], "D")
    inside = (bounds[:, 0] >= start) & (bounds[:, 1] <= end + 1)
    level = values[inside].mean(axis=0) if inside.any() else values.mean(axis=0)
    return MonthlyBasins(bounds[:, 0], bounds[:, 1], values - level)


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
class BasinScore:
    """Scores of one basin's monthly series against GRACE, both about their means over the
    common months."""

    basin: str
    n_months: int
    pcc: float
    nse: float
    rmse_mm: float
    cycle: AnnualCycle
    grace_cycle: AnnualCycle


def score_basins(basins: Basins, spans: MonthlyBasins, monthly_mm: Array) -> list[BasinScore]:
    """One score a basin; `monthly_mm` (n_months, n_basins) from `over_spans`."""
    scores = []
    for column, name in enumerate(basins.name):
        both = np.isfinite(monthly_mm[:, column]) & np.isfinite(spans.twsa_mm[:, column])
        ours, theirs = monthly_mm[both, column], spans.twsa_mm[both, column]
        ours, theirs = ours - ours.mean() if both.any() else ours, (
            theirs - theirs.mean() if both.any() else theirs)
        middle = spans.middle[both]
        scores.append(BasinScore(
            name, int(both.sum()), pcc(ours, theirs), nse(ours, theirs), rmse(ours, theirs),
            annual_cycle(middle, ours), annual_cycle(middle, theirs)))
    return scores
