"""Daily positions of the Nevada Geodetic Laboratory, final and rapid (UPSTREAMS.md 2.1 to 2.5)."""

import datetime
import json
import logging
import math
from collections.abc import Callable, Collection
from dataclasses import asdict, dataclass
from typing import ClassVar, Final

import numpy as np
import xarray as xr

from dwlim_ops.contracts import NOT_KNOWN, Memory, Offer, Received, Validators
from dwlim_ops.errors import ConfigError, MalformedInputError, SourceError
from dwlim_ops.sources.datasets import gnss_dataset
from dwlim_ops.sources.formats.dataholdings import Holding, Holdings, parse_holdings
from dwlim_ops.sources.formats.gnss.ngl import parse_tenv3
from dwlim_ops.sources.formats.sites import Sites
from dwlim_ops.sources.http import Client

_log = logging.getLogger(__name__)

_GREATEST_MOVE_M: Final = 100.0
#: Solutions that the provider screens out when it rewrites a record.
_ROWS_THAT_MAY_GO: Final = 0.01
_MAGIC: Final = (b"site ",)
_LIST_MAGIC: Final = (b"Sta ",)
_SERIES: Final = "/gps_timeseries/IGS20"
_LISTS: Final = "/NGLStationPages"


@dataclass(frozen=True)
class _Copy:
    """Size of the copy of a station's file that we hold."""

    n_rows: int
    last: str


class _Ngl:
    """One stream of the provider: a list of stations, and a file for each.

    The list is asked for once per `offers`, with the validators of the copy in hand. A station
    that cannot be offered is left out, the others go on; `warnings` says why.

    Parameters
    ----------
    client : Client
        For the provider's host.
    memory : Memory
        Place and original name of every station, and the size of the file that we hold.
    stations : collection of str, optional
        Four-character names.
    inside : callable, optional
        Whether a station at (longitude, latitude), longitude in [-180, 180), is wanted; a polygon,
        or `formats.dataholdings.in_box`. With both, stations of either are taken.
    accepted : collection of str, optional
        Stations whose new place, new original name or shrunken file an operator has looked at and
        takes.
    list_path : str, optional
        Path of the list of stations.
    file_path : str, optional
        Path of a station's file; `{station}` stands for its name in capitals.

    Raises
    ------
    ConfigError
        No station is wanted.
    """

    name = "gnss"
    stream: str
    _ending: ClassVar[str]
    _rolling: ClassVar[bool]

    def __init__(
        self, client: Client, *, memory: Memory, list_path: str, file_path: str,
        stations: Collection[str] = (), inside: Callable[[float, float], bool] | None = None,
        accepted: Collection[str] = (),
    ) -> None:
        if not stations and inside is None:
            raise ConfigError("no station is wanted", where="stations of the source ngl",
                              expected="names, or a box or outline",
                              remedy="never ask for the whole archive")
        self._client, self._memory = client, memory
        self._names = frozenset(name.upper() for name in stations)
        self._inside = inside
        self._accepted = frozenset(name.upper() for name in accepted)
        self._list_path, self._file_path = list_path, file_path
        self._listed: tuple[Holdings, Validators] | None = None
        self.warnings: tuple[str, ...] = ()

    def offers(self, as_of: datetime.datetime) -> list[Offer]:
        """One file for each wanted station, by name; those left out are named in `warnings`.

        Raises
        ------
        SourceError
            The list of stations cannot be had.
        MalformedInputError
            It cannot be read.
        """
        holdings = self._holdings()
        today = as_of.astimezone(datetime.UTC).date()
        offers, warnings = [], []
        for name in sorted(self._wanted(holdings)):
            if name not in holdings.by_station:
                warnings.append(holdings.refused.get(name) or self._absent(name))
                continue
            held = holdings.by_station[name]
            refusal = self._refusal(held, today)
            if refusal:
                warnings.append(refusal)
                continue
            offers.append(Offer(
                self.name, self.stream, f"{name}{self._ending}", held.first, held.last, None,
                f"{held.modified}/{held.last}"))
        for text in warnings:
            _log.warning("station left out: %s", text)
        self.warnings = tuple(warnings)
        return offers

    def fetch(self, offer: Offer, known: Validators = NOT_KNOWN) -> Received:
        """The station's file; None if it has not changed.

        Raises
        ------
        SourceError
            The provider refuses or has no such file, or the file ends before the one that we hold
            or has lost one row in a hundred: the copy in hand stays in force.
        """
        path = self._file_path.format(station=self._station(offer.key))
        received = self._client.get(path, known=known, magic=_MAGIC)
        if received.content is not None:
            self._refuse_shrunken(received.content, offer)
        return received

    def newest_visible_day(self, as_of: datetime.datetime) -> datetime.date:
        """The day of `as_of`: the provider has what its file holds."""
        return as_of.astimezone(datetime.UTC).date()

    def parse(self, content: bytes, offer_key: str, *, not_after: datetime.date) -> xr.Dataset:
        """Dataset of contract `GNSS` with one station, its place from the file.

        `height_m` is the whole metre from which `up_mm` is counted.
        """
        series, = parse_tenv3(content, not_after=not_after, where=offer_key)
        if series.station != self._station(offer_key):
            raise MalformedInputError(
                "the file of another station", where=offer_key,
                expected=self._station(offer_key), got=series.station,
                remedy="the provider has mixed up its files: wait for the next one")
        place = Sites(np.array([series.station]), np.array([series.longitude_deg]),
                      np.array([series.latitude_deg]), np.array([series.height_m]))
        return gnss_dataset(series.day, place, series.up_mm[:, None],
                            series.up_sigma_mm[:, None], series.duplicated[:, None])

    def _holdings(self) -> Holdings:
        held, known = self._listed or (None, NOT_KNOWN)
        received = self._client.get(self._list_path, known=known, magic=_LIST_MAGIC)
        if received.content is not None:
            held = parse_holdings(received.content, where=self._list_path)
            self._listed = held, received.validators
        if held is None:
            raise SourceError("the list of stations is said to be unchanged, but none is held",
                              where=self._list_path, remedy="ask again")
        return held

    def _wanted(self, holdings: Holdings) -> set[str]:
        inside = self._inside
        if inside is None:
            return set(self._names)
        return set(self._names) | {
            name for name, held in holdings.by_station.items()
            if inside(held.longitude_deg, held.latitude_deg)}

    def _absent(self, name: str) -> str:
        return (f"{self._list_path}: the station {name} is not in the list; remedy: correct its "
                "name, or take it from the list of wanted stations")

    def _refusal(self, held: Holding, today: datetime.date) -> str:
        """Why a station cannot be offered; its place is remembered at the first sight."""
        if held.first > today:
            return f"{self._list_path}: the series of {held.station} begins after {today}"
        key = f"ngl/{self.stream}/place/{held.station}"
        now = json.dumps({"xyz_m": held.xyz_m, "original_name": held.original_name})
        before = self._memory.recall(key)
        if before is None or held.station in self._accepted:
            self._memory.remember(key, now)
            return ""
        was = json.loads(before)
        moved_m = math.dist(was["xyz_m"], held.xyz_m)
        if moved_m > _GREATEST_MOVE_M:
            what = f"moved by {moved_m:.0f} m, {_GREATEST_MOVE_M:.0f} m at most"
        elif was["original_name"] != held.original_name:
            what = f"was {was['original_name']!r} by its original name, now {held.original_name!r}"
        else:
            return ""
        return (f"{self._list_path}: the station {held.station} {what}: perhaps another one under "
                "the same name; remedy: look at it, then name it in `accepted`")

    def _refuse_shrunken(self, content: bytes, offer: Offer) -> None:
        """A file that cannot be read is left to whoever keeps it, and measures nothing."""
        try:
            series, = parse_tenv3(content, not_after=offer.valid_to, where=offer.key)
        except MalformedInputError:
            return
        station = self._station(offer.key)
        key = f"ngl/{self.stream}/copy/{station}"
        now = _Copy(series.day.size + series.n_left_out, str(series.day[-1]))
        before = self._memory.recall(key)
        if before is not None and station not in self._accepted:
            was = _Copy(**json.loads(before))
            least = 0.0 if self._rolling else was.n_rows * (1.0 - _ROWS_THAT_MAY_GO)
            if now.last < was.last or now.n_rows < least:
                raise SourceError(
                    "the file has shrunk, the copy in hand stays in force", where=offer.key,
                    expected=f"{was.n_rows} rows to {was.last}, or more",
                    got=f"{now.n_rows} rows to {now.last}",
                    remedy=f"if the provider has cut its record, name {station} in `accepted`")
        self._memory.remember(key, json.dumps(asdict(now)))

    def _station(self, offer_key: str) -> str:
        return offer_key.partition(".")[0]


class NglFinal(_Ngl):
    """Final 24-hour solutions, global frame: the whole record of a station in one file."""

    stream = "final"
    _ending, _rolling = ".tenv3", False

    def __init__(
        self, client: Client, *, memory: Memory, stations: Collection[str] = (),
        inside: Callable[[float, float], bool] | None = None, accepted: Collection[str] = (),
        list_path: str = f"{_LISTS}/DataHoldings.txt",
        file_path: str = f"{_SERIES}/tenv3/IGS20/{{station}}.tenv3",
    ) -> None:
        super().__init__(client, memory=memory, stations=stations, inside=inside,
                         accepted=accepted, list_path=list_path, file_path=file_path)


class NglRapid(_Ngl):
    """Rapid 24-hour solutions, global frame: the last 60 days or so."""

    stream = "rapid"
    _ending, _rolling = ".rapid.tenv3", True

    def __init__(
        self, client: Client, *, memory: Memory, stations: Collection[str] = (),
        inside: Callable[[float, float], bool] | None = None, accepted: Collection[str] = (),
        list_path: str = f"{_LISTS}/DataHoldingsRapid24hr.txt",
        file_path: str = f"{_SERIES}/rapids/IGS20/{{station}}.tenv3",
    ) -> None:
        super().__init__(client, memory=memory, stations=stations, inside=inside,
                         accepted=accepted, list_path=list_path, file_path=file_path)
