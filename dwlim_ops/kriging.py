"""Simple kriging (Gaussian-process interpolation with known zero mean) between sites.

    mean(t) = k(t)' (K + N)^-1 y          variance(t) = 1 - k(t)' (K + N)^-1 k(t)

with K the covariance of the signal between sites, k(t) between sites and target, N the noise
(Rasmussen and Williams 2006, eq. 2.25 and 2.26), in units of the signal's variance.
"""

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.linalg import LinAlgError, cho_factor, cho_solve

from dwlim_ops.errors import ContractError

Array = NDArray[np.float64]


def exponential_covariance(
    distance_km: ArrayLike, *, length_km: float, variance: float = 1.0
) -> Array:
    """Covariance variance * exp(-distance / length).

    >>> exponential_covariance([0.0, 500.0], length_km=500.0, variance=4.0).round(3).tolist()
    [4.0, 1.472]
    """
    covariance: Array = variance * np.exp(-np.asarray(distance_km, float) / length_km)
    return covariance


def simple_kriging(
    values: ArrayLike,
    site_distance_km: Array,
    target_distance_km: Array,
    *,
    length_km: float,
    noise_ratio: ArrayLike,
) -> tuple[Array, Array]:
    """Interpolate a zero-mean field with exponential covariance from sites to targets.

    Far from all sites the mean goes to zero and the relative variance to one, as they do where
    no site has a value.

    Parameters
    ----------
    values : array (..., n_sites)
        One row a day; NaN where a site has no value, which is the same as no such site.
    site_distance_km : array (n_sites, n_sites)
    target_distance_km : array (n_sites, n_targets)
    length_km : float
        Distance over which the correlation falls to 1/e.
    noise_ratio : float or array (n_sites,)
        Variance of the values' noise over that of the signal.

    Returns
    -------
    mean : array (..., n_targets)
        In the unit of `values`.
    relative_variance : array (..., n_targets)
        Error variance over the signal's variance, 0 to 1.

    Raises
    ------
    ContractError
        Shapes disagree, or sites coincide without noise.
    """
    given = np.asarray(values, dtype=float)
    n_sites, n_targets = target_distance_km.shape
    if given.shape[-1:] != (n_sites,) or site_distance_km.shape != (n_sites, n_sites):
        raise ContractError(
            "shapes disagree", where="simple_kriging", expected=f"{n_sites} sites in all arrays",
            got=f"values {given.shape}, site distances {site_distance_km.shape}",
        )
    covariance = exponential_covariance(site_distance_km, length_km=length_km)
    covariance[np.diag_indices(n_sites)] += np.asarray(noise_ratio, float)
    to_target = exponential_covariance(target_distance_km, length_km=length_km)
    rows = given.reshape(-1, n_sites)
    mean = np.zeros((len(rows), n_targets))
    variance = np.ones_like(mean)
    available = np.isfinite(rows)
    patterns, member = np.unique(available, axis=0, return_inverse=True)
    for number, sites in enumerate(patterns):
        if sites.any():
            days = member == number
            weights = _weights(covariance[np.ix_(sites, sites)], to_target[sites])
            mean[days] = rows[days][:, sites] @ weights
            variance[days] = 1.0 - (weights * to_target[sites]).sum(axis=0)
    shape = (*given.shape[:-1], n_targets)
    return mean.reshape(shape), np.clip(variance, 0.0, 1.0).reshape(shape)


def _weights(covariance: Array, to_target: Array) -> Array:
    try:
        weights: Array = cho_solve(cho_factor(covariance, lower=True), to_target)
    except LinAlgError as error:
        raise ContractError(
            "covariance is singular", where="simple_kriging", expected="distinct sites or noise",
            got=str(error), remedy="merge sites that coincide, or set noise_ratio above 0",
        ) from error
    return weights
