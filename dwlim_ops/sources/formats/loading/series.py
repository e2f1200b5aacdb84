"""Instants of modelled loading to means of UTC days, and what such a series must look like."""

import datetime
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray

from dwlim_ops.contracts import LOADING
from dwlim_ops.errors import MalformedInputError
from dwlim_ops.sources.formats.checks import FIRST_GPS_DAY, MM_PER, Unit

Array = NDArray[np.float64]
Instants = NDArray[np.datetime64]
Days = NDArray[np.datetime64]
Product = Literal["NTAL", "NTOL"]
StepHours = Literal[1, 3, 6, 12, 24]

PRODUCTS: Final[tuple[Product, ...]] = ("NTAL", "NTOL")
#: How units are written in headers and attributes.
UNIT_NAMES: Final[dict[str, Unit]] = {
    "m": "m", "meter": "m", "meters": "m", "metre": "m", "metres": "m",
    "cm": "cm", "centimeter": "cm", "centimeters": "cm", "centimetre": "cm", "centimetres": "cm",
    "mm": "mm", "millimeter": "mm", "millimeters": "mm", "millimetre": "mm", "millimetres": "mm",
}
#: Standard deviation, mm, of a station's daily values: least, usual, greatest.
_SCATTER_MM: Final[dict[Product, tuple[float, float, float]]] = {
    "NTAL": (0.3, 2.0, 8.0), "NTOL": (0.01, 0.4, 8.0),
}
_LEAST_DAYS: Final = 30
_LIMIT_MM: Final = LOADING.variables["ntal_up_mm"].maximum
_ONE_DAY: Final = np.timedelta64(1, "D")


def unit_of(text: str, *, where: str) -> Unit:
    """The length unit that a header or an attribute declares.

    Raises
    ------
    MalformedInputError
        None, or another than metres, centimetres and millimetres.
    """
    unit = UNIT_NAMES.get(text.strip().lower())
    if unit is None:
        raise MalformedInputError(
            "no known unit of displacement is declared", where=where, expected="m, cm or mm",
            got=repr(text[:40]), remedy="look at the file; do not guess its unit")
    return unit


def daily_means(instant: Instants, up_mm: Array, *, step_hours: StepHours, where: str
                ) -> tuple[Days, Array]:
    """Mean of each UTC day by the trapezoid over its instants, both midnights included.

    Parameters
    ----------
    instant : ndarray (n,) of datetime64
        UTC, in any order; an instant may be repeated with the same values.
    up_mm : ndarray (n, ...)
        Values at the instants.
    step_hours : {1, 3, 6, 12, 24}
        Step that the provider declares. With 24 a value is taken as the mean of the day that its
        label lies in.

    Returns
    -------
    days, means
        Complete days only, ascending: with a step of 3 h a day has its nine values of 00, 03, ...,
        21 and 24 UTC. Shapes (d,) and (d, ...).

    Raises
    ------
    MalformedInputError
        Instants off the declared step, two values for one instant, or no complete day.

    Examples
    --------
    >>> hours = np.datetime64("2026-01-01T00", "s") + np.arange(0, 25, 3) * np.timedelta64(1, "h")
    >>> days, means = daily_means(hours, np.arange(9.0), step_hours=3, where="example")
    >>> str(days[0]), float(means[0])
    ('2026-01-01', 4.0)
    """
    index, values = _steps(instant, up_mm, step_hours, where)
    per_day = 24 // step_hours
    if step_hours == 24:
        days, means = index, values
    else:
        start = np.flatnonzero(index % per_day == 0)
        start = start[start + per_day < index.size]
        start = start[index[start + per_day] - index[start] == per_day]
        weight = np.full(per_day + 1, 1.0 / per_day)
        weight[[0, -1]] /= 2.0
        rows = values[start[:, None] + np.arange(per_day + 1)]
        days, means = index[start] // per_day, np.einsum("ds...,s->d...", rows, weight)
    if not days.size:
        raise MalformedInputError(
            "no complete day", where=where, got=f"{index.size} instants",
            expected=f"an instant each {step_hours} h from 00 to 24 UTC",
            remedy="check the step that is declared for this source")
    return np.datetime64("1970-01-01", "D") + days * _ONE_DAY, means


def _steps(instant: Instants, values: Array, step_hours: int, where: str
           ) -> tuple[NDArray[np.int64], Array]:
    """Instants as ascending, unique numbers of steps since 1970, with their values."""
    seconds = instant.astype("datetime64[s]").astype(np.int64)
    step = step_hours * 3600
    label = seconds % step
    if label.size and not (label == (0 if step_hours < 24 else label[0])).all():
        raise MalformedInputError(
            "instants do not fit the step", where=where, expected=f"one each {step_hours} h",
            got=str(instant[np.flatnonzero(label != label[0])[:1]]),
            remedy="check the step that is declared for this source")
    order = np.argsort(seconds, kind="stable")
    index, values = seconds[order] // step, values[order]
    again = np.flatnonzero(np.diff(index) == 0)
    if not np.array_equal(values[again], values[again + 1], equal_nan=True):
        raise MalformedInputError("two different values for one instant", where=where,
                                  expected="each instant once")
    kept = np.delete(np.arange(index.size), again + 1)
    return index[kept], values[kept]


def refuse_bad_instants(instant: Instants, *, not_after: datetime.date, where: str) -> None:
    """Refuse instants before GPS or after the midnight that ends `not_after`.

    Raises
    ------
    MalformedInputError
        There is such an instant, or none at all.
    """
    first = np.datetime64(FIRST_GPS_DAY, "s")
    last = np.datetime64(not_after, "s") + _ONE_DAY
    if not instant.size:
        raise MalformedInputError("no instant", where=where, expected="at least one value")
    bad = instant[~((instant >= first) & (instant <= last))]
    if bad.size:
        raise MalformedInputError(
            "instant in the future" if bad[0] > last else "instant too early", where=where,
            expected=f"{first} to {last}", got=str(bad[0]),
            remedy="check the time axis: it may count steps and not days")


def refuse_implausible(product: Product, up_mm: Array, unit: Unit, *, where: str) -> None:
    """Refuse what the declared unit makes too small or too large for this kind of loading.

    Parameters
    ----------
    product : {"NTAL", "NTOL"}
        The standard deviation of daily NTAL is 0.3 to 8 mm, that of NTOL 0.01 to 8 mm; of several
        stations the median counts. Stations with less than 30 days are not judged.
    up_mm : ndarray (d, n)
        Daily means as they follow from `unit`.
    unit : {"m", "cm", "mm"}
        Unit that was declared.

    Raises
    ------
    MalformedInputError
        A value beyond the contract, or a scatter that belongs to another unit, which is named.
    """
    scatter_mm = _scatter_mm(up_mm)
    least, usual, greatest = _SCATTER_MM[product]
    beyond = bool((np.abs(up_mm) > _LIMIT_MM).any())
    if not beyond and (scatter_mm is None or least < scatter_mm < greatest):
        return
    shown = scatter_mm if scatter_mm is not None else float(np.nanmax(np.abs(up_mm)))
    raw = max(shown / MM_PER[unit], 1e-300)
    likely = min(MM_PER, key=lambda other: abs(np.log(raw * MM_PER[other] / usual)))
    raise MalformedInputError(
        f"{product} looks like {likely}, not {unit}" if likely != unit else f"not {product}",
        where=where, expected=f"standard deviation of {least:g} to {greatest:g} mm, "
        f"values within {_LIMIT_MM:g} mm", got=f"{shown:.3g} mm when read as {unit}",
        remedy=f'declare the unit "{likely}"' if likely != unit else "look at the file")


def _scatter_mm(up_mm: Array) -> float | None:
    judged = up_mm[:, np.isfinite(up_mm).sum(axis=0) >= _LEAST_DAYS]
    return float(np.median(np.nanstd(judged, axis=0))) if judged.shape[1] else None
