"""Tables whose fields stand under one another in every line, read as one block of characters.

Most station files are such; to read a column at once is several times as fast as to make an
object of every field.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Characters = NDArray[np.uint8]

_BLANK, _MINUS, _POINT, _ZERO = (ord(sign) for sign in " -.0")
#: Integers of so many digits, and their quotient by a power of ten, are exact or rounded once.
_MOST_DIGITS: Final = 15


@dataclass(frozen=True)
class Aligned:
    """Characters of all lines, (row, position), and where each field begins and ends."""

    characters: Characters
    begin: NDArray[np.intp]
    end: NDArray[np.intp]

    def column(self, index: int) -> list[bytes]:
        """Fields of one column."""
        block = np.ascontiguousarray(self._field(index))
        items: list[bytes] = block.view(f"S{block.shape[1]}").ravel().tolist()
        return [item.strip() for item in items]

    def decimals(self, index: int) -> Array | None:
        """One column of right-justified numbers with equally many decimals; None if it is not."""
        field = self._field(index)
        digit = field - np.uint8(_ZERO)
        is_digit, is_point, is_minus = digit <= 9, field == _POINT, field == _MINUS
        before = is_minus | (field == _BLANK)
        point = np.flatnonzero(is_point.any(axis=0))
        n_decimals = field.shape[1] - 1 - int(point[0]) if point.size else 0
        if (
            not (is_digit | is_point | before).all()
            or point.size > 1 or (point.size and not is_point[:, point[0]].all())
            or (before[:, 1:] & ~before[:, :-1]).any() or (is_minus[:, :-1] & before[:, 1:]).any()
            or not is_digit.any(axis=1).all() or field.shape[1] - point.size > _MOST_DIGITS
        ):
            return None
        powers = 10 ** np.arange(field.shape[1] - 1, -1, -1, dtype=np.int64)
        if point.size:
            powers[:point[0]] //= 10
        whole = np.where(is_digit, digit, 0).astype(np.int64) @ powers
        return np.where(is_minus.any(axis=1), -whole, whole) / 10.0**n_decimals

    def _field(self, index: int) -> Characters:
        return self.characters[:, self.begin[index]:self.end[index]]


def align(lines: list[bytes], width: int) -> Aligned | None:
    """The lines as a block, if they are equally long and each has `width` fields in one place."""
    if len(set(map(len, lines))) != 1:
        return None
    characters = np.frombuffer(b"".join(lines), dtype=np.uint8).reshape(len(lines), -1)
    filled = characters != _BLANK
    used = np.concatenate([[False], filled.any(axis=0), [False]])
    begin, end = (np.flatnonzero(edge) for edge in (used[1:] & ~used[:-1], ~used[1:] & used[:-1]))
    if begin.size != width or characters.min() < _BLANK:
        return None
    starts = filled.copy()
    starts[:, 1:] &= ~filled[:, :-1]
    if not (np.add.reduceat(starts, begin, axis=1, dtype=np.uint8) == 1).all():
        return None
    return Aligned(characters, begin, end)
