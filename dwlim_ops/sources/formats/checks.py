"""What a value must satisfy, whatever file it came in; refusals name the line."""

import datetime
from collections.abc import Callable, Sequence
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray

from dwlim_ops.contracts import GNSS
from dwlim_ops.errors import MalformedInputError

Array = NDArray[np.float64]
Days = NDArray[np.datetime64]
Place = Callable[[int], str]
Unit = Literal["mm", "cm", "m"]

MM_PER: Final[dict[Unit, float]] = {"mm": 1.0, "cm": 10.0, "m": 1000.0}
FIRST_GPS_DAY: Final = datetime.date(1980, 1, 6)
_LEAST_SCATTER_MM, _USUAL_SCATTER_MM, _GREATEST_SCATTER_MM = 0.05, 4.0, 200.0
_LEAST_PAIRS = 10


def read_days(
    tokens: Sequence[bytes], *, not_before: datetime.date, not_after: datetime.date, place: Place
) -> Days:
    """Calendar days from `yyyymmdd` or `yyyy-mm-dd`; `place` names the line of a token.

    Raises
    ------
    MalformedInputError
        No such day in the calendar, or one outside `not_before`..`not_after`.
    """
    days = []
    for row, token in enumerate(tokens):
        try:
            day = datetime.date.fromisoformat(token.decode("ascii"))
        except ValueError as error:
            raise MalformedInputError(
                "no such day in the calendar", where=place(row), expected="year, month, day",
                got=repr(token.decode("ascii")), remedy="correct or remove the line",
            ) from error
        if not not_before <= day <= not_after:
            raise MalformedInputError(
                "day in the future" if day > not_after else "day too early", where=place(row),
                expected=f"{not_before} to {not_after}", got=str(day),
                remedy="correct the date; look for swapped day, month and year",
            )
        days.append(day)
    return np.array(days, dtype="datetime64[D]")


def refuse_bad_displacement(up_mm: Array, up_sigma_mm: Array, *, place: Place) -> None:
    """Refuse values outside the contract; where a value is NaN its sigma does not count.

    Raises
    ------
    MalformedInputError
        |up| too large, or a sigma that is not a positive finite number.
    """
    limit = GNSS.variables["up_mm"].maximum
    present = ~np.isnan(up_mm)
    rows = np.flatnonzero(present & ~(np.abs(up_mm) <= limit))
    if rows.size:
        raise MalformedInputError(
            "displacement out of range", where=place(int(rows[0])),
            expected=f"within {limit:g} mm", got=f"{up_mm[rows[0]]:g} mm",
            remedy="check the unit of the source and remove outliers and absolute heights",
        )
    rows = np.flatnonzero(present & ~((up_sigma_mm > 0) & (up_sigma_mm <= limit)))
    if rows.size:
        raise MalformedInputError(
            "sigma is impossible", where=place(int(rows[0])),
            expected=f"a positive number up to {limit:g} mm", got=f"{up_sigma_mm[rows[0]]:g} mm",
            remedy="remove the line, or write nan for a value that is absent",
        )


def refuse_wrong_unit(day: Days, up_mm: Array, unit: Unit, *, where: str) -> None:
    """Refuse a series whose scatter from day to day belongs to another unit than the declared one.

    The scatter is 1.4826 median |difference of consecutive days| / sqrt(2); that of a GNSS height
    is a few millimetres. Fewer than ten pairs of consecutive days are not judged.

    Raises
    ------
    MalformedInputError
        The scatter is below 0.05 mm or above 200 mm.
    """
    present = np.isfinite(up_mm)
    steps = np.diff(up_mm[present])[np.diff(day[present]) == np.timedelta64(1, "D")]
    if steps.size < _LEAST_PAIRS:
        return
    scatter_mm = 1.4826 * float(np.median(np.abs(steps))) / np.sqrt(2.0)
    if _LEAST_SCATTER_MM <= scatter_mm <= _GREATEST_SCATTER_MM:
        return
    raw = max(scatter_mm / MM_PER[unit], 1e-12)
    likely = min(MM_PER, key=lambda other: abs(np.log(raw * MM_PER[other] / _USUAL_SCATTER_MM)))
    other_unit = likely != unit
    raise MalformedInputError(
        f"values look like {likely}, not {unit}" if other_unit else "not a GNSS series",
        where=where,
        expected=f"day-to-day scatter of {_LEAST_SCATTER_MM:g} to {_GREATEST_SCATTER_MM:g} mm",
        got=f"{scatter_mm:.3g} mm when read as {unit}",
        remedy=f'set unit = "{likely}" for this source' if other_unit else "check the file",
    )

