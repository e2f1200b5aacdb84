"""Monthly GRACE and GRACE-FO mascons for verification: CSR RL06.3 and JPL RL06.3 v04 (CRI).

Each provider re-issues its whole record with every new month, two to four months late.
"""

import datetime
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import xarray as xr

from dwlim_ops.contracts import NOT_KNOWN, Offer, Received, Validators
from dwlim_ops.errors import SourceError
from dwlim_ops.sources.formats.loading.netcdf import MAGIC
from dwlim_ops.sources.formats.mascons import Bounds, parse_mascons
from dwlim_ops.sources.http import Client

CSR_FILE: Final = "CSR_GRACE_GRACE-FO_RL0603_Mascons_all-corrections.nc"
JPL_SHORT_NAME: Final = "TELLUS_GRAC-GRFO_MASCON_CRI_GRID_RL06.3_V4"
FIRST_DAY: Final = datetime.date(2002, 4, 1)
_JPL_FILE: Final = re.compile(
    r"GRCTellus\.JPL\.(\d{4})(0[1-9]|1[0-2])_(\d{4})(0[1-9]|1[0-2])\.GLO\.[\w.]+\.nc")


class CsrMascons:
    """CSR: one file of a fixed name, overwritten in place, no login.

    Parameters
    ----------
    client : Client
        Base address: the folder of the files.
    bounds_deg : tuple of float
        West, south, east, north of the region.
    """

    name, stream = "grace", "csr"

    def __init__(self, client: Client, *, bounds_deg: Bounds) -> None:
        self._client, self._bounds_deg = client, bounds_deg

    def offers(self, as_of: datetime.datetime) -> list[Offer]:
        """The file, to be asked for once a day; how far it reaches shows when it is read."""
        today = as_of.astimezone(datetime.UTC).date()
        return [Offer(self.name, self.stream, CSR_FILE, FIRST_DAY, today, None, f"{today:%Y%m%d}")]

    def newest_visible_day(self, as_of: datetime.datetime) -> datetime.date:
        """The day of `as_of`: what has been fetched may be used."""
        return as_of.astimezone(datetime.UTC).date()

    def fetch(self, offer: Offer, known: Validators = NOT_KNOWN) -> Received:
        """The file, unless it has not changed.

        Raises
        ------
        SourceError
            The provider cannot be reached, or the file is no netCDF file.
        """
        return self._client.get(offer.key, known=known, magic=MAGIC)

    def parse(self, content: bytes, offer_key: str, *, not_after: datetime.date) -> xr.Dataset:
        """Dataset of contract `GRACE`, see `formats.mascons.parse_mascons`."""
        return parse_mascons(content, bounds_deg=self._bounds_deg, not_after=not_after,
                             where=offer_key)


@dataclass(frozen=True)
class _Granule:
    name: str
    url: str
    revision: str
    n_bytes: int | None

    @property
    def last_day(self) -> datetime.date:
        match = _JPL_FILE.fullmatch(self.name)
        year, month = (int(match[3]), int(match[4])) if match else (1, 1)
        return datetime.date(year + month // 12, month % 12 + 1, 1) - datetime.timedelta(days=1)


class JplMascons:
    """JPL: the name holds the last month and is gone with the next release, so CMR is asked.

    Parameters
    ----------
    catalogue : Client
        NASA's Common Metadata Repository, base address `.../search`.
    archive : Client
        PO.DAAC, with Earthdata Login.
    bounds_deg : tuple of float
        West, south, east, north of the region.
    scaled : bool
        Multiply by the gain factors: for hydrology below mascon scale only.
    short_name : str
        Collection in the catalogue.
    """

    name, stream = "grace", "jpl"

    def __init__(self, catalogue: Client, archive: Client, *, bounds_deg: Bounds,
                 scaled: bool = False, short_name: str = JPL_SHORT_NAME) -> None:
        self._catalogue, self._archive = catalogue, archive
        self._bounds_deg, self._scaled, self._short_name = bounds_deg, scaled, short_name

    def offers(self, as_of: datetime.datetime) -> list[Offer]:  # noqa: ARG002
        """The newest issue; its key is that of the collection, since it replaces the one before.

        Raises
        ------
        SourceError
            The catalogue cannot be reached or has no such file.
        """
        newest = self._newest()
        return [Offer(self.name, self.stream, f"{self._short_name}.nc", FIRST_DAY,
                      newest.last_day, None, f"{newest.name} {newest.revision}")]

    def newest_visible_day(self, as_of: datetime.datetime) -> datetime.date:
        """The day of `as_of`: what has been fetched may be used."""
        return as_of.astimezone(datetime.UTC).date()

    def fetch(self, offer: Offer, known: Validators = NOT_KNOWN) -> Received:
        """The file that was offered, unless it has not changed.

        Raises
        ------
        SourceError
            The login fails, the file has been replaced meanwhile, or it is no netCDF file.
        """
        newest = self._newest()
        if f"{newest.name} {newest.revision}" != offer.version:
            raise SourceError("the file has been replaced since it was offered", where=offer.key,
                              expected=offer.version, got=f"{newest.name} {newest.revision}",
                              remedy="the next pass takes the new one")
        return self._archive.get(newest.url, known=known, magic=MAGIC,
                                 expected_bytes=newest.n_bytes)

    def parse(self, content: bytes, offer_key: str, *, not_after: datetime.date) -> xr.Dataset:
        """Dataset of contract `GRACE`, see `formats.mascons.parse_mascons`."""
        return parse_mascons(content, bounds_deg=self._bounds_deg, not_after=not_after,
                             scaled=self._scaled, where=offer_key)

    def _newest(self) -> _Granule:
        document = self._catalogue.get_json(
            "granules.umm_json", {"short_name": self._short_name, "page_size": "200"})
        found = [granule for item in _items(_mapping(document).get("items"))
                 for granule in _granules(item)]
        if not found:
            raise SourceError("the catalogue has no mascon file", where=self._short_name,
                              expected="GRCTellus.JPL.200204_yyyymm.GLO.*.nc",
                              got=f"{document!r:.80}",
                              remedy="look whether the collection has a new version")
        return max(found, key=lambda granule: (granule.last_day, granule.revision))


def _granules(item: object) -> list[_Granule]:
    """Downloadable mascon files of one entry of the catalogue; others are passed over."""
    meta, umm = (_mapping(_mapping(item).get(key)) for key in ("meta", "umm"))
    found = []
    for link in map(_mapping, _items(umm.get("RelatedUrls"))):
        url = str(link.get("URL", ""))
        name = url.rpartition("/")[2]
        if url.startswith("http") and link.get("Type") == "GET DATA" and _JPL_FILE.fullmatch(name):
            revision = str(meta.get("revision-date", meta.get("revision-id", "")))
            found.append(_Granule(name, url, revision, _size(umm, name)))
    return found


def _size(umm: Mapping[str, object], name: str) -> int | None:
    """Bytes of a file as the catalogue has them, if it does."""
    parts = _items(_mapping(umm.get("DataGranule")).get("ArchiveAndDistributionInformation"))
    sizes = [part.get("SizeInBytes") for part in map(_mapping, parts) if part.get("Name") == name]
    return next((n for n in sizes if isinstance(n, int) and n > 0), None)


def _mapping(value: object) -> Mapping[str, object]:
    return value if isinstance(value, Mapping) else {}


def _items(value: object) -> list[object]:
    return value if isinstance(value, list) else []
