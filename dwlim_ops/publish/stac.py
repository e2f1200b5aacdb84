"""A static STAC catalogue of the published tree: one item a day, relative links only.

    stac/catalog.json
    stac/<region>/collection.json            the record: extent, cube, tables of basins
    stac/<region>/YYYY/catalog.json
    stac/<region>/YYYY/MM/catalog.json       names each day with its digest and its assets
    stac/<region>/YYYY/MM/twsa_<region>_YYYYMMDD.json

A month is written after its days: a month that says what it should needs no look at its days.
"""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from itertools import groupby
from pathlib import Path
from typing import Any, Final

import pystac
from pystac import MediaType

from dwlim_ops.publish import geotiff, tree

FOLDER: Final = "stac"
ROOT: Final = "stac/catalog.json"
ICECHUNK: Final = "application/vnd.zarr+icechunk"
NETCDF: Final = "application/x-netcdf"
_LICENCE: Final = r"[A-Za-z0-9][A-Za-z0-9.+-]*"


@dataclass(frozen=True)
class Record:
    """What the collection says of the record.

    `west_south_east_north` are the edges of the grid, degrees. `assets` are those of the whole
    record: place relative to the published folder, or URL, by key of `RECORD_ASSETS`.
    """

    region: str
    title: str
    description: str
    licence: str
    west_south_east_north: tuple[float, float, float, float]
    provider: str
    provider_url: str
    assets: Mapping[str, str]


@dataclass(frozen=True)
class Day:
    """Newest revision of a day; `assets`: place relative to the published folder, by key."""

    day: date
    product_id: str
    tier: str
    revision: int
    as_of: datetime
    sha256: str
    assets: Mapping[str, str]


#: Media type, roles and title of what belongs to the whole record.
RECORD_ASSETS: Final = {
    "cube": (ICECHUNK, ["data"], "All days, chunked for time series (Icechunk repository)"),
    "basins": ("text/csv", ["data"], "Means over basins, all days"),
    "latest": (str(MediaType.JSON), ["metadata"], "Pointer to the newest day"),
}
#: The same of a day.
DAY_ASSETS: Final = {
    "netcdf": (NETCDF, ["data"], "Daily product, CF netCDF-4"),
    "geotiff": (str(MediaType.COG), ["data"], "Cloud-optimised GeoTIFF"),
    "map": (str(MediaType.PNG), ["overview"], "Map of the day"),
}


def write(published: Path, record: Record, days: Sequence[Day]) -> int:
    """Bring the catalogue up to date; returns the number of files written.

    Parameters
    ----------
    days : sequence of Day
        Ordered by day, not empty.

    Raises
    ------
    StoreError
        A file cannot be written.
    """
    n_written = 0
    years: list[str] = []
    for year, of_year in groupby(days, key=lambda one: one.day.year):
        months = []
        for month, of_month in groupby(of_year, key=lambda one: one.day.month):
            months.append(f"{month:02d}")
            n_written += _write_month(published, record, list(of_month))
        years.append(f"{year:04d}")
        path = f"{FOLDER}/{record.region}/{year:04d}/catalog.json"
        n_written += tree.replace(published, path, _bytes(_year(record, year, months)))
    n_written += tree.replace(published, f"{FOLDER}/{record.region}/collection.json",
                              _bytes(_collection(record, days, years)))
    return n_written + tree.replace(published, ROOT, _bytes(_root(record)))


def item_name(region: str, day: date) -> str:
    """Identifier of a day's item, whatever the revision.

    >>> item_name("australia", date(2017, 6, 1))
    'twsa_australia_20170601'
    """
    return f"twsa_{region}_{day:%Y%m%d}"


def _write_month(published: Path, record: Record, days: list[Day]) -> int:
    folder = f"{FOLDER}/{record.region}/{days[0].day:%Y/%m}"
    catalog = _bytes(_month(record, days))
    wanted = {"catalog.json", *(f"{item_name(record.region, one.day)}.json" for one in days)}
    path = published / folder
    found = {one.name for one in path.iterdir()} if path.is_dir() else set()
    if found == wanted and (path / "catalog.json").read_bytes() == catalog:
        return 0
    n_written = sum(tree.replace(published, f"{folder}/{item_name(record.region, one.day)}.json",
                                 _bytes(_item(record, one))) for one in days)
    n_written += tree.replace(published, f"{folder}/catalog.json", catalog)
    tree.keep_only(published, folder, {f"{folder}/{name}" for name in wanted})
    return n_written


def _item(record: Record, one: Day) -> dict[str, Any]:
    west, south, east, north = record.west_south_east_north
    ring = [[west, south], [east, south], [east, north], [west, north], [west, south]]
    midnight = datetime.combine(one.day, time(), UTC)
    item = pystac.Item(
        item_name(record.region, one.day), {"type": "Polygon", "coordinates": [ring]},
        list(record.west_south_east_north), midnight,
        {"title": f"{record.title}, {one.day}", "created": _instant(one.as_of),
         "dwlim:product_id": one.product_id, "dwlim:tier": one.tier,
         "dwlim:revision": one.revision},
        start_datetime=midnight, end_datetime=midnight + timedelta(days=1, seconds=-1),
        collection=record.region)
    for key, asset in _assets(one.assets, DAY_ASSETS, depth=4).items():
        item.add_asset(key, asset)
    item.assets["netcdf"].extra_fields["dwlim:sha256"] = one.sha256
    if "geotiff" in item.assets:
        item.assets["geotiff"].extra_fields["bands"] = [
            {"name": band.variable, "description": band.meaning, "unit": band.unit,
             "data_type": "float32", "nodata": "nan"} for band in geotiff.BANDS]
    for link in (_link("root", "../../../catalog.json"), _link("parent", "./catalog.json"),
                 _link("collection", "../../collection.json")):
        item.add_link(link)
    return item.to_dict(include_self_link=False, transform_hrefs=False)


def _month(record: Record, days: list[Day]) -> dict[str, Any]:
    catalog = pystac.Catalog(
        f"{record.region}-{days[0].day:%Y-%m}", f"{record.title}: days of {days[0].day:%Y-%m}",
        extra_fields={"dwlim:first_item_sha256": tree.sha256(_bytes(_item(record, days[0])))})
    catalog.add_link(_link("root", "../../../catalog.json"))
    catalog.add_link(_link("parent", "../catalog.json"))
    for one in days:
        catalog.add_link(pystac.Link(
            "item", f"./{item_name(record.region, one.day)}.json", str(MediaType.GEOJSON),
            str(one.day), {"dwlim:sha256": one.sha256, "dwlim:assets": sorted(one.assets)}))
    return catalog.to_dict(include_self_link=False, transform_hrefs=False)


def _year(record: Record, year: int, months: list[str]) -> dict[str, Any]:
    catalog = pystac.Catalog(f"{record.region}-{year:04d}", f"{record.title}: days of {year:04d}")
    for link in (_link("root", "../../catalog.json"), _link("parent", "../collection.json"),
                 *(_link("child", f"./{month}/catalog.json", f"{year:04d}-{month}")
                   for month in months)):
        catalog.add_link(link)
    return catalog.to_dict(include_self_link=False, transform_hrefs=False)


def _collection(record: Record, days: Sequence[Day], years: list[str]) -> dict[str, Any]:
    first, last = (datetime.combine(one.day, time(), UTC) for one in (days[0], days[-1]))
    collection = pystac.Collection(
        record.region, record.description,
        pystac.Extent(pystac.SpatialExtent([list(record.west_south_east_north)]),
                      pystac.TemporalExtent([[first, last + timedelta(days=1, seconds=-1)]])),
        title=record.title,
        license=record.licence if re.fullmatch(_LICENCE, record.licence) else "other",
        keywords=["terrestrial water storage", "GNSS", "drought", "flood"],
        providers=[pystac.Provider(
            record.provider, roles=[pystac.ProviderRole.PRODUCER, pystac.ProviderRole.HOST],
            url=record.provider_url or None)])
    for key, asset in _assets(record.assets, RECORD_ASSETS, depth=2).items():
        collection.add_asset(key, asset)
    for link in (_link("root", "../catalog.json"), _link("parent", "../catalog.json"),
                 *(_link("child", f"./{year}/catalog.json", year) for year in years)):
        collection.add_link(link)
    return collection.to_dict(include_self_link=False, transform_hrefs=False)


def _root(record: Record) -> dict[str, Any]:
    catalog = pystac.Catalog("dwlim-ops", "Daily maps of terrestrial water storage from GNSS",
                             title=record.title)
    catalog.add_link(_link("root", "./catalog.json"))
    catalog.add_link(_link("child", f"./{record.region}/collection.json", record.title))
    return catalog.to_dict(include_self_link=False, transform_hrefs=False)


def _assets(places: Mapping[str, str], kinds: Mapping[str, tuple[str, list[str], str]], *,
            depth: int) -> dict[str, pystac.Asset]:
    """Assets in the order of `kinds`, seen from a file `depth` folders below the published one."""
    return {key: pystac.Asset(
        places[key] if "://" in places[key] else "../" * depth + places[key],
        title=title, media_type=media_type, roles=roles)
        for key, (media_type, roles, title) in kinds.items() if key in places}


def _link(relation: str, href: str, title: str | None = None) -> pystac.Link:
    return pystac.Link(relation, href, str(MediaType.JSON), title)


def _instant(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat().replace("+00:00", "Z")


def _bytes(content: Mapping[str, Any]) -> bytes:
    text = json.dumps(content, ensure_ascii=False, indent=1, allow_nan=False)
    return (text + "\n").encode()
