"""The product of one day: estimates, uncertainty and quality as one CF dataset with two tables."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import xarray as xr
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from dwlim_ops.contracts import GNSS_FLAGS
from dwlim_ops.errors import ContractError
from dwlim_ops.geometry import EARTH_RADIUS_KM, Grid, unit_vectors
from dwlim_ops.products.attributes import change_rms_mm, global_attributes
from dwlim_ops.products.contents import (
    ALWAYS_PRESENT,
    METHODS,
    Array,
    MethodResult,
    Provenance,
    QualityLimits,
    SimulatedTable,
    StationTable,
)
from dwlim_ops.products.standing import AnomalyField

#: Bits of `quality_flag`; zero is a cell without remark.
QUALITY_FLAGS: Final = {
    "low_resolution": 1,
    "large_uncertainty": 2,
    "no_station_nearby": 4,
    "dwlim_absent": 8,
    "few_stations": 16,
    "outside_land": 32,
}
#: Attribute that says how much a day moved from its previous revision.
CHANGE: Final = "change_from_previous_revision_rms_mm"
MAP: Final = ("time", "lat", "lon")
#: Values are multiples of this (mm, km): far below any uncertainty, and a fifth off the file.
STEP: Final = 2.0**-8
#: Largest standardised anomaly that is told apart.
MOST_STANDARDIZED: Final = 10.0
_WATER: Final = {
    "units": "kg m-2", "standard_name": "land_water_amount", "cell_methods": "time: mean",
    "grid_mapping": "crs", "coverage_content_type": "physicalMeasurement",
}


@dataclass(frozen=True)
class DayProduct:
    """One product: the grid, and the tables that become the groups of the file."""

    root: xr.Dataset
    stations: xr.Dataset
    simulated_cells: xr.Dataset


def build(
    grid: Grid,
    results: Sequence[MethodResult],
    stations: StationTable,
    simulated: SimulatedTable | None,
    provenance: Provenance,
    *,
    anomaly: AnomalyField | None = None,
    previous: DayProduct | None = None,
    limits: QualityLimits | None = None,
) -> DayProduct:
    """Put the estimates of one day together.

    Values stand on the published land cells only. An estimate of `ALWAYS_PRESENT` that was not
    computed is all missing, and flagged.

    Parameters
    ----------
    results : sequence of MethodResult
        Estimates on the domain's cells, the published one among them.
    simulated : SimulatedTable or None
        None on a day without simulated cells; its table is then empty.
    anomaly : AnomalyField, optional
        Standing of the published estimate; without a climatology there is none.
    previous : DayProduct, optional
        The revision that this one replaces; the change is put into the attributes.

    Raises
    ------
    ContractError
        The published estimate is missing, or an array has not one value for each cell.
    """
    by_method = _by_method(grid, results, provenance)
    published = by_method[provenance.published_method]
    flag = quality_flag(grid, published, stations, dwlim_absent="dwlim" not in by_method,
                        limits=limits or QualityLimits())
    root = xr.Dataset(_fields(grid, by_method, published, flag, provenance)
                      | _anomaly_fields(grid, anomaly),
                      coords=_coordinates(grid, provenance),
                      attrs=global_attributes(grid, by_method, provenance, anomaly))
    if previous is not None:
        root.attrs[CHANGE] = change_rms_mm(root, previous.root)
    return DayProduct(root, _station_dataset(stations), _simulated_dataset(simulated))


def quality_flag(
    grid: Grid,
    published: MethodResult,
    stations: StationTable,
    *,
    dwlim_absent: bool,
    limits: QualityLimits,
) -> NDArray[np.uint8]:
    """Bits of `QUALITY_FLAGS` for each cell of the grid, shape (lat, lon)."""
    used = stations.used
    distance = _nearest_station_km(grid, stations, used)
    everywhere = np.ones(distance.size, dtype=bool)
    remarks = {
        "low_resolution": ~(published.resolution_km <= limits.resolution_km),
        "large_uncertainty": ~(published.sigma_mm <= limits.sigma_mm),
        "no_station_nearby": distance > limits.station_distance_km,
        "dwlim_absent": everywhere & dwlim_absent,
        "few_stations": everywhere & (int(used.sum()) < limits.n_stations),
    }
    bits = sum(QUALITY_FLAGS[name] * remark.astype(np.uint8) for name, remark in remarks.items())
    outside = QUALITY_FLAGS["outside_land"]
    on_cells = np.where(grid.land, bits, outside).astype(float)
    return grid.on_grid(on_cells, fill=outside).astype(np.uint8)


def station_used(stations: xr.Dataset) -> NDArray[np.bool_]:
    """Stations of the product's table whose displacement entered the estimate."""
    unnamed = stations["exclusion"].values.astype(str) == ""
    used: NDArray[np.bool_] = (
        (stations["flag"].values == 0) & unnamed & np.isfinite(stations["up_mm"].values))
    return used


def _by_method(
    grid: Grid, results: Sequence[MethodResult], provenance: Provenance
) -> dict[str, MethodResult]:
    by_method = {result.method: result for result in results}
    if unknown := set(by_method) - set(METHODS):
        raise ContractError("unknown estimate", where=provenance.product_id,
                            expected=", ".join(METHODS), got=", ".join(sorted(unknown)))
    if provenance.published_method not in by_method:
        raise ContractError("the published estimate was not computed", where=provenance.product_id,
                            expected=provenance.published_method, got=", ".join(by_method))
    shape = (int(grid.domain.sum()),)
    for result in results:
        for name in ("twsa_mm", "sigma_mm", "resolution_km"):
            if getattr(result, name).shape != shape:
                raise ContractError(
                    "wrong shape", where=f"{provenance.product_id}: {result.method}.{name}",
                    expected=str(shape), got=str(getattr(result, name).shape))
    return by_method


def _nearest_station_km(grid: Grid, stations: StationTable, used: NDArray[np.bool_]) -> Array:
    lon, lat = grid.cells
    if not used.any():
        return np.full(lon.size, np.inf)
    tree = cKDTree(unit_vectors(stations.longitude_deg[used], stations.latitude_deg[used]))
    chord, _ = tree.query(unit_vectors(lon, lat))
    return 2.0 * EARTH_RADIUS_KM * np.arcsin(np.clip(chord / 2.0, 0.0, 1.0))


def _fields(
    grid: Grid, by_method: dict[str, MethodResult], published: MethodResult,
    flag: NDArray[np.uint8], provenance: Provenance,
) -> dict[str, tuple[Any, ...]]:
    reference = f"{provenance.reference_start} to {provenance.reference_end}"
    quality = {"grid_mapping": "crs", "coverage_content_type": "qualityInformation"}
    fields: dict[str, tuple[Any, ...]] = {
        "twsa": (MAP, _on_map(grid, published.twsa_mm), _WATER | {
            "long_name": "terrestrial water storage anomaly",
            "comment": f"mm of water relative to the mean of {reference}; estimate "
                       f"{published.method}: {METHODS[published.method]}",
            "ancillary_variables": "twsa_sigma resolution_km quality_flag"}),
        "twsa_sigma": (MAP, _on_map(grid, published.sigma_mm), quality | {
            "long_name": "standard error of the terrestrial water storage anomaly",
            "standard_name": "land_water_amount standard_error", "units": "kg m-2"}),
    }
    absent = np.full(int(grid.domain.sum()), np.nan)
    for method in dict.fromkeys((*ALWAYS_PRESENT, *by_method)):
        values = by_method[method].twsa_mm if method in by_method else absent
        fields[f"twsa_{method}"] = (MAP, _on_map(grid, values), _WATER | {
            "long_name": f"terrestrial water storage anomaly, {METHODS[method]}"})
    fields["resolution_km"] = (MAP, _on_map(grid, published.resolution_km), quality | {
        "long_name": "length over which the estimate averages", "units": "km"})
    fields["quality_flag"] = (MAP, flag[None], quality | {
        "long_name": "remarks on the cell; zero is none", "standard_name": "quality_flag",
        **_flag_attributes(QUALITY_FLAGS, np.uint8)})
    fields["land_fraction"] = (("lat", "lon"), grid.land_fraction.astype(np.float32), {
        "long_name": "share of the cell inside the outline of the region", "units": "1",
        "standard_name": "land_area_fraction", "grid_mapping": "crs",
        "coverage_content_type": "auxiliaryInformation"})
    return fields | _bounds(grid, provenance)


def _on_map(grid: Grid, values: Array) -> NDArray[np.float32]:
    shown = np.where(grid.land & np.isfinite(values), values, np.nan)
    return grid.on_grid(np.round(shown / STEP) * STEP)[None].astype(np.float32)


def _anomaly_fields(grid: Grid, anomaly: AnomalyField | None) -> dict[str, tuple[Any, ...]]:
    """Standardised anomaly and percentile of the published estimate, if there is a climatology."""
    if anomaly is None:
        return {}
    about = {"grid_mapping": "crs", "coverage_content_type": "modelResult",
             "cell_methods": "time: mean", "ancillary_variables": "twsa_sigma quality_flag"}
    limited = np.clip(anomaly.standardized, -MOST_STANDARDIZED, MOST_STANDARDIZED)
    return {
        "twsa_standardized_anomaly": (MAP, _on_map(grid, limited), about | {
            "long_name": "anomaly from the normal of the day of the year in units of its spread",
            "units": "1",
            "valid_range": np.array([-MOST_STANDARDIZED, MOST_STANDARDIZED], np.float32),
            "comment": f"of twsa against its climatology of {anomaly.period}; limited to the "
                       "valid range"}),
        "twsa_percentile": (MAP, _on_map(grid, anomaly.percentile), about | {
            "long_name": "percentile of the anomaly from the normal of the day of the year",
            "units": "percent", "valid_range": np.array([0.0, 100.0], np.float32),
            "comment": f"of twsa against its climatology of {anomaly.period}: "
                       f"{anomaly.distribution}"}),
    }


def _bounds(grid: Grid, provenance: Provenance) -> dict[str, tuple[Any, ...]]:
    half = np.array([-0.5, 0.5]) * grid.spacing_deg
    day = np.datetime64(provenance.day, "ns")
    return {
        "time_bnds": (("time", "bnds"), np.array([[day, day + np.timedelta64(1, "D")]])),
        "lat_bnds": (("lat", "bnds"), grid.latitude_deg[:, None] + half),
        "lon_bnds": (("lon", "bnds"), grid.longitude_deg[:, None] + half),
        "crs": crs_variable(),
    }


def crs_variable() -> tuple[Any, ...]:
    """The variable that says on which ellipsoid longitude and latitude are."""
    return ((), np.int32(0), {
        "grid_mapping_name": "latitude_longitude", "longitude_of_prime_meridian": 0.0,
        "semi_major_axis": 6378137.0, "inverse_flattening": 298.257223563,
        "long_name": "WGS 84"})


def horizontal_coordinates(grid: Grid) -> dict[str, tuple[Any, ...]]:
    """Centres of the cells."""
    kind = {"coverage_content_type": "coordinate"}
    return {
        "lat": (("lat",), grid.latitude_deg, kind | {
            "standard_name": "latitude", "long_name": "latitude of the cell's centre",
            "units": "degrees_north", "axis": "Y"}),
        "lon": (("lon",), grid.longitude_deg, kind | {
            "standard_name": "longitude", "long_name": "longitude of the cell's centre",
            "units": "degrees_east", "axis": "X"}),
    }


def _coordinates(grid: Grid, provenance: Provenance) -> dict[str, tuple[Any, ...]]:
    kind = {"coverage_content_type": "coordinate"}
    places = {name: (dims, values, about | {"bounds": f"{name}_bnds"}) for name, (
        dims, values, about) in horizontal_coordinates(grid).items()}
    return {
        "time": (("time",), np.array([np.datetime64(provenance.day, "ns")]), kind | {
            "standard_name": "time", "long_name": "UTC day", "axis": "T", "bounds": "time_bnds",
            "units_metadata": "leap_seconds: none"}),
        **places,
        "height": ((), 0.0, kind | {
            "standard_name": "height", "long_name": "height of the thin layer that holds the load",
            "units": "m", "axis": "Z", "positive": "up"}),
    }


def _flag_attributes(flags: dict[str, int], kind: type[np.unsignedinteger]) -> dict[str, Any]:
    return {"flag_masks": np.array(list(flags.values()), dtype=kind),
            "flag_meanings": " ".join(flags)}


def _places(dim: str, longitude_deg: Array, latitude_deg: Array) -> dict[str, tuple[Any, ...]]:
    return {
        "longitude": ((dim,), np.asarray(longitude_deg, float), {
            "standard_name": "longitude", "long_name": "longitude", "units": "degrees_east"}),
        "latitude": ((dim,), np.asarray(latitude_deg, float), {
            "standard_name": "latitude", "long_name": "latitude", "units": "degrees_north"}),
    }


def _millimetres(dim: str, values: Array, meaning: str) -> tuple[Any, ...]:
    return (dim,), np.asarray(values, np.float32), {"units": "mm", "long_name": meaning}


def _station_dataset(table: StationTable) -> xr.Dataset:
    dim = "station"
    variables: dict[str, tuple[Any, ...]] = {
        "up_mm": _millimetres(dim, table.up_mm, "observed vertical displacement, up"),
        "up_sigma_mm": _millimetres(dim, table.up_sigma_mm, "error of the displacement"),
        "flag": ((dim,), table.flag.astype(np.uint8), {
            "long_name": "remarks of the quality control; zero is used",
            **_flag_attributes(GNSS_FLAGS, np.uint8)}),
        "exclusion": ((dim,), np.array(table.exclusion, dtype=object), {
            "long_name": "why the station is not used; empty if it is"}),
    }
    for method, residual in table.residual_mm.items():
        variables[f"residual_{method}_mm"] = _millimetres(
            dim, residual, f"observed minus modelled displacement, {method}")
    names = (dim,), np.array(table.identifier, dtype=object), {"long_name": "station identifier"}
    places = _places(dim, table.longitude_deg, table.latitude_deg)
    return xr.Dataset(variables, coords={dim: names, **places})


def _simulated_dataset(table: SimulatedTable | None) -> xr.Dataset:
    dim, none = "cell", np.zeros(0)
    shown = table or SimulatedTable(none, none, none, none, none, none)
    variables = {
        "up_mm": _millimetres(dim, shown.up_mm, "simulated vertical displacement, up"),
        "sigma_mm": _millimetres(dim, shown.sigma_mm, "error measured on unseen stations"),
        "spread_mm": _millimetres(dim, shown.spread_mm, "spread of the ensemble"),
        "residual_mm": _millimetres(dim, shown.residual_mm, "simulated minus modelled"),
    }
    return xr.Dataset(variables, coords=_places(dim, shown.longitude_deg, shown.latitude_deg))
