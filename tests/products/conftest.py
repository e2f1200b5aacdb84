from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime

import numpy as np
import pytest
from shapely.geometry import Polygon

from dwlim_ops.geometry import Basins, Grid, cell_area_km2, make_grid
from dwlim_ops.products.contents import (
    InputUsed,
    MethodResult,
    Provenance,
    SimulatedTable,
    StationTable,
)
from dwlim_ops.products.daily import DayProduct, build
from dwlim_ops.products.standing import AnomalyField, percentile_of


@dataclass(frozen=True)
class Region:
    outline: Polygon
    grid: Grid
    basins: Basins
    stations: StationTable
    simulated: SimulatedTable
    provenance: Provenance

    def result(self, method: str, twsa_mm: float | np.ndarray) -> MethodResult:
        n_cells = int(self.grid.domain.sum())
        return MethodResult(method, np.broadcast_to(twsa_mm, (n_cells,)).astype(float),
                            np.full(n_cells, 20.0), np.full(n_cells, 250.0), 0.01, 1.4, 30)

    def both(self) -> list[MethodResult]:
        lon, lat = self.grid.cells
        wave = 80.0 * np.sin(lon) * np.cos(lat)
        return [self.result("tragnss", wave), self.result("dwlim", wave + 5.0)]

    def anomaly(self) -> AnomalyField:
        """Standing of `dwlim`: the value itself over 40 mm."""
        standardized = self.both()[1].twsa_mm / 40.0
        return AnomalyField(standardized, percentile_of(standardized, 4.0), "dwlim",
                            "2010-01-01/2016-12-31", 2, "Student's t")

    def product(self, anomaly: AnomalyField | None = None, **changes: object) -> DayProduct:
        return build(self.grid, self.both(), self.stations, self.simulated,
                     replace(self.provenance, **changes), anomaly=anomaly)


def _stations() -> StationTable:
    lon, lat = (a.ravel() for a in np.meshgrid(np.arange(120.5, 126, 1.0), np.arange(-29.5, -25)))
    n = lon.size
    return StationTable(
        tuple(f"S{i:03d}" for i in range(n)), lon, lat, np.linspace(-5, 5, n), np.full(n, 3.0),
        {"tragnss": np.full(n, 0.5), "dwlim": np.full(n, -0.5)}, np.zeros(n, np.uint8),
        tuple("swelling aquifer (é)" if i == 4 else "" for i in range(n)))


def _basins(grid: Grid) -> Basins:
    lon, lat = grid.cells
    area = cell_area_km2(lat, grid.spacing_deg) * grid.land
    weight = np.stack([area * (lon < 123.0), area * (lon > 123.0)])
    return Basins(("7", "12"), ("West River", "East Plain"), weight / weight.sum(1, keepdims=True))


@pytest.fixture(scope="session")
def region() -> Region:
    outline = Polygon([(120, -30), (126, -30), (126, -25), (120, -25)])
    grid = make_grid(outline, 0.5, 1.0)
    three = (np.full(3, v) for v in (2.0, 4.0, 0.3, -0.1))
    simulated = SimulatedTable(np.array([121.0, 122, 123]), np.array([-27.0, -27, -27]), *three)
    provenance = Provenance(
        "twsa_toy_20170601_r01", "toy", "Toyland", date(2017, 6, 1), "era5t", 1,
        datetime(2017, 6, 3, 6, tzinfo=UTC),
        (InputUsed("ngl", "final", date(2017, 6, 1), 2.25),
         InputUsed("era5", "era5t", date(2017, 5, 31), 3.25)),
        "bundle-1", "c" * 64, "d" * 64, date(2010, 1, 1), date(2016, 12, 31),
        ("Blewitt et al. 2018", "Hersbach et al. 2020"), "CC-BY-4.0", "dwlim")
    return Region(outline, grid, _basins(grid), _stations(), simulated, provenance)


@pytest.fixture
def broken(region: Region) -> Callable[[str, float], DayProduct]:
    """A good product with one variable set to a value on every land cell."""

    def make(name: str, value: float) -> DayProduct:
        product = region.product()
        root = product.root.copy(deep=True)
        root[name] = root[name].where(np.isnan(root[name]), value).assign_attrs(root[name].attrs)
        return DayProduct(root, product.stations, product.simulated_cells)

    return make
