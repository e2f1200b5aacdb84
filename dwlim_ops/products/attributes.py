"""Global attributes of a product file: CF-1.11 and ACDD-1.3."""

from datetime import UTC, datetime
from typing import Any, Final

import numpy as np
import xarray as xr

from dwlim_ops.geometry import Grid
from dwlim_ops.products.contents import MethodResult, Provenance
from dwlim_ops.products.standing import AnomalyField

CONVENTIONS: Final = "CF-1.11, ACDD-1.3"
PRODUCT_VERSION: Final = "1"
METHOD_REFERENCE: Final = (
    "DWLIM: Remote Sensing 2022, 14, 535; load Love numbers and disk loading: Farrell 1972, "
    "Bevis et al. 2016"
)
LIMITS: Final = (
    "Water storage inferred from the elastic bending of the crust. Differences from other "
    "products are expected where quality_flag is not zero: far from GNSS stations a value is "
    "mostly the smoothing, and simulated cells are functions of weather, not measurements. "
    "Stations on swelling aquifers or subsiding ground are excluded with a reason in the "
    "group displacements/stations. Features smaller than resolution_km are not resolved. "
    "1 kg m-2 equals 1 mm of water."
)
#: Before title, summary and comment of a product whose inputs are made up.
SYNTHETIC: Final = "SYNTHETIC EARTH, NO OBSERVATION. "


def utc_text(moment: datetime) -> str:
    """ISO 8601 in UTC.

    >>> from datetime import timedelta, timezone
    >>> utc_text(datetime(2017, 6, 2, 3, tzinfo=timezone(timedelta(hours=8))))
    '2017-06-01T19:00:00Z'
    """
    return moment.astimezone(UTC).isoformat().replace("+00:00", "Z")


def global_attributes(
    grid: Grid, results: dict[str, MethodResult], provenance: Provenance,
    anomaly: AnomalyField | None = None,
) -> dict[str, Any]:
    """Attributes of the file; every value follows from the arguments alone."""
    return {
        "Conventions": CONVENTIONS,
        **_description(provenance),
        **_lineage(provenance),
        **_estimates(results, provenance),
        **_climatology(anomaly, provenance),
        **_people(provenance),
        **_extent(grid, provenance),
    }


def change_rms_mm(newer: xr.Dataset, older: xr.Dataset) -> float:
    """Root mean square of the change of `twsa`, area weighted over common cells, mm."""
    change = newer["twsa"] - older["twsa"]
    area = xr.DataArray(np.cos(np.radians(change["lat"].values)), dims="lat")
    return float(np.sqrt((change.astype(float) ** 2).weighted(area).mean()))


def _description(provenance: Provenance) -> dict[str, Any]:
    label = SYNTHETIC if provenance.synthetic else ""
    return {
        "title": f"{label}Daily terrestrial water storage anomaly, {provenance.region_title}, "
                 f"{provenance.day.isoformat()}",
        "summary": f"{label}Map of one day of the terrestrial water storage anomaly and its "
                   "uncertainty, inverted from vertical displacement of GNSS stations and of cells "
                   "simulated from weather by LSTM networks.",
        "keywords": "EARTH SCIENCE > TERRESTRIAL HYDROSPHERE > WATER BUDGET > TERRESTRIAL WATER "
                    "STORAGE, EARTH SCIENCE > SOLID EARTH > GEODETICS > CRUSTAL MOTION",
        "keywords_vocabulary": "GCMD Science Keywords",
        "id": provenance.product_id,
        "naming_authority": provenance.creator.naming_authority,
        "product_version": PRODUCT_VERSION,
        "processing_level": f"Level 3, daily grid, tier {provenance.tier}",
        "standard_name_vocabulary": "CF Standard Name Table v93",
        "cdm_data_type": "Grid",
        "references": METHOD_REFERENCE,
        "comment": f"{label}{LIMITS}",
        "synthetic": "true" if provenance.synthetic else "false",
        "license": provenance.licence,
        "acknowledgement": "; ".join(provenance.citations),
        "region": provenance.region,
        "region_title": provenance.region_title,
    }


def _lineage(provenance: Provenance) -> dict[str, Any]:
    made = utc_text(provenance.as_of)
    used = provenance.inputs
    sources = sorted({one.source for one in used})
    return {
        "tier": provenance.tier,
        "revision": np.int32(provenance.revision),
        "as_of": made,
        "date_created": made,
        "date_issued": made,
        "date_modified": made,
        "date_metadata_modified": made,
        "history": f"{made} computed by dwlim_ops, code {provenance.code_fingerprint}",
        "source": "GNSS vertical displacement and weather-driven simulation; "
                  + "; ".join(f"{one.source}/{one.stream}" for one in used),
        "input_streams": ", ".join(f"{one.source}/{one.stream}" for one in used),
        "input_newest_days": ", ".join(one.newest_day.isoformat() for one in used),
        "input_age_days": np.array([one.age_days for one in used], dtype=float),
        "contributor_name": ", ".join(sources),
        "contributor_role": ", ".join("source of input data" for _ in sources),
        "bundle_id": provenance.bundle_id,
        **({"temperature_bridge": provenance.temperature_bridge}
           if provenance.temperature_bridge else {}),
        "config_fingerprint": provenance.config_fingerprint,
        "code_fingerprint": provenance.code_fingerprint,
        "reference_period": f"{provenance.reference_start.isoformat()}/"
                            f"{provenance.reference_end.isoformat()}",
    }


def _estimates(results: dict[str, MethodResult], provenance: Provenance) -> dict[str, Any]:
    attributes: dict[str, Any] = {
        "published_method": provenance.published_method,
        "methods": ", ".join(results),
    }
    for method, result in results.items():
        if result.beta is not None:
            attributes[f"{method}_beta"] = float(result.beta)
        attributes[f"{method}_data"] = result.remark
        attributes[f"{method}_variance_factor"] = float(result.variance_factor)
        attributes[f"{method}_n_data"] = np.int32(result.n_data)
    return attributes


def _climatology(anomaly: AnomalyField | None, provenance: Provenance) -> dict[str, Any]:
    """Against what the published estimate is called unusual, or why it is not."""
    if anomaly is None:
        absence = provenance.climatology_absence
        return {"climatology_absence": absence} if absence else {}
    return {
        "climatology_period": anomaly.period, "climatology_method": anomaly.method,
        "climatology_harmonics": np.int32(anomaly.n_harmonics),
        "percentile_distribution": anomaly.distribution,
    }


def _people(provenance: Provenance) -> dict[str, Any]:
    creator = provenance.creator
    attributes: dict[str, Any] = {
        "institution": creator.institution,
        "project": "DWLIM-ops",
        "program": "daily water storage monitoring",
        "platform": "GNSS reference stations",
        "platform_vocabulary": "none",
        "instrument": "geodetic GNSS receivers",
        "instrument_vocabulary": "none",
    }
    if creator.url.startswith("http"):
        attributes["metadata_link"] = creator.url
    for role in ("creator", "publisher"):
        attributes |= {
            f"{role}_name": creator.name, f"{role}_email": creator.email,
            f"{role}_url": creator.url, f"{role}_type": "institution",
            f"{role}_institution": creator.institution,
        }
    return attributes


def _extent(grid: Grid, provenance: Provenance) -> dict[str, Any]:
    lon, lat = grid.longitude_deg, grid.latitude_deg
    west, east, south, north = (float(v) for v in (lon[0], lon[-1], lat[0], lat[-1]))
    day = f"{provenance.day.isoformat()}T00:00:00Z"
    return {
        "geospatial_lat_min": south, "geospatial_lat_max": north,
        "geospatial_lon_min": west, "geospatial_lon_max": east,
        "geospatial_lat_units": "degrees_north", "geospatial_lon_units": "degrees_east",
        "geospatial_lat_resolution": f"{grid.spacing_deg:g} degrees",
        "geospatial_lon_resolution": f"{grid.spacing_deg:g} degrees",
        "geospatial_bounds": f"POLYGON (({south} {west}, {south} {east}, {north} {east}, "
                             f"{north} {west}, {south} {west}))",
        "geospatial_bounds_crs": "EPSG:4326",
        "geospatial_bounds_vertical_crs": "height above the ground",
        "geospatial_vertical_min": 0.0, "geospatial_vertical_max": 0.0,
        "geospatial_vertical_units": "m", "geospatial_vertical_positive": "up",
        "geospatial_vertical_resolution": "one layer",
        "time_coverage_start": day, "time_coverage_end": day,
        "time_coverage_duration": "P1D", "time_coverage_resolution": "P1D",
    }
