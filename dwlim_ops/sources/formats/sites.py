"""Lists of stations or weather sites with their places."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from dwlim_ops.errors import MalformedInputError
from dwlim_ops.geometry import wrap_longitude_deg
from dwlim_ops.sources.formats.text import NUMBER, line_numbers, open_text, shown

Array = NDArray[np.float64]
_NUMBER = re.compile(NUMBER)
_LIMITS = {"longitude": (-360.0, 360.0), "latitude": (-90.0, 90.0), "height": (-500.0, 9000.0)}


@dataclass(frozen=True)
class Sites:
    """Places by name; longitudes in [-180, 180), height NaN where it is not known."""

    name: NDArray[np.str_]
    longitude_deg: Array
    latitude_deg: Array
    height_m: Array

    def pick(self, names: Sequence[str], *, where: str) -> "Sites":
        """The places of `names`, in that order.

        Raises
        ------
        MalformedInputError
            A name is not in the list.
        """
        row = {name: number for number, name in enumerate(self.name.tolist())}
        unknown = sorted(set(names) - row.keys())
        if unknown:
            raise MalformedInputError(
                "unknown station or site", where=where, expected="a name of the list of sites",
                got=", ".join(unknown[:5]) + (" ..." if len(unknown) > 5 else ""),
                remedy="add it with its longitude and latitude to the list of sites, or remove it",
            )
        index = [row[name] for name in names]
        return Sites(self.name[index], self.longitude_deg[index], self.latitude_deg[index],
                     self.height_m[index])

    def describe(self, name: str) -> str:
        """The entry of `name` as text, empty if there is none: changes when the entry does."""
        rows = np.flatnonzero(self.name == name)
        return "".join(
            f"{name} {self.longitude_deg[row]} {self.latitude_deg[row]} {self.height_m[row]}\n"
            for row in rows
        )


def parse_sites(content: bytes, *, kind: Literal["station", "site"], where: str) -> Sites:
    """Read a list of places.

    Two forms: CSV with the header `station,longitude,latitude[,height]` (or `site,...`), and
    white-space columns `NAME longitude latitude [height]` without header. Degrees and metres;
    longitudes anywhere in -360..360 are wrapped. Names of stations become upper case.

    Raises
    ------
    MalformedInputError
        Not such a table, a place off the Earth, or a name given twice.
    """
    text = open_text(content, where=where)
    numbers, lines = line_numbers(text), [line for line in text.split(b"\n") if line.strip()]
    if b"," in lines[0]:
        _check_header(lines[0], kind, f"{where}, line {numbers[0]}")
        n_columns, separator = {lines[0].count(b",") + 1}, b","
        numbers, lines = numbers[1:], lines[1:]
    else:
        n_columns, separator = {3, 4}, None
    rows = [
        _read_line(line, separator, n_columns, f"{where}, line {number}")
        for number, line in zip(numbers, lines, strict=True)
    ]
    names = [name.upper() if kind == "station" else name for name, _ in rows]
    repeated = sorted({name for name in names if names.count(name) > 1})
    if repeated or not names:
        raise MalformedInputError(
            "name given twice" if repeated else "no row", where=where,
            expected="each place once", got=", ".join(repeated[:5]), remedy="correct the list",
        )
    place = np.array([values for _, values in rows])
    longitude = wrap_longitude_deg(wrap_longitude_deg(place[:, 0]).round(9)).round(9)
    return Sites(np.array(names), longitude, place[:, 1], place[:, 2])


def _check_header(line: bytes, kind: str, where: str) -> None:
    header = line.decode("ascii").strip().lower()
    if header not in (f"{kind},longitude,latitude", f"{kind},longitude,latitude,height"):
        raise MalformedInputError(
            "wrong header", where=where, expected=f"{kind},longitude,latitude[,height]",
            got=shown(line), remedy="name the columns so, or use white space and no header",
        )


def _read_line(
    line: bytes, separator: bytes | None, n_columns: set[int], where: str
) -> tuple[str, tuple[float, float, float]]:
    fields = [item.strip() for item in line.split(separator)]
    columns = ("longitude", "latitude", "height")
    if len(fields) not in n_columns or not fields[0]:
        raise MalformedInputError(
            "wrong number of columns", where=where,
            expected=f"name and {', '.join(columns)} (height may be absent)", got=shown(line),
            remedy="give one place per line",
        )
    items = [*fields[1:], b""][:3]
    longitude, latitude, height = (
        _read_number(item, column, where) for item, column in zip(items, columns, strict=True)
    )
    return fields[0].decode("ascii"), (longitude, latitude, height)


def _read_number(item: bytes, column: str, where: str) -> float:
    if column == "height" and not item:
        return np.nan
    low, high = _LIMITS[column]
    value = float(item) if _NUMBER.fullmatch(item) else np.nan
    if not low <= value <= high:
        raise MalformedInputError(
            f"{column} out of range" if np.isfinite(value) else f"{column} is not a number",
            where=where, expected=f"{low:g} to {high:g}", got=shown(item),
            remedy="the order of the columns is name, longitude, latitude, height",
        )
    return value
