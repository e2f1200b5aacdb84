"""The web page of the published tree: what it is made of, and the data that it reads."""

import json
from collections.abc import Mapping
from dataclasses import asdict
from datetime import UTC, date, datetime
from importlib import resources
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any, Final

from dwlim_ops.errors import MalformedInputError
from dwlim_ops.outlets import precipitation
from dwlim_ops.products import encode
from dwlim_ops.products.daily import station_used
from dwlim_ops.publish import tree
from dwlim_ops.publish.page_data import (
    SCHEMA_VERSION,
    BasinFiles,
    PageSettings,
    encode_basins,
    encode_geography,
    encode_grid,
    encode_index,
    to_json,
)
from dwlim_ops.session import Session
from dwlim_ops.state.records import ProductRecord

WEB: Final = "web"
GRIDS: Final = "web/grids"
INDEX: Final = "web/index.json"
GEOGRAPHY: Final = "web/geography.json"
BASINS: Final = "web/basins.json"
HOME: Final = "index.html"
ALERTS: Final = "alerts/active.geojson"
FEED: Final = "alerts/feed.atom"


def refresh(session: Session, newest: dict[date, ProductRecord], *,
            as_of: datetime) -> list[str]:  # noqa: ARG001  the page tells ages by its reader's clock
    """Bring the page up to date; returns what could not be done, in words.

    The newest `map_days` days are on its slider. It reads what is published when it is called:
    call it after the basins' documents and the alerts are written.

    Raises
    ------
    StoreError
        The published tree cannot be written.
    """
    published, geometry = session.workspace.published, session.geometry
    n_days = session.config.products.map_days
    days = sorted(newest)[-n_days:] if n_days else []
    facts, remarks = _publish_grids(published, [newest[day] for day in days])
    shown = [newest[day] for day in days if newest[day].product_id in facts]
    basins, lost = _basin_files(published, geometry.basins.identifier if newest else ())
    tree.replace(published, GEOGRAPHY, to_json(
        encode_geography(geometry.outline, geometry.grid, geometry.basins)))
    tree.replace(published, BASINS, to_json(
        encode_basins(basins, [record.day.isoformat() for record in shown])))
    _publish_assets(published)
    tree.replace(published, INDEX, to_json(_index(session, shown, facts, session.config.page)))
    return remarks + lost


def _publish_grids(published: Path, records: list[ProductRecord]
                   ) -> tuple[dict[str, dict[str, Any]], list[str]]:
    """Grids of the products, each written once, and their facts by product id."""
    wanted = {f"{GRIDS}/{record.product_id}.{ending}"
              for record in records for ending in ("bin", "json")}
    tree.keep_only(published, GRIDS, wanted)
    facts, remarks = {}, []
    for record in records:
        known = _known_grid(published, record.product_id)
        if known is None:
            try:
                known = _publish_grid(published, record)
            except MalformedInputError as error:
                remarks.append(f"the page goes without {record.day}: {error}")
                continue
        facts[record.product_id] = known
    return facts, remarks


def _known_grid(published: Path, product_id: str) -> dict[str, Any] | None:
    """Facts of a grid that is there, whole and of this version."""
    try:
        facts = json.loads((published / GRIDS / f"{product_id}.json").read_text("utf-8"))
        size = (published / GRIDS / f"{product_id}.bin").stat().st_size
    except (OSError, ValueError):
        return None
    whole = isinstance(facts, dict) and facts.get("n_bytes") == size
    return facts if whole and facts.get("schema_version") == SCHEMA_VERSION else None


def _publish_grid(published: Path, record: ProductRecord) -> dict[str, Any]:
    product = encode.read(published / record.path)
    grid = encode_grid(product.root, product.stations, station_used(product.stations))
    tree.replace(published, f"{GRIDS}/{record.product_id}.bin", grid.content)
    tree.replace(published, f"{GRIDS}/{record.product_id}.json", to_json(grid.facts))
    return grid.facts


def _basin_files(published: Path, identifiers: tuple[str, ...]
                 ) -> tuple[list[BasinFiles], list[str]]:
    found, remarks = [], []
    for basin in identifiers:
        path = tree.basin_path(basin)
        rain = precipitation.path_of(basin)
        try:
            document = json.loads((published / path).read_text("utf-8"))
        except (OSError, ValueError) as error:
            remarks.append(f"the page goes without basin {basin}: {path}: {error!r}")
            continue
        found.append(BasinFiles(document, path, _if_there(published, rain)))
    return found, remarks


def _if_there(published: Path, path: str) -> str | None:
    return path if (published / path).is_file() else None


def _publish_assets(published: Path) -> None:
    """Copy what the page is made of; what an earlier version left behind goes."""
    source = resources.files("dwlim_ops.publish") / WEB
    for folder in sorted((one for one in source.iterdir() if one.is_dir()),
                         key=lambda one: one.name):
        names = _files(folder)
        for name, content in names.items():
            tree.replace(published, f"{WEB}/{folder.name}/{name}", content)
        tree.keep_only(published, f"{WEB}/{folder.name}",
                       {f"{WEB}/{folder.name}/{name}" for name in names})
    for name, content in _files(source).items():
        tree.replace(published, name if name == HOME else f"{WEB}/{name}", content)


def _files(folder: Traversable) -> Mapping[str, bytes]:
    return {one.name: one.read_bytes()
            for one in sorted(folder.iterdir(), key=lambda one: one.name) if one.is_file()}


def _index(session: Session, shown: list[ProductRecord], facts: Mapping[str, dict[str, Any]],
           settings: PageSettings) -> dict[str, Any]:
    published, region = session.workspace.published, session.config.region
    return encode_index(
        region={
            "region": region.name, "title": region.title, "synthetic": region.synthetic,
            "reference_period": f"{region.reference_start}/{region.reference_end}",
            "licence": region.licence, "citations": list(region.citations),
            "creator": asdict(session.config.products.creator)},
        days=[{
            "day": record.day.isoformat(), "product_id": record.product_id, "path": record.path,
            "tier": record.tier, "revision": record.revision,
            "as_of": record.as_of.astimezone(UTC).isoformat().replace("+00:00", "Z"),
        } for record in shown],
        sizes=[facts[record.product_id]["size_mm"] for record in shown], settings=settings,
        usual_delay_days=float(session.first_issue_delay_days),
        alerts=_if_there(published, ALERTS), feed=_if_there(published, FEED))
