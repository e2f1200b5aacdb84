"""Whether a model is still given what it was trained on, and stations are as quiet as they were.

Recent features are compared with those of the same days of the year in the training years. What
counts as much follows from the training years themselves: windows of the same length, a season
apart, are each compared with the windows of their season in the other years. Serial correlation,
correlation between cells and variation from year to year are thereby in the expected level.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray
from scipy.stats import t as student

Array = NDArray[np.float64]
Verdict = Literal["ok", "watch", "drifted"]

#: From the best to the worst.
VERDICTS: Final[tuple[Verdict, ...]] = ("ok", "watch", "drifted")
#: Probability that a measure without drift exceeds its limits: of the 60 of 20 features every other
#: report has one on watch by chance, and every seventeenth one that seems to have drifted.
WATCH_PROBABILITY: Final = 0.01
DRIFTED_PROBABILITY: Final = 0.001
#: What is smaller than these never counts, however certain: standard deviations, factor, distance.
LEAST_SHIFT: Final = 0.25
LEAST_RATIO: Final = 1.25
LEAST_DISTANCE: Final = 0.1
#: Same-season windows, and degrees of freedom of the expected level, below which nothing is said.
LEAST_WINDOWS: Final = 2
LEAST_FREEDOM: Final = 4
#: Growth of a station's scatter beyond that of the network.
WATCH_GROWTH: Final = 1.5
DRIFTED_GROWTH: Final = 2.0
#: Days of a station before and after that a growth needs.
LEAST_DAYS_BEFORE: Final = 90
LEAST_DAYS_RECENT: Final = 45
DAYS_A_YEAR: Final = 365.25
SIGMA_PER_MAD: Final = 1.4826
_FLOOR: Final = 1e-6


@dataclass(frozen=True)
class Window:
    """Days from `first` to `last`; `season` 0 is that of the recent days."""

    first: date
    last: date
    season: int


@dataclass(frozen=True)
class Measure:
    """A number, what it would be without drift, and the limits that give the verdict."""

    value: float
    expected: float
    watch_beyond: float
    drifted_beyond: float
    verdict: Verdict


@dataclass(frozen=True)
class FeatureDrift:
    """One feature of the recent days against the same season of the training years.

    `mean_shift` is in standard deviations of the reference; `deviation_ratio` is recent over
    reference, its limits hold either way (1.5 also means 1 / 1.5); `distance` is the largest
    difference of the two empirical distributions (Kolmogorov-Smirnov).
    """

    feature: str
    mean_shift: Measure
    deviation_ratio: Measure
    distance: Measure

    @property
    def verdict(self) -> Verdict:
        """The worst of the three."""
        return worst(m.verdict for m in (self.mean_shift, self.deviation_ratio, self.distance))


@dataclass(frozen=True)
class StationGrowth:
    """Robust scatter of a station, mm, before and recently.

    `growth` is recent over before, divided by the median of that over all stations.
    """

    station: str
    n_before: int
    n_recent: int
    before_mm: float
    recent_mm: float
    growth: float
    verdict: Verdict


def worst(verdicts: Iterable[Verdict]) -> Verdict:
    """The worst verdict, "ok" of none."""
    return VERDICTS[max((VERDICTS.index(one) for one in verdicts), default=0)]


def recent_window(newest: date, n_days: int) -> Window:
    """The last days."""
    return Window(newest - timedelta(days=n_days - 1), newest, 0)


def training_windows(recent: Window, first: date, last: date) -> list[Window]:
    """Windows as long as the recent one, at whole fractions of a year before it, in a span.

    >>> windows = training_windows(recent_window(date(2017, 6, 24), 90),
    ...                            date(2009, 11, 1), date(2011, 12, 31))
    >>> [f"{w.last} {w.season}" for w in windows][:4]
    ['2011-12-24 2', '2011-09-24 3', '2011-06-24 0', '2011-03-25 1']
    """
    n_days = (recent.last - recent.first).days + 1
    n_seasons = max(1, int(DAYS_A_YEAR // n_days))
    windows = []
    for number in range(1, int((recent.last - first).days * n_seasons / DAYS_A_YEAR) + 1):
        ends = recent.last - timedelta(days=round(number * DAYS_A_YEAR / n_seasons))
        window = Window(ends - timedelta(days=n_days - 1), ends, number % n_seasons)
        if window.first >= first and window.last <= last:
            windows.append(window)
    return windows


def sample_rows(usable: NDArray[np.intp], n: int, seed: Sequence[int]) -> NDArray[np.intp]:
    """`n` of the rows, one drawn from each of `n` equal parts; all of them if there are fewer."""
    if usable.size <= n:
        return usable
    random = np.random.default_rng(seed)
    return np.array([random.choice(part) for part in np.array_split(usable, n)], dtype=np.intp)


def too_few(seasons: Sequence[int]) -> str:
    """Why windows of these seasons do not say what is usual, empty if they do."""
    same, freedom = seasons.count(0), len(seasons) - len(set(seasons))
    if same >= LEAST_WINDOWS and freedom >= LEAST_FREEDOM:
        return ""
    return (f"{same} windows of this season among {len(seasons)} of the training years; at least "
            f"{LEAST_WINDOWS}, and {LEAST_FREEDOM} more than seasons, are needed")


def feature_drift(names: Sequence[str], recent: NDArray[np.floating],
                  reference: Sequence[NDArray[np.floating]], seasons: Sequence[int]
                  ) -> tuple[FeatureDrift, ...]:
    """Compare the recent features with those of the same season of the training years.

    Parameters
    ----------
    names : sequence of str
        The features, in their order.
    recent : ndarray (n_values, n_cells, n_features)
        As-of features of the recent days.
    reference : sequence of ndarray
        The same for each window of the training years; `n_values` may differ.
    seasons : sequence of int
        Season of each window; those of season 0 are the reference, all others tell how much
        windows of one season differ.

    Notes
    -----
    With window means m, the mean shift is (m_recent - mean of m over season 0) / sd of season 0
    and is compared with Student's t of the same differences within every season,
    t sqrt(1 + 1 / n) spread. The ratio of deviations likewise in logarithms; the distance
    one-sided.
    """
    season = np.asarray(seasons)
    windows = [np.asarray(one, dtype=np.float64) for one in (*reference, recent)]
    labels = np.append(season, 0)
    drifts = []
    for column, name in enumerate(names):
        values = [one[..., column] for one in windows]
        drifts.append(FeatureDrift(name, _mean_shift(values, labels),
                                   _deviation_ratio(values, labels), _distance(values, labels)))
    return tuple(drifts)


def _within_seasons(values: Array, season: NDArray[np.int64]) -> tuple[float, int]:
    """Standard deviation of values about the mean of their season; degrees of freedom."""
    differences = np.concatenate([values[season == s] - values[season == s].mean()
                                  for s in np.unique(season)])
    freedom = values.size - np.unique(season).size
    return float(np.sqrt((differences**2).sum() / freedom)), freedom


def _limit(probability: float, spread: float, freedom: int, n: int) -> float:
    """Beyond this a new value lies with a probability, either way."""
    return float(student.ppf(1 - probability / 2, freedom) * spread * np.sqrt(1 + 1 / n))


def _judged(value: float, expected: float, size: float, limits: tuple[float, float]) -> Measure:
    verdict: Verdict = ("drifted" if size > limits[1] else "watch" if size > limits[0] else "ok")
    return Measure(value, expected, *limits, verdict)


def _mean_shift(values: list[Array], season: NDArray[np.int64]) -> Measure:
    means = np.array([one.mean() for one in values])
    scale = np.empty(len(values))
    for s in np.unique(season):
        of_season = [i for i in np.flatnonzero(season == s) if i < len(values) - 1]
        pooled = np.concatenate([values[i] for i in of_season])
        scale[season == s] = max(float(np.sqrt(pooled.var(axis=0).mean())), _FLOOR)
    spread, freedom = _within_seasons((means / scale)[:-1], season[:-1])
    same = season[:-1] == 0
    shift = float((means[-1] - means[:-1][same].mean()) / scale[-1])
    watch, drifted = (max(_limit(p, spread, freedom, int(same.sum())), LEAST_SHIFT)
                      for p in (WATCH_PROBABILITY, DRIFTED_PROBABILITY))
    return _judged(shift, 0.0, abs(shift), (watch, drifted))


def _deviation_ratio(values: list[Array], season: NDArray[np.int64]) -> Measure:
    logs = np.log([max(float(np.sqrt(one.var(axis=0).mean())), _FLOOR) for one in values])
    spread, freedom = _within_seasons(logs[:-1], season[:-1])
    same = season[:-1] == 0
    log_ratio = float(logs[-1] - logs[:-1][same].mean())
    watch, drifted = (max(float(np.exp(_limit(p, spread, freedom, int(same.sum())))), LEAST_RATIO)
                      for p in (WATCH_PROBABILITY, DRIFTED_PROBABILITY))
    return _judged(float(np.exp(log_ratio)), 1.0, float(np.exp(abs(log_ratio))), (watch, drifted))


def _distance(values: list[Array], season: NDArray[np.int64]) -> Measure:
    distances = []
    for number, of_window in enumerate(values):
        others = [values[i] for i in np.flatnonzero(season[:-1] == season[number]) if i != number]
        if others:
            level = np.mean([one.mean(axis=0) for one in others], axis=0)
            distances.append(largest_difference(
                of_window - level, np.concatenate([one - level for one in others])))
    usual = np.array(distances[:-1])
    expected, spread = float(usual.mean()), float(usual.std(ddof=1))
    watch, drifted = (
        max(expected + _limit(2 * p, spread, usual.size - 1, usual.size), LEAST_DISTANCE)
        for p in (WATCH_PROBABILITY, DRIFTED_PROBABILITY))
    return _judged(distances[-1], expected, distances[-1], (watch, drifted))


def largest_difference(a: Array, b: Array) -> float:
    """Largest difference of two empirical distribution functions (Kolmogorov-Smirnov).

    >>> largest_difference(np.array([0.0, 1.0]), np.array([2.0, 3.0]))
    1.0
    """
    x, y = np.sort(a, axis=None), np.sort(b, axis=None)
    at = np.concatenate([x, y])
    difference = (np.searchsorted(x, at, side="right") / x.size
                  - np.searchsorted(y, at, side="right") / y.size)
    return float(np.abs(difference).max())


def scatter_growth(station: Sequence[str], before: Array, recent: Array
                   ) -> tuple[float, tuple[StationGrowth, ...]]:
    """Growth of the scatter of the network, and of every station with enough days beyond it.

    Parameters
    ----------
    station : sequence of str
    before, recent : ndarray (n_days, n_stations)
        Residuals of both spans, mm, NaN where absent.

    Returns
    -------
    network : float
        Median over the stations of recent over before; NaN without any.
    stations : tuple of StationGrowth
    """
    counts = [np.isfinite(one).sum(axis=0) for one in (before, recent)]
    enough = np.flatnonzero((counts[0] >= LEAST_DAYS_BEFORE) & (counts[1] >= LEAST_DAYS_RECENT))
    if not enough.size:
        return float("nan"), ()
    earlier, later = (_robust_scatter(one[:, enough]) for one in (before, recent))
    ratio = later / np.maximum(earlier, _FLOOR)
    network = float(np.median(ratio))
    growth = ratio / max(network, _FLOOR)
    return network, tuple(
        StationGrowth(station[int(i)], int(counts[0][i]), int(counts[1][i]), float(old),
                      float(new), float(factor),
                      "drifted" if factor > DRIFTED_GROWTH else
                      "watch" if factor > WATCH_GROWTH else "ok")
        for i, old, new, factor in zip(enough, earlier, later, growth, strict=True))


def _robust_scatter(values: Array) -> Array:
    """1.4826 times the median absolute deviation from the median, down the columns."""
    scatter: Array = SIGMA_PER_MAD * np.nanmedian(
        np.abs(values - np.nanmedian(values, axis=0)), axis=0)
    return scatter
