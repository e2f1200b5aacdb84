"""Design matrix: displacement of every point by a unit load in every cell."""

from typing import Final

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.interpolate import CubicSpline

from dwlim_ops import geometry
from dwlim_ops.invert.greens import smooth_part, uniform_part
from dwlim_ops.invert.love import Frame, LoveNumbers, load_love_numbers

Array = NDArray[np.float64]

#: Nodes per radian**0.5 of the tables in sqrt(theta); 600 keeps 1e-6 of the peak with a margin.
NODES_PER_ROOT_RADIAN: Final = 600
#: Within so many disk radii the table cannot follow the disk's edge and the formula is evaluated.
NEAR_RADII: Final = 5.0


def design_matrix(
    point_longitude_deg: ArrayLike,
    point_latitude_deg: ArrayLike,
    grid: geometry.Grid,
    *,
    frame: Frame,
) -> Array:
    """Up displacement of points per unit of water in each cell of the grid's domain.

    Each cell is the disk of the same area at the cell's centre. Its radius depends on the row of
    the grid, so one table per row, in sqrt(theta), is interpolated by cubic splines.

    Parameters
    ----------
    point_longitude_deg, point_latitude_deg : array_like
        Points, shape (m,), degrees.
    grid : geometry.Grid
        Cells are numbered along `grid.domain`.
    frame : {"ce", "cf", "cm"}
        Frame of the displacements, see `load_love_numbers`.

    Returns
    -------
    numpy.ndarray
        Shape (m, n_cells), mm of up per mm of water; within 1e-6 of the peak of the series.
    """
    longitude = np.atleast_1d(np.asarray(point_longitude_deg, float))
    latitude = np.atleast_1d(np.asarray(point_latitude_deg, float))
    cell_longitude, cell_latitude = grid.cells
    love = load_love_numbers(frame)
    rows = np.flatnonzero(grid.domain.any(axis=1))
    radius_deg = geometry.disk_radius_deg(grid.latitude_deg[rows], grid.spacing_deg)
    first_column = np.concatenate([[0], np.cumsum(grid.domain[rows].sum(axis=1))])
    root = _nodes(longitude, latitude, cell_longitude, cell_latitude)
    smooth = smooth_part(root**2, np.radians(radius_deg), love)
    design = np.empty((longitude.size, cell_longitude.size))
    for row, radius in enumerate(radius_deg):
        cells = slice(first_column[row], first_column[row + 1])
        theta = np.radians(geometry.distance_deg(
            longitude, latitude, cell_longitude[cells], cell_latitude[cells]
        ))
        design[:, cells] = _interpolate(theta, radius, root, smooth[row], love)
    return design


def _nodes(lon: Array, lat: Array, cell_lon: Array, cell_lat: Array) -> Array:
    points = geometry.unit_vectors(lon, lat)
    cells = geometry.unit_vectors(cell_lon, cell_lat)
    farthest = np.arccos(np.clip((points @ cells.T).min(initial=1.0), -1.0, 1.0))
    end = np.sqrt(min(farthest + 1e-3, np.pi))
    return np.linspace(0.0, end, 8 + int(np.ceil(NODES_PER_ROOT_RADIAN * end)))


def _interpolate(
    theta: Array, radius_deg: float, root: Array, smooth: Array, love: LoveNumbers
) -> Array:
    whole = smooth + uniform_part(root**2, radius_deg, love)
    value: Array = CubicSpline(root, whole)(np.sqrt(theta))
    near = theta < NEAR_RADII * np.radians(radius_deg)
    near_theta = theta[near]
    value[near] = CubicSpline(root, smooth)(np.sqrt(near_theta)) + uniform_part(
        near_theta, radius_deg, love
    )
    return value
