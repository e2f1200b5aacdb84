"""White-space columns of numbers; refusals name the line."""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from dwlim_ops.errors import MalformedInputError
from dwlim_ops.sources.formats.gnss.aligned import Aligned, align
from dwlim_ops.sources.formats.text import shown

Array = NDArray[np.float64]
Line = tuple[int, bytes]

#: Seconds since J2000 are the largest quantity.
LARGEST_NUMBER: Final = 1e11
_LARGEST_INTEGER: Final = 999_999_999

_DECIMAL: Final = b"0123456789+-.eE\n"
_INTEGER: Final = b"0123456789-\n"


@dataclass(frozen=True)
class Table:
    """Rows of white-space separated fields, with the number of the line of each.

    Parameters
    ----------
    rows : list of list of bytes
        Fields of each row; empty where `aligned` holds them.
    aligned : Aligned or None
    line : list of int
    where : str
        Name of the file, for messages.
    """

    rows: list[list[bytes]]
    aligned: Aligned | None
    line: list[int]
    where: str

    def place(self, row: int) -> str:
        """File and line of a row, for messages."""
        return f"{self.where}, line {self.line[row]}"

    def column(self, index: int) -> list[bytes]:
        """Fields of one column."""
        if self.aligned is not None:
            return self.aligned.column(index)
        return [row[index] for row in self.rows]

    def numbers(self, index: int) -> Array:
        """One column as finite numbers.

        Raises
        ------
        MalformedInputError
            A field is not a number, or one that no quantity of these formats reaches.
        """
        values = self.aligned.decimals(index) if self.aligned is not None else None
        if values is not None and (np.abs(values) <= LARGEST_NUMBER).all():
            return values
        return self._read(index, _DECIMAL, LARGEST_NUMBER, "a number")

    def integers(self, index: int) -> NDArray[np.int64]:
        """One column as integers of up to nine digits.

        Raises
        ------
        MalformedInputError
            A field is not such an integer.
        """
        return self._read(index, _INTEGER, _LARGEST_INTEGER, "an integer").astype(np.int64)

    def _read(self, index: int, allowed: bytes, largest: float, kind: str) -> Array:
        """`float` alone would take `1_0`, `nan` and `inf`."""
        items = self.column(index)
        if not b"\n".join(items).translate(None, allowed):
            try:
                values = np.array([float(item) for item in items], dtype=np.float64)
            except ValueError:
                pass
            else:
                if (np.abs(values) <= largest).all():
                    return values
        bad = next(row for row, item in enumerate(items) if not _fits(item, allowed, largest))
        raise MalformedInputError(
            f"not {kind} that can be", where=self.place(bad),
            expected=f"{kind} of at most {largest:g} in column {index + 1}", got=shown(items[bad]),
            remedy="get the file again, or correct the line",
        )


def numbered_lines(text: bytes) -> list[Line]:
    """Lines that are not blank, each with its number (from 1)."""
    return [(n, line) for n, line in enumerate(text.split(b"\n"), start=1) if line.strip()]


def read_table(
    lines: list[Line], *, widths: Collection[int], expected: str, where: str
) -> Table:
    """Split lines into fields.

    Parameters
    ----------
    lines : list of (int, bytes)
        Number and content of each line.
    widths : collection of int
        Numbers of fields that a row may have.
    expected : str
        The layout in words, for messages.
    where : str
        Name of the file, for messages.

    Raises
    ------
    MalformedInputError
        No row, or a row of another width.
    """
    if not lines:
        raise MalformedInputError("no row of data", where=where, expected=expected,
                                  remedy="get the file again")
    numbers = [number for number, _ in lines]
    if len(widths) == 1:
        aligned = align([line for _, line in lines], *widths)
        if aligned is not None:
            return Table([], aligned, numbers, where)
    rows = [line.split() for _, line in lines]
    bad = next((n for n, row in enumerate(rows) if len(row) not in widths), None)
    if bad is not None:
        raise MalformedInputError(
            "wrong number of columns", where=f"{where}, line {lines[bad][0]}",
            expected=f"{' or '.join(map(str, sorted(widths)))} columns: {expected}",
            got=f"{len(rows[bad])} in {shown(lines[bad][1])}",
            remedy="get the file again; check the format of this source",
        )
    return Table(rows, None, numbers, where)


def _fits(item: bytes, allowed: bytes, largest: float) -> bool:
    try:
        return not item.translate(None, allowed) and abs(float(item)) <= largest
    except ValueError:
        return False
