"""Simple kriging (Gaussian-process interpolation with known zero mean) between sites.

    mean(t) = k(t)' (K + N)^-1 y          variance(t) = v(t) - k(t)' (K + N)^-1 k(t)

with K the covariance of the signal between sites, k(t) between sites and target, v(t) its variance
at the target, N the noise (Rasmussen and Williams 2006, eq. 2.25 and 2.26).
"""

from collections.abc import Iterator

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
    n_sites, _ = target_distance_km.shape
    if given.shape[-1:] != (n_sites,) or site_distance_km.shape != (n_sites, n_sites):
        raise ContractError(
            "shapes disagree", where="simple_kriging", expected=f"{n_sites} sites in all arrays",
            got=f"values {given.shape}, site distances {site_distance_km.shape}",
        )
    covariance = exponential_covariance(site_distance_km, length_km=length_km)
    covariance[np.diag_indices(n_sites)] += np.asarray(noise_ratio, float)
    to_target = exponential_covariance(target_distance_km, length_km=length_km)
    mean, variance = predict(given.reshape(-1, n_sites), covariance, to_target,
                             np.ones(to_target.shape[1]))
    shape = (*given.shape[:-1], to_target.shape[1])
    return mean.reshape(shape), np.clip(variance, 0.0, 1.0).reshape(shape)


def predict(
    values: Array, covariance: Array, to_target: Array, target_variance: Array
) -> tuple[Array, Array]:
    """Conditional mean and variance of a zero-mean field at targets, one row a day.

    Parameters
    ----------
    values : array (n_days, n_sites)
        NaN where a site has no value.
    covariance : array (n_sites, n_sites)
        Of the values, their noise on the diagonal.
    to_target : array (n_sites, n_targets)
        Covariance of the signal between sites and targets.
    target_variance : array (n_targets,)
        Variance of the signal.

    Returns
    -------
    mean, variance : array (n_days, n_targets)
        Without any value: zero and `target_variance`.

    Raises
    ------
    ContractError
        The covariance of the sites at hand is singular.
    """
    mean = np.zeros((len(values), to_target.shape[1]))
    variance = np.broadcast_to(target_variance, mean.shape).copy()
    for days, sites in _patterns(values):
        weights = cho_solve(_factor(covariance[np.ix_(sites, sites)]), to_target[sites])
        mean[days] = values[days][:, sites] @ weights
        variance[days] -= (weights * to_target[sites]).sum(axis=0)
    return mean, variance


def leave_one_out(values: Array, covariance: Array) -> tuple[Array, Array]:
    """Each value predicted from the other values of its day, and the variance of that error.

        y_i - mean_i = (C^-1 y)_i / (C^-1)_ii          variance_i = 1 / (C^-1)_ii

    (Rasmussen and Williams 2006, eq. 5.12.)

    Parameters
    ----------
    values : array (n_days, n_sites)
        NaN where absent.
    covariance : array (n_sites, n_sites)
        C, of the values with their noise.

    Returns
    -------
    mean, variance : array (n_days, n_sites)
        NaN where there is no value. The variance holds the noise of the value left out.

    Raises
    ------
    ContractError
        The covariance of the sites at hand is singular.
    """
    mean, variance = np.full_like(values, np.nan), np.full_like(values, np.nan)
    for days, sites in _patterns(values):
        inverse = cho_solve(_factor(covariance[np.ix_(sites, sites)]), np.eye(sites.size))
        place = np.ix_(days, sites)
        mean[place] = values[place] - values[place] @ inverse / inverse.diagonal()
        variance[place] = 1.0 / inverse.diagonal()
    return mean, variance


def _patterns(values: Array) -> Iterator[tuple[NDArray[np.intp], NDArray[np.intp]]]:
    """Days that have values at the same sites, and these sites; not the days without any."""
    available = np.isfinite(values)
    patterns, member = np.unique(available, axis=0, return_inverse=True)
    for number, sites in enumerate(patterns):
        if sites.any():
            yield np.flatnonzero(member == number), np.flatnonzero(sites)


def _factor(covariance: Array) -> tuple[Array, bool]:
    try:
        root, lower = cho_factor(covariance, lower=True)
    except LinAlgError as error:
        raise ContractError(
            "covariance is singular", where="kriging", expected="distinct sites or noise",
            got=str(error), remedy="merge sites that coincide, or set noise_ratio above 0",
        ) from error
    return root, lower
