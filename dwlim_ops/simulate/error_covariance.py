"""How the errors of simulated displacement go together in space, measured at unseen stations.

With T the displacement of the ground, m its simulation and o = T + n what a station observes,

    o_i - g m_i = e_i + n_i        cov(e_i, e_j) = a^2 + b^2 exp(-d / L) + c^2 exp(-d / L0)

and n independent from station to station. Products of different stations hold e alone, so the
parameters come from them; what a station's own variance has beyond that is its noise. A common
mode of the GNSS network cannot be told from an error that all places share and counts as one.
"""

from dataclasses import dataclass
from typing import Annotated, Final

import numpy as np
from numpy.typing import NDArray
from pydantic import Field
from scipy.linalg import cho_factor, cho_solve
from scipy.optimize import nnls

from dwlim_ops.errors import ContractError
from dwlim_ops.kriging import Array, exponential_covariance

#: L0: a part of this length is all but independent between cells of one degree.
LOCAL_LENGTH_KM: Final = 50.0
#: Lengths L that are tried.
LENGTHS_KM: Final = np.geomspace(100.0, 4000.0, 40)
#: Least part of the error variance that is local, so that every covariance is definite.
SMALLEST_LOCAL_SHARE: Final = 0.01
#: A simulation explains at least this share of the displacement, so that it can be divided by.
SMALLEST_EXPLAINED_SHARE: Final = 0.01
SMALLEST_VARIANCE_MM2: Final = 1e-6
#: Pairs of stations with fewer common days, and stations with fewer days, do not count.
MINIMUM_DAYS: Final = 20
#: Gain and covariance are fitted in turn so many times.
N_ROUNDS: Final = 3

#: Limits that hold where a bundle declares the parameters.
NotNegative = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Share = Annotated[float, Field(ge=0, le=1)]
PositiveShare = Annotated[float, Field(gt=0, le=1)]


@dataclass(frozen=True)
class ErrorCovariance:
    """Covariance of the errors of g m; see the module.

    `gain` is g, 0 to 1; the sigmas are a, b and c. `explained_share` is the part of the variance
    of T that g m explains at unseen stations, 0 to 1.
    """

    gain: Share
    common_sigma_mm: NotNegative
    smooth_sigma_mm: NotNegative
    length_km: Positive
    local_sigma_mm: Positive
    explained_share: PositiveShare

    @property
    def variance_mm2(self) -> float:
        """Error variance of one place."""
        return self.common_sigma_mm**2 + self.smooth_sigma_mm**2 + self.local_sigma_mm**2

    def between(self, distance_km: Array) -> Array:
        """Covariance of the errors at places so far apart, mm2, the shape of `distance_km`.

        Positive definite for distinct places.
        """
        smooth = exponential_covariance(distance_km, length_km=self.length_km,
                                        variance=self.smooth_sigma_mm**2)
        local = exponential_covariance(distance_km, length_km=LOCAL_LENGTH_KM,
                                       variance=self.local_sigma_mm**2)
        covariance: Array = self.common_sigma_mm**2 + smooth + local
        return covariance


@dataclass(frozen=True, eq=False)
class FittedErrors:
    """A fitted covariance, and the noise of each station's own observations, mm, (n_stations,).

    A station with too few days has the median noise.
    """

    covariance: ErrorCovariance
    noise_sigma_mm: Array


@dataclass(frozen=True, eq=False)
class Observations:
    """What stands for observations, mm (n_days, n), and their error covariance, mm2 (n, n)."""

    up_mm: Array
    covariance_mm2: Array


def as_observations(prior_mean_mm: Array, covariance_mm2: Array, explained_share: float
                    ) -> Observations:
    """Observations of T whose errors do not depend on T, equal in content to a prior mean.

    A simulation is a conditional mean: T = g m + e with e independent of m, not of T (a simulation
    that knows nothing is zero, and its error is -T). An inversion with its own prior of T, that
    takes g m for an observation with error covariance C, counts the prior twice and pulls to zero.
    If g m explains the share s of the variance of T everywhere, C is (1 - s) var(T), and

        y = g m / s        cov(y | T) = C / s

    gives back mean g m and covariance C once it is combined with the prior: for one place,
    1 / C - 1 / var(T) is the precision s / C.

    Parameters
    ----------
    prior_mean_mm : array (n_days, n)
        g m.
    covariance_mm2 : array (n, n)
        C, from `ErrorCovariance.between`.
    explained_share : float
        s, above 0; with 1 both stay as they are.
    """
    return Observations(prior_mean_mm / explained_share, covariance_mm2 / explained_share)


def fit_error_covariance(
    observed_mm: Array,
    simulated_mm: Array,
    formal_sigma_mm: Array,
    distance_km: Array,
    *,
    gain: float | None = None,
) -> FittedErrors:
    """Fit gain, covariance and noise to stations that were simulated without their own networks.

    The gain is that of generalised least squares. For each L, the variances follow from the mean
    products of residuals of every pair of stations by non-negative least squares, weighted with
    their number of days over the product of both variances (the inverse of their sampling variance
    where noise prevails; Cressie 1993, section 2.6.2). The best L wins.

    Parameters
    ----------
    observed_mm, simulated_mm, formal_sigma_mm : array (n_days, n_stations)
        NaN where absent. The noise of a station is at least its formal error.
    distance_km : array (n_stations, n_stations)
    gain : float, optional
        A given g; 0 for the covariance of the displacement itself.

    Raises
    ------
    ContractError
        No pair of stations has enough common days.
    """
    used = np.isfinite(observed_mm) & np.isfinite(simulated_mm) & np.isfinite(formal_sigma_mm)
    n_days = used.sum(axis=0)
    observed = np.where(used, observed_mm, np.nan)
    formal = np.sqrt(np.divide(np.where(used, formal_sigma_mm**2, 0.0).sum(axis=0), n_days,
                               where=n_days > 0, out=np.zeros(n_days.size)))
    if gain is not None:
        return _fit(observed, simulated_mm, formal, distance_km, gain)
    fitted = _fit(observed, simulated_mm, formal, distance_km,
                  _gain(observed, simulated_mm, np.eye(formal.size)))
    for _ in range(N_ROUNDS - 1):
        total = fitted.covariance.between(distance_km) + np.diag(fitted.noise_sigma_mm**2)
        fitted = _fit(observed, simulated_mm, formal, distance_km,
                      _gain(observed, simulated_mm, total))
    return fitted


def _fit(observed: Array, simulated: Array, formal_sigma: Array, distance_km: Array, gain: float
         ) -> FittedErrors:
    used = np.isfinite(observed)
    residual = np.where(used, observed - gain * simulated, 0.0)
    n_days = used.T.astype(float) @ used
    product = np.divide(residual.T @ residual, n_days, where=n_days > 0, out=np.zeros_like(n_days))
    total, enough = product.diagonal(), n_days >= MINIMUM_DAYS
    first, second = np.nonzero(np.triu(enough, 1))
    if first.size == 0:
        raise ContractError("no two stations to compare", where="fit_error_covariance",
                            expected=f"a pair of stations with {MINIMUM_DAYS} common days",
                            got=f"at most {int(np.triu(n_days, 1).max(initial=0))}")
    scale = np.maximum(total, SMALLEST_VARIANCE_MM2)
    variances, length_km = _fit_pairs(product[first, second], distance_km[first, second],
                                      n_days[first, second] / (scale[first] * scale[second]))
    signal = float(variances.sum())
    variances[2] = max(variances[2], SMALLEST_LOCAL_SHARE * signal, SMALLEST_VARIANCE_MM2)
    common, smooth, local = np.sqrt(variances).tolist()
    explained = max(float((np.where(used, observed, 0.0)**2 - residual**2).sum() / used.sum()), 0.0)
    share = explained / (explained + float(variances.sum()))
    noise = np.maximum(total - signal, np.maximum(formal_sigma**2, SMALLEST_VARIANCE_MM2))
    return FittedErrors(
        ErrorCovariance(gain, common, smooth, length_km, local,
                        max(share, SMALLEST_EXPLAINED_SHARE)),
        np.sqrt(np.where(enough.diagonal(), noise, np.median(noise[enough.diagonal()]))))


def _fit_pairs(product: Array, distance_km: Array, weight: Array) -> tuple[Array, float]:
    """Variances (common, smooth, local) and length with the smallest weighted misfit."""
    root = np.sqrt(weight / weight.mean())
    best, found, length_km = np.inf, np.zeros(3), float(LENGTHS_KM[0])
    for length in LENGTHS_KM:
        design = np.stack([np.ones_like(distance_km), np.exp(-distance_km / length),
                           np.exp(-distance_km / LOCAL_LENGTH_KM)], axis=1)
        variances, misfit = nnls(design * root[:, None], product * root)
        if misfit < best:
            best, found, length_km = misfit, variances, float(length)
    return found, length_km


def _gain(observed: Array, simulated: Array, covariance: Array) -> float:
    """Least-squares gain of the simulation, 0 to 1, with this covariance on every day."""
    above = below = 0.0
    for of_day, mean in zip(observed, simulated, strict=True):
        sites = np.flatnonzero(np.isfinite(of_day))
        if sites.size:
            weighted: NDArray[np.float64] = cho_solve(
                cho_factor(covariance[np.ix_(sites, sites)]), mean[sites])
            above += float(weighted @ of_day[sites])
            below += float(weighted @ mean[sites])
    return float(np.clip(above / below, 0.0, 1.0)) if below > 0 else 0.0
