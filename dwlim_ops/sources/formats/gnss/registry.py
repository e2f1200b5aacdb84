"""Every format in which a GNSS series may come, by the name that a configuration uses."""

import datetime
from dataclasses import dataclass
from typing import Final, Protocol

from dwlim_ops.sources.formats.checks import Unit
from dwlim_ops.sources.formats.gnss.jpl import parse_series
from dwlim_ops.sources.formats.gnss.neu import parse_neu
from dwlim_ops.sources.formats.gnss.ngl import parse_tenv, parse_tenv3
from dwlim_ops.sources.formats.gnss.org import parse_org
from dwlim_ops.sources.formats.gnss.pos import parse_pos
from dwlim_ops.sources.formats.gnss.series import StationSeries
from dwlim_ops.sources.formats.gnss.sinex import parse_sinex
from dwlim_ops.sources.formats.up import parse_up


class Parser(Protocol):
    """Bytes of one file to the series in it."""

    def __call__(
        self, content: bytes, *, unit: Unit, not_after: datetime.date, where: str
    ) -> tuple[StationSeries, ...]:
        """Raises `MalformedInputError` for anything that is not such a file."""
        ...


@dataclass(frozen=True)
class Format:
    """A format: its parser, the endings of its files, and the unit of its values.

    Parameters
    ----------
    parse : Parser
    endings : tuple of str
        Lower case, without `.gz`.
    unit : str or None
        The unit that the format lays down; None: it varies and must be said.
    network : bool
        A file holds a day (or some days) of many stations, so that their heights must be referred
        to the same height in every file.
    """

    parse: Parser
    endings: tuple[str, ...]
    unit: Unit | None = "m"
    network: bool = False


def parse_plain(
    content: bytes, *, unit: Unit, not_after: datetime.date, where: str
) -> tuple[StationSeries, ...]:
    """Lines `yyyymmdd up sigma`, see `formats.up.parse_up`."""
    up = parse_up(content, unit=unit, not_after=not_after, where=where)
    return (StationSeries(up.day, up.up_mm, up.up_sigma_mm, up.duplicated, 0.0),)


FORMATS: Final[dict[str, Format]] = {
    "up": Format(parse_plain, (".up",), "mm"),
    "tenv3": Format(parse_tenv3, (".tenv3",)),
    "tenv": Format(parse_tenv, (".tenv",)),
    "pos": Format(parse_pos, (".pos",)),
    "neu": Format(parse_neu, (".neu",), None),
    "org": Format(parse_org, (".org",), network=True),
    "series": Format(parse_series, (".series",)),
    "sinex": Format(parse_sinex, (".snx", ".sinex"), network=True),
}
