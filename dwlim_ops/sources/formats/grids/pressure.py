"""Surface pressure of a model's ground brought to the height of our cells."""

from typing import Final

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.sparse import csr_array

Array = NDArray[np.float64]

STANDARD_GRAVITY_M_S2: Final = 9.80665
DRY_AIR_J_KG_K: Final = 287.05287
LAPSE_RATE_K_M: Final = 0.0065
_EXPONENT: Final = STANDARD_GRAVITY_M_S2 / (DRY_AIR_J_KG_K * LAPSE_RATE_K_M)


def reduce_pressure_pa(
    pressure_pa: ArrayLike, temperature_k: ArrayLike, height_m: ArrayLike,
    target_height_m: ArrayLike,
) -> Array:
    """Pressure at `target_height_m` from that at `height_m`; all broadcast.

    p(h') = p(h) (1 - L (h' - h) / T)^(g / (R L)), with L = 6.5 K/km, the hypsometric equation
    for a constant lapse rate (ICAO Doc 7488). Heights are geopotential; at 5 km a geometric
    height differs by 4 m, which is 0.05 % of the pressure.

    Parameters
    ----------
    pressure_pa, temperature_k : array_like
        At `height_m`, Pa and K.
    height_m, target_height_m : array_like

    >>> float(reduce_pressure_pa(101325.0, 288.15, 0.0, 5000.0).round(0))
    54020.0
    """
    temperature = np.asarray(temperature_k, float)
    rise = np.asarray(target_height_m, float) - np.asarray(height_m, float)
    above = np.maximum(temperature - LAPSE_RATE_K_M * rise, 1.0)
    reduced: Array = np.asarray(pressure_pa, float) * (above / temperature) ** _EXPONENT
    return reduced


def cell_pressure_pa(
    pressure_pa: Array, temperature_k: Array, height_m: Array, shares: csr_array,
    cell_height_m: Array, *, minimum_share: float,
) -> Array:
    """Area mean of each cell, every grid point first reduced to the cell's height.

    Parameters
    ----------
    pressure_pa, temperature_k : ndarray (time, lat, lon)
        At the model's ground.
    height_m : ndarray (lat, lon)
        Of the model's ground.
    shares : csr_array (cell, lat * lon)
        Of `overlap_shares`.
    cell_height_m : ndarray (cell,)
    minimum_share : float
        Least part of the cell's area with a value.

    Returns
    -------
    ndarray (time, cell)
    """
    owner = np.repeat(np.arange(shares.shape[0]), np.diff(shares.indptr))
    point, share, n_cells = shares.indices, shares.data, shares.shape[0]
    ground = height_m.ravel()[point]
    means = np.full((len(pressure_pa), n_cells), np.nan)
    for day, (pressure, temperature) in enumerate(zip(pressure_pa, temperature_k, strict=True)):
        reduced = reduce_pressure_pa(pressure.ravel()[point], temperature.ravel()[point], ground,
                                     cell_height_m[owner])
        present = np.isfinite(reduced)
        covered = np.bincount(owner[present], share[present], n_cells)
        total = np.bincount(owner[present], (share * reduced)[present], n_cells)
        enough = covered >= max(minimum_share - 1e-9, 1e-9)
        np.divide(total, covered, out=means[day], where=enough)
    return means
