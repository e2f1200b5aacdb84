"""From control stations to cells: inverse-distance weights, mean and spread of the seeds."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from dwlim_ops.errors import ContractError

Array = NDArray[np.float64]


@dataclass(frozen=True)
class VirtualDisplacement:
    """Simulated displacement of cells and its spread over the seeds, mm, (n_days, n_points)."""

    up_mm: Array
    spread_mm: Array


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
