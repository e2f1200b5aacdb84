"""A region as the stages see it: grid of unknown loads, published land, cells, basins."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from shapely.geometry.base import BaseGeometry

from dwlim_ops import config as configuration
from dwlim_ops.geometry import Basins, Grid, distance_deg, make_grid, read_basins, read_outline

Array = NDArray[np.float64]


@dataclass(frozen=True)
class RegionGeometry:
    """Everything that follows from outline, basins and spacings.

    `grid` carries the unknown loads (0.25 deg, widened); `cells` are the centres of the 1 deg
    land cells that hold a station or are simulated, longitude and latitude, shape (n_cells,).
    """

    outline: BaseGeometry
    grid: Grid
    cell_grid: Grid
    basins: Basins

    @property
    def cells(self) -> tuple[Array, Array]:
        """Longitude and latitude of the simulated cells' centres."""
        return self.cell_grid.cells

    def cell_of(self, longitude_deg: Array, latitude_deg: Array) -> NDArray[np.intp]:
        """Index of the nearest cell centre for each point."""
        distance = distance_deg(longitude_deg, latitude_deg, *self.cells)
        nearest: NDArray[np.intp] = distance.argmin(axis=1)
        return nearest

    def holding_cell(self, longitude_deg: Array, latitude_deg: Array) -> NDArray[np.intp]:
        """Index of the cell that contains each point, -1 where it lies in none."""
        nearest = self.cell_of(longitude_deg, latitude_deg)
        lon, lat = self.cells
        half = self.cell_grid.spacing_deg / 2
        inside = ((np.abs(lon[nearest] - longitude_deg) <= half)
                  & (np.abs(lat[nearest] - latitude_deg) <= half))
        return np.where(inside, nearest, -1)

    def distance_outside_deg(self, longitude_deg: Array, latitude_deg: Array) -> Array:
        """Distance from each point to the nearest cell of the domain's land, degrees."""
        lon, lat = self.grid.cells
        land = self.grid.land
        half_diagonal = self.grid.spacing_deg / np.sqrt(2)
        distance = distance_deg(longitude_deg, latitude_deg, lon[land], lat[land]).min(axis=1)
        return np.maximum(distance - half_diagonal, 0.0)


def load_region(region: configuration.Region, root: Path) -> RegionGeometry:
    """Build the geometry of a region; relative paths start at `root`.

    Raises
    ------
    ConfigError
        An outline or basin file cannot be served.
    """
    outline = read_outline(root / region.outline)
    grid = make_grid(outline, region.grid_deg, region.widen_deg)
    return RegionGeometry(outline, grid, make_grid(outline, region.cell_deg, 0.0),
                          read_basins(root / region.basins, grid))
