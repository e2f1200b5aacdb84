"""The inversions that are timed: Australia, and a box as large as China."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import shapely
from numpy.typing import NDArray

from dwlim_ops.geometry import Grid, cell_area_km2, make_grid
from dwlim_ops.invert.daily import Inversion, prepare, project
from dwlim_ops.invert.design import design_matrix
from dwlim_ops.invert.smoothness import Smoothness
from dwlim_ops.region import RegionGeometry

Array = NDArray[np.float64]

BETA = 0.1


@dataclass(frozen=True, eq=False)
class Problem:
    """Points of which the first `n_stations` come and go, and the cells of a grid."""

    name: str
    grid: Grid
    longitude_deg: Array
    latitude_deg: Array
    n_stations: int

    @property
    def n_points(self) -> int:
        return self.longitude_deg.size

    @property
    def n_cells(self) -> int:
        return int(self.grid.domain.sum())

    @property
    def size(self) -> str:
        return f"{self.name}, {self.n_points} points, {self.n_cells:,} cells"

    @cached_property
    def design(self) -> Array:
        return design_matrix(self.longitude_deg, self.latitude_deg, self.grid, frame="cf")

    @cached_property
    def area_km2(self) -> Array:
        return cell_area_km2(self.grid.cells[1], self.grid.spacing_deg)

    @cached_property
    def inversion(self) -> Inversion:
        return prepare(self.design, Smoothness(self.grid.domain), self.area_km2)

    @cached_property
    def of_basins(self) -> Inversion:
        """Ten basins: strips of equal numbers of cells from west to east."""
        order = self.grid.cells[0].argsort(kind="stable").argsort()
        member = 10 * order // self.n_cells == np.arange(10)[:, None]
        return project(self.inversion, member / member.sum(axis=1, keepdims=True))

    def day(self) -> tuple[Array, Array]:
        """Displacement and errors of one day, mm, with a tenth of the stations missing."""
        up, sigma = self.days(1)
        return up[0], sigma

    def days(self, n_days: int) -> tuple[Array, Array]:
        """The same for days on each of which other stations are missing."""
        random = np.random.default_rng(3)
        up = random.normal(0.0, 5.0, (n_days, self.n_points))
        rank = random.random((n_days, self.n_stations)).argsort(axis=1).argsort(axis=1)
        up[:, :self.n_stations][rank < self.n_stations // 10] = np.nan
        return up, random.uniform(2.0, 5.0, self.n_points)


def australia(geometry: RegionGeometry, longitude_deg: Array, latitude_deg: Array) -> Problem:
    """The stations of the sample, then every 1 deg cell."""
    cells = geometry.cells
    return Problem("Australia", geometry.grid, np.concatenate([longitude_deg, cells[0]]),
                   np.concatenate([latitude_deg, cells[1]]), longitude_deg.size)


def china_size() -> Problem:
    """A box with about the land area and the number of unknowns of China."""
    return _random_points("box of China's size", shapely.box(81.0, 20.0, 116.0, 50.0), 995, 263)


def small() -> Problem:
    """A box small enough for dense normal equations."""
    return _random_points("box", shapely.box(100.0, 30.0, 110.0, 38.0), 200, 60)


def _random_points(name: str, outline: shapely.Polygon, n_points: int, n_stations: int) -> Problem:
    random = np.random.default_rng(4)
    west, south, east, north = outline.bounds
    return Problem(name, make_grid(outline, 0.25, 2.0), random.uniform(west, east, n_points),
                   random.uniform(south, north, n_points), n_stations)
