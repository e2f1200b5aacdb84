from dataclasses import dataclass

import numpy as np
import pytest
from numpy.typing import NDArray

from dwlim_ops import geometry
from dwlim_ops.invert import daily, design
from dwlim_ops.invert.smoothness import Smoothness


@dataclass(frozen=True)
class Small:
    """An inversion small enough to solve by dense normal equations."""

    grid: geometry.Grid
    longitude_deg: NDArray[np.float64]
    latitude_deg: NDArray[np.float64]
    design: NDArray[np.float64]
    laplacian: NDArray[np.float64]
    inversion: daily.Inversion


def irregular_domain() -> NDArray[np.bool_]:
    domain = np.ones((7, 9), dtype=bool)
    domain[0, :3] = domain[6, 5:] = domain[2, 4] = domain[3:5, 8] = False
    return domain


@pytest.fixture(scope="session")
def small() -> Small:
    domain = irregular_domain()
    grid = geometry.Grid(
        130.25 + 0.5 * np.arange(9), -24.75 + 0.5 * np.arange(7), 0.5, domain.astype(float), domain
    )
    rng = np.random.default_rng(3)
    longitude, latitude = rng.uniform(130.2, 134.2, 12), rng.uniform(-24.8, -21.8, 12)
    matrix = design.design_matrix(longitude, latitude, grid, frame="cf")
    smoothness = Smoothness(domain)
    area = geometry.cell_area_km2(grid.cells[1], grid.spacing_deg)
    return Small(
        grid, longitude, latitude, matrix, dense_laplacian(domain),
        daily.prepare(matrix, smoothness, area),
    )


def dense_laplacian(domain: NDArray[np.bool_]) -> NDArray[np.float64]:
    """The stencil written out cell by cell."""
    cells = [tuple(cell) for cell in np.argwhere(domain)]
    matrix = np.zeros((len(cells), len(cells)))
    for i, (row, column) in enumerate(cells):
        for j, other in enumerate(cells):
            distance = abs(row - other[0]) + abs(column - other[1])
            matrix[i, j] = {0: 4.0, 1: -1.0}.get(int(distance), 0.0)
    return matrix
