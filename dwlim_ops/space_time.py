"""The space-time filter over a region's record: where it stands, and what it says of a day.

The state after a day is kept under a digest of all that led to it, so that a tick goes on where
the last one stopped, with the bits of a run from the first day.

A day is issued twice from the same data: when it is new, from the days up to itself (the filter),
and when its month and `smoothing_days` more have come in finally, from all of these (the smoother).
"""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date, timedelta
from functools import cached_property
from typing import Final

import numpy as np
import xarray as xr
from numpy.typing import NDArray

from dwlim_ops.archive.cache import Cache
from dwlim_ops.invert.daily import Estimate
from dwlim_ops.invert.modes import SpatialModes
from dwlim_ops.invert.spacetime import DayResult, Signal, SpaceTimeModel, State, Update

Array = NDArray[np.float64]
Advance = Callable[[int, int], None]

#: States at the ends of months are written to disk for so many days before the newest, and so
#: many of them are kept: enough for a tick to go on from.
PERSISTED_DAYS: Final = 200
KEPT_STATES: Final = 12


@dataclass(frozen=True, eq=False)
class SpaceTimeEstimate:
    """What the filter or smoother says of a day: cells as those of the daily inversion, means of
    the basins and their errors, and in words from what data."""

    cells: Estimate
    basins_mm: Array
    basin_sigma_mm: Array
    data: str


@dataclass(frozen=True, eq=False)
class _Window:
    """Updates of consecutive rows from `first` on, and the state after the last of them."""

    first: int
    state: State
    updates: list[Update]

    @property
    def stop(self) -> int:
        return self.first + len(self.updates)


@dataclass(eq=False)
class SpaceTimeRun:
    """The filter over one record of T days and m stations.

    Attributes
    ----------
    model : SpaceTimeModel
    basins : SpatialModes
        Of the basins, in the coordinates of the model's modes.
    days : ndarray (T,) of datetime64[D]
        Every day from the first to the newest.
    up_mm, sigma_mm : ndarray (T, m)
        NaN where absent.
    seed : str
        Fingerprint of all else that the states depend on.
    cache : Cache, optional
        Where states are kept.
    """

    model: SpaceTimeModel
    basins: SpatialModes
    days: NDArray[np.datetime64]
    up_mm: Array
    sigma_mm: Array
    seed: str
    cache: Cache | None = None
    _current: tuple[int, State] | None = None
    _month: tuple[int, list[DayResult]] | None = field(default=None, init=False)
    _window: "_Window | None" = field(default=None, init=False)

    @cached_property
    def digests(self) -> list[str]:
        """For each day a digest of everything up to and including it."""
        running, out = hashlib.sha256(self.seed.encode()), []
        for day, up, sigma in zip(self.days.astype(int), self.up_mm, self.sigma_mm, strict=True):
            present = np.isfinite(up)
            running.update(int(day).to_bytes(8, "little", signed=True))
            running.update(np.where(present, up, np.nan).tobytes())
            running.update(np.where(present, sigma, np.nan).tobytes())
            out.append(running.hexdigest())
        return out

    def row(self, day: date) -> int:
        """Index of a day."""
        return int((np.datetime64(day, "D") - self.days[0]).astype(int))

    def month_rows(self, day: date) -> tuple[int, int]:
        """First and last row of a day's month; they may lie outside the record."""
        first = day.replace(day=1)
        after = (first + timedelta(days=31)).replace(day=1)
        return self.row(first), self.row(after) - 1

    def smoothed_through(self, day: date, *, wait_days: int) -> int | None:
        """Last row that the smoother uses for a day; None while the day is still the filter's.

        `wait_days` after that row its data are final.
        """
        last = self.month_rows(day)[1] + self.model.settings.smoothing_days
        return last if last + wait_days < self.days.size else None

    def estimate(self, day: date, *, wait_days: int) -> SpaceTimeEstimate:
        """By the smoother if the day's month has come in finally, else by the filter."""
        if self.smoothed_through(day, wait_days=wait_days) is None:
            return self.filtered_estimate(day)
        return self.smoothed_estimate(day)

    def filtered_estimate(self, day: date) -> SpaceTimeEstimate:
        """From the data up to the day itself."""
        return self._expand(day, self.filtered(day), "filter: all days through the day itself")

    def smoothed_estimate(self, day: date) -> SpaceTimeEstimate:
        """From all data through `smoothing_days` after the month, as far as they are there."""
        last = self.month_rows(day)[1] + self.model.settings.smoothing_days
        through = self.days[min(last, self.days.size - 1)]
        return self._expand(day, self.smoothed(day), f"smoother: all days through {through}")

    def filtered(self, day: date) -> DayResult:
        """Signal of a day from the data up to itself."""
        row = self.row(day)
        state, innovation = self.model.step(
            self.state_before(row), int(self.days[row].astype(int)), self.up_mm[row],
            self.sigma_mm[row])
        self._keep(row, state)
        return DayResult(self.model.signal(state), innovation)

    def smoothed(self, day: date) -> DayResult:
        """Signal of a day from all data through `smoothing_days` after its month."""
        first, last = self.month_rows(day)
        first = max(first, 0)
        if self._month is None or self._month[0] != first:
            stop = min(last + self.model.settings.smoothing_days + 1, self.days.size)
            self._month = first, self.model.backward(self._forward(first, stop), last - first + 1)
        return self._month[1][self.row(day) - first]

    def _forward(self, first: int, stop: int) -> list[Update]:
        """Updates of the rows from `first` to before `stop`; those of the window before stay."""
        if self._window is None or not self._window.first <= first <= self._window.stop:
            self._window = _Window(first, self.state_before(first), [])
        state, updates = self._window.state, self._window.updates
        for row in range(self._window.stop, stop):
            state, update = self.model.forward(state, int(self.days[row].astype(int)),
                                               self.up_mm[row], self.sigma_mm[row])
            self._persist(row, state)
            updates.append(update)
        self._window = _Window(first, state, updates[first - self._window.first:])
        return self._window.updates[:stop - first]

    def without(self, left_out: NDArray[np.bool_], *, first: int = 0) -> "SpaceTimeRun":
        """The run that never sees some stations, (m,), and starts at the row `first`."""
        rows = slice(max(first, 0), None)
        return SpaceTimeRun(self.model, self.basins, self.days[rows],
                            np.where(left_out, np.nan, self.up_mm[rows]), self.sigma_mm[rows],
                            self.seed)

    def predict(self, day: date, signal: Signal, stations: NDArray[np.bool_]
                ) -> tuple[Array, Array]:
        """Displacement of stations that a signal has not seen, and its error with their noise."""
        read = self.model.at_stations(np.eye(signal.mean.size), stations)
        variance = np.einsum("ij,ij->i", read @ signal.covariance, read)
        noise = self.model.noise_variance(self.sigma_mm[self.row(day), stations])
        return read @ signal.mean, np.sqrt(variance + noise)

    def state_before(self, row: int, advance: Advance = lambda *_: None) -> State:
        """State before the data of a row, filtered from the nearest one that is kept."""
        at, state = self._nearest(row - 1)
        for position in range(at + 1, row):
            state, _ = self.model.step(state, int(self.days[position].astype(int)),
                                       self.up_mm[position], self.sigma_mm[position])
            self._keep(position, state)
            advance(position - at, row - 1 - at)
        return state

    def go_on_from(self, row: int, state: State) -> None:
        """Take the state before the data of a row as another run of this record has it."""
        self._current = row - 1, state

    def _nearest(self, row: int) -> tuple[int, State]:
        start = -1, self.model.initial(int(self.days[0].astype(int)) - 1)
        if self._current is not None and self._current[0] <= row:
            start = self._current
        for position in range(row, max(start[0], self.days.size - PERSISTED_DAYS), -1):
            kept = self._kept(position)
            if kept is not None:
                return position, kept
        return start

    def _kept(self, row: int) -> State | None:
        if self.cache is None or not self._ends_month(row):
            return None
        arrays = self.cache.get(self.digests[row])
        return None if arrays is None else State(
            int(self.days[row].astype(int)), arrays["mean"], arrays["covariance"])

    def _keep(self, row: int, state: State) -> None:
        self._current = row, state
        self._persist(row, state)

    def _persist(self, row: int, state: State) -> None:
        recent = row >= self.days.size - PERSISTED_DAYS and self._ends_month(row)
        if self.cache is not None and recent and self._kept(row) is None:
            self.cache.put(self.digests[row], {"mean": state.mean, "covariance": state.covariance})
            self.cache.keep_newest(KEPT_STATES)

    def _ends_month(self, row: int) -> bool:
        day: date = self.days[row].astype("datetime64[D]").item()
        return (day + timedelta(days=1)).day == 1

    def _expand(self, day: date, result: DayResult, data: str) -> SpaceTimeEstimate:
        """Water of the cells and basins, residuals of the stations."""
        row = self.row(day)
        prior = self.model.prior_variance(int(self.days[row].astype(int)))
        modes, covariance = result.signal.water
        shown = self.model.modes
        share = 1.0 - np.trace(covariance) / (prior * len(modes))
        innovation = result.innovation
        cells = Estimate(
            twsa_mm=shown.mean(modes), sigma_mm=shown.sigma(covariance, prior),
            resolution_km=shown.resolution_km(covariance, prior),
            residual_mm=self.up_mm[row] - shown.loading @ modes,
            leave_one_out_mm=np.full(self.up_mm.shape[1], np.nan),
            leave_one_out_sigma_mm=np.full(self.up_mm.shape[1], np.nan),
            variance_factor=np.array(innovation.nis / max(innovation.n_data, 1)),
            degrees_of_freedom=np.array(share * len(modes)))
        return SpaceTimeEstimate(cells, *self.basin_means(day, result.signal), data)

    def basin_means(self, day: date, signal: Signal) -> tuple[Array, Array]:
        """Means of the basins by a signal of a day, and their errors, mm, (n_basins,)."""
        modes, covariance = signal.water
        prior = self.model.prior_variance(int(self.days[self.row(day)].astype(int)))
        return self.basins.mean(modes), self.basins.sigma(covariance, prior)


def usable_up_mm(checked: xr.Dataset) -> Array:
    """Displacement without the flagged values, (time, station)."""
    return np.where(checked["flag"].values == 0, checked["up_mm"].values, np.nan)
