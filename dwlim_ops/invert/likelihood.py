"""Hyper-parameters of the space-time model by marginal likelihood.

The likelihood of a record is the product of the densities of its innovations (Schweppe 1965), which
the filter gives in passing. It is maximised over the logarithms of the parameters by a pattern
search (Hooke and Jeeves 1961): no gradient, few parameters, each trial is a run over the record.
"""

from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import LinAlgError

from dwlim_ops.geometry import unit_vectors
from dwlim_ops.invert.spacetime import SpaceTimeModel, SpaceTimeSettings

Array = NDArray[np.float64]
Days = NDArray[np.int_]

#: Steps of the logarithms: the first ones, growth on success, and where the search ends.
FIRST_STEP, GROWTH, LAST_STEP = 0.4, 1.3, 0.06
#: A gain of the log-likelihood below this is none.
LEAST_GAIN: Final = 0.05
#: Parameters that are not searched, and least values: water that comes and goes within days cannot
#: be told from noise.
FIXED: Final = ("smoothing_days",)
LEAST: Final = {"fast_days": 10.0, "slow_days": 40.0}
LEAST_OF_ANY: Final = 0.02


@dataclass(frozen=True)
class TunedSettings:
    """The best settings, their log-likelihood and that of the first ones, trials made."""

    settings: SpaceTimeSettings
    log_likelihood: float
    first_log_likelihood: float
    n_trials: int


def log_likelihood(model: SpaceTimeModel, days: Days, up_mm: Array, sigma_mm: Array) -> float:
    """Of a record (T, m) on some days (since 1970), in ascending order."""
    state, total = model.initial(int(days[0])), 0.0
    for day, up, sigma in zip(days, up_mm, sigma_mm, strict=True):
        state, innovation = model.step(state, int(day), up, sigma)
        total += innovation.log_likelihood
    return total


def tune(
    make_model: Callable[[SpaceTimeSettings], SpaceTimeModel],
    settings: SpaceTimeSettings,
    days: Days,
    up_mm: Array,
    sigma_mm: Array,
    *,
    sweeps: int = 6,
    progress: Callable[[str, int, int], None] = lambda *_: None,
) -> TunedSettings:
    """Settings that make a record of training years most likely.

    Parameters
    ----------
    make_model : callable
        Model of the m stations; called again when a correlation length changes.
    settings : SpaceTimeSettings
        Where the search starts.
    days : ndarray (T,)
        Days since 1970; every few days are enough.
    up_mm, sigma_mm : ndarray (T, m)
    sweeps : int
        Times that all parameters are tried, at most.
    """
    names = [field.name for field in fields(settings) if field.name not in FIXED]
    step = dict.fromkeys(names, FIRST_STEP)
    network = make_model(settings)

    def trial(tried: SpaceTimeSettings) -> float:
        model = replace(network, settings=tried) if _lengths(tried) == _lengths(settings) else (
            make_model(tried))
        try:
            return log_likelihood(model, days, up_mm, sigma_mm)
        except LinAlgError:
            return -np.inf

    first = best = trial(settings)
    n_trials = 1
    for sweep in range(sweeps):
        for number, name in enumerate(names, start=1):
            better = False
            for sign in (1.0, -1.0):
                value = getattr(settings, name) * np.exp(sign * step[name])
                if value < LEAST.get(name, LEAST_OF_ANY):
                    continue
                candidate = SpaceTimeSettings(**(vars(settings) | {name: float(value)}))
                found, n_trials = trial(candidate), n_trials + 1
                if found > best + LEAST_GAIN:
                    if _lengths(candidate) != _lengths(settings):
                        network = make_model(candidate)
                    settings, best, better = candidate, found, True
                    break
            step[name] *= GROWTH if better else 0.5
            progress(f"sweep {sweep + 1}, log-likelihood {best:.1f}", number, len(names))
        if max(step.values()) < LAST_STEP:
            break
    return TunedSettings(settings, best, first, n_trials)


def _lengths(settings: SpaceTimeSettings) -> tuple[float, float]:
    return settings.correlation_length_km, settings.noise_correlation_length_km


def spread_out(longitude_deg: Array, latitude_deg: Array, present_share: Array, number: int
               ) -> NDArray[np.intp]:
    """Indices of stations far from one another, the best observed one first, ascending.

    Each further station is the one that is farthest from those chosen; those with less than half of
    the values of the best are passed over.
    """
    places = unit_vectors(longitude_deg, latitude_deg)
    allowed = np.flatnonzero(present_share >= 0.5 * present_share.max())
    chosen = [int(allowed[present_share[allowed].argmax()])]
    while len(chosen) < min(number, allowed.size):
        nearness = (places[allowed] @ places[chosen].T).max(axis=1)
        chosen.append(int(allowed[nearness.argmin()]))
    return np.sort(np.array(chosen))
