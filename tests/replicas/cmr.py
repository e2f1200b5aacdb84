"""Granules of the collections, and the answers of CMR about them (UPSTREAMS, 4.3 and 6.1)."""

import datetime as dt
import json
import zlib
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import quote

from tests.replicas.gldasfiles import FIRST_DAY
from tests.replicas.messages import Reply, Request, json_reply
from tests.replicas.world import World, next_month

MAIN: Final = "GLDAS_CLSM025_DA1_D"
EARLY: Final = "GLDAS_CLSM025_DA1_D_EP"
JPL: Final = "TELLUS_GRAC-GRFO_MASCON_CRI_GRID_RL06.3_V4"
#: The concept id of the early product is not known; this one is made up.
CONCEPTS: Final = {MAIN: "C1700900796-GES_DISC", EARLY: "C9900000001-GES_DISC",
                   JPL: "C3195527175-POCLOUD"}


@dataclass(frozen=True)
class Granule:
    """One file; `version` is that of its collection."""

    collection: str
    version: str
    name: str
    path: str
    first: dt.date
    last: dt.date
    revised: dt.datetime
    revision: int = 1

    @property
    def identifier(self) -> str:
        """GranuleUR."""
        if self.collection == JPL:
            return self.name.removesuffix(".nc")
        return f"{self.collection}.{self.version}:{self.name}"


def gldas_days(world: World, collection: str) -> tuple[dt.date, dt.date]:
    """First and last day of a stream; early days go when the main ones come."""
    if collection == MAIN:
        return FIRST_DAY, world.gldas_main_until()
    return world.gldas_main_until() + dt.timedelta(days=1), world.gldas_early_until()


def gldas_granules(
    world: World, collection: str, request: Request, *, version: str, reprocessed: bool
) -> list[Granule]:
    """Granules of a stream that touch the days asked for, oldest first."""
    first, last = gldas_days(world, collection)
    for start, end in _spans(request):
        first, last = max(first, start or first), min(last, end or last)
    return [gldas_granule(world, collection, first + dt.timedelta(days=k), version=version,
                          reprocessed=reprocessed) for k in range((last - first).days + 1)]


def gldas_granule(
    world: World, collection: str, day: dt.date, *, version: str = "2.2", reprocessed: bool = False
) -> Granule:
    """The granule of a day."""
    suffix = "0" + version.replace(".", "")
    name = f"{collection}.A{day:%Y%m%d}.{suffix}.nc4"
    delay = (world.latencies.gldas_main_after_month_days if collection == MAIN
             else world.latencies.gldas_early_after_month_days)
    revised = world.month_released(day, delay)
    if reprocessed:
        revised = world.now - dt.timedelta(hours=6)
    return Granule(collection, version, name,
                   f"/data/GLDAS/{collection}.{version}/{day:%Y/%m}/{name}", day, day, revised,
                   1 + reprocessed)


def jpl_granule(world: World, *, months_ago: int = 0) -> Granule:
    """The one mascon file, named by its newest month; `months_ago`: as it was named then."""
    month = world.mascon_months()[-1 - months_ago]
    name = f"GRCTellus.JPL.200204_{month:%Y%m}.GLO.RL06.3M.MSCNv04CRI.nc"
    revised = world.month_released(month, world.latencies.mascon_after_month_days)
    return Granule(JPL, "RL06.3Mv04", name, f"/podaac-ops-cumulus-protected/{JPL}/{name}",
                   dt.date(2002, 4, 4), next_month(month) - dt.timedelta(days=1), revised)


def search(
    request: Request, granules: list[Granule], size_of: dict[str, int], origin: str
) -> Reply:
    """`granules.umm_json`: filters, sorting, pages and headers of CMR.

    Parameters
    ----------
    granules : list of Granule
        All of the collection that was asked for.
    size_of : dict
        Bytes of a file, by collection.
    origin : str
        Of the host that serves the files.
    """
    chosen = [g for g in granules if _matches(g, request)]
    order = request.parameter("sort_key") or request.parameter("sort_key[]")
    if order in {"-start_date", "-revision_date"}:
        chosen.reverse()
    size = int(request.parameter("page_size", "10"))
    start = (int(request.parameter("page_num", "1")) - 1) * size
    if after := request.headers.get("cmr-search-after"):
        names = [g.name for g in chosen]
        start = names.index(json.loads(after)[-1]) + 1
    shown = chosen[start:start + size]
    headers = {"CMR-Hits": str(len(chosen)), "CMR-Took": "7"}
    if shown:
        headers["CMR-Search-After"] = json.dumps([shown[-1].collection.lower(), shown[-1].name])
    items = [_item(granule, size_of[granule.collection], origin) for granule in shown]
    return json_reply({"hits": len(chosen), "took": 7, "items": items}, headers=headers)


def search_collections(request: Request, version: str) -> Reply:
    """`collections.umm_json` by short name."""
    name = request.parameter("short_name")
    known = [(short, concept) for short, concept in CONCEPTS.items() if name in {"", short}]
    items = [{"meta": {"concept-id": concept, "native-id": short},
              "umm": {"ShortName": short, "Version": version if short != JPL else "RL06.3Mv04"}}
             for short, concept in known]
    return json_reply({"hits": len(items), "took": 3, "items": items},
                      headers={"CMR-Hits": str(len(items))})


def _matches(granule: Granule, request: Request) -> bool:
    version = request.parameter("version", granule.version)
    for first, last in _spans(request):
        if (first and granule.last < first) or (last and granule.first > last):
            return False
    since = _moment(request.parameter("updated_since") or request.parameter("revision_date[]"))
    names = request.query.get("readable_granule_name[]", [granule.name])
    return (version == granule.version and (since is None or granule.revised >= since)
            and (granule.name in names or granule.identifier in names))


def _spans(request: Request) -> list[tuple[dt.date | None, dt.date | None]]:
    spans = request.query.get("temporal[]", request.query.get("temporal", []))
    pairs = [[_moment(text) for text in (span + ",").split(",")[:2]] for span in spans]
    return [(first and first.date(), last and last.date()) for first, last in pairs]


def _moment(text: str) -> dt.datetime | None:
    text = text.strip().rstrip(",")
    if not text:
        return None
    moment = dt.datetime.fromisoformat(text)
    return moment if moment.tzinfo else moment.replace(tzinfo=dt.UTC)


def _item(granule: Granule, n_bytes: int, origin: str) -> dict[str, Any]:
    concept = CONCEPTS[granule.collection]
    provider = concept.partition("-")[2]
    number = zlib.crc32(granule.identifier.encode())
    stamp = f"{granule.revised:%Y-%m-%dT%H:%M:%S.000Z}"
    opendap = f"{origin}/collections/{concept}/granules/{quote(granule.identifier, safe='')}"
    return {
        "meta": {
            "concept-type": "granule", "concept-id": f"G{number}-{provider}",
            "revision-id": granule.revision, "native-id": granule.identifier,
            "collection-concept-id": concept, "provider-id": provider,
            "format": "application/vnd.nasa.cmr.umm+json", "revision-date": stamp},
        "umm": {
            "GranuleUR": granule.identifier,
            "CollectionReference": {"ShortName": granule.collection, "Version": granule.version},
            "TemporalExtent": {"RangeDateTime": {
                "BeginningDateTime": f"{granule.first}T00:00:00.000Z",
                "EndingDateTime": f"{granule.last}T23:59:59.999Z"}},
            "ProviderDates": [{"Date": stamp, "Type": "Update"}],
            "DataGranule": {"DayNightFlag": "Unspecified", "ProductionDateTime": stamp,
                            "ArchiveAndDistributionInformation": [{
                                "Name": granule.name, "SizeInBytes": n_bytes,
                                "Size": n_bytes / 2**20, "SizeUnit": "MB"}]},
            "RelatedUrls": [
                {"URL": origin + granule.path, "Type": "GET DATA", "MimeType":
                 "application/x-netcdf"},
                {"URL": f"s3://replica-cumulus-prod{granule.path}",
                 "Type": "GET DATA VIA DIRECT ACCESS"},
                {"URL": opendap, "Type": "USE SERVICE API", "Subtype": "OPENDAP DATA"}],
            "MetadataSpecification": {"URL": "https://cdn.earthdata.nasa.gov/umm/granule/v1.6.6",
                                      "Name": "UMM-G", "Version": "1.6.6"}}}
