"""How good warnings and their probabilities were: events found, false alarms, lead, reliability.

Rows are days (or months) without a gap. Of days and of events alike four numbers are counted, for
each block (a basin and year), so that an interval can be drawn by resampling blocks: within a year
a basin's days say much the same. POD = detected / occurred, FAR = false / warned,
CSI = detected / (occurred + false).

Wilks (2011), Statistical methods in the atmospheric sciences, 8.2 and 8.4; Murphy (1973), J. Appl.
Meteorol. 12; Stephenson et al. (2008), Weather Forecast. 23 (the terms within bins); Broecker and
Smith (2007), Weather Forecast. 22 (consistency bars).
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.signal import lfilter
from scipy.special import ndtr

Array = NDArray[np.float64]
Flags = NDArray[np.bool_]
Counts = NDArray[np.int64]
Index = NDArray[np.intp]

#: Lag at which the persistence of forecast errors is read, rows.
PERSISTENCE_LAG = 10


@dataclass(frozen=True)
class Spell:
    """Consecutive rows, both ends included."""

    first: int
    last: int

    def meets(self, other: "Spell") -> bool:
        """Whether the two have a row in common."""
        return self.first <= other.last and other.first <= self.last


def spells(held: Flags, *, bridged: int = 0, shortest: int = 1) -> list[Spell]:
    """Spells of true rows, (T,): gaps of at most `bridged` rows closed, then short ones dropped.

    >>> spells(np.array([1, 0, 1, 0, 0, 1], bool), bridged=1, shortest=2)
    [Spell(first=0, last=2)]
    """
    rows = np.flatnonzero(held)
    if not rows.size:
        return []
    parts = np.split(rows, np.flatnonzero(np.diff(rows) > bridged + 1) + 1)
    whole = [Spell(int(part[0]), int(part[-1])) for part in parts]
    return [one for one in whole if one.last - one.first + 1 >= shortest]


def detecting(events: Sequence[Spell], warnings: Sequence[Spell]) -> list[Spell | None]:
    """For each event the earliest warning that meets it; None if it was missed."""
    return [next((one for one in warnings if one.meets(event)), None) for event in events]


def count_events(events: Sequence[Spell], warnings: Sequence[Spell], block: Index, n_blocks: int
                 ) -> Counts:
    """Events occurred and detected, warnings given and false, (n_blocks, 4).

    Each counts in the block of its first row. A warning that meets no event is false.

    Parameters
    ----------
    block : ndarray (T,)
        Block of each row; negative where nothing counts.
    n_blocks : int
    """
    counts = np.zeros((n_blocks, 4), dtype=np.int64)
    for event, warning in zip(events, detecting(events, warnings), strict=True):
        if block[event.first] >= 0:
            counts[block[event.first], :2] += 1, warning is not None
    for warning in warnings:
        if block[warning.first] >= 0:
            false = not any(warning.meets(event) for event in events)
            counts[block[warning.first], 2:] += 1, false
    return counts


def count_rows(warned: Flags, occurred: Flags, block: Index, n_blocks: int) -> Counts:
    """The same of single rows, (T,): occurred, detected, warned, false, (n_blocks, 4)."""
    used = block >= 0
    kinds = occurred, occurred & warned, warned, warned & ~occurred
    return np.stack([np.bincount(block[kind & used], minlength=n_blocks) for kind in kinds], axis=1)


def count_flips(warned: Flags, block: Index, n_blocks: int) -> Counts:
    """How often a warning begins or ends, (n_blocks,); counts in the block of the new state."""
    at = np.flatnonzero(np.diff(warned.astype(np.int8))) + 1
    return np.bincount(block[at][block[at] >= 0], minlength=n_blocks)


def lead_rows(events: Sequence[Spell], warnings: Sequence[Spell]) -> list[int]:
    """Rows from the beginning of the warning to that of the event, for each that was detected.

    Negative where the warning came after the beginning. What had begun before the record is left
    out: its beginning is not known.
    """
    return [event.first - warning.first
            for event, warning in zip(events, detecting(events, warnings), strict=True)
            if warning is not None and event.first > 0 and warning.first > 0]


def ratios(counts: NDArray[np.number]) -> Array:
    """POD, FAR and CSI, (..., 3), of counts (..., 4); NaN where nothing was to be counted.

    >>> ratios(np.array([4, 3, 5, 2])).round(2).tolist()
    [0.75, 0.4, 0.5]
    """
    occurred, detected, warned, false = np.moveaxis(np.asarray(counts, dtype=float), -1, 0)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.stack([detected / occurred, false / warned, detected / (occurred + false)], -1)


def ratio_intervals(counts: Counts, *, n_draws: int = 2000, share: float = 0.9, seed: int = 0
                    ) -> Array:
    """Intervals of POD, FAR and CSI by resampling the blocks of counts (n_blocks, 4), (3, 2)."""
    n_blocks = len(counts)
    drawn = np.random.default_rng(seed).multinomial(n_blocks, np.full(n_blocks, 1.0 / n_blocks),
                                                    size=n_draws)
    every = ratios(drawn @ counts)
    ends = np.array([0.5 - share / 2, 0.5 + share / 2])
    interval = np.full((3, 2), np.nan)
    for number, column in enumerate(every.T):
        known = column[np.isfinite(column)]
        if known.size:
            interval[number] = np.quantile(known, ends)
    return interval


@dataclass(frozen=True, eq=False)
class Brier:
    """Brier score = reliability - resolution + uncertainty, to rounding.

    `resolution` holds the terms within bins. `skill` is against the frequency of the event itself;
    NaN where it always or never occurred.
    """

    score: float
    reliability: float
    resolution: float
    uncertainty: float

    @property
    def skill(self) -> float:
        """1 - score / uncertainty."""
        return 1.0 - self.score / self.uncertainty if self.uncertainty > 0 else float("nan")


@dataclass(frozen=True, eq=False)
class ReliabilityCurve:
    """What was forecast and what happened, per bin of probability, (K,); NaN in empty bins."""

    mean_probability: Array
    frequency: Array
    count: Counts


def _binned(probability: Array, edges: Array) -> Index:
    inner: Index = np.searchsorted(edges[1:-1], probability, side="right")
    return inner


def reliability_curve(probability: Array, occurred: Flags, edges: Array) -> ReliabilityCurve:
    """Frequency of the event where it was forecast with such a probability.

    Parameters
    ----------
    probability : ndarray (...)
    occurred : ndarray of bool (...)
    edges : ndarray (K + 1,)
        Ascending, from 0 to 1; a probability on an edge belongs to the bin above.
    """
    index, n_bins = _binned(probability.ravel(), edges), edges.size - 1
    count = np.bincount(index, minlength=n_bins)
    with np.errstate(invalid="ignore"):
        mean, frequency = (np.bincount(index, weights=values.ravel(), minlength=n_bins) / count
                           for values in (probability, occurred.astype(float)))
    return ReliabilityCurve(mean, frequency, count)


def brier(probability: Array, occurred: Flags, edges: Array) -> Brier:
    """Brier score and its parts (Murphy 1973, with the terms of Stephenson et al. 2008)."""
    forecast, event = probability.ravel(), occurred.ravel().astype(float)
    curve = reliability_curve(forecast, occurred.ravel(), edges)
    index, weight = _binned(forecast, edges), curve.count / event.size
    filled = curve.count > 0
    base = event.mean()
    gap = np.where(filled, curve.mean_probability - curve.frequency, 0.0)
    above = np.where(filled, curve.frequency - base, 0.0)
    within = forecast - curve.mean_probability[index]
    inside = 2.0 * (within * (event - curve.frequency[index])).mean() - (within**2).mean()
    return Brier(float(((forecast - event)**2).mean()), float(weight @ gap**2),
                 float(weight @ above**2 + inside), float(base * (1.0 - base)))


def persistence_rows(probability: Array, occurred: Flags) -> float:
    """1/e time of occurred - probability, (T, n), from its correlation at `PERSISTENCE_LAG`."""
    error = occurred - probability
    power = float((error**2).mean())
    if power == 0.0 or len(error) <= PERSISTENCE_LAG:
        return 1.0
    shared = float((error[PERSISTENCE_LAG:] * error[:-PERSISTENCE_LAG]).mean()) / power
    return -PERSISTENCE_LAG / float(np.log(np.clip(shared, 1e-4, 0.99)))


def consistency_bars(probability: Array, edges: Array, *, persistence: float, n_draws: int = 200,
                     share: float = 0.9, seed: int = 0) -> Array:
    """Where the frequency of each bin would lie were the probabilities right, (2, K).

    Outcomes are drawn with these probabilities, alike on neighbouring rows as errors are: from a
    Gaussian autoregression with that 1/e time.

    Parameters
    ----------
    probability : ndarray (T, n)
    edges : ndarray (K + 1,)
    persistence : float
        Rows, from `persistence_rows`.
    """
    random, memory = np.random.default_rng(seed), float(np.exp(-1.0 / persistence))
    index, n_bins = _binned(probability.ravel(), edges), edges.size - 1
    count = np.bincount(index, minlength=n_bins)
    drawn = np.full((n_draws, n_bins), np.nan)
    for number in range(n_draws):
        white = random.standard_normal(probability.shape)
        white[1:] *= np.sqrt(1.0 - memory**2)
        outcome = ndtr(lfilter([1.0], [1.0, -memory], white, axis=0)) < probability
        hits = np.bincount(index, weights=outcome.ravel(), minlength=n_bins)
        drawn[number, count > 0] = hits[count > 0] / count[count > 0]
    bars = np.full((2, n_bins), np.nan)
    filled = count > 0
    bars[:, filled] = np.quantile(drawn[:, filled], [0.5 - share / 2, 0.5 + share / 2], axis=0)
    return bars
