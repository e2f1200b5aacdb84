"""Steps of a station's record against its neighbours: detection, size, and when the size is known.

Regional water moves a station and its neighbours together; an antenna, a receiver or an earthquake
at the site moves one station. A detected step, its size and the days withheld for it depend on
the values up to a fixed number after it, so that later days change none of them.
"""

from dataclasses import dataclass
from functools import cached_property
from typing import Final

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from dwlim_ops.qc.neighbours import Neighbours
from dwlim_ops.qc.robust import ROBUST_SIGMA_PER_MAD, rolling_median
from dwlim_ops.qc.settings import GnssQcSettings
from dwlim_ops.qc.trajectory import fit_trajectory

Array = NDArray[np.float64]
Mask = NDArray[np.bool_]
Rows = NDArray[np.intp]

#: Days of the trailing median that each series is relative to: a step after an outage that is
#: longer cannot be told from the season.
BASELINE_DAYS: Final = 120
#: A station with fewer values than this in the baseline is nobody's neighbour.
MINIMUM_BASELINE_VALUES: Final = 30
#: Values before a change that it is measured against, at most and at least.
BEFORE_VALUES: Final = 60
MINIMUM_BEFORE_VALUES: Final = 20
#: The scatter of the statistic is that of this many of its past values, renewed so often.
SCATTER_VALUES: Final = 360
SCATTER_RENEWAL_VALUES: Final = 120
MINIMUM_SCATTER_VALUES: Final = 60
#: Sizes are rounded, so that a last bit cannot change every day after a step.
SIZE_DECIMALS: Final = 2


@dataclass(frozen=True, eq=False)
class StationSteps:
    """Steps of one station, in time.

    Parameters
    ----------
    row : ndarray of int (step,)
        Day of the first value after each step.
    size_mm : ndarray (step,)
        Displacement after minus before, mm.
    known : ndarray of bool (step,)
        Whether the size is final. Until it is, and between two steps too close to each other, the
        values after the step have no level.
    begins : int
        First day of the record's first level; the values before a step at the very start are too
        few to have one.
    """

    row: Rows
    size_mm: Array
    known: Mask
    begins: int = 0

    def offset_mm(self, n_days: int) -> Array:
        """Sum of the sizes of the steps so far, (time,)."""
        jump = np.zeros(n_days)
        np.add.at(jump, self.row, self.size_mm)
        return np.cumsum(jump)

    def withheld(self, n_days: int, near_days: int) -> Mask:
        """Days near a step, and days whose level is unknown, (time,)."""
        out = np.arange(n_days) < self.begins
        rows = self.row.tolist()
        for row, end, known in zip(rows, _ends(rows, n_days), self.known, strict=True):
            out[max(row - near_days, 0): row + near_days] = True
            if not known:
                out[row:end] = True
        return out


def _ends(rows: list[int], n_days: int) -> list[int]:
    return [*rows[1:], n_days][:len(rows)]


NO_STEPS: Final = StationSteps(np.zeros(0, np.intp), np.zeros(0), np.zeros(0, bool))


def find_steps(up_mm: Array, neighbours: Neighbours, given_rows: list[Rows],
               settings: GnssQcSettings) -> list[StationSteps]:
    """The given steps of every station and, with `step_mode = "detect"`, those that are seen.

    r(t) = a(t) - c(t): a is the displacement minus its median over the last 120 days, c the
    weighted median of the a of the nearest neighbours. For windows of `step_minimum_days` (fast)
    and `step_window_days` (slow) values the statistic is the median of r in the newest window
    minus the median of the 60 values before it. A step is seen on the first day on which the
    statistic reaches `fast_step_mm` or `minimum_step_mm`, and `step_significance` times its robust
    scatter over the station's past 360 values, plus what the neighbours changed in the same
    direction (a local maximum of regional water); it is dated to the split of the window with the
    least absolute misfit. With a provisional size from its first `step_minimum_days` values it is
    taken out and the search goes on; the size is final `step_level_days` values after the step.

    A station is nobody's neighbour for 120 days after a given step, so that an earthquake that is
    listed is measured; one that is not, and moves most stations around, is not detected.

    Where too few neighbours have values nothing is detected, for a change could be water; a given
    step is then measured against the station's own season.

    Parameters
    ----------
    up_mm : ndarray (time, station)
        One row per day, NaN where absent.
    neighbours : Neighbours
    given_rows : list of ndarray of int
        For every station the days of the first value after each known step, ascending.
    settings : GnssQcSettings

    Returns
    -------
    list of StationSteps
    """
    detect = settings.step_mode == "detect"
    if not detect and not any(rows.size for rows in given_rows):
        return [NO_STEPS] * len(given_rows)
    anomaly = _anomaly(up_mm)
    steady = np.isfinite(rolling_median(up_mm, window=BASELINE_DAYS,
                                        minimum=MINIMUM_BASELINE_VALUES))
    for station, rows in enumerate(given_rows):
        for row in rows:
            steady[row: row + BASELINE_DAYS, station] = False
    regional = neighbours.median(np.where(steady, anomaly, np.nan))
    return [_steps_of(_Record(up_mm[:, station], anomaly[:, station], regional[:, station]),
                      rows, settings)
            if detect or rows.size else NO_STEPS for station, rows in enumerate(given_rows)]


def _anomaly(up_mm: Array) -> Array:
    return up_mm - rolling_median(up_mm, window=BASELINE_DAYS, minimum=1)


class _Record:
    """One station relative to its neighbours, its steps taken out as they become known.

    `row` are the days that have both, `compared_mm` their r(t).
    """

    def __init__(self, up_mm: Array, anomaly_mm: Array, regional_mm: Array) -> None:
        self._up, self._anomaly, self._regional = up_mm.copy(), anomaly_mm.copy(), regional_mm
        self._own: Rows = np.flatnonzero(np.isfinite(up_mm))
        self.row: Rows = np.flatnonzero(np.isfinite(up_mm) & np.isfinite(regional_mm))

    @property
    def regional_mm(self) -> Array:
        """What the neighbours do on these days."""
        values: Array = self._regional[self.row]
        return values

    @property
    def compared_mm(self) -> Array:
        values: Array = self._anomaly[self.row] - self._regional[self.row]
        return values

    def take_out(self, row: int, size_mm: float) -> None:
        """Values from `row` on at the level before it."""
        self._up[row:] -= size_mm
        around = slice(max(row - BASELINE_DAYS, 0), row + BASELINE_DAYS)
        self._anomaly[row: around.stop] = _anomaly(self._up[around])[row - around.start:]

    def size_mm(self, row: int, end: int, *, n_after: int, minimum: int) -> float | None:
        """Median of the first `n_after` values in [row, end) minus that of the 60 before `row`.

        Relative to the neighbours where these values lie within half the baseline of the last one
        before, else to the station's own season before `row`; None with fewer than `n_after`
        values after or `minimum` before.
        """
        for rows, reach_days, values in (
                (self.row, BASELINE_DAYS // 2, lambda: self.compared_mm),
                (self._own, self.n_days, lambda: self._own_without_season(row))):
            first, last = np.searchsorted(rows, [row, end])
            if (last - first >= n_after and first >= minimum
                    and rows[first + n_after - 1] - rows[first - 1] <= reach_days):
                known = values()
                before = known[max(first - BEFORE_VALUES, 0): first]
                return float(np.median(known[first: first + n_after]) - np.median(before))
        return None

    def _own_without_season(self, row: int) -> Array:
        day, up = self._own.astype(float), self._up[self._own]
        past = day < row
        model = fit_trajectory(day[past], up[past], np.ones(past.sum()))
        values: Array = up - model.seasonal(day)
        return values

    @property
    def n_days(self) -> int:
        """Days of the record."""
        return self._up.size

    def n_before(self, row: int) -> int:
        """Values before a day."""
        return int(np.searchsorted(self._own, row))


class _Detector:
    """The statistic of one station, and its limits."""

    def __init__(self, record: _Record, settings: GnssQcSettings) -> None:
        self._record = record
        self._windows = (settings.step_minimum_days, settings.step_window_days)
        self.renew()
        floors = settings.fast_step_mm, settings.minimum_step_mm
        self._limit = [
            np.fmax(floor, settings.step_significance * _past_scatter(change))
            for floor, change in zip(floors, self._change, strict=True)]

    def renew(self) -> None:
        """Compute the statistic again after a step was taken out; the limits stay."""
        self._change = self._changes(self._record.compared_mm)

    @cached_property
    def _regional(self) -> list[Array]:
        return self._changes(self._record.regional_mm)

    def _changes(self, values: Array) -> list[Array]:
        """For each window the median of the newest values minus that of those before."""
        before = rolling_median(values, window=BEFORE_VALUES, minimum=MINIMUM_BEFORE_VALUES)
        return [rolling_median(values, window=n, minimum=n)
                - np.concatenate([np.full(n, np.nan), before])[:before.size]
                for n in self._windows]

    def first_change(self, after: int, stop: int) -> int | None:
        """Day of the first step, not before value `after`, that is seen before value `stop`."""
        start = after + self._windows[0]
        seen = []
        for window, (change, limit) in enumerate(zip(self._change, self._limit, strict=True)):
            reached = start + np.flatnonzero((np.abs(change) >= limit)[start:stop])
            if reached.size:
                alike = np.fmax(np.sign(change) * self._regional[window], 0.0)[reached]
                reached = reached[np.abs(change[reached]) >= limit[reached] + alike]
            if reached.size:
                seen.append((int(reached[0]), self._windows[window]))
        return int(self._record.row[self._split(*min(seen), after)]) if seen else None

    def _split(self, newest: int, n_values: int, earliest: int) -> int:
        values = self._record.compared_mm
        window = newest + 1 - n_values
        before = np.median(values[max(window - BEFORE_VALUES, 0): window])
        after = np.median(values[window: newest + 1])
        start = max(window - max(self._windows), earliest)
        local = values[start: newest + 1]
        # Misfit of a split at k: |r - before| summed up to k, |r - after| from k on.
        misfit = np.cumsum(np.abs(local - before) - np.abs(local - after))[:-1]
        return start + 1 + int(misfit.argmin())


def _past_scatter(values: Array) -> Array:
    """Robust scatter of the last 360 values, renewed every 120; infinite while they are few."""
    padded = np.concatenate([np.full(SCATTER_VALUES, np.nan), np.abs(values)])
    past = np.sort(sliding_window_view(padded, SCATTER_VALUES)[:-1:SCATTER_RENEWAL_VALUES], axis=1)
    n_past = np.isfinite(past).sum(axis=1)
    median = past[np.arange(n_past.size), np.maximum(n_past - 1, 0) // 2]
    scatter = np.where(n_past >= MINIMUM_SCATTER_VALUES, ROBUST_SIGMA_PER_MAD * median, np.inf)
    return np.repeat(scatter, SCATTER_RENEWAL_VALUES)[: values.size]


def _steps_of(record: _Record, given: Rows, settings: GnssQcSettings) -> StationSteps:
    minimum, n_days = settings.step_minimum_days, record.n_days
    early = [int(row) for row in given if record.n_before(int(row)) < minimum]
    rows, provisional = _search(record, [int(row) for row in given[len(early):]], settings)
    sizes, known = [], []
    for row, end, so_far in zip(rows, _ends(rows, n_days), provisional, strict=True):
        rest = record.size_mm(row, end, n_after=settings.step_level_days, minimum=minimum)
        known.append(rest is not None)
        sizes.append(round(so_far + (rest or 0.0), SIZE_DECIMALS))
    return StationSteps(np.array(rows, np.intp), np.array(sizes, float), np.array(known, bool),
                        max(early, default=0))


def _search(record: _Record, given: list[int], settings: GnssQcSettings
            ) -> tuple[list[int], list[float]]:
    """Days of the steps, ascending, and their provisional sizes, by which `record` is changed."""
    minimum, reach = settings.step_minimum_days, settings.near_step_days
    detector = _Detector(record, settings) if settings.step_mode == "detect" else None
    rows: list[int] = []
    sizes: list[float] = []
    start, waiting = 0, given.copy()
    while True:
        next_given = waiting[0] if waiting else record.n_days + reach
        stop = int(np.searchsorted(record.row, next_given - reach))
        row = detector.first_change(start, stop) if detector else None
        if row is None:
            if not waiting:
                return rows, sizes
            row = waiting.pop(0)
        end = waiting[0] if waiting else record.n_days
        size = record.size_mm(row, end, n_after=minimum, minimum=minimum) or 0.0
        rows.append(row)
        sizes.append(size)
        record.take_out(row, size)
        if detector:
            detector.renew()
        start = int(np.searchsorted(record.row, row)) + minimum
