"""Wavelet coherence of two monthly series.

Morlet wavelets by pycwt, smoothed as by Torrence and Webster (1999); significance against pairs of
first-order autoregressive noise as by Grinsted, Moore and Jevrejeva (2004), Nonlinear Processes in
Geophysics 11, 561-566.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy.signal import lfilter

Array = NDArray[np.float64]
Months = NDArray[np.datetime64]

#: Scales an octave.
SCALES: Final = 12
#: A run of so many months without a value is a gap: what leans on it is not trusted.
GAP_MONTHS: Final = 3
LEAST_MONTHS: Final = 24


@dataclass(frozen=True, eq=False)
class Coherence:
    """Squared coherence of two series by period and month, (n_periods, n_months).

    `phase_deg` is positive where the first series is ahead. `trusted` marks what neither the ends
    of the record nor a gap touches; `significant` (n_periods,) is the 95 % level of noise.
    `filled` (n_months,) marks months that were interpolated.
    """

    month: Months
    period_months: Array
    squared: Array
    phase_deg: Array
    trusted: NDArray[np.bool_]
    significant: Array
    filled: NDArray[np.bool_]

    def at(self, period_months: float) -> tuple[float, float]:
        """Mean squared coherence and mean lag in months near a period, where trusted.

        The lag is positive where the first series is ahead; both are NaN where nothing is trusted.
        """
        row = int(np.abs(np.log(self.period_months / period_months)).argmin())
        inside = self.trusted[row]
        if not inside.any():
            return float("nan"), float("nan")
        phase = np.angle(np.exp(1j * np.radians(self.phase_deg[row, inside])).mean())
        return (float(self.squared[row, inside].mean()),
                float(phase / (2 * np.pi) * self.period_months[row]))


def monthly(middle: Months, values: Array) -> tuple[Months, Array, NDArray[np.bool_]]:
    """Values at the middle of every calendar month, and which of them no value is near.

    Parameters
    ----------
    middle : array of datetime64, shape (n,)
        Ascending days of the values.
    values : array, shape (n, n_series)
        Interpolated linearly between the days on which all series have a value.

    Returns
    -------
    months (m,) of datetime64[M], values (m, n_series), filled (m,)
    """
    known = np.isfinite(values).all(axis=1)
    day, value = middle[known].astype("datetime64[D]"), values[known]
    if day.size < 2:
        return np.zeros(0, "datetime64[M]"), np.zeros((0, values.shape[1])), np.zeros(0, bool)
    month = np.arange(day[0].astype("datetime64[M]"), day[-1].astype("datetime64[M]") + 1)
    centre = (month.astype("datetime64[D]") + 14).astype(float)
    at = day.astype(float)
    regular = np.column_stack([np.interp(centre, at, column) for column in value.T])
    filled = np.abs(centre[:, None] - at).min(axis=1) > 16
    return month, regular, filled


def wavelet_coherence(middle: Months, ours: Array, theirs: Array, *, n_surrogates: int = 200,
                      seed: int = 0) -> Coherence | None:
    """Coherence of two series given at the middles of months, NaN where absent.

    None with fewer than two years in common, or if a series does not vary.
    """
    month, pair, filled = monthly(middle, np.column_stack([ours, theirs]))
    if month.size < LEAST_MONTHS or (pair.std(axis=0) == 0).any():
        return None
    period, squared, phase = _coherence(*pair.T)
    trusted = period[:, None] <= _longest_trusted(month.size, filled)
    random = np.random.default_rng(seed)
    noise = np.stack([_coherence(*_red_noise(random, pair))[1] for _ in range(n_surrogates)])
    level = np.full(period.size, np.nan)
    for row in np.flatnonzero(trusted.any(axis=1)):
        level[row] = np.quantile(noise[:, row, trusted[row]], 0.95)
    return Coherence(month, period, squared, phase, trusted, level, filled)


def _coherence(ours: Array, theirs: Array) -> tuple[Array, Array, Array]:
    """Period in months, squared coherence, phase in degrees."""
    import pycwt

    squared, phase, _, frequency, _ = pycwt.wct(ours, theirs, 1.0, dj=1 / SCALES, sig=False)
    return 1.0 / frequency, np.clip(squared, 0.0, 1.0), np.degrees(phase)


def _longest_trusted(n_months: int, filled: NDArray[np.bool_]) -> Array:
    """Longest period of each month whose wavelet fades before the ends and the gaps, (n_months,).

    The e-folding time of a wavelet of scale s is sqrt(2) s (Torrence and Compo 1998, table 1).
    """
    from pycwt import Morlet

    wavelet = Morlet(6)
    month = np.arange(n_months)
    nearest = np.minimum(month + 0.5, n_months - month - 0.5)
    starts = np.flatnonzero(np.diff(np.concatenate([[False], filled, [False]]).astype(int)))
    for first, after in starts.reshape(-1, 2):
        if after - first >= GAP_MONTHS:
            outside = np.maximum(first - month - 0.5, month - after + 0.5)
            nearest = np.minimum(nearest, np.maximum(outside, 0.0))
    longest: Array = wavelet.flambda() * wavelet.coi() * nearest
    return longest


def _red_noise(random: np.random.Generator, pair: Array) -> Array:
    """Noise with each series' correlation from month to month, (2, n_months)."""
    anomaly = (pair - pair.mean(axis=0)).T
    lag_one = (anomaly[:, 1:] * anomaly[:, :-1]).sum(axis=1) / (anomaly**2).sum(axis=1)
    start = 10 * GAP_MONTHS
    white = random.standard_normal((2, start + anomaly.shape[1]))
    return np.stack([lfilter([1.0], [1.0, -factor], series)[start:]
                     for factor, series in zip(np.clip(lag_one, 0.0, 0.99), white, strict=True)])
