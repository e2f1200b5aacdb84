"""Steps of a station's record: detection, and the segments between them."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from dwlim_ops.qc.trajectory import ROBUST_SIGMA_PER_MAD

Array = NDArray[np.float64]
Index = NDArray[np.intp]
Mask = NDArray[np.bool_]

#: A change between values further apart than this many windows may be seasonal, not a step.
MAXIMUM_EXTENT_WINDOWS = 4
#: Floor of the day-to-day noise, against records without any.
MINIMUM_NOISE_MM = 0.1
#: Standard error of a median in units of that of a mean, for normal errors: sqrt(pi / 2).
MEDIAN_INEFFICIENCY = float(np.sqrt(np.pi / 2.0))


def detect_steps(up_mm: Array, *, window_days: int, significance: float, minimum_step_mm: float,
                 minimum_values: int) -> list[Index]:
    """Rows at which each station's level changes abruptly.

    The statistic is the median of the next `window_days` values minus that of the last
    `window_days` values, over its own scatter in this record (so that coloured noise and the
    seasonal load count as noise). At the ends of the record the windows shrink to not less than
    `minimum_values` values, and the scatter grows accordingly: a step is found once
    `minimum_values` values exist after it. Windows count values, so that a change during an
    outage is seen; windows spread over more than four times their length are not used. Local
    maxima are kept, then moved to the row that splits the values around it with the least
    absolute misfit.

    Parameters
    ----------
    up_mm : ndarray (time, station)
        One row per day, NaN where absent.
    window_days, minimum_values : int
        Lengths, in values.
    significance : float
        Least ratio of the difference to its scatter.
    minimum_step_mm : float
        Least difference, mm.

    Returns
    -------
    list of ndarray of int
        For every station, the rows of the first value after each step, ascending.
    """
    if not up_mm.size:
        return [np.empty(0, dtype=np.intp) for _ in range(up_mm.shape[1])]
    present = np.isfinite(up_mm)
    rows = np.argsort(~present, axis=0, kind="stable")
    values = np.take_along_axis(up_mm, rows, axis=0)
    n_present = present.sum(axis=0)
    difference = _after(values, window_days, minimum_values) - _before(
        values, window_days, minimum_values
    )
    difference[_extent_days(rows, n_present, window_days)
               > MAXIMUM_EXTENT_WINDOWS * window_days] = np.nan
    ratio = np.abs(difference) / _scatter_mm(values, difference, n_present, window_days)
    candidate = (ratio >= significance) & (np.abs(difference) >= minimum_step_mm)
    found = []
    for station in range(up_mm.shape[1]):
        score = np.where(candidate[:, station], ratio[:, station], 0.0)
        record = values[: n_present[station], station]
        peaks = sorted({_refine(record, p, window_days, minimum_values)
                        for p in _local_maxima(score, window_days)})
        found.append(rows[np.array(peaks, dtype=np.intp), station])
    return found


def _before(values: Array, window: int, minimum: int) -> Array:
    rolling = pd.DataFrame(values).rolling(window, min_periods=minimum).median()
    return rolling.shift(1).to_numpy()


def _after(values: Array, window: int, minimum: int) -> Array:
    return pd.DataFrame(values[::-1]).rolling(window, min_periods=minimum).median().to_numpy()[::-1]


def _extent_days(rows: Index, n_present: Index, window: int) -> Index:
    position = np.arange(rows.shape[0])[:, None]
    first = np.maximum(position - window, 0)
    last = np.minimum(position + window - 1, np.maximum(n_present - 1, 0))
    return np.take_along_axis(rows, last, axis=0) - np.take_along_axis(rows, first, axis=0)


def _scatter_mm(values: Array, difference: Array, n_present: Index, window: int) -> Array:
    position = np.arange(values.shape[0])[:, None]
    n_before = np.minimum(position, window)
    n_after = np.minimum(n_present - position, window)
    full = (n_before == window) & (n_after == window)
    colour = ROBUST_SIGMA_PER_MAD * pd.DataFrame(
        np.where(full, np.abs(difference), np.nan)).median().to_numpy()
    noise = ROBUST_SIGMA_PER_MAD / np.sqrt(2.0) * pd.DataFrame(
        np.abs(np.diff(values, axis=0))).median().to_numpy()
    white = (MEDIAN_INEFFICIENCY * np.fmax(noise, MINIMUM_NOISE_MM)) ** 2
    shortfall = 1.0 / np.maximum(n_before, 1) + 1.0 / np.maximum(n_after, 1) - 2.0 / window
    colour = np.fmax(colour, np.sqrt(white * 2.0 / window))
    return np.sqrt(colour**2 + white * shortfall)


def _local_maxima(score: Array, window: int) -> list[int]:
    peaks: list[int] = []
    remaining = score.copy()
    while remaining.size and remaining.max() > 0:
        peak = int(remaining.argmax())
        peaks.append(peak)
        remaining[max(peak - window, 0): peak + window + 1] = 0.0
    return peaks


def _refine(record: Array, peak: int, window: int, minimum: int) -> int:
    start, stop = max(peak - window, 0), min(peak + window, record.size)
    before, after = np.median(record[start:peak]), np.median(record[peak:stop])
    local = record[start:stop]
    gain = np.abs(local - after) - np.abs(local - before)
    # Misfit of a split at row k: |x - before| summed up to k, |x - after| from k on.
    misfit = np.concatenate([[0.0], -np.cumsum(gain)])
    splits = slice(minimum, local.size - minimum + 1)
    return start + minimum + int(misfit[splits].argmin())


@dataclass(frozen=True)
class Segments:
    """The record of one station cut at its steps.

    `index` is the segment of every day, -1 on days of a segment too short to have a level;
    `n_segments` counts the others.
    """

    index: Index
    n_segments: int


def cut_segments(present: Mask, step_rows: Index, minimum_values: int) -> Segments:
    """Cut a record at `step_rows`, the first rows after each step.

    Segments with fewer than `minimum_values` present values get no level of their own and so no
    index; after a step today the level is unknown until enough values exist.
    """
    cuts = np.unique(step_rows[(step_rows > 0) & (step_rows < present.size)])
    raw = np.zeros(present.size, dtype=np.intp)
    raw[cuts] = 1
    raw = np.cumsum(raw)
    counts = np.bincount(raw[present], minlength=cuts.size + 1)
    enough = counts >= (minimum_values if cuts.size else 0)
    number = np.where(enough, np.cumsum(enough) - 1, -1)
    return Segments(number[raw], int(enough.sum()))
