"""`steps.txt` of the Nevada Geodetic Laboratory: possible steps (UPSTREAMS.md 2.4)."""

import datetime
import re
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import Final, Literal

from dwlim_ops.errors import MalformedInputError
from dwlim_ops.sources.formats.gnss.epochs import day_of_ngl_date, no_such_day
from dwlim_ops.sources.formats.gnss.table import numbered_lines
from dwlim_ops.sources.formats.text import NUMBER, open_text, shown

Kind = Literal["equipment", "earthquake", "product"]
Step = tuple[datetime.date, str]

_KINDS: Final[dict[bytes, Kind]] = {b"1": "equipment", b"2": "earthquake", b"3": "product"}
_ONE_DAY: Final = datetime.timedelta(days=1)
_UNIX_DAY: Final = datetime.date(1970, 1, 1)
_NUMBER: Final = re.compile(NUMBER)
_STATION: Final = re.compile(rb"\w{4}")


@dataclass(frozen=True)
class NglStep:
    """One line: what happened on which day; an earthquake is "possible", not proven.

    Parameters
    ----------
    day : datetime.date
        Day of the event.
    station : str
    kind : {"equipment", "earthquake", "product"}
        Types 1, 2 and 3: work at the site, an earthquake, a change of software or products.
    detail : str
        What was changed, or the USGS name of the earthquake.
    threshold_km, distance_km, magnitude : float
        Of an earthquake: distance within which a step is possible, distance of the epicentre,
        magnitude. Zero for other kinds.
    """

    day: datetime.date
    station: str
    kind: Kind
    detail: str
    threshold_km: float = 0.0
    distance_km: float = 0.0
    magnitude: float = 0.0


def parse_ngl_steps(content: bytes, *, where: str) -> tuple[NglStep, ...]:
    """Read `steps.txt`, in the order of the file.

    Parameters
    ----------
    content : bytes
        Text, plain or gzip: `station YYMMMDD 1|3 text`, or `station YYMMMDD 2 threshold distance
        magnitude name`.
    where : str
        Name of the file, for messages.

    Raises
    ------
    MalformedInputError
        A line of another form, or no day of the calendar.
    """
    text = open_text(content, where=where)
    return tuple(_read_line(line, f"{where}, line {number}")
                 for number, line in numbered_lines(text))


def equipment_steps(
    steps: Iterable[NglStep], *, stations: Collection[str]
) -> tuple[Step, ...]:
    """Steps by work at the site or a change of products, as (first day after the step, station).

    A change of products holds from its day on; work at a site leaves its day mixed, so the step
    shows on the next. Sorted, each once: the form of `formats.steps.read_steps`.
    """
    return _sorted_steps(
        (step.day + (_ONE_DAY if step.kind == "equipment" else datetime.timedelta()), step.station)
        for step in steps if step.kind != "earthquake" and step.station in stations)


def earthquake_steps(
    steps: Iterable[NglStep], *, stations: Collection[str], minimum_magnitude: float,
    largest_share: float = 1.0,
) -> tuple[Step, ...]:
    """Steps by earthquakes that were large and near, as (day after the earthquake, station).

    Parameters
    ----------
    steps : iterable of NglStep
    stations : collection of str
    minimum_magnitude : float
    largest_share : float, optional
        Largest distance, as a share of the distance within which a step is possible.
    """
    return _sorted_steps(
        (step.day + _ONE_DAY, step.station) for step in steps
        if step.kind == "earthquake" and step.station in stations
        and step.magnitude >= minimum_magnitude
        and step.distance_km < largest_share * step.threshold_km)


def _sorted_steps(steps: Iterable[Step]) -> tuple[Step, ...]:
    return tuple(sorted(set(steps)))


def _read_line(line: bytes, where: str) -> NglStep:
    fields = line.split()
    kind = _KINDS.get(fields[2]) if len(fields) > 2 else None
    width = 7 if kind == "earthquake" else 4
    known = kind is not None and _STATION.fullmatch(fields[0]) is not None
    if not known or kind is None or len(fields) != width or (
            kind == "earthquake" and not all(map(_NUMBER.fullmatch, fields[3:6]))):
        raise MalformedInputError(
            "not a line of steps.txt", where=where, got=shown(line),
            expected="station YYMMMDD 1|3 text, or station YYMMMDD 2 km km magnitude name",
            remedy="get the file again",
        )
    try:
        day = _UNIX_DAY + datetime.timedelta(days=day_of_ngl_date(fields[1]))
    except ValueError:
        raise no_such_day(where, "YYMMMDD", fields[1]) from None
    station, detail = fields[0].decode("ascii").upper(), fields[-1].decode("ascii")
    if kind != "earthquake":
        return NglStep(day, station, kind, detail)
    threshold_km, distance_km, magnitude = map(float, fields[3:6])
    return NglStep(day, station, kind, detail, threshold_km, distance_km, magnitude)
