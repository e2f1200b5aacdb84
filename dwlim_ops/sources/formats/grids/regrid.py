"""From a provider's regular grid to the region's cells, by the areas that they share.

Own code rather than xarray-regrid or exactextract: the cells are a set, not a grid; the weights
of each pair of point and cell are needed to bring pressure to the cell's height; and both
libraries bring further dependencies for what is one product of two overlaps.
"""

from dataclasses import dataclass, field
from typing import Final

import numpy as np
import xarray as xr
from numpy.typing import NDArray
from scipy.sparse import csr_array

from dwlim_ops.errors import ConfigError, MalformedInputError
from dwlim_ops.geometry import wrap_longitude_deg

Array = NDArray[np.float64]

MINIMUM_SHARE: Final = 0.5
_TOLERANCE_DEG: Final = 1e-3


@dataclass(frozen=True, eq=False)
class Cells:
    """The cells of a region.

    Parameters
    ----------
    longitude_deg, latitude_deg : ndarray (cell,)
        Centres.
    cell_deg : float
        Width and height of each cell.
    height_m : ndarray (cell,)
        Mean height of the ground above sea level.
    """

    longitude_deg: Array
    latitude_deg: Array
    cell_deg: float
    height_m: Array

    def __post_init__(self) -> None:
        shapes = {self.longitude_deg.shape, self.latitude_deg.shape, self.height_m.shape}
        finite = all(np.isfinite(a).all()
                     for a in (self.longitude_deg, self.latitude_deg, self.height_m))
        if len(shapes) != 1 or self.longitude_deg.ndim != 1 or not finite or self.cell_deg <= 0:
            raise ConfigError("cells without place, size or height", where="cells",
                              expected="finite arrays (cell,) of one length", got=str(shapes))

    @property
    def bounds_deg(self) -> tuple[float, float, float, float]:
        """North, west, south and east edge of all cells; east may exceed 180."""
        half = self.cell_deg / 2
        longitude = np.unique(wrap_longitude_deg(self.longitude_deg))
        gaps = np.diff(longitude, append=longitude[0] + 360.0)
        widest = int(np.argmax(gaps))
        west = float(longitude[(widest + 1) % longitude.size])
        east = west + 360.0 - float(gaps[widest])
        north = min(90.0, float(self.latitude_deg.max()) + half)
        south = max(-90.0, float(self.latitude_deg.min()) - half)
        return north, west - half, south, min(east + half, west - half + 360.0)


@dataclass(frozen=True)
class Regridder:
    """Weights of a set of cells, computed once for each grid and kept."""

    cells: Cells
    _kept: dict[tuple[bytes, bytes], csr_array] = field(default_factory=dict, repr=False)

    def weights(self, grid: xr.Dataset, *, where: str) -> csr_array:
        """Share of each cell that each grid point stands for; see `overlap_shares`."""
        lon, lat = grid["lon"].values, grid["lat"].values
        key = (lon.tobytes(), lat.tobytes())
        if key not in self._kept:
            self._kept[key] = overlap_shares(lon, lat, self.cells, where=where)
        return self._kept[key]


def overlap_shares(
    longitude_deg: Array, latitude_deg: Array, cells: Cells, *, where: str
) -> csr_array:
    """Area shared by each cell and the box around each grid point, over the area of the cell.

    The box reaches half a step to each side, whether the provider calls its points nodes or
    centres; at the poles it ends at 90 deg. On the sphere,
    share = (width of the common longitudes) (difference of sin latitude) / (the same of the cell).

    Parameters
    ----------
    longitude_deg, latitude_deg : ndarray (lon,), (lat,)
        Regular axes, ascending, as `normalise_grid` gives them; the longitudes may have one gap,
        where a grid across the date line was put in order.
    cells : Cells
    where : str
        Name of the file, for messages.

    Returns
    -------
    scipy.sparse.csr_array (cell, lat * lon)
        Rows sum to one where the grid covers the cell.

    Raises
    ------
    MalformedInputError
        An axis is not regular.
    """
    half_lon = _step(longitude_deg, where, one_gap=True) / 2
    half_lat = _step(latitude_deg, where, one_gap=False) / 2
    half = cells.cell_deg / 2
    offset = wrap_longitude_deg(longitude_deg[None, :] - cells.longitude_deg[:, None])
    wide = np.minimum(offset + half_lon, half) - np.maximum(offset - half_lon, -half)
    cell_edges = [np.sin(np.radians(np.clip(cells.latitude_deg + side, -90, 90)))
                  for side in (-half, half)]
    grid_edges = [np.sin(np.radians(np.clip(latitude_deg + side, -90, 90)))
                  for side in (-half_lat, half_lat)]
    high = (np.minimum(grid_edges[1], cell_edges[1][:, None])
            - np.maximum(grid_edges[0], cell_edges[0][:, None]))
    area = cells.cell_deg * (cell_edges[1] - cell_edges[0])
    rows = []
    for cell in range(area.size):
        across, up = np.flatnonzero(wide[cell] > 1e-9), np.flatnonzero(high[cell] > 1e-12)
        share = np.outer(high[cell, up], wide[cell, across]) / area[cell]
        rows.append((share.ravel(), (up[:, None] * longitude_deg.size + across).ravel()))
    data, columns = (np.concatenate([row[part] for row in rows]) for part in (0, 1))
    pointers = np.concatenate([[0], np.cumsum([row[0].size for row in rows])])
    return csr_array((data, columns, pointers),
                     shape=(area.size, latitude_deg.size * longitude_deg.size))


def _step(axis: Array, where: str, *, one_gap: bool) -> float:
    steps = np.diff(axis)
    step = float(np.median(steps)) if steps.size else 0.0
    odd = np.abs(steps - step) > _TOLERANCE_DEG
    if step <= 0 or odd.sum() > (1 if one_gap else 0) or (steps[odd] < step).any():
        raise MalformedInputError(
            "grid is not regular", where=where, expected="at least two equal steps per axis",
            got=f"{axis.size} values with steps {np.unique(steps.round(4))[:5].tolist()}",
            remedy="give a regular latitude-longitude grid that covers the region")
    return step


def cell_means(
    values: NDArray[np.floating], shares: csr_array, *, minimum_share: float = MINIMUM_SHARE
) -> Array:
    """Area mean of each cell over the points that have a value.

    Parameters
    ----------
    values : ndarray (time, lat, lon)
        NaN where absent, such as sea in GLDAS.
    shares : csr_array (cell, lat * lon)
        Of `overlap_shares`.
    minimum_share : float
        Least part of the cell's area with a value; below it the mean is NaN.

    Returns
    -------
    ndarray (time, cell)
    """
    flat = values.reshape(len(values), -1).astype(float)
    present = np.isfinite(flat)
    return _weighted(shares, np.where(present, flat, 0.0), present, minimum_share)


def _weighted(shares: csr_array, filled: Array, present: NDArray[np.bool_],
              minimum_share: float) -> Array:
    covered = (shares @ present.T.astype(float)).T
    total = (shares @ filled.T).T
    enough = covered >= max(minimum_share - 1e-9, 1e-9)
    return np.divide(total, covered, out=np.full(total.shape, np.nan), where=enough)
