"""Text files of one station's modelled loading, in the variants that circulate."""

import datetime
import re
from typing import Final

import numpy as np
from numpy.typing import NDArray

from dwlim_ops.errors import MalformedInputError
from dwlim_ops.sources.formats.checks import MM_PER, Unit
from dwlim_ops.sources.formats.loading.points import PointSeries
from dwlim_ops.sources.formats.loading.series import UNIT_NAMES, refuse_bad_instants
from dwlim_ops.sources.formats.text import NUMBER_OR_NAN, line_numbers, open_text, shown

Array = NDArray[np.float64]

_UP_LABELS: Final = frozenset({"r", "u", "up", "v", "vertical", "radial", "duv"})
_OTHER_LABELS: Final = frozenset(
    {"ns", "ew", "n", "e", "north", "east", "duns", "duew", "south", "west"})
_LABEL: Final = re.compile(r"([A-Za-z]+)[\[(]?([A-Za-z]*)[\])]?")
_NUMBER: Final = re.compile(NUMBER_OR_NAN)
_DAY, _DIGITS = rb"\d{4}-\d{2}-\d{2}", rb"\d{1,2}"
#: Ways to write an instant: patterns of the fields that hold it, from the left (or the last one).
_LAYOUTS: Final = (
    ((_DAY, rb"\d{1,2}:\d{2}(?::\d{2})?"), 0),
    ((rb"\d{4}", _DIGITS, _DIGITS, _DIGITS), 0),
    ((rb"\d{8}",), 0),
    ((_DAY,), 0),
    ((_DAY,), -1),
)


def parse_station_text(content: bytes, *, unit: Unit, up_column: int | None,
                       not_after: datetime.date, where: str) -> PointSeries:
    """Read one station's file of the radial displacement, whatever its column order.

    Rows begin with `yyyy-mm-dd hh:mm`, `year month day hour`, `yyyymmdd` or `yyyy-mm-dd`, or end
    with `yyyy-mm-dd`; fields are separated by white space or commas. Lines before the first row
    are comments, and the last one that names the components (`R NS EW`, `R EW NS`,
    `vertical,north,east,Date`) says where the radial one stands.

    Parameters
    ----------
    unit : {"m", "cm", "mm"}
        Unit of the file; a unit in its header, as in `R[mm]`, must agree.
    up_column : int or None
        Number of the radial column, from 1, for files without such a header.

    Raises
    ------
    MalformedInputError
        Not such a file, no radial column, another unit in the header, or an impossible instant.
    """
    text = open_text(content, where=where)
    numbers = line_numbers(text)
    lines = [line for line in text.split(b"\n") if line.strip()]
    first = next((row for row, line in enumerate(lines)
                  if _layout(_fields(line)) is not None), None)
    if first is None:
        raise MalformedInputError("no row with a date", where=where, got=shown(lines[0]),
                                  expected="yyyy-mm-dd hh:mm, year month day hour, or yyyymmdd")
    rows = [_fields(line) for line in lines[first:]]
    layout = _layout(rows[0])
    column = _up_column(lines[:first], len(rows[0]), unit, up_column, where)
    instants, values = [], []
    for fields, line in zip(rows, numbers[first:], strict=True):
        place = f"{where}, line {line}"
        good = len(fields) == len(rows[0]) and _layout(fields) == layout
        if not good or not _NUMBER.fullmatch(fields[column]):
            raise MalformedInputError("row unlike the first one", where=place,
                                      expected=shown(b" ".join(rows[0])),
                                      got=shown(b" ".join(fields)))
        instants.append(_instant(fields, layout, place))
        values.append(float(fields[column]))
    instant = np.array(instants, dtype="datetime64[s]")
    refuse_bad_instants(instant, not_after=not_after, where=where)
    return PointSeries(instant, np.array(values) * MM_PER[unit], unit)


def _fields(line: bytes) -> list[bytes]:
    return line.replace(b",", b" ").split()


def _layout(fields: list[bytes]) -> int | None:
    for number, (patterns, start) in enumerate(_LAYOUTS):
        held = fields[start:][:len(patterns)]
        if len(fields) > len(patterns) and all(
                re.fullmatch(pattern, field)
                for pattern, field in zip(patterns, held, strict=True)):
            return number
    return None


def _up_column(header: list[bytes], n_fields: int, unit: Unit, given: int | None, where: str
               ) -> int:
    for line in reversed(header):
        labels = [_LABEL.fullmatch(item) for item in
                  line.decode("ascii").replace(",", " ").strip("#%!* ").split()]
        names = [label[1].lower() if label else "" for label in labels]
        ups = [number for number, name in enumerate(names) if name in _UP_LABELS]
        if len(ups) != 1 or not _OTHER_LABELS.intersection(names) or len(names) > n_fields:
            continue
        label = labels[ups[0]]
        declared = UNIT_NAMES.get(label[2].lower(), unit) if label else unit
        if declared != unit:
            raise MalformedInputError("the header declares another unit", where=where,
                                      expected=unit, got=declared,
                                      remedy=f'set unit = "{declared}" for this source')
        # labels of the date may be missing or share a field, so that columns count from the right
        return n_fields - len(names) + ups[0]
    if given is None or not 1 <= given <= n_fields:
        raise MalformedInputError(
            "no radial column is named", where=where, expected="a header line such as R NS EW",
            got=shown(header[-1]) if header else "no header",
            remedy="give the number of the radial column, up_column, for this source")
    return given - 1


def _instant(fields: list[bytes], layout: int | None, where: str) -> datetime.datetime:
    patterns, start = _LAYOUTS[layout or 0]
    held = [field.decode("ascii") for field in fields[start:][:len(patterns)]]
    try:
        if len(held) == 4:
            year, month, day, hour = (int(item) for item in held)
            return datetime.datetime(year, month, day, hour)  # noqa: DTZ001  # numpy has no zones
        text = held[0] + ("T" + held[1].rjust(5, "0") if len(held) == 2 else "")
        return datetime.datetime.fromisoformat(text)
    except ValueError as error:
        raise MalformedInputError("no such instant", where=where, got=" ".join(held),
                                  expected="a date of the calendar") from error
