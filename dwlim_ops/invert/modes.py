"""Modes of a network: coordinates in which the stations' view of the water is uncorrelated.

With S = G P G' = U D U' a load field x of covariance P is seen by the stations as U D^(1/2) z,
with z = D^(-1/2) U' G x of unit covariance, and the best estimate of x from z is

    x = P G' U D^(-1/2) z .

Modes with the smallest D together carry less than a thousandth of the variance that the stations
see; they are left out.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from dwlim_ops.errors import ContractError
from dwlim_ops.invert.daily import MAXIMUM_RESOLUTION_KM, Inversion

Array = NDArray[np.float64]

#: Share of the variance at the stations that the kept modes carry.
KEPT_SHARE: Final = 0.999


@dataclass(frozen=True, eq=False)
class SpatialModes:
    """r modes of m stations, of a load with unit mean variance over the wanted cells.

    Attributes
    ----------
    loading : (m, r)
        Displacement of each station by each mode, mm for 1 mm of water.
    water : (n, r)
        Water of each cell or functional by each mode.
    prior_variance : (n,)
        Of the water, before any data.
    seen : (r, n) or None
        Modes of a unit load in each cell, D^(-1/2) U' G; None for functionals.
    cell_area_km2 : (n,) or None
    """

    loading: Array
    water: Array
    prior_variance: Array
    seen: Array | None
    cell_area_km2: Array | None

    def mean(self, modes: Array) -> Array:
        """Water storage (..., n) of modes (..., r), mm."""
        water: Array = modes @ self.water.T
        return water

    def sigma(self, covariance: Array, prior: float) -> Array:
        """Standard deviation of the water (n,), mm.

        Parameters
        ----------
        covariance : ndarray (r, r)
            Posterior covariance of the modes.
        prior : float
            Prior variance of the water of a cell of unit variance, mm^2.
        """
        gained = prior * np.eye(len(covariance)) - covariance
        explained = np.einsum("ij,ij->i", self.water @ gained, self.water)
        return np.sqrt(np.maximum(prior * self.prior_variance - explained, 0.0))

    def resolution_km(self, covariance: Array, prior: float) -> Array:
        """Side of the area over which a cell's estimate averages, see `invert.daily`; (n,)."""
        if self.seen is None or self.cell_area_km2 is None:
            return np.full(len(self.water), np.nan)
        share = np.eye(len(covariance)) - covariance / prior
        resolution = np.einsum("ij,ji->i", self.water @ share, self.seen)
        smallest = self.cell_area_km2 / MAXIMUM_RESOLUTION_KM**2
        return np.sqrt(self.cell_area_km2 / np.maximum(resolution, smallest))


def spatial_modes(inversion: Inversion, wanted: NDArray[np.bool_], of_basins: Inversion, *,
                  kept_share: float = KEPT_SHARE) -> tuple[SpatialModes, SpatialModes]:
    """Modes of the cells and, in the same coordinates, of the basins.

    Parameters
    ----------
    inversion : Inversion
        From `invert.daily.prepare`, of the stations.
    wanted : ndarray of bool (n_cells,)
        Cells whose mean prior variance becomes one: the published land.
    of_basins : Inversion
        From `invert.daily.project` of the same.
    kept_share : float
        Share of the variance at the stations that the kept modes carry.

    Raises
    ------
    ContractError
        The inversion has no design (it is a projection), or no cell is wanted.
    """
    if inversion.design is None or inversion.cell_area_km2 is None or not wanted.any():
        raise ContractError("modes need cells", where="spatial_modes",
                            expected="an inversion of cells, some of them wanted",
                            got=f"{int(wanted.sum())} wanted")
    unit = float(inversion.prior_variance[wanted].mean())
    root, vectors = _leading(inversion.data_covariance / unit, kept_share)
    loading, inverse = vectors * root, vectors / root
    return (
        SpatialModes(loading, (inversion.influence / unit).T @ inverse,
                     inversion.prior_variance / unit, inverse.T @ inversion.design,
                     inversion.cell_area_km2),
        SpatialModes(loading, (of_basins.influence / unit).T @ inverse,
                     of_basins.prior_variance / unit, None, None))


def noise_modes(inversion: Inversion, *, kept_share: float = KEPT_SHARE) -> Array:
    """Modes (m, r) of a noise that looks like a load at the stations, 1 mm there on average."""
    covariance = inversion.data_covariance
    root, vectors = _leading(covariance / np.diag(covariance).mean(), kept_share)
    return vectors * root


def _leading(covariance: Array, kept_share: float) -> tuple[Array, Array]:
    """Square roots of the largest eigenvalues (r,), and their vectors (m, r)."""
    values, vectors = np.linalg.eigh(covariance)
    values, vectors = values[::-1], _signed(vectors[:, ::-1])
    kept = int(np.searchsorted(np.cumsum(values) / values.sum(), kept_share)) + 1
    return np.sqrt(values[:kept]), vectors[:, :kept]


def _signed(vectors: Array) -> Array:
    """Eigenvectors with the largest component positive: their sign does not depend on LAPACK."""
    largest = np.abs(vectors).argmax(axis=0)
    signed: Array = vectors * np.sign(vectors[largest, np.arange(vectors.shape[1])])
    return signed
