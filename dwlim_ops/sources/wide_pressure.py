"""Surface pressure of all land, two degrees wide: for loading by our own Green's functions."""

from functools import cache
from importlib import resources

import numpy as np
from numpy.typing import NDArray

from dwlim_ops.sources.ecmwf_open import EcmwfOpen
from dwlim_ops.sources.formats.grids.regrid import Cells
from dwlim_ops.sources.http import Client

Array = NDArray[np.float64]
SPACING_DEG = 2.0


@cache
def land_share() -> tuple[Array, Array, Array]:
    """Centres of the cells of two degrees and their share of land, shapes (lon,), (lat,) and
    (lat, lon).

    Counted from the land cells of half a degree of the Xanthos basins (see `land_2deg.md`), which
    leave out Antarctica.
    """
    path = resources.files("dwlim_ops.sources") / "land_2deg.csv"
    share = np.loadtxt(path.read_text().splitlines(), delimiter=",") / 16.0
    longitude = np.arange(-180.0 + SPACING_DEG / 2, 180.0, SPACING_DEG)
    latitude = np.arange(-90.0 + SPACING_DEG / 2, 90.0, SPACING_DEG)
    return longitude, latitude, share


def land_cells() -> Cells:
    """Cells of two degrees that have land, in the order of `atmospheric_loading.land_grid`."""
    longitude, latitude, share = land_share()
    row, column = np.nonzero(share > 0)
    return Cells(longitude[column], latitude[row], SPACING_DEG, np.zeros(row.size))


class WidePressure(EcmwfOpen):
    """The open data of ECMWF on all land: `pressure_pa` at the height of the model's ground."""

    name = "wide_pressure"
    _reduced = False

    def __init__(self, http: Client) -> None:
        super().__init__(http, cells=land_cells())
