"""What the alert hindcast compares: what the newest day said, and what was true, day by day."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from functools import cached_property, partial
from pathlib import Path
from typing import Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from dwlim_ops.alerts.hazards import HAZARDS, HazardName, classes_from, probability_beyond
from dwlim_ops.alerts.lifecycle import BasinState, advance
from dwlim_ops.alerts.settings import AlertSettings
from dwlim_ops.config import Span
from dwlim_ops.contracts import CATEGORIES, CATEGORY_BOUNDS_PERCENT, BasinRow, BasinStanding
from dwlim_ops.errors import ConfigError
from dwlim_ops.products.climatology import (
    Climatology,
    ClimatologySettings,
    calendar_indices,
    fit_climatology,
)
from dwlim_ops.products.standing import percentile_of, standings_of
from dwlim_ops.qc.screening import usable
from dwlim_ops.reconcile import Known
from dwlim_ops.session import Session
from dwlim_ops.space_time import SpaceTimeRun
from dwlim_ops.verify.grace import over_spans
from dwlim_ops.verify.scores import treated

Array = NDArray[np.float64]
Flags = NDArray[np.bool_]
Days = NDArray[np.datetime64]
Progress = Callable[[str, int, int], None]
ByHazard = Mapping[HazardName, NDArray]

METHOD: Final = "dwlim_st"
#: Table `date,basin,twsa_mm` of the true basin means of a synthetic Earth, within the workspace.
TRUTH: Final = Path("truth") / "basins.csv"
#: The smoother takes so many days at once, and sees at least so many days beyond them.
SMOOTHED_DAYS, LATER_DAYS = 240, 120
#: GRACE's months, as a sample of a climatology.
GRACE_STRIDE_DAYS: Final = 30


@dataclass(frozen=True, eq=False)
class DailyBasins:
    """Basin means of consecutive days and their errors, mm, (T, n_basins)."""

    days: Days
    mean_mm: Array
    sigma_mm: Array


@dataclass(frozen=True, eq=False)
class Truth:
    """What the alerts are scored against: in words, standardised anomaly, percentile,
    (T, n_basins); NaN where unknown."""

    words: str
    days: Days
    standardized: Array
    percentile: Array

    def beyond(self, settings: AlertSettings) -> dict[HazardName, Flags]:
        """Days on which a basin is at or beyond the mildest class of alerts, (T, n_basins)."""
        dry, wet = (classes_from(hazard, settings)[0] for hazard in HAZARDS.values())
        return {"drought": self.percentile < CATEGORY_BOUNDS_PERCENT[CATEGORIES.index(dry)],
                "wet": self.percentile >= CATEGORY_BOUNDS_PERCENT[CATEGORIES.index(wet) - 1]}


@dataclass(frozen=True, eq=False)
class Told:
    """Standings of the basins as of each day, in the order of the region's basins."""

    days: Days
    standings: tuple[tuple[BasinStanding, ...], ...]

    @cached_property
    def rows(self) -> tuple[NDArray[np.intp], ...]:
        """Row of each standing."""
        return tuple(np.array([(np.datetime64(one.day, "D") - self.days[0]).astype(int)
                               for one in of_basin], dtype=np.intp) for of_basin in self.standings)

    @cached_property
    def standardized(self) -> Array:
        """Standardised anomaly, (T, n_basins); NaN on days without a standing."""
        return self._columns(lambda one: one.standardized_anomaly)

    def probability(self, settings: AlertSettings) -> dict[HazardName, Array]:
        """Of being at or beyond the mildest class of alerts, (T, n_basins); NaN without any."""
        mildest = {name: classes_from(hazard, settings)[0] for name, hazard in HAZARDS.items()}
        return {name: self._columns(partial(probability_beyond, category=category))
                for name, category in mildest.items()}

    def _columns(self, value: Callable[[BasinStanding], float]) -> Array:
        values = np.full((self.days.size, len(self.standings)), np.nan)
        for column, (rows, of_basin) in enumerate(zip(self.rows, self.standings, strict=True)):
            values[rows, column] = [value(one) for one in of_basin]
        return values

    def within(self, span: Span) -> "Told":
        """As if nothing had been told outside of a span."""
        kept = tuple(tuple(one for one in of_basin if span.first <= one.day <= span.last)
                     for of_basin in self.standings)
        return Told(self.days[(self.days >= np.datetime64(span.first, "D"))
                              & (self.days <= np.datetime64(span.last, "D"))], kept)

    def alerted(self, settings: AlertSettings) -> dict[HazardName, Flags]:
        """Days on which an alert lasts, (T, n_basins), by the machine of the daemon."""
        shape = self.days.size, len(self.standings)
        alerted: dict[HazardName, Flags] = {name: np.zeros(shape, dtype=bool) for name in HAZARDS}
        for column, (rows, of_basin) in enumerate(zip(self.rows, self.standings, strict=True)):
            following = np.append(rows[1:], self.days.size)
            state = BasinState(of_basin[0].basin if of_basin else "")
            for row, then, standing in zip(rows, following, of_basin, strict=True):
                state, _ = advance(state, standing, settings)
                for name, one in state.hazards.items():
                    if one.alert is not None:
                        quiet = (standing.day - one.alert.event_day).days
                        stop = row + settings.expiry_days - quiet + 1
                        alerted[name][row:min(then, stop), column] = True
        return alerted


def filter_days(run: SpaceTimeRun, first: int, stop: int, *, later: bool, progress: Progress
                ) -> tuple[DailyBasins, DailyBasins | None]:
    """What the filter says of the rows from `first` to before `stop` from the days up to each one,
    and, if wanted, what the smoother says of them from `LATER_DAYS` more, where there are any."""
    n_basins = len(run.basins.water)
    filtered, smoothed = np.full((2, 2, stop - first, n_basins), np.nan)
    state, at, updates = run.state_before(first, lambda done, n: progress("spin-up", done, n)), \
        first, []
    days: list[date] = run.days.tolist()
    for start in range(first, stop, SMOOTHED_DAYS):
        end = min(start + SMOOTHED_DAYS, stop)
        for row in range(at, min(end + LATER_DAYS, run.days.size) if later else end):
            state, update = run.model.forward(state, int(run.days[row].astype(int)),
                                              run.up_mm[row], run.sigma_mm[row])
            if row < stop:
                filtered[:, row - first] = run.basin_means(days[row], update.filtered.signal)
            updates += [update] if later else []
            at = row + 1
        if later:
            signals = run.model.backward(updates, end - start)
            smoothed[:, start - first:end - first] = np.swapaxes(
                [run.basin_means(day, one.signal)
                 for day, one in zip(days[start:end], signals, strict=True)], 0, 1)
            updates = updates[end - start:]
        progress("days of the filter", end - first, stop - first)
    of_rows = run.days[first:stop]
    return DailyBasins(of_rows, *filtered), DailyBasins(of_rows, *smoothed) if later else None


def standings_told(session: Session, known: Known, daily: DailyBasins, training: Span) -> Told:
    """How every basin stood as of each day, against the climatology of the training years.

    Days with too few stations for a product have none.

    Raises
    ------
    ConfigError
        The training years are too short for a climatology.
    """
    basins = session.geometry.basins.identifier
    enough = usable(known.checked).sum(axis=1) >= session.config.inversion.minimum_stations
    first = known.row(daily.days[0].item())
    published = enough[first:first + daily.days.size]
    climatology = climatology_of(
        DailyBasins(*(field[published] for field in vars(daily).values())), training,
        session.config.climatology)
    rows = [BasinRow(day, basin, METHOD, float(mean), float(sigma), "definitive", 0)
            for day, means, sigmas, kept in zip(daily.days.tolist(), daily.mean_mm, daily.sigma_mm,
                                                published, strict=True) if kept
            for basin, mean, sigma in zip(basins, means, sigmas, strict=True)]
    by_day = standings_of(climatology, basins, rows).values()
    return Told(daily.days, tuple(zip(*by_day, strict=True)))


def climatology_of(daily: DailyBasins, training: Span, settings: ClimatologySettings
                   ) -> Climatology:
    """Climatology of the training years, of every `stride_days`-th day.

    Raises
    ------
    ConfigError
        They are too short.
    """
    kept = np.flatnonzero(daily.days >= np.datetime64(training.first, "D"))[::settings.stride_days]
    made = fit_climatology(daily.days[kept], daily.mean_mm[kept], first=training.first,
                           last=training.last, settings=settings)
    if made is None:
        raise ConfigError("the training years are too few for a climatology", where="hindcast",
                          expected=f"{settings.minimum_years} years of days",
                          got=f"{training.first} to {training.last}")
    return made


def truth_of(daily: DailyBasins, training: Span, settings: ClimatologySettings, *, words: str
             ) -> Truth:
    """A series against the climatology of its own training years."""
    climatology = climatology_of(daily, training, settings)
    return _standing(climatology, daily.days, daily.mean_mm, words)


def _standing(climatology: Climatology, days: Days, mean_mm: Array, words: str) -> Truth:
    index = calendar_indices(days)
    standardized = (mean_mm - climatology.normal_mm(index)) / climatology.spread_mm(index)
    return Truth(words, days, standardized,
                 percentile_of(standardized, climatology.n_independent))


def synthetic_truth(session: Session, days: Days) -> DailyBasins | None:
    """True basin means of a synthetic Earth on these days; None if the region is a real one.

    Raises
    ------
    ConfigError
        The table lacks a basin or a day.
    """
    if not session.config.region.synthetic:
        return None
    path = session.workspace.root / TRUTH
    if not path.is_file():
        raise ConfigError("a synthetic Earth without its truth", where=str(path),
                          remedy="make the workspace by `dwlim osse`")
    table = pd.read_csv(path, dtype={"basin": str}, parse_dates=["date"])
    wide = table.pivot(index="date", columns="basin", values="twsa_mm").reindex(
        index=pd.DatetimeIndex(days), columns=list(session.geometry.basins.identifier))
    values = wide.to_numpy(dtype=float)
    if not np.isfinite(values).all():
        raise ConfigError("the truth lacks days or basins", where=str(path),
                          got=f"{int(np.isnan(values).sum())} values absent",
                          expected=f"{days[0]} to {days[-1]}, every basin")
    return DailyBasins(days, values, np.zeros_like(values))


@dataclass(frozen=True, eq=False)
class Monthly:
    """Months of GRACE: days half-way through, the truth, the mean probability and whether an alert
    lasted on at least half of the days, by hazard, (n_months, n_basins)."""

    truth: Truth
    probability: ByHazard
    alerted: ByHazard


def grace_months(session: Session, days: Days, training: Span, probability: ByHazard,
                 alerted: ByHazard) -> Monthly | None:
    """GRACE, detrended as displacement is, against its own climatology: of the training years, or
    of all its years if it has too few of these."""
    grace = session.grace
    if grace is None:
        return None
    known = np.isfinite(grace.twsa_mm).all(axis=1)
    if not known.any():
        return None
    middle = grace.middle[known]
    values = np.stack([treated(middle, column, "detrend") for column in grace.twsa_mm[known].T], 1)
    made = _grace_climatology(middle, values, training, session.config.climatology)
    if made is None:
        return None

    def means(daily: ByHazard) -> dict[HazardName, Array]:
        return {name: over_spans(days, values.astype(float), grace)[known]
                for name, values in daily.items()}

    share, mean = means(alerted), means(probability)
    kept = np.isfinite(mean["drought"]).all(axis=1)
    if not kept.any():
        return None
    words = f"GRACE, its own climatology of {made.first:%Y-%m} to {made.last:%Y-%m}"
    every = _standing(made, middle, values, words)
    return Monthly(Truth(words, middle[kept], every.standardized[kept], every.percentile[kept]),
                   {name: one[kept] for name, one in mean.items()},
                   {name: one[kept] >= 0.5 for name, one in share.items()})


def _grace_climatology(middle: Days, values: Array, training: Span, settings: ClimatologySettings
                       ) -> Climatology | None:
    monthly = replace(settings, stride_days=GRACE_STRIDE_DAYS)
    known: list[date] = middle[[0, -1]].tolist()
    shared = max(known[0], training.first), min(known[-1], training.last)
    fits = (fit_climatology(middle, values, first=first, last=last, settings=monthly)
            for first, last in (shared, (known[0], known[-1])))
    return next((one for one in fits if one is not None), None)


def years_of(days: Days, span: Span) -> tuple[NDArray[np.intp], Sequence[int]]:
    """Number of each day's year within a span, negative outside of it, and the years."""
    year = days.astype("datetime64[Y]").astype(int) + 1970
    inside = (days >= np.datetime64(span.first, "D")) & (days <= np.datetime64(span.last, "D"))
    return np.where(inside, year - span.first.year, -1), range(span.first.year, span.last.year + 1)
