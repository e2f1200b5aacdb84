"""JPL GipsyX `.series` files (UPSTREAMS.md 2.9)."""

import datetime
from typing import Final

import numpy as np

from dwlim_ops.sources.formats.checks import Unit
from dwlim_ops.sources.formats.gnss.epochs import (
    SECONDS_PER_DAY,
    day_number,
    days_within,
    no_such_day,
    refuse_disagreement,
)
from dwlim_ops.sources.formats.gnss.series import StationSeries, make_series
from dwlim_ops.sources.formats.gnss.table import numbered_lines, read_table
from dwlim_ops.sources.formats.text import open_text

_LAYOUT: Final = "decimal_year E N V sE sN sV three correlations J2000_seconds yyyy mm dd hh mm ss"
_NOON_OF_2000: Final = 10957 * SECONDS_PER_DAY + SECONDS_PER_DAY // 2


def parse_series(
    content: bytes, *, unit: Unit = "m", not_after: datetime.date, where: str
) -> tuple[StationSeries, ...]:
    """Read a `.series` file: 17 columns, no header, lines of `#` passed over.

    The day is that of the last six columns, checked against the seconds past J2000.

    Parameters
    ----------
    content : bytes
        Text, plain or gzip.
    unit : {"m", "mm", "cm"}
        Unit of components and sigmas; JPL writes metres.
    not_after : datetime.date
        Last day that the file may hold.
    where : str
        Name of the file, for messages.

    Raises
    ------
    MalformedInputError
        Not such a file, or an impossible or contradicting value.
    """
    lines = [(number, line) for number, line in numbered_lines(open_text(content, where=where))
             if not line.startswith(b"#")]
    table = read_table(lines, widths={17}, expected=_LAYOUT, where=where)
    number = []
    calendar = zip(*(table.integers(column) for column in (11, 12, 13)), strict=True)
    for row, (year, month, day) in enumerate(calendar):
        try:
            number.append(day_number(int(year), int(month), int(day)))
        except ValueError:
            raise no_such_day(table.place(row), "year month day",
                              b" ".join(table.column(n)[row] for n in (11, 12, 13))) from None
    days = np.array(number, dtype=np.int64)
    seconds = table.numbers(10) + _NOON_OF_2000
    refuse_disagreement(days, np.floor(seconds / SECONDS_PER_DAY).astype(np.int64),
                        names=("date", "seconds past J2000"), place=table.place)
    return (make_series(
        days_within(days, not_after=not_after, place=table.place), table.numbers(3),
        table.numbers(6), unit=unit, place=table.place, where=where),)
