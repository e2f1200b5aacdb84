"""What the verification report reads beside the estimates: maps of GRACE, loading, rain, places."""

from datetime import date

import numpy as np
import shapely
import xarray as xr
from numpy.typing import NDArray

from dwlim_ops.geometry import cell_area_km2
from dwlim_ops.products.maps import basin_borders
from dwlim_ops.qc.screening import usable
from dwlim_ops.reconcile import Known
from dwlim_ops.regions import region_folder
from dwlim_ops.session import Session
from dwlim_ops.sources.grace import read_grace
from dwlim_ops.verify.drawing import Field, Setting
from dwlim_ops.verify.figures_stations import Stations
from dwlim_ops.verify.grace import in_gap, on_cells
from dwlim_ops.verify.scores import annual_amplitudes

Array = NDArray[np.float64]
Days = NDArray[np.datetime64]


def setting_of(session: Session) -> Setting:
    """Coast and basins of the region."""
    geometry = session.geometry
    rings = shapely.get_parts(shapely.boundary(geometry.outline))
    west, south, east, north = geometry.outline.bounds
    return Setting([shapely.get_coordinates(ring) for ring in rings],
                   basin_borders(geometry.grid, geometry.basins), (west, south, east, north))


def stations_of(known: Known) -> Stations:
    """All stations; used are those with at least one value that serves."""
    checked = known.checked
    return Stations(tuple(checked["station"].values.astype(str)), checked["longitude_deg"].values,
                    checked["latitude_deg"].values, np.asarray(usable(checked).any(axis=0)))


def usable_share_of_months(known: Known) -> tuple[Days, Array]:
    """Middles of the months, and the share of their days that each station has, (M, S)."""
    month = known.checked["time"].values.astype("datetime64[M]")
    months, number = np.unique(month, return_inverse=True)
    good = usable(known.checked)
    sums = np.zeros((months.size, good.shape[1]))
    np.add.at(sums, number, good)
    length = (months + 1).astype("datetime64[D]") - months.astype("datetime64[D]")
    return months.astype("datetime64[D]") + 14, sums / length.astype(float)[:, None]


def field_of(session: Session, values: Array) -> Field:
    """Values of the domain's cells, (n_cells,), on the grid, where there is land."""
    grid = session.geometry.grid
    return Field(grid.longitude_deg, grid.latitude_deg,
                 grid.on_grid(np.where(grid.land, values, np.nan)))


def grace_amplitudes(session: Session, known: Known, first: date, last: date) -> Field | None:
    """Annual amplitude of GRACE within some years on the cells of the region, mm."""
    data = gridded_grace(session, known)
    if data is None:
        return None
    bounds = data["time_bounds"].values.astype("datetime64[D]")
    inside = ((bounds[:, 0] >= np.datetime64(first)) & (bounds[:, 1] <= np.datetime64(last) + 1)
              & ~in_gap(bounds[:, 0], bounds[:, 1]))
    middle = (bounds[:, 0] + (bounds[:, 1] - bounds[:, 0]) // 2)[inside]
    values = on_cells(data, session.geometry.grid)[inside]
    return field_of(session, annual_amplitudes(middle, values))


def gridded_grace(session: Session, known: Known) -> xr.Dataset | None:
    """GRACE of the sample, or of the services as far as it was received."""
    if "grace" in session.feeds:
        return _read(session, known, "grace")
    if session.config.sources.gnss.kind == "sample":
        return read_grace(region_folder(session.config.region.name) / "grace.nc")
    return None


def loading_of(session: Session, known: Known) -> xr.Dataset | None:
    """Modelled loading at the stations of the region; None if none is configured or known."""
    return _read(session, known, "loading") if "loading" in session.feeds else None


def _read(session: Session, known: Known, name: str) -> xr.Dataset | None:
    feed = session.feeds[name]
    by_stream = {source.stream: session.archive.read(
        source, feed.merge, as_of=known.as_of, through=known.newest_granule)
        for source in feed.sources}
    return feed.combine({stream: data for stream, data in by_stream.items() if data is not None})


def basin_shares(session: Session) -> Array:
    """Share of each basin in the area of all, (n_basins,)."""
    grid, basins = session.geometry.grid, session.geometry.basins
    area = cell_area_km2(grid.cells[1], grid.spacing_deg) * grid.land_fraction[grid.domain]
    of_basins = (basins.weight > 0) @ area
    shares: Array = of_basins / of_basins.sum()
    return shares
