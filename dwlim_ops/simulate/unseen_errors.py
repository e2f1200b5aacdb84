"""Errors of the simulation on stations and days it has not seen, and what they mean for cells."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from dwlim_ops.errors import ContractError
from dwlim_ops.kriging import Array, simple_kriging


@dataclass(frozen=True)
class StationErrors:
    """Scores of every station, (n_stations,), NaN where it has too few days.

    `nse` is the Nash-Sutcliffe efficiency, with the observed variance below the line.
    """

    n_days: NDArray[np.int64]
    rmse_mm: Array
    bias_mm: Array
    pcc: Array
    nse: Array


def station_errors(
    observed_mm: NDArray[np.floating],
    simulated_mm: NDArray[np.floating],
    *,
    tested: NDArray[np.bool_],
    minimum_days: int,
) -> StationErrors:
    """Score simulated against observed displacement, station by station.

    Parameters
    ----------
    observed_mm, simulated_mm : array (n_days, n_stations)
        NaN where absent. The simulation must leave out each station's own networks (`excluded`
        of `idw_weights`).
    tested : array (n_days,) of bool
        Days used neither to train nor to stop or choose anything.
    minimum_days : int
        Fewest common days for a score.
    """
    used = tested[:, None] & np.isfinite(observed_mm) & np.isfinite(simulated_mm)
    n_days = used.sum(axis=0)
    enough = n_days >= max(minimum_days, 2)
    used = used & enough
    observed = np.where(used, observed_mm, 0.0).astype(np.float64)
    simulated = np.where(used, simulated_mm, 0.0).astype(np.float64)

    def mean(values: Array) -> Array:
        total: Array = values.sum(axis=0)
        return np.divide(total, n_days, where=enough, out=np.full(total.shape, np.nan))

    def ratio(above: Array, below: Array) -> Array:
        return np.divide(above, below, where=below > 0, out=np.full(above.shape, np.nan))

    error = simulated - observed
    mean_square, bias = mean(error**2), mean(error)
    about_observed = np.where(used, observed - mean(observed), 0.0)
    about_simulated = np.where(used, simulated - mean(simulated), 0.0)
    variance, variance_simulated = mean(about_observed**2), mean(about_simulated**2)
    covariance = mean(about_observed * about_simulated)
    return StationErrors(
        n_days, np.sqrt(mean_square), bias,
        ratio(covariance, np.sqrt(variance * variance_simulated)), 1 - ratio(mean_square, variance),
    )


def cell_sigma_mm(
    station_rmse_mm: Array,
    site_distance_km: Array,
    target_distance_km: Array,
    *,
    length_km: float,
    noise_ratio: float,
) -> Array:
    """Error of the simulated displacement of every cell, from the errors measured at stations.

    The logarithm of the root-mean-square errors is kriged about its mean m. For a log-normal
    error the expected mean square at a cell is exp(2 m(cell) + 2 v(cell)), with v the kriging
    variance plus the scatter from station to station; its root is returned. Far from all stations
    it is the root-mean-square over stations.

    Parameters
    ----------
    station_rmse_mm : array (n_stations,)
        NaN where a station has no score. It holds the noise of the observations too, so that the
        result errs on the safe side.
    site_distance_km : array (n_stations, n_stations)
    target_distance_km : array (n_stations, n_cells)
    length_km, noise_ratio : float
        Correlation length of the logarithm, and its station-to-station scatter over its smooth
        part, as variances.

    Raises
    ------
    ContractError
        No station has a score, or one is not positive.
    """
    scored = station_rmse_mm[np.isfinite(station_rmse_mm)]
    if scored.size == 0 or (scored <= 0).any():
        raise ContractError("no usable station error", where="cell_sigma_mm",
                            expected="at least one positive RMSE", got=str(scored.tolist()))
    centre, total_variance = np.log(scored).mean(), np.log(scored).var()
    anomaly, relative_variance = simple_kriging(
        np.log(station_rmse_mm) - centre, site_distance_km, target_distance_km,
        length_km=length_km, noise_ratio=noise_ratio,
    )
    smooth = total_variance / (1.0 + noise_ratio)
    sigma: Array = np.exp(centre + anomaly + smooth * (relative_variance + noise_ratio))
    return sigma
