"""Displacement by air pressure from our own Green's functions: NTAL when its service is down.

A pressure anomaly p over land weighs as much as the height p / (rho_w g) of water, and the ground
goes down under it. Over the sea there is no load: the water gives way (inverted barometer). Each
cell is the disk of the same area; the frame of the displacement sets its degree 1 (`invert.love`).
Not modelled: the uniform pressure that the displaced water leaves on the sea floor (0.13 mm of up
per hPa), atmospheric tides, and topography within a cell.

Loads outside the grid are lost. Share of the standard deviation that is lost at a station when the
grid is a box that ends at a margin from it, with real coasts and a smooth random pressure of
correlation exp(-(d / 1500 km)^2); range of Alice Springs, Kunming, Denver and, highest, Perth:

========== ============ ============
margin deg frame CF     frame CM
========== ============ ============
2          52 to 61 %   62 to 70 %
5          29 to 38 %   38 to 54 %
10         13 to 27 %   23 to 45 %
15         10 to 22 %   20 to 40 %
20         9 to 21 %    18 to 36 %
30         8 to 20 %    14 to 34 %
60         7 to 18 %    13 to 31 %
========== ============ ============

For 6 hPa everywhere the displacement is 1.5 to 3.1 mm (CF), and 20 degrees lose 0.3 mm of it; the
rest decays slowly, since it is the response to whole continents (and, in CM, to degree 1): use a
global grid, which 2 degrees resolve, or margins of at least 20 degrees and CF.
"""

from typing import Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from dwlim_ops.errors import ContractError
from dwlim_ops.geometry import Grid, wrap_longitude_deg
from dwlim_ops.invert.design import design_matrix
from dwlim_ops.invert.greens import GRAVITY_M_S2, WATER_DENSITY_KG_M3
from dwlim_ops.invert.love import Frame

Array = NDArray[np.float64]

#: Millimetres of water that weigh as much as one pascal.
WATER_MM_PER_PA: Final = 1000.0 / (WATER_DENSITY_KG_M3 * GRAVITY_M_S2)
#: Cells within so many spacings of a point are split into so many parts in each direction.
_NEAR_CELLS, _PARTS = 3, 10


def land_grid(longitude_deg: ArrayLike, latitude_deg: ArrayLike, land_share: ArrayLike) -> Grid:
    """The loading cells of a pressure grid: those with land.

    Parameters
    ----------
    longitude_deg, latitude_deg : array_like
        Centres of the cells, ascending, of one spacing in both directions.
    land_share : array_like
        Share of each cell that is land, 0 to 1, shape (lat, lon). Nodes at a pole have no cell.

    Raises
    ------
    ContractError
        Not a regular grid, or a share of another shape or range.

    Examples
    --------
    >>> land_grid([0.5, 1.5], [0.5, 1.5], [[1.0, 0.0], [0.25, 0.0]]).cells[1].tolist()
    [0.5, 1.5]
    """
    longitude, latitude = (np.asarray(axis, float) for axis in (longitude_deg, latitude_deg))
    share = np.asarray(land_share, float)
    steps = np.concatenate([np.diff(longitude), np.diff(latitude)])
    if not steps.size or not np.allclose(steps, steps[0], rtol=0, atol=1e-4) or steps[0] <= 0:
        raise ContractError("not a regular grid", where="land_grid",
                            expected="ascending axes of one spacing", got=f"steps {steps[:3]}")
    fair = share.shape == (latitude.size, longitude.size) and ((share >= 0) & (share <= 1)).all()
    if not fair:
        raise ContractError("not a share of land", where="land_grid", got=str(share.shape),
                            expected=f"0 to 1, shape {(latitude.size, longitude.size)}")
    spacing = float(np.median(steps))
    whole = np.abs(latitude) + spacing / 2.0 <= 90.0 + 1e-6
    return Grid(wrap_longitude_deg(longitude), latitude, spacing, share,
                (share > 0) & whole[:, None])


def atmospheric_loading_up_mm(
    pressure_pa: Array, grid: Grid, longitude_deg: ArrayLike, latitude_deg: ArrayLike, *,
    reference: NDArray[np.bool_], frame: Frame,
) -> Array:
    """Up displacement at points by the anomaly of surface pressure.

    Parameters
    ----------
    pressure_pa : ndarray (time, n_cells)
        Surface pressure of the grid's cells (`map[:, grid.domain]`), not reduced to sea level.
    grid : geometry.Grid
        From `land_grid`, or the region's own; each cell counts with its share of land.
    longitude_deg, latitude_deg : array_like
        Points, shape (m,).
    reference : ndarray (time,) of bool
        Times whose mean pressure is the zero.
    frame : {"cf", "cm", "ce"}
        Frame of the displacement.

    Returns
    -------
    ndarray (time, m)
        mm, positive for uplift, so negative under high pressure. NaN at a time with an absent
        pressure.

    Raises
    ------
    ContractError
        Shapes that do not fit, or no reference time.
    """
    n_cells = int(grid.domain.sum())
    if pressure_pa.ndim != 2 or pressure_pa.shape[1] != n_cells \
            or reference.shape != pressure_pa.shape[:1]:
        raise ContractError(
            "pressure does not fit the grid", where="atmospheric_loading_up_mm",
            expected=f"(time, {n_cells}) and a reference of (time,)",
            got=f"{pressure_pa.shape} and {reference.shape}")
    known = reference & np.isfinite(pressure_pa).all(axis=1)
    if not known.any():
        raise ContractError("no time to refer the pressure to", where="atmospheric_loading_up_mm",
                            expected="a time with pressure in every cell")
    # Displacement is linear in pressure: that of the mean pressure is the mean displacement, and
    # no second array of all cells and times is needed.
    water_mm_per_pa = grid.land_fraction[grid.domain] * WATER_MM_PER_PA
    responses = _responses(longitude_deg, latitude_deg, grid, frame) * water_mm_per_pa
    up_mm: Array = pressure_pa @ responses.T
    return up_mm - up_mm[known].mean(axis=0)


def _responses(longitude_deg: ArrayLike, latitude_deg: ArrayLike, grid: Grid, frame: Frame
               ) -> Array:
    """`design_matrix` with the cells around each point split: whole disks leave gaps there.

    Without it a point misses up to 6 % of a wide load on 2 degree cells; so it is 1 %.
    """
    longitude, latitude = (np.atleast_1d(np.asarray(axis, float))
                           for axis in (longitude_deg, latitude_deg))
    responses = design_matrix(longitude, latitude, grid, frame=frame)
    reach = (_NEAR_CELLS + 0.1) * grid.spacing_deg
    east = wrap_longitude_deg(grid.cells[0] - longitude[:, None])
    north = grid.cells[1] - latitude[:, None]
    for point, near in enumerate((np.abs(east) <= reach) & (np.abs(north) <= reach)):
        if near.any():
            columns, column = np.unique(east[point, near].round(6), return_inverse=True)
            rows, row = np.unique(grid.cells[1][near], return_inverse=True)
            number = np.full((rows.size, columns.size), -1)
            number[row, column] = np.flatnonzero(near)
            fine = number.repeat(_PARTS, axis=0).repeat(_PARTS, axis=1)
            parts = Grid(_split(columns, grid.spacing_deg), _split(rows, grid.spacing_deg),
                         grid.spacing_deg / _PARTS, np.ones(fine.shape), fine >= 0)
            split = design_matrix([0.0], latitude[[point]], parts, frame=frame)[0]
            total = np.bincount(fine[fine >= 0], weights=split, minlength=near.size)
            responses[point, near] = total[near]
    return responses


def _split(centres: Array, spacing_deg: float) -> Array:
    """Centres of the parts of neighbouring cells."""
    offsets = ((np.arange(_PARTS) + 0.5) / _PARTS - 0.5) * spacing_deg
    return (centres[:, None] + offsets).ravel()
