"""From a day's estimates to the published tree.

A product is written aside, recorded in the ledger, and only then put in its place: the ledger is
the truth, and whatever else is published follows from it. A crash at any point is made good by
`settle` and `refresh`, which give the same bytes for the same ledger.
"""

import logging
from dataclasses import asdict, replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np

from dwlim_ops.contracts import BasinRow
from dwlim_ops.errors import MalformedInputError, StoreError
from dwlim_ops.estimates import DayEstimates
from dwlim_ops.inputs import PROXY
from dwlim_ops.normals import InForce, in_force, normals_of, remember_vetoes
from dwlim_ops.products import encode
from dwlim_ops.products.basins import basin_documents, basin_rows, basin_values, rows_to_csv
from dwlim_ops.products.checks import problems, summary
from dwlim_ops.products.contents import (
    InputUsed,
    MethodResult,
    Provenance,
    SimulatedTable,
    StationTable,
)
from dwlim_ops.products.daily import CHANGE, DayProduct, build, station_used
from dwlim_ops.products.maps import day_map
from dwlim_ops.products.plots import basin_plot
from dwlim_ops.products.revisions import leads_to_csv, revision_leads, statistics, statistics_to_csv
from dwlim_ops.products.standing import AnomalyField, anomaly_field, standings_to_csv
from dwlim_ops.publish import tree
from dwlim_ops.reconcile import Known, PlannedDay, climatology_absence
from dwlim_ops.session import Session
from dwlim_ops.state.provenance import fingerprint
from dwlim_ops.state.records import ProductRecord
from dwlim_ops.workspace import remove_leftovers, write_atomically

_log = logging.getLogger(__name__)


def publish_day(session: Session, known: Known, planned: PlannedDay, day: DayEstimates
                ) -> ProductRecord | None:
    """Publish one revision of one day; None if the product fails its checks."""
    product, rows = assemble(session, known, planned, day)
    refused = problems(product)
    if refused:
        _log.error("%s is not published: %s", planned.day, "; ".join(refused))
        return None
    content = encode.to_bytes(product)
    path = tree.product_path(session.config.region.name, planned.day, planned.revision)
    write_atomically(session.workspace.staging / Path(path).name, content)
    change = product.root.attrs.get(CHANGE)
    record = ProductRecord(
        str(product.root.attrs["id"]), planned.day, planned.tier, planned.revision, known.as_of,
        known.newest_granule, planned.parts, path, tree.sha256(content), content_sha256(product),
        session.settings_sha256, None if change is None else float(change))
    remember_vetoes(session, planned.day, planned.revision, product)
    session.ledger.add_product(record, rows)
    tree.release(session.workspace.published, path, session.workspace.staging / Path(path).name)
    return record


def assemble(session: Session, known: Known, planned: PlannedDay, day: DayEstimates, *,
             published_as: ProductRecord | None = None
             ) -> tuple[DayProduct, tuple[BasinRow, ...]]:
    """The product of a day and its basin means; nothing is written.

    With `published_as` the change from the previous revision is the recorded one.
    """
    results = _results(day)
    provenance = _provenance(session, known, planned, results)
    anomaly, absence = _anomaly(session, known, provenance, results)
    provenance = replace(provenance, climatology_absence=absence)
    product = build(session.geometry.grid, results, _stations(known, planned.day, day),
                    _simulated(session, known, day), provenance,
                    anomaly=anomaly,
                    previous=None if published_as else _previous(session, planned),
                    limits=session.config.products.flag_beyond)
    if published_as is not None and published_as.change_rms_mm is not None:
        product.root.attrs[CHANGE] = published_as.change_rms_mm
    product.root.attrs["content_sha256"] = content_sha256(product)
    rows = basin_rows(session.geometry.basins, results, provenance,
                      basin_sigma_mm=day.basin_sigma_mm)
    return product, rows


def content_sha256(product: DayProduct) -> str:
    """Digest of the numbers of a product: maps, simulated cells and the stations that were used.

    Left out are dates of issue, ages of inputs, and what is said of stations that were not used.
    """
    stations = product.stations.isel(station=station_used(product.stations))
    arrays = [part[name].values for part in (product.root, stations, product.simulated_cells)
              for name in sorted(map(str, part.variables))]
    return fingerprint(*arrays)


def settle(session: Session) -> None:
    """Finish or undo what a killed process left: half-written files, products set aside.

    Raises
    ------
    StoreError
        The published tree or the store cannot be written.
    """
    workspace, published = session.workspace, session.workspace.published
    for folder in (published, workspace.root / "store"):
        remove_leftovers(folder)
    if not workspace.staging.is_dir():
        return
    for staged in sorted(workspace.staging.glob("*.nc")):
        record = session.ledger.product(staged.stem)
        if record is not None and tree.sha256(staged.read_bytes()) == record.sha256:
            tree.release(published, record.path, staged)
            _log.info("%s was recorded and is published now", staged.stem)
        else:
            staged.unlink()


def refresh(session: Session, *, as_of: datetime) -> list[str]:
    """Bring everything that follows from the ledger up to date: tables, pictures, pointer.

    Returns what could not be done, in words. `as_of` tells which revisions have had their time.
    """
    published = session.workspace.published
    newest = session.ledger.newest_revisions()
    if not newest:
        return []
    against, remarks = _publish_climatology(session, newest)
    _publish_basins(session, as_of, against)
    remarks += [f"{record.path} is gone from the published tree; remedy: dwlim reproduce "
               f"--restore {session.workspace.root} {record.product_id}"
               for record in newest.values() if not (published / record.path).exists()]
    remarks += _publish_pictures(session, newest)
    last = newest[max(newest)]
    try:
        product = encode.read(published / last.path)
        tree.write_latest(published, _latest(session, product, last, against))
    except MalformedInputError as error:
        remarks.append(str(error))
    return remarks


def _publish_climatology(session: Session, newest: dict[date, ProductRecord]
                         ) -> tuple[InForce | None, list[str]]:
    """The climatology in force, as a file, and the table of what stands against it."""
    published, against, remarks = session.workspace.published, None, []
    try:
        against = in_force(session, newest)
    except (StoreError, MalformedInputError) as error:
        remarks.append(str(error))
    if against is not None:
        tree.replace(published, tree.CLIMATOLOGY, against.content)
    tree.keep_only(published, Path(tree.CLIMATOLOGY).parent.name,
                   () if against is None else (tree.CLIMATOLOGY,))
    table = standings_to_csv([] if against is None else against.every)
    tree.replace(published, tree.STANDINGS_CSV, table.encode())
    return against, remarks


def _publish_basins(session: Session, as_of: datetime, against: InForce | None) -> None:
    published, region = session.workspace.published, session.config.region
    every = session.ledger.basin_rows(newest_only=False)
    newest = {row.key: row for row, _ in every}
    rows = tuple(newest.values())
    tree.replace(published, tree.BASINS_CSV, rows_to_csv(rows).encode())
    documents = basin_documents(
        session.geometry.basins, rows, region=region.name,
        reference_period=f"{region.reference_start}/{region.reference_end}",
        climatology=None if against is None else against.normals.basins,
        standings=[] if against is None else against.every)
    for basin, text in documents.items():
        tree.replace(published, tree.basin_path(basin), text.encode())
    leads = revision_leads(every, as_of=as_of)
    tree.replace(published, tree.REVISIONS_CSV, leads_to_csv(leads).encode())
    tree.replace(published, tree.REVISION_STATISTICS_CSV,
                 statistics_to_csv(statistics(leads)).encode())


def _publish_pictures(session: Session, newest: dict[date, ProductRecord]) -> list[str]:
    """A map of the newest revision of the newest days, and the recent past of the basins."""
    published, region, geometry = (
        session.workspace.published, session.config.region, session.geometry)
    n_days = session.config.products.map_days
    days = sorted(newest)[-n_days:] if n_days else []
    wanted = {tree.map_path(region.name, day, newest[day].revision): newest[day] for day in days}
    tree.keep_only(published, tree.MAPS, {*wanted, tree.BASIN_PLOT} if wanted else set())
    remarks = []
    for path, record in wanted.items():
        if (published / path).exists():
            continue
        try:
            product = encode.read(published / record.path)
        except MalformedInputError as error:
            remarks.append(str(error))
            continue
        tree.replace(published, path, day_map(product, geometry.grid, geometry.outline,
                                              geometry.basins))
    if wanted:
        rows = [row for row, _ in session.ledger.basin_rows()]
        tree.replace(published, tree.BASIN_PLOT, basin_plot(
            rows, geometry.basins, region_title=region.title, end_day=days[-1],
            grace=_monthly_of_basins(session)))
    return remarks


def _monthly_of_basins(session: Session) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    if session.grace is None:
        return {}
    return {basin: (session.grace.middle, session.grace.twsa_mm[:, column])
            for column, basin in enumerate(session.geometry.basins.identifier)}


def _provenance(session: Session, known: Known, planned: PlannedDay,
                results: list[MethodResult]) -> Provenance:
    """The configured estimate is published where it exists, else the GNSS-only one."""
    region, wanted = session.config.region, session.config.products.published_method
    available = {result.method for result in results}
    streams = known.streams_of(planned.day)
    inputs = tuple(
        InputUsed(name, "+".join(dict.fromkeys(streams[quantity] for quantity in feed.quantities
                                               if streams[quantity])) or "none",
                  known.newest_day[name], _age_days(known, known.newest_day[name]))
        for name, feed in session.feeds.items() if name in known.newest_day)
    return Provenance(
        product_id=f"twsa_{region.name}_{planned.day:%Y%m%d}_r{planned.revision:02d}",
        region=region.name, region_title=region.title, day=planned.day, tier=planned.tier,
        revision=planned.revision, as_of=known.as_of, inputs=inputs, bundle_id=session.bundle_id,
        config_fingerprint=session.configuration, code_fingerprint=session.code,
        reference_start=region.reference_start, reference_end=region.reference_end,
        citations=region.citations, licence=region.licence,
        published_method=wanted if wanted in available else "tragnss",
        temperature_bridge=_bridge_in_words(known, planned.day),
        synthetic=region.synthetic,
        creator=session.config.products.creator)


def _bridge_in_words(known: Known, day: date) -> str:
    """How the temperature of the day was made up for; empty where it was not."""
    if known.bridge is None or known.streams_of(day).get("temperature_k") != PROXY:
        return ""
    bridge = known.bridge
    return (f"skin temperature by gain and bias of each cell, fitted {bridge.fitted_from} to "
            f"{bridge.fitted_to}, median error {np.nanmedian(bridge.error_k):.2f} K, median gain "
            f"{np.nanmedian(bridge.gain):.3f}")


def _anomaly(session: Session, known: Known, provenance: Provenance,
             results: list[MethodResult]) -> tuple[AnomalyField | None, str]:
    """How the published estimate of the day stands against its own climatology, or why not."""
    absence = climatology_absence(session, known)
    normals, method = normals_of(session, known), provenance.published_method
    if normals is None:
        return None, absence or "too few days of the period have an estimate"
    if normals.method != method:
        return None, f"the climatology is that of {normals.method}"
    (published,) = (result for result in results if result.method == method)
    return anomaly_field(published.twsa_mm, provenance.day, normals.cells, method=method), ""


def _age_days(known: Known, newest: date) -> float:
    """Age at issue of the end of an input's newest day."""
    end = np.datetime64(newest + timedelta(days=1), "s")
    issued = np.datetime64(known.as_of.replace(tzinfo=None), "s")
    return float((issued - end) / np.timedelta64(86400, "s"))


def _results(day: DayEstimates) -> list[MethodResult]:
    return [MethodResult(
        method, one.twsa_mm, one.sigma_mm, one.resolution_km, day.betas.get(method),
        float(one.variance_factor), int(np.isfinite(one.residual_mm).sum()),
        **({"remark": day.remarks[method]} if method in day.remarks else {}))
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
    """The revision before; the ledger's record of it stays when its file is lost."""
    if planned.revision == 0:
        return None
    path = tree.product_path(session.config.region.name, planned.day, planned.revision - 1)
    try:
        return encode.read(session.workspace.published / path)
    except MalformedInputError as error:
        _log.error("the change from the previous revision is unknown: %s", error)
        return None


def _latest(session: Session, product: DayProduct, record: ProductRecord,
            against: InForce | None) -> tree.Latest:
    attributes = product.root.attrs
    of_day = [row for row, _ in session.ledger.basin_rows() if row.day == record.day]
    streams = str(attributes["input_streams"]).split(", ")
    days = str(attributes["input_newest_days"]).split(", ")
    ages = np.atleast_1d(attributes["input_age_days"]).tolist()
    inputs = []
    for name, newest_day, age in zip(streams, days, ages, strict=True):
        source, _, stream = name.partition("/")
        inputs.append(InputUsed(source, stream, date.fromisoformat(newest_day), age))
    return tree.Latest(
        region=session.config.region.name, region_title=session.config.region.title,
        synthetic=session.config.region.synthetic, day=record.day, product_id=record.product_id,
        path=record.path, sha256=record.sha256,
        tier=record.tier, revision=record.revision, as_of=record.as_of,
        published_method=str(attributes["published_method"]),
        methods=tuple(sorted({row.method for row in of_day})),
        basins=basin_values(session.geometry.basins, of_day,
                            [] if against is None else against.standings.get(record.day, [])),
        inputs=tuple(asdict(one) for one in inputs), quality=summary(product))


def write_status(session: Session, known: Known | None, outcome: str,
                 detail: dict[str, Any]) -> None:
    """Refresh `status.json`: what is fresh, what is missing, and how the last tick ended."""
    published = session.ledger.newest_revisions()
    tree.write_status(session.workspace.published, {
        "region": session.config.region.name,
        "as_of": known.as_of if known else datetime.fromisoformat(detail["as_of"]).astimezone(UTC),
        "outcome": outcome,
        "newest_published_day": max(published) if published else None,
        "n_published_days": len(published),
        "newest_input_day": known.newest_day if known else {},
        "bundle": session.bundle_id or None,
        "remaining_loading": known.remaining_loading if known else (),
        "quarantined": [{"source": g.source, "stream": g.stream, "key": g.key,
                         "reason": g.quarantine_reason}
                        for g in session.ledger.quarantined_now()[:50]],
        "last_tick": detail,
    })
