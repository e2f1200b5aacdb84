"""Temperature of the land's skin from GLDAS-2.2 CLSM: with GRACE (DA), and early without (EP)."""

import datetime
import logging
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final, Literal

import numpy as np
import xarray as xr

from dwlim_ops.contracts import Offer, Received, Validators
from dwlim_ops.errors import MalformedInputError, SourceError
from dwlim_ops.sources.formats.grids.gldas import (
    SHORT_NAME,
    VARIABLE,
    VERSION,
    day_of,
    read_gldas,
)
from dwlim_ops.sources.formats.grids.read import HDF
from dwlim_ops.sources.formats.grids.regrid import Cells, Regridder
from dwlim_ops.sources.formats.grids.weather import digest_of, refuse_future, to_cells
from dwlim_ops.sources.http import Client, NotFoundError

GldasStream = Literal["gldas_ep", "gldas_da"]
Access = Literal["file", "dap4"]

_PAGE: Final = 2000
_SOUTH_DEG, _WEST_DEG, _STEP_DEG = -59.875, -179.875, 0.25
_N_LAT, _N_LON = 600, 1440
_NOTHING: Final = Validators()
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class _Granule:
    day: datetime.date
    name: str
    revision: str
    url: str
    n_bytes: int | None


class Gldas:
    """One stream of GLDAS: the granules that CMR lists, from the archive or cut out by OPeNDAP.

    Parameters
    ----------
    cmr : Client
        Of the catalogue, which needs no login.
    data : Client
        Of the archive, or with `access` "dap4" of the OPeNDAP server; Earthdata Login or bearer.
    stream : {"gldas_ep", "gldas_da"}
    cells : Cells
    first_day : datetime.date
        Nothing before it is asked for.
    access : {"file", "dap4"}
        Whole files, or the region's part of one variable.
    """

    name = "weather"

    def __init__(
        self, cmr: Client, data: Client, *, stream: GldasStream, cells: Cells,
        first_day: datetime.date, access: Access = "file",
    ) -> None:
        self.stream: str = stream
        self._cmr, self._data, self._first_day = cmr, data, first_day
        self._short_name = SHORT_NAME[stream]
        self._regridder = Regridder(cells)
        self._constraint = constraint_for(cells) if access == "dap4" else ""
        self._granules: dict[str, _Granule] = {}

    @cached_property
    def parsed_with(self) -> str:
        """Digest of cells and ground; see `contracts.Remembered`."""
        return digest_of(self._regridder.cells, None)

    def offers(self, as_of: datetime.datetime) -> list[Offer]:
        """Every day that CMR lists, oldest first; the version is the revision of the granule.

        Days of another version of the product are passed over with a warning.

        Raises
        ------
        SourceError
            CMR cannot be read, does not know the product, or has it in another version only.
        """
        items = self._search(as_of)
        if not items:
            self._refuse_unknown_product()
        ours = [item for item in items if f".{VERSION}:" in _granule_ur(item)]
        if len(ours) < len(items):
            found = sorted({_granule_ur(item).partition(":")[0] for item in items})
            if not ours:
                raise SourceError(
                    "product is there in another version only", where=self._short_name,
                    expected=f"version {VERSION}", got=", ".join(found),
                    remedy="read what has changed before a new version is taken into use")
            _log.warning("%s: CMR lists other versions too: %s", self._short_name, found)
        granules = [_granule(item, dap4=bool(self._constraint)) for item in ours]
        self._granules = {g.name: g for g in granules if g.day >= self._first_day}
        cut = f"-{zlib.crc32(self._constraint.encode()):08x}" if self._constraint else ""
        return [
            Offer(self.name, self.stream, g.name, g.day, g.day, None, g.revision + cut)
            for g in sorted(self._granules.values(), key=lambda g: g.day)
        ]

    def newest_visible_day(self, as_of: datetime.datetime) -> datetime.date:
        """Today: there are no values of days to come."""
        return as_of.astimezone(datetime.UTC).date()

    def fetch(self, offer: Offer, known: Validators = _NOTHING) -> Received:
        """The netCDF-4 file of one day.

        Raises
        ------
        SourceError
            It is gone (as early products are when the main ones appear), a login or error page
            came instead, or a file of another size than CMR says.
        """
        granule = self._granules.get(offer.key)
        if granule is None:
            raise NotFoundError("no such file in the last answer of CMR", where=offer.key,
                                remedy="ask for the offers first")
        if self._constraint:
            path = f"{granule.url}.dap.nc4?dap4.ce={self._constraint}"
            return self._data.get(path, magic=(HDF,), headers={"Accept-Encoding": "identity"})
        return self._data.get(granule.url, magic=(HDF,), known=known,
                              expected_bytes=granule.n_bytes)

    def parse(self, content: bytes, offer_key: str, *, not_after: datetime.date) -> xr.Dataset:
        """`temperature_k` of contract `GRIDDED_WEATHER`: the land's skin, mean of the day."""
        daily = read_gldas(content, offer_key)
        weather = to_cells(daily, self._regridder, where=offer_key)
        return refuse_future(weather, not_after=not_after, where=offer_key)

    def _search(self, as_of: datetime.datetime) -> list[Mapping[str, Any]]:
        span = f"{self._first_day}T00:00:00Z,{as_of.astimezone(datetime.UTC):%Y-%m-%dT%H:%M:%SZ}"
        items: list[Mapping[str, Any]] = []
        hits, page = 1, 0
        while len(items) < hits:
            page += 1
            document = self._cmr.get_json("granules.umm_json", {
                "short_name": self._short_name, "temporal[]": span, "sort_key[]": "start_date",
                "page_size": str(_PAGE), "page_num": str(page)})
            try:
                hits, found = int(document["hits"]), list(document["items"])
            except (LookupError, TypeError, ValueError) as error:
                raise _unreadable(self._short_name, document) from error
            if not found:
                break
            items += found
        if len(items) < hits:
            raise SourceError("CMR does not list all that it has found", where=self._short_name,
                              expected=f"{hits} granules", got=f"{len(items)}",
                              remedy="the next tick asks again")
        return items

    def _refuse_unknown_product(self) -> None:
        document = self._cmr.get_json("collections.umm_json", {"short_name": self._short_name})
        if not isinstance(document, dict) or not document.get("hits"):
            raise SourceError("CMR does not know the product", where=self._short_name,
                              expected="a collection of that short name", got="none",
                              remedy="look for its new name or its successor")


def constraint_for(cells: Cells) -> str:
    """DAP4 constraint that cuts the region, and one grid point around it, out of a global file.

    Indices are (lat + 59.875) / 0.25 and (lon + 179.875) / 0.25; a region across the date line
    takes all longitudes.
    """
    north, west, south, east = cells.bounds_deg
    rows = _indices(south, north, _SOUTH_DEG, _N_LAT)
    columns = (0, _N_LON - 1) if west < -180 or east > 180 else _indices(
        west, east, _WEST_DEG, _N_LON)
    lat, lon = f"[{rows[0]}:1:{rows[1]}]", f"[{columns[0]}:1:{columns[1]}]"
    return f"/{VARIABLE}[0:1:0]{lat}{lon};/lat{lat};/lon{lon};/time[0:1:0]"


def _indices(low: float, high: float, first: float, count: int) -> tuple[int, int]:
    return (max(0, int(np.floor((low - first) / _STEP_DEG))),
            min(count - 1, int(np.ceil((high - first) / _STEP_DEG))))


def _granule_ur(item: Mapping[str, Any]) -> str:
    try:
        return str(item["umm"]["GranuleUR"])
    except (LookupError, TypeError) as error:
        raise _unreadable("CMR", item) from error


def _granule(item: Mapping[str, Any], *, dap4: bool) -> _Granule:
    name = _granule_ur(item).partition(":")[2]
    try:
        revision, links = str(item["meta"]["revision-date"]), item["umm"]["RelatedUrls"]
        wanted = ("Subtype", "OPENDAP DATA") if dap4 else ("Type", "GET DATA")
        urls = [str(link["URL"]) for link in links if link.get(wanted[0]) == wanted[1]
                and str(link["URL"]).startswith("http")]
        archive = item["umm"].get("DataGranule", {}).get("ArchiveAndDistributionInformation", [])
        sizes = {int(part["SizeInBytes"]) for part in archive if "SizeInBytes" in part}
        return _Granule(day_of(name), name, revision, urls[0],
                        sizes.pop() if len(sizes) == 1 else None)
    except (LookupError, TypeError, ValueError, AttributeError, MalformedInputError) as error:
        raise _unreadable(name or "CMR", item) from error


def _unreadable(where: str, got: object) -> SourceError:
    return SourceError("answer of CMR cannot be read", where=where, got=repr(got)[:200],
                       expected="UMM-G granules with a link to the data",
                       remedy="look whether CMR or the product's entry has changed")
