"""Days from calendar fields and modified Julian days, one checked against the other."""

import datetime
from collections.abc import Callable
from functools import lru_cache
from typing import Final

import numpy as np
from numpy.typing import NDArray

from dwlim_ops.errors import MalformedInputError
from dwlim_ops.sources.formats.checks import FIRST_GPS_DAY, Days, Place

Array = NDArray[np.float64]

MJD_OF_1970: Final = 40587
SECONDS_PER_DAY: Final = 86400
_UNIX_ORDINAL: Final = datetime.date(1970, 1, 1).toordinal()
_MONTHS: Final = {name: number for number, name in enumerate(
    (b"JAN", b"FEB", b"MAR", b"APR", b"MAY", b"JUN", b"JUL", b"AUG", b"SEP", b"OCT", b"NOV",
     b"DEC"), start=1)}
_PIVOT: Final = 80
_GREATEST_YEAR: Final = 9998


def four_digit_year(two_digits: int) -> int:
    """1980 to 2079 from 80 .. 99, 00 .. 79: GPS began in 1980."""
    return two_digits + (1900 if two_digits >= _PIVOT else 2000)


@lru_cache(maxsize=2**16)
def day_of_ngl_date(token: bytes) -> int:
    """Days since 1970 from `YYMMMDD` such as `07JAN29`.

    Raises
    ------
    ValueError
        Not such a date, or no such day in the calendar.

    >>> day_of_ngl_date(b"99DEC31"), day_of_ngl_date(b"00JAN01")
    (10956, 10957)
    """
    if len(token) != 7 or not (token[:2] + token[5:]).isdigit() or token[2:5] not in _MONTHS:
        raise ValueError(token)
    return day_number(four_digit_year(int(token[:2])), _MONTHS[token[2:5]], int(token[5:]))


@lru_cache(maxsize=2**16)
def day_of_iso_date(token: bytes) -> int:
    """Days since 1970 from `yyyymmdd`.

    Raises
    ------
    ValueError
        Not such a date, or no such day in the calendar.
    """
    if len(token) != 8 or not token.isdigit():
        raise ValueError(token)
    return day_number(int(token[:4]), int(token[4:6]), int(token[6:]))


def day_number(year: int, month: int, day: int) -> int:
    """Days since 1970 of a day of the calendar.

    Raises
    ------
    ValueError
        No such day.
    """
    return datetime.date(year, month, day).toordinal() - _UNIX_ORDINAL


def day_of_year_number(year: int, day_of_year: int) -> int:
    """Days since 1970 from the year and the day in it (1 is the first of January).

    Raises
    ------
    ValueError
        No such day.
    """
    if not 1 <= year <= _GREATEST_YEAR:
        raise ValueError(year)
    first = day_number(year, 1, 1)
    if not 1 <= day_of_year <= day_number(year + 1, 1, 1) - first:
        raise ValueError(day_of_year)
    return first + day_of_year - 1


def read_each(
    tokens: list[bytes], convert: Callable[[bytes], int], *, expected: str, place: Place
) -> NDArray[np.int64]:
    """Days since 1970 of many tokens.

    Raises
    ------
    MalformedInputError
        One of them is no day of the calendar.
    """
    try:
        return np.array([convert(token) for token in tokens], dtype=np.int64)
    except ValueError:
        bad = next(n for n, token in enumerate(tokens) if not _converts(token, convert))
        raise no_such_day(place(bad), expected, tokens[bad]) from None


def no_such_day(where: str, expected: str, got: bytes) -> MalformedInputError:
    """The refusal of a date that the calendar does not hold."""
    return MalformedInputError(
        "no such day in the calendar", where=where, expected=expected,
        got=repr(got[:20].decode("ascii", "backslashreplace")), remedy="correct or remove the line",
    )


def refuse_disagreement(
    number: NDArray[np.int64], other: NDArray[np.int64], *, names: tuple[str, str], place: Place
) -> None:
    """Refuse rows whose two dates (days since 1970) are not the same day.

    Raises
    ------
    MalformedInputError
        The dates of a row differ.
    """
    rows = np.flatnonzero(number != other)
    if rows.size:
        row = int(rows[0])
        raise MalformedInputError(
            "the two dates of the line disagree", where=place(row),
            expected=f"{names[0]} and {names[1]} on one day",
            got=f"{_shown(number[row])} and {_shown(other[row])}",
            remedy="get the file again; a converter may have shifted the days",
        )


def days_within(
    number: NDArray[np.int64], *, not_after: datetime.date, place: Place
) -> Days:
    """Days since 1970 as `datetime64[D]`.

    Raises
    ------
    MalformedInputError
        A day before GPS, or after `not_after`.
    """
    first, last = (day.toordinal() - _UNIX_ORDINAL for day in (FIRST_GPS_DAY, not_after))
    rows = np.flatnonzero((number < first) | (number > last))
    if rows.size:
        row = int(rows[0])
        raise MalformedInputError(
            "day in the future" if number[row] > last else "day too early", where=place(row),
            expected=f"{FIRST_GPS_DAY} to {not_after}", got=_shown(number[row]),
            remedy="correct the date; look for swapped day, month and year",
        )
    return number.astype("datetime64[D]")


def _converts(token: bytes, convert: Callable[[bytes], int]) -> bool:
    try:
        convert(token)
    except ValueError:
        return False
    return True


def _shown(number: np.int64) -> str:
    return str(number.astype("datetime64[D]"))
