"""What leads readers to the products: GeoTIFF of the newest day, STAC, JSON schemas."""

from datetime import date, datetime
from importlib import resources
from pathlib import Path
from typing import Final

from dwlim_ops.errors import MalformedInputError
from dwlim_ops.products import encode
from dwlim_ops.products.attributes import LIMITS, SYNTHETIC
from dwlim_ops.publish import cube, geotiff, stac, tree
from dwlim_ops.session import Session
from dwlim_ops.state.records import ProductRecord

SCHEMAS: Final = "schemas"


def refresh(session: Session, newest: dict[date, ProductRecord], *,
            as_of: datetime) -> list[str]:  # noqa: ARG001  the record alone decides
    """Publish the GeoTIFF of the newest day, the STAC catalogue and the schemas.

    To be called after maps and cube: the catalogue names what is there. Returns what could not be
    done, in words.

    Raises
    ------
    StoreError
        The published tree cannot be written.
    """
    if not newest:
        return []
    published, region = session.workspace.published, session.config.region
    _publish_schemas(published)
    last = newest[max(newest)]
    remarks = _publish_geotiff(published, region.name, last)
    stac.write(published, _record(session), _days(published, region.name, newest))
    return remarks


def _publish_schemas(published: Path) -> None:
    for file in (resources.files("dwlim_ops.publish") / "schemas").iterdir():
        tree.replace(published, f"{SCHEMAS}/{file.name}", file.read_bytes())


def _publish_geotiff(published: Path, region: str, last: ProductRecord) -> list[str]:
    """The newest day's alone; both names are written before the older ones go."""
    path = geotiff.path_of(region, last.day, last.revision)
    if not _same(published / path, published / geotiff.LATEST):
        try:
            content = geotiff.to_bytes(encode.read(published / last.path).root)
        except MalformedInputError as error:
            return [f"no GeoTIFF: {error}"]
        tree.replace(published, path, content)
        tree.replace(published, geotiff.LATEST, content)
    tree.keep_only(published, geotiff.FOLDER, {path, geotiff.LATEST})
    return []


def _same(one: Path, other: Path) -> bool:
    return one.is_file() and other.is_file() and one.read_bytes() == other.read_bytes()


def _record(session: Session) -> stac.Record:
    region, creator = session.config.region, session.config.products.creator
    grid, settings = session.geometry.grid, session.config.cube
    half = grid.spacing_deg / 2
    west, east = float(grid.longitude_deg[0]) - half, float(grid.longitude_deg[-1]) + half
    south, north = float(grid.latitude_deg[0]) - half, float(grid.latitude_deg[-1]) + half
    published = session.workspace.published
    places = {"cube": cube.FOLDER, "basins": tree.BASINS_CSV, "latest": tree.LATEST}
    present = {key: place for key, place in places.items() if (published / place).exists()}
    if settings.enabled and settings.url:
        present["cube"] = settings.url
    label = SYNTHETIC if region.synthetic else ""
    return stac.Record(
        region=region.name, title=f"{label}Terrestrial water storage anomaly, {region.title}",
        description=f"{label}Daily maps, mm of water relative to the mean of "
                    f"{region.reference_start} to {region.reference_end}. {LIMITS} Licence: "
                    f"{region.licence}",
        licence=region.licence, west_south_east_north=(west, south, east, north),
        provider=creator.name, provider_url=creator.url if creator.url.startswith("http") else "",
        assets=present)


def _days(published: Path, region: str, newest: dict[date, ProductRecord]) -> list[stac.Day]:
    maps = {path.name for path in (published / tree.MAPS).glob("*.png")}
    last, days = max(newest), []
    for day, record in sorted(newest.items()):
        assets = {"netcdf": record.path}
        picture = tree.map_path(region, day, record.revision)
        if Path(picture).name in maps:
            assets["map"] = picture
        raster = geotiff.path_of(region, day, record.revision)
        if day == last and (published / raster).exists():
            assets["geotiff"] = raster
        days.append(stac.Day(day, record.product_id, record.tier, record.revision, record.as_of,
                             record.sha256, assets))
    return days
