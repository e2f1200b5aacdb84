"""Surface pressure and skin temperature of the ECMWF forecast of the day itself, as open data."""

import datetime
import json
from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar, Final

import xarray as xr

from dwlim_ops.contracts import Offer, Received, Validators
from dwlim_ops.errors import MalformedInputError, SourceError
from dwlim_ops.sources.formats.grids.read import GRIB, read_grid
from dwlim_ops.sources.formats.grids.regrid import Cells, Regridder
from dwlim_ops.sources.formats.grids.weather import (
    Orography,
    daily_weather,
    digest_of,
    refuse_future,
)
from dwlim_ops.sources.http import Client

#: Path of one step of the run of 00 UTC, without its ending.
PATH: Final = "{day:%Y%m%d}/00z/ifs/0p25/oper/{day:%Y%m%d}000000-{step}h-oper-fc"
_STEP_HOURS: Final = 3
_STEPS: Final = range(0, 25, _STEP_HOURS)
_NEEDED: Final = ("sp", "skt")
_GROUND: Final = "z"
_OUT_AFTER: Final = datetime.timedelta(hours=8)
_NOTHING: Final = Validators()


@dataclass(frozen=True)
class _Span:
    parameter: str
    offset: int
    length: int


class EcmwfOpen:
    """The steps 0, 3, ..., 24 h of the run of 00 UTC, which make the day of the run.

    Of each file only the messages of our fields are fetched, as the index beside it tells their
    bytes; of step 0 also the height of the ground, if it is there. Own requests rather than the
    package `ecmwf-opendata`: that one writes to disk, and these keep the deadlines, size limits
    and redirect rules of every other source.

    Parameters
    ----------
    http : Client
        Of one of the mirrors.
    cells : Cells
    window_days : int
        How many days the provider keeps.
    orography : Orography, optional
        Where the files do not tell the height of the ground; see `to_cells`.
    path : str
        Template of the path, with `day` and `step`.
    """

    name = "weather"
    stream = "ifs"
    #: Pressure is brought to the height of the cells where the files tell that of the ground.
    _reduced: ClassVar[bool] = True

    def __init__(
        self, http: Client, *, cells: Cells, window_days: int = 4,
        orography: Orography | None = None, path: str = PATH,
    ) -> None:
        self._http, self._path, self._window_days = http, path, window_days
        self._regridder, self._orography = Regridder(cells), orography

    @cached_property
    def parsed_with(self) -> str:
        """Digest of cells and ground; see `contracts.Remembered`."""
        return digest_of(self._regridder.cells, self._orography)

    def offers(self, as_of: datetime.datetime) -> list[Offer]:
        """The days of the window whose run should be out, oldest first; asks nobody."""
        now = as_of.astimezone(datetime.UTC)
        days = [now.date() - datetime.timedelta(days=n) for n in range(self._window_days)]
        return [
            Offer(self.name, self.stream, f"ifs_{day}.grib2", day, day, None, "1")
            for day in reversed(days)
            if datetime.datetime.combine(day, datetime.time(), datetime.UTC) + _OUT_AFTER <= now
        ]

    def newest_visible_day(self, as_of: datetime.datetime) -> datetime.date:
        """Today, of which this is a forecast."""
        return as_of.astimezone(datetime.UTC).date()

    def fetch(
        self, offer: Offer, known: Validators = _NOTHING,  # noqa: ARG002  # never changes
    ) -> Received:
        """The messages of all steps, one after the other.

        Raises
        ------
        SourceError
            The run or one of its steps is not there, or the index does not fit its file.
        """
        messages = []
        for step in _STEPS:
            path = self._path.format(day=offer.valid_from, step=step)
            index = self._http.get(f"{path}.index").content or b""
            for span in _spans(index, step, where=f"{path}.index"):
                messages.append(self._message(f"{path}.grib2", span))
        return Received(b"".join(messages))

    def _message(self, path: str, span: _Span) -> bytes:
        last = span.offset + span.length - 1
        content = self._http.get(path, magic=(GRIB,), expected_bytes=span.length,
                                 headers={"Range": f"bytes={span.offset}-{last}"}).content
        return content or b""

    def parse(self, content: bytes, offer_key: str, *, not_after: datetime.date) -> xr.Dataset:
        """`pressure_pa` and `skin_temperature_k` of contract `GRIDDED_WEATHER`, one day."""
        grid = read_grid(content, where=offer_key)
        if not self._reduced:
            grid = grid.drop_vars("z", errors="ignore")
        weather = daily_weather(grid, self._regridder, orography=self._orography,
                                step_hours=_STEP_HOURS, where=offer_key)
        days = [str(day)[:10] for day in weather["time"].values]
        if [f"ifs_{day}.grib2" for day in days] != [offer_key]:
            raise MalformedInputError("other days than asked for", where=offer_key,
                                      expected="the day of the run", got=", ".join(days))
        return refuse_future(weather, not_after=not_after, where=offer_key)


def _spans(index: bytes, step: int, *, where: str) -> list[_Span]:
    wanted = (*_NEEDED, _GROUND) if step == 0 else _NEEDED
    found: dict[str, _Span] = {}
    try:
        for line in index.decode("ascii").splitlines():
            entry = json.loads(line)
            if entry["param"] in wanted and entry["levtype"] == "sfc":
                found[entry["param"]] = _Span(entry["param"], int(entry["_offset"]),
                                              int(entry["_length"]))
    except (ValueError, LookupError, TypeError, AttributeError) as error:
        raise SourceError("index cannot be read", where=where, got=repr(error)[:200],
                          expected="one JSON object per line") from error
    lacking = [name for name in _NEEDED if name not in found]
    bad = [span for span in found.values() if span.offset < 0 or span.length <= 0]
    if lacking or bad:
        raise SourceError("index lacks our fields", where=where, expected=", ".join(_NEEDED),
                          got=f"without {', '.join(lacking) or bad}",
                          remedy="look whether names or paths have changed")
    return list(found.values())
