"""From a day's estimates to the published tree: product, checks, pictures, pointer, record."""

import logging
from dataclasses import asdict
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import numpy as np

from dwlim_ops.errors import MalformedInputError, StoreError
from dwlim_ops.products import encode
from dwlim_ops.products.basins import (
    BasinRow,
    basin_documents,
    basin_rows,
    basin_values,
    merge_rows,
    rows_from_csv,
    rows_to_csv,
)
from dwlim_ops.products.checks import problems, summary
from dwlim_ops.products.contents import (
    InputUsed,
    MethodResult,
    Provenance,
    SimulatedTable,
    StationTable,
    Tier,
)
from dwlim_ops.products.daily import DayProduct, build
from dwlim_ops.products.maps import day_map
from dwlim_ops.products.plots import basin_plot
from dwlim_ops.publish import tree
from dwlim_ops.reconcile import DayEstimates, Known, PlannedDay
from dwlim_ops.session import Session
from dwlim_ops.state.ledger import ProductRecord

_log = logging.getLogger(__name__)

TIER: Tier = "final_gnss"


def publish_day(session: Session, known: Known, planned: PlannedDay, day: DayEstimates,
                *, pictures: bool = True) -> ProductRecord | None:
    """Publish one revision of one day and record it; None if the product fails its checks.

    The record comes last: a day that a crash left half-published has none and is made again.
    """
    published, region = session.workspace.published, session.config.region
    results = _results(day)
    provenance = _provenance(session, known, planned, results)
    product = build(session.geometry.grid, results, _stations(known, planned.day, day),
                    _simulated(session, known, day), provenance,
                    previous=_previous(session, planned),
                    limits=session.config.products.flag_beyond)
    refused = problems(product)
    if refused:
        _log.error("%s is not published: %s", planned.day, "; ".join(refused))
        return None
    path = tree.product_path(region.name, planned.day, planned.revision)
    _remove_unrecorded(published / path)
    sha256 = tree.publish_once(published, path, encode.to_bytes(product))
    rows = merge_rows(_published_rows(published), basin_rows(
        session.geometry.basins, results, provenance, basin_sigma_mm=day.basin_sigma_mm))
    if pictures:
        _publish_pictures(session, product, planned, rows)
    _publish_basins(session, rows)
    tree.write_latest(published, _latest(session, product, provenance, path=path, sha256=sha256,
                                         rows=rows))
    record = ProductRecord(provenance.product_id, planned.day, provenance.tier, planned.revision,
                           known.as_of, planned.fingerprint, path, sha256)
    session.ledger.add_product(record)
    return record


def _publish_pictures(session: Session, product: DayProduct, planned: PlannedDay,
                      rows: tuple[BasinRow, ...]) -> None:
    published, region = session.workspace.published, session.config.region
    geometry = session.geometry
    tree.replace(published, tree.map_path(region.name, planned.day, planned.revision),
                 day_map(product, geometry.grid, geometry.outline, geometry.basins))
    tree.replace(published, tree.basin_plot_path(region.name, planned.day, planned.revision),
                 basin_plot(rows, geometry.basins, region_title=region.title, end_day=planned.day,
                            grace=_monthly_of_basins(session)))


def _monthly_of_basins(session: Session) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    if session.grace is None:
        return {}
    return {basin: (session.grace.middle, session.grace.twsa_mm[:, column])
            for column, basin in enumerate(session.geometry.basins.identifier)}


def _publish_basins(session: Session, rows: tuple[BasinRow, ...]) -> None:
    published, region = session.workspace.published, session.config.region
    tree.replace(published, tree.BASINS_CSV, rows_to_csv(rows).encode())
    documents = basin_documents(
        session.geometry.basins, rows, region=region.name,
        reference_period=f"{region.reference_start}/{region.reference_end}")
    for basin, text in documents.items():
        tree.replace(published, tree.basin_path(basin), text.encode())


def _provenance(session: Session, known: Known, planned: PlannedDay,
                results: list[MethodResult]) -> Provenance:
    """The configured estimate is published where it exists, else the GNSS-only one."""
    region, wanted = session.config.region, session.config.products.published_method
    available = {result.method for result in results}
    inputs = tuple(
        InputUsed(name, session.feeds[name].source.stream, newest, _age_days(known, newest))
        for name, newest in known.newest_day.items())
    return Provenance(
        product_id=f"twsa_{region.name}_{planned.day:%Y%m%d}_r{planned.revision:02d}",
        region=region.name, region_title=region.title, day=planned.day, tier=TIER,
        revision=planned.revision, as_of=known.as_of, inputs=inputs, bundle_id=session.bundle_id,
        config_fingerprint=session.configuration, code_fingerprint=session.code,
        reference_start=region.reference_start, reference_end=region.reference_end,
        citations=region.citations, licence=region.licence,
        published_method=wanted if wanted in available else "tragnss",
        creator=session.config.products.creator)


def _age_days(known: Known, newest: date) -> float:
    """Age at issue of the end of an input's newest day."""
    end = np.datetime64(newest + timedelta(days=1), "s")
    issued = np.datetime64(known.as_of.replace(tzinfo=None), "s")
    return float((issued - end) / np.timedelta64(86400, "s"))


def _results(day: DayEstimates) -> list[MethodResult]:
    return [MethodResult(
        method, one.twsa_mm, one.sigma_mm, one.resolution_km, day.betas[method],
        float(one.variance_factor), int(np.isfinite(one.residual_mm).sum()))
        for method, one in day.estimates.items()]


def _stations(known: Known, day: date, estimates: DayEstimates) -> StationTable:
    checked, row = known.checked, known.row(day)
    n_stations = checked.sizes["station"]
    return StationTable(
        identifier=tuple(checked["station"].values.tolist()),
        longitude_deg=checked["longitude_deg"].values, latitude_deg=checked["latitude_deg"].values,
        up_mm=checked["up_mm"].values[row], up_sigma_mm=checked["up_sigma_mm"].values[row],
        residual_mm={method: one.residual_mm[:n_stations]
                     for method, one in estimates.estimates.items()},
        flag=checked["flag"].values[row], exclusion=tuple(checked["exclusion"].values.tolist()))


def _simulated(session: Session, known: Known, day: DayEstimates) -> SimulatedTable | None:
    simulated, used = day.data.simulated, day.data.unobserved
    if simulated is None:
        return None
    longitude, latitude = session.geometry.cells
    residual = day.estimates["dwlim"].residual_mm[known.checked.sizes["station"]:]
    return SimulatedTable(longitude[used], latitude[used], simulated.up_mm[0, used],
                          simulated.sigma_mm[used], simulated.spread_mm[0, used], residual[used])


def _previous(session: Session, planned: PlannedDay) -> DayProduct | None:
    record = session.ledger.newest_revisions().get(planned.day)
    if record is None:
        return None
    try:
        return encode.read(session.workspace.published / record.path)
    except MalformedInputError as error:
        _log.error("the change from the previous revision is unknown: %s", error)
        return None


def _remove_unrecorded(path: Path) -> None:
    """A product without a record is what a crash left: it is made again."""
    if not path.exists():
        return
    _log.warning("%s has no record in the ledger and is made again", path.name)
    try:
        path.unlink()
    except OSError as error:
        raise StoreError("a half-published file cannot be removed", where=str(path),
                         got=repr(error), remedy="remove it by hand") from error


def _published_rows(published: Path) -> tuple[BasinRow, ...]:
    path = published / tree.BASINS_CSV
    return rows_from_csv(path.read_text(), where=str(path)) if path.exists() else ()


def _latest(session: Session, product: DayProduct, provenance: Provenance, *, path: str,
            sha256: str, rows: tuple[BasinRow, ...]) -> tree.Latest:
    of_day = [row for row in rows if row.day == provenance.day]
    return tree.Latest(
        region=provenance.region, region_title=provenance.region_title, day=provenance.day,
        product_id=provenance.product_id, path=path, sha256=sha256, tier=provenance.tier,
        revision=provenance.revision, as_of=provenance.as_of,
        published_method=provenance.published_method,
        methods=tuple(sorted({row.method for row in of_day})),
        basins=basin_values(session.geometry.basins, of_day),
        inputs=tuple(asdict(used_input) for used_input in provenance.inputs),
        quality=summary(product))


def write_status(session: Session, known: Known | None, outcome: str,
                 detail: dict[str, Any]) -> None:
    """Refresh `status.json`: what is fresh, what is missing, and how the last tick ended."""
    published = session.ledger.newest_revisions()
    tree.write_status(session.workspace.published, {
        "region": session.config.region.name,
        "as_of": known.as_of if known else detail["as_of"],
        "outcome": outcome,
        "newest_published_day": max(published) if published else None,
        "n_published_days": len(published),
        "newest_input_day": known.newest_day if known else {},
        "bundle": session.bundle_id or None,
        "remaining_loading": known.remaining_loading if known else (),
        "quarantined": [{"source": g.source, "key": g.key, "reason": g.quarantine_reason}
                        for g in session.ledger.quarantined()[:50]],
        "last_tick": detail,
    })
