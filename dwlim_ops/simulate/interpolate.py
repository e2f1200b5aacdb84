"""From control stations to cells: inverse-distance weights and a correction by kriging."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from dwlim_ops.errors import ContractError
from dwlim_ops.kriging import Array, simple_kriging


@dataclass(frozen=True)
class VirtualDisplacement:
    """Simulated displacement of cells and its spread over the seeds, mm, (n_days, n_points)."""

    up_mm: Array
    spread_mm: Array


@dataclass(frozen=True)
class ResidualCorrection:
    """What same-day observations add to the simulation, and its error, mm, (n_days, n_points)."""

    correction_mm: Array
    sigma_mm: Array


def idw_weights(
    distance_deg: ArrayLike,
    *,
    power: float = 1.0,
    n_controls: int = 0,
    excluded: NDArray[np.bool_] | None = None,
) -> Array:
    """Inverse-distance weights of the controls at every point; eq. (8) of the DWLIM paper.

        w_j = d_j^-p / sum_i d_i^-p

    A point at a control takes that control alone (several at one place share it).

    Parameters
    ----------
    distance_deg : array (n_controls, n_points)
    power : float
        p; 1 in the paper.
    n_controls : int
        Only so many nearest controls count; 0 for all, as in the paper.
    excluded : array (n_controls, n_points) of bool, optional
        Controls left out at a point: those in the point's own cell.

    Returns
    -------
    array (n_controls, n_points)
        Columns sum to one.

    Raises
    ------
    ContractError
        A point has no control left.

    Examples
    --------
    >>> idw_weights([[1.0], [3.0]]).ravel().tolist()
    [0.75, 0.25]
    """
    distance = np.array(distance_deg, dtype=float)
    if excluded is not None:
        distance[excluded] = np.inf
    nearest = distance.min(axis=0, initial=np.inf)
    if not np.isfinite(nearest).all():
        raise ContractError(
            "no control station is left", where="idw_weights",
            expected="at least one control at a finite distance from every point",
            got=f"{np.count_nonzero(~np.isfinite(nearest))} points without",
        )
    if n_controls:
        rank = np.argsort(np.argsort(distance, axis=0, kind="stable"), axis=0, kind="stable")
        distance[rank >= n_controls] = np.inf
    at_control = nearest == 0
    scaled = distance / np.where(at_control, 1.0, nearest)
    decayed = np.where(scaled > 0, scaled, np.inf) ** -power
    weight = np.where(at_control, distance == 0, np.where(np.isfinite(distance), decayed, 0.0))
    normalised: Array = weight / weight.sum(axis=0)
    return normalised


def virtual_displacement(
    simulated_mm: NDArray[np.floating], weights: Array
) -> VirtualDisplacement:
    """Weighted mean over the controls, then mean and standard deviation over the seeds.

    Parameters
    ----------
    simulated_mm : array (n_controls, n_seeds, n_days, n_points)
        Every network run on every point's own features.
    weights : array (n_controls, n_points)
        From `idw_weights`.

    Returns
    -------
    VirtualDisplacement
        The spread of a single seed is zero.
    """
    by_seed = np.zeros(simulated_mm.shape[1:])
    for network, weight in zip(simulated_mm, weights, strict=True):
        by_seed += network * weight
    return VirtualDisplacement(by_seed.mean(axis=0), by_seed.std(axis=0))


def residual_correction(
    observed_mm: NDArray[np.floating],
    simulated_mm: NDArray[np.floating],
    site_distance_km: Array,
    target_distance_km: Array,
    *,
    length_km: float,
    noise_ratio: ArrayLike,
    signal_sigma_mm: float,
) -> ResidualCorrection:
    """Krige the same-day residuals of the stations (observed minus simulated) to the points.

    Add the correction to the simulated displacement of the points ("regression kriging": the
    networks are the prior mean, a Gaussian process describes what they miss).

    Parameters
    ----------
    observed_mm, simulated_mm : array (n_days, n_sites)
        NaN where absent. Simulate each site with its own cell's control left out, or the
        residuals are smaller than those of the points.
    site_distance_km : array (n_sites, n_sites)
    target_distance_km : array (n_sites, n_points)
    length_km, noise_ratio
        See `dwlim_ops.kriging.simple_kriging`.
    signal_sigma_mm : float
        Standard deviation of the part of the residual that neighbours share.

    Returns
    -------
    ResidualCorrection
        Far from all stations the correction is zero with error `signal_sigma_mm`.
    """
    mean, variance = simple_kriging(
        np.asarray(observed_mm, float) - simulated_mm, site_distance_km, target_distance_km,
        length_km=length_km, noise_ratio=noise_ratio,
    )
    return ResidualCorrection(mean, signal_sigma_mm * np.sqrt(variance))
